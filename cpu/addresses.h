/* addresses.h - where rows are, and how they are asked for ahead of time: shared by all of cpu/.
 *
 * May include kernels/ only; holds no instruction of any one set. Addresses travel as four named
 * pointers and never as an array: GCC keeps names in registers where it leaves an array in
 * memory, and the loops that use these addresses have no register to spare.
 */
#ifndef KI_CPU_ADDRESSES_H
#define KI_CPU_ADDRESSES_H

#include "kernels/kernels.h"

/* The vocabulary of a loop must melt into the loop, whatever the compiler thinks of its size. */
#define INLINE static inline __attribute__((always_inline))

enum { LINE_BYTES = 64, RANGE_BLOCK = 64 };

/* Four rows, or the side data of four rows. */
typedef struct four {
    const unsigned char *r0, *r1, *r2, *r3;
} four;

INLINE const unsigned char *row_at(const unsigned char *base, size_t stride, uint32_t id)
{
    return base + (size_t)id * stride;
}

INLINE four four_at(const unsigned char *base, size_t stride, const uint32_t *ids)
{
    four at = {row_at(base, stride, ids[0]), row_at(base, stride, ids[1]),
               row_at(base, stride, ids[2]), row_at(base, stride, ids[3])};
    return at;
}

INLINE four four_times(const unsigned char *row)
{
    four at = {row, row, row, row};
    return at;
}

/* Asks for the first lines of every row of a call, and for its side data, before the first row is
 * used: into the second level, which has more requests under way than the first. Never a fault:
 * the processor drops a prefetch that has nowhere to go. Inlined by force: to GCC 12 a function
 * of its own that only prefetches has no effect, and it removes every call of it. */
INLINE void prefetch_rows(const ki_rows *rows, const uint32_t *ids, size_t n)
{
    const size_t wanted = (size_t)rows->prefetch_lines * LINE_BYTES;
    const size_t bytes = wanted < rows->stride ? wanted : rows->stride;
    for (size_t i = 0; bytes && i < n; i++) {
        const unsigned char *row = row_at(rows->base, rows->stride, ids[i]);
        for (size_t at = 0; at < bytes; at += LINE_BYTES)
            __builtin_prefetch(row + at, 0, 2);
        __builtin_prefetch(row_at(rows->aux, rows->aux_stride, ids[i]), 0, 2);
    }
}

#endif

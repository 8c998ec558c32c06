/* addresses.h - where rows are, and how they are asked for ahead of time: shared by all of cpu/.
 *
 * May include kernels/ only; holds no instruction of any one set. Addresses travel as four named
 * pointers and never as an array: GCC keeps names in registers where it leaves an array in
 * memory, and the loops that use these addresses have no register to spare.
 */
#ifndef KI_CPU_ADDRESSES_H
#define KI_CPU_ADDRESSES_H

#include "kernels/kernels.h"
#include <string.h>

/* The vocabulary of a loop must melt into the loop, whatever the compiler thinks of its size. */
#define INLINE static inline __attribute__((always_inline))

enum { LINE_BYTES = 64, RANGE_BLOCK = 64 };

/* Blocks of a tile. Queries that stay in the first level, and rows that stay in the second while
 * all queries pass over them. Rows come from memory once then, whatever the number of queries. */
enum { TILE_QUERY_BYTES = 24 << 10, TILE_ROW_BYTES = 512 << 10 };

/* Bytes of accumulators in a block of a tile: half of the registers of 512, or of 256 bits; on Arm,
 * sixteen of thirty-two of 128 bits. */
#ifdef __AVX512F__
#define TILE_BYTES 1024
#else
#define TILE_BYTES 256
#endif

/* The longest rows, from one to the next, that go by eight: shapes_tmpl.h says why. */
enum { EIGHT_MOST_BYTES = 1536 };

/* Four rows, or the side data of four rows. */
typedef struct four {
    const unsigned char *r0, *r1, *r2, *r3;
} four;

INLINE const unsigned char *row_at(const unsigned char *base, size_t stride, uint32_t id)
{
    return base + (size_t)id * stride;
}

INLINE ki_aux aux_at(const ki_rows *rows, uint32_t id)
{
    ki_aux aux;
    memcpy(&aux, row_at(rows->aux, rows->aux_stride, id), sizeof aux);
    return aux;
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

/* A group of queries in whole blocks of any size, and rows in whole fours. `wide`: registers of the
 * query for each of the row. */
INLINE size_t tile_queries_at_once(const ki_rows *rows, size_t bits_each, size_t wide)
{
    const size_t bytes = ((size_t)rows->dim * bits_each / 8 + LINE_BYTES) * (wide ? wide : 1);
    const size_t fit = TILE_QUERY_BYTES / bytes / 4 * 4;
    return fit ? fit : 4;
}

INLINE size_t tile_rows_at_once(const ki_rows *rows)
{
    const size_t fit = TILE_ROW_BYTES / (rows->stride + 1) / 4 * 4;
    return fit ? fit : 4;
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

/* bench_kernel_rows.h - the rows that the kernel benchmarks work on: sets of a given size, once
 * made.
 *
 * May include kernels/ headers and the C library. A set is named after the level of memory that
 * it fits into on most machines. Rows lie as a store lays them: 64-byte lines, side data behind
 * the row where it fits and in an array of its own where not.
 */
#ifndef BENCH_KERNEL_ROWS_H
#define BENCH_KERNEL_ROWS_H

#include "kernels/kernels.h"

enum { BENCH_LINE = 64, BENCH_DIMS = 3, BENCH_SETS = 4, BENCH_IDS = 1 << 18 };

extern const uint32_t bench_dims[BENCH_DIMS];

typedef struct bench_set {
    const char *name;
    size_t bytes;
} bench_set;

extern const bench_set bench_sets[BENCH_SETS];

/* The rows of a set under a pairing and a dimension, side data and all. */
ki_rows bench_rows_of(int set, ki_pairing pairing, int dim_number, uint32_t *count);

/* Row numbers below `count`, drawn at random, BENCH_IDS of them: the same for the same count,
 * valid until the next call. Never one of the last `spare` rows. */
const uint32_t *bench_ids(uint32_t count, uint32_t spare);

/* Zeroed pages, huge ones where the system gives them; ends the program when there are none. */
void *bench_pages(size_t bytes);

/* m queries of a kernel: vectors from the rows of the L1 set, prepared and packed. */
typedef struct bench_queries {
    ki_query *query;
    void *packed;
    unsigned char *memory;
} bench_queries;

void bench_queries_open(const ki_kernel *kernel, ki_pairing pairing, int dim_number, size_t m,
                        bench_queries *out);
void bench_queries_close(bench_queries *queries);

#endif

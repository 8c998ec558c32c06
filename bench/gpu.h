/* gpu.h - what the parts of kith-bench-gpu share: the data, the figures, and the limits they are
 * held against.
 *
 * May include kith.h. gpu_data.c makes vectors, gpu_measure.c searches them, bench_gpu_stream.c
 * asks the device what it can do at most, gpu_result.c writes, and bench_gpu.c decides the order.
 */
#ifndef BENCH_GPU_H
#define BENCH_GPU_H

#include <stdbool.h>
#include <stdio.h>

#include "kith.h"

enum {
    GPU_DIM = 128,
    GPU_K = 10,
    GPU_QUERIES = 10000, /* at most; fewer when there are fewer rows */
    GPU_JUDGED = 1000,   /* of them, whose true neighbours are computed */
    GPU_RUNS = 40,
    GPU_GATES = 16
};

struct gpu_data {
    kith_type type;
    uint32_t rows, queries, judged;
    void *base, *asked;
};

/* Clustered rows that have about the difficulty of image descriptors: points around centres in 24
 * dimensions, turned into 128, and a little noise. The same numbers on every machine, but for the
 * rounding of a compiler. NULL memory ends the program. */
struct gpu_data gpu_data_make(kith_type type, uint32_t rows);
void gpu_data_free(struct gpu_data *data);

/* What a device was measured to do at most. */
struct gpu_limits {
    double read, copy; /* bytes a second; a copy counts what it reads and what it writes */
    double flops;      /* f32, a multiply-add counting two */
};

/* Measures them on a buffer of about so many bytes. False after a sentence on stderr. */
bool gpu_limits_measure(const char *device, size_t bytes, struct gpu_limits *out);

/* One measured point. */
struct gpu_run {
    const char *index, *codes; /* "flat", "hnsw"; "f32", "sq8", ... */
    uint32_t ef, batch, calls;
    double recall;              /* of the judged; -1: not judged in this run */
    double seconds;             /* of a call, the median */
    double p50, p95, p99, p999; /* microseconds */
    double distances;           /* per query */
};

struct gpu_gate {
    char name[96];
    double have, want; /* have is 0 where it is not known */
    const char *sign;  /* ">=" or "<=" */
    bool known;
    char beside[96]; /* the ratio to a limit, or why it is not known */
};

struct gpu {
    const char *device; /* its id */
    kith_device_info info;
    struct gpu_limits limits;
    double torch_seconds; /* matmul and topk of 1000 queries on the same card; 0: not measured */
    const char *torch_note;
    struct gpu_data data;
    uint32_t *truth; /* GPU_K row numbers a judged query */
    float *truth_distances;
    kith_store *store;
    kith_hit *hits;
    double build_seconds;
    uint64_t exact_wrong, walk_apart; /* of the judged: places of exact search that are no true
                                         neighbour; walks that differ from the host's */
    struct gpu_run run[GPU_RUNS];
    size_t runs;
    struct gpu_gate gate[GPU_GATES];
    size_t gates;
};

/* Loads the data and computes the truth; measures exact search at batch 1 and 1000; builds the
 * graph and measures its walk at many widths, at a large batch and at 1. Each false after a
 * sentence. */
bool gpu_prepare(struct gpu *gpu);
bool gpu_exact(struct gpu *gpu);
bool gpu_walk(struct gpu *gpu);
void gpu_close(struct gpu *gpu);

/* The table of the runs, and the result file, which `kith report` reads. */
void gpu_print(FILE *out, const struct gpu *gpu);
bool gpu_write(const struct gpu *gpu, const char *path);

/* Prints "kith-bench-gpu: SENTENCE" and returns false. */
bool gpu_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

double gpu_now(void);
void *gpu_memory(size_t count, size_t bytes);

#endif

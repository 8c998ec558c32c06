/* device_cl.h - what the files of this room share: a found device, an open one, rows on it.
 *
 * May include kernels/device.h, kv/base.h and CL. No other room includes it but tests.
 *
 * Threads: an open device may be used from several threads; its mutex covers kernels, variants
 * and the speed estimate, because an OpenCL kernel object carries its arguments. Rows are used
 * by one thread at a time, as device.h says.
 */
#ifndef KI_DEVICE_CL_H
#define KI_DEVICE_CL_H

#include "kernels/device.h"
#include "opencl/clerror.h"

#include <pthread.h>

enum {
    KI_CL_MAX_K = 1024,
    KI_CL_STATE_BYTES = 16,        /* local memory of scan.cl for a query */
    KI_CL_SORT = 2048,             /* the longest list of scan.cl */
    KI_CL_MAX_PASS = 8,            /* queries that one pass over the rows serves: 1, 2, 4 or 8 */
    KI_CL_PASSES = 4,              /* how many such numbers there are */
    KI_CL_PAIRINGS = KI_F32I8 + 1, /* those that scan.cl knows: all but codes and bf16 pairs */
    KI_CL_LOCAL_BYTES = 17 << 10   /* local memory that a kernel needs at most */
};

/* A device as the platforms list it. `info.reason` says why it cannot be used, "" so far. */
typedef struct ki_cl_found {
    const ki_cl *cl;
    cl_platform_id platform;
    cl_device_id device;
    cl_device_type kind;
    bool fma; /* in hardware */
    char platform_version[128];
    kith_device_info info;
} ki_cl_found;

/* Calls visit for every device of every platform until it returns true. False and a sentence in
 * `note` when there is none. */
bool ki_cl_walk(bool (*visit)(void *user, const ki_cl_found *found), void *user, char *note,
                size_t note_size);

/* How a kernel is laid out on a device; see scan.cl. KITH_OPENCL_SHAPE=cpu|gpu overrides the
 * choice by device type, so that a test runs both on one driver. */
typedef struct ki_cl_shape {
    uint32_t lanes;
    uint32_t group;
    uint32_t block;
} ki_cl_shape;

/* One compiled program and its kernel; NULL until it is needed first. */
typedef struct ki_cl_variant {
    cl_program program;
    cl_kernel kernel;
} ki_cl_variant;

/* How programs came to be, for tests and for people who wonder about a slow start. */
typedef struct ki_program_counts {
    uint32_t built;    /* compiled from source */
    uint32_t loaded;   /* taken from the disk cache */
    uint32_t rejected; /* cache files that were wrong, or that the driver refused, and deleted */
} ki_program_counts;

typedef struct ki_cl_device {
    ki_device base; /* first, so that a ki_device pointer is a pointer to this */
    ki_cl_found found;
    cl_context context;
    cl_command_queue queue;
    ki_cl_shape shape;
    size_t max_alloc; /* bytes of one buffer; KITH_OPENCL_MAX_ALLOC lowers it */
    pthread_mutex_t mutex;
    double macs_per_second; /* measured by scans; bounds the length of a launch */
    ki_program_counts counts;
    ki_cl_variant scans[KI_CL_PAIRINGS][KI_METRIC_COUNT][KI_CL_PASSES];
    ki_cl_variant merge;
} ki_cl_device;

/* The rows of one buffer, at most max_alloc bytes. */
typedef struct ki_cl_chunk {
    cl_mem rows;  /* interleaved as scan.cl says, padded with zeros to whole units */
    cl_mem sides; /* 4 bytes a row: what the metric needs of its aux */
    cl_mem live;  /* a bit a row */
    uint32_t first;
    uint32_t count;
} ki_cl_chunk;

/* A buffer that is kept between scans and grows. */
typedef struct ki_cl_scratch {
    cl_mem buffer;
    size_t bytes;
} ki_cl_scratch;

struct ki_device_rows {
    ki_cl_device *device;
    kith_type type;
    kith_metric metric;
    uint32_t dim;
    uint32_t words; /* of 4 bytes, in a row */
    uint32_t count;
    bool all_live;
    size_t chunk_count;
    ki_cl_chunk *chunks;
    ki_cl_scratch lists, bounds, queries, query_sides, answers;
};

/* open_cl.c: opens what was found and proves it on a small search with known answers. */
kith_status ki_cl_open(const ki_cl_found *found, ki_cl_device **out);
void ki_cl_close(ki_cl_device *device);

/* selftest.c: EDEVICE and a sentence when an answer is wrong. */
kith_status ki_cl_self_test(ki_cl_device *device);

/* program.c: the kernel for so many queries a pass, and the one that merges. They stay the
 * device's. The caller holds the mutex. */
kith_status ki_cl_scan_kernel(ki_cl_device *device, ki_pairing pairing, kith_metric metric,
                              uint32_t pass_log2, cl_kernel *out);
kith_status ki_cl_merge_kernel(ki_cl_device *device, cl_kernel *out);
void ki_cl_variant_close(const ki_cl *cl, ki_cl_variant *variant);

/* Bytes that meet bytes: their sums are integers, and exact. */
static inline bool ki_cl_whole(ki_pairing pairing)
{
    return pairing == KI_U8 || pairing == KI_I8;
}

/* rows_cl.c */
kith_status ki_cl_put_rows(ki_device *device, const ki_row_set *set, ki_device_rows **out);
void ki_cl_drop_rows(ki_device_rows *rows);
uint32_t ki_cl_unit_rows(const ki_cl_shape *shape); /* chunks are padded to multiples of this */

/* buffers.c: buffers are touched when they are made, because drivers allocate lazily and would
 * else fail in the middle of a search. */
kith_status ki_cl_buffer(ki_cl_device *device, const char *what, size_t bytes, cl_mem *out);
kith_status ki_cl_write(ki_cl_device *device, const char *what, cl_mem buffer, size_t offset,
                        const void *data, size_t bytes);
kith_status ki_cl_reserve(ki_cl_device *device, const char *what, size_t bytes,
                          ki_cl_scratch *scratch);
void ki_cl_release(const ki_cl *cl, cl_mem *buffer);

/* scan_cl.c */
kith_status ki_cl_scan(ki_device_rows *rows, const ki_device_queries *queries, uint32_t k,
                       uint64_t *answers);

#endif

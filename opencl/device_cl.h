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
#include <stdatomic.h>

enum {
    KI_CL_MAX_K = 1 << 24,
    KI_CL_LIST_K = 1024,           /* the largest of scan.cl and tile.cl; beyond it select.cl */
    KI_CL_STATE_BYTES = 16,        /* local memory of scan.cl for a query */
    KI_CL_SORT = 2048,             /* the longest list of scan.cl */
    KI_CL_MAX_PASS = 8,            /* queries that one pass over the rows serves: 1, 2, 4 or 8 */
    KI_CL_PASSES = 4,              /* how many such numbers there are */
    KI_CL_PAIRINGS = KI_F32I8 + 1, /* those that scan.cl knows: all but codes and bf16 pairs */
    KI_CL_LOCAL_BYTES = 17 << 10,  /* local memory that a scan needs at most */
    KI_CL_MAX_EF = 1024,           /* of a walk, where local memory is large enough */
    KI_CL_MAX_DEGREE = 256,        /* of a graph: a bit each in walk.cl */
    KI_CL_WALK_STATE = 3 + 8,      /* words of local memory in walk.cl beside its lists */
    KI_CL_WALK_GROUPS = 5          /* sizes of group that walk.cl is compiled for */
};

/* A device as the platforms list it, or a part of one. `info.reason` says why it cannot be used,
 * "" so far. */
typedef struct ki_cl_found {
    const ki_cl *cl;
    cl_platform_id platform;
    cl_device_id device;
    cl_device_type kind;
    bool fma;           /* in hardware */
    uint32_t parts;     /* that it was divided into, and this is one of; 0 or 1: it is whole */
    size_t local_bytes; /* local memory */
    size_t max_group;   /* work-items */
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

/* The ways to search exactly; see scan_cl.h. */
typedef enum ki_cl_path {
    KI_CL_ANY_PATH,
    KI_CL_LISTS,
    KI_CL_TILES,
    KI_CL_SELECT,
    KI_CL_PATHS
} ki_cl_path;

/* Whether a way passes the self-test. */
typedef enum ki_cl_proof { KI_CL_UNTRIED, KI_CL_PROVEN, KI_CL_WRONG } ki_cl_proof;

/* Kernels that compute no distance. */
typedef enum ki_cl_plain {
    KI_CL_MERGE,
    KI_CL_CUT,
    KI_CL_COUNT,
    KI_CL_CHOOSE,
    KI_CL_GATHER,
    KI_CL_PLAINS
} ki_cl_plain;

/* How programs came to be, for tests and for people who wonder about a slow start. */
typedef struct ki_program_counts {
    uint32_t built;    /* compiled from source */
    uint32_t loaded;   /* taken from the disk cache */
    uint32_t rejected; /* cache files that were wrong, or that the driver refused, and deleted */
} ki_program_counts;

/* What a device did so far. Kernel time is known when KITH_OPENCL_PROFILE=1, and then every launch
 * is waited for. */
typedef struct ki_cl_counters {
    uint64_t launches;
    uint64_t bytes_up;
    uint64_t bytes_down;
    double kernel_seconds;
} ki_cl_counters;

/* What walks need of a device; see walk_cl.h. */
typedef struct ki_cl_walks {
    ki_cl_variant walk[KI_CL_PAIRINGS][KI_METRIC_COUNT][KI_CL_WALK_GROUPS];
    ki_cl_variant turn;
    uint32_t group;         /* work-items a query: KITH_OPENCL_GROUP; 0: chosen by the batch */
    uint32_t proven;        /* a bit for each size of group that has passed its self-test */
    double macs_per_second; /* measured; bounds the length of a launch */
} ki_cl_walks;

typedef struct ki_cl_device {
    ki_device base; /* first, so that a ki_device pointer is a pointer to this */
    ki_cl_found found;
    cl_context context;
    cl_command_queue queue;
    ki_cl_shape shape;
    size_t max_alloc;           /* bytes of one buffer; KITH_OPENCL_MAX_ALLOC lowers it */
    size_t memory_limit;        /* bytes of all buffers: 80 %; KITH_OPENCL_MEMORY lowers it */
    _Atomic size_t memory_used; /* of them, by buffers there are */
    _Atomic uint64_t bytes_up;  /* written so far, and read: any thread adds */
    _Atomic uint64_t bytes_down;
    pthread_mutex_t mutex;
    double macs_per_second;      /* measured by scans; bounds the length of a launch */
    double tile_macs_per_second; /* the same of tiles; 0 before the first */
    uint64_t tiles_lost;         /* queries that tile.cl could not finish */
    ki_cl_path path;             /* that KITH_OPENCL_PATH asks for: scan, tile or select */
    ki_cl_proof proofs[KI_CL_PATHS];
    uint32_t tile_queries; /* from so many on, tiles are used where they can be */
    bool profiled;
    bool dozes;              /* waiting costs a core: sleep through most of it */
    bool pins;               /* uploads go through pinned memory; see staging_cl.c */
    double pending_seconds;  /* expected, of launches that nobody has waited for yet */
    ki_cl_counters counters; /* but for the bytes, which are above; read by ki_cl_counters_read */
    ki_program_counts counts;
    ki_cl_variant scans[KI_CL_PAIRINGS][KI_METRIC_COUNT][KI_CL_PASSES];
    ki_cl_variant keys[KI_CL_PAIRINGS][KI_METRIC_COUNT][KI_CL_PASSES];
    ki_cl_variant tiles[KI_CL_PAIRINGS][KI_METRIC_COUNT];
    ki_cl_variant plains[KI_CL_PLAINS];
    ki_cl_walks walks;
} ki_cl_device;

/* The rows of one buffer, at most max_alloc bytes. */
typedef struct ki_cl_chunk {
    cl_mem rows;  /* interleaved as scan.cl says, padded to whole units; NULL while there are lines
                     and no scan has asked for it: see ki_cl_need_blocks */
    cl_mem sides; /* 4 bytes a row: what the metric needs of its aux */
    cl_mem live;  /* a bit a row */
    uint32_t first;
    uint32_t count;
    uint32_t room; /* rows that fit, a multiple of the unit */
} ki_cl_chunk;

/* A buffer that is kept between scans and grows. */
typedef struct ki_cl_scratch {
    cl_mem buffer;
    size_t bytes;
} ki_cl_scratch;

/* A graph on the device; layers is 0 when there is none. */
typedef struct ki_cl_graph {
    cl_mem links; /* of layer 0 */
    cl_mem upper; /* the layers above, as upper_layer of walk.cl reads them */
    uint32_t layers, entry;
    uint32_t degree, count; /* of layer 0 */
    uint32_t widest;        /* degree of all layers */
} ki_cl_graph;

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
    cl_mem lines;        /* the rows of the one chunk again, one after the other; NULL without */
    uint32_t lines_room; /* rows that fit */
    ki_cl_graph graph;
    ki_cl_scratch walk_counts;
    ki_cl_scratch lists, bounds, queries, query_sides, answers; /* of scan_cl.c */
    ki_cl_scratch keys, digits, chosen;                         /* of select_cl.c, too */
    ki_cl_scratch counts, limits;                               /* of tile_cl.c, too */
};

/* open_cl.c: opens what was found and proves it on a small search with known answers. */
kith_status ki_cl_open(const ki_cl_found *found, ki_cl_device **out);
void ki_cl_close(ki_cl_device *device);

/* selftest.c: a small search by the given way. EDEVICE and a sentence when an answer is wrong, and
 * then *wrong is true, whereas after a call that failed it stays as it was. */
kith_status ki_cl_self_test(ki_cl_device *device, ki_cl_path path, bool *wrong);

/* variants.c: the kernels for so many queries a pass, and those that compute no distance. They stay
 * the device's. The caller holds the mutex. */
kith_status ki_cl_scan_kernel(ki_cl_device *device, ki_pairing pairing, kith_metric metric,
                              uint32_t pass_log2, cl_kernel *out);
kith_status ki_cl_keys_kernel(ki_cl_device *device, ki_pairing pairing, kith_metric metric,
                              uint32_t pass_log2, cl_kernel *out);
kith_status ki_cl_tile_kernel(ki_cl_device *device, ki_pairing pairing, kith_metric metric,
                              cl_kernel *out);
kith_status ki_cl_plain_kernel(ki_cl_device *device, ki_cl_plain which, cl_kernel *out);
void ki_cl_variants_close(ki_cl_device *device);
kith_status ki_cl_walk_kernel(ki_cl_device *device, ki_pairing pairing, kith_metric metric,
                              uint32_t group, cl_kernel *out);
kith_status ki_cl_turn_kernel(ki_cl_device *device, cl_kernel *out);
void ki_cl_variant_close(const ki_cl *cl, ki_cl_variant *variant);

/* tune_cl.c: chooses a layout by measuring, and keeps the choice; takes what was kept, if anything;
 * forgets it. Before the device is used by anyone. */
kith_status ki_cl_tune(ki_cl_device *device);
void ki_cl_tuned(ki_cl_device *device);
void ki_cl_untuned(ki_cl_device *device);

/* Bytes that meet bytes: their sums are integers, and exact. */
static inline bool ki_cl_whole(ki_pairing pairing)
{
    return pairing == KI_U8 || pairing == KI_I8;
}

/* rows_cl.c */
kith_status ki_cl_put_rows(ki_device *device, const ki_row_set *set, ki_device_rows **out);
void ki_cl_drop_rows(ki_device_rows *rows);
kith_status ki_cl_set_live(ki_device_rows *rows, const uint64_t *live);
uint32_t ki_cl_unit_rows(const ki_cl_shape *shape); /* chunks are padded to multiples of this */

/* buffers.c: buffers are touched when they are made, because drivers allocate lazily and would
 * else fail in the middle of a search. They are counted, and one that goes beyond the device's
 * memory_limit is refused with ENOMEM before the driver hears of it. */
kith_status ki_cl_buffer(ki_cl_device *device, const char *what, size_t bytes, cl_mem *out);
kith_status ki_cl_write(ki_cl_device *device, const char *what, cl_mem buffer, size_t offset,
                        const void *data, size_t bytes);
kith_status ki_cl_reserve(ki_cl_device *device, const char *what, size_t bytes,
                          ki_cl_scratch *scratch);
void ki_cl_release(ki_cl_device *device, cl_mem *buffer); /* accepts NULL in it */

/* Bytes that buffers may still take. */
size_t ki_cl_room(const ki_cl_device *device);

/* Reads what the queue has written when all before it is done; waits without a core where that
 * pays. The caller holds the mutex. */
kith_status ki_cl_read(ki_cl_device *device, const char *what, cl_mem buffer, void *data,
                       size_t bytes);

/* launch_cl.c: arguments set and groups given to the queue. The caller holds the mutex. */
typedef struct ki_cl_argument {
    size_t bytes;
    const void *value;
} ki_cl_argument;

typedef struct ki_cl_launch {
    const char *name; /* of the kernel, for the sentence */
    cl_kernel kernel;
    size_t width, height; /* in groups */
    size_t group;         /* work-items of one */
    double seconds;       /* expected; 0 when nobody knows */
} ki_cl_launch;

kith_status ki_cl_run(ki_cl_device *device, const ki_cl_launch *launch,
                      const ki_cl_argument *arguments, cl_uint count);
void ki_cl_counters_read(ki_cl_device *device, ki_cl_counters *out);

/* divide.c: makes `found` the given one of so many equal parts of its compute units, which
 * lives as long as the process. ENODEVICE and a sentence when it cannot be divided so. */
kith_status ki_cl_divide(ki_cl_found *found, uint32_t part, uint32_t parts);

/* exact_cl.c */
kith_status ki_cl_scan(ki_device_rows *rows, const ki_device_queries *queries, uint32_t k,
                       uint64_t *answers);

#endif

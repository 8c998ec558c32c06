/* kith.h - vector search kernels, an HNSW graph and a key-value store of vectors, in C.
 *
 * A *store* keeps vectors under keys. An *index* finds the nearest of them: `flat` compares the
 * query with every row and is exact; `hnsw` walks a graph and is approximate. A *searcher* is the
 * scratch memory of one thread. A *device* is where rows can be searched: the host CPU, or any
 * OpenCL device that is found at run time.
 *
 *     #include <kith.h>
 *     #include <stdio.h>
 *
 *     int main(void)
 *     {
 *         float v[4][2] = {{0, 0}, {1, 0}, {0, 2}, {3, 3}}, q[2] = {0.9f, 0.2f};
 *         kith_store_options so = kith_store_defaults(2, KITH_F32, KITH_L2SQ);
 *         kith_index_options io = kith_index_defaults(KITH_HNSW);
 *         kith_search_options se = kith_search_defaults(2);
 *         kith_store *store = NULL;
 *         kith_index *index = NULL;
 *         kith_hit hit[2];
 *         if (kith_store_open(NULL, &so, &store) ||
 *             kith_store_load(store, NULL, v, 4, NULL, NULL) ||
 *             kith_index_create(store, &io, &index) || kith_index_build(index, NULL, NULL) ||
 *             kith_index_search(index, q, 1, &se, hit, NULL))
 *             return fprintf(stderr, "%s\n", kith_last_error()), 1;
 *         for (int i = 0; i < 2; i++)
 *             printf("key %d at squared distance %.2f\n", (int)hit[i].key, hit[i].distance);
 *         kith_index_close(index);
 *         kith_store_close(store);
 *         return 0;
 *     }
 *
 * Rules that hold for every call:
 * - A call that can fail returns a kith_status: KITH_OK (0) or a negative code. Results leave by
 *   pointer, last, and are untouched on failure. kith_last_error() is one sentence with the
 *   numbers in it, written by the failing call of the calling thread.
 * - A close function returns nothing and accepts NULL.
 * - Option structs are filled by their _defaults() call; the first field is their size, so that
 *   a program compiled against an older header keeps working.
 * - Smaller is closer, for every metric; equal distances are ordered by row number, so that a
 *   search has one right answer on every machine.
 * - Vectors are dense arrays of the store's row type, `dim` elements, no padding, aligned as C
 *   aligns that type. A query has the row type of the store.
 *
 * Threads: any number of threads may search one index at a time, each with its own searcher or
 * through kith_index_search. Calls that change a store or an index (put, delete, load, build,
 * close) need that store and its indexes to themselves. Different stores are independent.
 *
 * Not promised: that graph bytes of f32 rows are the same on every instruction set (those of u8
 * rows are), and that the distance of a hit carries more than f32 precision.
 */
#ifndef KITH_H
#define KITH_H

#include <stddef.h>
#include <stdint.h>

#define KITH_VERSION_MAJOR 0
#define KITH_VERSION_MINOR 1
#define KITH_VERSION_PATCH 0

#if defined(__GNUC__)
#define KITH_API __attribute__((visibility("default")))
#else
#define KITH_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Status ------------------------------------------------------------------------------ */

typedef enum kith_status {
    KITH_OK = 0,
    KITH_EINVAL = -1,       /* an argument is wrong; the sentence names it */
    KITH_ENOMEM = -2,       /* the host ran out of memory */
    KITH_EIO = -3,          /* the operating system refused a read or a write */
    KITH_ENOTFOUND = -4,    /* no such key */
    KITH_ECORRUPT = -5,     /* bytes or a structure that cannot be right */
    KITH_EUNSUPPORTED = -6, /* a combination that this build does not do */
    KITH_ENODEVICE = -7,    /* the device asked for is absent or unusable */
    KITH_EDEVICE = -8,      /* a device failed while working */
    KITH_ECANCELLED = -9    /* the progress callback asked to stop */
} kith_status;

/* The name of a status, such as "invalid argument". Static; never NULL. */
KITH_API const char *kith_strerror(kith_status status);

/* The sentence of the last failure in this thread; "" if there was none. Valid until the next
 * failing call of this thread. Not cleared by success. */
KITH_API const char *kith_last_error(void);

/* "0.1.0": the version of the library that runs, which may differ from the header's. */
KITH_API const char *kith_version(void);

/* Called from long work, between steps of a fraction of a second on ordinary sizes (a batch of
 * rows, a group of queries), always in the calling thread. Return 0 to go on, anything else to
 * stop: the call then returns KITH_ECANCELLED and what was done so far stays valid. */
typedef int (*kith_progress_fn)(void *user, uint64_t done, uint64_t total);

/* ---- Numbers ----------------------------------------------------------------------------- */

typedef enum kith_type {
    KITH_F32,  /* 32-bit float; NaN and infinities are refused at the store's door, in all floats */
    KITH_U8,   /* 0..255 */
    KITH_F16,  /* IEEE 754 half precision, as 16 bits */
    KITH_BF16, /* the upper 16 bits of an f32 */
    KITH_I8,   /* -128..127 */
    KITH_B1 /* bits: dimension i is bit i % 8 of byte i / 8; unused bits of the last byte are 0 */
} kith_type;

typedef enum kith_metric {
    KITH_L2SQ,    /* squared Euclidean distance */
    KITH_IP,      /* minus the inner product */
    KITH_COSINE,  /* 1 - cosine similarity; 1 when either vector is zero */
    KITH_HAMMING, /* b1: bits that differ */
    KITH_JACCARD  /* b1: 1 - common bits / bits in either; 0 when there is none in either */
} kith_metric;

/* "f32", "u8", "f16", "bf16", "i8", "b1"; "l2sq", "ip", "cosine", "hamming", "jaccard". NULL for
 * an unknown value. */
KITH_API const char *kith_type_name(kith_type type);
KITH_API const char *kith_metric_name(kith_metric metric);

/* The reverse. KITH_EINVAL for an unknown name. */
KITH_API kith_status kith_type_parse(const char *name, kith_type *out);
KITH_API kith_status kith_metric_parse(const char *name, kith_metric *out);

/* Bytes of a vector of dim elements; 0 for an unknown type. For b1 (dim + 7) / 8. */
KITH_API size_t kith_vector_bytes(kith_type type, uint32_t dim);

/* The ladder of instruction sets that this machine runs and this build contains, slowest first:
 * "scalar", then for example "avx2", "avx512", "avx512vnni", or "neon", "dotprod". Each level
 * includes those before it. The environment variable KITH_CPU=<name> caps the ladder; it never
 * adds to it. Level `i` from 0; NULL beyond the last, so a loop needs no count. */
KITH_API const char *kith_cpu_level(size_t i);

/* ---- Store ------------------------------------------------------------------------------- */

typedef struct kith_store kith_store;

typedef enum kith_key_kind {
    KITH_KEYS_U64,  /* keys are 64-bit numbers */
    KITH_KEYS_BYTES /* keys are 1 to 512 bytes */
} kith_key_kind;

typedef struct kith_store_options {
    size_t size;
    uint32_t dim; /* 1..65535; at most 33025 for u8, so that integer sums cannot overflow */
    kith_type type;
    kith_metric metric;
    kith_key_kind keys;
} kith_store_options;

KITH_API kith_store_options kith_store_defaults(uint32_t dim, kith_type type, kith_metric metric);

/* Opens a store in memory (path NULL). Stores in files are not in this version: a path gives
 * KITH_EUNSUPPORTED. The caller owns *out and closes it.
 * Errors: EINVAL (dimension, type, metric), EUNSUPPORTED, ENOMEM. */
KITH_API kith_status kith_store_open(const char *path, const kith_store_options *options,
                                     kith_store **out);

/* Frees everything. Indexes on the store must be closed first. */
KITH_API void kith_store_close(kith_store *store);

/* Stores a copy of `vector` (dim elements) under the key, replacing the vector that was there.
 * A failed put changes nothing. Errors: EINVAL (key kind or length, NaN or infinity, with its
 * position; under cosine a norm beyond f32), ENOMEM. */
KITH_API kith_status kith_store_put(kith_store *store, const void *key, size_t key_len,
                                    const void *vector);
KITH_API kith_status kith_store_put_u64(kith_store *store, uint64_t key, const void *vector);

/* Puts n vectors that lie one after the other. keys NULL means the numbers from 0 to n-1. Each
 * vector is checked before the first is put: bad input changes nothing. When cancelled, or out
 * of memory half-way, the vectors before that point stay. Errors: as put, ECANCELLED. */
KITH_API kith_status kith_store_load(kith_store *store, const uint64_t *keys, const void *vectors,
                                     size_t n, kith_progress_fn progress, void *user);

/* Copies the vector of a key to `vector` (dim elements). Errors: EINVAL, ENOTFOUND. */
KITH_API kith_status kith_store_get(const kith_store *store, const void *key, size_t key_len,
                                    void *vector);
KITH_API kith_status kith_store_get_u64(const kith_store *store, uint64_t key, void *vector);

/* Removes a key and its vector; searches no longer return it. Errors: EINVAL, ENOTFOUND. */
KITH_API kith_status kith_store_del(kith_store *store, const void *key, size_t key_len);
KITH_API kith_status kith_store_del_u64(kith_store *store, uint64_t key);

/* The key of a row number, as found in a kith_hit. *key points into the store and is valid until
 * the store changes; for u64 keys it points to 8 bytes in host order. Errors: ENOTFOUND when the
 * row is not live. */
KITH_API kith_status kith_store_key(const kith_store *store, uint32_t row, const void **key,
                                    size_t *key_len);

typedef struct kith_store_stats {
    size_t size;             /* set by the caller: sizeof(kith_store_stats) */
    uint64_t live;           /* vectors that a get can find */
    uint64_t rows;           /* row numbers ever used: live, free and quarantined */
    uint64_t row_bytes;      /* dim elements, without padding */
    uint64_t stride;         /* bytes from one row to the next, a multiple of 64 */
    uint64_t resident_bytes; /* memory that the store holds: rows, side data, keys, directory */
} kith_store_stats;

KITH_API kith_status kith_store_stat(const kith_store *store, kith_store_stats *out);

/* ---- Devices ----------------------------------------------------------------------------- */

/* One device, as it was found. Sizes in bytes, 0 when unknown. */
typedef struct kith_device_info {
    size_t size;        /* set by the caller: sizeof(kith_device_info) */
    char id[16];        /* "cpu", "ocl0", "ocl1", ...: what options and --device take */
    char name[128];     /* the maker's name of it */
    char platform[128]; /* "host", or the OpenCL platform's name */
    char driver[128];   /* the instruction set in use, or the driver's version */
    uint64_t memory_bytes;
    uint64_t max_alloc_bytes; /* the largest single buffer; larger rows are split */
    uint32_t compute_units;
    uint32_t usable;  /* 1: Kith can search on it */
    char reason[256]; /* why not, one sentence; "" when usable */
} kith_device_info;

typedef struct kith_devices kith_devices;

/* Finds every device: the host first, then each device of each OpenCL platform, usable or not.
 * A machine without OpenCL is no error: the list then holds the host alone, and
 * kith_devices_note() says why. The list is a snapshot; the caller closes it. */
KITH_API kith_status kith_devices_open(kith_devices **out);
KITH_API size_t kith_devices_count(const kith_devices *devices);
KITH_API kith_status kith_devices_get(const kith_devices *devices, size_t i, kith_device_info *out);
KITH_API const char *kith_devices_note(const kith_devices *devices);
KITH_API void kith_devices_close(kith_devices *devices);

/* ---- Index ------------------------------------------------------------------------------- */

typedef struct kith_index kith_index;

typedef enum kith_index_kind {
    KITH_FLAT, /* exact */
    KITH_HNSW  /* Malkov and Yashunin, arXiv 1603.09320 */
} kith_index_kind;

typedef struct kith_index_options {
    size_t size;
    kith_index_kind kind;
    const char *device;       /* "cpu" or NULL; a flat index may name an OpenCL device */
    const char *cpu;          /* the highest instruction set to use, NULL for the best there is */
    uint32_t m;               /* hnsw: links of a node in the upper layers; twice that in layer 0 */
    uint32_t ef_construction; /* hnsw: width of the walk that looks for links */
    float alpha;      /* hnsw: 1 prunes as the paper; above 1 keeps more links, as DiskANN does
                         (Subramanya et al., NeurIPS 2019); 1..2, without effect under ip */
    uint64_t seed;    /* hnsw: levels are a hash of key and seed */
    uint32_t threads; /* of a build and of device work; 0 for all the machine has */
} kith_index_options;

KITH_API kith_index_options kith_index_defaults(kith_index_kind kind);

/* Creates an index on a store, which must outlive it. Rows are not copied for an index on the
 * host. While an index is open, rows that are deleted or replaced keep their place in memory.
 * Errors: EINVAL, ENOMEM, ENODEVICE, EDEVICE, EUNSUPPORTED (hnsw on an OpenCL device). */
KITH_API kith_status kith_index_create(kith_store *store, const kith_index_options *options,
                                       kith_index **out);

/* Brings the index up to the store: a graph gains every row that is not in it yet, a device
 * receives the rows. Rows that were put since the last build are found all the same, by an exact
 * scan beside the walk. The graph of u8 rows depends on keys, vectors, their order and the
 * options, not on threads or instruction sets. Errors: ENOMEM, EDEVICE, ECANCELLED (the rows
 * linked so far stay linked). */
KITH_API kith_status kith_index_build(kith_index *index, kith_progress_fn progress, void *user);
KITH_API void kith_index_close(kith_index *index);

typedef struct kith_hit {
    uint64_t key;   /* the key in a store of u64 keys, else 0: use kith_store_key(row) */
    uint32_t row;   /* row number in the store; UINT32_MAX where there was no further hit */
    float distance; /* smaller is closer; +infinity where there was no further hit */
} kith_hit;

typedef struct kith_search_options {
    size_t size;
    uint32_t k;              /* hits wanted, 1..65536 */
    uint32_t ef;             /* hnsw: candidates kept during the walk; below k it counts as k */
    uint32_t threads;        /* hnsw, kith_index_search: 0 for all; flat uses the index's own */
    uint32_t prefetch_lines; /* 64-byte lines of a row fetched ahead, 0..64; UINT32_MAX: chosen */
} kith_search_options;

KITH_API kith_search_options kith_search_defaults(uint32_t k);

typedef struct kith_search_stats {
    size_t size;        /* set by the caller: sizeof(kith_search_stats) */
    uint64_t distances; /* of queries to rows; flat: every live row, once */
    uint64_t hops;      /* nodes expanded */
} kith_search_stats;

/* Answers nq queries that lie one after the other: hits + i*k holds the k hits of query i,
 * nearest first. `stats` may be NULL; else it receives the sums over all queries.
 * A flat index answers one call at a time; further calls wait.
 * Errors: EINVAL (k, NaN in a query, with its position; a flat index on an OpenCL device that was
 * not built), ENOMEM, EDEVICE, EUNSUPPORTED (more answers than the device can give). */
KITH_API kith_status kith_index_search(kith_index *index, const void *queries, size_t nq,
                                       const kith_search_options *options, kith_hit *hits,
                                       kith_search_stats *stats);

/* What one thread needs to search: a searcher belongs to one thread at a time and must be closed
 * before its index. Everything that depends on `options` is allocated here; a search allocates
 * nothing, unless the index grew since. `cpu` caps the instruction set of this searcher, NULL for
 * the index's.
 * Errors: EINVAL, ENOMEM, EUNSUPPORTED (a flat index: it is searched by kith_index_search). */
typedef struct kith_searcher kith_searcher;
KITH_API kith_status kith_searcher_create(kith_index *index, const kith_search_options *options,
                                          const char *cpu, kith_searcher **out);
KITH_API void kith_searcher_close(kith_searcher *searcher);

/* One query, k hits. `found` (may be NULL) receives how many of them are real.
 * Errors: EINVAL (NaN in the query). */
KITH_API kith_status kith_searcher_search(kith_searcher *searcher, const void *query,
                                          kith_hit *hits, size_t *found, kith_search_stats *stats);

typedef struct kith_index_stats {
    size_t size;          /* set by the caller: sizeof(kith_index_stats) */
    uint64_t nodes;       /* rows in the index; hnsw: deleted ones too */
    uint64_t links;       /* hnsw: links in layer 0 */
    uint32_t layers;      /* hnsw: layers in use */
    uint32_t threads;     /* that built it */
    double build_seconds; /* spent in kith_index_build so far */
    uint64_t bytes;       /* memory beyond the store's */
    uint64_t digest;      /* hnsw: XXH3 of the graph: equal digests, equal graphs */
} kith_index_stats;

/* Counts the links and hashes the whole graph: time in proportion to its size. */
KITH_API kith_status kith_index_stat(const kith_index *index, kith_index_stats *out);

/* Checks every invariant of a graph: ids in range, no self or double link, degrees, levels, and
 * that every live node can be reached from the entry. KITH_ECORRUPT with the first violation. */
KITH_API kith_status kith_index_check(const kith_index *index);

/* ---- Exact neighbours of a matrix --------------------------------------------------------- */

/* The k nearest of n rows for each of nq queries, without a store: ground truth for a benchmark.
 * Candidates come from matrix products (OpenBLAS where this build has it) and are ranked again
 * from exact sums: integers for u8, f64 for f32; ties by row number. rows[nq*k] receives row
 * numbers, distances[nq*k] (may be NULL) the distances. threads 0 means all. While it runs, and
 * while a flat index answers 128 f32 queries or more, OpenBLAS is held to one thread a caller in
 * the whole process.
 * Errors: EINVAL (k = 0 or k > n, NaN), ENOMEM, ECANCELLED (finished queries are written). */
KITH_API kith_status kith_exact(kith_metric metric, kith_type type, uint32_t dim, const void *base,
                                size_t n, const void *queries, size_t nq, uint32_t k,
                                uint32_t threads, uint32_t *rows, float *distances,
                                kith_progress_fn progress, void *user);

#ifdef __cplusplus
}
#endif
#endif

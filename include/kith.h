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
 *   aligns that type. A query has the row type of the store, unless its options say f32.
 *
 * Threads: stores and indexes synchronise themselves. Any number of threads may search one index,
 * each with its own searcher or through kith_index_search, while others write to its store and one
 * builds it: a query sees the state after one commit, the newest when it began. Open and close are
 * alone; a progress callback must not build, load, save, check or close what it hears of.
 *
 * Not promised: that the graph over f32, f16 and bf16 rows themselves (KITH_WALK_ROWS) is the same
 * bytes on every instruction set, as graphs over codes and over u8, i8 and b1 rows are; and that
 * the distance of a hit carries more than f32 precision.
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
    KITH_ECANCELLED = -9,   /* the progress callback asked to stop */
    KITH_EEXISTS = -10,     /* the key, or the file, is there already */
    KITH_EBUSY = -11        /* another process, or something still open, stands in the way */
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

/* "f32", "u8"; "l2sq", "ip"; NULL for an unknown value. The reverse: KITH_EINVAL (the name). */
KITH_API const char *kith_type_name(kith_type type);
KITH_API const char *kith_metric_name(kith_metric metric);
KITH_API kith_status kith_type_parse(const char *name, kith_type *out);
KITH_API kith_status kith_metric_parse(const char *name, kith_metric *out);

/* Bytes of a vector of dim elements; 0 for an unknown type. For b1 (dim + 7) / 8. */
KITH_API size_t kith_vector_bytes(kith_type type, uint32_t dim);

/* The ladder of instruction sets that this machine runs and this build contains, slowest first:
 * "scalar", then for example "avx2", "avx512", "avx512vnni", or "neon", "dotprod". A level includes
 * those it builds on. KITH_CPU=<name> in the environment caps the ladder; it never adds to it.
 * Level `i` from 0; NULL beyond the last, so a loop needs no count. */
KITH_API const char *kith_cpu_level(size_t i);

/* ---- Store -------------------------------------------------------------------------------
 * A store maps a key to an *item*: one vector, and up to 64 KiB of metadata that Kith does not
 * read. It lives in memory (path NULL) or in one file, and does the same in both.
 *
 * What a file promises. A *commit* (one call that writes) happens whole or not at all. After a
 * crash or a power cut the file holds the state after some commit: at least the last one that
 * was promised, as `durability` says. Nothing else is left behind, whatever was going on. Damage
 * that no power cut explains is reported (KITH_ECORRUPT), never quietly cut off. After a failed
 * sync the store is read-only until it is opened again. One process writes; others may read.
 *
 * Threads: all of this may be called from any thread at any time, but open, close and compact.
 * Writers queue; readers never wait for the disk. */

typedef struct kith_store kith_store;

typedef enum kith_key_kind {
    KITH_KEYS_U64,  /* keys are 64-bit numbers: a pointer to a uint64_t, and key_len 8 */
    KITH_KEYS_BYTES /* keys are 1 to 512 bytes, ordered as by memcmp */
} kith_key_kind;

typedef enum kith_durability {
    KITH_DURABLE_COMMIT,   /* what a call has written is on disk when it returns */
    KITH_DURABLE_INTERVAL, /* it is within interval_ms */
    KITH_DURABLE_NONE      /* it is after the next sync, checkpoint or close */
} kith_durability;

typedef enum kith_open_mode {
    KITH_OPEN_OR_CREATE,
    KITH_OPEN_EXISTING, /* ENOTFOUND when there is no such file */
    KITH_OPEN_NEW,      /* EEXISTS when there is */
    KITH_OPEN_READ_ONLY /* as of the last checkpoint, if another process writes meanwhile */
} kith_open_mode;

typedef struct kith_store_options {
    size_t size;
    uint32_t dim; /* 1..65535; at most 33025 for u8, so that integer sums cannot overflow; 0 with
                     KITH_OPEN_EXISTING or _READ_ONLY: a file of any shape */
    kith_type type;
    kith_metric metric;
    kith_key_kind keys;
    kith_open_mode open; /* this and what follows: of files */
    kith_durability durability;
    uint32_t interval_ms; /* 1..3,600,000 */
} kith_store_options;

KITH_API kith_store_options kith_store_defaults(uint32_t dim, kith_type type, kith_metric metric);

/* Opens a store in memory (path NULL) or in a file, which is recovered first if it needs to be.
 * options NULL opens the file that is there, whatever it holds; with options the file must hold
 * the same dimension, type, metric and kind of keys. The caller owns *out and closes it.
 * Errors: EINVAL (options; another shape than the file's), ENOTFOUND, EEXISTS, EBUSY (another
 * writer), ECORRUPT, EUNSUPPORTED (a file of another version or byte order), EIO, ENOMEM. */
KITH_API kith_status kith_store_open(const char *path, const kith_store_options *options,
                                     kith_store **out);

/* Saves what is not saved, as a checkpoint, and frees everything. Indexes, snapshots and cursors
 * on the store must be closed first. Who wants to know whether the checkpoint succeeded calls
 * kith_store_checkpoint before; what was promised to be on disk is safe either way. */
KITH_API void kith_store_close(kith_store *store);

/* What the store holds: the options that would make another one like it. */
KITH_API kith_status kith_store_describe(const kith_store *store, kith_store_options *out);

typedef enum kith_op_kind {
    KITH_PUT,     /* the item, in place of the one that may be there */
    KITH_PUT_NEW, /* EEXISTS when the key is there */
    KITH_REPLACE, /* ENOTFOUND when it is not */
    KITH_DELETE,  /* ENOTFOUND when it is not */
    KITH_SET_META /* metadata alone: the vector stays, and so does its row number */
} kith_op_kind;

typedef struct kith_op {
    kith_op_kind kind;
    const void *key;
    size_t key_len;
    const void *vector; /* dim elements; puts and KITH_REPLACE */
    const void *meta;   /* may be NULL with meta_len 0: no metadata */
    size_t meta_len;    /* at most 65,536 */
} kith_op;

/* One commit of n operations, in order; all take effect, or none and nothing changes. rows (n
 * places, or NULL) receives the row number that each operation wrote or touched.
 * Errors: EINVAL (key kind or length, NaN or infinity with its position, under cosine a norm
 * beyond f32, set bits behind the last dimension; the sentence names the operation), EEXISTS,
 * ENOTFOUND, ENOMEM, EIO (also: the store is read-only). */
KITH_API kith_status kith_store_commit(kith_store *store, const kith_op *ops, size_t n,
                                       uint32_t *rows);

/* Commits of one operation: KITH_PUT without metadata, and KITH_DELETE. */
KITH_API kith_status kith_store_put(kith_store *store, const void *key, size_t key_len,
                                    const void *vector);
KITH_API kith_status kith_store_put_u64(kith_store *store, uint64_t key, const void *vector);
KITH_API kith_status kith_store_del(kith_store *store, const void *key, size_t key_len);
KITH_API kith_status kith_store_del_u64(kith_store *store, uint64_t key);

/* Puts n vectors that lie one after the other, in commits of some thousand. keys NULL means the
 * numbers from 0 to n-1. All are checked before the first is put: bad input changes nothing. When
 * cancelled, or out of memory or disk, those before stay. Errors: as commit, ECANCELLED. */
KITH_API kith_status kith_store_load(kith_store *store, const uint64_t *keys, const void *vectors,
                                     size_t n, kith_progress_fn progress, void *user);

/* Copies the vector of a key to `vector` (dim elements). Errors: EINVAL, ENOTFOUND. */
KITH_API kith_status kith_store_get(const kith_store *store, const void *key, size_t key_len,
                                    void *vector);
KITH_API kith_status kith_store_get_u64(const kith_store *store, uint64_t key, void *vector);

/* Copies the metadata of a key to `meta`, which has room for `room` bytes; *meta_len (may be NULL)
 * is how many there are. room 0 only asks. Errors: EINVAL (does not fit), ENOTFOUND. */
KITH_API kith_status kith_store_get_meta(const kith_store *store, const void *key, size_t key_len,
                                         void *meta, size_t room, size_t *meta_len);

/* The key of a row number, as found in a kith_hit. *key points into the store, to 8 bytes in host
 * order for u64 keys, and is valid until the store changes. Errors: ENOTFOUND (no live row). */
KITH_API kith_status kith_store_key(const kith_store *store, uint32_t row, const void **key,
                                    size_t *key_len);

/* A *snapshot* is the store as it is now, for as long as it is open: later commits are not seen,
 * and what it shows is not copied. It costs the space of what is deleted or replaced meanwhile.
 * Close it before the store. Errors: ENOMEM. */
typedef struct kith_snapshot kith_snapshot;
KITH_API kith_status kith_snapshot_open(kith_store *store, kith_snapshot **out);
KITH_API void kith_snapshot_close(kith_snapshot *snapshot);

/* Pointers into the store, valid until the snapshot is closed, `key` until KITH_SET_META of it. */
typedef struct kith_item {
    size_t size; /* set by the caller: sizeof(kith_item) */
    const void *key;
    size_t key_len;
    const void *vector; /* aligned to 64 bytes */
    const void *meta;   /* NULL when there is none */
    size_t meta_len;
    uint32_t row;
} kith_item;

/* The item of a key. Errors: EINVAL, ENOTFOUND. */
KITH_API kith_status kith_snapshot_get(const kith_snapshot *snapshot, const void *key,
                                       size_t key_len, kith_item *out);

/* A *cursor* walks the items of a snapshot in key order: numbers by value, bytes as by memcmp.
 * The first cursor of a store builds its ordered directory, an AVL tree, which takes time in
 * proportion to the keys; from then on it is kept up to date. A cursor belongs to one thread at a
 * time and is closed before its snapshot.
 *
 * With a prefix (byte keys; prefix_len 0: none) only keys that begin so are seen. first and last
 * go to the ends, seek to the first key that is not below `key`, next and prev one further; each
 * shows the item it came to. ENOTFOUND when there is none: the cursor is then before the first
 * or behind the last, from where prev or next lead back. */
typedef struct kith_cursor kith_cursor;
KITH_API kith_status kith_cursor_open(const kith_snapshot *snapshot, const void *prefix,
                                      size_t prefix_len, kith_cursor **out);
KITH_API void kith_cursor_close(kith_cursor *cursor);
KITH_API kith_status kith_cursor_first(kith_cursor *cursor, kith_item *out);
KITH_API kith_status kith_cursor_last(kith_cursor *cursor, kith_item *out);
KITH_API kith_status kith_cursor_seek(kith_cursor *cursor, const void *key, size_t key_len,
                                      kith_item *out);
KITH_API kith_status kith_cursor_next(kith_cursor *cursor, kith_item *out);
KITH_API kith_status kith_cursor_prev(kith_cursor *cursor, kith_item *out);

typedef struct kith_store_stats {
    size_t size;             /* set by the caller: sizeof(kith_store_stats) */
    uint64_t live;           /* keys that a get can find */
    uint64_t rows;           /* row numbers ever used: live, free and quarantined */
    uint64_t row_bytes;      /* dim elements, without padding */
    uint64_t stride;         /* bytes from one row to the next, a multiple of 64 */
    uint64_t resident_bytes; /* memory that the store holds; not the pages of its file */
    uint64_t live_bytes;     /* of live keys, vectors and metadata */
    uint64_t dead_bytes;     /* of rows and metadata that nobody can get any more */
    uint64_t file_bytes;     /* 0 in memory; file_bytes / live_bytes is the amplification */
    uint64_t log_bytes;      /* of them, what the log takes */
    uint64_t lsn;            /* number of the newest operation */
    uint64_t durable_lsn;    /* of the newest that is known to be on disk */
} kith_store_stats;
KITH_API kith_status kith_store_stat(const kith_store *store, kith_store_stats *out);

/* Waits until all that was committed is on disk. Errors: EIO. */
KITH_API kith_status kith_store_sync(kith_store *store);

/* Saves the state, so that the log begins anew: opening is then quick, and readers in other
 * processes see it. Happens by itself now and then. Errors: EIO, ENOMEM. */
KITH_API kith_status kith_store_checkpoint(kith_store *store);

/* Compares what is on disk with its checksums: headers and records, and with full != 0 every
 * vector, key and metadata byte. ECORRUPT with the first damage; EIO, ECANCELLED. */
KITH_API kith_status kith_store_check(kith_store *store, int full, kith_progress_fn progress,
                                      void *user);

/* Writes the state of now to a new file, while others write. Rows are numbered anew. Nothing is at
 * `path` until the copy is whole and on disk; a process that is killed leaves path.part-... behind,
 * which may be deleted. Errors: EEXISTS, ECORRUPT, EIO, ENOMEM, ECANCELLED. */
KITH_API kith_status kith_store_backup(kith_store *store, const char *path,
                                       kith_progress_fn progress, void *user);

/* Gives dead space back: a new file takes the place of the old one; a power cut leaves one of them.
 * Needs the store to itself: EBUSY while a snapshot or an index is open, or its file was moved.
 * Rows are numbered anew. In memory: nothing. Errors: EBUSY, ECORRUPT, EIO, ENOMEM, ECANCELLED. */
KITH_API kith_status kith_store_compact(kith_store *store, kith_progress_fn progress, void *user);

/* ---- Devices ----------------------------------------------------------------------------- */

/* One device, as it was found. Sizes in bytes, 0 when unknown. */
typedef struct kith_device_info {
    size_t size;        /* set by the caller: sizeof(kith_device_info) */
    char id[16];        /* "cpu", "ocl0", ...: what options take; "ocl0.1/2": half 1 of 0 and 1 */
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

/* What a walk measures in place of the rows; what codes find is ranked again by the rows. */
typedef enum kith_walk {
    KITH_WALK_AUTO, /* KITH_WALK_SQ8 of floats if codes of a sample find its neighbours, else rows.
                       The index, not its replicas, then walks an eighth of 256 dimensions or more,
                       up to whole 64, or 4 bits of all, if a trial at 16,384 rows says it pays */
    KITH_WALK_ROWS,
    KITH_WALK_SQ8, /* of f32, f16, bf16: 8 bits a dimension; the graph is built on them as well */
    KITH_WALK_SQ4, /* of all but b1: 4 bits; the graph is built on SQ8, or on u8 and i8 rows */
    KITH_WALK_SQ1  /* of all but b1: 1 bit, as KITH_SQ1 */
} kith_walk;

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
    kith_walk walk;   /* hnsw */
    uint32_t reduce;  /* hnsw, f32, f16 and bf16: codes of this many principal components of a row
                         (LeanVec, Tepper et al., TMLR 2024); 0: of all its dimensions */
    uint32_t passes;  /* hnsw: 2 links every row a second time, to the whole graph; 0 is 1 */
} kith_index_options;
KITH_API kith_index_options kith_index_defaults(kith_index_kind kind);

/* Creates an index on a store, which must outlive it. Rows are not copied for an index on the
 * host. While an index is open, rows that are deleted or replaced keep their place in memory.
 * Errors: EINVAL, ENOMEM, ENODEVICE, EDEVICE, EUNSUPPORTED (OpenCL takes flat). */
KITH_API kith_status kith_index_create(kith_store *store, const kith_index_options *options,
                                       kith_index **out);

/* Brings the index up to the store: a graph gains every row that is not in it yet and loses those
 * that are dead, unless they are few; a device receives the rows. Rows not linked yet are found all
 * the same, by an exact scan beside the walk. Searches go on, and wait for milliseconds at a time;
 * longer when dead rows are cut off, or half are new and all coded again. A graph over codes, u8,
 * i8 or b1 rows depends on keys, vectors, their order and options, not on threads or processors.
 * Errors: ENOMEM, EDEVICE, ECANCELLED (rows linked so far stay; a third dead: of a new graph). */
KITH_API kith_status kith_index_build(kith_index *index, kith_progress_fn progress, void *user);
KITH_API void kith_index_close(kith_index *index);

/* Makes a built graph quicker to search: sketches of its rows, 64 bytes each, tell whose rows need
 * not be read; some hits in a thousand are then others. For long rows spread in few directions: a
 * trial decides, *spared (may be NULL) receives the share of distances it saved, and below 0.4 no
 * sketch is kept. Not saved; dropped by kith_index_build; not for f32_queries of integer rows, nor
 * replicas, which wait. Errors: EINVAL (a flat index, or no nodes), ENOMEM, EUNSUPPORTED (4- or
 * 1-bit walks; links not by l2sq of u8, i8 or codes of 192 bytes or more). */
KITH_API kith_status kith_index_sketch(kith_index *index, float *spared);

/* Keeps the graph of an index beside its store, in the file PATH.graph, and brings it back: derived
 * data, whose loss costs time and no vector. Saving syncs the store first, and leaves the old file
 * or the whole new one. A graph is loaded into an index that holds no row yet, which then has its
 * options (m, ef_construction, alpha, seed, codes). What was put, replaced or deleted since it was
 * saved is heeded: new rows are compared exactly until kith_index_build links them. After a failure
 * the index is as before. Errors: EINVAL (a flat index, a store in memory or read-only, rows to be
 * built first; load: an index with rows, a graph of another store), ENOTFOUND (no such file),
 * ECORRUPT, EUNSUPPORTED (another version or byte order), EIO, ENOMEM, ECANCELLED. */
KITH_API kith_status kith_index_save(kith_index *index, kith_progress_fn progress, void *user);
KITH_API kith_status kith_index_load(kith_index *index, kith_progress_fn progress, void *user);

/* As create and load in one, whatever the file is like: searches may begin at once. Rows that the
 * graph lacks, all of them where it is missing, damaged or of another store, are linked by a thread
 * of the index, which then saves it unless the store is read-only or the load failed otherwise;
 * close stops it. wait returns what it ended with; *loaded (may be NULL) receives how the load
 * went, kith_last_error() why. Errors: as create; EINVAL (a flat index; wait: not opened so). */
KITH_API kith_status kith_index_open(kith_store *store, const kith_index_options *options,
                                     kith_index **out);
KITH_API kith_status kith_index_wait(kith_index *index, kith_status *loaded);

/* Compares the graph file beside a store with its checksums. Errors: as load. */
KITH_API kith_status kith_index_check_file(kith_store *store, kith_progress_fn progress,
                                           void *user);

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
    uint32_t f32_queries;    /* 1: queries are f32, not the row type; b1 takes the bit of x > 0 */
    float rerank; /* hnsw over codes: rerank * k of the nearest codes are ranked again by their
                     rows, 1..1000; 0: chosen by the kind of codes */
    float slack;  /* hnsw: above 0 the walk ends early, when the next candidate is farther than the
                     k-th hit by this share of its distance (Al-Jazzazi et al., arXiv 2505.15636);
                     ef then only limits it. Without effect under ip. 0..1000 */
} kith_search_options;

KITH_API kith_search_options kith_search_defaults(uint32_t k);
typedef enum kith_search_mode {
    KITH_MODE_EXACT, /* every row was compared */
    KITH_MODE_ROWS,  /* a walk over rows */
    KITH_MODE_CODES  /* a walk over codes, and the nearest ranked again */
} kith_search_mode;

typedef struct kith_search_stats {
    size_t size;        /* set by the caller: sizeof(kith_search_stats) */
    uint64_t distances; /* of queries to rows or codes; flat: every live row, once */
    uint64_t hops;      /* nodes expanded */
    uint64_t reranks;   /* rows measured to rank candidates again, which distances do not count */
    kith_search_mode mode;
    uint64_t sketches; /* estimates of kith_index_sketch, which distances do not count either */
} kith_search_stats;

/* Answers nq queries that lie one after the other: hits + i*k holds the k hits of query i, nearest
 * first. `stats` (may be NULL) receives the sums over all queries. A flat index answers one call at
 * a time; others wait. Errors: EINVAL (k, NaN in a query, with its position; a flat index on OpenCL
 * that was not built), ENOMEM, EDEVICE, EUNSUPPORTED (more answers than that device can give). */
KITH_API kith_status kith_index_search(kith_index *index, const void *queries, size_t nq,
                                       const kith_search_options *options, kith_hit *hits,
                                       kith_search_stats *stats);

/* What one thread needs to search: a searcher belongs to one thread at a time and must be closed
 * before its index. What depends on `options` is allocated here; a search allocates nothing, unless
 * the index was built since. `cpu` caps this searcher's instruction set, NULL for the index's.
 * Errors: EINVAL, ENOMEM, EUNSUPPORTED (a flat index: it is searched by kith_index_search). */
typedef struct kith_searcher kith_searcher;
KITH_API kith_status kith_searcher_create(kith_index *index, const kith_search_options *options,
                                          const char *cpu, kith_searcher **out);
KITH_API void kith_searcher_close(kith_searcher *searcher);

/* One query, k hits; `found` (may be NULL) of them are real. Errors: EINVAL (NaN), ENOMEM. */
KITH_API kith_status kith_searcher_search(kith_searcher *searcher, const void *query,
                                          kith_hit *hits, size_t *found, kith_search_stats *stats);

typedef struct kith_index_stats {
    size_t size;          /* set by the caller: sizeof(kith_index_stats) */
    uint64_t nodes;       /* rows in the index; hnsw: deleted ones too, until they are taken out */
    uint64_t links;       /* hnsw: links in layer 0 */
    uint32_t layers;      /* hnsw: layers in use */
    uint32_t threads;     /* that built it */
    double build_seconds; /* spent in kith_index_build so far */
    uint64_t bytes;       /* memory beyond the store's */
    uint64_t digest;      /* hnsw: XXH3 of the graph: equal digests, equal graphs */
    uint32_t brief;       /* hnsw: dimensions of the codes that a trial chose; 0: it chose none */
    uint32_t brief_bits;  /* and of each of them the bits: 8, or 4 of all */
} kith_index_stats;

/* Takes time in proportion to the graph. While it is built, links, bytes and digest are 0. */
KITH_API kith_status kith_index_stat(const kith_index *index, kith_index_stats *out);

/* Checks every invariant of a graph: ids in range, no self or double link, degrees, levels, and
 * that every live node can be reached from the entry. KITH_ECORRUPT with the first violation. */
KITH_API kith_status kith_index_check(const kith_index *index);

/* ---- Replicas ------------------------------------------------------------------------------
 * An index on several devices. The rows are dealt to P *partitions* by a hash of their keys, each
 * with its own graph; of each there are C *copies* on different devices, the host among them if it
 * is asked for. A search asks one live copy of each partition and merges what they find by
 * (distance, row): which those were does not matter, but for floats that a device rounds otherwise
 * (KITH_WALK_ROWS of float rows), and where a device compares all because so many are dead.
 *
 * A device that fails is marked, its work is given to others, and it is raised anew in the
 * background. A copy knows the rows of its last refresh; rows put or deleted since are compared or
 * left out on the host, so a search sees every write that returned before it began.
 *
 * Threads: all but create and close from any thread, at any time, beside writes. Searches wait
 * while graphs change in kith_index_build or refresh; callbacks must not call replicas. Create, add
 * and refresh wait a minute for a device that hangs, and 10 s a GB sent: EDEVICE. Close, after such
 * a create that of the index, waits until its driver lets go of what it was given. */
typedef struct kith_replicas kith_replicas;

typedef struct kith_replicas_options {
    size_t size;
    uint32_t partitions;        /* P, 1..64; 1 walks the graph of the index */
    uint32_t copies;            /* C of each partition, 1..16 */
    const char *const *devices; /* ids as in kith_device_info; NULL: every usable one */
    size_t device_count;
    uint32_t share;        /* 1: copies of one partition may lie on one device */
    uint32_t partial;      /* 1: what nobody answers for is left out, where it is KITH_EDEVICE else;
                              only the report says so: ask each search for one */
    uint32_t host;         /* 0: the host answers for what no copy answers for; 1: it does not */
    uint32_t deadline_ms;  /* of one piece of work; 0: 8 times what is expected, at least 2 s */
    uint64_t memory_bytes; /* of rows and links, on each OpenCL device whole; 0: 80 % of its own */
    uint32_t threads;      /* of host copies, and of building graphs; 0: all */
} kith_replicas_options;
KITH_API kith_replicas_options kith_replicas_defaults(uint32_t partitions, uint32_t copies);

/* Places copies of a built hnsw index, or of a flat one, where measured speed and memory say, and
 * sends them the rows. For P > 1 the graphs are built first, with the options of the index. The
 * index must outlive *out. Errors: EINVAL (zero devices, more copies than devices without `share`,
 * rows that are not built), ENODEVICE (an id that is absent or unusable), EDEVICE, ENOMEM (the rows
 * of a partition do not fit where it is placed), EUNSUPPORTED (a graph over KITH_WALK_SQ4 or _SQ1
 * codes, or more dimensions than a device's local memory takes), ECANCELLED. */
KITH_API kith_status kith_replicas_create(kith_index *index, const kith_replicas_options *options,
                                          kith_progress_fn progress, void *user,
                                          kith_replicas **out);
KITH_API void kith_replicas_close(kith_replicas *replicas);

typedef struct kith_replicas_report {
    size_t size;                       /* set by the caller: sizeof(kith_replicas_report) */
    uint64_t distances, hops, reranks; /* sums, as in kith_search_stats */
    uint64_t rows, rows_searched;      /* live rows; those that were answered for: fewer only with
                                          `partial` */
    uint32_t ef;                       /* kept by the walk in each partition */
    uint32_t retries;                  /* pieces of work that were given out again */
    uint32_t on_host;                  /* pieces that no copy took */
    kith_search_mode mode;
} kith_replicas_report;

/* As kith_index_search; `ef` is shared out among the partitions, `slack` and `threads` are not
 * heeded. report may be NULL. Errors: as there, EDEVICE. */
KITH_API kith_status kith_replicas_search(kith_replicas *replicas, const void *queries, size_t nq,
                                          const kith_search_options *options, kith_hit *hits,
                                          kith_replicas_report *report);

/* The same in two halves: queries and hits must stay until the ticket is waited for, which every
 * ticket must be; that frees it. poll sets *done to 1 when wait would not block. Small requests of
 * several threads with equal options are answered together. */
typedef struct kith_ticket kith_ticket;
KITH_API kith_status kith_replicas_submit(kith_replicas *replicas, const void *queries, size_t nq,
                                          const kith_search_options *options, kith_hit *hits,
                                          kith_ticket **out);
KITH_API kith_status kith_replicas_poll(const kith_ticket *ticket, uint32_t *done);
KITH_API kith_status kith_replicas_wait(kith_ticket *ticket, kith_replicas_report *report);

/* Brings every copy up to the store and the graph of the index, one by one: searches go on with the
 * others. Call it after kith_index_build. Errors: as create; copies that fail are marked. */
KITH_API kith_status kith_replicas_refresh(kith_replicas *replicas, kith_progress_fn progress,
                                           void *user);

/* Gives a device a copy of the partition that needs one most, or takes a device's copies away: its
 * work is done or given away first. Errors: as create; ENOTFOUND (it has none), EINVAL (some). */
KITH_API kith_status kith_replicas_add(kith_replicas *replicas, const char *device);
KITH_API kith_status kith_replicas_drop(kith_replicas *replicas, const char *device);

typedef enum kith_copy_state {
    KITH_COPY_OK,
    KITH_COPY_SUSPECT, /* a deadline has passed: others are asked first */
    KITH_COPY_DEAD,    /* an error, or a second deadline: not asked until made anew */
    KITH_COPY_PROBING  /* it is being made anew */
} kith_copy_state;

typedef struct kith_copy_info {
    size_t size; /* set by the caller: sizeof(kith_copy_info) */
    uint32_t partition;
    char device[16];
    kith_copy_state state;
    uint64_t rows;    /* that it holds */
    uint64_t bytes;   /* of memory on its device, estimated; 0 on the host */
    uint64_t lsn;     /* of the store, when it was refreshed */
    uint64_t digest;  /* of what it was sent: equal for copies of a partition by one refresh */
    uint64_t queries; /* answered so far, each partition of a query counted */
    double queries_per_second; /* measured, a moving average; 0: not yet */
    char reason[256];          /* of the last failure; "" when there was none */
} kith_copy_info;

/* Copy i from 0, partition by partition. ENOTFOUND beyond the last. */
KITH_API kith_status kith_replicas_copy(const kith_replicas *replicas, size_t i,
                                        kith_copy_info *out);
KITH_API const char *kith_copy_state_name(kith_copy_state state); /* "ok", ...; NULL if unknown */

/* ---- Exact neighbours of a matrix --------------------------------------------------------- */

/* The k nearest of n rows for each of nq queries, without a store: ground truth for a benchmark.
 * Ranked from exact sums, of integers or in f64; ties by row number. rows[nq*k] receives row
 * numbers, distances[nq*k] (may be NULL) the distances. threads 0 means all. While it runs, and
 * while a flat index answers 64 f32 queries or more, OpenBLAS is held to one thread a caller in
 * the whole process. Errors: EINVAL (k = 0 or k > n, NaN), ENOMEM, ECANCELLED (part is written). */
KITH_API kith_status kith_exact(kith_metric metric, kith_type type, uint32_t dim, const void *base,
                                size_t n, const void *queries, size_t nq, uint32_t k,
                                uint32_t threads, uint32_t *rows, float *distances,
                                kith_progress_fn progress, void *user);

/* ---- Kernels alone ------------------------------------------------------------------------ */

/* The distance kernels by themselves, on rows in the caller's memory. A kernel is a metric, a type
 * of queries, a type of rows and a dimension; a query is a vector made ready for it. Any number of
 * threads may use both at a time. Vectors are not judged here: NaN in gives NaN out. A distance has
 * the same bits in every call, but of bf16 with bf16 where matrix hardware does kith_kernel_top;
 * those of integers and bits are exact, and then a float. */
typedef struct kith_kernel kith_kernel;
typedef struct kith_query kith_query;
typedef struct kith_kernel_options {
    size_t size;
    uint32_t dim; /* as of a store */
    kith_metric metric;
    kith_type query_type; /* that of the rows, or f32: see f32_queries of a search */
    kith_type row_type;
    const char *cpu; /* the highest instruction set to use, NULL for the best there is */
} kith_kernel_options;

/* The defaults: queries of the rows' type. Errors: EINVAL (dimension, types, metric), ENOMEM. */
KITH_API kith_kernel_options kith_kernel_defaults(uint32_t dim, kith_type type, kith_metric metric);
KITH_API kith_status kith_kernel_open(const kith_kernel_options *options, kith_kernel **out);
KITH_API void kith_kernel_close(kith_kernel *kernel); /* its queries first */

/* What most metrics need to know of a row beside its elements: a norm, a sum. Made once a row and
 * kept by the caller; the same bytes on every machine of one byte order. */
typedef struct kith_side {
    uint32_t word[4];
} kith_side;

/* Must rows come with their sides (1)? For cosine, jaccard, and integers with integers they must;
 * else kith_rows.sides may be NULL. The second call fills those of n rows. Errors: EINVAL. */
KITH_API int kith_kernel_needs_sides(const kith_kernel *kernel);
KITH_API kith_status kith_kernel_fill_sides(const kith_kernel *kernel, const void *rows,
                                            size_t stride, size_t n, kith_side *sides);

typedef struct kith_rows {
    const void *base;        /* at any address; fast when base and stride are multiples of 64 */
    size_t stride;           /* bytes from one row to the next; 0: without padding */
    size_t count;            /* at most 2^31 */
    const kith_side *sides;  /* of each row, or NULL */
    uint32_t prefetch_lines; /* of each row of a gather, 64-byte lines fetched ahead: 0..64 */
} kith_rows;

/* One distance, with the query and the side made anew: many are better asked for together, below.
 * Errors: EINVAL, ENOMEM (only for long vectors). */
KITH_API kith_status kith_kernel_distance(const kith_kernel *kernel, const void *query,
                                          const void *row, float *distance);

/* Makes a vector ready; it is not needed afterwards. kith_query_set puts another in its place and
 * must have the query to itself. Errors: EINVAL, ENOMEM. */
KITH_API kith_status kith_query_open(const kith_kernel *kernel, const void *vector,
                                     kith_query **out);
KITH_API kith_status kith_query_set(kith_query *query, const void *vector);
KITH_API void kith_query_close(kith_query *query);

/* The distances of n rows: those with these numbers, in any order, or first, first + 1, ... Numbers
 * are checked first. Errors: EINVAL (no such row, missing sides, arrays off their alignment). */
KITH_API kith_status kith_query_gather(const kith_query *query, const kith_rows *rows,
                                       const uint32_t *ids, size_t n, float *distances);
KITH_API kith_status kith_query_range(const kith_query *query, const kith_rows *rows, size_t first,
                                      size_t n, float *distances);

/* The k nearest rows for each of nq queries that lie one after the other: every row is compared.
 * ids[nq*k] receives row numbers, distances[nq*k] (may be NULL) their distances, nearest first,
 * ties by row number. Float distances rank as the kernel rounds them; kith_exact ranks by proof.
 * threads 0 means all. Errors: EINVAL (k = 0 or k > rows->count, as above), ENOMEM. */
KITH_API kith_status kith_kernel_top(const kith_kernel *kernel, const kith_rows *rows,
                                     const void *queries, size_t nq, uint32_t k, uint32_t threads,
                                     uint32_t *ids, float *distances);

/* What runs: each function's instruction set, or NULL where there is none. All strings static. */
typedef struct kith_kernel_info {
    size_t size;         /* set by the caller: sizeof(kith_kernel_info) */
    const char *metric;  /* "l2sq", ... */
    const char *pairing; /* of queries and rows: the type of both, or "f32u8", "f32i8", ... */
    const char *prepare, *prepare_f32, *pack; /* of queries, the last for tiles */
    const char *pair, *gather, *range, *tile; /* a row, rows by number, in a run; queries x rows */
} kith_kernel_info;

/* Of a kernel, and of kernel `i` of the whole table, from 0, under an instruction set cap as above.
 * Errors: ENOTFOUND beyond the last, EINVAL. */
KITH_API kith_status kith_kernel_stat(const kith_kernel *kernel, kith_kernel_info *out);
KITH_API kith_status kith_kernel_list(const char *cpu, size_t i, kith_kernel_info *out);

/* ---- Codes -------------------------------------------------------------------------------- */

/* Smaller rows: a codec learns from f32 rows where they lie and how wide they are, and turns each
 * element into 8, 4 or 1 bit. Distances are then estimates. Codes and sides are the same bytes on
 * machines of one byte order, for every number of threads. */
typedef enum kith_code {
    KITH_SQ8,     /* 8 bits an element, one scale for all dimensions: integer kernels. Under l2sq
                     a query is cut at the range of the codes */
    KITH_SQ8_DIM, /* 8 bits, a scale for each dimension: where dimensions differ much in size */
    KITH_SQ4,     /* 4 bits, one scale; queries as KITH_SQ8 */
    KITH_SQ1      /* 1 bit, the side of the centre on which an element lies: for candidates that are
                     ranked again. Estimates as of RaBitQ (Gao and Long, SIGMOD 2024), not rotated:
                     below 0 at times, and mere signs of rows whose squared norm leaves f32 */
} kith_code;

typedef struct kith_codec kith_codec; /* does not change: any number of threads may use one */
typedef struct kith_codec_options {
    size_t size;
    uint32_t dim; /* 1..65535 */
    kith_code code;
    kith_metric metric; /* l2sq, ip, cosine */
    uint32_t threads;   /* of the training; 0 for all the machine has */
} kith_codec_options;
KITH_API kith_codec_options kith_codec_defaults(uint32_t dim, kith_code code, kith_metric metric);

/* Learns centres and scales from n rows of f32, `stride` bytes apart (0: without padding), of
 * which it looks at no more than 65536, evenly spread. An element four times larger than any of 255
 * rows in 256 is an outlier; the range is the one with the least squared error of the others.
 * Errors: EINVAL (no rows, NaN or infinity with its place; cosine: a norm beyond f32), ENOMEM. */
KITH_API kith_status kith_codec_train(const kith_codec_options *options, const float *rows,
                                      size_t stride, size_t n, kith_codec **out);
KITH_API void kith_codec_close(kith_codec *codec);

typedef struct kith_codec_info {
    size_t size; /* set by the caller: sizeof(kith_codec_info) */
    kith_code code;
    kith_metric metric;
    uint32_t dim;
    uint32_t bits;      /* of an element: 8, 4 or 1 */
    size_t code_bytes;  /* of a row: (dim * bits + 7) / 8; its side is another 16 */
    size_t saved_bytes; /* of kith_codec_save */
    float scale;        /* one step of a code in units of the rows (of unit rows under cosine);
                           KITH_SQ8_DIM and KITH_SQ1: 0 */
} kith_codec_info;
KITH_API kith_status kith_codec_stat(const kith_codec *codec, kith_codec_info *out);

/* The codes of n rows, `code_stride` bytes apart (0: without padding), and the side of each, which
 * kernels need. A decode is off by at most half a step within the range; beyond, elements are cut.
 * All rows are checked first. Errors: EINVAL (a stride; rows as in training), ENOMEM. */
KITH_API kith_status kith_codec_encode(const kith_codec *codec, const float *rows, size_t stride,
                                       size_t n, uint32_t threads, void *codes, size_t code_stride,
                                       kith_side *sides);

/* What n codes stand for, dim floats each, without padding; under cosine of about unit length. Only
 * KITH_SQ1 reads the sides, and only there may they not be NULL. Errors: EINVAL. */
KITH_API kith_status kith_codec_decode(const kith_codec *codec, const void *codes,
                                       size_t code_stride, const kith_side *sides, size_t n,
                                       float *rows);

/* Writes and reads the codec as saved_bytes bytes, on machines of one byte order. Errors: ECORRUPT
 * (bytes that are no codec, or not as they were written), ENOMEM. */
KITH_API kith_status kith_codec_save(const kith_codec *codec, void *bytes);
KITH_API kith_status kith_codec_load(const void *bytes, size_t length, kith_codec **out);

/* A kernel over codes as its rows: f32 queries, distances in units of the rows encoded. The codec
 * must outlive it. Its _distance and _fill_sides are EUNSUPPORTED. Errors: EINVAL, ENOMEM. */
KITH_API kith_status kith_kernel_open_codec(const kith_codec *codec, const char *cpu,
                                            kith_kernel **out);

#ifdef __cplusplus
}
#endif
#endif

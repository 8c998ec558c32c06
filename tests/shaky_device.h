/* shaky_device.h - devices for tests of replicas: they fail, hang and dawdle when they are told to.
 *
 * May include replicas.h and what the tests share. "ocl0" to "ocl7" are eight of them, put in place
 * of OpenCL's by shaky_begin; each is a naive device (walk_device.h) behind a few switches, which
 * any thread may turn at any time. Behind the switches there can be OpenCL's own devices instead: a
 * driver's threads and memory, and yet it fails when a test wants it to.
 */
#ifndef SHAKY_DEVICE_H
#define SHAKY_DEVICE_H

#include "index/replicas.h"
#include "tests/index_data.h"

#include <stdatomic.h>

enum { SHAKY_DEVICES = 8 };

/* Calls that may hang besides searches. */
enum { SHAKY_OPEN = 1, SHAKY_ROWS = 2, SHAKY_LIVE = 4, SHAKY_GRAPH = 8 };

typedef struct shaky_switches {
    atomic_bool absent;          /* cannot be opened */
    atomic_bool failing;         /* every search fails with EDEVICE */
    atomic_int fail_after;       /* above 0: the search after so many is the first to fail */
    atomic_bool hanging;         /* searches do not return until this is false again */
    atomic_uint hangs_in;        /* a SHAKY_ bit a call that does not return until it is cleared */
    atomic_uint waits;           /* how many of these calls do not return now */
    atomic_uint hung;            /* how many searches do not return now */
    atomic_uint after;           /* above 0: searches wait until device after - 1 fails or hangs */
    atomic_uint ns_per_query;    /* how long a search sleeps */
    atomic_uint opened, queries; /* counts */
    atomic_uint largest;         /* batch */
    atomic_ullong busy_ns;       /* how long all its searches took */
} shaky_switches;

extern shaky_switches shaky[SHAKY_DEVICES];

/* All switches off, and `kernels` for all devices; end takes the devices away again. */
void shaky_begin(const ki_kernels *kernels);
void shaky_end(void);

/* From now on what is opened is an OpenCL device behind the switches of shaky[ordinal + part]: so
 * "ocl0.0/2" and "ocl0.1/2" have their own. */
void shaky_use_opencl(void);

/* A flat or hnsw index, built, on n rows of u8 or f32. */
typedef struct shaky_bench {
    matrix rows, queries;
    kith_store *store;
    kith_index *index;
} shaky_bench;

void bench_open(shaky_bench *b, kith_index_kind kind, kith_type type, size_t n, size_t queries,
                uint64_t *random);
void bench_open_walk(shaky_bench *b, kith_index_kind kind, kith_walk walk_kind, kith_type type,
                     size_t n, size_t queries, uint64_t *random);
void bench_close(shaky_bench *b);

/* Replicas on the first `devices` of the shaky ones. */
kith_replicas_options shaky_options(uint32_t partitions, uint32_t copies, uint32_t devices);

/* What a search must answer, from a flat search of the index's store; free with free. */
kith_hit *exact_hits(const shaky_bench *b, size_t nq, uint32_t k);
void same_hits(const kith_hit *right, const kith_hit *got, size_t n, const char *what);

kith_copy_info copy_info(const kith_replicas *replicas, size_t i);

/* Waits, ten seconds at most, until copy i is in this state. */
void await_state(const kith_replicas *replicas, size_t i, kith_copy_state state);
void sleep_ms(unsigned ms);

#endif

/* objects.h - the insides of the public handles, shared by the files api_*.c.
 *
 * May include everything of index/, kernels/ and kv/.
 */
#ifndef KI_OBJECTS_H
#define KI_OBJECTS_H

#include "index/flat.h"
#include "index/graph.h"
#include "index/turnstile.h"
#include "index/walk.h"
#include "kv/ordered_store.h"
#include <pthread.h>
#include <stdatomic.h>

struct kith_store {
    ki_store *engine;
    kith_store_options options;  /* what is in the file, if it is in one */
    pthread_mutex_t order_mutex; /* over the making and unmaking of: */
    ki_ordered *ordered;         /* NULL until a cursor asks for order */
    atomic_uint snapshots;       /* open ones */
};

struct kith_index {
    kith_store *store;
    kith_index_options options; /* its strings are gone: the choice is in what follows; a `walk` of
                                   AUTO becomes ROWS before the first node where codes see nothing,
                                   and is else left to trials */
    ki_kernels kernels;
    const ki_kernel *kernel; /* the one of the store's metric and type */
    ki_graph *graph;         /* hnsw, else NULL */
    ki_flat *flat;           /* flat, else NULL */
    double build_seconds;
    uint32_t build_threads;
    pthread_rwlock_t gate;  /* held for writing by a build, the end of a load, and the making of
                               sketches; replicas, whose threads nobody sees, hold it for reading
                               while they look at the graph and its codes. A build of a flat index
                               sends rows to its OpenCL device with the gate held: if that hangs,
                               so does the build, and the index's replicas with it */
    uint64_t builds;        /* under the gate: how many began */
    ki_turnstile turnstile; /* what searches read of the graph changes only while it is shut */
    uint64_t exchanges;     /* how often the graph, its codes or sketches were exchanged */

    struct ki_mender *mender; /* of kith_index_open: see api_open.c */

    /* Replicas that could not be made, and whose devices hang: see replicas.c. */
    struct kith_replicas *left;
};

/* Ends the thread that links what a loaded graph lacks, if there is one. Accepts NULL. */
typedef struct ki_mender ki_mender;
void ki_mender_close(ki_mender *mender);

/* EINVAL unless a key of this store can look like this. */
kith_status ki_check_key(const kith_store *store, const void *key, size_t key_len);

/* Reads a sized option struct of any version: what the caller's struct does not have keeps the
 * default. `defaults` is full and of `bytes` bytes. EINVAL when the size makes no sense. */
kith_status ki_read_options(const void *given, const void *defaults, size_t bytes, void *out);

/* EINVAL when a result struct's size field makes no sense. */
kith_status ki_check_result(const void *result);

/* Writes a sized result struct, no further than the caller's struct reaches. */
kith_status ki_write_result(const void *result, size_t bytes, void *out);

/* Judges `walk` and `reduce` of an index over the store: EINVAL when rows like these have no such
 * codes. Integer and bit rows are never left to choose. */
kith_status ki_choose_walk(const kith_store_options *store, kith_index_options *options);

/* The kernel, type and metric that links of the index's graph are chosen by. Codes must have been
 * learnt if there are any. */
struct ki_build_options;
void ki_index_measure(const kith_index *index, struct ki_build_options *out);

/* Makes the brief codes that the options ask for, if they do. */
kith_status ki_index_shorten(kith_index *index, ki_workers *workers);

/* Gives every row its codes, links what is not linked, shortens the codes. */
kith_status ki_index_link(kith_index *index, kith_progress_fn progress, void *user);

/* EINVAL unless k, threads and prefetch of a search can be. */
kith_status ki_check_search(const kith_search_options *options);

/* The gate, for a call that changes the graph, and for one that looks at all of it. EBUSY where the
 * thread has the gate shut already: it was called from a progress callback. */
kith_status ki_index_change_begin(kith_index *index);
kith_status ki_index_look_begin(const kith_index *index);
void ki_index_end(const kith_index *index);

/* Around an exchange of what searches measure or walk over; in between nobody searches. */
void ki_index_exchange_begin(kith_index *index);
void ki_index_exchange_end(kith_index *index);

/* One answer as the caller sees it; row UINT32_MAX gives the empty hit. Under the read lock of the
 * store, for rows that were live while the index was open. */
void ki_fill_hit(const kith_store *store, uint32_t row, double distance, kith_hit *out);

#endif

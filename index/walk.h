/* walk.h - the walk: greedy descent through the upper layers, best-first search in one layer.
 *
 * May include alive.h, graph.h, pool.h, visited.h. A walker is the scratch of one thread; searches
 * and builds use the same one. It knows ids and order keys, no metric and no element of a vector.
 */
#ifndef KI_WALK_H
#define KI_WALK_H

#include "index/alive.h"
#include "index/graph.h"
#include "index/pool.h"
#include "index/sketch.h"
#include "index/visited.h"

/* Lines of each row that a hop asks for before it measures the first. Measured on 784-byte rows
 * that lie in a third level as slow as memory: 4 gained about a tenth over none, 2 and 6 less, all
 * 13 nothing; where rows lie in the second level none of this matters to a walk. */
enum { KI_PREFETCH_LINES = 4 };

/* Rows of 4 bits end where the processor's own prefetcher would begin to help: all 7 lines of 784
 * dimensions gained a sixth over 4, all 12 of 1536 a tenth. */
enum { KI_PREFETCH_LINES_SQ4 = 12 };

/* Nodes that a hop may expand at once. */
enum { KI_TAKEN_MOST = 2 };

typedef struct ki_walker {
    const ki_kernel *kernel;
    ki_sift_fn sift;
    ki_prepare_fn prepare; /* of the kernel, for the queries that come */
    ki_query query;
    void *scratch; /* of the query */
    const ki_codes
        *codes; /* what rows are codes of, and queries must become; NULL: rows are rows */
    const ki_kernel *project; /* of codes of codes: ip of i8 */
    void *codes_scratch;
    bool f32;             /* queries are f32, not of the rows' type */
    bool brief;           /* measures the layers' brief codes */
    ki_sketcher sketcher; /* turns rows down before they are measured; zeroed: none */
    ki_visited visited;
    ki_pool pool;
    ki_arena pool_arena;    /* its entries: more than ef of them when dead rows are met */
    ki_alive alive;         /* which rows of layer 0 may be results */
    const uint64_t *usable; /* and of these, which nodes stand for their rows; NULL: all do */
    uint32_t *ids, *rows_of_ids, *keys; /* `hop_places` each */
    uint32_t hop_places;
    uint32_t prefetch_lines;
    uint32_t stop_at;   /* adaptive stop: judged by this many nearest; 0: none */
    double stop_factor; /* ends when the next is farther than the last of them by this */
    uint64_t distances, hops, sketches; /* counted up, never reset here */
    const ki_layer *layer; /* of the walk that is under way, and how many its open hop has */
    uint32_t hop;
    uint32_t ef; /* of the walk; the pool holds dead rows besides when its capacity is larger */
} ki_walker;

typedef struct ki_walker_options {
    const ki_kernel *kernel;   /* must outlive the walker */
    ki_sift_fn sift;           /* of the same table */
    ki_pairing pairing;        /* the kernel's */
    bool f32;                  /* queries are f32, not of the rows' type */
    bool brief;                /* see above */
    const ki_sketch *sketch;   /* of the rows that are measured; NULL: none */
    const ki_kernels *kernels; /* of sketches, and of codes of codes; must outlive the walker */
    const ki_codes *codes;     /* see above; must outlive the walker */
    uint32_t dim;
    uint32_t pool_capacity;
    uint32_t hop_places; /* the largest degree, KI_TAKEN_MOST times it with a sketch, or the block
                            of a scan */
    uint32_t prefetch_lines;
} ki_walker_options;

kith_status ki_walker_open(const ki_walker_options *options, ki_walker *out);
void ki_walker_close(ki_walker *walker); /* accepts a zeroed or half-open one */

/* Makes scratch for layers of up to `count` nodes, so that walks need not. */
kith_status ki_walker_reserve(ki_walker *walker, uint32_t count);

/* Offers one entry as a walk does: a row that is not live does not count. ENOMEM as there. */
kith_status ki_walker_offer(ki_walker *walker, uint64_t entry);

/* Sets the query; `vector` is not needed afterwards. */
void ki_walker_aim(ki_walker *walker, const void *vector);

/* Measures n nodes of a layer, at most hop_places, to walker->keys. */
void ki_walk_measure(ki_walker *walker, const ki_layer *layer, const uint32_t *ids, uint32_t n);

/* The nearest node of layer `to` that a greedy walk from the entry finds, as an id of that layer,
 * with its key. The graph must not be empty, `to` must be in use, and scratch be reserved for the
 * largest layer. */
uint32_t ki_walk_descend(ki_walker *walker, const ki_graph *graph, uint32_t to, uint32_t *key);

/* Where a walk for the vector is about to go: the nodes that a greedy walk ends at in the layer
 * above `layer` and in this one, which is in use and not 0. Aims the walker at the vector, but not
 * its sketch, and counts nothing; scratch must be reserved. */
uint64_t ki_walk_region(ki_walker *walker, const ki_graph *graph, uint32_t layer,
                        const void *vector);

/* Best-first search from `start`: afterwards the pool holds the `ef` nearest found, ascending.
 * Unless all rows are alive, those that are not lead the way but do not count: the pool then
 * holds them besides. ENOMEM only when scratch must grow: for a layer that has grown since the
 * walker was opened, or for thousands of dead rows around a query. */
kith_status ki_walk_layer(ki_walker *walker, const ki_layer *layer, uint32_t start,
                          uint32_t start_key, uint32_t ef);

/* Takes the nodes that do not stand for their rows out of the pool, so that these may be offered
 * as what they are; from here on `usable` is forgotten. */
void ki_walk_forget_strangers(ki_walker *walker);

/* The same in steps, for who has several walks under way: begin; then, while there is more, open a
 * hop and close it, which measures its rows. Opened ahead, memory is asked for all of them, for who
 * has something else to do before the close. */
kith_status ki_walk_begin(ki_walker *walker, const ki_layer *layer, uint32_t start,
                          uint32_t start_key, uint32_t ef);
bool ki_walk_more(const ki_walker *walker);
void ki_walk_open(ki_walker *walker);
void ki_walk_open_ahead(ki_walker *walker);
kith_status ki_walk_close(ki_walker *walker);

#endif

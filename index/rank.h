/* rank.h - what a walk over codes found, ranked again by the rows themselves.
 *
 * May include kernels/, alive.h and pool.h. A ranker is the scratch of one thread, beside its
 * walker.
 */
#ifndef KI_RANK_H
#define KI_RANK_H

#include "index/alive.h"
#include "index/pool.h"
#include "kernels/kernels.h"
#include "kv/base.h"

typedef struct ki_ranker {
    const ki_kernel *kernel; /* of the rows */
    ki_prepare_fn prepare;
    ki_query query;
    void *scratch;        /* of the query */
    ki_pool pool;         /* the nearest so far, by their rows */
    uint32_t *ids, *keys; /* `places` each */
    uint32_t places;
    uint64_t reranks; /* counted up, never reset here */
} ki_ranker;

typedef struct ki_ranker_options {
    const ki_kernel *kernel; /* must outlive the ranker */
    ki_pairing pairing;      /* the kernel's */
    bool f32;                /* queries are f32, not of the rows' type */
    uint32_t dim;
    uint32_t k;
    uint32_t places; /* the most candidates of a query */
} ki_ranker_options;

kith_status ki_ranker_open(const ki_ranker_options *options, ki_ranker *out);
void ki_ranker_close(ki_ranker *ranker); /* accepts a zeroed or half-open one */

/* Sets the query and empties the pool; `vector` is not needed afterwards. */
void ki_ranker_aim(ki_ranker *ranker, const void *vector);

/* Measures the rows of the first `places` entries of a walk's pool that are alive (NULL: all are)
 * and offers them. */
void ki_ranker_rank(ki_ranker *ranker, const ki_rows *rows, const ki_pool *found,
                    const ki_alive *alive);

#endif

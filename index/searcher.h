/* searcher.h - the scratch of one thread's searches, and a search in steps.
 *
 * May include everything of index/, kernels/ and kv/. A searcher is a walker with a kernel table of
 * its own, so that two searchers of one index may use different instruction sets, and, where codes
 * are walked, a ranker. A search of one query is begun, hops while there is more to see, and is
 * ended; who has several searchers may take turns between the hops.
 */
#ifndef KI_SEARCHER_H
#define KI_SEARCHER_H

#include "index/objects.h"
#include "index/rank.h"

struct kith_searcher {
    kith_index *index;
    kith_search_options options;
    kith_search_mode mode;
    ki_kernels kernels;
    const ki_kernel *kernel; /* of the hits: of the store's metric, its rows and these queries */
    ki_walker walker;
    ki_ranker ranker;  /* unless mode is KITH_MODE_ROWS, where the walker's pool ranks */
    uint64_t *answers; /* k places */
};

/* The type that queries come in, and whether that is another one than that of the rows. */
kith_type ki_query_type(const kith_index *index, const kith_search_options *options);
bool ki_is_mixed(const kith_index *index, const kith_search_options *options);

/* Aims at a query that is known to be good and goes down to layer 0. */
kith_status ki_search_begin(kith_searcher *searcher, const void *query);
static inline bool ki_search_more(const kith_searcher *searcher)
{
    return ki_walk_more(&searcher->walker);
}

/* Looks at the rows that the graph does not hold, and leaves k answers as of device.h. */
kith_status ki_search_end(kith_searcher *searcher, uint64_t *answers);

/* From k answers to hits; how many are real. */
size_t ki_fill_hits(const kith_searcher *searcher, const uint64_t *answers, kith_hit *hits);

#endif

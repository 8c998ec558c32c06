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
#include "index/order.h"
#include "index/rank.h"
#include "index/workers.h"

struct kith_searcher {
    kith_index *index;
    kith_search_options options;
    ki_pass pass;         /* of the index's turnstile: what reads the graph is inside */
    uint64_t exchanges;   /* of the index, when what follows was made */
    ki_moment moment;     /* the state of the store that a search sees */
    bool graph_only;      /* answers with what the graph finds: no other row is compared, and ef may
                             be less than k, of which the rest stays empty */
    const uint64_t *live; /* then these rows may be answers; NULL: all that the graph holds */
    kith_search_mode mode;
    ki_kernels kernels;
    const ki_kernel *kernel; /* of the hits: of the store's metric, its rows and these queries */
    ki_walker walker;
    ki_ranker ranker;  /* unless mode is KITH_MODE_ROWS, where the walker's pool ranks */
    ki_ranker between; /* of a walk over brief codes: by those that links were chosen by; zeroed:
                          there is no such step */
    uint64_t *answers; /* k places */
};

/* The type that queries come in, and whether that is another one than that of the rows. */
kith_type ki_query_type(const kith_index *index, const kith_search_options *options);
bool ki_is_mixed(const kith_index *index, const kith_search_options *options);

/* A searcher of the graph alone, on the instruction set of the index. EINVAL is not looked for. */
kith_status ki_searcher_open(kith_index *index, const kith_search_options *options,
                             uint64_t features, bool graph_only, kith_searcher **out);

/* How many of the nearest `width` codes are ranked again. */
uint32_t ki_rerank_places(const ki_codes *codes, const kith_search_options *options,
                          uint32_t width);

/* What ranks the codes that a walk of this width finds, in steps; see searcher_rank.c. It is aimed
 * at a query after the walker was. Close accepts what is zeroed. */
kith_status ki_searcher_open_ranker(kith_searcher *searcher, ki_pairing pairing, uint32_t width);
void ki_searcher_close_ranker(kith_searcher *searcher);
void ki_searcher_aim_ranker(kith_searcher *searcher, const void *query);
void ki_searcher_rank(kith_searcher *searcher, const ki_rows *rows);

/* Makes the scratch anew where the index measures something else by now. Inside. */
kith_status ki_searcher_follow(kith_searcher *searcher);

/* The width of the walk. */
static inline uint32_t ki_search_width(const kith_searcher *s)
{
    return s->options.ef > s->options.k || s->graph_only ? s->options.ef : s->options.k;
}

enum { KI_SCAN_BLOCK = 256 /* rows that are compared at a time beside a walk */ };

/* Many queries for a crew: each thread has KI_LANES searchers that take turns. */
enum { KI_LANES = 2 };

typedef struct ki_search_batch {
    const unsigned char *queries; /* known to be good, query_bytes apart */
    size_t query_bytes;
    uint32_t k;
    uint64_t *answers;         /* k a query */
    kith_searcher **searchers; /* KI_LANES a worker */
    ki_place_of *order;        /* in which queries are walked; NULL: as they came */
} ki_search_batch;

kith_status ki_search_all(ki_search_batch *batch, size_t nq, ki_workers *crew);

/* Aims at a query that is known to be good and goes down to layer 0. Between begin and end the
 * caller is inside, with the pass of any searcher of the index. */
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

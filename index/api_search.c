/* api_search.c - many queries: shared out among threads, each with a few searches under way.
 *
 * While one walk waits for the rows of its hop, another measures those that it asked for before:
 * each thread has LANES searchers that take turns. Many queries are walked in the order of the
 * places they go to (order.h). Answers depend on neither, since every walk has its own scratch.
 */
#include "index/searcher.h"
#include "index/checks.h"

enum { FEWEST = 8, MOST = 64 /* queries that a thread takes at a time */ };

typedef struct batch {
    ki_search_batch walks; /* hits are written when all is well */
    kith_index *index;
    bool mixed; /* queries are f32, rows are not */
    kith_hit *hits;
} batch;

/* A searcher with a hop that is open, while it is busy. */
typedef struct lane {
    kith_searcher *searcher;
    size_t query;
    bool busy;
} lane;

/* A build that waits to go on is not kept waiting by further queries. */
static bool is_wanted_outside(const ki_search_batch *b)
{
    return ki_turnstile_is_wanted(&b->searchers[0]->index->turnstile);
}

/* Takes queries until one has a hop to open; at least one when it is `first`. */
static kith_status begin_next(const ki_search_batch *b, lane *l, size_t *next, size_t last,
                              bool first)
{
    kith_status status = KITH_OK;
    l->busy = false;
    while (!l->busy && *next < last && !status && (first || !is_wanted_outside(b))) {
        l->query = b->order ? b->order[*next].number : *next;
        ++*next;
        status = ki_search_begin(l->searcher, b->queries + l->query * b->query_bytes);
        l->busy = !status && ki_search_more(l->searcher);
        if (l->busy)
            ki_walk_open_ahead(&l->searcher->walker);
        else if (!status)
            status = ki_search_end(l->searcher, b->answers + l->query * b->k);
        first = false;
    }
    return status;
}

static kith_status advance(const ki_search_batch *b, lane *l, size_t *next, size_t last)
{
    kith_status status = ki_walk_close(&l->searcher->walker);
    if (status)
        return status;
    if (ki_search_more(l->searcher)) {
        ki_walk_open_ahead(&l->searcher->walker);
        return KITH_OK;
    }
    status = ki_search_end(l->searcher, b->answers + l->query * b->k);
    return status ? status : begin_next(b, l, next, last, false);
}

/* One stay inside: queries from *next on, until all are done or somebody waits outside. */
static kith_status walk_some(const ki_search_batch *b, uint32_t worker, size_t *next, size_t last)
{
    lane lanes[KI_LANES];
    size_t busy = 0;
    kith_status status = KITH_OK;
    for (size_t i = 0; i < KI_LANES && !status; i++) {
        lanes[i].searcher = b->searchers[worker * KI_LANES + i];
        status = ki_searcher_follow(lanes[i].searcher);
    }
    for (size_t i = 0; i < KI_LANES && !status; i++) {
        status = begin_next(b, &lanes[i], next, last, i == 0);
        busy += lanes[i].busy;
    }
    while (busy && !status) {
        busy = 0;
        for (size_t i = 0; i < KI_LANES && !status; i++) {
            if (lanes[i].busy)
                status = advance(b, &lanes[i], next, last);
            busy += lanes[i].busy;
        }
    }
    return status;
}

static void go_in(const ki_search_batch *b, uint32_t worker)
{
    kith_searcher *s = b->searchers[worker * KI_LANES];
    ki_turnstile_enter(&s->index->turnstile, &s->pass);
}

static void go_out(const ki_search_batch *b, uint32_t worker)
{
    ki_turnstile_exit(&b->searchers[worker * KI_LANES]->pass);
}

static kith_status walk_job(void *context, uint32_t worker, size_t first, size_t last)
{
    const ki_search_batch *b = context;
    kith_status status = KITH_OK;
    for (size_t next = first; next < last && !status;) {
        go_in(b, worker);
        status = walk_some(b, worker, &next, last);
        go_out(b, worker);
    }
    return status;
}

static kith_status region_of_query(void *context, uint32_t worker, size_t query, uint32_t layer,
                                   uint64_t *region)
{
    const ki_search_batch *b = context;
    kith_searcher *s = b->searchers[worker * KI_LANES];
    go_in(b, worker);
    const ki_graph *graph = s->index->graph;
    kith_status status = ki_searcher_follow(s);
    if (!status)
        status = ki_walker_reserve(&s->walker, graph->layer[0].count);
    *region = 0;
    if (!status && layer < graph->layers) /* a build since may have begun a new graph */
        *region = ki_walk_region(&s->walker, graph, layer, b->queries + query * b->query_bytes);
    go_out(b, worker);
    return status;
}

/* So many that threads end at about the same time, and share no more places than they must. */
static size_t grain(size_t nq, const ki_workers *crew)
{
    const size_t share = nq / (4 * (size_t)ki_workers_count(crew));
    return share < FEWEST ? FEWEST : share > MOST ? MOST : share;
}

kith_status ki_search_all(ki_search_batch *walks, size_t nq, ki_workers *crew)
{
    kith_status status = KITH_OK;
    go_in(walks, 0);
    const uint32_t layer = ki_order_layer(walks->searchers[0]->index->graph, nq);
    go_out(walks, 0);
    walks->order = NULL;
    if (layer)
        walks->order = ki_alloc(nq * sizeof *walks->order); /* without, as they came */
    if (walks->order)
        status = ki_order(layer, region_of_query, walks, nq, crew, walks->order);
    if (!status)
        status = ki_workers_run(crew, nq, grain(nq, crew), walk_job, walks);
    ki_free(walks->order);
    walks->order = NULL;
    return status;
}

static kith_status hits_job(void *context, uint32_t worker, size_t first, size_t last)
{
    const batch *b = context;
    for (size_t i = first; i < last; i++)
        ki_fill_hits(b->walks.searchers[worker * KI_LANES], b->walks.answers + i * b->walks.k,
                     b->hits + i * b->walks.k);
    return KITH_OK;
}

static kith_status search_graph(batch *b, size_t nq, const kith_search_options *options,
                                kith_search_stats *stats)
{
    ki_workers *crew = NULL;
    uint32_t wanted = options->threads ? options->threads : ki_processor_count();
    size_t useful = (nq + FEWEST - 1) / FEWEST; /* a thread costs more than a few walks */
    kith_status status = ki_workers_open(wanted < useful ? wanted : (uint32_t)useful, &crew);
    if (status)
        return status;
    ki_search_batch *walks = &b->walks;
    uint32_t searchers = KI_LANES * ki_workers_count(crew);
    walks->searchers = ki_zalloc(searchers * sizeof *walks->searchers);
    walks->answers = ki_alloc(nq * walks->k * sizeof *walks->answers);
    if (!walks->searchers || !walks->answers)
        status = ki_no_memory("answers", nq * walks->k * sizeof *walks->answers);
    for (uint32_t i = 0; i < searchers && !status; i++)
        status = kith_searcher_create(b->index, options, NULL, &walks->searchers[i]);
    if (!status)
        status = ki_search_all(walks, nq, crew);
    if (!status)
        status = ki_workers_run(crew, nq, 1024, hits_job, b);
    for (uint32_t i = 0; walks->searchers && i < searchers; i++) {
        kith_searcher *searcher = walks->searchers[i];
        if (searcher) {
            stats->distances += searcher->walker.distances;
            stats->hops += searcher->walker.hops;
            stats->sketches += searcher->walker.sketches;
            stats->reranks += searcher->ranker.reranks;
            stats->mode = searcher->mode;
        }
        kith_searcher_close(searcher);
    }
    ki_free(walks->searchers);
    ki_free(walks->answers);
    ki_workers_close(crew);
    return status;
}

static kith_status search_flat(const batch *b, size_t nq, kith_search_stats *stats)
{
    const kith_store *store = b->index->store;
    const kith_type type = store->options.type;
    ki_queries queries = {b->walks.queries, b->walks.query_bytes, nq, ki_pairing_of(type, b->mixed),
                          b->mixed};
    unsigned char *bits = NULL;
    kith_status status = KITH_OK;
    ki_ranked *ranked = ki_alloc(nq * b->walks.k * sizeof *ranked);
    if (!ranked)
        return ki_no_memory("answers", nq * b->walks.k * sizeof *ranked);
    status = ki_queries_to_bits(type, store->options.dim, &queries, &bits);
    if (!status)
        status = ki_flat_search(b->index->flat, &queries, b->walks.k, ranked);
    ki_store_read_lock(store->engine);
    for (size_t i = 0; i < nq * b->walks.k && !status; i++)
        ki_fill_hit(store, ranked[i].row, ranked[i].distance, &b->hits[i]);
    ki_store_read_unlock(store->engine);
    stats->distances = nq * ki_store_live_count(store->engine);
    ki_free(ranked);
    ki_free(bits);
    return status;
}

kith_status kith_index_search(kith_index *index, const void *queries, size_t nq,
                              const kith_search_options *options, kith_hit *hits,
                              kith_search_stats *stats)
{
    const kith_store_options *so = &index->store->options;
    kith_search_options defaults = kith_search_defaults(10), chosen;
    kith_search_stats counted = {.size = sizeof counted};
    batch b = {.index = index, .walks.queries = queries, .hits = hits};
    kith_status status = ki_read_options(options, &defaults, sizeof defaults, &chosen);
    if (!status)
        status = ki_check_search(&chosen);
    if (!status && stats)
        status = ki_check_result(stats);
    kith_type type = ki_query_type(index, &chosen);
    b.mixed = type != so->type;
    b.walks.k = chosen.k;
    b.walks.query_bytes = kith_vector_bytes(type, so->dim);
    for (size_t i = 0; i < nq && !status; i++)
        status = ki_check_vector(so->metric, type, so->dim,
                                 b.walks.queries + i * b.walks.query_bytes, "query", i);
    if (!status && nq)
        status =
            index->graph ? search_graph(&b, nq, &chosen, &counted) : search_flat(&b, nq, &counted);
    return status || !stats ? status : ki_write_result(&counted, sizeof counted, stats);
}

/* api_search.c - many queries: shared out among threads, each with a few searches under way.
 *
 * While one walk waits for the rows of its hop, another measures those that it asked for before:
 * each thread has LANES searchers that take turns. Answers do not depend on it, since every walk
 * has its own scratch.
 */
#include "index/searcher.h"
#include "index/checks.h"

enum { GRAIN = 64, LANES = 2 };

typedef struct batch {
    kith_index *index;
    const unsigned char *queries;
    size_t query_bytes;
    bool mixed; /* queries are f32, rows are not */
    uint32_t k;
    uint64_t *answers; /* k a query: hits are written when all is well */
    kith_hit *hits;
    kith_searcher **searchers; /* LANES a worker */
} batch;

/* A searcher with a hop that is open, while it is busy. */
typedef struct lane {
    kith_searcher *searcher;
    size_t query;
    bool busy;
} lane;

/* Takes queries until one has a hop to open. */
static kith_status begin_next(const batch *b, lane *l, size_t *next, size_t last)
{
    kith_status status = KITH_OK;
    l->busy = false;
    while (!l->busy && *next < last && !status) {
        l->query = (*next)++;
        status = ki_search_begin(l->searcher, b->queries + l->query * b->query_bytes);
        l->busy = !status && ki_search_more(l->searcher);
        if (l->busy)
            ki_walk_open_ahead(&l->searcher->walker);
        else if (!status)
            status = ki_search_end(l->searcher, b->answers + l->query * b->k);
    }
    return status;
}

static kith_status advance(const batch *b, lane *l, size_t *next, size_t last)
{
    kith_status status = ki_walk_close(&l->searcher->walker);
    if (status)
        return status;
    if (ki_search_more(l->searcher)) {
        ki_walk_open_ahead(&l->searcher->walker);
        return KITH_OK;
    }
    status = ki_search_end(l->searcher, b->answers + l->query * b->k);
    return status ? status : begin_next(b, l, next, last);
}

static kith_status walk_job(void *context, uint32_t worker, size_t first, size_t last)
{
    const batch *b = context;
    lane lanes[LANES];
    size_t next = first, busy = 0;
    kith_status status = KITH_OK;
    for (size_t i = 0; i < LANES && !status; i++) {
        lanes[i].searcher = b->searchers[worker * LANES + i];
        status = begin_next(b, &lanes[i], &next, last);
        busy += lanes[i].busy;
    }
    while (busy && !status) {
        busy = 0;
        for (size_t i = 0; i < LANES && !status; i++) {
            if (lanes[i].busy)
                status = advance(b, &lanes[i], &next, last);
            busy += lanes[i].busy;
        }
    }
    return status;
}

static kith_status hits_job(void *context, uint32_t worker, size_t first, size_t last)
{
    const batch *b = context;
    for (size_t i = first; i < last; i++)
        ki_fill_hits(b->searchers[worker * LANES], b->answers + i * b->k, b->hits + i * b->k);
    return KITH_OK;
}

static kith_status search_graph(batch *b, size_t nq, const kith_search_options *options,
                                kith_search_stats *stats)
{
    ki_workers *crew = NULL;
    uint32_t wanted = options->threads ? options->threads : ki_processor_count();
    size_t useful = (nq + GRAIN - 1) / GRAIN; /* a thread costs more than a few walks */
    kith_status status = ki_workers_open(wanted < useful ? wanted : (uint32_t)useful, &crew);
    if (status)
        return status;
    uint32_t searchers = LANES * ki_workers_count(crew);
    b->searchers = ki_zalloc(searchers * sizeof *b->searchers);
    b->answers = ki_alloc(nq * b->k * sizeof *b->answers);
    if (!b->searchers || !b->answers)
        status = ki_no_memory("answers", nq * b->k * sizeof *b->answers);
    for (uint32_t i = 0; i < searchers && !status; i++)
        status = kith_searcher_create(b->index, options, NULL, &b->searchers[i]);
    if (!status)
        status = ki_workers_run(crew, nq, GRAIN, walk_job, b);
    if (!status)
        status = ki_workers_run(crew, nq, 1024, hits_job, b);
    for (uint32_t i = 0; b->searchers && i < searchers; i++) {
        if (b->searchers[i]) {
            stats->distances += b->searchers[i]->walker.distances;
            stats->hops += b->searchers[i]->walker.hops;
            stats->reranks += b->searchers[i]->ranker.reranks;
            stats->mode = b->searchers[i]->mode;
        }
        kith_searcher_close(b->searchers[i]);
    }
    ki_free(b->searchers);
    ki_free(b->answers);
    ki_workers_close(crew);
    return status;
}

/* The bits of x > 0, as the kernels of b1 rows take them from a float: exact ranking wants both
 * sides as they are stored. */
static kith_status pack_bits(const batch *b, size_t nq, uint32_t dim, unsigned char **out)
{
    const size_t row_bytes = kith_vector_bytes(KITH_B1, dim);
    unsigned char *bits = ki_zalloc(nq * row_bytes);
    if (!bits)
        return ki_no_memory("queries as bits", nq * row_bytes);
    for (size_t i = 0; i < nq; i++) {
        const float *query = (const void *)(b->queries + i * b->query_bytes);
        for (uint32_t j = 0; j < dim; j++)
            bits[i * row_bytes + j / 8] |= (unsigned char)((query[j] > 0) << j % 8);
    }
    *out = bits;
    return KITH_OK;
}

static kith_status search_flat(const batch *b, size_t nq, kith_search_stats *stats)
{
    const kith_store *store = b->index->store;
    const kith_type type = store->options.type;
    ki_queries queries = {b->queries, b->query_bytes, nq, ki_pairing_of(type, b->mixed), b->mixed};
    unsigned char *bits = NULL;
    kith_status status = KITH_OK;
    ki_ranked *ranked = ki_alloc(nq * b->k * sizeof *ranked);
    if (!ranked)
        return ki_no_memory("answers", nq * b->k * sizeof *ranked);
    if (b->mixed && type == KITH_B1) {
        status = pack_bits(b, nq, store->options.dim, &bits);
        queries = (ki_queries){bits, kith_vector_bytes(type, store->options.dim), nq, KI_B1, false};
    }
    if (!status)
        status = ki_flat_search(b->index->flat, &queries, b->k, ranked);
    for (size_t i = 0; i < nq * b->k && !status; i++)
        ki_fill_hit(store, ranked[i].row, ranked[i].distance, &b->hits[i]);
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
    batch b = {.index = index, .queries = queries, .hits = hits};
    kith_status status = ki_read_options(options, &defaults, sizeof defaults, &chosen);
    if (!status)
        status = ki_check_search(&chosen);
    if (!status && stats)
        status = ki_check_result(stats);
    kith_type type = ki_query_type(index, &chosen);
    b.mixed = type != so->type;
    b.k = chosen.k;
    b.query_bytes = kith_vector_bytes(type, so->dim);
    for (size_t i = 0; i < nq && !status; i++)
        status =
            ki_check_vector(so->metric, type, so->dim, b.queries + i * b.query_bytes, "query", i);
    if (!status && nq)
        status =
            index->graph ? search_graph(&b, nq, &chosen, &counted) : search_flat(&b, nq, &counted);
    return status || !stats ? status : ki_write_result(&counted, sizeof counted, stats);
}

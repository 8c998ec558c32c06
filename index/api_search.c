/* api_search.c - the public searches: one query with a searcher, many with a crew of them.
 *
 * A searcher is a walker with a kernel table of its own, so that two searchers of one index may
 * use different instruction sets. A graph answers from its walk; rows that were put since the
 * last build are scanned exactly into the same pool, and deleted rows are passed over when it is
 * read out; they do not count towards ef. Hits are written last of all, when nothing can
 * fail any more.
 */
#include "index/objects.h"
#include "index/checks.h"
#include "kernels/keys.h"
#include <math.h>

enum { GRAIN = 8, SCAN_BLOCK = 256, K_MOST = 65536, PREFETCH_MOST = 64 };

struct kith_searcher {
    kith_index *index;
    kith_search_options options;
    ki_kernels kernels;
    const ki_kernel *kernel; /* of the store's metric, its rows and these queries */
    ki_walker walker;
    uint64_t *answers; /* k places */
};

kith_search_options kith_search_defaults(uint32_t k)
{
    return (kith_search_options){.size = sizeof(kith_search_options),
                                 .k = k,
                                 .ef = k < 50              ? 100
                                       : k < KI_EF_MAX / 2 ? 2 * k
                                                           : KI_EF_MAX,
                                 .prefetch_lines = UINT32_MAX};
}

kith_status ki_check_search(const kith_search_options *o)
{
    if (o->k < 1 || o->k > K_MOST)
        return ki_fail(KITH_EINVAL, "k = %u is not in 1..%d", o->k, K_MOST);
    if (o->ef > KI_EF_MAX)
        return ki_fail(KITH_EINVAL, "ef = %u is not in 1..%d", o->ef, KI_EF_MAX);
    if (o->prefetch_lines > PREFETCH_MOST && o->prefetch_lines != UINT32_MAX)
        return ki_fail(KITH_EINVAL, "prefetch_lines = %u is not in 0..%d", o->prefetch_lines,
                       PREFETCH_MOST);
    if (o->f32_queries > 1)
        return ki_fail(KITH_EINVAL, "f32_queries = %u is neither 0 nor 1", o->f32_queries);
    return ki_check_threads(o->threads);
}

/* The type that queries come in. */
static kith_type query_type(const kith_index *index, const kith_search_options *options)
{
    return options->f32_queries ? KITH_F32 : index->store->options.type;
}

/* Do queries come in another type than that of the rows? */
static bool is_mixed(const kith_index *index, const kith_search_options *options)
{
    return query_type(index, options) != index->store->options.type;
}

void ki_fill_hit(const kith_store *store, uint32_t row, double distance, kith_hit *out)
{
    const void *key;
    size_t key_len;
    *out = (kith_hit){.row = row, .distance = (float)distance};
    if (store->options.keys == KITH_KEYS_U64 && ki_store_key(store->engine, row, &key, &key_len))
        memcpy(&out->key, key, sizeof out->key);
}

/* The width of the walk. */
static uint32_t width(const kith_search_options *options)
{
    return options->ef > options->k ? options->ef : options->k;
}

static kith_status open_walker(kith_searcher *s)
{
    const kith_index *index = s->index;
    uint32_t degree = index->graph->layer[0].degree, wanted = s->options.prefetch_lines;
    bool f32 = is_mixed(index, &s->options);
    ki_pairing pairing = ki_pairing_of(index->store->options.type, f32);
    s->kernel = &s->kernels.at[index->store->options.metric][pairing];
    ki_walker_options options = {.kernel = s->kernel,
                                 .pairing = pairing,
                                 .f32 = f32,
                                 .dim = index->store->options.dim,
                                 .pool_capacity = width(&s->options),
                                 .hop_places = degree > SCAN_BLOCK ? degree : SCAN_BLOCK,
                                 .prefetch_lines =
                                     wanted == UINT32_MAX ? KI_PREFETCH_LINES : wanted};
    kith_status status = ki_walker_open(&options, &s->walker);
    return status ? status : ki_walker_reserve(&s->walker, index->graph->layer[0].count);
}

kith_status kith_searcher_create(kith_index *index, const kith_search_options *options,
                                 const char *cpu, kith_searcher **out)
{
    kith_search_options defaults = kith_search_defaults(10), chosen;
    uint64_t features = index->kernels.features;
    kith_status status = ki_read_options(options, &defaults, sizeof defaults, &chosen);
    if (!status)
        status = ki_check_search(&chosen);
    if (!status && cpu)
        status = ki_choose_features(cpu, &features);
    if (!status && !index->graph)
        status = ki_fail(KITH_EUNSUPPORTED, "a searcher walks a graph; a flat index is searched "
                                            "by kith_index_search");
    if (status)
        return status;
    kith_searcher *s = ki_zalloc(sizeof *s);
    if (!s)
        return ki_no_memory("a searcher", sizeof *s);
    s->index = index;
    s->options = chosen;
    ki_kernels_fill(features, &s->kernels);
    status = open_walker(s);
    s->answers = ki_alloc(chosen.k * sizeof *s->answers);
    if (!status && !s->answers)
        status = ki_no_memory("a searcher", chosen.k * sizeof *s->answers);
    if (status)
        kith_searcher_close(s);
    else
        *out = s;
    return status;
}

void kith_searcher_close(kith_searcher *searcher)
{
    if (!searcher)
        return;
    ki_walker_close(&searcher->walker);
    ki_free(searcher->answers);
    ki_free(searcher);
}

/* Rows that came after the last build: compared one and all, into the pool of the walk. */
static kith_status scan_tail(kith_searcher *s, uint32_t first, uint32_t last)
{
    kith_status status = KITH_OK;
    ki_walker *w = &s->walker;
    const uint64_t *live = ki_store_live(s->index->store->engine);
    ki_row_set set = ki_store_row_set(s->index->store->engine, &s->index->store->options);
    for (; first < last && !status; first += SCAN_BLOCK) {
        uint32_t n = last - first < SCAN_BLOCK ? last - first : SCAN_BLOCK;
        w->kernel->range(&w->query, &set.rows, first, n, w->keys);
        w->distances += n;
        for (uint32_t i = 0; i < n && !status; i++)
            if (w->keys[i] <= ki_pool_bound(&w->pool) && ki_is_live(live, first + i))
                status = ki_walker_offer(w, ki_pool_entry(w->keys[i], first + i));
    }
    return status;
}

/* Leaves the k answers of a query that is known to be good. */
static kith_status walk(kith_searcher *s, const void *query, uint64_t *answers)
{
    ki_graph *graph = s->index->graph;
    const ki_store *engine = s->index->store->engine;
    const uint64_t *live = ki_store_live(engine);
    uint32_t key, rows = ki_store_rows(engine);
    ki_walker *w = &s->walker;
    kith_status status = KITH_OK;
    w->live = ki_store_live_count(engine) < rows ? live : NULL;
    ki_walker_aim(w, query);
    ki_pool_clear(&w->pool);
    w->pool.capacity = width(&s->options);
    if (graph->layers) {
        uint32_t start = ki_walk_descend(w, graph, 0, &key);
        status = ki_walk_layer(w, &graph->layer[0], start, key, width(&s->options));
    }
    if (!status)
        status = scan_tail(s, graph->seen, rows);
    if (!status)
        ki_pool_answers(&w->pool, w->live, s->options.k, answers);
    return status;
}

/* From answers to hits; how many are real. */
static size_t fill_hits(const kith_store *store, ki_key_form form, const uint64_t *answers,
                        uint32_t k, kith_hit *hits)
{
    size_t found = 0;
    for (uint32_t i = 0; i < k; i++) {
        bool empty = answers[i] == UINT64_MAX;
        uint32_t row = empty ? UINT32_MAX : (uint32_t)answers[i];
        double distance = empty ? INFINITY : ki_key_distance(form, (uint32_t)(answers[i] >> 32));
        ki_fill_hit(store, row, distance, &hits[i]);
        found += !empty;
    }
    return found;
}

kith_status kith_searcher_search(kith_searcher *searcher, const void *query, kith_hit *hits,
                                 size_t *found, kith_search_stats *stats)
{
    const kith_store_options *so = &searcher->index->store->options;
    ki_walker *w = &searcher->walker;
    uint64_t distances = w->distances, hops = w->hops;
    kith_status status = stats ? ki_check_result(stats) : KITH_OK;
    if (!status)
        status = ki_check_vector(so->metric, query_type(searcher->index, &searcher->options),
                                 so->dim, query, "query", 0);
    if (!status)
        status = walk(searcher, query, searcher->answers);
    if (status)
        return status;
    size_t n = fill_hits(searcher->index->store, searcher->kernel->form, searcher->answers,
                         searcher->options.k, hits);
    if (found)
        *found = n;
    kith_search_stats counted = {.distances = w->distances - distances, .hops = w->hops - hops};
    return stats ? ki_write_result(&counted, sizeof counted, stats) : KITH_OK;
}

/* ---- many queries ---- */

typedef struct batch {
    kith_index *index;
    const unsigned char *queries;
    size_t query_bytes;
    bool mixed; /* queries are f32, rows are not */
    uint32_t k;
    uint64_t *answers; /* k a query: hits are written when all is well */
    kith_hit *hits;
    kith_searcher **searchers; /* one a worker */
} batch;

static kith_status walk_job(void *context, uint32_t worker, size_t first, size_t last)
{
    const batch *b = context;
    kith_status status = KITH_OK;
    for (size_t i = first; i < last && !status; i++)
        status = walk(b->searchers[worker], b->queries + i * b->query_bytes, b->answers + i * b->k);
    return status;
}

static kith_status hits_job(void *context, uint32_t worker, size_t first, size_t last)
{
    const batch *b = context;
    for (size_t i = first; i < last; i++)
        fill_hits(b->index->store, b->searchers[worker]->kernel->form, b->answers + i * b->k, b->k,
                  b->hits + i * b->k);
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
    uint32_t threads = ki_workers_count(crew);
    b->searchers = ki_zalloc(threads * sizeof *b->searchers);
    b->answers = ki_alloc(nq * b->k * sizeof *b->answers);
    if (!b->searchers || !b->answers)
        status = ki_no_memory("answers", nq * b->k * sizeof *b->answers);
    for (uint32_t i = 0; i < threads && !status; i++)
        status = kith_searcher_create(b->index, options, NULL, &b->searchers[i]);
    if (!status)
        status = ki_workers_run(crew, nq, GRAIN, walk_job, b);
    if (!status)
        status = ki_workers_run(crew, nq, 1024, hits_job, b);
    for (uint32_t i = 0; b->searchers && i < threads; i++) {
        if (b->searchers[i]) {
            stats->distances += b->searchers[i]->walker.distances;
            stats->hops += b->searchers[i]->walker.hops;
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
    kith_type type = query_type(index, &chosen);
    b.mixed = type != so->type;
    if (!status && b.mixed && !index->on_host)
        status = ki_fail(KITH_EUNSUPPORTED,
                         "f32 queries with %s rows are searched on the host, not on this device",
                         kith_type_name(so->type));
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

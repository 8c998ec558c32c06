/* api_searcher.c - a searcher: made from options, and one query answered with it.
 *
 * A graph answers from its walk; where that was over codes the nearest are ranked again by their
 * rows. Rows that were put since the last build are measured one and all, and ranked together with
 * what was found. Deleted rows are passed over when the pool is read out; they do not count towards
 * ef. Hits are written last of all, when nothing can fail any more.
 */
#include "index/searcher.h"
#include "index/checks.h"
#include "kernels/keys.h"
#include <math.h>

enum { SCAN_BLOCK = 256, K_MOST = 65536, PREFETCH_MOST = 64, RERANK_MOST = 1000 };

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
    if (o->rerank != 0 && !(o->rerank >= 1 && o->rerank <= RERANK_MOST))
        return ki_fail(KITH_EINVAL, "rerank = %g is neither 0 nor in 1..%d", (double)o->rerank,
                       RERANK_MOST);
    if (!(o->slack >= 0 && o->slack <= 1000))
        return ki_fail(KITH_EINVAL, "slack = %g is not in 0..1000", (double)o->slack);
    return ki_check_threads(o->threads);
}

kith_type ki_query_type(const kith_index *index, const kith_search_options *options)
{
    return options->f32_queries ? KITH_F32 : index->store->options.type;
}

bool ki_is_mixed(const kith_index *index, const kith_search_options *options)
{
    return ki_query_type(index, options) != index->store->options.type;
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
static uint32_t width(const kith_searcher *s)
{
    const kith_search_options *options = &s->options;
    return options->ef > options->k || s->graph_only ? options->ef : options->k;
}

/* ---- making one ---- */

/* What the walk measures: brief codes when they are ready, else what links were chosen by. A part
 * of a replica set walks over the latter, as a device does: its answers must not depend on which of
 * them gave them. */
static bool is_brief(const kith_searcher *s)
{
    return s->index->graph->brief_ready && !s->graph_only;
}

static const ki_codes *codes_of(const kith_searcher *s)
{
    return is_brief(s) ? s->index->graph->brief : s->index->graph->codes;
}

/* Sketches are of what links were chosen by, and of queries that become the same. A part of a
 * replica set walks without, too. */
static const ki_sketch *sketch_of(const kith_searcher *s)
{
    const ki_graph *graph = s->index->graph;
    const bool alike = graph->codes || !ki_is_mixed(s->index, &s->options);
    return alike && !graph->brief_ready && !s->graph_only ? graph->sketch : NULL;
}

static kith_status open_walker(kith_searcher *s, ki_pairing pairing)
{
    const kith_index *index = s->index;
    const ki_codes *codes = codes_of(s);
    const uint32_t most = KI_TAKEN_MOST * index->graph->layer[0].degree;
    const uint32_t wanted = s->options.prefetch_lines;
    ki_walker_options options = {.kernel = s->kernel,
                                 .sift = s->kernels.sift,
                                 .pairing = pairing,
                                 .f32 = ki_is_mixed(index, &s->options),
                                 .brief = is_brief(s),
                                 .sketch = sketch_of(s),
                                 .kernels = &s->kernels,
                                 .codes = codes,
                                 .dim = index->store->options.dim,
                                 .pool_capacity = width(s),
                                 .hop_places = most > SCAN_BLOCK ? most : SCAN_BLOCK,
                                 .prefetch_lines =
                                     wanted == UINT32_MAX ? KI_PREFETCH_LINES : wanted};
    if (codes) {
        options.kernel = &s->kernels.at[codes->metric][codes->pairing];
        options.pairing = codes->pairing;
        options.dim = codes->dim;
    }
    kith_status status = ki_walker_open(&options, &s->walker);
    return status ? status : ki_walker_reserve(&s->walker, index->graph->layer[0].count);
}

/* By what share of its distance the next candidate may be farther, in the units of keys. */
static void set_stop(kith_searcher *s)
{
    const kith_metric metric = s->index->store->options.metric;
    const double reach = 1 + (double)s->options.slack;
    if (s->options.slack <= 0 || metric == KITH_IP)
        return;
    s->walker.stop_at = s->options.k;
    s->walker.stop_factor = metric == KITH_JACCARD ? reach : reach * reach;
}

static kith_status open_searcher(kith_searcher *s)
{
    const kith_store_options *so = &s->index->store->options;
    const ki_pairing pairing = ki_pairing_of(so->type, ki_is_mixed(s->index, &s->options));
    const bool codes = codes_of(s) != NULL;
    s->kernel = &s->kernels.at[so->metric][pairing];
    s->mode = codes ? KITH_MODE_CODES : KITH_MODE_ROWS;
    kith_status status = open_walker(s, pairing);
    if (!status && codes)
        status = ki_searcher_open_ranker(s, pairing, width(s));
    if (!status && !(s->answers = ki_alloc(s->options.k * sizeof *s->answers)))
        status = ki_no_memory("a searcher", s->options.k * sizeof *s->answers);
    if (!status)
        set_stop(s);
    return status;
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
    return status ? status : ki_searcher_open(index, &chosen, features, false, out);
}

kith_status ki_searcher_open(kith_index *index, const kith_search_options *options,
                             uint64_t features, bool graph_only, kith_searcher **out)
{
    kith_searcher *s = ki_zalloc(sizeof *s);
    if (!s)
        return ki_no_memory("a searcher", sizeof *s);
    s->index = index;
    s->options = *options;
    s->graph_only = graph_only;
    ki_kernels_fill(features, &s->kernels);
    kith_status status = open_searcher(s);
    if (status)
        kith_searcher_close(s);
    else
        *out = s;
    return status;
}

static void close_scratch(kith_searcher *searcher)
{
    ki_walker_close(&searcher->walker);
    ki_searcher_close_ranker(searcher);
    ki_free(searcher->answers);
}

void kith_searcher_close(kith_searcher *searcher)
{
    if (!searcher)
        return;
    close_scratch(searcher);
    ki_free(searcher);
}

/* A build or a load since may have chosen to measure something else. */
static kith_status follow_index(kith_searcher *s)
{
    if (s->walker.codes == codes_of(s) && s->walker.sketcher.sketch == sketch_of(s))
        return KITH_OK;
    kith_searcher before = *s;
    s->walker = (ki_walker){0};
    s->ranker = s->between = (ki_ranker){0};
    s->answers = NULL;
    kith_status status = open_searcher(s);
    close_scratch(status ? s : &before);
    if (status)
        *s = before;
    return status;
}

/* ---- one query ---- */

/* Does every node stand for a live row as it is? No row died at all, or all that did were taken out
 * of the graph: it has as many nodes as there are live rows. */
static bool may_all_be_hits(const ki_graph *graph, const ki_store *engine)
{
    const uint64_t live = ki_store_live_count(engine), rows = ki_store_rows(engine);
    const bool through = graph->seen == rows && !graph->loose_count;
    return !graph->usable && (live == rows || (through && live == graph->layer[0].nodes));
}

kith_status ki_search_begin(kith_searcher *s, const void *query)
{
    ki_graph *graph = s->index->graph;
    const ki_store *engine = s->index->store->engine;
    ki_walker *w = &s->walker;
    uint32_t key;
    if (s->graph_only)
        w->live = s->live;
    else
        w->live = may_all_be_hits(graph, engine) ? NULL : ki_store_live(engine);
    w->usable = graph->usable;
    ki_pool_clear(&w->pool);
    w->pool.capacity = width(s);
    if (!w->codes || w->codes->codec)
        ki_walker_aim(w, query);
    if (s->mode != KITH_MODE_ROWS)
        ki_searcher_aim_ranker(s, query);
    if (!graph->layers)
        return KITH_OK;
    kith_status status = ki_walker_reserve(w, graph->layer[0].count);
    if (status)
        return status;
    const uint32_t start = ki_walk_descend(w, graph, 0, &key);
    return ki_walk_begin(w, &graph->layer[0], start, key, width(s));
}

/* A live row, by its distance, into the pool that ranks. */
static kith_status offer(kith_searcher *s, uint64_t entry)
{
    if (s->mode == KITH_MODE_ROWS)
        return ki_walker_offer(&s->walker, entry);
    ki_pool_offer(&s->ranker.pool, entry);
    return KITH_OK;
}

/* Rows that came after the last build: compared one and all. */
static kith_status scan_tail(kith_searcher *s, uint32_t first, uint32_t last)
{
    kith_status status = KITH_OK;
    ki_walker *w = &s->walker;
    const bool ranked = s->mode != KITH_MODE_ROWS;
    const ki_query *query = ranked ? &s->ranker.query : &w->query;
    ki_pool *pool = ranked ? &s->ranker.pool : &w->pool;
    const uint64_t *live = ki_store_live(s->index->store->engine);
    const ki_row_set set = ki_store_row_set(s->index->store->engine, &s->index->store->options);
    for (; first < last && !status; first += SCAN_BLOCK) {
        const uint32_t n = last - first < SCAN_BLOCK ? last - first : SCAN_BLOCK;
        s->kernel->range(query, &set.rows, first, n, w->keys);
        w->distances += n;
        for (uint32_t i = 0; i < n && !status; i++)
            if (w->keys[i] <= ki_pool_bound(pool) && ki_is_live(live, first + i))
                status = offer(s, ki_pool_entry(w->keys[i], first + i));
    }
    return status;
}

/* Rows below that the graph does not hold as they are: a few, measured by their numbers. */
static kith_status scan_loose(kith_searcher *s)
{
    const ki_graph *graph = s->index->graph;
    ki_walker *w = &s->walker;
    const bool ranked = s->mode != KITH_MODE_ROWS;
    const ki_query *query = ranked ? &s->ranker.query : &w->query;
    const uint64_t *live = ki_store_live(s->index->store->engine);
    const ki_row_set set = ki_store_row_set(s->index->store->engine, &s->index->store->options);
    kith_status status = KITH_OK;
    for (uint32_t first = 0; first < graph->loose_count && !status; first += SCAN_BLOCK) {
        const uint32_t left = graph->loose_count - first, n = left < SCAN_BLOCK ? left : SCAN_BLOCK;
        const uint32_t *ids = graph->loose + first;
        s->kernel->gather(query, &set.rows, ids, n, w->keys);
        w->distances += n;
        for (uint32_t i = 0; i < n && !status; i++)
            if (ki_is_live(live, ids[i]))
                status = offer(s, ki_pool_entry(w->keys[i], ids[i]));
    }
    return status;
}

kith_status ki_search_end(kith_searcher *s, uint64_t *answers)
{
    const kith_store *store = s->index->store;
    ki_walker *w = &s->walker;
    const ki_row_set set = ki_store_row_set(store->engine, &store->options);
    ki_walk_forget_strangers(w);
    if (s->mode != KITH_MODE_ROWS)
        ki_searcher_rank(s, &set.rows);
    kith_status status = s->graph_only ? KITH_OK : scan_loose(s);
    if (!status && !s->graph_only)
        status = scan_tail(s, s->index->graph->seen, ki_store_rows(store->engine));
    if (status)
        return status;
    if (s->mode != KITH_MODE_ROWS)
        ki_pool_answers(&s->ranker.pool, NULL, s->options.k, answers);
    else
        ki_pool_answers(&w->pool, w->live, s->options.k, answers);
    return KITH_OK;
}

size_t ki_fill_hits(const kith_searcher *s, const uint64_t *answers, kith_hit *hits)
{
    size_t found = 0;
    for (uint32_t i = 0; i < s->options.k; i++) {
        const bool empty = answers[i] == UINT64_MAX;
        const uint32_t row = empty ? UINT32_MAX : (uint32_t)answers[i];
        const double distance =
            empty ? INFINITY : ki_key_distance(s->kernel->form, (uint32_t)(answers[i] >> 32));
        ki_fill_hit(s->index->store, row, distance, &hits[i]);
        found += !empty;
    }
    return found;
}

static kith_status search_one(kith_searcher *s, const void *query)
{
    kith_status status = ki_search_begin(s, query);
    while (!status && ki_search_more(s)) {
        ki_walk_open(&s->walker);
        status = ki_walk_close(&s->walker);
    }
    return status ? status : ki_search_end(s, s->answers);
}

kith_status kith_searcher_search(kith_searcher *searcher, const void *query, kith_hit *hits,
                                 size_t *found, kith_search_stats *stats)
{
    const kith_store_options *so = &searcher->index->store->options;
    const ki_walker *w = &searcher->walker;
    kith_status status = stats ? ki_check_result(stats) : KITH_OK;
    if (!status)
        status = ki_check_vector(so->metric, ki_query_type(searcher->index, &searcher->options),
                                 so->dim, query, "query", 0);
    if (!status)
        status = follow_index(searcher);
    const uint64_t distances = w->distances, hops = w->hops, reranks = searcher->ranker.reranks;
    const uint64_t sketches = w->sketches;
    if (!status)
        status = search_one(searcher, query);
    if (status)
        return status;
    const size_t n = ki_fill_hits(searcher, searcher->answers, hits);
    if (found)
        *found = n;
    const kith_search_stats counted = {.distances = w->distances - distances,
                                       .hops = w->hops - hops,
                                       .reranks = searcher->ranker.reranks - reranks,
                                       .mode = searcher->mode,
                                       .sketches = w->sketches - sketches};
    return stats ? ki_write_result(&counted, sizeof counted, stats) : KITH_OK;
}

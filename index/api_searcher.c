/* api_searcher.c - a searcher: made from options, and the public call of one query.
 *
 * May include everything of index/, kernels/ and kv/. Its scratch follows the index: when a build
 * or a load has chosen to measure something else, the next search makes it anew. Hits are written
 * last of all, when nothing can fail any more.
 */
#include "index/searcher.h"
#include "index/checks.h"

enum { K_MOST = 65536, PREFETCH_MOST = 64, RERANK_MOST = 1000 };

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
                                 .pool_capacity = ki_search_width(s),
                                 .hop_places = most > KI_SCAN_BLOCK ? most : KI_SCAN_BLOCK,
                                 .prefetch_lines =
                                     wanted == UINT32_MAX ? KI_PREFETCH_LINES : wanted};
    if (codes) {
        options.kernel = &s->kernels.at[codes->metric][codes->pairing];
        options.pairing = codes->pairing;
        options.dim = codes->dim;
        if (wanted == UINT32_MAX && codes->shape.code == KITH_SQ4)
            options.prefetch_lines = KI_PREFETCH_LINES_SQ4;
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
    s->exchanges = s->index->exchanges;
    s->kernel = &s->kernels.at[so->metric][pairing];
    s->mode = codes ? KITH_MODE_CODES : KITH_MODE_ROWS;
    kith_status status = open_walker(s, pairing);
    if (!status && codes)
        status = ki_searcher_open_ranker(s, pairing, ki_search_width(s));
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
    ki_turnstile_join(&index->turnstile, &s->pass);
    ki_turnstile_enter(&index->turnstile, &s->pass);
    kith_status status = open_searcher(s);
    ki_turnstile_exit(&s->pass);
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
    ki_turnstile_leave(&searcher->index->turnstile, &searcher->pass);
    close_scratch(searcher);
    ki_free(searcher);
}

/* From one that keeps nothing of it. */
static void move_scratch(kith_searcher *from, kith_searcher *to)
{
    to->walker = from->walker;
    to->ranker = from->ranker;
    to->between = from->between;
    to->answers = from->answers;
    from->walker = (ki_walker){0};
    from->ranker = from->between = (ki_ranker){0};
    from->answers = NULL;
}

/* A build or a load since may have chosen to measure something else. What was counted stays. */
kith_status ki_searcher_follow(kith_searcher *s)
{
    if (s->exchanges == s->index->exchanges)
        return KITH_OK;
    const uint64_t exchanges = s->exchanges;
    kith_searcher before = {.mode = s->mode};
    move_scratch(s, &before);
    kith_status status = open_searcher(s);
    if (status) {
        close_scratch(s);
        move_scratch(&before, s);
        s->mode = before.mode;
        s->exchanges = exchanges;
        return status;
    }
    s->walker.distances = before.walker.distances;
    s->walker.hops = before.walker.hops;
    s->walker.sketches = before.walker.sketches;
    s->ranker.reranks = before.ranker.reranks;
    close_scratch(&before);
    return KITH_OK;
}

/* ---- one query ---- */

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
    if (status)
        return status;
    ki_turnstile_enter(&searcher->index->turnstile, &searcher->pass);
    status = ki_searcher_follow(searcher);
    const uint64_t distances = w->distances, hops = w->hops, reranks = searcher->ranker.reranks;
    const uint64_t sketches = w->sketches;
    if (!status)
        status = search_one(searcher, query);
    ki_turnstile_exit(&searcher->pass);
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

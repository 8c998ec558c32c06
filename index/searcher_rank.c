/* searcher_rank.c - how a searcher ranks what a walk over codes found.
 *
 * May include everything of index/, kernels/ and kv/. The nearest by codes are ranked again by
 * their rows. Where a trial chose shorter codes (brief.h) there is a step between: the nearest by
 * those are ranked by the codes that links were chosen by first, which are a few lines each and
 * know the order nearly as well as rows do, and of the best of them the rows are read. Of 768
 * dimensions that spread as i^-0.5, walked by 96, that took 0.90 of the time of reading the rows of
 * as many candidates, at recall 0.95.
 */
#include "index/brief.h"
#include "index/searcher.h"
#include <math.h>

/* How many of the nearest codes are ranked again, as a multiple of k. Fewer bits say less about the
 * order. Measured on Fashion-MNIST: SQ8 and SQ4 lose nothing at these, SQ1 needs every candidate of
 * a walk of five times the width, and loses to both there. What a projection leaves out reorders
 * more: of 768 dimensions whose spread falls as i^-0.5, 192 of 8 bits found 0.990 of the neighbours
 * at 1.5 whatever the width, and all of them at 4. */
static float rerank_of(const ki_codes *codes, const kith_search_options *options)
{
    static const float chosen[] = {
        [KITH_SQ8] = 1.5f, [KITH_SQ8_DIM] = 1.5f, [KITH_SQ4] = 3, [KITH_SQ1] = 10};
    const float least = codes->shape.reduced ? 4 : 1, by_code = chosen[codes->shape.code];
    if (options->rerank > 0)
        return options->rerank;
    return by_code > least ? by_code : least;
}

uint32_t ki_rerank_places(const ki_codes *codes, const kith_search_options *options, uint32_t most)
{
    const double wanted = ceil((double)rerank_of(codes, options) * options->k);
    return wanted < most ? (uint32_t)wanted : most;
}

/* Between brief codes and rows. */
static kith_status open_between(kith_searcher *s, const ki_codes *codes, uint32_t kept,
                                uint32_t width)
{
    const uint64_t places = (uint64_t)ki_brief_between(s->walker.codes) * s->options.k;
    ki_ranker_options options = {.kernel = &s->kernels.at[codes->metric][codes->pairing],
                                 .pairing = codes->pairing,
                                 .dim = codes->dim,
                                 .k = kept,
                                 .places = places < width ? (uint32_t)places : width};
    options.places = options.places > kept ? options.places : kept;
    return ki_ranker_open(&options, &s->between);
}

kith_status ki_searcher_open_ranker(kith_searcher *s, ki_pairing pairing, uint32_t width)
{
    const ki_graph *graph = s->index->graph;
    const bool twice = ki_graph_is_brief(graph) && !s->graph_only;
    const ki_codes *codes = twice ? graph->codes : s->walker.codes;
    ki_ranker_options options = {.kernel = s->kernel,
                                 .pairing = pairing,
                                 .f32 = ki_is_mixed(s->index, &s->options),
                                 .dim = s->index->store->options.dim,
                                 .k = s->options.k,
                                 .places = ki_rerank_places(codes, &s->options, width)};
    kith_status status = ki_ranker_open(&options, &s->ranker);
    return status || !twice ? status : open_between(s, codes, options.places, width);
}

void ki_searcher_close_ranker(kith_searcher *s)
{
    ki_ranker_close(&s->ranker);
    ki_ranker_close(&s->between);
}

void ki_searcher_aim_ranker(kith_searcher *s, const void *query)
{
    ki_ranker_aim(&s->ranker, query);
    if (s->between.places)
        ki_ranker_aim(&s->between, ki_codes_source_query(s->walker.codes, s->walker.codes_scratch));
}

void ki_searcher_rank(kith_searcher *s, const ki_rows *rows)
{
    ki_walker *w = &s->walker;
    if (!s->between.places) {
        ki_ranker_rank(&s->ranker, rows, &w->pool, &w->alive);
        return;
    }
    const uint64_t before = s->between.reranks;
    ki_ranker_rank(&s->between, &s->index->graph->layer[0].rows, &w->pool, &w->alive);
    w->distances += s->between.reranks - before;
    ki_ranker_rank(&s->ranker, rows, &s->between.pool, NULL);
}

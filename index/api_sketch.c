/* api_sketch.c - the public call that makes sketches of a graph's rows, and what drops them.
 *
 * May include everything of index/, kernels/ and kv/. Sketches are made with the gate of the index
 * shut, like a build: the trial hangs them into the graph before they are known to be worth it, and
 * replicas of the index have threads of their own, which its caller cannot keep away.
 */
#include "index/build.h"
#include "index/objects.h"
#include "index/searcher.h"
#include "index/sketch.h"

enum { QUERIES = 32, NEAR = 10, WIDTH = 32 };

/* Of the distances: what has to be spared before a sketch of every row is worth looking at. Where
 * 58 in 100 were spared a walk was 1.2 times as fast, where 2 were 0.87 times. */
#define WORTH 0.4

static kith_status check_graph(const kith_index *index, const ki_build_options *measured)
{
    const ki_graph *graph = index->graph;
    if (!graph->layers)
        return ki_fail(KITH_EINVAL, "a graph without nodes has no rows to sketch: build it first");
    if (graph->brief_ready)
        return ki_fail(KITH_EUNSUPPORTED,
                       "a walk over codes of 4 or 1 bits has no use for sketches");
    if (measured->metric != KITH_L2SQ || (measured->type != KITH_U8 && measured->type != KITH_I8))
        return ki_fail(KITH_EUNSUPPORTED,
                       "links are chosen by %s of %s rows; sketches need l2sq of u8 or i8 rows, or "
                       "codes of 8 bits",
                       kith_metric_name(measured->metric), kith_type_name(measured->type));
    if (graph->dim < KI_SKETCH_LEAST)
        return ki_fail(KITH_EUNSUPPORTED,
                       "rows of %u bytes are read as quickly as a sketch; %d is the least",
                       graph->dim, KI_SKETCH_LEAST);
    return KITH_OK;
}

/* Searches beside the trial may use them from then on, or must do without. */
static void hang(kith_index *index, ki_sketch *sketch)
{
    ki_index_exchange_begin(index);
    index->graph->sketch = sketch;
    ki_index_exchange_end(index);
}

/* Distances of a few searches for rows of the graph, with these sketches or without. */
static kith_status count_distances(kith_index *index, ki_sketch *sketch, uint64_t *distances)
{
    const ki_graph *graph = index->graph;
    const ki_slab *slab = ki_store_slab(graph->engine);
    const uint32_t step = (graph->layer[0].nodes + QUERIES - 1) / QUERIES;
    kith_search_options options = kith_search_defaults(NEAR);
    kith_search_stats stats = {.size = sizeof stats};
    kith_searcher *searcher = NULL;
    kith_hit hits[NEAR];
    uint32_t met = 0;
    options.ef = WIDTH;
    hang(index, sketch);
    kith_status status = kith_searcher_create(index, &options, NULL, &searcher);
    for (uint32_t row = 0; row < graph->seen && !status; row++) {
        if (graph->level[row] == KI_ABSENT || met++ % step)
            continue;
        status = kith_searcher_search(searcher, ki_slab_row(slab, row), hits, NULL, &stats);
        *distances += stats.distances;
    }
    kith_searcher_close(searcher);
    return status;
}

static kith_status try_sketch(kith_index *index, ki_sketch *sketch, double *spared)
{
    ki_sketch *const before = index->graph->sketch;
    uint64_t without = 0, with = 0;
    kith_status status = count_distances(index, NULL, &without);
    if (!status)
        status = count_distances(index, sketch, &with);
    hang(index, before);
    *spared = without ? 1 - (double)with / (double)without : 0;
    return status;
}

static kith_status make_sketch(kith_index *index, kith_type type, ki_sketch **out, double *spared)
{
    ki_workers *workers = NULL;
    ki_sketch *sketch = NULL;
    kith_status status = ki_workers_open(index->options.threads, &workers);
    if (!status)
        status = ki_sketch_learn(index->graph, &index->kernels, type, workers, &sketch);
    ki_workers_close(workers);
    if (!status)
        status = try_sketch(index, sketch, spared);
    if (status || *spared < WORTH) {
        ki_sketch_close(sketch);
        sketch = NULL;
    }
    *out = sketch;
    return status;
}

static kith_status replace_sketch(kith_index *index, double *spared)
{
    ki_build_options measured = {0};
    ki_sketch *sketch = NULL;
    if (ki_graph_is_brief(index->graph))
        return KITH_OK; /* what it walks over is read as quickly as a sketch */
    ki_index_measure(index, &measured);
    kith_status status = check_graph(index, &measured);
    if (!status)
        status = make_sketch(index, measured.type, &sketch, spared);
    if (status)
        return status;
    ki_sketch *before = index->graph->sketch;
    hang(index, sketch);
    ki_sketch_close(before);
    return KITH_OK;
}

kith_status kith_index_sketch(kith_index *index, float *spared)
{
    double share = 0;
    if (!index->graph)
        return ki_fail(KITH_EINVAL, "a flat index compares every row: it has no graph to sketch");
    kith_status status = ki_index_change_begin(index);
    if (status)
        return status;
    status = replace_sketch(index, &share);
    ki_index_end(index);
    if (!status && spared)
        *spared = (float)share;
    return status;
}

/* api_link.c - the choice of codes for a graph, and the order of a build: code, link, shorten.
 *
 * May include everything of index/, kernels/ and kv/. Codes that links are chosen by are opened
 * before the first node and stay for the life of the graph; brief ones may come at any time: those
 * that were asked for by name, and, where the walk was left to choose, those that a trial on the
 * finished graph found worth it. A trial is held again when the graph has twice as many nodes.
 */
#include "index/brief.h"
#include "index/build.h"
#include "index/objects.h"
#include "index/sketch.h"
#include "index/trial.h"

/* The least share of true neighbours among those by codes; 0.99 and more is usual. */
#define FAITHFUL 0.9

static bool is_float(kith_type type)
{
    return type == KITH_F32 || type == KITH_F16 || type == KITH_BF16;
}

kith_status ki_choose_walk(const kith_store_options *store, kith_index_options *o)
{
    const bool floats = is_float(store->type);
    if ((unsigned)o->walk > KITH_WALK_SQ1)
        return ki_fail(KITH_EINVAL, "%d is no kind of walk", (int)o->walk);
    if (o->walk == KITH_WALK_AUTO && !floats)
        o->walk = KITH_WALK_ROWS;
    if (!floats && (o->walk == KITH_WALK_SQ8 || store->type == KITH_B1) &&
        o->walk != KITH_WALK_ROWS)
        return ki_fail(KITH_EINVAL, "%s rows have no codes of %d bits: they are walked as they are",
                       kith_type_name(store->type),
                       o->walk == KITH_WALK_SQ8   ? 8
                       : o->walk == KITH_WALK_SQ4 ? 4
                                                  : 1);
    if (o->reduce && (!floats || o->walk == KITH_WALK_ROWS))
        return ki_fail(
            KITH_EINVAL,
            "reduce = %u: only codes of f32, f16 and bf16 rows can have fewer dimensions",
            o->reduce);
    if (o->reduce > store->dim)
        return ki_fail(KITH_EINVAL, "reduce = %u is more than the %u dimensions of a row",
                       o->reduce, store->dim);
    return KITH_OK;
}

static ki_codes_shape shape_of(const kith_index *index, kith_code code)
{
    const kith_store_options *so = &index->store->options;
    return (ki_codes_shape){.type = so->type,
                            .metric = so->metric,
                            .dim = so->dim,
                            .code = code,
                            .reduced = index->options.reduce};
}

/* Codes of all rows that there are. */
static kith_status make_codes(kith_index *index, ki_workers *workers, ki_codes **out)
{
    const ki_codes_shape shape = shape_of(index, KITH_SQ8);
    bool renewed;
    ki_codes *codes;
    kith_status status = ki_codes_open(&shape, &codes);
    if (status)
        return status;
    status = ki_codes_follow(codes, index->store->engine, workers, &renewed);
    if (status)
        ki_codes_close(codes);
    else
        *out = codes;
    return status;
}

/* Before the first node, once there are rows: codes to link by, 8 bits of whatever is not integers
 * already. Left to choose, the index takes them only where they know who is near. */
static kith_status choose_codes(kith_index *index, ki_workers *workers)
{
    const ki_store *engine = index->store->engine;
    ki_codes *codes = NULL;
    double share = 1;
    if (index->graph->codes || index->options.walk == KITH_WALK_ROWS ||
        !is_float(index->store->options.type) || !ki_store_live_count(engine))
        return KITH_OK;
    kith_status status = make_codes(index, workers, &codes);
    if (!status && !codes->codec) { /* the last row died meanwhile */
        ki_codes_close(codes);
        return KITH_OK;
    }
    if (!status && index->options.walk == KITH_WALK_AUTO)
        status =
            ki_codes_try(codes, engine, &index->kernels.at[codes->metric][codes->pairing], &share);
    if (status || share < FAITHFUL) {
        ki_codes_close(codes);
        if (!status)
            index->options.walk = KITH_WALK_ROWS;
        return status;
    }
    ki_index_exchange_begin(index);
    codes->turnstile = &index->turnstile;
    ki_graph_measure(index->graph, codes);
    ki_index_exchange_end(index);
    return KITH_OK;
}

/* The codes that were asked for by name. */
static kith_status shorten_by_name(kith_index *index, ki_workers *workers)
{
    ki_codes *brief = index->graph->brief;
    kith_status status = KITH_OK;
    if (!brief) {
        const ki_codes_shape shape =
            shape_of(index, index->options.walk == KITH_WALK_SQ4 ? KITH_SQ4 : KITH_SQ1);
        status = ki_codes_open(&shape, &brief);
    }
    return status ? status : ki_graph_shorten(index->graph, brief, workers);
}

/* What takes long is done: searches that come now walk over brief codes. */
static void walk_brief(kith_index *index)
{
    ki_index_exchange_begin(index);
    ki_graph_walk_brief(index->graph);
    ki_index_exchange_end(index);
}

/* And these over what a trial chose. */
static void take_brief(kith_index *index, ki_codes *brief)
{
    ki_index_exchange_begin(index);
    ki_graph_take_brief(index->graph, brief);
    ki_index_exchange_end(index);
}

static bool may_try(const kith_index *index)
{
    const ki_graph *graph = index->graph;
    return index->options.walk == KITH_WALK_AUTO && graph->codes && !graph->codes->shape.reduced &&
           graph->dim >= KI_BRIEF_LEAST && graph->layer[0].nodes >= KI_BRIEF_ROWS &&
           graph->layer[0].nodes / 2 >= graph->tried;
}

/* Shorter codes, kept if they are worth it, and tried again with twice the nodes. Where memory for
 * a trial is short the graph stays as it is, and the next build holds one. */
static kith_status try_brief(kith_index *index, ki_workers *workers)
{
    ki_graph *graph = index->graph;
    ki_codes *best = NULL;
    const kith_status status = ki_brief_choose(graph, &index->kernels, workers, &best);
    if (status)
        return status == KITH_ENOMEM ? KITH_OK : status;
    graph->tried = graph->layer[0].nodes;
    if (best != graph->brief)
        take_brief(index, best);
    return KITH_OK;
}

kith_status ki_index_shorten(kith_index *index, ki_workers *workers)
{
    const kith_walk walk = index->options.walk;
    kith_status status = KITH_OK;
    if (walk == KITH_WALK_SQ4 || walk == KITH_WALK_SQ1)
        status = shorten_by_name(index, workers);
    else if (index->graph->brief)
        status = ki_graph_shorten(index->graph, index->graph->brief, workers);
    if (!status && index->graph->brief)
        walk_brief(index);
    return status;
}

void ki_index_measure(const kith_index *index, ki_build_options *out)
{
    const ki_codes *codes = index->graph->codes;
    out->type = codes ? KITH_I8 : index->store->options.type;
    out->metric = codes ? codes->metric : index->store->options.metric;
    out->kernel = &index->kernels.at[out->metric][out->type];
    out->sift = index->kernels.sift;
}

/* Rows that come have neither brief codes nor sketches until all are linked. */
static void walk_plainly(kith_index *index)
{
    ki_index_exchange_begin(index);
    index->graph->brief_ready = false;
    ki_sketch_close(index->graph->sketch);
    index->graph->sketch = NULL;
    ki_index_exchange_end(index);
}

/* What is learnt anew fits neither brief codes nor sketches of before: no search may use those when
 * it sees the new codes. Without memory for new codes all is as it was, but for the sketches. */
static kith_status encode(kith_index *index, ki_workers *workers)
{
    const bool was_brief = index->graph->brief_ready;
    walk_plainly(index);
    kith_status status = ki_graph_encode(index->graph, workers);
    if (status && was_brief)
        walk_brief(index);
    return status;
}

/* Rows that a writer puts from here on wait for the next build: they have no codes. */
static bool is_anything_coded(const kith_index *index, uint32_t *rows)
{
    const ki_codes *codes = index->graph->codes;
    *rows = codes ? codes->count : 0;
    return *rows || !is_float(index->store->options.type) || index->options.walk == KITH_WALK_ROWS;
}

static kith_status link_rows(kith_index *index, ki_workers *workers, ki_build_options *options)
{
    if (!is_anything_coded(index, &options->rows))
        return KITH_OK;
    ki_index_measure(index, options);
    kith_status status = ki_graph_build(index->graph, options);
    kith_status shortened = ki_index_shorten(index, workers);
    status = status ? status : shortened;
    return !status && may_try(index) ? try_brief(index, workers) : status;
}

kith_status ki_index_link(kith_index *index, kith_progress_fn progress, void *user)
{
    ki_build_options options = {.threads = index->options.threads,
                                .passes = index->options.passes,
                                .turnstile = &index->turnstile,
                                .progress = progress,
                                .user = user};
    ki_workers *workers = NULL;
    kith_status status = ki_workers_open(options.threads, &workers);
    if (!status)
        status = choose_codes(index, workers);
    if (!status)
        status = encode(index, workers);
    if (!status)
        status = link_rows(index, workers, &options);
    ki_workers_close(workers);
    return status;
}

/* brief.c - see brief.h: the trial.
 *
 * May include brief.h, widen.h and kernels/. Queries are made of rows: a row, moved by what two of
 * its neighbours differ in, is as far from its neighbours as these are from each other, and is none
 * of them. A row itself would be found by its own links: walks then look twice as cheap as they
 * are. What is near them is known from the codes of the links of all rows. Both walks are widened
 * until they find GOAL of that, and the one that costs less has won.
 *
 * A cost is counted, not timed, so that equal rows lead to equal choices on every machine. Its unit
 * is a line of a row that a hop measures, about 7 ns. Fitted to 55 points of recall 0.90 to 0.99 on
 * four sets of 768 and 1536 dimensions, walked over all of them, an eighth and a sixteenth: within
 * 20 % of the time of each. Lines alone, without what a hop costs, said that Fashion-MNIST gains
 * 1.8, where nothing is gained.
 */
#include "index/brief.h"
#include "index/widen.h"
#include <float.h>
#include <math.h>

enum {
    LINE = 64,
    DIMS_MOST = 256,
    QUERIES = 32,
    NEAR = 10,
    NARROWEST = 10,
    WIDEST = 640,
    BLOCK = 256,
    HOP = 120, /* what a node that is expanded costs besides the rows it leads to */
    RANKED = 15
};

#define GOAL 0.95

/* Scratch of one worker. */
typedef struct hand {
    ki_walker whole, brief;
    ki_ranker between;
} hand;

typedef struct trial {
    ki_graph *graph;
    const ki_codes *brief;
    const ki_kernels *kernels;
    hand *hands;
    float *vectors; /* of the queries */
    uint32_t queries;
    uint32_t reach[QUERIES]; /* of each the key of the last of its nearest */
    bool shortened;          /* of the walks that are under way */
    uint32_t ef;
    uint32_t found[QUERIES];
    uint64_t cost[QUERIES];
} trial;

uint32_t ki_brief_dims(uint32_t dim)
{
    const uint32_t eighth = (dim / 8 + LINE - 1) / LINE * LINE;
    return eighth < DIMS_MOST ? eighth : DIMS_MOST;
}

static uint64_t lines_of(uint64_t bytes)
{
    return (bytes + LINE - 1) / LINE;
}

/* ---- Queries ---- */

static void make_query(const trial *t, uint32_t row, float *out, float *scratch)
{
    const ki_slab *slab = ki_store_slab(t->graph->engine);
    const kith_type type = t->graph->codes->shape.type;
    const uint32_t dim = t->graph->codes->shape.dim;
    const uint32_t *links = ki_links(&t->graph->layer[0], row);
    const uint32_t n = ki_link_count(&t->graph->layer[0], row);
    ki_widen(type, ki_slab_row(slab, row), dim, out);
    for (uint32_t end = 0; end < 2 && n > 1; end++) {
        const float by = end ? -0.75f : 0.75f;
        ki_widen(type, ki_slab_row(slab, links[end ? n - 1 : 0]), dim, scratch);
        for (uint32_t i = 0; i < dim; i++) {
            const float moved = out[i] + by * scratch[i];
            out[i] = fabsf(moved) <= FLT_MAX ? moved : out[i];
        }
    }
}

/* Of rows at even steps through those that are in the graph. */
static kith_status make_queries(trial *t)
{
    const uint32_t nodes = t->graph->layer[0].nodes, step = (nodes + QUERIES - 1) / QUERIES;
    const size_t dim = t->graph->codes->shape.dim, bytes = (QUERIES + 1) * dim * sizeof(float);
    uint32_t met = 0;
    t->vectors = ki_alloc(bytes);
    if (!t->vectors)
        return ki_no_memory("the queries of a trial", bytes);
    for (uint32_t row = 0; row < t->graph->seen && t->queries < QUERIES; row++)
        if (t->graph->level[row] != KI_ABSENT && met++ % step == 0)
            make_query(t, row, t->vectors + dim * t->queries++, t->vectors + dim * QUERIES);
    return KITH_OK;
}

static const float *query_at(const trial *t, size_t i)
{
    return t->vectors + i * t->graph->codes->shape.dim;
}

/* Every node is compared with a query, by the codes of the links. */
static kith_status reach_job(void *context, uint32_t worker, size_t first, size_t last)
{
    trial *t = context;
    ki_walker *w = &t->hands[worker].whole;
    const ki_rows *rows = &t->graph->layer[0].rows;
    for (size_t q = first; q < last; q++) {
        uint64_t nearest[NEAR + 1];
        ki_pool pool = {.entry = nearest, .capacity = NEAR};
        ki_walker_aim(w, query_at(t, q));
        for (uint32_t at = 0; at < t->graph->seen; at += BLOCK) {
            const uint32_t left = t->graph->seen - at, n = left < BLOCK ? left : BLOCK;
            w->kernel->range(&w->query, rows, at, n, w->keys);
            for (uint32_t i = 0; i < n; i++)
                if (w->keys[i] <= ki_pool_bound(&pool) && t->graph->level[at + i] != KI_ABSENT)
                    ki_pool_offer(&pool, ki_pool_entry(w->keys[i], at + i));
        }
        t->reach[q] = ki_pool_key(nearest[pool.size - 1]);
    }
    return KITH_OK;
}

/* ---- Walks ---- */

/* Lines that are asked for ahead, in a bunch, are dearer than those of a hop, as a row of a hop
 * shares its wait with many; those of a projection stay in cache. */
static uint64_t cost_of(const trial *t, uint64_t hops, uint64_t distances, uint64_t between)
{
    const ki_codes_shape *shape = &t->graph->codes->shape;
    const uint64_t whole = lines_of(shape->dim), brief = lines_of(t->brief->dim);
    const uint64_t row = lines_of(ki_row_bytes((ki_pairing)shape->type, shape->dim));
    const uint64_t always = 2 * RANKED * row + HOP * hops;
    if (!t->shortened)
        return always + distances * whole;
    return always + distances * brief + 2 * between * whole + t->brief->dim * whole / 4;
}

static kith_status walk_job(void *context, uint32_t worker, size_t first, size_t last)
{
    trial *t = context;
    hand *h = &t->hands[worker];
    ki_walker *w = t->shortened ? &h->brief : &h->whole;
    const ki_pool *pool = t->shortened ? &h->between.pool : &w->pool;
    for (size_t q = first; q < last; q++) {
        const uint64_t distances = w->distances, hops = w->hops, between = h->between.reranks;
        uint32_t key;
        ki_walker_aim(w, query_at(t, q));
        const uint32_t start = ki_walk_descend(w, t->graph, 0, &key);
        kith_status status = ki_walk_layer(w, &t->graph->layer[0], start, key, t->ef);
        if (status)
            return status;
        if (t->shortened) {
            ki_ranker_aim(&h->between, ki_codes_source_query(t->brief, w->codes_scratch));
            ki_ranker_rank(&h->between, &t->graph->layer[0].rows, &w->pool, NULL);
        }
        t->found[q] = 0;
        for (uint32_t i = 0; i < pool->size && i < NEAR; i++)
            t->found[q] += ki_pool_key(pool->entry[i]) <= t->reach[q];
        t->cost[q] =
            cost_of(t, w->hops - hops, w->distances - distances, h->between.reranks - between);
    }
    return KITH_OK;
}

/* The share that a walk of this width finds, and its cost. */
static kith_status walk(trial *t, ki_workers *workers, uint32_t ef, double *share, double *cost)
{
    uint64_t found = 0, paid = 0;
    t->ef = ef;
    kith_status status = ki_workers_run(workers, t->queries, 1, walk_job, t);
    for (uint32_t q = 0; q < t->queries; q++) {
        found += t->found[q];
        paid += t->cost[q];
    }
    *share = (double)found / (t->queries * (double)NEAR);
    *cost = (double)paid;
    return status;
}

/* What it costs to find *goal: between two widths in proportion. Gives up where it costs `most`:
 * the cost is then that, or, where nothing does, the goal what the widest walk found. */
static kith_status price(trial *t, ki_workers *workers, double most, double *goal, double *cost)
{
    double share = 0, before = 0, paid = 0, paid_before = 0;
    kith_status status = KITH_OK;
    for (uint32_t ef = NARROWEST; ef <= WIDEST && !status && share < *goal; ef += ef / 2) {
        before = share;
        paid_before = paid;
        status = walk(t, workers, ef, &share, &paid);
        if (paid_before >= most)
            break;
    }
    *cost = paid;
    if (share < *goal && most < 1e300)
        *cost = most;
    else if (share < *goal)
        *goal = share;
    else if (before > 0 && share > before)
        *cost = paid_before + (paid - paid_before) * (*goal - before) / (share - before);
    return status;
}

/* ---- The trial ---- */

static kith_status open_hand(const trial *t, hand *h)
{
    const ki_codes *codes = t->graph->codes;
    const uint32_t degree = t->graph->layer[0].degree;
    ki_walker_options walker = {.kernel = &t->kernels->at[codes->metric][codes->pairing],
                                .sift = t->kernels->sift,
                                .pairing = codes->pairing,
                                .f32 = true,
                                .kernels = t->kernels,
                                .codes = codes,
                                .dim = codes->dim,
                                .pool_capacity = WIDEST,
                                .hop_places = degree > BLOCK ? degree : BLOCK,
                                .prefetch_lines = KI_PREFETCH_LINES};
    const ki_ranker_options ranker = {.kernel = walker.kernel,
                                      .pairing = codes->pairing,
                                      .dim = codes->dim,
                                      .k = NEAR,
                                      .places = KI_BRIEF_BETWEEN * NEAR};
    kith_status status = ki_walker_open(&walker, &h->whole);
    walker.codes = t->brief;
    walker.brief = true;
    walker.dim = t->brief->dim;
    if (!status)
        status = ki_walker_open(&walker, &h->brief);
    if (!status)
        status = ki_walker_reserve(&h->whole, t->graph->layer[0].count);
    if (!status)
        status = ki_walker_reserve(&h->brief, t->graph->layer[0].count);
    return status ? status : ki_ranker_open(&ranker, &h->between);
}

static kith_status open_trial(trial *t, ki_workers *workers)
{
    const uint32_t crew = ki_workers_count(workers);
    kith_status status = make_queries(t);
    if (!status && !(t->hands = ki_zalloc(crew * sizeof *t->hands)))
        status = ki_no_memory("a trial", crew * sizeof *t->hands);
    for (uint32_t i = 0; i < crew && !status; i++)
        status = open_hand(t, &t->hands[i]);
    return status;
}

static void close_trial(trial *t, ki_workers *workers)
{
    for (uint32_t i = 0; t->hands && i < ki_workers_count(workers); i++) {
        ki_walker_close(&t->hands[i].whole);
        ki_walker_close(&t->hands[i].brief);
        ki_ranker_close(&t->hands[i].between);
    }
    ki_free(t->hands);
    ki_free(t->vectors);
}

static kith_status compare(trial *t, ki_workers *workers, double *gain)
{
    double goal = GOAL, whole = 0, brief = 0;
    kith_status status = ki_workers_run(workers, t->queries, 1, reach_job, t);
    if (!status)
        status = price(t, workers, 1e300, &goal, &whole);
    t->shortened = true;
    if (!status)
        status = price(t, workers, whole, &goal, &brief);
    *gain = brief > 0 ? whole / brief : 0;
    return status;
}

kith_status ki_brief_try(ki_graph *graph, const ki_codes *brief, const ki_kernels *kernels,
                         ki_workers *workers, double *gain)
{
    trial t = {.graph = graph, .brief = brief, .kernels = kernels};
    kith_status status = open_trial(&t, workers);
    if (!status)
        status = compare(&t, workers, gain);
    close_trial(&t, workers);
    return status;
}

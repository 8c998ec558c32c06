/* brief.c - see brief.h: the trial.
 *
 * May include brief.h, widen.h and kernels/. Queries are made of rows: a row, moved by what two of
 * its neighbours differ in, is as far from its neighbours as these are from each other, and is none
 * of them. A row itself would be found by its own links: walks then look twice as cheap as they
 * are. What is near them is known from the codes of the links of all rows. Walks over each kind of
 * codes are widened until they find GOAL of that, and the kind that costs least has won.
 *
 * A cost is counted, not timed, so that equal rows lead to equal choices on every machine. Its unit
 * is a line of a row that a hop measures, about 7 ns. Fitted to 55 points of recall 0.90 to 0.99 on
 * four sets of 768 and 1536 dimensions, walked over all of them, an eighth and a sixteenth: within
 * 20 % of the time of each. Lines alone, without what a hop costs, said that Fashion-MNIST gains
 * 1.8, where nothing is gained. Lines behind STREAMED, in full, said 1.58 of 1536 dimensions where
 * 4 bits gained 1.29. A distance of 4 bits takes as long as one of 8 bits of so many lines.
 *
 * Gained by 4 bits at recall 0.90 to 0.98, and in brackets what the trial said: wordnet-256-angular
 * 1.33 (1.21), Fashion-MNIST as f32 1.03 (1.02); 20,000 rows that spread as i^-0.25, of 256
 * dimensions 1.17 (1.10), of 768 1.43 (1.44); as i^-1, of 256 0.93 (0.93), of 768 0.94 (1.00), of
 * 1536 0.77 (0.91).
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
    WIDTHS = 12, /* each half as wide again, and one for no walk */
    BLOCK = 256,
    HOP = 120, /* what a node that is expanded costs besides the rows it leads to */
    RANKED = 15,
    FORMS_MOST = 2,
    STREAMED = 12, /* lines of a row, behind which the processor fetches ahead by itself */
    BETWEEN_REDUCED = 16,
    BETWEEN_SHORT = 4
};

#define GOAL 0.95
#define NEARLY 0.98
#define NONE 1e300 /* of costs: no limit */

/* How much cheaper than a walk over the codes of the links others must be. */
#define WORTH 1.1

/* Scratch of one worker. */
typedef struct hand {
    ki_walker whole, brief;
    ki_ranker between;
} hand;

typedef struct trial {
    ki_graph graph; /* a view: what is tried is hung in here, where no search sees it */
    const ki_kernels *kernels;
    const ki_codes *brief; /* of the walks that are under way; NULL: over the codes of the links */
    hand *hands;
    float *vectors; /* of the queries */
    uint32_t queries;
    uint32_t reach[QUERIES]; /* of each the key of the last of its nearest */
    uint32_t ef;
    uint32_t found[QUERIES];
    uint64_t cost[QUERIES];
} trial;

uint32_t ki_brief_dims(uint32_t dim)
{
    const uint32_t eighth = (dim / 8 + LINE - 1) / LINE * LINE;
    return eighth < DIMS_MOST ? eighth : DIMS_MOST;
}

uint32_t ki_brief_between(const ki_codes *brief)
{
    return brief->shape.reduced ? BETWEEN_REDUCED : BETWEEN_SHORT;
}

/* ---- Queries ---- */

static void make_query(const trial *t, uint32_t row, float *out, float *scratch)
{
    const ki_slab *slab = ki_store_slab(t->graph.engine);
    const kith_type type = t->graph.codes->shape.type;
    const uint32_t dim = t->graph.codes->shape.dim;
    const uint32_t *links = ki_links(&t->graph.layer[0], row);
    const uint32_t n = ki_link_count(&t->graph.layer[0], row);
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
    const uint32_t nodes = t->graph.layer[0].nodes, step = (nodes + QUERIES - 1) / QUERIES;
    const size_t dim = t->graph.codes->shape.dim, bytes = (QUERIES + 1) * dim * sizeof(float);
    uint32_t met = 0;
    t->vectors = ki_alloc(bytes);
    if (!t->vectors)
        return ki_no_memory("the queries of a trial", bytes);
    for (uint32_t row = 0; row < t->graph.seen && t->queries < QUERIES; row++)
        if (t->graph.level[row] != KI_ABSENT && met++ % step == 0)
            make_query(t, row, t->vectors + dim * t->queries++, t->vectors + dim * QUERIES);
    return KITH_OK;
}

static const float *query_at(const trial *t, size_t i)
{
    return t->vectors + i * t->graph.codes->shape.dim;
}

/* Every node is compared with a query, by the codes of the links. */
static kith_status reach_job(void *context, uint32_t worker, size_t first, size_t last)
{
    trial *t = context;
    ki_walker *w = &t->hands[worker].whole;
    const ki_rows *rows = &t->graph.layer[0].rows;
    for (size_t q = first; q < last; q++) {
        uint64_t nearest[NEAR + 1];
        ki_pool pool = {.entry = nearest, .capacity = NEAR};
        ki_walker_aim(w, query_at(t, q));
        for (uint32_t at = 0; at < t->graph.seen; at += BLOCK) {
            const uint32_t left = t->graph.seen - at, n = left < BLOCK ? left : BLOCK;
            w->kernel->range(&w->query, rows, at, n, w->keys);
            for (uint32_t i = 0; i < n; i++)
                if (w->keys[i] <= ki_pool_bound(&pool) && t->graph.level[at + i] != KI_ABSENT)
                    ki_pool_offer(&pool, ki_pool_entry(w->keys[i], at + i));
        }
        t->reach[q] = ki_pool_key(nearest[pool.size - 1]);
    }
    return KITH_OK;
}

/* ---- Walks ---- */

static uint64_t cost_of_row(const ki_codes *codes)
{
    const uint64_t lines = codes->slab.stride / LINE;
    return lines <= STREAMED ? lines : (STREAMED + lines) / 2;
}

/* Lines that are asked for ahead, in a bunch, are dearer than those of a hop, as a row of a hop
 * shares its wait with many; those of a projection stay in cache. */
static uint64_t cost_of(const trial *t, uint64_t hops, uint64_t distances, uint64_t between)
{
    const ki_codes *links = t->graph.codes, *codes = t->brief ? t->brief : links;
    const uint64_t whole = links->slab.stride / LINE,
                   row = ki_store_slab(t->graph.engine)->stride / LINE;
    const uint64_t cost = 2 * RANKED * row + HOP * hops + distances * cost_of_row(codes);
    if (!t->brief)
        return cost;
    const uint64_t query = codes->shape.reduced ? codes->dim * whole / 4 : codes->dim / 2;
    return cost + 2 * between * whole + query;
}

static kith_status walk_job(void *context, uint32_t worker, size_t first, size_t last)
{
    trial *t = context;
    hand *h = &t->hands[worker];
    ki_walker *w = t->brief ? &h->brief : &h->whole;
    const ki_pool *pool = t->brief ? &h->between.pool : &w->pool;
    for (size_t q = first; q < last; q++) {
        const uint64_t distances = w->distances, hops = w->hops, between = h->between.reranks;
        uint32_t key;
        ki_walker_aim(w, query_at(t, q));
        const uint32_t start = ki_walk_descend(w, &t->graph, 0, &key);
        kith_status status = ki_walk_layer(w, &t->graph.layer[0], start, key, t->ef);
        if (status)
            return status;
        if (t->brief) {
            ki_ranker_aim(&h->between, ki_codes_source_query(t->brief, w->codes_scratch));
            ki_ranker_rank(&h->between, &t->graph.layer[0].rows, &w->pool, NULL);
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

/* What it costs to find *goal: between two widths in proportion. `most` where it costs that or
 * more, or where no width finds it; but if `most` is NONE, the goal is then nearly what the widest
 * found, since of two that find as much one may miss by a hair what the other found. */
static kith_status price(trial *t, ki_workers *workers, double most, double *goal, double *cost)
{
    double share[WIDTHS] = {0}, paid[WIDTHS] = {0};
    uint32_t n = 0;
    kith_status status = KITH_OK;
    for (uint32_t ef = NARROWEST; ef <= WIDEST && share[n] < *goal && paid[n] < most;
         ef += ef / 2) {
        n++;
        status = walk(t, workers, ef, &share[n], &paid[n]);
        if (status)
            return status;
    }
    if (share[n] < *goal && most >= NONE)
        *goal = NEARLY * share[n];
    *cost = most;
    if (share[n] < *goal)
        return KITH_OK;
    while (n > 1 && share[n - 1] >= *goal)
        n--;
    const double rise = n > 1 ? share[n] - share[n - 1] : 0, step = paid[n] - paid[n - 1];
    *cost = rise > 0 ? paid[n] - step * (share[n] - *goal) / rise : paid[n];
    return KITH_OK;
}

/* ---- Hands ---- */

static kith_status open_walker(const trial *t, const ki_codes *codes, ki_walker *out)
{
    const uint32_t degree = t->graph.layer[0].degree;
    const ki_walker_options options = {.kernel = &t->kernels->at[codes->metric][codes->pairing],
                                       .sift = t->kernels->sift,
                                       .pairing = codes->pairing,
                                       .f32 = true,
                                       .brief = codes->source != NULL,
                                       .kernels = t->kernels,
                                       .codes = codes,
                                       .dim = codes->dim,
                                       .pool_capacity = WIDEST,
                                       .hop_places = degree > BLOCK ? degree : BLOCK,
                                       .prefetch_lines = KI_PREFETCH_LINES};
    kith_status status = ki_walker_open(&options, out);
    return status ? status : ki_walker_reserve(out, t->graph.layer[0].count);
}

/* What walks over these brief codes need. */
static kith_status equip(trial *t, ki_workers *workers, const ki_codes *brief)
{
    const ki_codes *links = t->graph.codes;
    const ki_ranker_options ranker = {.kernel = &t->kernels->at[links->metric][links->pairing],
                                      .pairing = links->pairing,
                                      .dim = links->dim,
                                      .k = NEAR,
                                      .places = ki_brief_between(brief) * NEAR};
    kith_status status = KITH_OK;
    for (uint32_t i = 0; i < ki_workers_count(workers) && !status; i++) {
        hand *h = &t->hands[i];
        ki_walker_close(&h->brief);
        ki_ranker_close(&h->between);
        status = open_walker(t, brief, &h->brief);
        if (!status)
            status = ki_ranker_open(&ranker, &h->between);
    }
    return status;
}

static kith_status open_trial(trial *t, ki_workers *workers)
{
    const uint32_t crew = ki_workers_count(workers);
    kith_status status = make_queries(t);
    if (!status && !(t->hands = ki_zalloc(crew * sizeof *t->hands)))
        status = ki_no_memory("a trial", crew * sizeof *t->hands);
    for (uint32_t i = 0; i < crew && !status; i++)
        status = open_walker(t, t->graph.codes, &t->hands[i].whole);
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

/* ---- The trial ---- */

/* What may be tried: a kind of codes and how many dimensions are left, 0 for all. */
typedef struct form {
    kith_code code;
    uint32_t reduced;
} form;

static uint32_t list_forms(uint32_t dim, form *out)
{
    uint32_t n = 0;
    if (dim <= KI_BRIEF_MOST)
        out[n++] = (form){KITH_SQ8, ki_brief_dims(dim)};
    out[n++] = (form){KITH_SQ4, 0};
    return n;
}

/* Those that the graph has, or others with a code for every row. */
static kith_status find_or_make(const trial *t, form wanted, ki_workers *workers, ki_codes **out)
{
    ki_codes *brief = t->graph.brief;
    bool renewed;
    *out = brief;
    if (brief && brief->shape.code == wanted.code && brief->shape.reduced == wanted.reduced)
        return KITH_OK;
    kith_status status = ki_codes_open_brief(t->graph.codes, wanted.code, wanted.reduced,
                                             &t->kernels->at[KITH_IP][KI_I8], &brief);
    if (status)
        return status;
    status = ki_codes_follow(brief, t->graph.engine, workers, &renewed);
    if (status)
        ki_codes_close(brief);
    else
        *out = brief;
    return status;
}

/* One kind against the best so far, whose cost is *least. */
static kith_status challenge(trial *t, form tried, ki_workers *workers, double goal, double *least,
                             ki_codes **best)
{
    ki_codes *brief = NULL;
    double cost = *least;
    kith_status status = find_or_make(t, tried, workers, &brief);
    if (status)
        return status;
    ki_graph_look(&t->graph, brief);
    t->brief = brief;
    status = equip(t, workers, brief);
    if (!status)
        status = price(t, workers, *least, &goal, &cost);
    const bool better = !status && cost < *least;
    ki_codes *worse = better ? *best : brief;
    if (worse != t->graph.brief)
        ki_codes_close(worse);
    if (better) {
        *least = cost;
        *best = brief;
    }
    return status;
}

/* After a failure *best is closed already. */
static kith_status compare(trial *t, ki_workers *workers, ki_codes **best)
{
    form forms[FORMS_MOST];
    const uint32_t n = list_forms(t->graph.codes->dim, forms);
    double goal = GOAL, least = 0;
    kith_status status = ki_workers_run(workers, t->queries, 1, reach_job, t);
    if (!status)
        status = price(t, workers, NONE, &goal, &least);
    least /= WORTH;
    for (uint32_t i = 0; i < n && !status; i++)
        status = challenge(t, forms[i], workers, goal, &least, best);
    if (status && *best != t->graph.brief)
        ki_codes_close(*best);
    return status;
}

kith_status ki_brief_choose(const ki_graph *graph, const ki_kernels *kernels, ki_workers *workers,
                            ki_codes **best)
{
    trial *t = ki_zalloc(sizeof *t);
    ki_codes *chosen = NULL;
    if (!t)
        return ki_no_memory("a trial", sizeof *t);
    t->graph = *graph;
    t->kernels = kernels;
    kith_status status = open_trial(t, workers);
    if (!status)
        status = compare(t, workers, &chosen);
    close_trial(t, workers);
    ki_free(t);
    if (!status)
        *best = chosen;
    return status;
}

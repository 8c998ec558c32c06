/* walk.c - one loop and a descent. I have ids and distances; I never see a float of a vector.
 *
 * A hop is two passes over at most one link row. Pass one keeps the ids that this walk has not
 * seen; pass two is a single gather call and an offer of each answer to the pool. Between them
 * the link row of the next candidate is fetched: unless this hop finds something nearer, that is
 * where the walk goes next, and the kernel's work covers the wait. The loop ends because an id
 * is marked once and every pool entry is expanded once.
 *
 * In the upper layers the pool would hold one entry, so the descent keeps it in a register. It
 * marks what it has seen as well: 72 distances a query instead of 89 on Fashion-MNIST. Leaving out
 * the layer above the lowest, or all but one hop in it, only moved its distances into layer 0.
 *
 * With sketches (sketch.h) a pass between the two drops ids whose rows are too far to be read.
 *
 * Tried and lost: the codes of a node's neighbours beside its links, so that a hop reads one block
 * (SymphonyQG, NGT-QG). With 4 bits of 64 principal components, relative to the node, walks that
 * measure only what they expand needed ef = 96 for the recall that ef = 10 gives, 0.95 to 0.96 on
 * Fashion-MNIST: rows near each other differ in what 64 components do not hold. Wider codes fit no
 * block: one of 28 lines took 297 ns a hop, 16 sketches of one line each, all over the place, 112.
 */
#include "index/walk.h"
#include "kernels/keys.h"

_Static_assert(KI_MAX_ROWS <= KI_ROWS_MOST, "a row number must fit into a pool entry");

kith_status ki_walker_open(const ki_walker_options *options, ki_walker *out)
{
    const ki_kernel *kernel = options->kernel;
    const bool widened = options->f32 && !options->codes; /* codes make their own queries */
    ki_walker walker = {.kernel = kernel,
                        .sift = options->sift,
                        .prepare = widened ? kernel->prepare_f32 : kernel->prepare,
                        .codes = options->codes,
                        .project = options->kernels ? &options->kernels->at[KITH_IP][KI_I8] : NULL,
                        .f32 = options->f32,
                        .brief = options->brief,
                        .hop_places = options->hop_places,
                        .prefetch_lines = options->prefetch_lines};
    size_t pool_bytes = options->pool_capacity * sizeof(uint64_t);
    size_t hop_bytes = options->hop_places * sizeof(uint32_t);
    size_t query_bytes = ki_query_bytes(options->pairing, options->dim);
    size_t codes_bytes = options->codes ? ki_codes_scratch(options->codes) : 0;
    walker.pool.capacity = options->pool_capacity;
    walker.query.dim = options->dim;
    walker.scratch = ki_alloc_aligned(64, query_bytes);
    walker.codes_scratch = ki_alloc_aligned(64, codes_bytes + 1);
    walker.ids = ki_alloc_aligned(64, hop_bytes);
    walker.rows_of_ids = ki_alloc_aligned(64, hop_bytes);
    walker.keys = ki_alloc_aligned(64, hop_bytes);
    kith_status status = ki_visited_open(&walker.visited);
    if (!status && options->sketch)
        status = ki_sketcher_open(options->sketch, options->kernels, &walker.sketcher);
    if (!status)
        status = ki_arena_open((size_t)KI_MAX_ROWS * sizeof(uint64_t), &walker.pool_arena);
    if (!status)
        status = ki_arena_grow(&walker.pool_arena, pool_bytes);
    walker.pool.entry = (uint64_t *)(void *)walker.pool_arena.base;
    if (!status && (!walker.scratch || !walker.codes_scratch || !walker.ids ||
                    !walker.rows_of_ids || !walker.keys))
        status = ki_no_memory("a searcher", query_bytes + codes_bytes + pool_bytes + 3 * hop_bytes);
    if (status)
        ki_walker_close(&walker);
    else
        *out = walker;
    return status;
}

void ki_walker_close(ki_walker *walker)
{
    ki_visited_close(&walker->visited);
    ki_sketcher_close(&walker->sketcher);
    ki_free(walker->scratch);
    ki_free(walker->codes_scratch);
    ki_arena_close(&walker->pool_arena);
    ki_free(walker->ids);
    ki_free(walker->rows_of_ids);
    ki_free(walker->keys);
    *walker = (ki_walker){0};
}

void ki_walker_aim(ki_walker *walker, const void *vector)
{
    if (walker->codes)
        vector = ki_codes_query(walker->codes, walker->project, vector, walker->f32,
                                walker->codes_scratch);
    walker->prepare(vector, walker->query.dim, walker->scratch, &walker->query);
    if (walker->sketcher.sketch)
        ki_sketcher_aim(&walker->sketcher, vector);
}

static ki_rows rows_of(const ki_walker *walker, const ki_layer *layer)
{
    ki_rows rows = walker->brief ? layer->brief : layer->rows;
    rows.prefetch_lines = walker->prefetch_lines;
    return rows;
}

void ki_walk_measure(ki_walker *walker, const ki_layer *layer, const uint32_t *ids, uint32_t n)
{
    const ki_rows rows = rows_of(walker, layer);
    const uint32_t *at = ki_layer_rows(layer, ids, n, walker->rows_of_ids);
    walker->kernel->gather(&walker->query, &rows, at, n, walker->keys);
}

/* The entry of a hop's answers that comes first by (key, id). */
static uint64_t nearest_answer(const ki_walker *walker, uint32_t n)
{
    uint64_t best = UINT64_MAX;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t entry = ki_pool_entry(walker->keys[i], walker->ids[i]);
        best = entry < best ? entry : best;
    }
    return best;
}

/* Pass one: the neighbours that this walk meets for the first time. */
static uint32_t unseen_neighbours(ki_walker *walker, const ki_layer *layer, uint32_t id,
                                  uint32_t *ids)
{
    return walker->sift(walker->visited.word, walker->visited.epoch, ki_links(layer, id),
                        layer->degree, ids);
}

/* Of n ids that are new, those that may lie within the bound by their sketches: branches would
 * mispredict, so every id is written and the place moves on or not. */
static uint32_t promising(ki_walker *walker, const ki_layer *layer, uint32_t n, uint32_t bound)
{
    const ki_sketch *sketch = walker->sketcher.sketch;
    if (!sketch || bound == UINT32_MAX || !n)
        return n;
    const double distance = ki_key_distance(walker->kernel->form, bound);
    const uint32_t limit = ki_sketch_limit(sketch, distance);
    const uint32_t *rows = ki_layer_rows(layer, walker->ids, n, walker->rows_of_ids);
    uint32_t kept = 0;
    ki_sketcher_estimate(&walker->sketcher, rows, n, walker->keys);
    for (uint32_t i = 0; i < n; i++) {
        walker->ids[kept] = walker->ids[i];
        kept += walker->keys[i] <= limit;
    }
    walker->sketches += n;
    return kept;
}

/* Moves to the nearest neighbour as long as that is nearer: at most `count` moves, since each
 * strictly lowers (key, id). */
static uint64_t greedy(ki_walker *walker, const ki_layer *layer, uint64_t best)
{
    ki_visited_begin(&walker->visited);
    ki_visited_mark(&walker->visited, ki_pool_id(best));
    for (;;) {
        uint32_t n = unseen_neighbours(walker, layer, ki_pool_id(best), walker->ids);
        n = promising(walker, layer, n, ki_pool_key(best));
        ki_walk_measure(walker, layer, walker->ids, n);
        walker->distances += n;
        walker->hops++;
        uint64_t nearer = nearest_answer(walker, n);
        if (nearer >= best)
            return best;
        best = nearer;
    }
}

static uint64_t enter(ki_walker *walker, const ki_graph *graph)
{
    const ki_layer *top = &graph->layer[graph->layers - 1];
    const ki_rows rows = rows_of(walker, top);
    const uint32_t row = ki_layer_row(top, graph->entry);
    walker->distances++;
    return ki_pool_entry(walker->kernel->pair(&walker->query, &rows, row), graph->entry);
}

static uint64_t below(const ki_layer *layer, uint64_t entry)
{
    return ki_pool_entry(ki_pool_key(entry), layer->down[ki_pool_id(entry)]);
}

uint32_t ki_walk_descend(ki_walker *walker, const ki_graph *graph, uint32_t to, uint32_t *key)
{
    uint64_t best = enter(walker, graph);
    for (uint32_t l = graph->layers - 1; l > to; l--)
        best = below(&graph->layer[l], greedy(walker, &graph->layer[l], best));
    *key = ki_pool_key(best);
    return ki_pool_id(best);
}

uint64_t ki_walk_region(ki_walker *walker, const ki_graph *graph, uint32_t layer,
                        const void *vector)
{
    ki_walker plain = *walker; /* counts nothing that lasts, and aims no sketch */
    uint64_t best, region = 0;
    plain.sketcher.sketch = NULL;
    ki_walker_aim(&plain, vector);
    best = enter(&plain, graph);
    for (uint32_t l = graph->layers; l-- > layer;) {
        best = greedy(&plain, &graph->layer[l], best);
        region = region << 32 | ki_pool_id(best);
        best = below(&graph->layer[l], best);
    }
    walker->visited = plain.visited;
    return region;
}

static bool is_live(const ki_walker *walker, uint64_t entry)
{
    const uint32_t row = ki_pool_id(entry);
    return ki_is_live(walker->usable, row) && ki_is_alive(&walker->alive, row);
}

void ki_walk_forget_strangers(ki_walker *walker)
{
    ki_pool *pool = &walker->pool;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < pool->size && walker->usable; i++) {
        const uint32_t row = ki_pool_id(pool->entry[i]);
        if (walker->usable[row / 64] >> (row % 64) & 1)
            pool->entry[kept++] = pool->entry[i];
    }
    if (walker->usable) {
        pool->capacity -= pool->size - kept;
        pool->size = pool->cursor = kept;
        walker->usable = NULL;
    }
}

/* The capacity is ef plus the number of dead rows in the pool. So a dead row enters without
 * pushing anyone out, and a live one that enters a full pool first sends the dead rows behind the
 * last live one away: they are farther than ef live rows. */
static kith_status offer_among_dead(ki_walker *walker, uint64_t entry)
{
    ki_pool *pool = &walker->pool;
    if (pool->size == pool->capacity && entry >= pool->entry[pool->size - 1])
        return KITH_OK;
    if (!is_live(walker, entry)) {
        size_t bytes = ((size_t)pool->capacity + 1) * sizeof *pool->entry;
        kith_status status = ki_arena_grow(&walker->pool_arena, bytes);
        if (status)
            return status;
        pool->capacity++;
    } else {
        while (pool->size == pool->capacity && !is_live(walker, pool->entry[pool->size - 1])) {
            ki_pool_drop_last(pool);
            pool->capacity--;
        }
    }
    ki_pool_offer(pool, entry);
    return KITH_OK;
}

kith_status ki_walker_offer(ki_walker *walker, uint64_t entry)
{
    if (walker->alive.live)
        return offer_among_dead(walker, entry);
    ki_pool_offer(&walker->pool, entry);
    return KITH_OK;
}

/* Ascending, by insertion: a hop has a dozen or two. */
static void sort_entries(uint64_t *entry, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        const uint64_t moved = entry[i];
        uint32_t at = i;
        for (; at > 0 && entry[at - 1] > moved; at--)
            entry[at] = entry[at - 1];
        entry[at] = moved;
    }
}

/* Pass two, second half: whoever is near enough enters the pool, all of them in one merge. Whether
 * one is near enough is as good as random, so that is no branch. */
static void admit(ki_walker *walker, uint32_t n)
{
    ki_pool *pool = &walker->pool;
    const uint32_t bound = ki_pool_bound(pool);
    uint64_t entry[KI_TAKEN_MOST * (2 * KI_M_MAX + 16)];
    uint32_t near = 0;
    for (uint32_t i = 0; i < n; i++) {
        entry[near] = ki_pool_entry(walker->keys[i], walker->ids[i]);
        near += walker->keys[i] <= bound;
    }
    if (!near)
        return;
    sort_entries(entry, near);
    ki_pool_merge(pool, entry, near);
    if (pool->cursor < pool->size)
        __builtin_prefetch(ki_links(walker->layer, ki_pool_id(pool->entry[pool->cursor])));
}

static kith_status admit_among_dead(ki_walker *walker, uint32_t n)
{
    kith_status status = KITH_OK;
    for (uint32_t i = 0; i < n && !status; i++)
        if (walker->keys[i] <= ki_pool_bound(&walker->pool))
            status = offer_among_dead(walker, ki_pool_entry(walker->keys[i], walker->ids[i]));
    return status;
}

kith_status ki_walker_reserve(ki_walker *walker, uint32_t count)
{
    return ki_visited_grow(&walker->visited, count);
}

kith_status ki_walk_begin(ki_walker *walker, const ki_layer *layer, uint32_t start,
                          uint32_t start_key, uint32_t ef)
{
    kith_status status = ki_walker_reserve(walker, layer->count);
    if (status)
        return status;
    walker->layer = layer;
    walker->pool.capacity = walker->ef = ef;
    ki_pool_clear(&walker->pool);
    ki_visited_begin(&walker->visited);
    ki_visited_mark(&walker->visited, start);
    return ki_walker_offer(walker, ki_pool_entry(start_key, start));
}

/* Is the next candidate so much farther than the best that better ones are unlikely behind it? Dead
 * rows among them say nothing about that. */
static bool is_hopeless(const ki_walker *walker)
{
    const ki_pool *pool = &walker->pool;
    if (!walker->stop_at || pool->cursor < walker->stop_at || pool->capacity != walker->ef)
        return false;
    ki_key_form form = walker->kernel->form;
    double next = ki_key_distance(form, ki_pool_key(pool->entry[pool->cursor]));
    double last = ki_key_distance(form, ki_pool_key(pool->entry[walker->stop_at - 1]));
    return next > last * walker->stop_factor;
}

bool ki_walk_more(const ki_walker *walker)
{
    return walker->pool.cursor < walker->pool.size && !is_hopeless(walker);
}

/* Sketches leave a hop few rows to wait for at a time, so with them two nodes are expanded at once:
 * a tenth more QPS at equal recall. Without, they would give nothing: a hop has rows enough. */
void ki_walk_open(ki_walker *walker)
{
    ki_pool *pool = &walker->pool;
    uint32_t id[KI_TAKEN_MOST], taken = 0, n = 0;
    const uint32_t most = walker->sketcher.sketch ? KI_TAKEN_MOST : 1;
    while (taken < most && pool->cursor < pool->size)
        id[taken++] = ki_pool_take(pool);
    if (pool->cursor < pool->size)
        __builtin_prefetch(ki_links(walker->layer, ki_pool_id(pool->entry[pool->cursor])));
    for (uint32_t i = 0; i < taken; i++)
        n += unseen_neighbours(walker, walker->layer, id[i], walker->ids + n);
    walker->hops += taken;
    walker->hop = promising(walker, walker->layer, n, ki_pool_bound(pool));
}

/* Two lines of each row: measured with two walks that take turns, QPS over one alone, on rows of 13
 * lines in the third level: one line 1.07, two 1.10, three 1.03, all of them 0.93, where they fill
 * what the processor can have under way. Three and four walks in turns were slower than one. */
void ki_walk_open_ahead(ki_walker *walker)
{
    ki_walk_open(walker);
    const ki_rows *rows = walker->brief ? &walker->layer->brief : &walker->layer->rows;
    for (uint32_t i = 0; i < walker->hop; i++) {
        const unsigned char *row =
            rows->base + (size_t)ki_layer_row(walker->layer, walker->ids[i]) * rows->stride;
        __builtin_prefetch(row);
        __builtin_prefetch(row + 64);
    }
}

kith_status ki_walk_close(ki_walker *walker)
{
    const uint32_t n = walker->hop;
    ki_walk_measure(walker, walker->layer, walker->ids, n);
    walker->distances += n;
    if (walker->alive.live)
        return admit_among_dead(walker, n);
    admit(walker, n);
    return KITH_OK;
}

kith_status ki_walk_layer(ki_walker *walker, const ki_layer *layer, uint32_t start,
                          uint32_t start_key, uint32_t ef)
{
    kith_status status = ki_walk_begin(walker, layer, start, start_key, ef);
    while (!status && ki_walk_more(walker)) {
        ki_walk_open(walker);
        status = ki_walk_close(walker);
    }
    return status;
}

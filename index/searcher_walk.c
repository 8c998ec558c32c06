/* searcher_walk.c - one query of a searcher: from its aim to its answers and hits.
 *
 * May include everything of index/, kernels/ and kv/. A graph answers from its walk; where that was
 * over codes the nearest are ranked again by their rows. Rows that no walk reaches yet are measured
 * one and all, and ranked together with what was found. Rows that are dead as of the moment that
 * the search sees (alive.h) are passed over when the pool is read out; they do not count towards
 * ef.
 */
#include "index/searcher.h"
#include "kernels/keys.h"
#include <math.h>

/* Was every row that is looked at alive then? No row had died at all; or no row is left to be
 * compared beside the walk, and all that had died are out of the graph: it has as many nodes as
 * there were live rows. */
static bool may_all_be_hits(const ki_graph *graph, const ki_moment *moment)
{
    const bool through = graph->linked == moment->rows && !graph->loose_count;
    return !graph->usable &&
           (moment->live == moment->rows || (through && moment->live == graph->layer[0].nodes));
}

/* Which rows may be hits. Those put after the moment have numbers beyond it: while an index pins
 * the store, no number is given twice. */
static void choose_moment(kith_searcher *s)
{
    const ki_store *engine = s->index->store->engine;
    s->moment = ki_store_moment(engine);
    s->walker.alive = (ki_alive){0};
    if (s->graph_only)
        s->walker.alive.live = s->live;
    else if (!may_all_be_hits(s->index->graph, &s->moment))
        s->walker.alive = (ki_alive){ki_store_live(engine), engine, s->moment.lsn};
}

kith_status ki_search_begin(kith_searcher *s, const void *query)
{
    ki_graph *graph = s->index->graph;
    ki_walker *w = &s->walker;
    uint32_t key;
    choose_moment(s);
    w->usable = graph->usable;
    ki_pool_clear(&w->pool);
    w->pool.capacity = ki_search_width(s);
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
    return ki_walk_begin(w, &graph->layer[0], start, key, ki_search_width(s));
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
    const ki_row_set set = ki_store_row_set(s->index->store->engine, &s->index->store->options);
    for (; first < last && !status; first += KI_SCAN_BLOCK) {
        const uint32_t n = last - first < KI_SCAN_BLOCK ? last - first : KI_SCAN_BLOCK;
        s->kernel->range(query, &set.rows, first, n, w->keys);
        w->distances += n;
        for (uint32_t i = 0; i < n && !status; i++)
            if (w->keys[i] <= ki_pool_bound(pool) && ki_is_alive(&w->alive, first + i))
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
    const ki_row_set set = ki_store_row_set(s->index->store->engine, &s->index->store->options);
    kith_status status = KITH_OK;
    for (uint32_t first = 0; first < graph->loose_count && !status; first += KI_SCAN_BLOCK) {
        const uint32_t left = graph->loose_count - first,
                       n = left < KI_SCAN_BLOCK ? left : KI_SCAN_BLOCK;
        const uint32_t *ids = graph->loose + first;
        s->kernel->gather(query, &set.rows, ids, n, w->keys);
        w->distances += n;
        for (uint32_t i = 0; i < n && !status; i++)
            if (ki_is_alive(&w->alive, ids[i]))
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
        status = scan_tail(s, s->index->graph->linked, s->moment.rows);
    if (status)
        return status;
    if (s->mode != KITH_MODE_ROWS)
        ki_pool_answers(&s->ranker.pool, NULL, s->options.k, answers);
    else
        ki_pool_answers(&w->pool, &w->alive, s->options.k, answers);
    return KITH_OK;
}

void ki_fill_hit(const kith_store *store, uint32_t row, double distance, kith_hit *out)
{
    const void *key;
    size_t key_len;
    *out = (kith_hit){.row = row, .distance = (float)distance};
    if (row == UINT32_MAX || store->options.keys != KITH_KEYS_U64)
        return;
    ki_store_present_key(store->engine, row, &key, &key_len);
    memcpy(&out->key, key, sizeof out->key);
}

size_t ki_fill_hits(const kith_searcher *s, const uint64_t *answers, kith_hit *hits)
{
    const ki_store *engine = s->index->store->engine;
    size_t found = 0;
    ki_store_read_lock(engine); /* keys of rows that may be dead by now: pinned, they are there */
    for (uint32_t i = 0; i < s->options.k; i++) {
        const bool empty = answers[i] == UINT64_MAX;
        const uint32_t row = empty ? UINT32_MAX : (uint32_t)answers[i];
        const double distance =
            empty ? INFINITY : ki_key_distance(s->kernel->form, (uint32_t)(answers[i] >> 32));
        ki_fill_hit(s->index->store, row, distance, &hits[i]);
        found += !empty;
    }
    ki_store_read_unlock(engine);
    return found;
}

/* batch.c - step 2 of a batch of the build (build.c): every new node drafts its links.
 *
 * May touch builder.h. A node walks the graph of the batches before, which stands still, and is
 * compared with the other nodes of its batch. Rows that go to the same place are drafted one behind
 * the other, since their walks read the same rows (order.h): a build of Fashion-MNIST takes three
 * quarters of the time, and no draft depends on another.
 */
#include "index/builder.h"

/* Offers the n mates that are in the walker's hands. */
static void offer_some(ki_linker *linker, const ki_layer *layer, uint32_t n)
{
    ki_walker *walker = &linker->walker;
    ki_walk_measure(walker, layer, walker->ids, n);
    for (uint32_t i = 0; i < n; i++)
        if (walker->keys[i] <= ki_pool_bound(&walker->pool))
            ki_pool_offer(&walker->pool, ki_pool_entry(walker->keys[i], walker->ids[i]));
}

/* Offers the other nodes of the batch, which the walk could not reach: their rows lie side by
 * side, so comparing with all of them costs little, and rows that arrive together are often near
 * each other. `keys` are those of layer 0; in other layers, which are short, and for a batch with
 * more absent rows in it than a tile has room for, they are NULL. */
static void offer_mates(const ki_builder *b, ki_linker *linker, uint32_t l, uint32_t id,
                        const uint32_t *keys)
{
    const ki_layer *layer = &b->graph->layer[l];
    ki_walker *walker = &linker->walker;
    uint32_t n = 0;
    for (uint32_t other = b->begin[l]; other < layer->count; other++) {
        if (other == id || (!l && b->graph->level[other] == KI_ABSENT))
            continue;
        if (!keys)
            walker->ids[n++] = other;
        else if (keys[other - b->begin[l]] <= ki_pool_bound(&walker->pool))
            ki_pool_offer(&walker->pool, ki_pool_entry(keys[other - b->begin[l]], other));
        if (n == KI_MATES_ASKED) {
            offer_some(linker, layer, n);
            n = 0;
        }
    }
    offer_some(linker, layer, n);
}

/* The vector of a row of the batch: the last of its drafts is that of layer 0. */
static const void *vector_of(const ki_builder *b, uint32_t i)
{
    const ki_rows *rows = &b->graph->layer[0].rows;
    return rows->base + (size_t)b->drafts[b->first[i + 1] - 1].id * rows->stride;
}

/* Step 2 for one row. Layers that the graph does not have yet get a node without links. */
static kith_status draft_one(ki_builder *b, ki_linker *linker, uint32_t i, const uint32_t *mates)
{
    ki_graph *graph = b->graph;
    uint32_t at = b->first[i], end = b->first[i + 1], key;
    while (at < end && b->drafts[at].layer >= graph->layers)
        at++;
    if (at == end)
        return KITH_OK;
    kith_status status = ki_walker_reserve(&linker->walker, graph->layer[0].count);
    if (status)
        return status;
    ki_walker_aim(&linker->walker, vector_of(b, i));
    uint32_t id = ki_walk_descend(&linker->walker, graph, b->drafts[at].layer, &key);
    for (; at < end; at++) {
        ki_layer *layer = &graph->layer[b->drafts[at].layer];
        status = ki_walk_layer(&linker->walker, layer, id, key, graph->ef_construction);
        if (status)
            return status;
        uint64_t nearest = linker->walker.pool.entry[0]; /* of those who are linked already */
        offer_mates(b, linker, b->drafts[at].layer, b->drafts[at].id,
                    b->drafts[at].layer ? NULL : mates);
        ki_draft_choose(linker, layer, graph->m, &b->drafts[at]);
        if (!b->drafts[at].again)
            ki_draft_write(layer, &b->drafts[at]); /* nobody can reach it yet */
        key = ki_pool_key(nearest);
        id = layer->down ? layer->down[ki_pool_id(nearest)] : 0;
    }
    return KITH_OK;
}

/* The keys of a few rows of the batch against all of it, in layer 0; NULL: not to be had. */
static const uint32_t *compare_mates(const ki_builder *b, ki_mates *mates, size_t first, uint32_t n)
{
    const ki_layer *layer = &b->graph->layer[0];
    uint32_t ids[KI_MATES_GROUP], count = layer->count - b->begin[0];
    if (!count || count > mates->room)
        return NULL;
    for (uint32_t i = 0; i < n; i++)
        ids[i] = b->drafts[b->first[b->order[first + i].number + 1] - 1].id;
    ki_mates_compare(mates, &layer->rows, ids, n, b->begin[0], count);
    return mates->keys;
}

static kith_status draft_job(void *context, uint32_t worker, size_t first, size_t last)
{
    ki_builder *b = context;
    ki_mates *mates = &b->mates[worker];
    kith_status status = KITH_OK;
    for (size_t group = first; group < last && !status; group += KI_MATES_GROUP) {
        uint32_t n = last - group < KI_MATES_GROUP ? (uint32_t)(last - group) : KI_MATES_GROUP;
        const uint32_t *keys = compare_mates(b, mates, group, n);
        for (uint32_t i = 0; i < n && !status; i++)
            status = draft_one(b, &b->linkers[worker], (uint32_t)b->order[group + i].number,
                               keys ? keys + (size_t)i * mates->room : NULL);
    }
    return status;
}

static kith_status region_of_row(void *context, uint32_t worker, size_t i, uint32_t layer,
                                 uint64_t *region)
{
    const ki_builder *b = context;
    ki_walker *walker = &b->linkers[worker].walker;
    kith_status status = ki_walker_reserve(walker, b->graph->layer[0].count);
    if (!status)
        *region = ki_walk_region(walker, b->graph, layer, vector_of(b, (uint32_t)i));
    return status;
}

static kith_status order_batch(ki_builder *b)
{
    const uint32_t layer = ki_order_layer(b->graph, b->rows);
    if (layer)
        return ki_order(layer, region_of_row, b, b->rows, b->workers, b->order);
    for (uint32_t i = 0; i < b->rows; i++)
        b->order[i].number = i;
    return KITH_OK;
}

kith_status ki_batch_draft(ki_builder *b)
{
    size_t share = b->rows / (4 * ki_workers_count(b->workers)) + 1;
    size_t step = share < KI_MATES_GROUP ? share : KI_MATES_GROUP;
    kith_status status = order_batch(b);
    return status ? status : ki_workers_run(b->workers, b->rows, step, draft_job, b);
}

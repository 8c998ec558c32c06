/* again.c - linking rows that the graph has seen: see builder.h.
 *
 * Two reasons: a second pass over a graph that was built, and rows whose number was given to
 * another vector while the graph lay in its file. The first keep their tree links, so that
 * everything stays reachable, and choose the others anew; links of strangers to them stay until
 * they are pruned. They are in the graph while the batch walks it: their own lists are written
 * after all walks. The second have no node any more (unlink.c) and get one like a new row.
 *
 * Which ids stand for a row in the layers above is written down nowhere; a table of the way up is
 * made for the purpose.
 */
#include "index/builder.h"

enum { NEW_MOST = 32 }; /* absent rows of a batch: they do not see each other */

/* up[l][id of layer l - 1]: the id of the same row in layer l. */
typedef struct ways {
    uint32_t *up[KI_LAYERS_MAX];
} ways;

static void close_ways(ways *w)
{
    for (uint32_t l = 0; l < KI_LAYERS_MAX; l++)
        ki_free(w->up[l]);
}

static kith_status open_ways(const ki_graph *graph, ways *w)
{
    *w = (ways){0};
    for (uint32_t l = 1; l < graph->layers; l++) {
        const uint32_t below = graph->layer[l - 1].count;
        const size_t bytes = (size_t)below * sizeof *w->up[l];
        w->up[l] = ki_alloc(bytes + 1);
        if (!w->up[l]) {
            close_ways(w);
            return ki_no_memory("the way up a graph", bytes);
        }
        memset(w->up[l], 0xff, bytes);
        for (uint32_t id = 0; id < graph->layer[l].count; id++)
            w->up[l][graph->layer[l].down[id]] = id;
    }
    return KITH_OK;
}

/* The row's ids in layers 0..its level. */
static uint32_t ids_of(const ki_graph *graph, const ways *w, uint32_t row, uint32_t *ids)
{
    const uint32_t level = graph->level[row];
    ids[0] = row;
    for (uint32_t l = 1; l <= level; l++)
        ids[l] = w->up[l][ids[l - 1]];
    return level;
}

static kith_status add_absent(ki_builder *b, uint32_t row, const void *key, size_t key_len,
                              bool *full)
{
    const uint32_t level = ki_graph_level(b->graph, key, key_len);
    *full = b->added[0] == NEW_MOST || !ki_batch_has_room(b, level);
    if (*full)
        return KITH_OK;
    kith_status status = ki_graph_add_node(b->graph, row, level);
    if (!status)
        ki_batch_add(b, row, level);
    return status;
}

/* One row, or *full when it must wait for the next batch. */
static kith_status add_row(ki_builder *b, const ways *w, uint32_t row, bool *full)
{
    uint32_t ids[KI_LAYERS_MAX];
    unsigned char key[KI_KEY_MAX];
    const size_t key_len = ki_build_key(b, row, key);
    *full = false;
    if (!key_len)
        return KITH_OK;
    if (b->graph->level[row] == KI_ABSENT)
        return add_absent(b, row, key, key_len, full);
    *full = b->draft_count + b->graph->level[row] + 1 > b->draft_capacity;
    if (!*full)
        ki_batch_add_again(b, ids_of(b->graph, w, row, ids), ids);
    return KITH_OK;
}

static kith_status link_some(ki_builder *b, const ways *w, const uint32_t *rows, uint32_t count,
                             uint32_t *done)
{
    const uint32_t limit = ki_batch_limit(b->graph), start = *done;
    kith_status status = KITH_OK;
    bool full = false;
    ki_batch_begin(b);
    ki_build_shut(b);
    while (!status && b->rows < limit && *done < count) {
        status = add_row(b, w, rows[*done], &full);
        if (status || full)
            break;
        ++*done;
    }
    ki_build_open(b);
    for (uint32_t l = 0; l < KI_LAYERS_MAX; l++) /* none of these sees the others as its batch */
        b->begin[l] = b->graph->layer[l].count;
    kith_status linked = b->rows ? ki_batch_link(b) : KITH_OK;
    if (linked)
        *done = start;
    return linked ? linked : status;
}

kith_status ki_build_again(ki_builder *b, const uint32_t *rows, uint32_t count, uint32_t *done)
{
    ways w;
    *done = 0;
    kith_status status = open_ways(b->graph, &w);
    if (status)
        return status;
    while (!status && *done < count) {
        status = link_some(b, &w, rows, count, done);
        if (!status && b->options->progress && b->options->progress(b->options->user, *done, count))
            status =
                ki_fail(KITH_ECANCELLED, "the build was stopped after %u of %u rows", *done, count);
    }
    close_ways(&w);
    return status;
}

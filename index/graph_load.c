/* graph_load.c - a graph from its file, held against the rows as they are now.
 *
 * May touch graph_file.h and kv/. The arrays are read as they were written; what a walk will read
 * from them is checked before (ki_graph_check), so that no file makes it read elsewhere. Then rows
 * are compared with their stamps. A row that is gone stays in the graph as a signpost until the
 * next build, like one that is deleted while the graph is in memory. A row number that stands for
 * another vector now, or that the graph never had, is a loose row: its node, if any, leads the way
 * but is no result, and the row is compared exactly until a build links it.
 */
#include "index/graph_file.h"
#include <string.h>

static kith_status read_named(const ki_graph_reader *reader, ki_graph_part part, uint32_t layer,
                              void *to)
{
    return ki_graph_read_part(reader, ki_graph_find(&reader->head, part, layer), to);
}

static kith_status read_layer(const ki_graph_reader *reader, ki_graph *graph, uint32_t l)
{
    const ki_graph_head *head = &reader->head;
    ki_layer *layer = &graph->layer[l];
    kith_status status = ki_graph_reserve(graph, l, head->layer[l].count);
    if (!status)
        status = read_named(reader, KI_PART_LINKS, l, layer->links);
    if (!status)
        status = read_named(reader, KI_PART_KEPT, l, layer->kept);
    if (!status && l)
        status = read_named(reader, KI_PART_DOWN, l, layer->down);
    layer->count = head->layer[l].count;
    layer->nodes = head->layer[l].nodes;
    layer->root = head->layer[l].root;
    layer->roomy = 0; /* found again when it is needed */
    return status;
}

static kith_status read_layers(const ki_graph_reader *reader, ki_graph *graph,
                               kith_progress_fn progress, void *user)
{
    const ki_graph_head *head = &reader->head;
    kith_status status = ki_graph_reserve_levels(graph, head->seen);
    if (!status && head->seen)
        status = read_named(reader, KI_PART_LEVELS, 0, graph->level);
    for (uint32_t l = 0; l < head->layers && !status; l++) {
        status = read_layer(reader, graph, l);
        if (!status && progress && progress(user, l + 1, head->layers))
            status = ki_fail(KITH_ECANCELLED, "loading the graph was stopped after %u of %u layers",
                             l + 1, head->layers);
    }
    if (status)
        return status;
    graph->seen = graph->linked = head->seen;
    graph->layers = head->layers;
    graph->entry = head->entry;
    return KITH_OK;
}

/* `usable` and `loose` of the graph, from the stamps of then and now. */
static kith_status compare_rows(ki_graph *graph, const uint64_t *stamps)
{
    const uint32_t seen = graph->seen;
    uint32_t *loose = ki_alloc((size_t)seen * sizeof *loose + 1), count = 0;
    uint64_t *usable = ki_zalloc(((size_t)seen / 64 + 1) * sizeof *usable);
    if (!loose || !usable) {
        ki_free(loose);
        ki_free(usable);
        return ki_no_memory("the rows of a graph", (size_t)seen * sizeof *loose);
    }
    for (uint32_t row = 0; row < seen; row++) {
        const uint64_t now = ki_store_stamp(graph->engine, row);
        const bool there = graph->level[row] != KI_ABSENT;
        if (there && now == stamps[row])
            usable[row / 64] |= UINT64_C(1) << (row % 64);
        else if (now)
            loose[count++] = row;
    }
    ki_free(graph->loose);
    ki_free(graph->usable);
    graph->loose = loose;
    graph->loose_count = count;
    graph->usable = count ? usable : NULL; /* what is neither is dead, and no result anyway */
    if (!count)
        ki_free(usable);
    return KITH_OK;
}

kith_status ki_graph_fill(const ki_graph_reader *reader, ki_graph *graph, ki_workers *workers,
                          kith_progress_fn progress, void *user)
{
    const ki_graph_head *head = &reader->head;
    const size_t bytes = (size_t)head->seen * sizeof(uint64_t);
    if (!head->layers) /* no row was live: all are as if never seen */
        return KITH_OK;
    if (head->seen > ki_store_rows(graph->engine))
        return ki_fail(KITH_EINVAL,
                       "the graph has seen %u rows and the store has %u: it was "
                       "restored from an older copy",
                       head->seen, ki_store_rows(graph->engine));
    uint64_t *stamps = ki_alloc(bytes + 1);
    if (!stamps)
        return ki_no_memory("the stamps of a graph's rows", bytes);
    kith_status status = read_named(reader, KI_PART_STAMPS, 0, stamps);
    if (!status)
        status = read_layers(reader, graph, progress, user);
    if (!status)
        status = ki_graph_check_shape(graph);
    if (!status)
        status = ki_graph_encode(graph, workers);
    if (!status)
        status = compare_rows(graph, stamps);
    if (!status) {
        if (graph->codes) /* these were coded, but not learnt from */
            graph->codes->came += graph->loose_count + ki_store_rows(graph->engine) - graph->seen;
        ki_graph_follow_rows(graph);
        ki_graph_find_rows(graph);
    }
    ki_free(stamps);
    return status;
}

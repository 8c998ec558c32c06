/* graph.c - the graph's memory: open, grow, add a node, digest. Nothing here measures a distance.
 *
 * Every array is an arena, so no pointer moves while the graph grows and there is no capacity to
 * choose beforehand. A node is added to all its layers before the first array is changed for
 * good: growing may fail, filling in may not.
 */
#include "index/sketch.h"
#include <string.h>
#include <xxhash.h>

static void close_layer(ki_layer *layer)
{
    ki_arena_close(&layer->links_arena);
    ki_arena_close(&layer->kept_arena);
    ki_arena_close(&layer->down_arena);
    ki_arena_close(&layer->row_arena);
    *layer = (ki_layer){0};
}

/* How many nodes layer l may ever hold: address space only, so generous by a factor of 4. */
static uint32_t layer_capacity(const ki_graph *graph, uint32_t l)
{
    uint32_t capacity = KI_MAX_ROWS;
    for (uint32_t i = 0; i < l && capacity > 4096; i++)
        capacity = i ? capacity / graph->m : capacity / graph->m * 4;
    return capacity;
}

static kith_status open_layer(ki_graph *graph, uint32_t l)
{
    ki_layer *layer = &graph->layer[l];
    size_t capacity = layer_capacity(graph, l);
    layer->degree = l ? graph->m : (2 * graph->m + 15) / 16 * 16;
    kith_status status = ki_arena_open(capacity * layer->degree * 4, &layer->links_arena);
    if (!status)
        status = ki_arena_open(capacity, &layer->kept_arena);
    if (!status && l)
        status = ki_arena_open(capacity * 4, &layer->down_arena);
    if (!status && l)
        status = ki_arena_open(capacity * 4, &layer->row_arena);
    if (status)
        close_layer(layer);
    return status;
}

kith_status ki_graph_open(const ki_store *engine, const ki_graph_options *options, ki_graph **out)
{
    ki_graph *graph = ki_zalloc(sizeof *graph);
    if (!graph)
        return ki_no_memory("a graph", sizeof *graph);
    graph->engine = engine;
    graph->dim = options->dim;
    graph->m = options->m;
    graph->ef_construction = options->ef_construction;
    graph->alpha = options->alpha;
    graph->seed = options->seed;
    kith_status status = ki_arena_open(KI_MAX_ROWS, &graph->level_arena);
    if (!status)
        status = open_layer(graph, 0);
    if (status) {
        ki_graph_close(graph);
        return status;
    }
    ki_graph_follow_rows(graph);
    *out = graph;
    return KITH_OK;
}

void ki_graph_close(ki_graph *graph)
{
    if (!graph)
        return;
    for (uint32_t l = 0; l < KI_LAYERS_MAX; l++)
        close_layer(&graph->layer[l]);
    ki_arena_close(&graph->level_arena);
    ki_free(graph->loose);
    ki_free(graph->usable);
    if (!graph->lent)
        ki_codes_close(graph->codes);
    ki_codes_close(graph->brief);
    ki_sketch_close(graph->sketch);
    ki_free(graph);
}

uint32_t ki_link_count(const ki_layer *layer, uint32_t id)
{
    const uint32_t *links = ki_links(layer, id);
    uint32_t n = 0;
    while (n < layer->degree && links[n] != KI_NO_LINK)
        n++;
    return n;
}

uint32_t ki_graph_level(const ki_graph *graph, const void *key, size_t key_len)
{
    uint64_t bound = UINT64_MAX, hash = XXH3_64bits_withSeed(key, key_len, graph->seed);
    uint32_t level = 0;
    while (level < KI_LAYERS_MAX - 1 && hash < (bound /= graph->m))
        level++;
    return level;
}

/* Memory for node `id` of layer l; the layer's arrays may have been empty until now. */
static kith_status grow_layer(ki_graph *graph, uint32_t l, uint32_t id)
{
    ki_layer *layer = &graph->layer[l];
    kith_status status = KITH_OK;
    if (!layer->links_arena.reserved && l)
        status = open_layer(graph, l);
    if (!status)
        status = ki_arena_grow(&layer->links_arena, ((size_t)id + 1) * layer->degree * 4);
    if (!status)
        status = ki_arena_grow(&layer->kept_arena, (size_t)id + 1);
    if (!status && l)
        status = ki_arena_grow(&layer->down_arena, ((size_t)id + 1) * 4);
    if (!status && l)
        status = ki_arena_grow(&layer->row_arena, ((size_t)id + 1) * 4);
    if (status)
        return status;
    layer->links = (uint32_t *)(void *)layer->links_arena.base;
    layer->kept = layer->kept_arena.base;
    layer->down = l ? (uint32_t *)(void *)layer->down_arena.base : NULL;
    layer->row = l ? (uint32_t *)(void *)layer->row_arena.base : NULL;
    layer->rows = graph->layer[0].rows;
    return KITH_OK;
}

kith_status ki_graph_reserve(ki_graph *graph, uint32_t layer, uint32_t count)
{
    return count ? grow_layer(graph, layer, count - 1) : KITH_OK;
}

static kith_status grow_levels(ki_graph *graph, uint32_t row)
{
    kith_status status = ki_arena_grow(&graph->level_arena, (size_t)row + 1);
    if (!status)
        graph->level = graph->level_arena.base;
    return status;
}

kith_status ki_graph_reserve_levels(ki_graph *graph, uint32_t count)
{
    return count ? grow_levels(graph, count - 1) : KITH_OK;
}

/* Layer 0 has a link row for every row number, absent ones included: they hold no link. */
static void clear_node(ki_layer *layer, uint32_t id)
{
    memset(ki_links(layer, id), 0xff, layer->degree * 4);
    layer->kept[id] = 0;
    if (id >= layer->count)
        layer->count = id + 1;
}

kith_status ki_graph_skip_row(ki_graph *graph, uint32_t row)
{
    kith_status status = grow_levels(graph, row);
    if (!status)
        status = grow_layer(graph, 0, row);
    if (status)
        return status;
    clear_node(&graph->layer[0], row);
    graph->level[row] = KI_ABSENT;
    graph->seen = row + 1;
    return KITH_OK;
}

kith_status ki_graph_add_node(ki_graph *graph, uint32_t row, uint32_t level)
{
    kith_status status = grow_levels(graph, row);
    for (uint32_t l = 0; l <= level && !status; l++)
        status = grow_layer(graph, l, l ? graph->layer[l].count : row);
    if (status)
        return status;
    uint32_t below = row;
    for (uint32_t l = 0; l <= level; l++) {
        ki_layer *layer = &graph->layer[l];
        uint32_t id = l ? layer->count : row;
        if (l) {
            layer->down[id] = below;
            layer->row[id] = row;
        }
        clear_node(layer, id);
        if (!layer->nodes++)
            layer->root = layer->roomy = id;
        below = id;
    }
    graph->level[row] = (uint8_t)level;
    if (row >= graph->seen)
        graph->seen = row + 1;
    return KITH_OK;
}

void ki_graph_newest(const ki_graph *graph, uint32_t row, uint32_t level, uint32_t *ids)
{
    for (uint32_t l = 0; l <= level; l++)
        ids[l] = l ? graph->layer[l].count - 1 : row;
}

size_t ki_graph_bytes(const ki_graph *graph)
{
    size_t bytes = graph->level_arena.committed + sizeof *graph + ki_codes_bytes(graph->brief);
    bytes += ki_sketch_bytes(graph->sketch);
    bytes += graph->lent ? 0 : ki_codes_bytes(graph->codes);
    bytes += graph->loose ? graph->loose_count * sizeof *graph->loose : 0;
    bytes += graph->usable ? ((size_t)graph->seen / 64 + 1) * sizeof *graph->usable : 0;
    for (uint32_t l = 0; l < KI_LAYERS_MAX; l++) {
        const ki_layer *layer = &graph->layer[l];
        bytes += layer->links_arena.committed + layer->kept_arena.committed +
                 layer->down_arena.committed + layer->row_arena.committed;
    }
    return bytes;
}

uint64_t ki_graph_link_total(const ki_graph *graph)
{
    const ki_layer *layer = &graph->layer[0];
    uint64_t total = 0;
    for (uint32_t id = 0; id < layer->count; id++)
        total += ki_link_count(layer, id);
    return total;
}

uint64_t ki_graph_digest(const ki_graph *graph)
{
    uint32_t head[] = {graph->layers, graph->entry, graph->seen, graph->m};
    uint64_t hash = XXH3_64bits(head, sizeof head);
    if (graph->seen)
        hash = XXH3_64bits_withSeed(graph->level, graph->seen, hash);
    for (uint32_t l = 0; l < graph->layers; l++) {
        const ki_layer *layer = &graph->layer[l];
        hash = XXH3_64bits_withSeed(layer->links, (size_t)layer->count * layer->degree * 4, hash);
        hash = XXH3_64bits_withSeed(layer->kept, layer->count, hash);
        if (l)
            hash = XXH3_64bits_withSeed(layer->down, (size_t)layer->count * 4, hash);
    }
    return hash;
}

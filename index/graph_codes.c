/* graph_codes.c - codes in a graph: layer 0 reads their slab, layers above have copies of them.
 *
 * May include graph.h. Slabs never move and copies have their memory when their nodes have, so once
 * rows are coded nothing here can fail: copies are written last.
 */
#include "index/graph.h"

static void view(const ki_slab *slab, uint32_t dim, ki_rows *rows)
{
    *rows = (ki_rows){.base = slab->base,
                      .stride = slab->stride,
                      .aux = slab->aux,
                      .aux_stride = slab->aux_stride,
                      .dim = dim,
                      .prefetch_lines = rows->prefetch_lines};
}

const ki_slab *ki_graph_slab(const ki_graph *graph)
{
    return graph->codes ? &graph->codes->slab : ki_store_slab(graph->engine);
}

void ki_graph_follow_rows(ki_graph *graph)
{
    view(ki_graph_slab(graph), graph->dim, &graph->layer[0].rows);
}

void ki_graph_measure(ki_graph *graph, ki_codes *codes)
{
    graph->codes = codes;
    graph->dim = codes->dim;
    ki_graph_follow_rows(graph);
}

uint32_t ki_graph_row(const ki_graph *graph, uint32_t layer, uint32_t id)
{
    while (layer > 0 && id != KI_NO_LINK)
        id = graph->layer[layer--].down[id];
    return id;
}

static void copy_codes(const ki_graph *graph, uint32_t l, const ki_slab *from, ki_slab *copies)
{
    for (uint32_t id = 0; id < graph->layer[l].count; id++) {
        const uint32_t row = ki_graph_row(graph, l, id);
        if (row != KI_NO_LINK)
            ki_slab_write(copies, id, ki_slab_row(from, row), ki_slab_aux(from, row));
    }
}

void ki_graph_copy_rows(ki_graph *graph)
{
    for (uint32_t l = 1; l < graph->layers; l++)
        copy_codes(graph, l, ki_graph_slab(graph), &graph->layer[l].copies);
}

kith_status ki_graph_encode(ki_graph *graph, ki_workers *workers)
{
    bool renewed = false;
    if (!graph->codes)
        return KITH_OK;
    kith_status status = ki_codes_follow(graph->codes, graph->engine, workers, &renewed);
    if (renewed)
        ki_graph_copy_rows(graph);
    return status;
}

/* Memory for the copies of a layer, whose slab may not be open yet. */
static kith_status reserve_copies(ki_graph *graph, const ki_codes *brief, uint32_t l)
{
    ki_layer *layer = &graph->layer[l];
    kith_status status = KITH_OK;
    if (!layer->brief_copies.stride)
        status =
            ki_slab_open(brief->slab.row_bytes, ki_layer_capacity(graph, l), &layer->brief_copies);
    return status ? status : ki_slab_grow(&layer->brief_copies, layer->count);
}

kith_status ki_graph_shorten(ki_graph *graph, ki_codes *brief, ki_workers *workers)
{
    bool renewed = false;
    kith_status status = KITH_OK;
    graph->brief = brief;
    graph->brief_ready = false;
    for (uint32_t l = 1; l < graph->layers && !status; l++)
        status = reserve_copies(graph, brief, l);
    if (!status)
        status = ki_codes_follow(brief, graph->engine, workers, &renewed);
    if (status || !graph->layers)
        return status;
    view(&brief->slab, brief->dim, &graph->layer[0].brief);
    for (uint32_t l = 1; l < graph->layers; l++) {
        copy_codes(graph, l, &brief->slab, &graph->layer[l].brief_copies);
        view(&graph->layer[l].brief_copies, brief->dim, &graph->layer[l].brief);
    }
    graph->brief_ready = true;
    return KITH_OK;
}

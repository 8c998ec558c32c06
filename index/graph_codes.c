/* graph_codes.c - what a graph measures: rows or codes, seen by all layers alike.
 *
 * May include graph.h. Slabs never move, so a view of one is good until it is exchanged.
 */
#include "index/graph.h"

static ki_rows view(const ki_slab *slab, uint32_t dim)
{
    return (ki_rows){.base = slab->base,
                     .stride = slab->stride,
                     .aux = slab->aux,
                     .aux_stride = slab->aux_stride,
                     .dim = dim};
}

const ki_slab *ki_graph_slab(const ki_graph *graph)
{
    return graph->codes ? &graph->codes->slab : ki_store_slab(graph->engine);
}

void ki_graph_follow_rows(ki_graph *graph)
{
    for (uint32_t l = 0; l < KI_LAYERS_MAX; l++)
        graph->layer[l].rows = view(ki_graph_slab(graph), graph->dim);
}

void ki_graph_measure(ki_graph *graph, ki_codes *codes)
{
    graph->codes = codes;
    graph->dim = codes->dim;
    ki_graph_follow_rows(graph);
}

void ki_graph_borrow(ki_graph *graph, const ki_graph *lender)
{
    graph->codes = lender->codes;
    graph->lent = lender->codes != NULL;
    graph->dim = lender->dim;
    ki_graph_follow_rows(graph);
}

void ki_graph_find_rows(ki_graph *graph)
{
    for (uint32_t l = 1; l < graph->layers; l++)
        for (uint32_t id = 0; id < graph->layer[l].count; id++)
            graph->layer[l].row[id] = ki_layer_row(&graph->layer[l - 1], graph->layer[l].down[id]);
}

kith_status ki_graph_encode(ki_graph *graph, ki_workers *workers)
{
    bool renewed;
    return graph->codes ? ki_codes_follow(graph->codes, graph->engine, workers, &renewed) : KITH_OK;
}

void ki_graph_look(ki_graph *graph, const ki_codes *brief)
{
    for (uint32_t l = 0; l < KI_LAYERS_MAX; l++)
        graph->layer[l].brief = brief ? view(&brief->slab, brief->dim) : (ki_rows){0};
}

kith_status ki_graph_shorten(ki_graph *graph, ki_codes *brief, ki_workers *workers)
{
    bool renewed;
    graph->brief = brief;
    graph->brief_ready = false;
    kith_status status = ki_codes_follow(brief, graph->engine, workers, &renewed);
    if (!status && brief->codec)
        ki_graph_look(graph, brief);
    return status;
}

void ki_graph_walk_brief(ki_graph *graph)
{
    graph->brief_ready = graph->brief && graph->brief->codec;
}

void ki_graph_take_brief(ki_graph *graph, ki_codes *brief)
{
    if (graph->brief != brief)
        ki_codes_close(graph->brief);
    graph->brief = brief;
    graph->brief_ready = brief != NULL;
    ki_graph_look(graph, brief);
}

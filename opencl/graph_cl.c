/* graph_cl.c - takes a graph to a device: layer 0 in one buffer, all layers above in another.
 *
 * May touch walk_cl.h. The one idea: a device that reads beyond a buffer may take the whole process
 * down, so what a walk follows is looked at once, here: the entry, and `down` and `row` of every
 * id. Links need no look: walk.cl takes one that no node has for the end of the list, as it does
 * with the number that stands there.
 */
#include "opencl/walk_cl.h"

#include <string.h>

enum { HEAD_WORDS = 5, WORD_BYTES = 4, ID_BITS = 30 };

void ki_cl_drop_graph(ki_device_rows *rows)
{
    ki_cl_release(rows->device, &rows->graph.links);
    ki_cl_release(rows->device, &rows->graph.upper);
    rows->graph = (ki_cl_graph){0};
}

static kith_status check_layer(const ki_device_rows *rows, const ki_device_graph *graph, uint32_t l)
{
    const ki_device_layer *layer = &graph->layer[l];
    const uint32_t below = l > 0 ? graph->layer[l - 1].count : rows->count;
    if (layer->degree < 1 || layer->count < 1 || layer->count > below)
        return ki_fail(KITH_EINVAL, "layer %u of a graph has %u nodes of %u links, over %u",
                       (unsigned)l, (unsigned)layer->count, (unsigned)layer->degree,
                       (unsigned)below);
    for (uint32_t id = 0; l > 0 && id < layer->count; id++)
        if (layer->down[id] >= below || layer->row[id] >= rows->count)
            return ki_fail(KITH_EINVAL, "id %u of layer %u stands for row %u of %u, id %u of %u",
                           (unsigned)id, (unsigned)l, (unsigned)layer->row[id],
                           (unsigned)rows->count, (unsigned)layer->down[id], (unsigned)below);
    return KITH_OK;
}

static kith_status check_graph(const ki_device_rows *rows, const ki_device_graph *graph)
{
    kith_status status = KITH_OK;
    if (graph->layers < 1)
        return ki_fail(KITH_EINVAL, "a graph of %u layers cannot be walked",
                       (unsigned)graph->layers);
    for (uint32_t l = 0; l < graph->layers && !status; l++) {
        status = check_layer(rows, graph, l);
        if (!status)
            status = ki_cl_check_degree(rows->device, graph->layer[l].degree);
    }
    if (status)
        return status;
    if (graph->entry >= graph->layer[graph->layers - 1].count)
        return ki_fail(KITH_EINVAL, "the entry of a graph is %u, its highest layer has %u nodes",
                       (unsigned)graph->entry, (unsigned)graph->layer[graph->layers - 1].count);
    if (rows->count > 1u << ID_BITS)
        return ki_fail(KITH_EUNSUPPORTED, "a graph of %u rows, a device walks 2^%d at most",
                       (unsigned)rows->count, (int)ID_BITS);
    return KITH_OK;
}

/* Words of the layers above, links, down and row of each behind their heads; false when a number
 * of the heads does not fit in a word. */
static bool upper_words(const ki_device_graph *graph, size_t *out)
{
    uint64_t words = (uint64_t)HEAD_WORDS * (graph->layers - 1) + 1; /* 1: no buffer is empty */
    for (uint32_t l = 1; l < graph->layers; l++)
        words += (uint64_t)graph->layer[l].count * (graph->layer[l].degree + 2);
    *out = (size_t)words;
    return words <= UINT32_MAX;
}

static void fill_upper(const ki_device_graph *graph, uint32_t *words)
{
    uint32_t at = HEAD_WORDS * (graph->layers - 1);
    for (uint32_t l = 1; l < graph->layers; l++) {
        const ki_device_layer *layer = &graph->layer[l];
        const uint32_t links = layer->count * layer->degree;
        const uint32_t head[HEAD_WORDS] = {at, at + links, at + links + layer->count, layer->degree,
                                           layer->count};
        memcpy(words + (size_t)HEAD_WORDS * (l - 1), head, sizeof head);
        memcpy(words + at, layer->links, (size_t)links * WORD_BYTES);
        memcpy(words + head[1], layer->down, (size_t)layer->count * WORD_BYTES);
        memcpy(words + head[2], layer->row, (size_t)layer->count * WORD_BYTES);
        at = head[2] + layer->count;
    }
}

static kith_status send(ki_device_rows *rows, const char *what, const void *data, size_t bytes,
                        cl_mem *out)
{
    if (bytes > rows->device->max_alloc)
        return ki_fail(KITH_ENOMEM,
                       "%s of a graph of %u rows need %zu bytes, %s takes buffers of %zu: more "
                       "partitions are needed",
                       what, (unsigned)rows->count, bytes, rows->device->found.info.id,
                       rows->device->max_alloc);
    const kith_status status = ki_cl_buffer(rows->device, what, bytes, out);
    return status ? status : ki_cl_write(rows->device, what, *out, 0, data, bytes);
}

static kith_status send_upper(ki_device_rows *rows, const ki_device_graph *graph)
{
    size_t words = 0;
    uint32_t *staging = upper_words(graph, &words) ? ki_zalloc(words * sizeof *staging) : NULL;
    if (!staging)
        return ki_no_memory("the upper layers of a graph", words * sizeof *staging);
    fill_upper(graph, staging);
    const kith_status status =
        send(rows, "the upper layers", staging, words * sizeof *staging, &rows->graph.upper);
    ki_free(staging);
    return status;
}

static kith_status send_graph(ki_device_rows *rows, const ki_device_graph *graph)
{
    const ki_device_layer *lowest = &graph->layer[0];
    size_t bytes = 0;
    if (!ki_mul((size_t)lowest->count * lowest->degree, WORD_BYTES, &bytes))
        return ki_fail(KITH_ENOMEM, "links of %u rows do not fit in memory",
                       (unsigned)lowest->count);
    kith_status status = send(rows, "the links", lowest->links, bytes, &rows->graph.links);
    if (!status)
        status = send_upper(rows, graph);
    if (status)
        return status;
    rows->graph.entry = graph->entry;
    rows->graph.degree = lowest->degree;
    rows->graph.count = lowest->count;
    for (uint32_t l = 0; l < graph->layers; l++)
        if (graph->layer[l].degree > rows->graph.widest)
            rows->graph.widest = graph->layer[l].degree;
    rows->graph.layers = graph->layers; /* last: now there is one */
    return KITH_OK;
}

kith_status ki_cl_put_graph_held(ki_device_rows *rows, const ki_device_graph *graph)
{
    ki_cl_drop_graph(rows);
    kith_status status = check_graph(rows, graph);
    if (!status)
        status = ki_cl_need_lines(rows);
    if (!status)
        status = send_graph(rows, graph);
    if (status)
        ki_cl_drop_graph(rows);
    return status;
}

kith_status ki_cl_put_graph(ki_device_rows *rows, const ki_device_graph *graph)
{
    pthread_mutex_lock(&rows->device->mutex);
    const kith_status status = ki_cl_put_graph_held(rows, graph);
    pthread_mutex_unlock(&rows->device->mutex);
    return status;
}

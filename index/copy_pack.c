/* copy_pack.c - a partition as a device is given it: rows one after the other, links under places.
 *
 * May touch copy_inside.h. Places ascend as row numbers do, so (key, place) orders as (key, row)
 * and a walk over places is the walk over rows, tie for tie. With one partition nothing is copied:
 * the slab and the arrays of the graph are handed on as they lie. The digest is taken of this form
 * whoever holds the copy, so copies of a partition can be told apart from what they should be.
 */
#include "index/copy_inside.h"

#include <string.h>
#include <xxhash.h>

enum { ROW_ALIGN = 16, ROOM = 8 /* devices keep an eighth more for rows to come */ };

static const ki_codes *codes_of(const ki_copy *copy)
{
    const ki_graph *graph = ki_part_graph(copy->parts, copy->p);
    return graph ? graph->codes : NULL;
}

static const ki_slab *slab_of(const ki_copy *copy)
{
    const ki_graph *graph = ki_part_graph(copy->parts, copy->p);
    return graph ? ki_graph_slab(graph) : ki_store_slab(ki_parts_whole(copy->parts)->store->engine);
}

static size_t row_bytes(const ki_packed *packed)
{
    return ki_row_bytes((ki_pairing)packed->set.type, packed->set.rows.dim);
}

static size_t padded_bytes(const ki_packed *packed)
{
    return (row_bytes(packed) + ROW_ALIGN - 1) / ROW_ALIGN * ROW_ALIGN;
}

static void size_graph(const ki_copy *copy, ki_packed *packed)
{
    const ki_graph *graph = ki_part_graph(copy->parts, copy->p);
    for (uint32_t l = 0; graph && l < graph->layers; l++) {
        ki_device_layer *layer = &packed->layer[l];
        layer->degree = graph->layer[l].degree;
        layer->count = l ? graph->layer[l].count : copy->count;
        packed->bytes += (uint64_t)layer->count * (layer->degree + (l ? 2 : 0)) * sizeof(uint32_t);
    }
}

void ki_pack_size(const ki_copy *copy, ki_packed *out)
{
    const kith_store_options *so = &ki_parts_whole(copy->parts)->store->options;
    const ki_codes *codes = codes_of(copy);
    *out = (ki_packed){.set = {.rows.dim = codes ? codes->dim : so->dim,
                               .count = copy->count,
                               .type = codes ? KITH_I8 : so->type,
                               .metric = codes ? codes->metric : so->metric}};
    out->bytes = (uint64_t)copy->count * (padded_bytes(out) + sizeof(ki_aux)) + copy->count / 8;
    size_graph(copy, out);
    out->bytes += out->bytes / ROOM;
}

/* Memory that ki_pack_close frees. */
static void *own(ki_packed *packed, size_t bytes)
{
    void *block = ki_alloc_aligned(64, bytes);
    if (block)
        packed->owned[packed->owned_count++] = block;
    return block;
}

void ki_pack_close(ki_packed *packed)
{
    for (uint32_t i = 0; i < packed->owned_count; i++)
        ki_free(packed->owned[i]);
    packed->owned_count = 0;
}

kith_status ki_pack_rows(const ki_copy *copy, ki_packed *packed)
{
    const ki_slab *slab = slab_of(copy);
    const size_t stride = padded_bytes(packed), bytes = row_bytes(packed);
    ki_rows *rows = &packed->set.rows;
    if (!copy->rows) {
        *rows = (ki_rows){.base = slab->base,
                          .stride = slab->stride,
                          .aux = slab->aux,
                          .aux_stride = slab->aux_stride,
                          .dim = rows->dim};
        return KITH_OK;
    }
    unsigned char *base = own(packed, copy->count * stride);
    unsigned char *aux = base ? own(packed, copy->count * sizeof(ki_aux)) : NULL;
    if (!aux)
        return ki_no_memory("the rows of a partition", copy->count * (stride + sizeof(ki_aux)));
    for (uint32_t i = 0; i < copy->count; i++) {
        unsigned char *to = base + i * stride;
        memcpy(to, ki_slab_row(slab, copy->rows[i]), bytes);
        memset(to + bytes, 0, stride - bytes);
        memcpy(aux + i * sizeof(ki_aux), ki_slab_aux(slab, copy->rows[i]), sizeof(ki_aux));
    }
    *rows = (ki_rows){
        .base = base, .stride = stride, .aux = aux, .aux_stride = sizeof(ki_aux), .dim = rows->dim};
    return KITH_OK;
}

/* ---- the graph ---- */

/* Layer 0 by places: rows that the graph does not hold have no link. */
static void pack_lowest(const ki_copy *copy, const ki_graph *graph, const uint32_t *place,
                        uint32_t *links)
{
    const ki_layer *layer = &graph->layer[0];
    for (uint32_t i = 0; i < copy->count; i++) {
        const uint32_t row = copy->rows[i];
        uint32_t *to = links + (size_t)i * layer->degree;
        if (row >= graph->seen) {
            memset(to, 0xff, layer->degree * sizeof *to);
            continue;
        }
        const uint32_t *from = ki_links(layer, row);
        for (uint32_t j = 0; j < layer->degree; j++)
            to[j] = from[j] == KI_NO_LINK ? KI_NO_LINK : place[from[j]];
    }
}

static kith_status pack_places(const ki_graph *graph, const uint32_t *place, ki_packed *packed)
{
    for (uint32_t l = 1; l < graph->layers; l++) {
        const ki_layer *layer = &graph->layer[l];
        const size_t bytes = layer->count * sizeof(uint32_t);
        uint32_t *row = own(packed, bytes);
        uint32_t *down = l == 1 ? row : layer->down; /* layer 1 leads to rows */
        if (!row)
            return ki_no_memory("the layers of a partition", bytes);
        for (uint32_t id = 0; id < layer->count; id++)
            row[id] = place[layer->row[id]];
        packed->layer[l].links = layer->links;
        packed->layer[l].row = row;
        packed->layer[l].down = down;
    }
    return KITH_OK;
}

static kith_status pack_by_places(const ki_copy *copy, const ki_graph *graph, ki_packed *packed)
{
    const size_t places = ((size_t)copy->rows[copy->count - 1] + 1) * sizeof(uint32_t);
    const size_t bytes = (size_t)copy->count * graph->layer[0].degree * sizeof(uint32_t);
    uint32_t *place = ki_alloc(places), *links = own(packed, bytes);
    kith_status status = KITH_OK;
    if (!place || !links)
        status = ki_no_memory("the links of a partition", places + bytes);
    for (uint32_t i = 0; i < copy->count && !status; i++)
        place[copy->rows[i]] = i;
    if (!status) {
        pack_lowest(copy, graph, place, links);
        packed->layer[0].links = links;
        packed->graph.entry = graph->layers > 1 ? graph->entry : place[graph->entry];
        status = pack_places(graph, place, packed);
    }
    ki_free(place);
    return status;
}

kith_status ki_pack_graph(const ki_copy *copy, ki_packed *packed)
{
    const ki_graph *graph = ki_part_graph(copy->parts, copy->p);
    if (!graph || !graph->layers || !copy->count)
        return KITH_OK;
    if (copy->rows) {
        kith_status status = pack_by_places(copy, graph, packed);
        if (status)
            return status;
    }
    for (uint32_t l = 0; l < graph->layers && !copy->rows; l++) {
        packed->layer[l].links = graph->layer[l].links;
        packed->layer[l].down = graph->layer[l].down;
        packed->layer[l].row = graph->layer[l].row;
        packed->graph.entry = graph->entry;
    }
    packed->graph.layer = packed->layer;
    packed->graph.layers = graph->layers;
    return KITH_OK;
}

/* ---- the digest ---- */

static uint64_t mix(const void *bytes, size_t count, uint64_t hash)
{
    return XXH3_64bits_withSeed(bytes, count, hash);
}

uint64_t ki_pack_digest(const ki_copy *copy, const ki_packed *packed)
{
    const ki_slab *slab = slab_of(copy);
    const size_t bytes = row_bytes(packed);
    const uint32_t head[] = {copy->count, packed->set.rows.dim, packed->graph.layers,
                             packed->graph.entry};
    uint64_t hash = mix(head, sizeof head, 0);
    for (uint32_t i = 0; i < copy->count; i++) {
        const uint32_t row = ki_copy_row(copy, i);
        hash = mix(&row, sizeof row, hash);
        hash = mix(ki_slab_row(slab, row), bytes, hash);
        hash = mix(ki_slab_aux(slab, row), sizeof(ki_aux), hash);
    }
    for (uint32_t l = 0; l < packed->graph.layers; l++) {
        const ki_device_layer *layer = &packed->layer[l];
        hash = mix(layer->links, (size_t)layer->count * layer->degree * sizeof(uint32_t), hash);
        hash = l ? mix(layer->down, layer->count * sizeof(uint32_t), hash) : hash;
        hash = l ? mix(layer->row, layer->count * sizeof(uint32_t), hash) : hash;
    }
    return hash;
}

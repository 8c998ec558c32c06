/* copy_pack.c - a partition as a device is given it: rows one after the other, links under places.
 *
 * May touch copy_inside.h. Places ascend as row numbers do, so (key, place) orders as (key, row)
 * and a walk over places is the walk over rows, tie for tie. The digest is taken of this form
 * whoever holds the copy, so copies of a partition can be told apart from what they should be.
 *
 * The one idea: a device may hang in the middle of taking what it is given, for ever, and builds
 * must go on. So what a build may change is copied first, and what never changes is read while the
 * device takes it:
 *   rows of the store    lie where they were written for as long as there is an index, which pins
 *                        the store: a freed row is not used again, and compaction is refused. So do
 *                        their side data. With one partition they are handed on where they lie.
 *   lists of rows        grow at their end only (parts.h); the first `count` are fixed.
 *   live bits            a copy has its own; who dies meanwhile, the next search tells the device.
 *   codes                a build that learns anew writes all of them in place: copied.
 *   links and layers     a build changes any of them: copied.
 * That costs the host the graph once more, and the codes, for as long as they are sent: at m = 16
 * 130 bytes a row, with SQ8 a byte a dimension besides. A first version sent them from where they
 * lie, under the locks, and a driver that hung stopped every build and every search behind it.
 */
#include "index/copy_inside.h"

#include <string.h>
#include <xxhash.h>

enum { ROW_ALIGN = 16, ROOM = 8 /* devices keep an eighth more for rows to come */ };

static size_t row_bytes(const ki_packed *packed)
{
    return ki_row_bytes((ki_pairing)packed->set.type, packed->set.rows.dim);
}

static size_t padded_bytes(const ki_packed *packed)
{
    return (row_bytes(packed) + ROW_ALIGN - 1) / ROW_ALIGN * ROW_ALIGN;
}

static void size_graph(const ki_graph *graph, ki_packed *packed)
{
    for (uint32_t l = 0; graph && l < graph->layers; l++) {
        ki_device_layer *layer = &packed->layer[l];
        layer->degree = graph->layer[l].degree;
        layer->count = l ? graph->layer[l].count : packed->set.count;
        packed->bytes += (uint64_t)layer->count * (layer->degree + (l ? 2 : 0)) * sizeof(uint32_t);
    }
}

void ki_pack_size(const ki_copy *copy, uint32_t count, ki_packed *out)
{
    const kith_store *store = ki_parts_whole(copy->parts)->store;
    const kith_store_options *so = &store->options;
    const ki_graph *graph = ki_part_graph(copy->parts, copy->p);
    const ki_codes *codes = graph ? graph->codes : NULL;
    *out = (ki_packed){.set = {.rows.dim = codes ? codes->dim : so->dim,
                               .count = count,
                               .type = codes ? KITH_I8 : so->type,
                               .metric = codes ? codes->metric : so->metric},
                       .slab = graph ? ki_graph_slab(graph) : ki_store_slab(store->engine),
                       .codes = codes,
                       .lessons = codes ? codes->lessons : 0};
    out->bytes = (uint64_t)count * (padded_bytes(out) + sizeof(ki_aux)) + count / 8;
    size_graph(graph, out);
    out->bytes += out->bytes / ROOM;
}

/* Memory for `count` things that ki_pack_close frees; NULL also when there cannot be so much. */
static void *own(ki_packed *packed, size_t count, size_t each)
{
    size_t bytes;
    void *block = ki_mul(count, each, &bytes) ? ki_alloc_aligned(64, bytes) : NULL;
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
    const ki_slab *slab = packed->slab;
    const size_t stride = padded_bytes(packed), bytes = row_bytes(packed);
    const uint32_t count = packed->set.count;
    ki_rows *rows = &packed->set.rows;
    if (!copy->rows && !packed->codes) {
        *rows = (ki_rows){.base = slab->base,
                          .stride = slab->stride,
                          .aux = slab->aux,
                          .aux_stride = slab->aux_stride,
                          .dim = rows->dim};
        return KITH_OK;
    }
    unsigned char *base = own(packed, count, stride);
    unsigned char *aux = base ? own(packed, count, sizeof(ki_aux)) : NULL;
    if (!aux)
        return ki_no_memory("the rows of a partition", count * (stride + sizeof(ki_aux)));
    for (uint32_t i = 0; i < count; i++) {
        unsigned char *to = base + i * stride;
        memcpy(to, ki_slab_row(slab, ki_copy_row(copy, i)), bytes);
        memset(to + bytes, 0, stride - bytes);
        memcpy(aux + i * sizeof(ki_aux), ki_slab_aux(slab, ki_copy_row(copy, i)), sizeof(ki_aux));
    }
    *rows = (ki_rows){
        .base = base, .stride = stride, .aux = aux, .aux_stride = sizeof(ki_aux), .dim = rows->dim};
    return KITH_OK;
}

/* ---- the graph ---- */

/* An array of the graph as it lies, or, to be kept, a copy; NULL when there is no memory. */
static const uint32_t *take(const uint32_t *from, size_t count, bool keep, ki_packed *packed)
{
    uint32_t *to = keep ? own(packed, count, sizeof *to) : NULL;
    if (to)
        memcpy(to, from, count * sizeof *to);
    return keep ? to : from;
}

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

/* What the ids of a layer stand for, by places; `place` is NULL where these are row numbers. */
static const uint32_t *pack_places(const ki_layer *layer, const uint32_t *place, bool keep,
                                   ki_packed *packed)
{
    if (!place)
        return take(layer->row, layer->count, keep, packed);
    uint32_t *row = own(packed, layer->count, sizeof *row);
    for (uint32_t id = 0; row && id < layer->count; id++)
        row[id] = place[layer->row[id]];
    return row;
}

static kith_status pack_upper(const ki_graph *graph, const uint32_t *place, bool keep,
                              ki_packed *packed)
{
    for (uint32_t l = 1; l < graph->layers; l++) {
        const ki_layer *layer = &graph->layer[l];
        const size_t links = (size_t)layer->count * layer->degree;
        ki_device_layer *to = &packed->layer[l];
        to->row = pack_places(layer, place, keep, packed);
        to->down = l == 1 ? to->row : take(layer->down, layer->count, keep, packed);
        to->links = take(layer->links, links, keep, packed);
        if (!to->row || !to->down || !to->links)
            return ki_no_memory("the layers of a partition", (links + layer->count) * 4);
    }
    return KITH_OK;
}

static kith_status pack_by_places(const ki_copy *copy, const ki_graph *graph, bool keep,
                                  ki_packed *packed)
{
    const size_t places = (size_t)copy->rows[copy->count - 1] + 1, degree = graph->layer[0].degree;
    uint32_t *place = ki_alloc(places * sizeof *place);
    uint32_t *links = own(packed, copy->count * degree, sizeof *links);
    kith_status status = KITH_OK;
    if (!place || !links)
        status = ki_no_memory("the links of a partition", 4 * (places + copy->count * degree));
    for (uint32_t i = 0; i < copy->count && !status; i++)
        place[copy->rows[i]] = i;
    if (!status) {
        pack_lowest(copy, graph, place, links);
        packed->layer[0].links = links;
        packed->graph.entry = graph->layers > 1 ? graph->entry : place[graph->entry];
        status = pack_upper(graph, place, keep, packed);
    }
    ki_free(place);
    return status;
}

/* With one partition places are row numbers, and nothing is to be translated. */
static kith_status pack_whole(const ki_copy *copy, const ki_graph *graph, bool keep,
                              ki_packed *packed)
{
    const ki_layer *lowest = &graph->layer[0];
    const size_t links = (size_t)copy->count * lowest->degree;
    packed->layer[0].links = take(lowest->links, links, keep, packed);
    packed->graph.entry = graph->entry;
    if (!packed->layer[0].links)
        return ki_no_memory("the links of a partition", links * 4);
    return pack_upper(graph, NULL, keep, packed);
}

kith_status ki_pack_graph(const ki_copy *copy, bool keep, ki_packed *packed)
{
    const ki_graph *graph = ki_part_graph(copy->parts, copy->p);
    if (!graph || !graph->layers || !copy->count)
        return KITH_OK;
    kith_status status = copy->rows ? pack_by_places(copy, graph, keep, packed)
                                    : pack_whole(copy, graph, keep, packed);
    if (status)
        return status;
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
    const ki_slab *slab = packed->slab;
    const ki_rows *rows = &packed->set.rows;
    const size_t bytes = row_bytes(packed);
    const uint32_t head[] = {copy->count, rows->dim, packed->graph.layers, packed->graph.entry};
    uint64_t hash = mix(head, sizeof head, 0);
    for (uint32_t i = 0; i < copy->count; i++) {
        const uint32_t row = ki_copy_row(copy, i);
        hash = mix(&row, sizeof row, hash);
        hash =
            mix(rows->base ? rows->base + i * rows->stride : ki_slab_row(slab, row), bytes, hash);
        hash = mix(rows->base ? rows->aux + i * rows->aux_stride : ki_slab_aux(slab, row),
                   sizeof(ki_aux), hash);
    }
    for (uint32_t l = 0; l < packed->graph.layers; l++) {
        const ki_device_layer *layer = &packed->layer[l];
        hash = mix(layer->links, (size_t)layer->count * layer->degree * sizeof(uint32_t), hash);
        hash = l ? mix(layer->down, layer->count * sizeof(uint32_t), hash) : hash;
        hash = l ? mix(layer->row, layer->count * sizeof(uint32_t), hash) : hash;
    }
    return hash;
}

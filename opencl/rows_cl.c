/* rows_cl.c - rows on a device: cut into buffers that the device allows, added to, dropped.
 *
 * May touch upload_cl.h and walk_cl.h. A device allows no buffer above
 * CL_DEVICE_MAX_MEM_ALLOC_SIZE, on a large GPU a quarter of its memory, so rows are cut into
 * chunks. A chunk is padded with zero rows to whole units (a tile of the kernel, a whole word of
 * live bits), which the kernel computes and does not offer.
 *
 * The one idea: what comes later goes behind what is there. The last buffer has room for an eighth
 * more rows, where memory is plenty, and new rows are sent wherever old ones lie, in blocks, in
 * lines (lines_cl.c) or in both. When the room is used up, all is made anew.
 */
#include "opencl/upload_cl.h"
#include "opencl/walk_cl.h"

#include <string.h>

enum { WORD_BYTES = 4, LIVE_BITS = 32, ROOM_SHARE = 8 };

uint32_t ki_cl_unit_rows(const ki_cl_shape *shape)
{
    const uint32_t tile = shape->lanes * shape->group;
    const uint32_t unit = tile > shape->block ? tile : shape->block;
    return unit > LIVE_BITS ? unit : LIVE_BITS;
}

/* ---- made ---- */

/* Rows that there is to be room for: an eighth more, unless the device would then be more than
 * half full with them. */
static uint64_t wanted_rows(const ki_device_rows *rows, uint32_t count)
{
    const uint64_t more = (uint64_t)count + count / ROOM_SHARE;
    const uint64_t row_bytes = ((uint64_t)rows->words + 1) * WORD_BYTES;
    return more * row_bytes <= ki_cl_room(rows->device) / 2 ? more : count;
}

static kith_status make_chunk(ki_device_rows *rows, ki_cl_chunk *chunk, const ki_row_set *set)
{
    const size_t room = chunk->room;
    kith_status status =
        ki_cl_buffer(rows->device, "rows", room * rows->words * WORD_BYTES, &chunk->rows);
    if (!status)
        status = ki_cl_buffer(rows->device, "side data", room * WORD_BYTES, &chunk->sides);
    if (!status)
        status = ki_cl_buffer(rows->device, "live bits", room / 8, &chunk->live);
    if (!status)
        status = ki_cl_upload(rows, set, chunk, 0, chunk->count);
    if (!status && set->live)
        status = ki_cl_upload_live(rows, set->live, chunk->first, chunk->count, chunk->live);
    return status;
}

static kith_status make_chunks(ki_device_rows *rows, const ki_row_set *set)
{
    const size_t unit = ki_cl_unit_rows(&rows->device->shape);
    const size_t unit_bytes = unit * rows->words * WORD_BYTES;
    const uint64_t most = rows->device->max_alloc / unit_bytes * unit;
    const uint64_t wanted = (wanted_rows(rows, set->count) + unit - 1) / unit * unit;
    const uint64_t per_chunk = wanted < most ? wanted : most;
    if (per_chunk == 0)
        return ki_fail(KITH_ENOMEM, "%s takes buffers of %zu bytes, %zu rows of %u need %zu",
                       rows->device->found.info.id, rows->device->max_alloc, unit,
                       (unsigned)rows->dim, unit_bytes);
    const size_t count = (set->count - 1) / per_chunk + 1;
    rows->chunks = ki_zalloc(count * sizeof *rows->chunks);
    if (!rows->chunks)
        return ki_no_memory("rows of a device", count * sizeof *rows->chunks);
    rows->chunk_count = count;
    kith_status status = KITH_OK;
    for (size_t i = 0; !status && i < count; i++) {
        ki_cl_chunk *chunk = &rows->chunks[i];
        const uint64_t first = i * per_chunk, left = set->count - first;
        const uint64_t room = wanted - first < per_chunk ? wanted - first : per_chunk;
        chunk->first = (uint32_t)first;
        chunk->count = (uint32_t)(left < per_chunk ? left : per_chunk);
        chunk->room = (uint32_t)room;
        status = make_chunk(rows, chunk, set);
    }
    return status;
}

static kith_status make_rows(ki_cl_device *device, const ki_row_set *set, ki_device_rows **out)
{
    ki_device_rows *rows = ki_zalloc(sizeof *rows);
    if (!rows)
        return ki_no_memory("rows of a device", sizeof *rows);
    const size_t row_bytes = kith_vector_bytes(set->type, set->rows.dim);
    rows->device = device;
    rows->type = set->type;
    rows->metric = set->metric;
    rows->dim = set->rows.dim;
    rows->words = (uint32_t)((row_bytes + WORD_BYTES - 1) / WORD_BYTES);
    rows->count = set->count;
    rows->all_live = !set->live;
    const kith_status status = rows->count > 0 ? make_chunks(rows, set) : KITH_OK;
    if (status)
        ki_cl_drop_rows(rows);
    else
        *out = rows;
    return status;
}

/* ---- added to ---- */

static bool takes_more(const ki_device_rows *rows, const ki_row_set *set)
{
    if (set->type != rows->type || set->metric != rows->metric || set->rows.dim != rows->dim ||
        set->count < rows->count || rows->chunk_count == 0)
        return false;
    const ki_cl_chunk *last = &rows->chunks[rows->chunk_count - 1];
    return set->count - last->first <= last->room &&
           (!rows->lines || set->count <= rows->lines_room);
}

/* Rows behind `count` stay unseen until all of them are there. */
static kith_status add_rows(ki_device_rows *rows, const ki_row_set *set)
{
    ki_cl_chunk *last = &rows->chunks[rows->chunk_count - 1];
    const uint32_t before_count = rows->count, before = last->count;
    const uint32_t after = set->count - last->first;
    ki_cl_drop_graph(rows);
    kith_status status = after > before ? ki_cl_upload(rows, set, last, before, after) : KITH_OK;
    if (status)
        return status;
    rows->count = set->count;
    last->count = after;
    status = ki_cl_set_live(rows, set->live);
    if (status) {
        rows->count = before_count;
        last->count = before;
    }
    return status;
}

kith_status ki_cl_put_rows(ki_device *device, const ki_row_set *set, ki_device_rows **out)
{
    ki_device_rows *made = NULL;
    if (*out && takes_more(*out, set))
        return add_rows(*out, set);
    kith_status status = make_rows((ki_cl_device *)device, set, &made);
    if (status && *out) { /* there may be room for one of them */
        ki_cl_drop_rows(*out);
        *out = NULL;
        status = make_rows((ki_cl_device *)device, set, &made);
    }
    if (status)
        return status;
    ki_cl_drop_rows(*out);
    *out = made;
    return KITH_OK;
}

/* ---- who lives ---- */

/* All chunks change together or not at all: new buffers are filled before any is exchanged. */
kith_status ki_cl_set_live(ki_device_rows *rows, const uint64_t *live)
{
    kith_status status = KITH_OK;
    cl_mem *fresh = NULL;
    if (live && rows->chunk_count > 0) {
        fresh = ki_zalloc(rows->chunk_count * sizeof *fresh);
        if (!fresh)
            return ki_no_memory("live bits of a device", rows->chunk_count * sizeof *fresh);
    }
    for (size_t i = 0; fresh && i < rows->chunk_count && !status; i++) {
        const ki_cl_chunk *chunk = &rows->chunks[i];
        status = ki_cl_buffer(rows->device, "live bits", chunk->room / 8, &fresh[i]);
        if (!status)
            status = ki_cl_upload_live(rows, live, chunk->first, chunk->count, fresh[i]);
    }
    for (size_t i = 0; fresh && i < rows->chunk_count; i++) {
        cl_mem *old = status ? &fresh[i] : &rows->chunks[i].live;
        ki_cl_release(rows->device, old);
        if (!status)
            *old = fresh[i];
    }
    ki_free(fresh);
    if (!status)
        rows->all_live = !live;
    return status;
}

/* ---- dropped ---- */

void ki_cl_drop_rows(ki_device_rows *rows)
{
    if (!rows)
        return;
    ki_cl_device *device = rows->device;
    for (size_t i = 0; i < rows->chunk_count; i++) {
        ki_cl_release(device, &rows->chunks[i].rows);
        ki_cl_release(device, &rows->chunks[i].sides);
        ki_cl_release(device, &rows->chunks[i].live);
    }
    ki_cl_drop_graph(rows);
    ki_cl_release(device, &rows->lines);
    ki_cl_release(device, &rows->walk_counts.buffer);
    ki_cl_release(device, &rows->lists.buffer);
    ki_cl_release(device, &rows->bounds.buffer);
    ki_cl_release(device, &rows->queries.buffer);
    ki_cl_release(device, &rows->query_sides.buffer);
    ki_cl_release(device, &rows->answers.buffer);
    ki_cl_release(device, &rows->keys.buffer);
    ki_cl_release(device, &rows->digits.buffer);
    ki_cl_release(device, &rows->chosen.buffer);
    ki_cl_release(device, &rows->counts.buffer);
    ki_cl_release(device, &rows->limits.buffer);
    ki_free(rows->chunks);
    ki_free(rows);
}

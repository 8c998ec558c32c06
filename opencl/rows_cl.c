/* rows_cl.c - takes rows to a device: interleaved, and cut into buffers that the device allows.
 *
 * May touch device_cl.h. The one idea: the copy is the moment to choose the layout. Word w of a
 * block's rows lies side by side, so that neighbouring lanes read neighbouring words whatever
 * the dimension, and no lane ever reads a part of a row that another lane needs.
 *
 * A device allows no buffer above CL_DEVICE_MAX_MEM_ALLOC_SIZE, on a large GPU a quarter of its
 * memory, so rows are cut into chunks. A chunk is padded with zero rows to whole units (a tile
 * of the kernel, a whole word of live bits), which the kernel computes and does not offer.
 */
#include "opencl/device_cl.h"

#include <string.h>

enum { STAGING_BYTES = 8 << 20, WORD_BYTES = 4, LIVE_BITS = 32 };

uint32_t ki_cl_unit_rows(const ki_cl_shape *shape)
{
    const uint32_t tile = shape->lanes * shape->group;
    const uint32_t unit = tile > shape->block ? tile : shape->block;
    return unit > LIVE_BITS ? unit : LIVE_BITS;
}

static uint32_t round_up(uint32_t n, uint32_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

/* Writes `count` rows from `first` interleaved to `out`, a whole number of blocks of zeros. */
static void interleave(const ki_row_set *set, uint32_t first, uint32_t count, uint32_t block,
                       uint32_t words, uint32_t *out)
{
    const size_t row_bytes = kith_vector_bytes(set->type, set->rows.dim);
    const size_t whole = row_bytes / WORD_BYTES;
    for (uint32_t i = 0; i < count; i++) {
        const unsigned char *row = set->rows.base + (size_t)(first + i) * set->rows.stride;
        uint32_t *to = out + (size_t)(i / block) * words * block + i % block;
        for (size_t w = 0; w < whole; w++)
            memcpy(to + w * block, row + w * WORD_BYTES, WORD_BYTES);
        if (whole < words)
            memcpy(to + whole * block, row + whole * WORD_BYTES, row_bytes - whole * WORD_BYTES);
    }
}

/* What the metric needs of a row beside its elements, as bits. */
static uint32_t side_of(const ki_row_set *set, uint32_t row)
{
    ki_aux aux;
    uint32_t bits = 0;
    memcpy(&aux, set->rows.aux + (size_t)row * set->rows.aux_stride, sizeof aux);
    if (set->metric == KITH_COSINE)
        memcpy(&bits, &aux.inv_norm, sizeof bits);
    else if (set->metric == KITH_JACCARD ||
             (set->metric == KITH_L2SQ && ki_cl_whole((ki_pairing)set->type)))
        bits = aux.inorm2;
    return bits;
}

/* One piece of staging: what is copied in one go. */
typedef struct upload {
    const ki_row_set *set;
    uint32_t *staging;
    uint32_t piece_rows; /* a multiple of the unit */
    uint32_t unit;
} upload;

static kith_status upload_rows(ki_device_rows *rows, const ki_cl_chunk *chunk, const upload *up)
{
    const uint32_t padded = round_up(chunk->count, up->unit);
    const size_t row_words = rows->words;
    for (uint32_t done = 0; done < padded; done += up->piece_rows) {
        const uint32_t piece = padded - done < up->piece_rows ? padded - done : up->piece_rows;
        const uint32_t real = chunk->count - done < piece ? chunk->count - done : piece;
        memset(up->staging, 0, piece * row_words * WORD_BYTES);
        interleave(up->set, chunk->first + done, real, rows->device->shape.block, rows->words,
                   up->staging);
        const kith_status status =
            ki_cl_write(rows->device, "rows", chunk->rows, done * row_words * WORD_BYTES,
                        up->staging, piece * row_words * WORD_BYTES);
        if (status)
            return status;
    }
    return KITH_OK;
}

/* Side data and live bits: both fit in a staging of one word a row. */
static kith_status upload_sides(ki_device_rows *rows, const ki_cl_chunk *chunk, const upload *up)
{
    const uint64_t *live = up->set->live;
    for (uint32_t done = 0; done < chunk->count; done += up->piece_rows) {
        const uint32_t left = chunk->count - done;
        const uint32_t piece = left < up->piece_rows ? left : up->piece_rows;
        for (uint32_t i = 0; i < piece; i++)
            up->staging[i] = side_of(up->set, chunk->first + done + i);
        kith_status status =
            ki_cl_write(rows->device, "side data", chunk->sides, (size_t)done * WORD_BYTES,
                        up->staging, (size_t)piece * WORD_BYTES);
        if (status)
            return status;
        if (!live)
            continue;
        const uint32_t live_words = (piece + LIVE_BITS - 1) / LIVE_BITS;
        memset(up->staging, 0, (size_t)live_words * WORD_BYTES);
        for (uint32_t i = 0; i < piece; i++) {
            const size_t row = (size_t)chunk->first + done + i;
            up->staging[i / LIVE_BITS] |= (uint32_t)(live[row / 64] >> (row % 64) & 1)
                                          << (i % LIVE_BITS);
        }
        status = ki_cl_write(rows->device, "live bits", chunk->live,
                             (size_t)done / LIVE_BITS * WORD_BYTES, up->staging,
                             (size_t)live_words * WORD_BYTES);
        if (status)
            return status;
    }
    return KITH_OK;
}

static kith_status make_chunk(ki_device_rows *rows, ki_cl_chunk *chunk, const upload *up)
{
    const size_t padded = round_up(chunk->count, up->unit);
    const size_t live_bytes = rows->all_live ? WORD_BYTES : padded / 8;
    kith_status status =
        ki_cl_buffer(rows->device, "rows", padded * rows->words * WORD_BYTES, &chunk->rows);
    if (!status)
        status = ki_cl_buffer(rows->device, "side data", padded * WORD_BYTES, &chunk->sides);
    if (!status)
        status = ki_cl_buffer(rows->device, "live bits", live_bytes, &chunk->live);
    if (!status)
        status = upload_rows(rows, chunk, up);
    if (!status)
        status = upload_sides(rows, chunk, up);
    return status;
}

/* How many rows a buffer takes, a multiple of the unit; 0 when not even one unit fits. */
static uint32_t rows_of_a_chunk(const ki_device_rows *rows, uint32_t unit)
{
    const size_t unit_bytes = (size_t)unit * rows->words * WORD_BYTES;
    const size_t units = rows->device->max_alloc / unit_bytes;
    const size_t wanted = round_up(rows->count, unit) / unit;
    return (uint32_t)(units < wanted ? units : wanted) * unit;
}

static kith_status make_chunks(ki_device_rows *rows, const ki_row_set *set)
{
    upload up = {.set = set, .unit = ki_cl_unit_rows(&rows->device->shape)};
    const size_t row_bytes = (size_t)rows->words * WORD_BYTES;
    const uint32_t per_chunk = rows_of_a_chunk(rows, up.unit);
    if (per_chunk == 0)
        return ki_fail(KITH_ENOMEM, "%s takes buffers of %zu bytes, %u rows of %u need %zu",
                       rows->device->found.info.id, rows->device->max_alloc, (unsigned)up.unit,
                       (unsigned)rows->dim, up.unit * row_bytes);
    const size_t count = (rows->count - 1) / per_chunk + 1;
    const size_t staged = STAGING_BYTES / (up.unit * row_bytes);
    up.piece_rows = up.unit * (uint32_t)(staged ? staged : 1);
    if (up.piece_rows > per_chunk)
        up.piece_rows = per_chunk;
    rows->chunks = ki_zalloc(count * sizeof *rows->chunks);
    up.staging = ki_alloc(up.piece_rows * row_bytes);
    kith_status status = KITH_OK;
    if (!rows->chunks || !up.staging)
        status = ki_no_memory("rows on their way to a device", up.piece_rows * row_bytes);
    else
        rows->chunk_count = count;
    for (size_t i = 0; !status && i < count; i++) {
        ki_cl_chunk *chunk = &rows->chunks[i];
        chunk->first = (uint32_t)i * per_chunk;
        const uint32_t left = rows->count - chunk->first;
        chunk->count = left < per_chunk ? left : per_chunk;
        status = make_chunk(rows, chunk, &up);
    }
    ki_free(up.staging);
    return status;
}

void ki_cl_drop_rows(ki_device_rows *rows)
{
    if (!rows)
        return;
    const ki_cl *cl = rows->device->found.cl;
    for (size_t i = 0; i < rows->chunk_count; i++) {
        ki_cl_release(cl, &rows->chunks[i].rows);
        ki_cl_release(cl, &rows->chunks[i].sides);
        ki_cl_release(cl, &rows->chunks[i].live);
    }
    ki_cl_release(cl, &rows->lists.buffer);
    ki_cl_release(cl, &rows->bounds.buffer);
    ki_cl_release(cl, &rows->queries.buffer);
    ki_cl_release(cl, &rows->query_sides.buffer);
    ki_cl_release(cl, &rows->answers.buffer);
    ki_free(rows->chunks);
    ki_free(rows);
}

kith_status ki_cl_put_rows(ki_device *device, const ki_row_set *set, ki_device_rows **out)
{
    ki_device_rows *rows = ki_zalloc(sizeof *rows);
    if (!rows)
        return ki_no_memory("rows of a device", sizeof *rows);
    const size_t row_bytes = kith_vector_bytes(set->type, set->rows.dim);
    rows->device = (ki_cl_device *)device;
    rows->type = set->type;
    rows->metric = set->metric;
    rows->dim = set->rows.dim;
    rows->words = (uint32_t)((row_bytes + WORD_BYTES - 1) / WORD_BYTES);
    rows->count = set->count;
    rows->all_live = !set->live;
    const kith_status status = rows->count > 0 ? make_chunks(rows, set) : KITH_OK;
    if (status) {
        ki_cl_drop_rows(rows);
        return status;
    }
    *out = rows;
    return KITH_OK;
}

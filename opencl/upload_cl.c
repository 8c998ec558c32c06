/* upload_cl.c - copies rows to a device: interleaved for scans, as lines for walks.
 *
 * May touch walk_cl.h and staging_cl.h. The one idea: the copy is the moment to choose the layout.
 * Word w of a block's rows lies side by side, so that neighbouring lanes of a scan read
 * neighbouring words whatever the dimension. A walk wants one row here and one there, and reads
 * lines.
 *
 * Rows travel in pieces through a staging. A piece of blocks is whole units; where new rows
 * begin in the middle of a unit, the device's own copy of it is read back and completed, so that
 * old rows are not asked of the host again.
 */
#include "opencl/staging_cl.h"
#include "opencl/upload_cl.h"
#include "opencl/walk_cl.h"

#include <string.h>

enum { STAGING_BYTES = 4 << 20, WORD_BYTES = 4, LIVE_BITS = 32 };

static uint32_t round_up(uint32_t n, uint32_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

/* One upload. */
typedef struct upload {
    ki_device_rows *rows;
    const ki_row_set *set;
    const ki_cl_chunk *chunk;
    ki_cl_staging ring;
    uint32_t *staging; /* of the piece that is being filled */
    size_t row_bytes;  /* of the set */
    uint32_t unit;
    uint32_t piece_rows; /* a multiple of the unit */
} upload;

/* Memory for the next piece, all zeros. */
static kith_status next_piece(upload *up, size_t bytes)
{
    void *memory = NULL;
    const kith_status status = ki_cl_staging_next(&up->ring, &memory);
    if (status)
        return status;
    up->staging = memory;
    memset(memory, 0, bytes);
    return KITH_OK;
}

static const unsigned char *row_at(const upload *up, uint32_t i)
{
    return up->set->rows.base + (size_t)(up->chunk->first + i) * up->set->rows.stride;
}

/* Writes `count` rows from `first` of the chunk into places at.. of whole blocks of zeros. */
static void interleave(const upload *up, uint32_t first, uint32_t count, uint32_t at)
{
    const uint32_t block = up->rows->device->shape.block, words = up->rows->words;
    const size_t whole = up->row_bytes / WORD_BYTES;
    for (uint32_t i = at; i < at + count; i++) {
        const unsigned char *row = row_at(up, first + i - at);
        uint32_t *to = up->staging + (size_t)(i / block) * words * block + i % block;
        for (size_t w = 0; w < whole; w++)
            memcpy(to + w * block, row + w * WORD_BYTES, WORD_BYTES);
        if (whole < words)
            memcpy(to + whole * block, row + whole * WORD_BYTES,
                   up->row_bytes - whole * WORD_BYTES);
    }
}

/* The unit of blocks that begins with row `first`, back from the device. */
static kith_status read_unit(const upload *up, uint32_t first)
{
    ki_cl_device *device = up->rows->device;
    const size_t row_bytes = (size_t)up->rows->words * WORD_BYTES;
    const cl_int code = KI_CL(device->found.cl->EnqueueReadBuffer(
        device->queue, up->chunk->rows, CL_TRUE, first * row_bytes, up->unit * row_bytes,
        up->staging, 0, NULL, NULL));
    if (code)
        return ki_cl_fail(code, "clEnqueueReadBuffer", device->found.info.id,
                          "%u rows of %zu bytes", (unsigned)up->unit, row_bytes);
    return KITH_OK;
}

static kith_status send_blocks(upload *up, uint32_t first, uint32_t stop)
{
    const size_t row_bytes = (size_t)up->rows->words * WORD_BYTES;
    kith_status status = KITH_OK;
    for (uint32_t done = first / up->unit * up->unit; done < stop && !status;
         done += up->piece_rows) {
        const uint32_t left = round_up(stop - done, up->unit);
        const uint32_t piece = left < up->piece_rows ? left : up->piece_rows;
        const uint32_t from = done < first ? first : done;
        const uint32_t to = stop - done < piece ? stop : done + piece;
        status = next_piece(up, piece * row_bytes);
        if (!status && from > done)
            status = read_unit(up, done);
        if (status)
            return status;
        interleave(up, from, to - from, from - done);
        status = ki_cl_staging_send(&up->ring, "rows", up->chunk->rows, done * row_bytes,
                                    piece * row_bytes);
    }
    return status;
}

static kith_status send_lines(upload *up, uint32_t first, uint32_t stop)
{
    const size_t line_bytes = (size_t)ki_cl_stride(up->rows) * WORD_BYTES;
    kith_status status = KITH_OK;
    for (uint32_t done = first; done < stop && !status; done += up->piece_rows) {
        const uint32_t piece = stop - done < up->piece_rows ? stop - done : up->piece_rows;
        status = next_piece(up, piece * line_bytes);
        if (status)
            return status;
        for (uint32_t i = 0; i < piece; i++)
            memcpy((unsigned char *)up->staging + i * line_bytes, row_at(up, done + i),
                   up->row_bytes);
        status = ki_cl_staging_send(&up->ring, "rows", up->rows->lines, done * line_bytes,
                                    piece * line_bytes);
    }
    return status;
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

/* A word a row: what holds rows holds these. */
static kith_status send_sides(upload *up, uint32_t first, uint32_t stop)
{
    kith_status status = KITH_OK;
    for (uint32_t done = first; done < stop && !status; done += up->piece_rows) {
        const uint32_t piece = stop - done < up->piece_rows ? stop - done : up->piece_rows;
        status = next_piece(up, (size_t)piece * WORD_BYTES);
        if (status)
            return status;
        for (uint32_t i = 0; i < piece; i++)
            up->staging[i] = side_of(up->set, up->chunk->first + done + i);
        status = ki_cl_staging_send(&up->ring, "side data", up->chunk->sides,
                                    (size_t)done * WORD_BYTES, (size_t)piece * WORD_BYTES);
    }
    return status;
}

kith_status ki_cl_upload(ki_device_rows *rows, const ki_row_set *set, const ki_cl_chunk *chunk,
                         uint32_t first, uint32_t stop)
{
    upload up = {.rows = rows,
                 .set = set,
                 .chunk = chunk,
                 .row_bytes = kith_vector_bytes(set->type, set->rows.dim),
                 .unit = ki_cl_unit_rows(&rows->device->shape)};
    const size_t line_bytes = (size_t)ki_cl_stride(rows) * WORD_BYTES; /* no less than a row's */
    const size_t units = STAGING_BYTES / (up.unit * line_bytes);
    const uint32_t wanted = (stop - first / up.unit * up.unit - 1) / up.unit + 1;
    up.piece_rows = up.unit * (units == 0 ? 1 : units < wanted ? (uint32_t)units : wanted);
    kith_status status = ki_cl_staging_open(rows->device, up.piece_rows * line_bytes, &up.ring);
    if (!status && chunk->rows)
        status = send_blocks(&up, first, stop);
    if (!status && rows->lines)
        status = send_lines(&up, first, stop);
    if (!status)
        status = send_sides(&up, first, stop);
    if (!status)
        status = ki_cl_staging_finish(&up.ring);
    ki_cl_staging_close(&up.ring);
    return status;
}

kith_status ki_cl_upload_live(ki_device_rows *rows, const uint64_t *live, uint32_t first,
                              uint32_t count, cl_mem buffer)
{
    const size_t bytes = (size_t)round_up(count, LIVE_BITS) / LIVE_BITS * WORD_BYTES;
    uint32_t *staging = ki_zalloc(bytes);
    if (!staging)
        return ki_no_memory("live bits on their way to a device", bytes);
    for (uint32_t i = 0; i < count; i++) {
        const size_t row = (size_t)first + i;
        staging[i / LIVE_BITS] |= (uint32_t)(live[row / 64] >> (row % 64) & 1) << (i % LIVE_BITS);
    }
    const kith_status status = ki_cl_write(rows->device, "live bits", buffer, 0, staging, bytes);
    ki_free(staging);
    return status;
}

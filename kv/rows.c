/* rows.c - rows of one length in an arena, each with 16 bytes of side data.
 *
 * May touch rows.h, and through it the arena. The one idea: rows end on a 64-byte line anyway,
 * so where 16 bytes of the last line are free, the side data (a norm, a scale) lies there and
 * arrives with the row. Only rows that fill their last line pay for an array beside them.
 *
 * Padding is zero because the arena hands out zeros and a write touches nothing but elements and
 * side data; a row that is used again therefore needs no clearing.
 */
#include "kv/rows.h"

#include <assert.h>
#include <string.h>

/* base NULL: the rows lie in an arena of the slab's own. */
static kith_status open_slab(size_t row_bytes, uint32_t max_rows, unsigned char *base, ki_slab *out)
{
    ki_slab slab = {.row_bytes = row_bytes};
    size_t rows_most, aux_most;
    kith_status status = KITH_OK;
    if (!ki_round_up(row_bytes, KI_LINE, &slab.stride) ||
        !ki_mul(slab.stride, max_rows, &rows_most) || !ki_mul(KI_AUX_BYTES, max_rows, &aux_most))
        return ki_fail(KITH_ENOMEM, "%u rows of %zu bytes are more than memory can address",
                       max_rows, row_bytes);
    bool aux_behind_row = slab.stride - row_bytes >= KI_AUX_BYTES;
    if (base == NULL)
        status = ki_arena_open(rows_most, &slab.rows_arena);
    if (status == KITH_OK && !aux_behind_row)
        status = ki_arena_open(aux_most, &slab.aux_arena);
    if (status != KITH_OK) {
        ki_slab_close(&slab);
        return status;
    }
    slab.base = base ? base : slab.rows_arena.base;
    slab.aux = aux_behind_row ? slab.base + slab.stride - KI_AUX_BYTES : slab.aux_arena.base;
    slab.aux_stride = aux_behind_row ? slab.stride : (size_t)KI_AUX_BYTES;
    *out = slab;
    return KITH_OK;
}

kith_status ki_slab_open(size_t row_bytes, uint32_t max_rows, ki_slab *out)
{
    return open_slab(row_bytes, max_rows, NULL, out);
}

kith_status ki_slab_over(size_t row_bytes, uint32_t max_rows, unsigned char *base, ki_slab *out)
{
    return open_slab(row_bytes, max_rows, base, out);
}

void ki_slab_close(ki_slab *slab)
{
    ki_arena_close(&slab->rows_arena);
    ki_arena_close(&slab->aux_arena);
    *slab = (ki_slab){0};
}

kith_status ki_slab_grow(ki_slab *slab, uint32_t count)
{
    size_t rows_bytes, aux_bytes;
    kith_status status;
    if (count <= slab->count)
        return KITH_OK;
    if (!ki_mul(slab->stride, count, &rows_bytes) || !ki_mul(KI_AUX_BYTES, count, &aux_bytes))
        return ki_fail(KITH_ENOMEM, "%u rows of %zu bytes are more than memory can address", count,
                       slab->stride);
    status = slab->rows_arena.base ? ki_arena_grow(&slab->rows_arena, rows_bytes) : KITH_OK;
    if (status == KITH_OK && slab->aux_arena.base != NULL)
        status = ki_arena_grow(&slab->aux_arena, aux_bytes);
    if (status == KITH_OK)
        slab->count = count;
    return status;
}

void ki_slab_write(ki_slab *slab, uint32_t row, const void *elements, const void *aux)
{
    assert(row < slab->count);
    memcpy(ki_slab_row(slab, row), elements, slab->row_bytes);
    memcpy(ki_slab_aux(slab, row), aux, KI_AUX_BYTES);
}

size_t ki_slab_bytes(const ki_slab *slab)
{
    return slab->rows_arena.committed + slab->aux_arena.committed;
}

/* rows.h - rows of one length with 16 bytes of side data, at addresses that never change.
 *
 * May include arena.h only; has no opinion about nearness. A row starts on a 64-byte line; the
 * bytes behind its elements are zero up to the next row, but for the side data (aux) when it
 * fits there: then the kernel finds it in a line that it reads anyway. When the padding has no
 * 16 bytes to spare, aux lies in an array of its own, four to a line.
 */
#ifndef KI_ROWS_H
#define KI_ROWS_H

#include "kv/arena.h"

enum { KI_LINE = 64, KI_AUX_BYTES = 16 };

typedef struct ki_slab {
    ki_arena rows_arena;
    ki_arena aux_arena; /* empty when aux lies behind the row */
    unsigned char *base;
    unsigned char *aux;
    size_t row_bytes;
    size_t stride;
    size_t aux_stride; /* stride or 16 */
    uint32_t count;    /* rows that may be addressed */
} ki_slab;

/* row_bytes from 1; room for at most max_rows. Nothing is committed yet. */
kith_status ki_slab_open(size_t row_bytes, uint32_t max_rows, ki_slab *out);
void ki_slab_close(ki_slab *slab);

/* Rows whose bytes lie elsewhere, at an address that never changes: `base` belongs to the caller,
 * and so does writing them. Side data that do not fit behind the row have an arena here. */
kith_status ki_slab_over(size_t row_bytes, uint32_t max_rows, unsigned char *base, ki_slab *out);

/* Makes rows 0..count-1 addressable; new ones are zero. ENOMEM leaves what there was. */
kith_status ki_slab_grow(ki_slab *slab, uint32_t count);

/* Writes a row and its side data; padding stays zero. `row` < count. */
void ki_slab_write(ki_slab *slab, uint32_t row, const void *elements, const void *aux);

size_t ki_slab_bytes(const ki_slab *slab); /* committed memory */

static inline unsigned char *ki_slab_row(const ki_slab *slab, uint32_t row)
{
    return slab->base + (size_t)row * slab->stride;
}

static inline unsigned char *ki_slab_aux(const ki_slab *slab, uint32_t row)
{
    return slab->aux + (size_t)row * slab->aux_stride;
}

#endif

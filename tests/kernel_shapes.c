/* kernel_shapes.c - the check that a row's key depends on the row and the query alone.
 *
 * May include kernels/ headers and the C library. The pair kernel on packed, aligned rows gives
 * the bits; the same rows are then copied to an odd address at an odd stride, and every shape must
 * give those bits again. Words in front of and behind the keys must survive.
 */
#include "tests/kernel_cases.h"
#include <string.h>

enum { GUARD = 16, WORD = 0x5a17c0de };

void kc_lay_out(kc_layout *to, const kc_set *set, unsigned offset, uint64_t *random)
{
    static const size_t gaps[] = {0, 1, 3, 13, 52, 64}, aux_strides[] = {16, 20, 64};
    static const uint32_t lines[] = {0, 2, 8, 64};
    size_t stride = set->row_bytes + gaps[check_below(random, 6)];
    size_t aux_stride = aux_strides[check_below(random, 3)];
    size_t bytes = (stride * set->count + 191) / 64 * 64;
    to->block = aligned_alloc(64, bytes);
    to->aux_block = aligned_alloc(64, 64 * (size_t)set->count);
    if (!to->block || !to->aux_block)
        abort();
    memset(to->block, 0xff, bytes);
    memset(to->aux_block, 0xff, 64 * (size_t)set->count);
    for (uint32_t r = 0; r < set->count; r++) {
        memcpy(to->block + offset + r * stride, kc_row(set, r), set->row_bytes);
        memcpy(to->aux_block + r * aux_stride, &set->aux[r], sizeof(ki_aux));
    }
    to->rows = (ki_rows){.base = to->block + offset,
                         .stride = stride,
                         .aux = to->aux_block,
                         .aux_stride = aux_stride,
                         .dim = set->dim,
                         .prefetch_lines = lines[check_below(random, 4)]};
}

void kc_layout_close(kc_layout *layout)
{
    free(layout->block);
    free(layout->aux_block);
}

static void set_guards(uint32_t *keys)
{
    for (size_t i = 0; i < KC_MOST_ROWS + 2 * GUARD; i++)
        keys[i] = WORD;
}

/* keys[GUARD .. GUARD + n - 1] were asked for; everything else must still be there. */
static const char *judge(const kc_slot *slot, const kc_set *set, const ki_rows *rows,
                         const char *shape, const uint32_t *ids, size_t n, const uint32_t *keys,
                         const uint32_t *right)
{
    for (size_t i = 0; i < n; i++)
        if (keys[GUARD + i] != right[ids[i]])
            return kc_say(slot, set,
                          "%s of %zu rows at %p + %zu a row, prefetching %u lines: key %zu (row "
                          "%u) is %#x, alone it was %#x",
                          shape, n, (const void *)rows->base, rows->stride, rows->prefetch_lines, i,
                          ids[i], keys[GUARD + i], right[ids[i]]);
    for (size_t i = 0; i < KC_MOST_ROWS + 2 * GUARD; i++)
        if ((i < GUARD || i >= GUARD + n) && keys[i] != WORD)
            return kc_say(slot, set, "%s of %zu rows wrote to key %d", shape, n,
                          (int)i - (int)GUARD);
    return NULL;
}

static const char *check_layout(const kc_slot *slot, const kc_set *set, const ki_query *query,
                                const ki_rows *rows, const uint32_t *right, uint64_t *random)
{
    uint32_t ids[KC_MOST_ROWS], keys[KC_MOST_ROWS + 2 * GUARD];
    size_t n = check_below(random, set->count);
    const char *why;

    kc_draw_ids(ids, n, set->count, random);
    set_guards(keys);
    slot->kernel->gather(query, rows, ids, n, keys + GUARD);
    if ((why = judge(slot, set, rows, "gather", ids, n, keys, right)))
        return why;
    set_guards(keys);
    for (size_t i = 0; i < n; i++)
        keys[GUARD + i] = slot->kernel->pair(query, rows, ids[i]);
    if ((why = judge(slot, set, rows, "pair", ids, n, keys, right)))
        return why;
    uint32_t first = check_below(random, set->count - (uint32_t)n + 1);
    for (size_t i = 0; i < n; i++)
        ids[i] = first + (uint32_t)i;
    set_guards(keys);
    slot->kernel->range(query, rows, first, n, keys + GUARD);
    return judge(slot, set, rows, "range", ids, n, keys, right);
}

const char *kc_check_shapes(const kc_slot *slot, kc_set *set, unsigned offset, uint64_t *random)
{
    uint32_t right[KC_MOST_ROWS];
    ki_rows packed = kc_view(set);
    kc_layout odd;
    if (set->count > KC_MOST_ROWS)
        return kc_say(slot, set, "%u rows are more than the check has room for", set->count);
    const ki_query *query = kc_prepare(slot, set, 0);
    for (uint32_t r = 0; r < set->count; r++)
        right[r] = slot->kernel->pair(query, &packed, r);
    kc_lay_out(&odd, set, offset, random);
    const char *why = check_layout(slot, set, query, &odd.rows, right, random);
    kc_layout_close(&odd);
    return why;
}

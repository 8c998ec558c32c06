/* kernel_mutants.c - kernels that are wrong in one way each.
 *
 * May include kernels/ headers and the C library. Each mutant wraps a real kernel and spoils one
 * thing that kernels get wrong: the last element or bit, the last rows of a group, the edge of a
 * tile, the row number, side data, the last bits of a key, queries that were packed before.
 */
#include "tests/kernel_mutants.h"
#include "kernels/keys.h"
#include <string.h>

enum { ROW_BYTES = 1024 };

static kc_slot real; /* what the mutants below wrap */

/* The row with its last element or bit changed, and its own side data. */
static uint32_t key_without_last(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    unsigned char row[ROW_BYTES];
    kc_set like;
    kc_open(&like, real.pairing, false, rows->dim, 1, 0, 1);
    memcpy(row, rows->base + id * rows->stride, like.row_bytes);
    kc_put(like.row_kind, row, rows->dim - 1, real.pairing == KI_Q4 ? 15 : 0);
    const ki_rows one = {
        row, like.row_bytes, rows->aux + id * rows->aux_stride, sizeof(ki_aux), rows->dim, 0};
    kc_close(&like);
    return real.kernel->pair(query, &one, 0);
}

static void last_element_lost(const ki_query *query, const ki_rows *rows, const uint32_t *ids,
                              size_t n, uint32_t *keys)
{
    for (size_t i = 0; i < n; i++)
        keys[i] = key_without_last(query, rows, ids[i]);
}

static void last_row_repeats(const ki_query *query, const ki_rows *rows, const uint32_t *ids,
                             size_t n, uint32_t *keys)
{
    real.kernel->gather(query, rows, ids, n, keys);
    if (n > 1)
        keys[n - 1] = keys[n - 2];
}

static void group_swapped(const ki_query *query, const ki_rows *rows, const uint32_t *ids, size_t n,
                          uint32_t *keys)
{
    real.kernel->gather(query, rows, ids, n, keys);
    for (size_t i = 0; i + 8 <= n; i += 8) {
        uint32_t key = keys[i + 1];
        keys[i + 1] = keys[i + 2];
        keys[i + 2] = key;
    }
}

static void last_bits_lost(const ki_query *query, const ki_rows *rows, const uint32_t *ids,
                           size_t n, uint32_t *keys)
{
    real.kernel->gather(query, rows, ids, n, keys);
    for (size_t i = 0; i < n; i++)
        keys[i] &= ~UINT32_C(31);
}

static void one_bit_in_a_full_group(const ki_query *query, const ki_rows *rows, const uint32_t *ids,
                                    size_t n, uint32_t *keys)
{
    real.kernel->gather(query, rows, ids, n, keys);
    if (n >= 4)
        keys[3] ^= 1;
}

static void one_key_too_many(const ki_query *query, const ki_rows *rows, const uint32_t *ids,
                             size_t n, uint32_t *keys)
{
    real.kernel->gather(query, rows, ids, n, keys);
    keys[n] = 0;
}

static void nan_is_nearest(const ki_query *query, const ki_rows *rows, const uint32_t *ids,
                           size_t n, uint32_t *keys)
{
    real.kernel->gather(query, rows, ids, n, keys);
    for (size_t i = 0; i < n; i++)
        if (keys[i] == KI_KEY_NAN)
            keys[i] = 0;
}

static void aux_of_first_row(const ki_query *query, const ki_rows *rows, const uint32_t *ids,
                             size_t n, uint32_t *keys)
{
    ki_rows same = *rows;
    same.aux_stride = 0;
    real.kernel->gather(query, &same, ids, n, keys);
}

/* Every number of the side data with the other sign, as a wrong bias has it. */
static void aux_of_other_sign(const ki_query *query, const ki_rows *rows, const uint32_t *ids,
                              size_t n, uint32_t *keys)
{
    for (size_t i = 0; i < n; i++) {
        ki_rows one = *rows;
        ki_aux aux;
        memcpy(&aux, rows->aux + ids[i] * rows->aux_stride, sizeof aux);
        aux =
            (ki_aux){-aux.inv_norm, -aux.norm2, 0 - aux.inorm2, (int32_t)(0u - (uint32_t)aux.sum)};
        one.base += ids[i] * rows->stride;
        one.aux = (const unsigned char *)&aux;
        keys[i] = real.kernel->pair(query, &one, 0);
    }
}

static uint32_t pair_of_next_row(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    return real.kernel->pair(query, rows, id ? id - 1 : 1);
}

static void range_starts_late(const ki_query *query, const ki_rows *rows, uint32_t first, size_t n,
                              uint32_t *keys)
{
    real.kernel->range(query, rows, first ? first - 1 : 1, n, keys);
}

static void prepare_loses_last(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    real.kernel->prepare(vector, dim - 1, scratch, out);
    out->dim = dim;
}

static void prepare_f32_loses_last(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    real.kernel->prepare_f32(vector, dim - 1, scratch, out);
    out->dim = dim;
}

static void tile_swaps_rows(const ki_query *queries, size_t m, const void *packed,
                            const ki_rows *rows, uint32_t first, size_t n, uint32_t *keys,
                            size_t stride)
{
    real.kernel->tile(queries, m, packed, rows, first, n, keys, stride);
    for (size_t i = 0; i < m && n > 1; i++) {
        const uint32_t key = keys[i * stride];
        keys[i * stride] = keys[i * stride + 1];
        keys[i * stride + 1] = key;
    }
}

static void tile_swaps_queries(const ki_query *queries, size_t m, const void *packed,
                               const ki_rows *rows, uint32_t first, size_t n, uint32_t *keys,
                               size_t stride)
{
    real.kernel->tile(queries, m, packed, rows, first, n, keys, stride);
    for (size_t j = 0; j < n && m > 5; j++) {
        const uint32_t key = keys[4 * stride + j];
        keys[4 * stride + j] = keys[5 * stride + j];
        keys[5 * stride + j] = key;
    }
}

static void tile_forgets_last_row(const ki_query *queries, size_t m, const void *packed,
                                  const ki_rows *rows, uint32_t first, size_t n, uint32_t *keys,
                                  size_t stride)
{
    real.kernel->tile(queries, m, packed, rows, first, n % 4 == 1 ? n - 1 : n, keys, stride);
}

static void tile_forgets_last_query(const ki_query *queries, size_t m, const void *packed,
                                    const ki_rows *rows, uint32_t first, size_t n, uint32_t *keys,
                                    size_t stride)
{
    real.kernel->tile(queries, m, packed, rows, first, n, keys, stride);
    if (m == 17)
        memset(keys + 16 * stride, 0, n * sizeof *keys);
}

static void tile_writes_a_whole_block(const ki_query *queries, size_t m, const void *packed,
                                      const ki_rows *rows, uint32_t first, size_t n, uint32_t *keys,
                                      size_t stride)
{
    real.kernel->tile(queries, m, packed, rows, first, n, keys, stride);
    if (m)
        keys[(m - 1) * stride + n] = 0;
}

/* Packs only into scratch that was never packed into: kc_check_tile fills it with ones. */
static void pack_is_stale(const ki_query *queries, size_t m, void *packed)
{
    uint32_t word = 0;
    if (m)
        memcpy(&word, packed, sizeof word);
    if (word == UINT32_MAX)
        memcpy(packed, queries, m * sizeof *queries);
}

static void tile_of_packed(const ki_query *queries, size_t m, const void *packed,
                           const ki_rows *rows, uint32_t first, size_t n, uint32_t *keys,
                           size_t stride)
{
    const ki_query *known = packed;
    (void)queries;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            keys[i * stride + j] = real.kernel->pair(&known[i], rows, first + (uint32_t)j);
}

/* Does the distance depend on side data, so that spoiling it must show? */
static bool needs_aux(const kc_slot *slot)
{
    if (slot->metric == KITH_COSINE || slot->metric == KITH_JACCARD || slot->pairing == KI_Q1)
        return true;
    return slot->metric == KITH_L2SQ && (kc_exact(slot->pairing) || slot->pairing == KI_Q8);
}

static bool knows_nan(const kc_slot *slot)
{
    return !kc_exact(slot->pairing);
}

static bool takes_any(const kc_slot *slot)
{
    (void)slot;
    return true;
}

static bool takes_f32(const kc_slot *slot)
{
    return kc_takes_f32(slot->pairing);
}

static const struct {
    const char *name;
    bool (*applies)(const kc_slot *slot);
    ki_kernel spoiled; /* what is not NULL replaces the real function */
} mutants[] = {
    {"last element lost", takes_any, {.gather = last_element_lost}},
    {"last row repeats", takes_any, {.gather = last_row_repeats}},
    {"rows of a group swapped", takes_any, {.gather = group_swapped}},
    {"last bits lost", takes_any, {.gather = last_bits_lost}},
    {"one bit in a full group", takes_any, {.gather = one_bit_in_a_full_group}},
    {"one key too many", takes_any, {.gather = one_key_too_many}},
    {"NaN is nearest", knows_nan, {.gather = nan_is_nearest}},
    {"side data of the first row", needs_aux, {.gather = aux_of_first_row}},
    {"side data of the other sign", needs_aux, {.gather = aux_of_other_sign}},
    {"pair of another row", takes_any, {.pair = pair_of_next_row}},
    {"range starts late", takes_any, {.range = range_starts_late}},
    {"prepare loses an element", takes_any, {.prepare = prepare_loses_last}},
    {"prepare_f32 loses an element", takes_f32, {.prepare_f32 = prepare_f32_loses_last}},
    {"tile swaps rows", takes_any, {.tile = tile_swaps_rows}},
    {"tile swaps queries", takes_any, {.tile = tile_swaps_queries}},
    {"tile forgets its last row", takes_any, {.tile = tile_forgets_last_row}},
    {"tile forgets its last query", takes_any, {.tile = tile_forgets_last_query}},
    {"tile writes a whole block", takes_any, {.tile = tile_writes_a_whole_block}},
    {"stale pack", takes_any, {.pack = pack_is_stale, .tile = tile_of_packed}},
};

static ki_kernel spoil(const ki_kernel *kernel, const ki_kernel *by)
{
    ki_kernel out = *kernel;
    out.prepare = by->prepare ? by->prepare : out.prepare;
    out.prepare_f32 = by->prepare_f32 ? by->prepare_f32 : out.prepare_f32;
    out.pair = by->pair ? by->pair : out.pair;
    out.gather = by->gather ? by->gather : out.gather;
    out.range = by->range ? by->range : out.range;
    out.pack = by->pack ? by->pack : out.pack;
    out.tile = by->tile ? by->tile : out.tile;
    return out;
}

const char *kc_mutant(size_t i, const kc_slot *slot, ki_kernel *broken)
{
    if (i >= sizeof mutants / sizeof *mutants)
        return NULL;
    if (!mutants[i].applies(slot) || (mutants[i].spoiled.tile && !slot->kernel->tile))
        return "";
    real = *slot;
    *broken = spoil(slot->kernel, &mutants[i].spoiled);
    return mutants[i].name;
}

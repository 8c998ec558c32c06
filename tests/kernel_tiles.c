/* kernel_tiles.c - the check that a tile is nothing but many pairs.
 *
 * May include kernels/ headers and the C library. Pair on packed, aligned rows gives the bits;
 * tiles of every width and height then meet the same rows at an odd address and stride, the keys
 * of one query at an odd distance from those of the next. Queries are packed once into scratch
 * that held other bytes before, and asked for several blocks of rows: what a tile remembers from
 * one call to the next, or takes from where pack did not write, is found that way. KI_BF16BF16
 * may add in an order of its own, so there each key is held against the truth instead.
 */
#include "tests/kernel_cases.h"
#include <string.h>

enum { GUARD = 16, WORD = 0x5a17c0de, MOST_GAP = 5, BLOCKS = 3 };

/* One tile: the queries from `first_query` on, the rows from `first` on. */
typedef struct tile {
    const ki_query *queries;
    const void *packed;
    uint32_t first_query, m, first, n;
    size_t stride;
    uint32_t *keys; /* GUARD words, m lines of `stride`, GUARD words */
} tile;

static const char *judge_key(const kc_slot *slot, const kc_set *set, const tile *t, uint32_t i,
                             uint32_t j, const uint32_t *right)
{
    const uint32_t query = t->first_query + i, row = t->first + j;
    const uint32_t key = t->keys[GUARD + i * t->stride + j];
    const uint32_t alone = right[query * set->count + row];
    if (key == alone)
        return NULL;
    if (slot->pairing == KI_BF16BF16) {
        const kc_truth truth = kc_true_distance(slot->metric, set, query, row);
        kc_truth of_row[KC_MOST_ROWS];
        of_row[row] = truth;
        return kc_compare(slot, set, of_row, "tile", &row, 1, &key);
    }
    return kc_say(slot, set,
                  "tile of %u queries and %u rows from %u on: key of query %u and row %u is %#x, "
                  "alone it was %#x",
                  t->m, t->n, t->first, i, row, key, alone);
}

static const char *judge(const kc_slot *slot, const kc_set *set, const tile *t,
                         const uint32_t *right)
{
    const size_t words = 2 * GUARD + t->m * t->stride;
    for (uint32_t i = 0; i < t->m; i++)
        for (uint32_t j = 0; j < t->n; j++) {
            const char *why = judge_key(slot, set, t, i, j, right);
            if (why)
                return why;
        }
    for (size_t w = 0; w < words; w++) {
        const bool inside = w >= GUARD && w < words - GUARD && (w - GUARD) % t->stride < t->n;
        if (!inside && t->keys[w] != WORD)
            return kc_say(slot, set, "tile of %u queries and %u rows, %zu keys a line, wrote to %d",
                          t->m, t->n, t->stride, (int)w - GUARD);
    }
    return NULL;
}

/* One set of packed queries and several blocks of rows, the last of which may be empty. */
static const char *check_queries(const kc_slot *slot, const kc_set *set, tile *t, uint32_t n,
                                 const ki_rows *rows, const uint32_t *right, void *packed,
                                 uint64_t *random)
{
    const char *why = NULL;
    t->queries = set->prepared + t->first_query;
    t->packed = slot->kernel->pack ? packed : NULL;
    if (slot->kernel->pack)
        slot->kernel->pack(t->queries, t->m, packed);
    for (int block = 0; block < BLOCKS && !why; block++) {
        t->n = block ? check_below(random, n + 1) : n;
        t->first = check_below(random, set->count - t->n + 1);
        t->stride = t->n + check_below(random, MOST_GAP);
        if (t->stride == 0)
            t->stride = 1;
        for (size_t w = 0; w < 2 * GUARD + t->m * t->stride; w++)
            t->keys[w] = WORD;
        slot->kernel->tile(t->queries, t->m, t->packed, rows, t->first, t->n, t->keys + GUARD,
                           t->stride);
        why = judge(slot, set, t, right);
    }
    return why;
}

static void *words_of(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 127) / 64 * 64);
    if (!p)
        abort();
    return p;
}

/* The queries as one tile, then fewer of them from another one on. */
static const char *check_layout(const kc_slot *slot, kc_set *set, uint32_t m, uint32_t n,
                                const ki_rows *rows, const uint32_t *right, uint64_t *random)
{
    const size_t packed_bytes = ki_pack_bytes(slot->pairing, set->dim, m);
    tile t = {.m = m, .first_query = set->queries - m};
    void *packed = words_of(packed_bytes);
    memset(packed, 0xff, packed_bytes);
    t.keys = words_of(sizeof *t.keys * (2 * GUARD + (size_t)m * (n + MOST_GAP)));
    const char *why = check_queries(slot, set, &t, n, rows, right, packed, random);
    t.m = check_below(random, m + 1);
    t.first_query = check_below(random, set->queries - t.m + 1);
    if (!why)
        why = check_queries(slot, set, &t, n, rows, right, packed, random);
    free(packed);
    free(t.keys);
    return why;
}

const char *kc_check_tile(const kc_slot *slot, kc_set *set, uint32_t m, uint32_t n, unsigned offset,
                          uint64_t *random)
{
    const ki_rows aligned = kc_view(set);
    kc_layout odd;
    if (!slot->kernel->tile)
        return NULL; /* kc_missing says so */
    if (m > set->queries || n > set->count || set->count > KC_MOST_ROWS)
        return kc_say(slot, set, "no tile of %u x %u in %u queries and %u rows", m, n, set->queries,
                      set->count);
    uint32_t *right = words_of(sizeof *right * set->queries * set->count);
    for (uint32_t q = 0; q < set->queries; q++) {
        const ki_query *query = kc_prepare(slot, set, q);
        for (uint32_t r = 0; r < set->count; r++)
            right[q * set->count + r] = slot->kernel->pair(query, &aligned, r);
    }
    kc_lay_out(&odd, set, offset, random);
    const char *why = check_layout(slot, set, m, n, &odd.rows, right, random);
    kc_layout_close(&odd);
    free(right);
    return why;
}

/* kernel_rules.c - what a slot must answer where arithmetic has rules instead of a value.
 *
 * May include kernels/ headers and the C library. NaN anywhere in query or row gives the NaN key
 * and leaves the other rows of the call alone; infinities go to the ends of the order; a zero is
 * +0; the cosine of a zero vector is exactly 1, that of a tiny or huge one is a cosine like any
 * other. Where a NaN query meets a zero row, NaN wins. A bit is set where x > 0, and NaN is not.
 *
 * Each rule is a function on a fresh set, because a rule spoils its set, and each is asked twice:
 * by gather, and by a tile in which the query stands beside two of its copies.
 */
#include "tests/kernel_cases.h"
#include "kernels/keys.h"
#include <math.h>
#include <string.h>

enum { ROWS = 13 }; /* not a multiple of any group size */
enum { COPIES = 3, COPY = 1 };

typedef struct rule {
    const kc_slot *slot;
    kc_set *set;
    uint64_t *random;
    bool by_tile;
} rule;

static void ask_tile(const rule *r, const ki_query *query, const ki_rows *rows, uint32_t keys[ROWS])
{
    const ki_query queries[COPIES] = {*query, *query, *query};
    uint32_t all[COPIES * ROWS];
    void *packed = NULL;
    if (r->slot->kernel->pack) {
        packed = aligned_alloc(64, ki_pack_bytes(r->slot->pairing, rows->dim, COPIES));
        if (!packed)
            abort();
        r->slot->kernel->pack(queries, COPIES, packed);
    }
    r->slot->kernel->tile(queries, COPIES, packed, rows, 0, ROWS, all, ROWS);
    memcpy(keys, all + (size_t)COPY * ROWS, ROWS * sizeof *keys);
    free(packed);
}

static void ask(const rule *r, uint32_t keys[ROWS])
{
    uint32_t ids[ROWS];
    const ki_rows rows = kc_view(r->set);
    const ki_query *query = kc_prepare(r->slot, r->set, 0);
    for (uint32_t i = 0; i < ROWS; i++)
        ids[i] = i;
    if (r->by_tile)
        ask_tile(r, query, &rows, keys);
    else
        r->slot->kernel->gather(query, &rows, ids, ROWS, keys);
}

static const char *expect_all(const rule *r, const char *what, uint32_t key)
{
    uint32_t keys[ROWS];
    ask(r, keys);
    for (uint32_t i = 0; i < ROWS; i++)
        if (keys[i] != key)
            return kc_say(r->slot, r->set, "%s: key %u of a %s is %#x = %g, not %#x = %g", what, i,
                          r->by_tile ? "tile" : "gather", keys[i],
                          ki_key_distance(r->slot->kernel->form, keys[i]), key,
                          ki_key_distance(r->slot->kernel->form, key));
    return NULL;
}

/* Against the truth, after a change of elements. */
static const char *expect_truth(const rule *r, const char *what)
{
    uint32_t keys[ROWS], ids[ROWS];
    kc_truth truths[ROWS];
    kc_refresh(r->set);
    for (uint32_t i = 0; i < ROWS; i++) {
        ids[i] = i;
        truths[i] = kc_true_distance(r->slot->metric, r->set, 0, i);
    }
    ask(r, keys);
    return kc_compare(r->slot, r->set, truths, what, ids, ROWS, keys);
}

static uint32_t key_of(const rule *r, int distance)
{
    if (r->slot->kernel->form == KI_KEY_FLOAT)
        return ki_key_from_float((float)distance);
    return r->slot->kernel->form == KI_KEY_INT ? ki_key_from_int(distance) : (uint32_t)distance;
}

/* The bits of an element of 16 or 32 bits. */
static void put_bits(kc_kind kind, unsigned char *vector, uint32_t i, uint32_t bits)
{
    const uint16_t word = (uint16_t)bits;
    if (kind == KC_F32)
        memcpy(vector + i * sizeof bits, &bits, sizeof bits);
    else
        memcpy(vector + i * sizeof word, &word, sizeof word);
}

static const uint32_t nans[][5] = {
    [KC_F32] = {0x7fc00000, 0xffc00000, 0x7f800001, 0xffffffff, 0x7fffffff},
    [KC_F16] = {0x7e00, 0xfe00, 0x7c01, 0xffff, 0x7fff},
    [KC_BF16] = {0x7fc0, 0xffc0, 0x7f81, 0xffff, 0x7fff},
};

static const char *check_nan_in_rows(const rule *r, int trial)
{
    kc_set *set = r->set;
    uint32_t before[ROWS], after[ROWS];
    const uint32_t places[] = {0, set->dim - 1, check_below(r->random, set->dim)};
    const uint32_t row = check_below(r->random, ROWS), place = places[trial % 3];
    if (!kc_is_float(set->row_kind))
        return NULL;
    ask(r, before);
    put_bits(set->row_kind, kc_row(set, row), place, nans[set->row_kind][trial]);
    kc_refresh(set);
    ask(r, after);
    for (uint32_t i = 0; i < ROWS; i++)
        if (after[i] != (i == row ? KI_KEY_NAN : before[i]))
            return kc_say(r->slot, set, "NaN %#x at element %u of row %u: key %u of a %s is %#x",
                          nans[set->row_kind][trial], place, row, i, r->by_tile ? "tile" : "gather",
                          after[i]);
    return NULL;
}

static const char *check_nan_in_query(const rule *r, int trial)
{
    const uint32_t places[] = {r->set->dim - 1, check_below(r->random, r->set->dim), 0};
    if (!kc_is_float(r->set->query_kind) || r->slot->pairing == KI_B1)
        return NULL;
    put_bits(r->set->query_kind, r->set->vectors, places[trial % 3],
             nans[r->set->query_kind][trial]);
    return expect_all(r, "NaN in the query", KI_KEY_NAN);
}

static const char *check_nan_over_zero(const rule *r, int trial)
{
    if (!kc_is_float(r->set->query_kind) || r->slot->pairing == KI_B1)
        return NULL;
    memset(r->set->rows, 0, r->set->row_bytes * ROWS);
    kc_refresh(r->set);
    put_bits(r->set->query_kind, r->set->vectors, r->set->dim - 1, nans[r->set->query_kind][trial]);
    return expect_all(r, "zero rows and NaN in the query", KI_KEY_NAN);
}

/* Infinitely far under l2sq, at the end that its sign says under ip. In the rows where they are
 * floats, otherwise in the query. Under cosine a vector whose norm is no number never enters. */
static const char *check_infinity(const rule *r, int sign)
{
    kc_set *set = r->set;
    const bool in_rows = kc_is_float(set->row_kind);
    const uint32_t place = check_below(r->random, set->dim);
    const float far = r->slot->metric == KITH_L2SQ ? INFINITY : (float)-sign * INFINITY;
    if (!kc_is_float(set->query_kind) || r->slot->metric > KITH_IP)
        return NULL;
    if (r->slot->pairing == KI_Q8 && r->slot->metric == KITH_L2SQ)
        return NULL; /* bias - 2 q.x: infinite, but not always far */
    kc_put(set->query_kind, set->vectors, place, in_rows ? 2 : sign * (double)INFINITY);
    for (uint32_t i = 0; i < ROWS; i++)
        kc_put(set->row_kind, kc_row(set, i), place, in_rows ? sign * (double)INFINITY : 3);
    kc_refresh(set);
    return expect_all(r, "infinity", ki_key_from_float(far));
}

/* All elements 0, or where there is one -0. */
static void blank(const rule *r, kc_kind kind, unsigned char *vector, bool negative)
{
    memset(vector, 0, kc_vector_bytes(kind, r->set->dim));
    for (uint32_t i = 0; negative && kc_is_float(kind) && i < r->set->dim; i++)
        kc_put(kind, vector, i, -0.0);
}

/* Zero rows, then a zero query as well; codes without a bias. */
static const char *check_zero(const rule *r, int negative)
{
    kc_set *set = r->set;
    const char *why = NULL;
    if (r->slot->pairing == KI_Q4 || r->slot->pairing == KI_Q1)
        return NULL; /* no code of theirs is zero */
    for (uint32_t i = 0; i < ROWS; i++)
        blank(r, set->row_kind, kc_row(set, i), negative);
    kc_refresh(set);
    set->codes[0].bias = 0;
    if (r->slot->metric == KITH_IP || r->slot->metric == KITH_COSINE)
        why = expect_all(r, "zero rows", key_of(r, r->slot->metric == KITH_COSINE));
    else if (r->slot->pairing == KI_B1)
        why = expect_truth(r, "gather of rows without a bit");
    blank(r, set->query_kind, set->vectors, !negative);
    return why ? why
               : expect_all(r, "zero rows and a zero query",
                            key_of(r, r->slot->metric == KITH_COSINE));
}

static const char *check_zero_query(const rule *r, int negative)
{
    if (r->slot->pairing >= KI_Q8 || r->slot->metric == KITH_L2SQ)
        return NULL;
    blank(r, r->set->query_kind, r->set->vectors, negative);
    if (r->slot->pairing == KI_B1)
        return expect_truth(r, "gather for a query without a bit");
    return expect_all(r, "zero query", key_of(r, r->slot->metric == KITH_COSINE));
}

/* Rows equal to the query are at distance +0, wherever that is exact. */
static const char *check_same(const rule *r, int unused)
{
    kc_set *set = r->set;
    (void)unused;
    if (r->slot->metric == KITH_IP || r->slot->metric == KITH_COSINE || r->slot->pairing == KI_Q8 ||
        r->slot->pairing == KI_Q1)
        return NULL;
    for (uint32_t i = 0; i < ROWS; i++)
        memcpy(kc_row(set, i), set->rows, set->row_bytes);
    for (uint32_t i = 0; i < set->dim; i++)
        kc_put(set->query_kind, set->vectors, i, set->row_values[i]);
    kc_refresh(set);
    return expect_all(r, "rows equal to the query", key_of(r, 0));
}

static bool float_cosine(const rule *r)
{
    return r->slot->metric == KITH_COSINE && kc_is_float(r->set->query_kind);
}

/* Powers of two by type: none may leave it, and for F16 the lowest reaches its denormals. */
static int power_of(kc_kind kind, int step)
{
    static const int wide[] = {-100, -60, 60, 110}, narrow[] = {-20, -10, 5, 12};
    return kind == KC_F16 ? narrow[step] : wide[step];
}

static void scale(const rule *r, kc_kind kind, unsigned char *vector, int power)
{
    for (uint32_t i = 0; i < r->set->dim; i++)
        kc_put(kind, vector, i, ldexp(kc_get(kind, vector, i), power));
}

static const char *check_scaled_rows(const rule *r, int step)
{
    if (!float_cosine(r) || !kc_is_float(r->set->row_kind))
        return NULL;
    for (uint32_t i = 0; i < ROWS; i++)
        scale(r, r->set->row_kind, kc_row(r->set, i), power_of(r->set->row_kind, step));
    return expect_truth(r, "gather of scaled rows");
}

/* The cosine does not know the length of the query: scaling by 2^k keeps every bit. The elements
 * are small integers, which scale exactly down to the smallest denormal. */
static const char *check_scaled_query(const rule *r, int step)
{
    kc_set *set = r->set;
    uint32_t before[ROWS], after[ROWS];
    int power = power_of(set->query_kind, step);
    if (!float_cosine(r))
        return NULL;
    if (step == 0 && r->slot->pairing != KI_BF16BF16)
        power = set->query_kind == KC_F32 ? -149 : set->query_kind == KC_F16 ? -24 : -133;
    for (uint32_t i = 0; i < set->dim; i++)
        kc_put(set->query_kind, set->vectors, i, 1 + i * i % 7);
    ask(r, before);
    scale(r, set->query_kind, set->vectors, power);
    ask(r, after);
    for (uint32_t i = 0; i < ROWS; i++)
        if (before[i] != after[i])
            return kc_say(r->slot, set, "query scaled by 2^%d: key %u is %#x, was %#x", power, i,
                          after[i], before[i]);
    return NULL;
}

static const char *check_bits_of_floats(const rule *r, int first)
{
    static const uint32_t patterns[] = {0x7fc00000, 0xffc00000, 0x80000000, 0,
                                        0x7f800000, 0xff800000, 1,          0x80000001};
    if (r->slot->pairing != KI_B1 || !r->set->from_f32)
        return NULL;
    for (uint32_t i = 0; i < r->set->dim; i++)
        put_bits(KC_F32, r->set->vectors, i, patterns[(i + (uint32_t)first) % 8]);
    return expect_truth(r, "gather for the bits of special floats");
}

static const struct {
    const char *(*check)(const rule *r, int argument);
    int first, last;
} rules[] = {{check_zero, 0, 1},          {check_zero_query, 0, 1},   {check_same, 0, 0},
             {check_nan_in_rows, 0, 4},   {check_nan_in_query, 0, 4}, {check_nan_over_zero, 0, 1},
             {check_infinity, -1, 1},     {check_scaled_rows, 0, 3},  {check_scaled_query, 0, 3},
             {check_bits_of_floats, 0, 7}};

const char *kc_check_rules(const kc_slot *slot, uint32_t dim, bool from_f32, uint64_t *random)
{
    const char *why = NULL;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        for (int by_tile = 0; by_tile < (slot->kernel->tile ? 2 : 1); by_tile++)
            for (int argument = rules[i].first; argument <= rules[i].last && !why; argument++) {
                kc_set set;
                if (rules[i].check == check_infinity && argument == 0)
                    continue; /* a sign */
                kc_open(&set, slot->pairing, from_f32, dim, ROWS, 0, check_random(random));
                const rule r = {slot, &set, random, by_tile};
                why = rules[i].check(&r, argument);
                kc_close(&set);
            }
    return why;
}

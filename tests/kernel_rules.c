/* kernel_rules.c - what a slot must answer where arithmetic has rules instead of a value.
 *
 * May include kernels/ headers and the C library. NaN anywhere in query or row gives the NaN key
 * and leaves the other rows of the call alone; infinities go to the ends of the order; a zero is
 * +0; the cosine of a zero vector is exactly 1, that of a tiny or huge one is a cosine like any
 * other. Where a NaN query meets a zero row, NaN wins.
 */
#include "tests/kernel_cases.h"
#include "kernels/keys.h"
#include <math.h>
#include <string.h>

enum { ROWS = 13 }; /* not a multiple of any group size */

static void ask(const kc_slot *slot, const kc_set *set, uint32_t keys[ROWS])
{
    uint32_t ids[ROWS];
    ki_rows rows = kc_view(set);
    ki_query query;
    for (uint32_t i = 0; i < ROWS; i++)
        ids[i] = i;
    slot->kernel->prepare(set->query, set->dim, set->scratch, &query);
    slot->kernel->gather(&query, &rows, ids, ROWS, keys);
}

static const char *expect_all(const kc_slot *slot, const kc_set *set, const char *what,
                              uint32_t key)
{
    uint32_t keys[ROWS];
    ask(slot, set, keys);
    for (uint32_t i = 0; i < ROWS; i++)
        if (keys[i] != key)
            return kc_say(slot, set, "%s: key %u is %#x = %g, not %#x = %g", what, i, keys[i],
                          ki_key_distance(slot->kernel->form, keys[i]), key,
                          ki_key_distance(slot->kernel->form, key));
    return NULL;
}

static void put_bits(unsigned char *vector, uint32_t i, uint32_t bits)
{
    memcpy(vector + i * sizeof bits, &bits, sizeof bits);
}

/* Multiplies a vector by a power of two; exact while nothing leaves the normal range. */
static void scale(const kc_set *set, unsigned char *vector, int power)
{
    for (uint32_t i = 0; i < set->dim; i++) {
        float x;
        memcpy(&x, vector + i * sizeof x, sizeof x);
        x = ldexpf(x, power);
        memcpy(vector + i * sizeof x, &x, sizeof x);
    }
}

static const char *check_nan(const kc_slot *slot, kc_set *set, uint64_t *random)
{
    static const uint32_t nans[] = {0x7fc00000, 0xffc00000, 0x7f800001, 0xffffffff, 0x7fffffff};
    uint32_t before[ROWS], after[ROWS], kept;
    ask(slot, set, before);
    for (uint32_t trial = 0; trial < 5; trial++) {
        uint32_t places[] = {0, set->dim - 1, check_below(random, set->dim)};
        uint32_t row = check_below(random, ROWS), place = places[trial % 3];
        unsigned char *vector = set->rows + row * set->row_bytes;
        memcpy(&kept, vector + place * sizeof kept, sizeof kept);
        put_bits(vector, place, nans[trial]);
        kc_fill_aux(set);
        ask(slot, set, after);
        put_bits(vector, place, kept);
        kc_fill_aux(set);
        for (uint32_t i = 0; i < ROWS; i++)
            if (after[i] != (i == row ? KI_KEY_NAN : before[i]))
                return kc_say(slot, set, "NaN %#x at element %u of row %u: key %u is %#x",
                              nans[trial], place, row, i, after[i]);

        memcpy(&kept, set->query + place * sizeof kept, sizeof kept);
        put_bits(set->query, place, nans[trial]);
        const char *why = expect_all(slot, set, "NaN in the query", KI_KEY_NAN);
        put_bits(set->query, place, kept);
        if (why)
            return why;
    }
    return NULL;
}

/* Infinity in every row: infinitely far under l2sq, at the end that its sign says under ip. */
static const char *check_infinity(const kc_slot *slot, kc_set *set, uint64_t *random)
{
    uint32_t place = check_below(random, set->dim);
    float q = 2.0f;
    const char *why;
    if (slot->metric == KITH_COSINE)
        return NULL; /* a row whose norm is no f32 never enters a store */
    memcpy(set->query + place * sizeof q, &q, sizeof q);
    for (uint32_t r = 0; r < ROWS; r++)
        put_bits(set->rows + r * set->row_bytes, place, 0x7f800000);
    kc_fill_aux(set);
    float far = slot->metric == KITH_L2SQ ? INFINITY : -INFINITY;
    if ((why = expect_all(slot, set, "infinity in the rows", ki_key_from_float(far))))
        return why;
    for (uint32_t r = 0; r < ROWS; r++)
        put_bits(set->rows + r * set->row_bytes, place, 0xff800000);
    kc_fill_aux(set);
    return expect_all(slot, set, "minus infinity in the rows", ki_key_from_float(INFINITY));
}

static uint32_t key_of(const kc_slot *slot, int distance)
{
    if (slot->kernel->form == KI_KEY_FLOAT)
        return ki_key_from_float((float)distance);
    return slot->kernel->form == KI_KEY_INT ? ki_key_from_int(distance) : (uint32_t)distance;
}

/* `element` is the byte pattern of a zero: all bytes 0, or for f32 also -0. */
static void blank(const kc_set *set, unsigned char *vector, size_t bytes, bool negative)
{
    memset(vector, 0, bytes);
    for (size_t i = 0; negative && set->type == KITH_F32 && i < bytes / 4; i++)
        put_bits(vector, (uint32_t)i, 0x80000000);
}

static const char *check_zero(const kc_slot *slot, kc_set *set, bool negative)
{
    uint32_t zero_is = slot->metric == KITH_COSINE ? key_of(slot, 1) : key_of(slot, 0);
    const char *why;
    blank(set, set->rows, set->row_bytes * ROWS, negative);
    kc_fill_aux(set);
    if (slot->metric != KITH_L2SQ && (why = expect_all(slot, set, "zero rows", zero_is)))
        return why;
    blank(set, set->query, set->row_bytes, !negative);
    return expect_all(slot, set, "zero rows and a zero query", zero_is);
}

static const char *check_zero_query(const kc_slot *slot, kc_set *set)
{
    if (slot->metric == KITH_L2SQ)
        return NULL;
    blank(set, set->query, set->row_bytes, false);
    return expect_all(slot, set, "zero query", key_of(slot, slot->metric == KITH_COSINE ? 1 : 0));
}

static const char *check_nan_over_zero(const kc_slot *slot, kc_set *set)
{
    blank(set, set->rows, set->row_bytes * ROWS, false);
    kc_fill_aux(set);
    put_bits(set->query, set->dim - 1, 0x7fc00000);
    return expect_all(slot, set, "zero rows and NaN in the query", KI_KEY_NAN);
}

/* A row equal to the query is at distance +0 under l2sq. */
static const char *check_same(const kc_slot *slot, kc_set *set)
{
    if (slot->metric != KITH_L2SQ)
        return NULL;
    for (uint32_t r = 0; r < ROWS; r++)
        memcpy(set->rows + r * set->row_bytes, set->query, set->row_bytes);
    kc_fill_aux(set);
    return expect_all(slot, set, "rows equal to the query", key_of(slot, 0));
}

static const char *check_scaled_rows(const kc_slot *slot, kc_set *set, int power)
{
    uint32_t keys[ROWS], ids[ROWS];
    kc_truth truths[ROWS];
    for (uint32_t r = 0; r < ROWS; r++) {
        unsigned char *row = set->rows + r * set->row_bytes;
        scale(set, row, power);
        ids[r] = r;
        truths[r] = kc_true_distance(slot->metric, slot->type, set->query, row, set->dim);
    }
    kc_fill_aux(set);
    ask(slot, set, keys);
    return kc_compare(slot, set, truths, "gather of scaled rows", ids, ROWS, keys);
}

/* The cosine does not know the length of the query: scaling by 2^k keeps every bit. The elements
 * are small integers, which scale exactly down to the smallest denormal. */
static const char *check_scaled_query(const kc_slot *slot, kc_set *set, int power)
{
    uint32_t before[ROWS], after[ROWS];
    for (uint32_t i = 0; i < set->dim; i++) {
        float x = (float)(1 + i * i % 7);
        memcpy(set->query + i * sizeof x, &x, sizeof x);
    }
    ask(slot, set, before);
    scale(set, set->query, power);
    ask(slot, set, after);
    for (uint32_t i = 0; i < ROWS; i++)
        if (before[i] != after[i])
            return kc_say(slot, set, "query scaled by 2^%d: key %u is %#x, was %#x", power, i,
                          after[i], before[i]);
    return NULL;
}

/* Rule number `rule` on a fresh set, because a rule spoils its set; false beyond the last. */
static bool check_rule(int rule, const kc_slot *slot, kc_set *set, uint64_t *random,
                       const char **why)
{
    static const int row_powers[] = {-100, -60, 60, 110}, query_powers[] = {-149, -60, 60, 110};
    bool f32 = slot->type == KITH_F32, cosine = f32 && slot->metric == KITH_COSINE;
    *why = NULL;
    if (rule < 2)
        *why = check_zero(slot, set, rule == 1);
    else if (rule == 2)
        *why = check_zero_query(slot, set);
    else if (rule == 3)
        *why = check_same(slot, set);
    else if (rule == 4 && f32)
        *why = check_nan(slot, set, random);
    else if (rule == 5 && f32)
        *why = check_infinity(slot, set, random);
    else if (rule == 14 && f32)
        *why = check_nan_over_zero(slot, set);
    else if (rule >= 6 && rule < 10 && cosine)
        *why = check_scaled_rows(slot, set, row_powers[rule - 6]);
    else if (rule >= 10 && rule < 14 && cosine)
        *why = check_scaled_query(slot, set, query_powers[rule - 10]);
    return rule < 15;
}

const char *kc_check_rules(const kc_slot *slot, uint32_t dim, uint64_t *random)
{
    const char *why = NULL;
    bool more = true;
    for (int rule = 0; more && !why; rule++) {
        kc_set set;
        kc_open(&set, slot->type, dim, ROWS, 0, check_random(random));
        more = check_rule(rule, slot, &set, random, &why);
        kc_close(&set);
    }
    return why;
}

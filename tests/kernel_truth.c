/* kernel_truth.c - right answers, and the judge of keys.
 *
 * May include kernels/ headers and the C library; calls no distance of the library. The
 * definitions here are the tests' own: the metrics as the public header states them and the codes
 * as ki_code_query does, on the elements as doubles, so that sums of integers are exact. kc_compare
 * is the only judge of values: the main test and the test that plants broken kernels both go
 * through it, so a judge that has gone blind cannot pass unnoticed.
 *
 * The bound of floats is the promise of kernels.h. Under cosine it is tighter than the promise,
 * which counts the 1 as a term: the last subtraction rounds once, and no more. It is looser only
 * where rows are tiny, because what underflows there is multiplied by 1/|row|.
 */
#include "tests/kernel_cases.h"
#include "kernels/keys.h"
#include <float.h>
#include <math.h>

#define UNIT 0x1p-24     /* half the spacing of f32 at 1 */
#define TINIEST 0x1p-149 /* the smallest f32 above 0 */

/* Everything that a metric is made of; `flushed` is what may be lost where denormals are not kept.
 */
typedef struct sums {
    double l2sq, dot, terms, qq, xx, q, x, flushed;
} sums;

static sums sums_of(const kc_set *set, uint32_t query, uint32_t row)
{
    const double *q = set->query_values + (size_t)query * set->dim;
    const double *x = set->row_values + (size_t)row * set->dim;
    sums s = {0};
    for (uint32_t i = 0; i < set->dim; i++) {
        s.l2sq += (q[i] - x[i]) * (q[i] - x[i]);
        s.dot += q[i] * x[i];
        s.terms += fabs(q[i] * x[i]);
        s.qq += q[i] * q[i];
        s.xx += x[i] * x[i];
        s.q += q[i];
        s.x += x[i];
        s.flushed += fabs(q[i]) + fabs(x[i]) + 1;
    }
    s.flushed = set->pairing == KI_BF16BF16 ? s.flushed * 0x1p-126 : set->dim * TINIEST;
    return s;
}

static double depth_of(uint32_t dim)
{
    return (double)((dim + 15) / 16 + 8);
}

static kc_truth cosine_of_floats(const kc_set *set, const sums *s)
{
    const double q_norm = sqrt(s->qq), x_norm = sqrt(s->xx), norms = q_norm * x_norm;
    const bool bf16 = set->pairing == KI_BF16BF16;
    if (s->qq == 0 || x_norm < 0x1p-126)
        return (kc_truth){1, 0};
    if (bf16 && (s->terms >= (double)FLT_MAX || q_norm < 0x1p-126))
        return (kc_truth){0, INFINITY};
    const double distance = 1 - s->dot / norms, terms = s->terms / norms;
    const double rounded = depth_of(set->dim) * UNIT * terms + UNIT * fabs(distance) * 1.001;
    /* The unit query of the others may have denormal elements; their sums lose nothing to it. */
    const double lost =
        bf16 ? s->flushed / norms + TINIEST * q_norm : set->dim * TINIEST * (1 + 1 / x_norm);
    return (kc_truth){distance, rounded + lost + TINIEST * x_norm};
}

static kc_truth floats(kith_metric metric, const kc_set *set, const sums *s)
{
    const double terms = metric == KITH_L2SQ ? s->l2sq : s->terms;
    if (metric == KITH_COSINE)
        return cosine_of_floats(set, s);
    if (terms >= (double)FLT_MAX)
        return (kc_truth){metric == KITH_L2SQ ? INFINITY : 0,
                          metric == KITH_L2SQ && terms > 1.01 * (double)FLT_MAX ? 0 : INFINITY};
    return (kc_truth){metric == KITH_L2SQ ? s->l2sq : 0 - s->dot,
                      depth_of(set->dim) * UNIT * terms + s->flushed};
}

static kc_truth integers(kith_metric metric, const sums *s)
{
    if (metric == KITH_L2SQ)
        return (kc_truth){s->l2sq, 0};
    if (metric == KITH_IP)
        return (kc_truth){0 - s->dot, 0};
    if (s->qq == 0 || s->xx == 0)
        return (kc_truth){1, 0};
    /* five roundings on the way to the similarity, one on the way to the distance */
    const double x = s->dot / (sqrt(s->qq) * sqrt(s->xx));
    return (kc_truth){1 - x, UNIT * (5.01 * fabs(x) + 1.01 * fabs(1 - x))};
}

static kc_truth bits(kith_metric metric, const sums *s)
{
    const double either = s->qq + s->xx - s->dot;
    if (metric == KITH_HAMMING)
        return (kc_truth){s->l2sq, 0};
    if (either == 0 || s->dot == either)
        return (kc_truth){0, 0};
    if (s->dot == 0)
        return (kc_truth){1, 0};
    const double same = s->dot / either;
    return (kc_truth){1 - same, UNIT * 1.01 * (same + (1 - same))};
}

/* The dimensions have scales of their own here, so the norm of a row is what its side data says. */
static kc_truth codes_of_8_bits(kith_metric metric, const kc_set *set, uint32_t query, uint32_t row,
                                const sums *s)
{
    const double bias = (double)set->codes[query].bias, norm2 = (double)set->aux[row].norm2;
    const bool l2sq = metric == KITH_L2SQ;
    const double times = l2sq ? 2 : 1, terms = bias + (l2sq ? norm2 : 0) + times * s->terms;
    return (kc_truth){bias + (l2sq ? norm2 : 0) - times * s->dot,
                      depth_of(set->dim) * UNIT * terms + times * set->dim * TINIEST};
}

/* An exact sum, then operations in f32 in the order that the contract writes: exact as well. */
static kc_truth codes_of_1_bit(kith_metric metric, const kc_set *set, uint32_t query, uint32_t row,
                               const sums *s)
{
    const ki_code_query *code = &set->codes[query];
    const ki_aux *aux = &set->aux[row];
    const float whole = (float)(2 * s->dot - s->q);
    const float scaled = code->scale * whole;
    const float both = scaled * aux->inv_norm;
    const float known = code->bias + aux->norm2;
    return (kc_truth){(double)(metric == KITH_L2SQ ? known - 2 * both : code->bias - both), 0};
}

kc_truth kc_true_distance(kith_metric metric, const kc_set *set, uint32_t query, uint32_t row)
{
    const sums s = sums_of(set, query, row);
    switch (set->pairing) {
    case KI_U8:
    case KI_I8:
    case KI_Q4:
        return integers(metric, &s);
    case KI_B1:
        return bits(metric, &s);
    case KI_Q8:
        return codes_of_8_bits(metric, set, query, row, &s);
    case KI_Q1:
        return codes_of_1_bit(metric, set, query, row, &s);
    default:
        return floats(metric, set, &s);
    }
}

static ki_key_form form_of(kith_metric metric, ki_pairing pairing)
{
    if (metric == KITH_HAMMING)
        return KI_KEY_UINT;
    if (metric > KITH_IP || (pairing != KI_U8 && pairing != KI_I8 && pairing != KI_Q4))
        return KI_KEY_FLOAT;
    return metric == KITH_L2SQ ? KI_KEY_UINT : KI_KEY_INT;
}

static bool key_is_right(ki_key_form form, uint32_t key, kc_truth truth)
{
    const double distance = ki_key_distance(form, key);
    if (isinf(truth.bound))
        return true;
    if (form == KI_KEY_FLOAT && key == ki_key_from_float(-0.0f))
        return false; /* a zero must be +0: see keys.h */
    if (truth.bound == 0)
        return distance == truth.distance;
    return fabs(distance - truth.distance) <= truth.bound; /* false for NaN */
}

const char *kc_compare(const kc_slot *slot, const kc_set *set, const kc_truth *truths,
                       const char *shape, const uint32_t *ids, size_t n, const uint32_t *keys)
{
    const ki_key_form form = form_of(slot->metric, slot->pairing);
    if (slot->kernel->form != form)
        return kc_say(slot, NULL, "key form is %d, should be %d", slot->kernel->form, form);
    for (size_t i = 0; i < n; i++)
        if (!key_is_right(form, keys[i], truths[ids[i]]))
            return kc_say(slot, set,
                          "%s of %zu rows, key %zu (row %u) is %#x = %.9g, not %.9g +- %.3g", shape,
                          n, i, ids[i], keys[i], ki_key_distance(form, keys[i]),
                          truths[ids[i]].distance, truths[ids[i]].bound);
    return NULL;
}

const char *kc_check_truth(const kc_slot *slot, kc_set *set, const kc_truth *truths, size_t n,
                           uint64_t *random)
{
    uint32_t ids[KC_MOST_ROWS] = {0}, keys[KC_MOST_ROWS] = {0};
    const ki_rows rows = kc_view(set);
    const ki_query *query = kc_prepare(slot, set, 0);
    const char *why;

    kc_draw_ids(ids, n, set->count, random);
    slot->kernel->gather(query, &rows, ids, n, keys);
    if ((why = kc_compare(slot, set, truths, "gather", ids, n, keys)))
        return why;
    for (size_t i = 0; i < n; i++)
        keys[i] = slot->kernel->pair(query, &rows, ids[i]);
    if ((why = kc_compare(slot, set, truths, "pair", ids, n, keys)))
        return why;

    const size_t length = n < set->count ? n : set->count;
    const uint32_t first = check_below(random, set->count - (uint32_t)length + 1);
    for (size_t i = 0; i < length; i++)
        ids[i] = first + (uint32_t)i;
    slot->kernel->range(query, &rows, first, length, keys);
    return kc_compare(slot, set, truths, "range", ids, length, keys);
}

const char *kc_check_same_keys(const kc_slot *variants, size_t n, kc_set *set)
{
    uint32_t keys[2][KC_MOST_ROWS] = {{0}};
    const ki_rows rows = kc_view(set);
    for (size_t v = 0; v < n; v++) {
        const kc_slot *slot = &variants[v];
        uint32_t *here = keys[v > 0];
        slot->kernel->range(kc_prepare(slot, set, 0), &rows, 0, set->count, here);
        for (uint32_t r = 0; r < set->count; r++)
            if (here[r] != keys[0][r])
                return kc_say(slot, set, "row %u has key %#x, and %#x at %s", r, here[r],
                              keys[0][r], variants[0].level);
    }
    return NULL;
}

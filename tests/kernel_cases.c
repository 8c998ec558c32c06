/* kernel_cases.c - inputs and right answers of every kernel test.
 *
 * May include kernels/ headers and the C library; calls no distance of the library, only its
 * kernels. The definitions here are the tests' own: l2sq, ip and cosine as the public header
 * states them, sums in f64 or int64.
 *
 * The bound for f32 is the promise of kernels.h, (ceil(dim/16) + 8) * 2^-24 * sum of |terms| and
 * half the smallest denormal for each term that underflows. Under cosine it is tighter than the
 * promise, which counts the 1 as a term: the last subtraction rounds once, and no more. It is
 * looser only where rows are tiny, because what underflows there is multiplied by 1/|row|.
 */
#include "tests/kernel_cases.h"
#include "kernels/keys.h"
#include <float.h>
#include <math.h>
#include <string.h>

#define UNIT 0x1p-24     /* half the spacing of f32 at 1 */
#define TINIEST 0x1p-149 /* the smallest f32 above 0 */

static void *kc_alloc(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 127) / 64 * 64);
    if (!p) {
        fprintf(stderr, "the test needs %zu more bytes than there are\n", bytes);
        abort();
    }
    return p;
}

static float draw_normal(uint64_t *random)
{
    double u = (double)((check_random(random) >> 11) + 1) * 0x1p-53;
    double v = (double)(check_random(random) >> 11) * 0x1p-53;
    return (float)(sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
}

static float draw_f32(int fill, uint32_t dim, uint64_t *random)
{
    float sign = check_random(random) & 1 ? 1.0f : -1.0f, size = 0.75f + 0.25f * check_unit(random);
    if (fill == KC_LOGNORMAL)
        return sign * expf(2 * draw_normal(random));
    if (fill == KC_LARGE)
        return sign * size * sqrtf(FLT_MAX / (8.0f * (float)dim));
    if (fill == KC_HUGE)
        return sign * size * (FLT_MAX / (2.0f * sqrtf((float)dim)));
    if (fill == KC_DENORMAL)
        return sign * (float)check_below(random, 1u << 20) * 0x1p-149f;
    return draw_normal(random);
}

/* One vector; `number` 0 is the query, row r has number r + 1. */
static void fill_f32(const kc_set *set, uint32_t number, float *out, uint64_t *random)
{
    const float *query = (const float *)(const void *)set->query;
    float same = 0.1f * (1 + 0.125f * (float)(number ? number - 1 : 0));
    for (uint32_t i = 0; i < set->dim; i++) {
        if (set->fill == KC_ONE_HOT)
            out[i] = 0;
        else if (set->fill == KC_EQUAL)
            out[i] = same;
        else if (set->fill == KC_NEAR && number)
            out[i] = query[i] + 1e-3f * draw_normal(random);
        else
            out[i] = draw_f32(set->fill, set->dim, random);
    }
    if (set->fill == KC_ONE_HOT)
        out[check_below(random, set->dim)] = draw_normal(random);
}

static void fill_u8(const kc_set *set, uint32_t number, unsigned char *out, uint64_t *random)
{
    for (uint32_t i = 0; i < set->dim; i++) {
        if (set->fill == KC_BYTES || (number % 4 == 3 && set->fill != KC_ZEROS))
            out[i] = (unsigned char)check_random(random);
        else if (set->fill == KC_ALTERNATE)
            out[i] = (i + number) % 2 ? 255 : 0;
        else
            out[i] = set->fill == KC_FULL && number % 4 != 2 ? 255 : 0;
    }
}

void kc_fill_aux(kc_set *set)
{
    for (uint32_t r = 0; r < set->count; r++)
        ki_aux_fill(set->type, set->rows + r * set->row_bytes, set->dim, &set->aux[r]);
}

void kc_open(kc_set *set, kith_type type, uint32_t dim, uint32_t count, int fill, uint64_t seed)
{
    uint64_t random = seed;
    *set = (kc_set){.type = type, .dim = dim, .count = count, .fill = fill, .seed = seed};
    set->row_bytes = dim * (type == KITH_F32 ? sizeof(float) : 1);
    set->query = kc_alloc(set->row_bytes);
    set->rows = kc_alloc(set->row_bytes * count);
    set->aux = kc_alloc(sizeof(ki_aux) * count);
    set->scratch = kc_alloc(ki_query_bytes((ki_pairing)type, dim));
    memset(set->scratch, 0xff,
           ki_query_bytes((ki_pairing)type, dim)); /* NaN, wherever prepare forgets */
    for (uint32_t i = 0; i <= count; i++) {
        void *out = i ? set->rows + (i - 1) * set->row_bytes : set->query;
        if (type == KITH_F32)
            fill_f32(set, i, out, &random);
        else
            fill_u8(set, i, out, &random);
    }
    kc_fill_aux(set);
}

void kc_close(kc_set *set)
{
    free(set->query);
    free(set->rows);
    free(set->aux);
    free(set->scratch);
}

ki_rows kc_view(const kc_set *set)
{
    return (ki_rows){.base = set->rows,
                     .stride = set->row_bytes,
                     .aux = (const unsigned char *)set->aux,
                     .aux_stride = sizeof(ki_aux),
                     .dim = set->dim};
}

int kc_fills(kith_type type)
{
    return type == KITH_F32 ? KC_F32_FILLS : KC_U8_FILLS;
}

void kc_draw_ids(uint32_t *ids, size_t n, uint32_t count, uint64_t *random)
{
    uint32_t kind = check_below(random, 4), same = check_below(random, count);
    for (size_t i = 0; i < n; i++) {
        ids[i] = check_below(random, count);
        if (kind == 0)
            ids[i] = (uint32_t)(n - 1 - i) % count;
        else if (kind == 1)
            ids[i] = same;
    }
}

uint32_t kc_dimension(size_t i)
{
    static const uint32_t usual[] = {256, 384, 768, 784, 960, 1024, 1536, 2048};
    if (i < 130)
        return (uint32_t)i + 1;
    i -= 130;
    return i < 3 * sizeof usual / sizeof *usual ? usual[i / 3] + (uint32_t)(i % 3) - 1 : 0;
}

/* What rounding may add to a cosine whose scaled terms sum to `terms` in absolute value. */
static double cosine_bound(double depth, double terms, double distance, double row_norm,
                           uint32_t dim)
{
    double lost_in_dot = dim * TINIEST / row_norm, lost_in_query = dim * TINIEST;
    double lost_in_inverse = TINIEST * row_norm;
    return depth * UNIT * terms + UNIT * fabs(distance) * (1 + 1e-3) + lost_in_dot + lost_in_query +
           lost_in_inverse;
}

static kc_truth true_f32(kith_metric metric, const void *query, const void *row, uint32_t dim)
{
    double sum = 0, terms = 0, qq = 0, rr = 0, depth = (double)((dim + 15) / 16 + 8);
    for (uint32_t i = 0; i < dim; i++) {
        float qf, rf;
        memcpy(&qf, (const char *)query + i * sizeof qf, sizeof qf);
        memcpy(&rf, (const char *)row + i * sizeof rf, sizeof rf);
        double q = (double)qf, r = (double)rf;
        double term = metric == KITH_L2SQ ? (q - r) * (q - r) : q * r;
        sum += term;
        terms += fabs(term);
        qq += q * q;
        rr += r * r;
    }
    if (metric == KITH_COSINE) {
        double norms = sqrt(qq) * sqrt(rr);
        if (qq == 0 || sqrt(rr) < 0x1p-126)
            return (kc_truth){1, 0};
        double distance = 1 - sum / norms;
        return (kc_truth){distance, cosine_bound(depth, terms / norms, distance, sqrt(rr), dim)};
    }
    if (terms >= (double)FLT_MAX)
        return (kc_truth){metric == KITH_L2SQ ? INFINITY : 0,
                          metric == KITH_L2SQ && terms > 1.01 * (double)FLT_MAX ? 0 : INFINITY};
    return (kc_truth){metric == KITH_L2SQ ? sum : 0 - sum, depth * UNIT * terms + dim * TINIEST};
}

static kc_truth true_u8(kith_metric metric, const unsigned char *query, const unsigned char *row,
                        uint32_t dim)
{
    int64_t l2sq = 0, dot = 0, qq = 0, rr = 0;
    for (uint32_t i = 0; i < dim; i++) {
        int64_t q = query[i], r = row[i];
        l2sq += (q - r) * (q - r);
        dot += q * r;
        qq += q * q;
        rr += r * r;
    }
    if (metric == KITH_L2SQ)
        return (kc_truth){(double)l2sq, 0};
    if (metric == KITH_IP)
        return (kc_truth){(double)-dot, 0};
    if (qq == 0 || rr == 0)
        return (kc_truth){1, 0};
    /* five roundings on the way to the similarity, one on the way to the distance */
    double x = (double)dot / (sqrt((double)qq) * sqrt((double)rr));
    return (kc_truth){1 - x, UNIT * (5.01 * x + 1.01 * fabs(1 - x))};
}

kc_truth kc_true_distance(kith_metric metric, kith_type type, const void *query, const void *row,
                          uint32_t dim)
{
    return type == KITH_F32 ? true_f32(metric, query, row, dim) : true_u8(metric, query, row, dim);
}

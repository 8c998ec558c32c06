/* reference.c - what the numbers are: side data of a row, and exact distances to judge by.
 *
 * May include kernels.h and convert.h. Plain C in f64 and in integers, sums in one fixed order, so
 * that the same row has the same side data on every machine, and a store can move between them.
 * Distances are summed in index order; norms in eight sums side by side, since every put waits
 * for one, and a single sum takes four times as long.
 * The 16-bit floats are widened, which is exact. Every sum of integers stays below 2^53, so its
 * f64 is the integer itself.
 *
 * One loop serves all types: it is inlined once for each, with the type a constant.
 */
#include "kernels/kernels.h"
#include "kernels/convert.h"
#include <float.h>
#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* Elements may lie at any address. */
INLINE double element(kith_type type, const void *vector, uint32_t i)
{
    const unsigned char *bytes = vector;
    uint16_t half;
    float x;
    if (type == KITH_U8)
        return bytes[i];
    if (type == KITH_I8)
        return ((const signed char *)vector)[i];
    if (type == KITH_F32) {
        memcpy(&x, bytes + (size_t)i * sizeof x, sizeof x);
        return (double)x;
    }
    memcpy(&half, bytes + (size_t)i * sizeof half, sizeof half);
    return (double)(type == KITH_F16 ? ki_f32_from_f16(half) : ki_f32_from_bf16(half));
}

typedef struct sums {
    double dot, l2sq;
} sums;

INLINE sums add_up(kith_type type, const void *a, const void *b, uint32_t dim)
{
    sums s = {0.0, 0.0};
    for (uint32_t i = 0; i < dim; i++) {
        const double x = element(type, a, i), y = element(type, b, i);
        s.dot += x * y;
        s.l2sq += (x - y) * (x - y);
    }
    return s;
}

static sums sums_of(kith_type type, const void *a, const void *b, uint32_t dim)
{
    switch (type) {
    case KITH_U8:
        return add_up(KITH_U8, a, b, dim);
    case KITH_I8:
        return add_up(KITH_I8, a, b, dim);
    case KITH_F16:
        return add_up(KITH_F16, a, b, dim);
    case KITH_BF16:
        return add_up(KITH_BF16, a, b, dim);
    default:
        return add_up(KITH_F32, a, b, dim);
    }
}

enum { SUMS = 8 };

/* Element i goes into sum i % 8; the sums are then added pairwise. */
INLINE double add_squares(kith_type type, const void *row, uint32_t dim)
{
    double s[SUMS] = {0.0};
    uint32_t i = 0;
    for (; i + SUMS <= dim; i += SUMS)
        for (uint32_t j = 0; j < SUMS; j++) {
            const double x = element(type, row, i + j);
            s[j] += x * x;
        }
    for (; i < dim; i++)
        s[i % SUMS] += element(type, row, i) * element(type, row, i);
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

static double squares_of(kith_type type, const void *row, uint32_t dim)
{
    switch (type) {
    case KITH_U8:
        return add_squares(KITH_U8, row, dim);
    case KITH_I8:
        return add_squares(KITH_I8, row, dim);
    case KITH_F16:
        return add_squares(KITH_F16, row, dim);
    case KITH_BF16:
        return add_squares(KITH_BF16, row, dim);
    default:
        return add_squares(KITH_F32, row, dim);
    }
}

static uint32_t bits_of(unsigned int byte)
{
    uint32_t bits = 0;
    for (; byte; byte &= byte - 1)
        bits++;
    return bits;
}

/* Bits set in both, in either. Those behind the last dimension belong to neither vector. */
static void bits_of_two(const unsigned char *a, const unsigned char *b, uint32_t dim,
                        uint32_t *both, uint32_t *either)
{
    *both = *either = 0;
    for (uint32_t i = 0; i < dim; i += 8) {
        const unsigned int mask = dim - i < 8 ? (1u << (dim - i)) - 1 : 255u;
        *both += bits_of(a[i / 8] & b[i / 8] & mask);
        *either += bits_of((unsigned int)(a[i / 8] | b[i / 8]) & mask);
    }
}

/* 1/norm as f32. Below 2^-126 the inverse would leave the range of f32: such a row counts as
 * zero, and its cosine distance from anything is 1. NaN stays NaN. */
static float inverse(double norm)
{
    return norm < (double)FLT_MIN ? 0.0f : (float)(1.0 / norm);
}

void ki_aux_fill(kith_type type, const void *row, uint32_t dim, ki_aux *out)
{
    ki_aux aux = {0};
    if (type == KITH_B1) {
        uint32_t same;
        bits_of_two(row, row, dim, &aux.inorm2, &same);
        aux.sum = (int32_t)same;
        *out = aux;
        return;
    }
    const double norm2 = squares_of(type, row, dim);
    aux.inv_norm = inverse(sqrt(norm2));
    if (type == KITH_U8 || type == KITH_I8) {
        aux.inorm2 = (uint32_t)norm2;
        for (uint32_t i = 0; i < dim; i++)
            aux.sum += (int32_t)element(type, row, i);
    } else {
        aux.norm2 = (float)norm2;
    }
    *out = aux;
}

static double distance_of_bits(kith_metric metric, const void *a, const void *b, uint32_t dim)
{
    uint32_t both, either;
    bits_of_two(a, b, dim, &both, &either);
    if (metric == KITH_HAMMING)
        return (double)(either - both);
    return either ? 1.0 - (double)both / (double)either : 0.0;
}

double ki_exact_distance(kith_metric metric, kith_type type, const void *a, const void *b,
                         uint32_t dim)
{
    if (type == KITH_B1)
        return distance_of_bits(metric, a, b, dim);
    const sums s = sums_of(type, a, b, dim);
    if (metric == KITH_L2SQ)
        return s.l2sq;
    if (metric == KITH_IP)
        return 0.0 - s.dot;
    const double a_norm = sqrt(sums_of(type, a, a, dim).dot);
    const double b_norm = sqrt(sums_of(type, b, b, dim).dot);
    if (a_norm == 0.0 || b_norm < (double)FLT_MIN)
        return s.dot != s.dot ? s.dot : 1.0;
    return 1.0 - s.dot / a_norm / b_norm;
}

static const char *const pairing_names[KI_PAIRING_COUNT] = {
    [KI_F32] = "f32", [KI_U8] = "u8", [KI_F16] = "f16",     [KI_BF16] = "bf16",
    [KI_I8] = "i8",   [KI_B1] = "b1", [KI_F32U8] = "f32u8", [KI_F32I8] = "f32i8",
    [KI_Q8] = "q8",   [KI_Q4] = "q4", [KI_Q1] = "q1",       [KI_BF16BF16] = "bf16bf16",
};

const char *ki_pairing_name(ki_pairing pairing)
{
    return (unsigned int)pairing < KI_PAIRING_COUNT ? pairing_names[pairing] : "none";
}

int ki_kernel_exists(kith_metric metric, ki_pairing pairing)
{
    if ((unsigned int)metric >= KI_METRIC_COUNT || (unsigned int)pairing >= KI_PAIRING_COUNT)
        return 0;
    if (pairing == KI_B1)
        return metric == KITH_HAMMING || metric == KITH_JACCARD;
    if (pairing == KI_BF16BF16)
        return metric == KITH_IP || metric == KITH_COSINE;
    if (pairing >= KI_Q8)
        return metric == KITH_L2SQ || metric == KITH_IP;
    return metric <= KITH_COSINE;
}

size_t ki_row_bytes(ki_pairing pairing, uint32_t dim)
{
    switch (pairing) {
    case KI_F32:
        return (size_t)dim * 4;
    case KI_F16:
    case KI_BF16:
    case KI_BF16BF16:
        return (size_t)dim * 2;
    case KI_Q4:
        return ((size_t)dim + 1) / 2;
    case KI_B1:
    case KI_Q1:
        return ((size_t)dim + 7) / 8;
    default:
        return dim;
    }
}

/* Whole lines, and blocks of 64 elements: f32 where queries are floats, up to two bytes an
 * element where they are integers, bits for bits. */
size_t ki_query_bytes(ki_pairing pairing, uint32_t dim)
{
    const size_t block = 64, elements = ((size_t)dim + block - 1) / block * block;
    switch (pairing) {
    case KI_U8:
    case KI_I8:
    case KI_Q4:
    case KI_Q1:
    case KI_BF16BF16:
        return 2 * elements;
    case KI_B1:
        return ((size_t)dim + 511) / 512 * block;
    default:
        return 4 * elements;
    }
}

/* Matrix tiles take queries in groups of 16, in blocks of 64 bytes: whole groups, whole blocks. */
size_t ki_pack_bytes(ki_pairing pairing, uint32_t dim, size_t m)
{
    const size_t line = 64, bytes = ki_row_bytes(pairing, dim);
    return (m + 31) / 32 * 32 * ((bytes + line - 1) / line * line);
}

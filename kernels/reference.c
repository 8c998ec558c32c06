/* reference.c - what the numbers are: side data of a row, and exact distances to judge by.
 *
 * May include kernels.h only. Plain C in f64 and in integers, sums in index order, so that the
 * same row has the same side data on every machine, and a store can move between them.
 */
#include "kernels/kernels.h"
#include <float.h>
#include <math.h>
#include <string.h>

/* Elements may lie at any address. */
static double element(kith_type type, const void *vector, uint32_t i)
{
    const unsigned char *bytes = vector;
    float x;
    if (type == KITH_U8)
        return bytes[i];
    memcpy(&x, bytes + (size_t)i * sizeof x, sizeof x);
    return (double)x;
}

/* For u8 every partial sum is an integer below 2^53, so this is the integer sum. */
static double dot(kith_type type, const void *a, const void *b, uint32_t dim)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < dim; i++)
        sum += element(type, a, i) * element(type, b, i);
    return sum;
}

static double l2sq(kith_type type, const void *a, const void *b, uint32_t dim)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < dim; i++) {
        const double difference = element(type, a, i) - element(type, b, i);
        sum += difference * difference;
    }
    return sum;
}

/* 1/norm as f32. Below 2^-126 the inverse would leave the range of f32: such a row counts as
 * zero, and its cosine distance from anything is 1. NaN stays NaN. */
static float inverse(double norm)
{
    return norm < (double)FLT_MIN ? 0.0f : (float)(1.0 / norm);
}

void ki_aux_fill(kith_type type, const void *row, uint32_t dim, ki_aux *out)
{
    const unsigned char *bytes = row;
    const double norm2 = dot(type, row, row, dim);
    ki_aux aux = {.inv_norm = inverse(sqrt(norm2))};
    if (type == KITH_F32) {
        aux.norm2 = (float)norm2;
    } else {
        aux.inorm2 = (uint32_t)norm2;
        for (uint32_t i = 0; i < dim; i++)
            aux.sum += bytes[i];
    }
    *out = aux;
}

double ki_exact_distance(kith_metric metric, kith_type type, const void *a, const void *b,
                         uint32_t dim)
{
    if (metric == KITH_L2SQ)
        return l2sq(type, a, b, dim);
    if (metric == KITH_IP)
        return 0.0 - dot(type, a, b, dim);
    const double a_norm = sqrt(dot(type, a, a, dim));
    const double b_norm = sqrt(dot(type, b, b, dim));
    const double both = dot(type, a, b, dim);
    if (a_norm == 0.0 || b_norm < (double)FLT_MIN)
        return both != both ? both : 1.0;
    return 1.0 - both / a_norm / b_norm;
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

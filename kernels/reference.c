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

/* u8 in the widest layout is two bytes an element, in blocks of 64; f32 is padded to a line. */
size_t ki_query_bytes(kith_type type, uint32_t dim)
{
    const size_t line = 64;
    const size_t bytes = type == KITH_U8 ? (size_t)dim : (size_t)dim * sizeof(float);
    const size_t padded = (bytes + line - 1) / line * line;
    return type == KITH_U8 ? 2 * padded : padded;
}

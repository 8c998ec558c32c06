/* queries_cl.c - turns queries into the floats and side data that scan.cl reads.
 *
 * May touch device_cl.h and kernels/. The one idea: what depends on the query alone is done once
 * here, in plain C and f64, and is therefore the same for every device and every batch.
 */
#include "opencl/queries_cl.h"

#include <math.h>
#include <string.h>

static uint32_t elements_of_a_word(kith_type type)
{
    return type == KITH_U8 ? 4 : 1;
}

size_t ki_cl_query_floats(const ki_device_rows *rows)
{
    return (size_t)rows->words * elements_of_a_word(rows->type);
}

/* What a query is multiplied with: 1/|q| for f32 under cosine, else 1. The norm is taken in f64
 * from the elements; ki_aux_fill alone says which norms count as zero. */
static double scale_of(const ki_device_rows *rows, const unsigned char *query, const ki_aux *aux)
{
    if (rows->type != KITH_F32 || rows->metric != KITH_COSINE)
        return 1.0;
    double sum = 0.0;
    for (uint32_t i = 0; i < rows->dim; i++) {
        float x;
        memcpy(&x, query + (size_t)i * sizeof x, sizeof x);
        sum += (double)x * (double)x;
    }
    return aux->inv_norm == 0.0f ? 0.0 : 1.0 / sqrt(sum);
}

/* Writes one query to its places: `step` floats lie between its words. */
static void fill_floats(const ki_device_rows *rows, const unsigned char *query, double scale,
                        size_t step, float *to)
{
    const uint32_t per_word = elements_of_a_word(rows->type);
    for (uint32_t i = 0; i < rows->dim; i++) {
        float *place = to + (size_t)(i / per_word) * step + i % per_word;
        if (rows->type == KITH_U8) {
            *place = (float)query[i];
        } else {
            float x;
            memcpy(&x, query + (size_t)i * sizeof x, sizeof x);
            *place = (float)((double)x * scale); /* exact when the scale is 1 */
        }
    }
}

static uint32_t side_bits(const ki_device_rows *rows, const ki_aux *aux)
{
    uint32_t bits = 0;
    if (rows->type == KITH_U8 && rows->metric == KITH_L2SQ)
        bits = aux->inorm2;
    else if (rows->type == KITH_U8 && rows->metric == KITH_COSINE)
        memcpy(&bits, &aux->inv_norm, sizeof bits);
    return bits;
}

void ki_cl_queries_fill(const ki_device_rows *rows, const unsigned char *queries, size_t stride,
                        size_t count, uint32_t pass, float *floats, uint32_t *sides)
{
    const uint32_t per_word = elements_of_a_word(rows->type);
    const size_t pass_floats = ki_cl_query_floats(rows) * pass;
    for (size_t i = 0; i < count; i++) {
        const unsigned char *query = queries + i * stride;
        float *to = floats + i / pass * pass_floats + i % pass * per_word;
        ki_aux aux;
        ki_aux_fill(rows->type, query, rows->dim, &aux);
        sides[i] = side_bits(rows, &aux);
        fill_floats(rows, query, scale_of(rows, query, &aux), (size_t)per_word * pass, to);
    }
}

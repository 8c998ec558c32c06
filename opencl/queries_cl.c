/* queries_cl.c - turns queries into the floats and side data that scan.cl reads.
 *
 * May touch device_cl.h and kernels/. The one idea: what depends on the query alone is done once
 * here, in plain C and f64, and is therefore the same for every device and every batch.
 */
#include "opencl/queries_cl.h"
#include "kernels/convert.h"

#include <math.h>
#include <string.h>

enum { WORD_BITS = 32 };

ki_pairing ki_cl_pairing(const ki_device_rows *rows, const ki_device_queries *queries)
{
    if (queries->f32 && rows->type == KITH_U8)
        return KI_F32U8;
    return queries->f32 && rows->type == KITH_I8 ? KI_F32I8 : (ki_pairing)rows->type;
}

/* Those of a row, that is; words of bits meet words of bits. */
static uint32_t elements_of_a_word(kith_type type)
{
    if (type == KITH_U8 || type == KITH_I8)
        return 4;
    return type == KITH_F16 || type == KITH_BF16 ? 2 : 1;
}

size_t ki_cl_query_floats(const ki_device_rows *rows)
{
    return (size_t)rows->words * elements_of_a_word(rows->type);
}

/* One query, at any address, and where it goes: `step` floats lie between its words. */
typedef struct place {
    const unsigned char *query;
    kith_type type; /* of the query */
    size_t step;
    float *to;
} place;

static float element(const place *p, uint32_t i)
{
    uint16_t narrow;
    float x;
    switch (p->type) {
    case KITH_U8:
        return p->query[i];
    case KITH_I8:
        return (signed char)p->query[i];
    case KITH_F16:
    case KITH_BF16:
        memcpy(&narrow, p->query + (size_t)i * sizeof narrow, sizeof narrow);
        return p->type == KITH_F16 ? ki_f32_from_f16(narrow) : ki_f32_from_bf16(narrow);
    default:
        memcpy(&x, p->query + (size_t)i * sizeof x, sizeof x);
        return x;
    }
}

/* 1/|q|, the norm in f64 from the elements; ki_aux_fill alone says which norms count as zero. */
static double unit_scale(const place *p, uint32_t dim, const ki_aux *aux)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < dim; i++)
        sum += (double)element(p, i) * (double)element(p, i);
    return aux->inv_norm == 0.0f ? 0.0 : 1.0 / sqrt(sum);
}

static void fill_floats(const ki_device_rows *rows, const place *p, double scale)
{
    const uint32_t per_word = elements_of_a_word(rows->type);
    for (uint32_t i = 0; i < rows->dim; i++)
        p->to[(size_t)(i / per_word) * p->step + i % per_word] =
            (float)((double)element(p, i) * scale); /* exact when the scale is 1 */
}

/* Word w of a query of bits; of floats, the bit is that of x > 0. */
static uint32_t word_of_bits(const place *p, uint32_t dim, uint32_t w)
{
    const uint32_t first = w * WORD_BITS;
    const uint32_t left = dim - first < WORD_BITS ? dim - first : WORD_BITS;
    uint32_t word = 0;
    for (uint32_t i = 0; i < left; i++) {
        const uint32_t bit = p->type == KITH_B1 ? (uint32_t)p->query[(first + i) / 8] >> i % 8 & 1
                                                : element(p, first + i) > 0;
        word |= bit << i;
    }
    return word;
}

/* The side data of a query of bits: how many are set. */
static uint32_t fill_bits(const ki_device_rows *rows, const place *p)
{
    uint32_t set = 0;
    for (uint32_t w = 0; w < rows->words; w++) {
        const uint32_t word = word_of_bits(p, rows->dim, w);
        memcpy(p->to + w * p->step, &word, sizeof word);
        set += (uint32_t)__builtin_popcount(word);
    }
    return set;
}

/* Elements, and what the metric needs beside them. Floats under cosine are brought to unit length
 * here; of bytes the sum must stay whole, and the norm divides it at the end. */
static uint32_t fill_query(const ki_device_rows *rows, const place *p, bool whole)
{
    ki_aux aux;
    uint32_t side = 0;
    if (rows->type == KITH_B1)
        return fill_bits(rows, p);
    ki_aux_fill(p->type, p->query, rows->dim, &aux);
    const bool unit = rows->metric == KITH_COSINE && !whole;
    fill_floats(rows, p, unit ? unit_scale(p, rows->dim, &aux) : 1.0);
    if (whole && rows->metric == KITH_L2SQ)
        side = aux.inorm2;
    else if (whole && rows->metric == KITH_COSINE)
        memcpy(&side, &aux.inv_norm, sizeof side);
    return side;
}

void ki_cl_queries_fill(const ki_device_rows *rows, const ki_device_queries *queries, uint32_t pass,
                        float *floats, uint32_t *sides)
{
    const unsigned char *base = queries->base;
    const uint32_t per_word = elements_of_a_word(rows->type);
    const size_t pass_floats = ki_cl_query_floats(rows) * pass;
    const bool whole = ki_cl_whole(ki_cl_pairing(rows, queries));
    for (size_t i = 0; i < queries->count; i++) {
        const place p = {.query = base + i * queries->stride,
                         .type = queries->f32 ? KITH_F32 : rows->type,
                         .step = (size_t)per_word * pass,
                         .to = floats + i / pass * pass_floats + i % pass * per_word};
        sides[i] = fill_query(rows, &p, whole);
    }
}

kith_status ki_cl_queries_send(ki_device_rows *rows, const ki_device_queries *queries,
                               uint32_t pass)
{
    const size_t places = ((queries->count - 1) / pass + 1) * pass;
    const size_t float_bytes = places * ki_cl_query_floats(rows) * sizeof(float);
    const size_t side_bytes = places * sizeof(uint32_t);
    ki_cl_device *device = rows->device;
    kith_status status = ki_cl_reserve(device, "queries", float_bytes, &rows->queries);
    if (!status)
        status = ki_cl_reserve(device, "query data", side_bytes, &rows->query_sides);
    if (status)
        return status;
    float *floats = ki_zalloc(float_bytes);
    uint32_t *sides = ki_zalloc(side_bytes);
    if (floats && sides) {
        ki_cl_queries_fill(rows, queries, pass, floats, sides);
        status = ki_cl_write(device, "queries", rows->queries.buffer, 0, floats, float_bytes);
        if (!status)
            status =
                ki_cl_write(device, "query data", rows->query_sides.buffer, 0, sides, side_bytes);
    } else {
        status = ki_no_memory("queries on their way to a device", float_bytes);
    }
    ki_free(floats);
    ki_free(sides);
    return status;
}

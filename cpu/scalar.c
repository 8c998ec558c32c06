/* scalar.c - the kernels in plain C: they run everywhere, and every other kernel replaces them.
 *
 * The build forbids the compiler to vectorise this file. With SSE2 behind its back the loops
 * would be about three times as fast, but "scalar" in a result would then mean another thing with
 * each compiler; a machine without AVX2 pays for a name that is true.
 *
 * The one idea: f32 sums go in steps of 16 elements, whose terms are added as a small tree before
 * they meet one of four running sums. So a chain of roundings is as short as with 16 lanes, which
 * is what the error bound of kernels.h asks for, and the four sums fit into any machine's
 * registers. A tail is copied into a step of its own, filled up with zeros.
 *
 * u8 sums are exact in 32 bits while dim <= 33025: 33025 * 255^2 < 2^31.
 */
#include "kernels/isa.h"
#include "kernels/keys.h"
#include "cpu/prepare.h"

enum { STEP_ELEMENTS = 16 };

typedef struct sums {
    float s0, s1, s2, s3;
} sums;

typedef float (*term_fn)(float q, float x);

INLINE float l2sq_term(float q, float x)
{
    const float difference = q - x;
    return difference * difference;
}

INLINE float dot_term(float q, float x)
{
    return q * x;
}

/* Terms i, i + 4, i + 8 and i + 12 of a step, as a tree. */
INLINE float lane(const float *q, const float *x, term_fn term)
{
    return (term(q[0], x[0]) + term(q[4], x[4])) + (term(q[8], x[8]) + term(q[12], x[12]));
}

INLINE sums step(sums sum, const float *q, const float *x, term_fn term)
{
    sum.s0 += lane(q, x, term);
    sum.s1 += lane(q + 1, x + 1, term);
    sum.s2 += lane(q + 2, x + 2, term);
    sum.s3 += lane(q + 3, x + 3, term);
    return sum;
}

/* `row` may lie at any address: memcpy is how plain C reads a float from there, and costs no
 * more than the read. */
INLINE float f32_sum(const ki_query *query, const unsigned char *row, term_fn term)
{
    const float *q = query->data;
    sums sum = {0, 0, 0, 0};
    uint32_t i = 0;
    for (; i + STEP_ELEMENTS <= query->dim; i += STEP_ELEMENTS) {
        float x[STEP_ELEMENTS];
        memcpy(x, row + (size_t)i * sizeof(float), sizeof x);
        sum = step(sum, q + i, x, term);
    }
    if (i < query->dim) {
        float x[STEP_ELEMENTS] = {0};
        memcpy(x, row + (size_t)i * sizeof(float), (size_t)(query->dim - i) * sizeof(float));
        sum = step(sum, q + i, x, term);
    }
    return (sum.s0 + sum.s1) + (sum.s2 + sum.s3);
}

INLINE uint32_t u8_dot(const ki_query *query, const unsigned char *row)
{
    const unsigned char *q = query->data;
    uint32_t even = 0, odd = 0, i = 0;
    for (; i + 2 <= query->dim; i += 2) {
        even += (uint32_t)q[i] * row[i];
        odd += (uint32_t)q[i + 1] * row[i + 1];
    }
    return i < query->dim ? even + odd + (uint32_t)q[i] * row[i] : even + odd;
}

INLINE ki_aux aux_at(const ki_rows *rows, uint32_t id)
{
    ki_aux aux;
    memcpy(&aux, row_at(rows->aux, rows->aux_stride, id), sizeof aux);
    return aux;
}

INLINE uint32_t l2sq_f32_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    return ki_key_from_float(f32_sum(query, row_at(rows->base, rows->stride, id), l2sq_term));
}

INLINE uint32_t ip_f32_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    const float dot = f32_sum(query, row_at(rows->base, rows->stride, id), dot_term);
    return ki_key_from_float(0.0f - dot); /* so that no zero is negative */
}

INLINE uint32_t cosine_f32_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    const float dot = f32_sum(query, row_at(rows->base, rows->stride, id), dot_term);
    return ki_key_from_float(1.0f - dot * aux_at(rows, id).inv_norm);
}

INLINE uint32_t l2sq_u8_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    const uint32_t dot = u8_dot(query, row_at(rows->base, rows->stride, id));
    return query->inorm2 + aux_at(rows, id).inorm2 - 2 * dot;
}

INLINE uint32_t ip_u8_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    const uint32_t dot = u8_dot(query, row_at(rows->base, rows->stride, id));
    return ki_key_from_int(-(int32_t)dot);
}

/* Three float operations in this order, on every instruction set. */
INLINE uint32_t cosine_u8_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    const uint32_t dot = u8_dot(query, row_at(rows->base, rows->stride, id));
    const float x = (float)(int32_t)dot * query->inv_norm;
    const float y = x * aux_at(rows, id).inv_norm;
    return ki_key_from_float(1.0f - y);
}

#define KEY(x) l2sq_f32_##x
#include "cpu/scalar_tmpl.h"
#define KEY(x) ip_f32_##x
#include "cpu/scalar_tmpl.h"
#define KEY(x) cosine_f32_##x
#include "cpu/scalar_tmpl.h"
#define KEY(x) l2sq_u8_##x
#include "cpu/scalar_tmpl.h"
#define KEY(x) ip_u8_##x
#include "cpu/scalar_tmpl.h"
#define KEY(x) cosine_u8_##x
#include "cpu/scalar_tmpl.h"

static void plain_f32(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_plain_f32(vector, dim, scratch, out);
}

static void unit_f32(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_unit_f32(vector, dim, scratch, out);
}

static void plain_u8(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_plain_u8(vector, dim, scratch, out);
}

void ki_fill_scalar(ki_kernels *table)
{
    l2sq_f32_fill(&table->at[KITH_L2SQ][KITH_F32], plain_f32, KI_KEY_FLOAT);
    ip_f32_fill(&table->at[KITH_IP][KITH_F32], plain_f32, KI_KEY_FLOAT);
    cosine_f32_fill(&table->at[KITH_COSINE][KITH_F32], unit_f32, KI_KEY_FLOAT);
    l2sq_u8_fill(&table->at[KITH_L2SQ][KITH_U8], plain_u8, KI_KEY_UINT);
    ip_u8_fill(&table->at[KITH_IP][KITH_U8], plain_u8, KI_KEY_INT);
    cosine_u8_fill(&table->at[KITH_COSINE][KITH_U8], plain_u8, KI_KEY_FLOAT);
}

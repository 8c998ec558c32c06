/* scalar_floats.h - the pairings of scalar.c whose sums are f32.
 *
 * May include prepare_floats.h and the templates; included once, by scalar.c, after sum_of. A row
 * is widened a step at a time; everything else is one arithmetic for all of them.
 */
#ifndef KI_CPU_SCALAR_FLOATS_H
#define KI_CPU_SCALAR_FLOATS_H

static void f32_plain(const void *vector, uint32_t dim, void *scratch, ki_query *out);
static void f32_unit(const void *vector, uint32_t dim, void *scratch, ki_query *out);

#define V(x) f32_##x
#define ELEMENT f32_element
#define PAIRING KI_F32
#include "cpu/scalar_floats_tmpl.h"

#define V(x) f16_##x
#define ELEMENT f16_element
#define PAIRING KI_F16
#include "cpu/scalar_floats_tmpl.h"

#define V(x) bf16_##x
#define ELEMENT bf16_element
#define PAIRING KI_BF16
#include "cpu/scalar_floats_tmpl.h"

#define V(x) f32u8_##x
#define ELEMENT u8_element
#define PAIRING KI_F32U8
#include "cpu/scalar_floats_tmpl.h"

#define V(x) f32i8_##x
#define ELEMENT i8_element
#define PAIRING KI_F32I8
#include "cpu/scalar_floats_tmpl.h"

/* Codes: bias + |x|^2 - 2 q.x, and bias - q.x, to which +0 is added so that no zero is negative. */
INLINE uint32_t q8_l2sq_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    const unsigned char *row = row_at(rows->base, rows->stride, id);
    const float dot = sum_of(query, row, f32_element, i8_element, dot_term);
    return ki_key_from_float((query->bias + aux_at(rows, id).norm2) - 2.0f * dot);
}

INLINE uint32_t q8_ip_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    const unsigned char *row = row_at(rows->base, rows->stride, id);
    const float dot = sum_of(query, row, f32_element, i8_element, dot_term);
    return ki_key_from_float((query->bias - dot) + 0.0f);
}

/* bf16 queries stay as they are, and their inverse norm comes beside them. */
INLINE uint32_t bb_ip_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    const unsigned char *row = row_at(rows->base, rows->stride, id);
    return ki_key_from_float(0.0f - sum_of(query, row, bf16_element, bf16_element, dot_term));
}

INLINE uint32_t bb_cosine_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    const unsigned char *row = row_at(rows->base, rows->stride, id);
    const float dot = sum_of(query, row, bf16_element, bf16_element, dot_term);
    return ki_key_from_float(1.0f - dot * query->inv_norm * aux_at(rows, id).inv_norm);
}

#define KEY(x) q8_l2sq_##x
#include "cpu/scalar_tmpl.h"
#define KEY(x) q8_ip_##x
#include "cpu/scalar_tmpl.h"
#define KEY(x) bb_ip_##x
#include "cpu/scalar_tmpl.h"
#define KEY(x) bb_cosine_##x
#include "cpu/scalar_tmpl.h"

static void float_code(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_float_code(vector, dim, scratch, out);
}

static void bb_prepare(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_halves(vector, dim, scratch, out, bf16_element);
}

static void bb_prepare_f32(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_halves(vector, dim, scratch, out, f32_element);
}

static void fill_floats(ki_kernels *table)
{
    f32_fill(table);
    f16_fill(table);
    bf16_fill(table);
    f32u8_fill(table);
    f32i8_fill(table);
    q8_l2sq_fill(&table->at[KITH_L2SQ][KI_Q8], float_code, KI_KEY_FLOAT);
    q8_ip_fill(&table->at[KITH_IP][KI_Q8], float_code, KI_KEY_FLOAT);
    bb_ip_fill(&table->at[KITH_IP][KI_BF16BF16], bb_prepare, KI_KEY_FLOAT);
    bb_cosine_fill(&table->at[KITH_COSINE][KI_BF16BF16], bb_prepare, KI_KEY_FLOAT);
    for (int metric = KITH_IP; metric <= KITH_COSINE; metric++) {
        table->at[metric][KI_BF16BF16].prepare_f32 = bb_prepare_f32;
        table->at[metric][KI_BF16BF16].from[KI_PREPARE_F32] = KI_ISA_SCALAR;
    }
}

#endif

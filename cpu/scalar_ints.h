/* scalar_ints.h - what scalar.c does with integers: u8, i8, 4-bit codes, 1-bit codes, bits.
 *
 * May include kernels/keys.h, prepare_ints.h and scalar_tmpl.h; included once, by scalar.c. Every
 * sum is exact in 32 bits, u8 while dim <= 33025 (33025 * 255^2 < 2^31), the others while
 * dim <= 65535 (65535 * 128^2 < 2^31); u8 and i8 distances are below 2^32 and right modulo that.
 */
#ifndef KI_CPU_SCALAR_INTS_H
#define KI_CPU_SCALAR_INTS_H

#include "kernels/keys.h"
#include "cpu/prepare_ints.h"

INLINE int32_t u8_dot(const ki_query *query, const unsigned char *row)
{
    const unsigned char *q = query->data;
    int32_t even = 0, odd = 0;
    uint32_t i = 0;
    for (; i + 2 <= query->dim; i += 2) {
        even += q[i] * row[i];
        odd += q[i + 1] * row[i + 1];
    }
    return i < query->dim ? even + odd + q[i] * row[i] : even + odd;
}

INLINE int32_t i8_dot(const ki_query *query, const unsigned char *row)
{
    const signed char *q = query->data;
    const signed char *x = (const signed char *)row;
    int32_t even = 0, odd = 0;
    uint32_t i = 0;
    for (; i + 2 <= query->dim; i += 2) {
        even += q[i] * x[i];
        odd += q[i + 1] * x[i + 1];
    }
    return i < query->dim ? even + odd + q[i] * x[i] : even + odd;
}

/* Codes 0..15 stand for 16 x - 120. The query has zeros behind its end, the row one half byte. */
INLINE int32_t q4_dot(const ki_query *query, const unsigned char *row)
{
    const signed char *q = query->data;
    int32_t even = 0, odd = 0;
    for (uint32_t i = 0; i < query->dim; i += 2) {
        even += q[i] * (row[i / 2] & 15);
        odd += q[i + 1] * (row[i / 2] >> 4);
    }
    return 16 * (even + odd) - 120 * query->sum;
}

/* The query where the row has a bit, without a branch for each. */
INLINE int32_t q1_sum(const ki_query *query, const unsigned char *row)
{
    const signed char *q = query->data;
    int32_t sum = 0;
    for (uint32_t i = 0; i < query->dim; i++)
        sum += q[i] & -(row[i / 8] >> i % 8 & 1);
    return sum;
}

/* Bits of a word, by adding neighbours, then pairs, then halves of bytes, then bytes. */
INLINE uint32_t bits_of_word(uint64_t x)
{
    x -= x >> 1 & UINT64_C(0x5555555555555555);
    x = (x & UINT64_C(0x3333333333333333)) + (x >> 2 & UINT64_C(0x3333333333333333));
    x = (x + (x >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (uint32_t)(x * UINT64_C(0x0101010101010101) >> 56);
}

/* Bits of q & x, or of q ^ x; the query has whole words, the row does not. */
INLINE uint32_t b1_bits(const ki_query *query, const unsigned char *row, int differ)
{
    const unsigned char *q = query->data;
    const size_t bytes = ((size_t)query->dim + 7) / 8;
    uint32_t bits = 0;
    for (size_t i = 0; i < bytes; i += sizeof(uint64_t)) {
        uint64_t a, b = 0;
        memcpy(&a, q + i, sizeof a);
        memcpy(&b, row + i, bytes - i < sizeof b ? bytes - i : sizeof b);
        bits += bits_of_word(differ ? a ^ b : a & b);
    }
    return bits;
}

typedef int32_t (*dot_fn)(const ki_query *query, const unsigned char *row);

INLINE uint32_t int_l2sq(const ki_query *query, const ki_rows *rows, uint32_t id, dot_fn dot)
{
    const uint32_t sum = (uint32_t)dot(query, row_at(rows->base, rows->stride, id));
    return query->inorm2 + aux_at(rows, id).inorm2 - 2 * sum;
}

INLINE uint32_t int_ip(const ki_query *query, const ki_rows *rows, uint32_t id, dot_fn dot)
{
    return ki_key_from_int(-dot(query, row_at(rows->base, rows->stride, id)));
}

/* Three float operations in this order, on every instruction set. */
INLINE uint32_t int_cosine(const ki_query *query, const ki_rows *rows, uint32_t id, dot_fn dot)
{
    const int32_t sum = dot(query, row_at(rows->base, rows->stride, id));
    const float x = (float)sum * query->inv_norm;
    const float y = x * aux_at(rows, id).inv_norm;
    return ki_key_from_float(1.0f - y);
}

INLINE uint32_t l2sq_u8_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    return int_l2sq(query, rows, id, u8_dot);
}

INLINE uint32_t ip_u8_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    return int_ip(query, rows, id, u8_dot);
}

INLINE uint32_t cosine_u8_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    return int_cosine(query, rows, id, u8_dot);
}

INLINE uint32_t l2sq_i8_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    return int_l2sq(query, rows, id, i8_dot);
}

INLINE uint32_t ip_i8_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    return int_ip(query, rows, id, i8_dot);
}

INLINE uint32_t cosine_i8_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    return int_cosine(query, rows, id, i8_dot);
}

INLINE uint32_t l2sq_q4_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    return int_l2sq(query, rows, id, q4_dot);
}

INLINE uint32_t ip_q4_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    return int_ip(query, rows, id, q4_dot);
}

/* What the signs of a row say about the query, in its own units. */
INLINE float q1_similarity(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    const int32_t sum = q1_sum(query, row_at(rows->base, rows->stride, id));
    const float scaled = query->scale * (float)(2 * sum - query->sum);
    return scaled * aux_at(rows, id).inv_norm;
}

INLINE uint32_t l2sq_q1_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    const float s = q1_similarity(query, rows, id);
    return ki_key_from_float((query->bias + aux_at(rows, id).norm2) - 2.0f * s);
}

/* Plus zero, so that no zero is negative. */
INLINE uint32_t ip_q1_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    const float s = q1_similarity(query, rows, id);
    return ki_key_from_float((query->bias - s) + 0.0f);
}

INLINE uint32_t hamming_b1_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    return b1_bits(query, row_at(rows->base, rows->stride, id), 1);
}

INLINE uint32_t jaccard_b1_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    const uint32_t both = b1_bits(query, row_at(rows->base, rows->stride, id), 0);
    const uint32_t either = query->inorm2 + aux_at(rows, id).inorm2 - both;
    return ki_key_from_float(either ? 1.0f - (float)both / (float)either : 0.0f);
}

#define KEY(x) l2sq_u8_##x
#include "cpu/scalar_tmpl.h"
#define KEY(x) ip_u8_##x
#include "cpu/scalar_tmpl.h"
#define KEY(x) cosine_u8_##x
#include "cpu/scalar_tmpl.h"
#define KEY(x) l2sq_i8_##x
#include "cpu/scalar_tmpl.h"
#define KEY(x) ip_i8_##x
#include "cpu/scalar_tmpl.h"
#define KEY(x) cosine_i8_##x
#include "cpu/scalar_tmpl.h"
#define KEY(x) l2sq_q4_##x
#include "cpu/scalar_tmpl.h"
#define KEY(x) ip_q4_##x
#include "cpu/scalar_tmpl.h"
#define KEY(x) l2sq_q1_##x
#include "cpu/scalar_tmpl.h"
#define KEY(x) ip_q1_##x
#include "cpu/scalar_tmpl.h"
#define KEY(x) hamming_b1_##x
#include "cpu/scalar_tmpl.h"
#define KEY(x) jaccard_b1_##x
#include "cpu/scalar_tmpl.h"

static void plain_u8(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_plain_u8(vector, dim, scratch, out);
}

static void plain_i8(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_plain_i8(vector, dim, scratch, out);
}

static void plain_code(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_plain_code(vector, dim, scratch, out);
}

static void plain_b1(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_plain_b1(vector, dim, scratch, out);
}

static void signs_b1(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_signs_b1(vector, dim, scratch, out);
}

static void fill_ints(ki_kernels *table)
{
    l2sq_u8_fill(&table->at[KITH_L2SQ][KI_U8], plain_u8, KI_KEY_UINT);
    ip_u8_fill(&table->at[KITH_IP][KI_U8], plain_u8, KI_KEY_INT);
    cosine_u8_fill(&table->at[KITH_COSINE][KI_U8], plain_u8, KI_KEY_FLOAT);
    l2sq_i8_fill(&table->at[KITH_L2SQ][KI_I8], plain_i8, KI_KEY_UINT);
    ip_i8_fill(&table->at[KITH_IP][KI_I8], plain_i8, KI_KEY_INT);
    cosine_i8_fill(&table->at[KITH_COSINE][KI_I8], plain_i8, KI_KEY_FLOAT);
    l2sq_q4_fill(&table->at[KITH_L2SQ][KI_Q4], plain_code, KI_KEY_UINT);
    ip_q4_fill(&table->at[KITH_IP][KI_Q4], plain_code, KI_KEY_INT);
    l2sq_q1_fill(&table->at[KITH_L2SQ][KI_Q1], plain_code, KI_KEY_FLOAT);
    ip_q1_fill(&table->at[KITH_IP][KI_Q1], plain_code, KI_KEY_FLOAT);
    hamming_b1_fill(&table->at[KITH_HAMMING][KI_B1], plain_b1, KI_KEY_UINT);
    jaccard_b1_fill(&table->at[KITH_JACCARD][KI_B1], plain_b1, KI_KEY_FLOAT);
    for (int metric = KITH_HAMMING; metric <= KITH_JACCARD; metric++) {
        table->at[metric][KI_B1].prepare_f32 = signs_b1;
        table->at[metric][KI_B1].from[KI_PREPARE_F32] = KI_ISA_SCALAR;
    }
}

#endif

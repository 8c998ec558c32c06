/* arm_ints.h - what neon.c and dotprod.c share of i8 rows and of codes of 4 bits and 1 bit.
 *
 * May include prepare_ints.h, arm_keys.h and the templates; included once a file, which has
 * written i8_dot_step(sum, q, x) and int_codes_dot of codes_tmpl.h before the end of it is
 * included (arm_ints_tmpl.h). Sums are lanes of 32 bits without a sign: modulo 2^32 they are the
 * signed sums. |sum| <= 128 * 128 * 65535 = 2^30 for i8.
 */
#ifndef KI_CPU_ARM_INTS_H
#define KI_CPU_ARM_INTS_H

#include "cpu/arm_keys.h"
#include "cpu/prepare_ints.h"

typedef uint32x4_t int_vec;
typedef uint32x4_t int_total;
typedef uint8x16_t int_reg;
enum { int_bytes = 16 };

INLINE uint32x4_t int_zero(void)
{
    return vdupq_n_u32(0);
}

INLINE uint32x4_t int_total4(uint32x4_t a, uint32x4_t b, uint32x4_t c, uint32x4_t d)
{
    return u8_total4(a, b, c, d);
}

INLINE uint32x4_t int_total1(uint32x4_t a)
{
    return u8_total1(a);
}

INLINE uint8x16_t int_load(const unsigned char *p)
{
    return vld1q_u8(p);
}

INLINE uint8x16_t int_aligned(const unsigned char *p)
{
    return vld1q_u8(p);
}

INLINE uint8x16_t int_tail(const unsigned char *p, size_t left)
{
    return u8_tail(p, left);
}

INLINE uint8x16_t int_low_nibbles(uint8x16_t x)
{
    return vandq_u8(x, vdupq_n_u8(15));
}

INLINE uint8x16_t int_high_nibbles(uint8x16_t x)
{
    return vshrq_n_u8(x, 4);
}

#define V(x) i8_##x
#include "cpu/int_words_tmpl.h"

typedef uint8x16_t i8_query;
enum { i8_chunk = 16, i8_bits_each = 8 };

INLINE uint8x16_t i8_query_at(const unsigned char *data, size_t at)
{
    return vld1q_u8(data + at);
}

INLINE uint8x16_t i8_load(const unsigned char *p)
{
    return vld1q_u8(p);
}

INLINE uint8x16_t i8_tail(const unsigned char *p, size_t left)
{
    return u8_tail(p, left);
}

/* The sums are the dot products: nothing was added to the query. */
INLINE uint32x4_t i8_dot(uint32x4_t sum, four aux)
{
    (void)aux;
    return sum;
}

INLINE void i8_lay_out(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_plain_i8(vector, dim, scratch, out);
}

#define V(x) q1_##x
#include "cpu/int_words_tmpl.h"

enum { q1_chunk = 16, q1_bits_each = 1 };

/* 16 bytes of a row are 128 elements. Shifts and a mask leave bit k of each byte; the query lies
 * as eight registers, of the elements of bit 0, of bit 1 and so on. */
typedef struct q1_query {
    uint8x16_t bit0, bit1, bit2, bit3, bit4, bit5, bit6, bit7;
} q1_query;

INLINE q1_query q1_query_at(const unsigned char *data, size_t at)
{
    const unsigned char *p = data + 8 * at;
    const q1_query q = {vld1q_u8(p),      vld1q_u8(p + 16), vld1q_u8(p + 32), vld1q_u8(p + 48),
                        vld1q_u8(p + 64), vld1q_u8(p + 80), vld1q_u8(p + 96), vld1q_u8(p + 112)};
    return q;
}

INLINE uint8x16_t q1_load(const unsigned char *p)
{
    return vld1q_u8(p);
}

INLINE uint8x16_t q1_tail(const unsigned char *p, size_t left)
{
    return u8_tail(p, left);
}

/* Element i of 128 is bit i % 8 of byte i / 8. */
static void q1_prepare(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    const ki_code_query *code = vector;
    const signed char *from = code->elements;
    signed char *to = scratch;
    describe_code(code, dim, scratch, out);
    memset(to, 0, 2 * whole_blocks(dim));
    for (uint32_t i = 0; i < dim; i++)
        to[i / 128 * 128 + i % 8 * 16 + i % 128 / 8] = from[i];
}

#endif

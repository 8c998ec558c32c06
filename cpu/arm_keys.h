/* arm_keys.h - the words that neon.c and dotprod.c share: tails, totals, and order keys.
 *
 * May include addresses.h and intrinsics. The counterpart of x86_keys.h, with the same names and
 * the same steps; the three operations of the u8 cosine stand in the contract's order, unfused.
 */
#ifndef KI_CPU_ARM_KEYS_H
#define KI_CPU_ARM_KEYS_H

#include "cpu/addresses.h"
#include <arm_neon.h>
#include <string.h>

#define STORE(keys, v) vst1q_u32(keys, v)
#define FIRST(v) vgetq_lane_u32(v, 0)

typedef uint32x4_t u8_vec;
typedef uint32x4_t u8_total;
enum { u8_chunk = 16, u8_bits_each = 8, u8_sums = 2 };

INLINE uint32x4_t u8_zero(void)
{
    return vdupq_n_u32(0);
}

INLINE uint32x4_t u8_add(uint32x4_t a, uint32x4_t b)
{
    return vaddq_u32(a, b);
}

INLINE uint8x16_t u8_load(const unsigned char *p)
{
    return vld1q_u8(p);
}

/* Fewer than eight bytes as a little-endian number, by loads of four, two and one. */
INLINE uint64_t few_bytes(const unsigned char *p, size_t left)
{
    uint64_t value = 0;
    uint32_t word = 0;
    uint16_t half = 0;
    if (left & 1)
        value = p[left - 1];
    if (left & 2) {
        memcpy(&half, p + (left & 4), sizeof half);
        value = value << 16 | half;
    }
    if (left & 4) {
        memcpy(&word, p, sizeof word);
        value = value << 32 | word;
    }
    return value;
}

INLINE uint8x16_t u8_tail(const unsigned char *p, size_t left)
{
    uint64_t low, high = 0;
    if (left < 8) {
        low = few_bytes(p, left);
    } else {
        memcpy(&low, p, sizeof low);
        high = few_bytes(p + 8, left - 8);
    }
    return vcombine_u8(vcreate_u8(low), vcreate_u8(high));
}

INLINE uint32x4_t u8_total4(uint32x4_t a, uint32x4_t b, uint32x4_t c, uint32x4_t d)
{
    return vpaddq_u32(vpaddq_u32(a, b), vpaddq_u32(c, d));
}

INLINE uint32x4_t u8_total1(uint32x4_t a)
{
    return vdupq_n_u32(vaddvq_u32(a));
}

/* The sums are the dot products: nothing was added to the query. */
INLINE uint32x4_t u8_dot(uint32x4_t sum, four aux)
{
    (void)aux;
    return sum;
}

/* Side data as the columns of a 4 x 4 table. */
INLINE uint32x4_t aux_words(const unsigned char *a)
{
    return vreinterpretq_u32_u8(vld1q_u8(a));
}

INLINE float32x4_t aux_inv_norm(four aux)
{
    const uint32x4_t ac = vzip1q_u32(aux_words(aux.r0), aux_words(aux.r2));
    const uint32x4_t bd = vzip1q_u32(aux_words(aux.r1), aux_words(aux.r3));
    return vreinterpretq_f32_u32(vzip1q_u32(ac, bd));
}

INLINE float32x4_t aux_norm2(four aux)
{
    const uint32x4_t ac = vzip1q_u32(aux_words(aux.r0), aux_words(aux.r2));
    const uint32x4_t bd = vzip1q_u32(aux_words(aux.r1), aux_words(aux.r3));
    return vreinterpretq_f32_u32(vzip2q_u32(ac, bd));
}

INLINE uint32x4_t aux_sum(four aux)
{
    const uint32x4_t ac = vzip2q_u32(aux_words(aux.r0), aux_words(aux.r2));
    const uint32x4_t bd = vzip2q_u32(aux_words(aux.r1), aux_words(aux.r3));
    return vzip2q_u32(ac, bd);
}

INLINE uint32x4_t aux_inorm2(four aux)
{
    const uint32x4_t ac = vzip2q_u32(aux_words(aux.r0), aux_words(aux.r2));
    const uint32x4_t bd = vzip2q_u32(aux_words(aux.r1), aux_words(aux.r3));
    return vzip1q_u32(ac, bd);
}

/* ki_key_from_float: negative numbers turn over whole, others in the sign alone; every NaN
 * becomes all ones. */
INLINE uint32x4_t float_keys(float32x4_t d)
{
    const int32x4_t bits = vreinterpretq_s32_f32(d);
    const uint32x4_t sign = vdupq_n_u32(UINT32_C(0x80000000));
    const uint32x4_t turn = vorrq_u32(vreinterpretq_u32_s32(vshrq_n_s32(bits, 31)), sign);
    const uint32x4_t key = veorq_u32(vreinterpretq_u32_s32(bits), turn);
    return vornq_u32(key, vceqq_f32(d, d));
}

INLINE uint32x4_t f32_l2sq_keys(const ki_query *query, float32x4_t sum, four aux)
{
    (void)query, (void)aux;
    return float_keys(sum);
}

INLINE uint32x4_t f32_ip_keys(const ki_query *query, float32x4_t dot, four aux)
{
    (void)query, (void)aux;
    return float_keys(vsubq_f32(vdupq_n_f32(0.0f), dot)); /* so that no zero is negative */
}

INLINE uint32x4_t f32_cosine_keys(const ki_query *query, float32x4_t dot, four aux)
{
    (void)query; /* of unit length already */
    return float_keys(vsubq_f32(vdupq_n_f32(1.0f), vmulq_f32(dot, aux_inv_norm(aux))));
}

/* |q|^2 + |x|^2 - 2 q.x modulo 2^32, which is the distance itself: it is below 2^32. */
INLINE uint32x4_t int_l2sq_keys(const ki_query *query, uint32x4_t dot, four aux)
{
    const uint32x4_t norms = vaddq_u32(vdupq_n_u32(query->inorm2), aux_inorm2(aux));
    return vsubq_u32(norms, vaddq_u32(dot, dot));
}

INLINE uint32x4_t int_ip_keys(const ki_query *query, uint32x4_t dot, four aux)
{
    (void)query, (void)aux;
    return vsubq_u32(vdupq_n_u32(UINT32_C(0x80000000)), dot); /* -dot + 2^31 */
}

INLINE uint32x4_t int_cosine_keys(const ki_query *query, uint32x4_t dot, four aux)
{
    const float32x4_t real = vcvtq_f32_s32(vreinterpretq_s32_u32(dot));
    const float32x4_t x = vmulq_f32(real, vdupq_n_f32(query->inv_norm));
    return float_keys(vsubq_f32(vdupq_n_f32(1.0f), vmulq_f32(x, aux_inv_norm(aux))));
}

/* The query is not of unit length yet. */
INLINE uint32x4_t bb_cosine_keys(const ki_query *query, float32x4_t dot, four aux)
{
    return f32_cosine_keys(query, vmulq_f32(dot, vdupq_n_f32(query->inv_norm)), aux);
}

INLINE uint32x4_t q8_l2sq_keys(const ki_query *query, float32x4_t dot, four aux)
{
    const float32x4_t norms = vaddq_f32(vdupq_n_f32(query->bias), aux_norm2(aux));
    return float_keys(vsubq_f32(norms, vaddq_f32(dot, dot)));
}

/* A bias of -0 less a dot of +0 is -0, which adding +0 mends. */
INLINE uint32x4_t q8_ip_keys(const ki_query *query, float32x4_t dot, four aux)
{
    (void)aux;
    const float32x4_t distance = vsubq_f32(vdupq_n_f32(query->bias), dot);
    return float_keys(vaddq_f32(distance, vdupq_n_f32(0.0f)));
}

INLINE uint32x4_t b1_hamming_keys(const ki_query *query, uint32x4_t differ, four aux)
{
    (void)query, (void)aux;
    return differ;
}

/* Bits that both have, by bits that either has. Without any bit the quotient is NaN, and is
 * replaced. */
INLINE uint32x4_t b1_jaccard_keys(const ki_query *query, uint32x4_t both, four aux)
{
    const uint32x4_t all = vaddq_u32(vdupq_n_u32((uint32_t)query->sum), aux_sum(aux));
    const uint32x4_t either = vsubq_u32(all, both);
    const float32x4_t same = vdivq_f32(vcvtq_f32_u32(both), vcvtq_f32_u32(either));
    const uint32x4_t distance = vreinterpretq_u32_f32(vsubq_f32(vdupq_n_f32(1.0f), same));
    const uint32x4_t none = vceqzq_u32(either);
    return float_keys(vreinterpretq_f32_u32(vbicq_u32(distance, none)));
}

/* Codes 0..15 stand for 16 x - 120: q.(16 x - 120) = 16 q.x - 120 * sum of q. */
INLINE uint32x4_t q4_dot(const ki_query *query, uint32x4_t sum)
{
    return vsubq_u32(vshlq_n_u32(sum, 4), vdupq_n_u32((uint32_t)(120 * query->sum)));
}

/* What the signs of a row say about the query, in its own units. */
INLINE float32x4_t q1_similarity(const ki_query *query, uint32x4_t sum, four aux)
{
    const uint32x4_t whole = vsubq_u32(vaddq_u32(sum, sum), vdupq_n_u32((uint32_t)query->sum));
    const float32x4_t real = vcvtq_f32_s32(vreinterpretq_s32_u32(whole));
    return vmulq_f32(vmulq_f32(vdupq_n_f32(query->scale), real), aux_inv_norm(aux));
}

INLINE uint32x4_t q1_l2sq_keys(const ki_query *query, uint32x4_t sum, four aux)
{
    const float32x4_t s = q1_similarity(query, sum, aux);
    const float32x4_t norms = vaddq_f32(vdupq_n_f32(query->bias), aux_norm2(aux));
    return float_keys(vsubq_f32(norms, vaddq_f32(s, s)));
}

INLINE uint32x4_t q1_ip_keys(const ki_query *query, uint32x4_t sum, four aux)
{
    const float32x4_t s = q1_similarity(query, sum, aux);
    const float32x4_t distance = vsubq_f32(vdupq_n_f32(query->bias), s);
    return float_keys(vaddq_f32(distance, vdupq_n_f32(0.0f)));
}

#endif

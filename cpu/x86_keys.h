/* x86_keys.h - from the sums of four rows to their order keys, in 128-bit registers.
 *
 * May include addresses.h and intrinsics; each file that includes it has AVX at least. Four lanes
 * are enough for the group of eight too: keys are a dozen instructions behind some hundred.
 *
 * What keys.h does with branches is done here with masks; a test holds the two together.
 */
#ifndef KI_CPU_X86_KEYS_H
#define KI_CPU_X86_KEYS_H

#include "cpu/addresses.h"
#include <immintrin.h>

#define STORE(keys, v) _mm_storeu_si128((__m128i *)(void *)(keys), v)
#define FIRST(v) (uint32_t) _mm_cvtsi128_si32(v)

/* Side data as the columns of a 4 x 4 table: one row a load, then two rounds of shuffles. */
INLINE __m128i aux_half(const unsigned char *a)
{
    return _mm_loadu_si128((const __m128i *)(const void *)a);
}

INLINE __m128 aux_inv_norm(four aux)
{
    const __m128i ab = _mm_unpacklo_epi32(aux_half(aux.r0), aux_half(aux.r1));
    const __m128i cd = _mm_unpacklo_epi32(aux_half(aux.r2), aux_half(aux.r3));
    return _mm_castsi128_ps(_mm_unpacklo_epi64(ab, cd));
}

INLINE __m128 aux_norm2(four aux)
{
    const __m128i ab = _mm_unpacklo_epi32(aux_half(aux.r0), aux_half(aux.r1));
    const __m128i cd = _mm_unpacklo_epi32(aux_half(aux.r2), aux_half(aux.r3));
    return _mm_castsi128_ps(_mm_unpackhi_epi64(ab, cd));
}

INLINE __m128i aux_inorm2(four aux)
{
    const __m128i ab = _mm_unpackhi_epi32(aux_half(aux.r0), aux_half(aux.r1));
    const __m128i cd = _mm_unpackhi_epi32(aux_half(aux.r2), aux_half(aux.r3));
    return _mm_unpacklo_epi64(ab, cd);
}

INLINE __m128i aux_sum(four aux)
{
    const __m128i ab = _mm_unpackhi_epi32(aux_half(aux.r0), aux_half(aux.r1));
    const __m128i cd = _mm_unpackhi_epi32(aux_half(aux.r2), aux_half(aux.r3));
    return _mm_unpackhi_epi64(ab, cd);
}

/* ki_key_from_float: negative numbers turn over whole, others in the sign alone; NaN, also the
 * negative one that these machines make by themselves, becomes all ones. */
INLINE __m128i float_keys(__m128 d)
{
    const __m128i bits = _mm_castps_si128(d);
    const __m128i turn = _mm_or_si128(_mm_srai_epi32(bits, 31), _mm_set1_epi32(INT32_MIN));
    const __m128i nan = _mm_castps_si128(_mm_cmpunord_ps(d, d));
    return _mm_or_si128(_mm_xor_si128(bits, turn), nan);
}

INLINE __m128i f32_l2sq_keys(const ki_query *query, __m128 sum, four aux)
{
    (void)query, (void)aux;
    return float_keys(sum);
}

INLINE __m128i f32_ip_keys(const ki_query *query, __m128 dot, four aux)
{
    (void)query, (void)aux;
    return float_keys(_mm_sub_ps(_mm_setzero_ps(), dot)); /* so that no zero is negative */
}

INLINE __m128i f32_cosine_keys(const ki_query *query, __m128 dot, four aux)
{
    (void)query; /* of unit length already */
    return float_keys(_mm_sub_ps(_mm_set1_ps(1.0f), _mm_mul_ps(dot, aux_inv_norm(aux))));
}

/* bf16 queries kept as they are: their inverse norm comes beside them. */
INLINE __m128i bb_cosine_keys(const ki_query *query, __m128 dot, four aux)
{
    return f32_cosine_keys(query, _mm_mul_ps(dot, _mm_set1_ps(query->inv_norm)), aux);
}

INLINE __m128i q8_l2sq_keys(const ki_query *query, __m128 dot, four aux)
{
    const __m128 norms = _mm_add_ps(_mm_set1_ps(query->bias), aux_norm2(aux));
    return float_keys(_mm_sub_ps(norms, _mm_add_ps(dot, dot)));
}

/* A bias of -0 less a dot of +0 is -0, which adding +0 mends. */
INLINE __m128i q8_ip_keys(const ki_query *query, __m128 dot, four aux)
{
    (void)aux;
    const __m128 distance = _mm_sub_ps(_mm_set1_ps(query->bias), dot);
    return float_keys(_mm_add_ps(distance, _mm_setzero_ps()));
}

/* The first `left` bytes, 1..7, reading no other: two overlapping words, or three bytes. */
INLINE uint64_t few_bytes(const unsigned char *p, size_t left)
{
    uint32_t low, high;
    if (left < 4)
        return p[0] | (uint64_t)p[left / 2] << 8 * (left / 2) |
               (uint64_t)p[left - 1] << 8 * (left - 1);
    memcpy(&low, p, sizeof low);
    memcpy(&high, p + left - 4, sizeof high);
    return low | (uint64_t)high << 8 * (left - 4);
}

#endif

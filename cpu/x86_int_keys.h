/* x86_int_keys.h - from the integer sums of four rows to their order keys.
 *
 * May include x86_keys.h. Float operations stand in the contract's order, and no two of them are
 * fused: these keys are the same on every instruction set.
 */
#ifndef KI_CPU_X86_INT_KEYS_H
#define KI_CPU_X86_INT_KEYS_H

#include "cpu/x86_keys.h"

/* |q|^2 + |x|^2 - 2 q.x modulo 2^32, which is the distance itself: it is below 2^32. */
INLINE __m128i int_l2sq_keys(const ki_query *query, __m128i dot, four aux)
{
    const __m128i norms = _mm_add_epi32(_mm_set1_epi32((int)query->inorm2), aux_inorm2(aux));
    return _mm_sub_epi32(norms, _mm_add_epi32(dot, dot));
}

INLINE __m128i int_ip_keys(const ki_query *query, __m128i dot, four aux)
{
    (void)query, (void)aux;
    return _mm_sub_epi32(_mm_set1_epi32(INT32_MIN), dot); /* -dot + 2^31 */
}

INLINE __m128i int_cosine_keys(const ki_query *query, __m128i dot, four aux)
{
    const __m128 x = _mm_mul_ps(_mm_cvtepi32_ps(dot), _mm_set1_ps(query->inv_norm));
    return float_keys(_mm_sub_ps(_mm_set1_ps(1.0f), _mm_mul_ps(x, aux_inv_norm(aux))));
}

INLINE __m128i b1_hamming_keys(const ki_query *query, __m128i differ, four aux)
{
    (void)query, (void)aux;
    return differ;
}

/* Bits that both have, by bits that either has. Without any bit the quotient is NaN, and is
 * replaced. */
INLINE __m128i b1_jaccard_keys(const ki_query *query, __m128i both, four aux)
{
    const __m128i all = _mm_add_epi32(_mm_set1_epi32(query->sum), aux_sum(aux));
    const __m128i either = _mm_sub_epi32(all, both);
    const __m128 same = _mm_div_ps(_mm_cvtepi32_ps(both), _mm_cvtepi32_ps(either));
    const __m128 none = _mm_castsi128_ps(_mm_cmpeq_epi32(either, _mm_setzero_si128()));
    return float_keys(_mm_andnot_ps(none, _mm_sub_ps(_mm_set1_ps(1.0f), same)));
}

/* Codes 0..15 stand for 16 x - 120: q.(16 x - 120) = 16 q.x - 120 * sum of q. */
INLINE __m128i q4_dot(const ki_query *query, __m128i sum)
{
    return _mm_sub_epi32(_mm_slli_epi32(sum, 4), _mm_set1_epi32(120 * query->sum));
}

/* What the signs of a row say about the query, in its own units. */
INLINE __m128 q1_similarity(const ki_query *query, __m128i sum, four aux)
{
    const __m128i whole = _mm_sub_epi32(_mm_add_epi32(sum, sum), _mm_set1_epi32(query->sum));
    const __m128 scaled = _mm_mul_ps(_mm_set1_ps(query->scale), _mm_cvtepi32_ps(whole));
    return _mm_mul_ps(scaled, aux_inv_norm(aux));
}

INLINE __m128i q1_l2sq_keys(const ki_query *query, __m128i sum, four aux)
{
    const __m128 s = q1_similarity(query, sum, aux);
    const __m128 norms = _mm_add_ps(_mm_set1_ps(query->bias), aux_norm2(aux));
    return float_keys(_mm_sub_ps(norms, _mm_add_ps(s, s)));
}

/* Plus zero, so that no zero is negative. */
INLINE __m128i q1_ip_keys(const ki_query *query, __m128i sum, four aux)
{
    const __m128 s = q1_similarity(query, sum, aux);
    return float_keys(_mm_add_ps(_mm_sub_ps(_mm_set1_ps(query->bias), s), _mm_setzero_ps()));
}

#endif

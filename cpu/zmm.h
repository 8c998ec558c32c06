/* zmm.h - the words that float kernels of 512 bits share: totals. Integers have zmm_ints.h.
 *
 * May include x86_keys.h. The totals add lanes in one order whatever the number of rows: inside
 * each quarter (0 + 2) + (1 + 3), then quarters (0 + 2) + (1 + 3). Eight rows cost three shuffles
 * or additions each that way; reducing row by row would cost twelve.
 */
#ifndef KI_CPU_ZMM_H
#define KI_CPU_ZMM_H

#include "cpu/x86_keys.h"

#define EIGHT_ROWS 1

typedef __m512 f32_vec;

INLINE __m512 f32_zero(void)
{
    return _mm512_setzero_ps();
}

INLINE __m512 f32_add(__m512 a, __m512 b)
{
    return _mm512_add_ps(a, b);
}

/* A register of 16-bit elements. */
INLINE __m512i halves_load(const unsigned char *p)
{
    return _mm512_loadu_si512(p);
}

INLINE __m512i halves_tail(const unsigned char *p, size_t left)
{
    return _mm512_maskz_loadu_epi16(_cvtu32_mask32((UINT32_C(1) << left / 2) - 1), p);
}

typedef struct f32_totals {
    __m128 lo, hi;
} f32_totals;

typedef __m128 f32_total;
/* Four rows: in each quarter of the result, what that quarter of each row adds up to. */
INLINE __m512 f32_quarters(__m512 a, __m512 b, __m512 c, __m512 d)
{
    const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    return _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xee));
}

INLINE __m128 f32_fold(__m512 quarters)
{
    const __m256 half =
        _mm256_add_ps(_mm512_castps512_ps256(quarters), _mm512_extractf32x8_ps(quarters, 1));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

INLINE __m128 f32_total4(__m512 a, __m512 b, __m512 c, __m512 d)
{
    return f32_fold(f32_quarters(a, b, c, d));
}

INLINE __m128 f32_total1(__m512 a)
{
    const __m512 two = _mm512_add_ps(a, _mm512_permute_ps(a, 0x4e));
    return f32_fold(_mm512_add_ps(two, _mm512_permute_ps(two, 0xb1)));
}

INLINE f32_totals f32_total8(__m512 a, __m512 b, __m512 c, __m512 d, __m512 e, __m512 f, __m512 g,
                             __m512 h)
{
    const __m512 x = f32_quarters(a, b, c, d), y = f32_quarters(e, f, g, h);
    const __m512 two =
        _mm512_add_ps(_mm512_shuffle_f32x4(x, y, 0x44), _mm512_shuffle_f32x4(x, y, 0xee));
    const __m512 one =
        _mm512_add_ps(_mm512_shuffle_f32x4(two, two, 0x88), _mm512_shuffle_f32x4(two, two, 0xdd));
    const f32_totals totals = {_mm512_castps512_ps128(one), _mm512_extractf32x4_ps(one, 1)};
    return totals;
}

#endif

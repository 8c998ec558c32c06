/* zmm.h - the words that avx512.c and avx512vnni.c share: masked loads and totals of 512 bits.
 *
 * May include x86_keys.h. The totals add lanes in one order whatever the number of rows: inside
 * each quarter (0 + 2) + (1 + 3), then quarters (0 + 2) + (1 + 3). Eight rows cost three shuffles
 * or additions each that way; reducing row by row would cost twelve.
 */
#ifndef KI_CPU_ZMM_H
#define KI_CPU_ZMM_H

#include "cpu/x86_keys.h"

#define EIGHT_ROWS 1

typedef struct f32_totals {
    __m128 lo, hi;
} f32_totals;

typedef struct u8_totals {
    __m128i lo, hi;
} u8_totals;

typedef __m128 f32_total;
typedef __m128i u8_total;
/* Lanes of 32 bits by type: as __m512i, eight lanes of 64, GCC 12 copies every accumulator of the
 * loop between two registers in each step. */
typedef uint32_t u8_vec __attribute__((vector_size(64)));

enum { u8_chunk = 64, u8_bytes_each = 1, u8_sums = 1 };

INLINE u8_vec u8_zero(void)
{
    return (u8_vec)_mm512_setzero_si512();
}

INLINE u8_vec u8_add(u8_vec a, u8_vec b)
{
    return a + b;
}

INLINE __m512i u8_load(const unsigned char *p)
{
    return _mm512_loadu_si512(p);
}

/* A masked load touches no byte that the mask leaves out. */
INLINE __m512i u8_tail(const unsigned char *p, size_t left)
{
    return _mm512_maskz_loadu_epi8(_cvtu64_mask64(UINT64_MAX >> (64 - left)), p);
}

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

/* The same for integers, where order could not matter. */
INLINE __m512i u8_quarters(u8_vec a, u8_vec b, u8_vec c, u8_vec d)
{
    const __m512i x = (__m512i)a, y = (__m512i)b, z = (__m512i)c, w = (__m512i)d;
    const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(x, y), _mm512_unpackhi_epi32(x, y));
    const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(z, w), _mm512_unpackhi_epi32(z, w));
    return _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
}

INLINE __m128i u8_total4(u8_vec a, u8_vec b, u8_vec c, u8_vec d)
{
    const __m512i all = u8_quarters(a, b, c, d);
    const __m256i half =
        _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

INLINE __m128i u8_total1(u8_vec a)
{
    return u8_total4(a, a, a, a);
}

INLINE u8_totals u8_total8(u8_vec a, u8_vec b, u8_vec c, u8_vec d, u8_vec e, u8_vec f, u8_vec g,
                           u8_vec h)
{
    const __m512i x = u8_quarters(a, b, c, d), y = u8_quarters(e, f, g, h);
    const __m512i two =
        _mm512_add_epi32(_mm512_shuffle_i32x4(x, y, 0x44), _mm512_shuffle_i32x4(x, y, 0xee));
    const __m512i one = _mm512_add_epi32(_mm512_shuffle_i32x4(two, two, 0x88),
                                         _mm512_shuffle_i32x4(two, two, 0xdd));
    const u8_totals totals = {_mm512_castsi512_si128(one), _mm512_extracti32x4_epi32(one, 1)};
    return totals;
}

#endif

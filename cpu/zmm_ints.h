/* zmm_ints.h - the words that integer kernels of 512 bits share: masked loads and totals.
 *
 * May include x86_int_keys.h. Used by avx512_ints.h, avx512vnni.c and avx512popcnt.c. The totals
 * are the tree of zmm.h: eight rows cost three shuffles or additions each, where reducing row by
 * row would cost twelve.
 */
#ifndef KI_CPU_ZMM_INTS_H
#define KI_CPU_ZMM_INTS_H

#include "cpu/x86_int_keys.h"

#ifndef EIGHT_ROWS
#define EIGHT_ROWS 1
#endif

typedef __m512i int_reg;
typedef __m128i int_total;
/* Lanes of 32 bits by type: as __m512i, eight lanes of 64, GCC 12 copies every accumulator of the
 * loop between two registers in each step. */
typedef uint32_t int_vec __attribute__((vector_size(64)));

typedef struct int_totals {
    __m128i lo, hi;
} int_totals;

enum { int_bytes = 64 };

INLINE int_vec int_zero(void)
{
    return (int_vec)_mm512_setzero_si512();
}

INLINE __m512i int_load(const unsigned char *p)
{
    return _mm512_loadu_si512(p);
}

INLINE __m512i int_aligned(const unsigned char *p)
{
    return _mm512_load_si512(p);
}

/* A masked load touches no byte that the mask leaves out. */
INLINE __m512i int_tail(const unsigned char *p, size_t left)
{
    return _mm512_maskz_loadu_epi8(_cvtu64_mask64(UINT64_MAX >> (64 - left)), p);
}

/* Four rows: in each quarter of the result, what that quarter of each row adds up to. */
INLINE __m512i int_quarters(int_vec a, int_vec b, int_vec c, int_vec d)
{
    const __m512i x = (__m512i)a, y = (__m512i)b, z = (__m512i)c, w = (__m512i)d;
    const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(x, y), _mm512_unpackhi_epi32(x, y));
    const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(z, w), _mm512_unpackhi_epi32(z, w));
    return _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
}

INLINE __m128i int_total4(int_vec a, int_vec b, int_vec c, int_vec d)
{
    const __m512i all = int_quarters(a, b, c, d);
    const __m256i half =
        _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

INLINE __m128i int_total1(int_vec a)
{
    return int_total4(a, a, a, a);
}

INLINE int_totals int_total8(int_vec a, int_vec b, int_vec c, int_vec d, int_vec e, int_vec f,
                             int_vec g, int_vec h)
{
    const __m512i x = int_quarters(a, b, c, d), y = int_quarters(e, f, g, h);
    const __m512i two =
        _mm512_add_epi32(_mm512_shuffle_i32x4(x, y, 0x44), _mm512_shuffle_i32x4(x, y, 0xee));
    const __m512i one = _mm512_add_epi32(_mm512_shuffle_i32x4(two, two, 0x88),
                                         _mm512_shuffle_i32x4(two, two, 0xdd));
    const int_totals totals = {_mm512_castsi512_si128(one), _mm512_extracti32x4_epi32(one, 1)};
    return totals;
}

/* Four bits of each byte. */
INLINE __m512i int_low_nibbles(__m512i x)
{
    return _mm512_and_si512(x, _mm512_set1_epi8(0x0f));
}

INLINE __m512i int_high_nibbles(__m512i x)
{
    return int_low_nibbles(_mm512_srli_epi16(x, 4));
}

#endif

/* ymm_ints.h - the words that integer kernels of 256 bits share: loads, tails and totals.
 *
 * May include x86_int_keys.h. Used by avx2_ints.h and avxvnni.c. Sums are lanes of 32 bits; what is
 * added in which order cannot be seen in an integer.
 */
#ifndef KI_CPU_YMM_INTS_H
#define KI_CPU_YMM_INTS_H

#include "cpu/x86_int_keys.h"

typedef __m256i int_reg;
typedef __m128i int_total;
/* Lanes of 32 bits by type: see zmm_ints.h. */
typedef uint32_t int_vec __attribute__((vector_size(32)));

enum { int_bytes = 32 };

/* All ones in the first `count` of eight lanes. */
INLINE __m256i first_lanes(size_t count)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), lane);
}

INLINE int_vec int_zero(void)
{
    return (int_vec)_mm256_setzero_si256();
}

INLINE __m256i int_load(const unsigned char *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

INLINE __m256i int_aligned(const unsigned char *p)
{
    return _mm256_load_si256((const __m256i *)(const void *)p);
}

/* Whole words by a masked load, then up to three bytes one by one into the word behind them. */
INLINE __m256i int_tail(const unsigned char *p, size_t left)
{
    const size_t words = left / 4;
    const __m256i whole = _mm256_maskload_epi32((const int *)(const void *)p, first_lanes(words));
    uint32_t last = 0;
    for (size_t i = left; i > words * 4; i--)
        last = last << 8 | p[i - 1];
    const __m256i here = _mm256_xor_si256(first_lanes(words), first_lanes(words + 1));
    return _mm256_or_si256(whole, _mm256_and_si256(_mm256_set1_epi32((int)last), here));
}

INLINE __m128i int_total4(int_vec a, int_vec b, int_vec c, int_vec d)
{
    const __m256i all = _mm256_hadd_epi32(_mm256_hadd_epi32((__m256i)a, (__m256i)b),
                                          _mm256_hadd_epi32((__m256i)c, (__m256i)d));
    return _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}

INLINE __m128i int_total1(int_vec a)
{
    return int_total4(a, a, a, a);
}

/* Four bits of each byte. */
INLINE __m256i int_low_nibbles(__m256i x)
{
    return _mm256_and_si256(x, _mm256_set1_epi8(0x0f));
}

INLINE __m256i int_high_nibbles(__m256i x)
{
    return int_low_nibbles(_mm256_srli_epi16(x, 4));
}

#endif

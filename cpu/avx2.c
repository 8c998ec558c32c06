/* avx2.c - kernels for AVX2 and FMA: Haswell and later, Zen and later, anything without AVX-512.
 *
 * May include kernels/, addresses.h, the templates and intrinsics. Four rows a group and two
 * accumulators a row: eight sums, two query chunks and what a step needs fill the sixteen
 * registers, and eight independent chains of FMA (latency 4, two a cycle) hide the latency.
 *
 * u8: VPMADDUBSW would do two bytes at once but saturates at 16 bits, and 2 * 255 * 255 is twice
 * too much. So bytes are split into even ones (a mask) and odd ones (a shift) of 16 bits, and
 * VPMADDWD adds pairs of products into 32 bits. All products together are at most
 * 33025 * 255^2 < 2^31, so no lane and no total can overflow.
 */
#include "kernels/isa.h"
#include "cpu/prepare.h"
#include "cpu/x86_keys.h"

#if !defined(__AVX2__) || !defined(__FMA__)
#error "avx2.c must be compiled with -mavx2 -mfma"
#endif

typedef __m256 f32_vec;
typedef __m256 f32_query;
typedef __m128 f32_total;
enum { f32_chunk = 32, f32_bytes_each = 4, f32_sums = 2 };

INLINE __m256 f32_zero(void)
{
    return _mm256_setzero_ps();
}

INLINE __m256 f32_add(__m256 a, __m256 b)
{
    return _mm256_add_ps(a, b);
}

INLINE __m256 f32_load(const unsigned char *p)
{
    return _mm256_loadu_ps((const float *)(const void *)p);
}

INLINE __m256 f32_query_at(const unsigned char *data, size_t at)
{
    return f32_load(data + at);
}

/* All ones in the first `count` of eight lanes. */
INLINE __m256i first_lanes(size_t count)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), lane);
}

INLINE __m256 f32_tail(const unsigned char *p, size_t left)
{
    return _mm256_maskload_ps((const float *)(const void *)p, first_lanes(left / sizeof(float)));
}

INLINE __m256 f32_l2sq_step(__m256 sum, __m256 q, __m256 x)
{
    const __m256 difference = _mm256_sub_ps(q, x);
    return _mm256_fmadd_ps(difference, difference, sum);
}

INLINE __m256 f32_dot_step(__m256 sum, __m256 q, __m256 x)
{
    return _mm256_fmadd_ps(q, x, sum);
}

/* Lane sums in one order, here and in f32_total4: (0 + 2) + (1 + 3) in each half, then halves. */
INLINE __m128 f32_total1(__m256 a)
{
    const __m256 two = _mm256_add_ps(a, _mm256_permute_ps(a, 0x4e));
    const __m256 one = _mm256_add_ps(two, _mm256_permute_ps(two, 0xb1));
    return _mm_add_ps(_mm256_castps256_ps128(one), _mm256_extractf128_ps(one, 1));
}

INLINE __m128 f32_total4(__m256 a, __m256 b, __m256 c, __m256 d)
{
    const __m256 ab = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    const __m256 cd = _mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    const __m256 even = _mm256_shuffle_ps(ab, cd, 0x44), odd = _mm256_shuffle_ps(ab, cd, 0xee);
    const __m256 all = _mm256_add_ps(even, odd);
    return _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
}

typedef uint32_t u8_vec __attribute__((vector_size(32)));
typedef __m128i u8_total;
enum { u8_chunk = 32, u8_bytes_each = 1, u8_sums = 1 };

/* The query's side of 32 bytes: even and odd elements of 16 bits. */
typedef struct u8_query {
    __m256i even, odd;
} u8_query;

INLINE u8_vec u8_zero(void)
{
    return (u8_vec)_mm256_setzero_si256();
}

INLINE u8_vec u8_add(u8_vec a, u8_vec b)
{
    return a + b;
}

/* A block of 64 elements lies in scratch as 64 bytes of even ones and 64 of odd ones. */
INLINE u8_query u8_query_at(const unsigned char *data, size_t at)
{
    const unsigned char *p = data + at / BLOCK * BLOCK * 2 + at % BLOCK;
    const u8_query q = {_mm256_load_si256((const __m256i *)(const void *)p),
                        _mm256_load_si256((const __m256i *)(const void *)(p + BLOCK))};
    return q;
}

INLINE __m256i u8_load(const unsigned char *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

/* Whole words by a masked load, then up to three bytes one by one into the word behind them. */
INLINE __m256i u8_tail(const unsigned char *p, size_t left)
{
    const size_t words = left / 4;
    const __m256i whole = _mm256_maskload_epi32((const int *)(const void *)p, first_lanes(words));
    uint32_t last = 0;
    for (size_t i = left; i > words * 4; i--)
        last = last << 8 | p[i - 1];
    const __m256i here = _mm256_xor_si256(first_lanes(words), first_lanes(words + 1));
    return _mm256_or_si256(whole, _mm256_and_si256(_mm256_set1_epi32((int)last), here));
}

INLINE u8_vec u8_dot_step(u8_vec sum, u8_query q, __m256i x)
{
    const __m256i even = _mm256_and_si256(x, _mm256_set1_epi16(0x00ff));
    const __m256i odd = _mm256_srli_epi16(x, 8);
    sum += (u8_vec)_mm256_madd_epi16(even, q.even);
    return sum + (u8_vec)_mm256_madd_epi16(odd, q.odd);
}

INLINE __m128i u8_total4(u8_vec a, u8_vec b, u8_vec c, u8_vec d)
{
    const __m256i all = _mm256_hadd_epi32(_mm256_hadd_epi32((__m256i)a, (__m256i)b),
                                          _mm256_hadd_epi32((__m256i)c, (__m256i)d));
    return _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}

INLINE __m128i u8_total1(u8_vec a)
{
    return u8_total4(a, a, a, a);
}

/* The sums are the dot products: nothing was added to the query. */
INLINE __m128i u8_dot(__m128i sum, four aux)
{
    (void)aux;
    return sum;
}

INLINE void u8_prepare(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_split_u8(vector, dim, scratch, out);
}

#include "cpu/f32_tmpl.h"
#include "cpu/u8_tmpl.h"

void ki_fill_avx2(ki_kernels *table)
{
    fill_f32(table, KI_ISA_AVX2);
    fill_u8(table, KI_ISA_AVX2);
}

/* avx2.c - kernels for AVX2 and FMA: Haswell and later, Zen and later, anything without AVX-512.
 *
 * May include kernels/, addresses.h, the templates and intrinsics. Four rows a group and two
 * accumulators a row: eight sums, two query chunks and what a step needs fill the sixteen
 * registers, and eight independent chains of FMA (latency 4, two a cycle) hide the latency.
 */
#include "kernels/isa.h"
#include "cpu/prepare_floats.h"
#include "cpu/sift.h"
#include "cpu/avx2_ints.h"

#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "avx2.c must be compiled with -mavx2 -mfma -mf16c"
#endif

typedef __m256 f32_vec;
typedef __m256 f32_query;
typedef __m128 f32_total;
enum { f32_chunk = 32, f32_bits_each = 32, f32_sums = 2 };

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

#include "cpu/f32_tmpl.h"

INLINE __m256 f16_load(const unsigned char *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

INLINE __m256 f16_tail(const unsigned char *p, size_t left)
{
    if (left < 8)
        return _mm256_cvtph_ps(_mm_cvtsi64_si128((long long)few_bytes(p, left)));
    const uint64_t high = left > 8 ? few_bytes(p + 8, left - 8) : 0;
    const __m128i low = _mm_loadl_epi64((const __m128i *)(const void *)p);
    return _mm256_cvtph_ps(_mm_insert_epi64(low, (long long)high, 1));
}

INLINE __m128i eight_bytes(const unsigned char *p)
{
    return _mm_loadl_epi64((const __m128i *)(const void *)p);
}

INLINE __m128i some_bytes(const unsigned char *p, size_t left)
{
    return _mm_cvtsi64_si128((long long)few_bytes(p, left));
}

INLINE __m256 f32u8_load(const unsigned char *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(eight_bytes(p)));
}

INLINE __m256 f32u8_tail(const unsigned char *p, size_t left)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(some_bytes(p, left)));
}

INLINE __m256 f32i8_load(const unsigned char *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(eight_bytes(p)));
}

INLINE __m256 f32i8_tail(const unsigned char *p, size_t left)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(some_bytes(p, left)));
}

typedef __m256i bf16_reg;

INLINE __m256i bf16_load(const unsigned char *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

/* Whole words by a masked load; of an odd element behind them, two bytes. */
INLINE __m256i bf16_tail(const unsigned char *p, size_t left)
{
    const size_t words = left / 4;
    const __m256i whole = _mm256_maskload_epi32((const int *)(const void *)p, first_lanes(words));
    const uint32_t last = left % 4 ? (uint32_t)few_bytes(p + words * 4, 2) : 0;
    const __m256i here = _mm256_xor_si256(first_lanes(words), first_lanes(words + 1));
    return _mm256_or_si256(whole, _mm256_and_si256(_mm256_set1_epi32((int)last), here));
}

INLINE __m256 bf16_even(__m256i x)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(x, 16));
}

INLINE __m256 bf16_odd(__m256i x)
{
    return _mm256_castsi256_ps(_mm256_and_si256(x, _mm256_set1_epi32(-0x10000)));
}

#include "cpu/floats_tmpl.h"

/* Eight ids at a time; those that are new move to the front by a permutation whose indices pext
 * picks from the eight bytes 0..7. */
static uint32_t sift(uint32_t *words, uint32_t epoch, const uint32_t *links, uint32_t degree,
                     uint32_t *ids)
{
    const __m256i low = _mm256_set1_epi32(15), one = _mm256_set1_epi32(1);
    const __m256i now = _mm256_set1_epi32((int)epoch), end = _mm256_set1_epi32(-1);
    const __m256i none = _mm256_setzero_si256();
    uint32_t n = 0, i = 0;
    for (; i + 8 <= degree; i += 8) {
        const __m256i id = _mm256_loadu_si256((const __m256i *)(const void *)(links + i));
        const __m256i there = _mm256_xor_si256(_mm256_cmpeq_epi32(id, end), end);
        const __m256i word = _mm256_mask_i32gather_epi32(none, (const int *)words,
                                                         _mm256_srli_epi32(id, 4), there, 4);
        const __m256i bit = _mm256_sllv_epi32(one, _mm256_and_si256(id, low));
        const __m256i age = _mm256_srli_epi32(_mm256_xor_si256(word, now), 16);
        const __m256i current = _mm256_cmpeq_epi32(age, none);
        const __m256i unset = _mm256_cmpeq_epi32(_mm256_and_si256(word, bit), none);
        const __m256i fresh =
            _mm256_and_si256(there, _mm256_or_si256(unset, _mm256_xor_si256(current, end)));
        const uint32_t mask = (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(fresh));
        const uint64_t bytes = _pdep_u64(mask, UINT64_C(0x0101010101010101)) * 0xff;
        const uint64_t picks = _pext_u64(UINT64_C(0x0706050403020100), bytes);
        const __m256i order = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)picks));
        const uint32_t count = (uint32_t)__builtin_popcount(mask);
        _mm256_storeu_si256((__m256i *)(void *)(ids + n), _mm256_permutevar8x32_epi32(id, order));
        sift_mark_all(words, epoch, ids + n, count);
        n += count;
    }
    for (; i < degree && links[i] != UINT32_MAX; i++) {
        ids[n] = links[i];
        n += sift_mark(words, epoch, links[i]);
    }
    return n;
}

void ki_fill_avx2(ki_kernels *table)
{
    table->sift = sift;
    table->sift_from = KI_ISA_AVX2;
    fill_f32(table, KI_ISA_AVX2);
    fill_floats(table, KI_ISA_AVX2);
    u8_fill(table, KI_ISA_AVX2);
    i8_fill(table, KI_ISA_AVX2);
    b1_fill(table, KI_ISA_AVX2);
    q4_fill(table, KI_ISA_AVX2);
    q1_fill(table, KI_ISA_AVX2);
}

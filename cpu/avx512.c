/* avx512.c - kernels for AVX-512 F, BW, DQ, VL and CD: Skylake-X, Ice Lake, Zen 4 and later.
 *
 * May include kernels/, zmm.h, the templates and intrinsics. Eight rows a group and two
 * accumulators a row take sixteen of the thirty-two registers; a query chunk is read once for
 * eight rows, and eight rows are eight misses in flight. Long rows go by four all the same:
 * shapes_tmpl.h has the figures.
 */
#include "kernels/isa.h"
#include "cpu/prepare_floats.h"
#include "cpu/sift.h"
#include "cpu/zmm.h"
#include "cpu/avx512_ints.h"

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512DQ__) ||                   \
    !defined(__AVX512VL__)
#error "avx512.c must be compiled with -mavx512f -mavx512bw -mavx512dq -mavx512vl"
#endif

typedef __m512 f32_query;
enum { f32_chunk = 64, f32_bits_each = 32, f32_sums = 2 };

INLINE __m512 f32_load(const unsigned char *p)
{
    return _mm512_loadu_ps(p);
}

INLINE __m512 f32_tail(const unsigned char *p, size_t left)
{
    const unsigned int lanes = (1u << left / sizeof(float)) - 1;
    return _mm512_maskz_loadu_ps(_cvtu32_mask16(lanes), p);
}

INLINE __m512 f32_query_at(const unsigned char *data, size_t at)
{
    return f32_load(data + at);
}

INLINE __m512 f32_l2sq_step(__m512 sum, __m512 q, __m512 x)
{
    const __m512 difference = _mm512_sub_ps(q, x);
    return _mm512_fmadd_ps(difference, difference, sum);
}

INLINE __m512 f32_dot_step(__m512 sum, __m512 q, __m512 x)
{
    return _mm512_fmadd_ps(q, x, sum);
}

#include "cpu/f32_tmpl.h"

INLINE __m512 f16_load(const unsigned char *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

INLINE __m512 f16_tail(const unsigned char *p, size_t left)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(_cvtu32_mask16((1u << left / 2) - 1), p));
}

INLINE __m128i sixteen_bytes(const unsigned char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

INLINE __m128i some_bytes(const unsigned char *p, size_t left)
{
    return _mm_maskz_loadu_epi8(_cvtu32_mask16((1u << left) - 1), p);
}

INLINE __m512 f32u8_load(const unsigned char *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(sixteen_bytes(p)));
}

INLINE __m512 f32u8_tail(const unsigned char *p, size_t left)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(some_bytes(p, left)));
}

INLINE __m512 f32i8_load(const unsigned char *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(sixteen_bytes(p)));
}

INLINE __m512 f32i8_tail(const unsigned char *p, size_t left)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(some_bytes(p, left)));
}

typedef __m512i bf16_reg;

INLINE __m512i bf16_load(const unsigned char *p)
{
    return halves_load(p);
}

INLINE __m512i bf16_tail(const unsigned char *p, size_t left)
{
    return halves_tail(p, left);
}

INLINE __m512 bf16_even(__m512i x)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(x, 16));
}

INLINE __m512 bf16_odd(__m512i x)
{
    return _mm512_castsi512_ps(_mm512_and_si512(x, _mm512_set1_epi32(-0x10000)));
}

#include "cpu/floats_tmpl.h"

static uint32_t sift(uint32_t *words, uint32_t epoch, const uint32_t *links, uint32_t degree,
                     uint32_t *ids)
{
    const __m512i sixteen = _mm512_set1_epi32(15), one = _mm512_set1_epi32(1);
    const __m512i now = _mm512_set1_epi32((int)epoch), end = _mm512_set1_epi32(-1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < degree; i += 16) {
        const uint32_t left = degree - i;
        const __mmask16 some =
            left < 16 ? _cvtu32_mask16((1u << left) - 1) : _cvtu32_mask16(0xffff);
        const __m512i id = _mm512_mask_loadu_epi32(end, some, links + i);
        const __mmask16 there = _mm512_cmpneq_epi32_mask(id, end);
        const __m512i word = _mm512_mask_i32gather_epi32(
            _mm512_setzero_si512(), there, _mm512_srli_epi32(id, 4), (const int *)words, 4);
        const __m512i bit = _mm512_sllv_epi32(one, _mm512_and_si512(id, sixteen));
        const __m512i age = _mm512_srli_epi32(_mm512_xor_si512(word, now), 16);
        const __mmask16 stale = _mm512_test_epi32_mask(age, age);
        const __mmask16 unset = _mm512_testn_epi32_mask(word, bit);
        const __mmask16 fresh = _kand_mask16(there, _kor_mask16(stale, unset));
        const uint32_t count = (uint32_t)__builtin_popcount(_cvtmask16_u32(fresh));
        _mm512_storeu_si512(ids + n, _mm512_maskz_compress_epi32(fresh, id));
        sift_mark_all(words, epoch, ids + n, count);
        n += count;
    }
    return n;
}

void ki_fill_avx512(ki_kernels *table)
{
    table->sift = sift;
    table->sift_from = KI_ISA_AVX512;
    if (!(table->features & KI_PREFER_256)) {
        fill_f32(table, KI_ISA_AVX512);
        fill_floats(table, KI_ISA_AVX512);
    }
    u8_fill(table, KI_ISA_AVX512);
    i8_fill(table, KI_ISA_AVX512);
    b1_fill(table, KI_ISA_AVX512);
    q4_fill(table, KI_ISA_AVX512);
    q1_fill(table, KI_ISA_AVX512);
}

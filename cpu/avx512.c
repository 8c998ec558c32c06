/* avx512.c - kernels for AVX-512 F, BW, DQ, VL and CD: Skylake-X, Ice Lake, Zen 4 and later.
 *
 * May include kernels/, zmm.h, the templates and intrinsics. Eight rows a group and two
 * accumulators a row take sixteen of the thirty-two registers; a query chunk is read once for
 * eight rows, and eight rows are eight misses in flight. Long rows go by four all the same:
 * shapes_tmpl.h has the figures.
 */
#include "kernels/isa.h"
#include "cpu/prepare_floats.h"
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

void ki_fill_avx512(ki_kernels *table)
{
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

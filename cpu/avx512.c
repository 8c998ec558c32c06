/* avx512.c - kernels for AVX-512 F, BW, DQ, VL and CD: Skylake-X, Ice Lake, Zen 4 and later.
 *
 * May include kernels/, zmm.h, the templates and intrinsics. Eight rows a group and two
 * accumulators a row take sixteen of the thirty-two registers; a query chunk is read once for
 * eight rows, and eight rows are eight misses in flight. Against groups of four (Sapphire Rapids
 * class, 1 MB of rows) eight gain 0 to 6 % for f32, and nothing beyond the caches.
 *
 * u8 here is for machines without VNNI: bytes are split by a mask and a shift and multiplied by
 * VPMADDWD, as in avx2.c, where the proof is that nothing overflows.
 */
#include "kernels/isa.h"
#include "cpu/prepare.h"
#include "cpu/zmm.h"

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512DQ__) ||                   \
    !defined(__AVX512VL__)
#error "avx512.c must be compiled with -mavx512f -mavx512bw -mavx512dq -mavx512vl"
#endif

typedef __m512 f32_vec;
typedef __m512 f32_query;
enum { f32_chunk = 64, f32_bytes_each = 4, f32_sums = 2 };

INLINE __m512 f32_zero(void)
{
    return _mm512_setzero_ps();
}

INLINE __m512 f32_add(__m512 a, __m512 b)
{
    return _mm512_add_ps(a, b);
}

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

/* The query's side of 64 bytes: even and odd elements of 16 bits. */
typedef struct u8_query {
    __m512i even, odd;
} u8_query;

INLINE u8_query u8_query_at(const unsigned char *data, size_t at)
{
    const u8_query q = {_mm512_load_si512(data + 2 * at), _mm512_load_si512(data + 2 * at + BLOCK)};
    return q;
}

INLINE u8_vec u8_dot_step(u8_vec sum, u8_query q, __m512i x)
{
    const __m512i even = _mm512_and_si512(x, _mm512_set1_epi16(0x00ff));
    const __m512i odd = _mm512_srli_epi16(x, 8);
    sum += (u8_vec)_mm512_madd_epi16(even, q.even);
    return sum + (u8_vec)_mm512_madd_epi16(odd, q.odd);
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

void ki_fill_avx512(ki_kernels *table)
{
    fill_f32(table, KI_ISA_AVX512);
    fill_u8(table, KI_ISA_AVX512);
}

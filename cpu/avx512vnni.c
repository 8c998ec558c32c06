/* avx512vnni.c - u8 kernels for AVX-512 with VNNI: Cascade Lake, Ice Lake, Zen 4 and later.
 *
 * May include kernels/, zmm.h, the templates and intrinsics. VPDPBUSD multiplies four pairs of
 * bytes and adds them into 32 bits, but one side is signed. The row stays as it is; the query is
 * 128 less, and the row's own sum, known since it was stored, puts back what is missing:
 *
 *     q.x = (q - 128).x + 128 * sum(x)
 *
 * |(q - 128).x| <= 128 * 255 * 33025 < 2^31, and so is 128 * sum(x); the total is below 2^31 too.
 *
 * Measured on a Sapphire Rapids class core with 1 MB of rows, ns a row at 128 and 784 dimensions:
 * eight rows a group 2.3 and 7.9, four 2.4 and 8.7, one at a time 5.2 and 12.6. Two accumulators
 * a row instead of one lost in a group (the registers were there, but GCC 12 spilled one) and
 * won where a row is alone, so that is how sums_tmpl.h does it.
 */
#include "kernels/isa.h"
#include "cpu/prepare.h"
#include "cpu/zmm.h"

#if !defined(__AVX512VNNI__) || !defined(__AVX512BW__) || !defined(__AVX512VL__)
#error "avx512vnni.c must be compiled with -mavx512vnni and the flags of avx512.c"
#endif

typedef __m512i u8_query;

INLINE __m512i u8_query_at(const unsigned char *data, size_t at)
{
    return _mm512_load_si512(data + at);
}

INLINE u8_vec u8_dot_step(u8_vec sum, __m512i q, __m512i x)
{
    return (u8_vec)_mm512_dpbusd_epi32((__m512i)sum, x, q);
}

INLINE __m128i u8_dot(__m128i sum, four aux)
{
    return _mm_add_epi32(sum, _mm_slli_epi32(aux_sum(aux), 7));
}

INLINE void u8_prepare(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_biased_u8(vector, dim, scratch, out);
}

#include "cpu/u8_tmpl.h"

void ki_fill_avx512vnni(ki_kernels *table)
{
    fill_u8(table, KI_ISA_AVX512VNNI);
}

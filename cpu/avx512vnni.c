/* avx512vnni.c - integer kernels for AVX-512 with VNNI: Cascade Lake, Ice Lake, Zen 4 and later.
 *
 * May include kernels/, zmm_ints.h, the templates and intrinsics. VPDPBUSD multiplies four pairs of
 * bytes and adds them into 32 bits, but one side is signed: vnni_tmpl.h has the way around.
 *
 * Measured on a Sapphire Rapids class core with 1 MB of u8 rows, ns a row at 128 and 784
 * dimensions: eight rows a group 2.3 and 7.9, four 2.4 and 8.7, one at a time 5.2 and 12.6. Two
 * accumulators a row instead of one lost in a group (the registers were there, but GCC 12 spilled
 * one) and won where a row is alone, so that is how sums_tmpl.h does it.
 */
#include "kernels/isa.h"
#include "cpu/prepare_ints.h"
#include "cpu/zmm_ints.h"

#if !defined(__AVX512VNNI__) || !defined(__AVX512BW__) || !defined(__AVX512VL__)
#error "avx512vnni.c must be compiled with -mavx512vnni and the flags of avx512.c"
#endif

INLINE int_vec int_dpbusd(int_vec sum, __m512i a, __m512i b)
{
    return (int_vec)_mm512_dpbusd_epi32((__m512i)sum, a, b);
}

INLINE __m512i int_four_times(const unsigned char *p)
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)p));
}

INLINE __m512i int_first_quarter(__m512i x)
{
    return _mm512_broadcast_i32x4(_mm512_castsi512_si128(x));
}

INLINE int_vec int_places(void)
{
    return (int_vec)_mm512_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2, 4, 4, 4, 4, 6, 6, 6, 6);
}

#include "cpu/vnni_tmpl.h"

void ki_fill_avx512vnni(ki_kernels *table)
{
    u8_fill(table, KI_ISA_AVX512VNNI);
    i8_fill(table, KI_ISA_AVX512VNNI);
    q4_fill(table, KI_ISA_AVX512VNNI);
    q1_fill(table, KI_ISA_AVX512VNNI);
}

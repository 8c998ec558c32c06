/* avxvnni.c - integer kernels for AVX-VNNI: Alder Lake and later without AVX-512, Zen 5.
 *
 * May include kernels/, ymm_ints.h, the templates and intrinsics. VPDPBUSD with registers of 256
 * bits and four rows a group; why the sums are right is said in vnni_tmpl.h. Bits stay with avx2.c:
 * these machines count no more of them at once.
 */
#include "kernels/isa.h"
#include "cpu/prepare_ints.h"
#include "cpu/ymm_ints.h"

#if !defined(__AVX2__) || !defined(__AVXVNNI__)
#error "avxvnni.c must be compiled with -mavxvnni and the flags of avx2.c"
#endif

INLINE int_vec int_dpbusd(int_vec sum, __m256i a, __m256i b)
{
    return (int_vec)_mm256_dpbusd_avx_epi32((__m256i)sum, a, b);
}

INLINE __m256i int_four_times(const unsigned char *p)
{
    int64_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    return _mm256_set1_epi64x(bytes);
}

INLINE __m256i int_first_quarter(__m256i x)
{
    return _mm256_broadcastq_epi64(_mm256_castsi256_si128(x));
}

INLINE int_vec int_places(void)
{
    return (int_vec)_mm256_setr_epi32(0, 0, 2, 2, 4, 4, 6, 6);
}

#include "cpu/vnni_tmpl.h"

void ki_fill_avxvnni(ki_kernels *table)
{
    u8_fill(table, KI_ISA_AVXVNNI);
    i8_fill(table, KI_ISA_AVXVNNI);
    q4_fill(table, KI_ISA_AVXVNNI);
    q1_fill(table, KI_ISA_AVXVNNI);
}

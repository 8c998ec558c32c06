/* avx512popcnt.c - kernels of bits for AVX-512 with VPOPCNTDQ: Ice Lake, Zen 4 and later.
 *
 * May include kernels/, zmm_ints.h, the templates and intrinsics. VPOPCNTQ counts the bits of eight
 * words at once, where avx512.c looks up halves of bytes.
 */
#include "kernels/isa.h"
#include "cpu/prepare_ints.h"
#include "cpu/zmm_ints.h"

#if !defined(__AVX512VPOPCNTDQ__) || !defined(__AVX512BW__) || !defined(__AVX512VL__)
#error "avx512popcnt.c must be compiled with -mavx512vpopcntdq and the flags of avx512.c"
#endif

INLINE int_vec int_popcount(__m512i x)
{
    return (int_vec)_mm512_popcnt_epi64(x);
}

#include "cpu/bits_tmpl.h"

void ki_fill_avx512popcnt(ki_kernels *table)
{
    b1_fill(table, KI_ISA_AVX512POPCNT);
}

/* dispatch.c - the ladder: scalar fills the whole table, each level that is there improves it.
 *
 * May include isa.h; the only file that names the files of cpu/. No state: whoever wants a table
 * owns it, so there is nothing to initialise and nothing to race for, and a test chooses a level
 * by passing its bits. Each slot says what filled it.
 */
#include "kernels/isa.h"
#include <string.h>

void ki_kernels_fill(uint64_t features, ki_kernels *out)
{
    memset(out, 0, sizeof *out);
    out->features = features;
    ki_fill_scalar(out);
#ifdef KI_HAVE_AVX2
    if (features & KI_BIT(KI_ISA_AVX2))
        ki_fill_avx2(out);
#endif
#ifdef KI_HAVE_AVXVNNI
    if (features & KI_BIT(KI_ISA_AVXVNNI))
        ki_fill_avxvnni(out);
#endif
#ifdef KI_HAVE_AVX512
    if (features & KI_BIT(KI_ISA_AVX512))
        ki_fill_avx512(out);
#endif
#ifdef KI_HAVE_AVX512VNNI
    if (features & KI_BIT(KI_ISA_AVX512VNNI))
        ki_fill_avx512vnni(out);
#endif
#ifdef KI_HAVE_AVX512POPCNT
    if (features & KI_BIT(KI_ISA_AVX512POPCNT))
        ki_fill_avx512popcnt(out);
#endif
#ifdef KI_HAVE_AVX512BF16
    if (features & KI_BIT(KI_ISA_AVX512BF16))
        ki_fill_avx512bf16(out);
#endif
#ifdef KI_HAVE_AMX
    if (features & KI_BIT(KI_ISA_AMX))
        ki_fill_amx(out);
#endif
#ifdef KI_HAVE_NEON
    if (features & KI_BIT(KI_ISA_NEON))
        ki_fill_neon(out);
#endif
#ifdef KI_HAVE_DOTPROD
    if (features & KI_BIT(KI_ISA_DOTPROD))
        ki_fill_dotprod(out);
#endif
#ifdef KI_HAVE_ARMBF16
    if (features & KI_BIT(KI_ISA_ARMBF16))
        ki_fill_armbf16(out);
#endif
#ifdef KI_HAVE_I8MM
    if (features & KI_BIT(KI_ISA_I8MM))
        ki_fill_i8mm(out);
#endif
#ifdef KI_HAVE_SVE
    if (features & KI_BIT(KI_ISA_SVE))
        ki_fill_sve(out);
#endif
}

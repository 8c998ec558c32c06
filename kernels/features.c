/* features.c - what this machine can run: one bit for each level of the ladder.
 *
 * May include isa.h. A level counts only when the processor has every instruction of it, the
 * operating system saves the registers (XGETBV on x86, HWCAP on Arm), the compiler of this build
 * could make the file, and the level below it counts. Asking CPUID alone is how libraries die of
 * SIGILL in virtual machines that show a feature but do not save its state.
 *
 * Not asked: INT8 matrix multiply on Arm. Dot products came years earlier, and processors that
 * have the one and not the other are common.
 */
#include "kernels/isa.h"
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

enum {
    XCR0_AVX = 0x06,   /* xmm and ymm */
    XCR0_AVX512 = 0xe6 /* and mask registers, upper halves, the upper sixteen */
};

/* Leaf 1 ecx, leaf 7 ebx and ecx. */
#define LEAF1_AVX2 (bit_FMA | bit_F16C | bit_AVX)
#define LEAF7_AVX2 (bit_AVX2 | bit_BMI2)
#define LEAF7_AVX512 (bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL | bit_AVX512CD)

/* The state that the operating system saves; 0 where it does not say so. */
static uint64_t saved_state(unsigned int leaf1_ecx)
{
    uint32_t low, high;
    if (!(leaf1_ecx & bit_OSXSAVE))
        return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static int has(uint64_t bits, uint64_t wanted)
{
    return (bits & wanted) == wanted;
}

static uint64_t machine_features(void)
{
    unsigned int eax, ebx, ecx, edx, ecx1;
    uint64_t levels = 0;
    if (!__get_cpuid(1, &eax, &ebx, &ecx1, &edx) ||
        !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx))
        return 0;
    const uint64_t saved = saved_state(ecx1);
    if (!has(saved, XCR0_AVX) || !has(ecx1, LEAF1_AVX2) || !has(ebx, LEAF7_AVX2))
        return 0;
    levels |= KI_BIT(KI_ISA_AVX2);
    if (!has(saved, XCR0_AVX512) || !has(ebx, LEAF7_AVX512))
        return levels;
    levels |= KI_BIT(KI_ISA_AVX512);
    return ecx & bit_AVX512VNNI ? levels | KI_BIT(KI_ISA_AVX512VNNI) : levels;
}

#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>

static uint64_t machine_features(void)
{
    const unsigned long caps = getauxval(AT_HWCAP);
    if (!(caps & HWCAP_ASIMD))
        return 0;
    if (!(caps & HWCAP_ASIMDDP))
        return KI_BIT(KI_ISA_NEON);
    return KI_BIT(KI_ISA_NEON) | KI_BIT(KI_ISA_DOTPROD);
}

#else

static uint64_t machine_features(void)
{
    return 0;
}

#endif

/* What the compiler could make. */
static uint64_t build_features(void)
{
    uint64_t levels = 0;
#ifdef KI_HAVE_AVX2
    levels |= KI_BIT(KI_ISA_AVX2);
#endif
#ifdef KI_HAVE_AVXVNNI
    levels |= KI_BIT(KI_ISA_AVXVNNI);
#endif
#ifdef KI_HAVE_AVX512
    levels |= KI_BIT(KI_ISA_AVX512);
#endif
#ifdef KI_HAVE_AVX512VNNI
    levels |= KI_BIT(KI_ISA_AVX512VNNI);
#endif
#ifdef KI_HAVE_AVX512POPCNT
    levels |= KI_BIT(KI_ISA_AVX512POPCNT);
#endif
#ifdef KI_HAVE_AVX512BF16
    levels |= KI_BIT(KI_ISA_AVX512BF16);
#endif
#ifdef KI_HAVE_AMX
    levels |= KI_BIT(KI_ISA_AMX);
#endif
#ifdef KI_HAVE_NEON
    levels |= KI_BIT(KI_ISA_NEON);
#endif
#ifdef KI_HAVE_DOTPROD
    levels |= KI_BIT(KI_ISA_DOTPROD);
#endif
#ifdef KI_HAVE_ARMBF16
    levels |= KI_BIT(KI_ISA_ARMBF16);
#endif
#ifdef KI_HAVE_I8MM
    levels |= KI_BIT(KI_ISA_I8MM);
#endif
#ifdef KI_HAVE_SVE
    levels |= KI_BIT(KI_ISA_SVE);
#endif
    return levels;
}

uint64_t ki_cpu_features(void)
{
    return machine_features() & build_features();
}

/* A level's name, and with it the levels that it contains. */
#define AVX2 KI_BIT(KI_ISA_AVX2)
#define AVX512 (AVX2 | KI_BIT(KI_ISA_AVX512))
#define VNNI (AVX512 | KI_BIT(KI_ISA_AVXVNNI) | KI_BIT(KI_ISA_AVX512VNNI))
#define POPCNT (VNNI | KI_BIT(KI_ISA_AVX512POPCNT))
#define BF16 (POPCNT | KI_BIT(KI_ISA_AVX512BF16))
#define NEON KI_BIT(KI_ISA_NEON)
#define DOTPROD (NEON | KI_BIT(KI_ISA_DOTPROD))
#define ARMBF16 (DOTPROD | KI_BIT(KI_ISA_ARMBF16))
#define I8MM (ARMBF16 | KI_BIT(KI_ISA_I8MM))

static const struct {
    const char *name;
    uint64_t mask;
} levels_by_isa[KI_ISA_COUNT] = {
    [KI_ISA_NONE] = {"none", 0},
    [KI_ISA_SCALAR] = {"scalar", 0},
    [KI_ISA_AVX2] = {"avx2", AVX2},
    [KI_ISA_AVXVNNI] = {"avxvnni", AVX2 | KI_BIT(KI_ISA_AVXVNNI)},
    [KI_ISA_AVX512] = {"avx512", AVX512},
    [KI_ISA_AVX512VNNI] = {"avx512vnni", VNNI},
    [KI_ISA_AVX512POPCNT] = {"avx512popcnt", POPCNT},
    [KI_ISA_AVX512BF16] = {"avx512bf16", BF16},
    [KI_ISA_AMX] = {"amx", BF16 | KI_BIT(KI_ISA_AMX)},
    [KI_ISA_NEON] = {"neon", NEON},
    [KI_ISA_DOTPROD] = {"dotprod", DOTPROD},
    [KI_ISA_ARMBF16] = {"armbf16", ARMBF16},
    [KI_ISA_I8MM] = {"i8mm", I8MM},
    [KI_ISA_SVE] = {"sve", I8MM | KI_BIT(KI_ISA_SVE)},
};

int ki_cpu_mask(const char *level, uint64_t *mask)
{
    for (int isa = KI_ISA_SCALAR; isa < KI_ISA_COUNT; isa++) {
        if (strcmp(level, levels_by_isa[isa].name) == 0) {
            *mask = levels_by_isa[isa].mask;
            return 1;
        }
    }
    *mask = 0;
    return 0;
}

const char *ki_isa_name(ki_isa isa)
{
    return (unsigned int)isa < KI_ISA_COUNT ? levels_by_isa[isa].name
                                            : levels_by_isa[KI_ISA_NONE].name;
}

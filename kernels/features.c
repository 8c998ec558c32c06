/* features.c - what this machine can run: one bit for each level of the ladder.
 *
 * May include isa.h. A level counts only when the processor has every instruction of it, the
 * operating system saves the registers (XGETBV on x86, HWCAP on Arm), the compiler of this build
 * could make the file, and the level below it counts. Asking CPUID alone is how libraries die of
 * SIGILL in virtual machines that show a feature but do not save its state.
 *
 * Matrix registers (AMX) must be asked for as well, and there are virtual machines where all of
 * CPUID, XGETBV and the kernel's permission say yes and the first tile instruction kills the
 * process. So it is a child that tries them, once a process. The child comes from the bare clone
 * call: nobody's fork handlers run, and its end sends no signal that the program did not expect.
 *
 * Not asked: INT8 matrix multiply on Arm. Dot products came years earlier, and processors that
 * have the one and not the other are common.
 */
#include "kernels/isa.h"
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

enum {
    XCR0_AVX = 0x06,    /* xmm and ymm */
    XCR0_AVX512 = 0xe6, /* and mask registers, upper halves, the upper sixteen */
    XCR0_AMX = 0x60000  /* tile configuration and tile data */
};

/* Leaf 1 ecx, leaf 7 ebx and ecx. */
#define LEAF1_AVX2 (bit_FMA | bit_F16C | bit_AVX)
#define LEAF7_AVX2 (bit_AVX2 | bit_BMI2)
#define LEAF7_AVX512 (bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL | bit_AVX512CD)
#define LEAF7_AMX (1u << 22 | 1u << 24 | 1u << 25) /* edx: BF16, TILE, INT8 */

/* Leaf 7, subleaf 1, eax. */
#define LEAF71_AVXVNNI (1u << 4)
#define LEAF71_AVX512BF16 (1u << 5)

enum { FAMILY_ZEN_3_AND_4 = 0x19 };

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

#if defined(__linux__)
enum { ARCH_REQ_XCOMP_PERM = 0x1023, XCOMP_TILE_DATA = 18 };

/* One tile, zeroed. It is given by its bytes, so that this file needs no flag of the compiler. */
static void use_a_tile(void)
{
    static const struct {
        unsigned char palette, start, reserved[14];
        uint16_t row_bytes[16];
        unsigned char rows[16];
    } one_tile = {.palette = 1, .row_bytes = {64}, .rows = {16}};
    __asm__ volatile(".byte 0xc4, 0xe2, 0x78, 0x49, 0x00" /* ldtilecfg [rax] */
                     :
                     : "a"(&one_tile), "m"(one_tile));
    __asm__ volatile(".byte 0xc4, 0xe2, 0x7b, 0x49, 0xc0"); /* tilezero tmm0 */
    __asm__ volatile(".byte 0xc4, 0xe2, 0x78, 0x49, 0xc0"); /* tilerelease */
}

static int child_lives_through_a_tile(void)
{
    int status = -1;
    const long child = syscall(SYS_clone, 0L, NULL, NULL, NULL, 0L);
    if (child == 0) {
        signal(SIGILL, SIG_DFL); /* a handler of the program's must not run its copy on */
        signal(SIGSEGV, SIG_DFL);
        use_a_tile();
        syscall(SYS_exit_group, 0L);
    }
    if (child < 0)
        return 0;
    while (waitpid((pid_t)child, &status, (int)__WCLONE) < 0)
        if (errno != EINTR)
            return 0;
    return status == 0;
}

/* Two threads that come first together both try: the answer is the same. */
static int tiles_work(void)
{
    enum { UNKNOWN, NO, YES };
    static atomic_int known;
    int answer = atomic_load(&known);
    if (answer == UNKNOWN) {
        const int before = errno;
        answer = syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XCOMP_TILE_DATA) == 0 &&
                         child_lives_through_a_tile()
                     ? YES
                     : NO;
        errno = before;
        atomic_store(&known, answer);
    }
    return answer == YES;
}
#else
static int tiles_work(void)
{
    return 0;
}
#endif

/* Processors of this family do 512 bits in two halves, or not at all. */
static int prefers_256(unsigned int leaf1_eax)
{
    unsigned int eax, ebx, ecx, edx;
    unsigned int family = leaf1_eax >> 8 & 15;
    if (family == 15)
        family += leaf1_eax >> 20 & 255;
    return __get_cpuid(0, &eax, &ebx, &ecx, &edx) && ebx == signature_AMD_ebx &&
           ecx == signature_AMD_ecx && edx == signature_AMD_edx && family == FAMILY_ZEN_3_AND_4;
}

/* The levels on top of AVX-512, which is there: leaf 7 ecx and edx, leaf 7.1 eax. */
static uint64_t features_of_512(uint64_t saved, unsigned int ecx, unsigned int edx,
                                unsigned int eax1)
{
    uint64_t levels = KI_BIT(KI_ISA_AVX512);
    if (has(ecx, bit_AVX512VNNI))
        levels |= KI_BIT(KI_ISA_AVX512VNNI);
    if (has(ecx, bit_AVX512VPOPCNTDQ))
        levels |= KI_BIT(KI_ISA_AVX512POPCNT);
    if (has(eax1, LEAF71_AVX512BF16))
        levels |= KI_BIT(KI_ISA_AVX512BF16);
    if (has(edx, LEAF7_AMX) && has(saved, XCR0_AMX) && tiles_work())
        levels |= KI_BIT(KI_ISA_AMX);
    return levels;
}

static uint64_t machine_features(void)
{
    unsigned int eax, ebx, ecx, edx, eax0, ebx0, ecx0, edx0, eax1 = 0, other;
    if (!__get_cpuid(1, &eax0, &ebx0, &ecx0, &edx0) ||
        !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx))
        return 0;
    if (eax >= 1) /* subleaves of leaf 7 */
        __get_cpuid_count(7, 1, &eax1, &other, &other, &other);
    const uint64_t saved = saved_state(ecx0);
    if (!has(saved, XCR0_AVX) || !has(ecx0, LEAF1_AVX2) || !has(ebx, LEAF7_AVX2))
        return 0;
    uint64_t levels = KI_BIT(KI_ISA_AVX2);
    if (has(eax1, LEAF71_AVXVNNI))
        levels |= KI_BIT(KI_ISA_AVXVNNI);
    if (!has(saved, XCR0_AVX512) || !has(ebx, LEAF7_AVX512))
        return levels;
    levels |= features_of_512(saved, ecx, edx, eax1);
    return prefers_256(eax0) ? levels | KI_PREFER_256 : levels;
}

#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>

static uint64_t machine_features(void)
{
    const unsigned long caps = getauxval(AT_HWCAP);
    if (!(caps & HWCAP_ASIMD))
        return 0;
    uint64_t levels = KI_BIT(KI_ISA_NEON);
    if (caps & HWCAP_ASIMDDP)
        levels |= KI_BIT(KI_ISA_DOTPROD);
    if (caps & HWCAP_SVE)
        levels |= KI_BIT(KI_ISA_SVE);
    return getauxval(AT_HWCAP2) & HWCAP2_BF16 ? levels | KI_BIT(KI_ISA_ARMBF16) : levels;
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
    uint64_t levels = KI_PREFER_256;
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

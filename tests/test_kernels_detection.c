/* Levels are found where the processor and the system have them, and nowhere else.
 *
 * Detection is held against what the kernel of the operating system says in /proc/cpuinfo, which
 * knows about saved registers too; matrix registers against a trial of the test's own. Names of
 * levels are all different, and no other word is one.
 */
#include "tests/check.h"
#include "kernels/kernels.h"
#include <stdbool.h>
#include <string.h>
#if defined(__x86_64__)
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

static void unknown_levels_are_refused(void **state)
{
    static const char *const unknown[] = {"",     "avx", "AVX2", "avx2 ", "avx512vnnix",
                                          "none", "best"};
    (void)state;
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        uint64_t mask = 0;
        assert_false(ki_cpu_mask(unknown[i], &mask));
        assert_true(mask == 0);
    }
}

static void levels_have_different_names(void **state)
{
    (void)state;
    for (int i = KI_ISA_SCALAR; i < KI_ISA_COUNT; i++)
        for (int j = KI_ISA_SCALAR; j < i; j++)
            assert_string_not_equal(ki_isa_name((ki_isa)i), ki_isa_name((ki_isa)j));
    assert_string_equal(ki_isa_name(KI_ISA_SCALAR), "scalar");
    assert_string_equal(ki_isa_name(KI_ISA_AVX512VNNI), "avx512vnni");
}

static bool has_word(const char *line, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = strstr(line, word); at; at = strstr(at + length, word))
        if (at[-1] == ' ' && (at[length] == ' ' || at[length] == '\n' || !at[length]))
            return true;
    return false;
}

/* Are all the words, with blanks between them, in the line? */
static bool has_words(const char *line, const char *words)
{
    char word[32];
    int used = 0;
    while (sscanf(words, "%31s%n", word, &used) == 1) {
        if (!has_word(line, word))
            return false;
        words += used;
    }
    return true;
}

/* The rest of the first line of /proc/cpuinfo that begins with `start`. */
static bool read_line(char *line, size_t bytes, const char *start)
{
    FILE *file = fopen("/proc/cpuinfo", "r");
    bool found = false;
    while (file && !found && fgets(line, (int)bytes, file))
        found = strncmp(line, start, strlen(start)) == 0;
    if (file)
        fclose(file);
    return found;
}

static const struct {
    ki_isa level;
    const char *words;
} facts[] = {
#if defined(__x86_64__)
    {KI_ISA_AVX2, "avx2 fma f16c bmi2"},
    {KI_ISA_AVXVNNI, "avx2 fma f16c bmi2 avx_vnni"},
    {KI_ISA_AVX512, "avx2 fma f16c bmi2 avx512f avx512bw avx512dq avx512vl avx512cd"},
    {KI_ISA_AVX512VNNI, "avx2 avx512f avx512bw avx512dq avx512vl avx512cd avx512_vnni"},
    {KI_ISA_AVX512POPCNT, "avx2 avx512f avx512bw avx512dq avx512vl avx512cd avx512_vpopcntdq"},
    {KI_ISA_AVX512BF16, "avx2 avx512f avx512bw avx512dq avx512vl avx512cd avx512_bf16"},
#elif defined(__aarch64__)
    {KI_ISA_NEON, "asimd"},
    {KI_ISA_DOTPROD, "asimd asimddp"},
    {KI_ISA_ARMBF16, "asimd bf16"},
    {KI_ISA_SVE, "asimd sve"},
#endif
};

static void detection_agrees_with_the_system(void **state)
{
    static char line[16384];
    const uint64_t have = ki_cpu_features();
    (void)state;
    if (!read_line(line, sizeof line, "flags") && !read_line(line, sizeof line, "Features"))
        skip();
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        const bool said = has_words(line, facts[i].words);
        const bool found = have & KI_BIT(facts[i].level);
        if (said != found)
            fail_msg("%s: the system says %d, ki_cpu_features says %d", ki_isa_name(facts[i].level),
                     said, found);
    }
    assert_true(ki_cpu_features() == have);
}

#if defined(__x86_64__)
/* In a child: ask for the tile registers, then use them. */
static bool tiles_work(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, TILE_DATA = 18 };
    int status = -1;
    const pid_t child = fork();
    if (child == 0) {
        if (syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA))
            _exit(1);
        __asm__ volatile(".byte 0xc4, 0xe2, 0x78, 0x49, 0xc0"); /* tilerelease */
        _exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* Matrix registers need the processor, the permission and a trial that did not kill its child. */
static void matrix_registers_are_found_where_they_work(void **state)
{
    static char line[16384];
    const bool found = ki_cpu_features() & KI_BIT(KI_ISA_AMX);
    (void)state;
    if (!read_line(line, sizeof line, "flags"))
        skip();
    const bool said = has_words(line, "amx_tile amx_int8 amx_bf16");
    if (found && !said)
        fail_msg("amx is found, and /proc/cpuinfo does not know it");
    if (!found && said && tiles_work())
        fail_msg("amx is not found, but a child process can use it");
}

static void halves_are_known_by_their_family(void **state)
{
    static char line[16384];
    (void)state;
    if (!read_line(line, sizeof line, "vendor_id"))
        skip();
    const bool amd = strstr(line, "AuthenticAMD");
    const bool family = read_line(line, sizeof line, "cpu family") && strstr(line, ": 25\n");
    const bool wide = ki_cpu_features() & KI_BIT(KI_ISA_AVX512);
    const bool halves = ki_cpu_features() & KI_PREFER_256;
    assert_int_equal(halves, amd && family && wide);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_levels_are_refused),
        cmocka_unit_test(levels_have_different_names),
        cmocka_unit_test(detection_agrees_with_the_system),
#if defined(__x86_64__)
        cmocka_unit_test(matrix_registers_are_found_where_they_work),
        cmocka_unit_test(halves_are_known_by_their_family),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

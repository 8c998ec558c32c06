/* Each slot is filled by the file that is meant to fill it, under every mask: nothing falls back to
 * a slower kernel in silence, and no mask turns on what the machine does not have.
 *
 * The expectation is a table written by hand below. Detection is held against what the kernel of
 * the operating system says in /proc/cpuinfo, which knows about saved registers too.
 */
#include "tests/check.h"
#include "tests/kernel_cases.h"
#include <string.h>

/* Who fills pair, gather and range at each level. The prepare of a slot comes from the same file
 * for u8, whose layouts differ, and from the scalar file for f32, which has one layout. */
typedef struct expectation {
    ki_isa level, f32, u8;
} expectation;

static const expectation ladder[] = {
    {KI_ISA_SCALAR, KI_ISA_SCALAR, KI_ISA_SCALAR},
#if defined(__x86_64__)
    {KI_ISA_AVX2, KI_ISA_AVX2, KI_ISA_AVX2},
    {KI_ISA_AVX512, KI_ISA_AVX512, KI_ISA_AVX512},
    {KI_ISA_AVX512VNNI, KI_ISA_AVX512, KI_ISA_AVX512VNNI},
#elif defined(__aarch64__)
    {KI_ISA_NEON, KI_ISA_NEON, KI_ISA_NEON},
    {KI_ISA_DOTPROD, KI_ISA_NEON, KI_ISA_DOTPROD},
#endif
};

enum { RUNGS = sizeof ladder / sizeof *ladder };

static void check_slot(const ki_kernels *table, int metric, int type, ki_isa wanted)
{
    const ki_kernel *kernel = &table->at[metric][type];
    assert_true(kernel->prepare && kernel->pair && kernel->gather && kernel->range);
    for (int slot = KI_PAIR; slot < KI_SLOT_COUNT; slot++)
        if (kernel->from[slot] != wanted)
            fail_msg("features %#llx, metric %d, type %d, slot %d: filled by %s, not by %s",
                     (unsigned long long)table->features, metric, type, slot,
                     ki_isa_name(kernel->from[slot]), ki_isa_name(wanted));
    assert_int_equal(kernel->from[KI_PREPARE], type == KITH_F32 ? KI_ISA_SCALAR : wanted);
}

/* Any set of levels that the machine has, not only the caps: the highest of the set that has a
 * kernel for the type fills it. */
static void every_set_of_levels(void **state)
{
    uint64_t have = ki_cpu_features();
    (void)state;
    for (unsigned chosen = 0; chosen < 1u << (RUNGS - 1); chosen++) {
        ki_isa f32 = KI_ISA_SCALAR, u8 = KI_ISA_SCALAR;
        uint64_t features = 0;
        ki_kernels table;
        for (int i = 1; i < RUNGS; i++) {
            if (!(chosen >> (i - 1) & 1) || !(have & KI_BIT(ladder[i].level)))
                continue;
            features |= KI_BIT(ladder[i].level);
            u8 = ladder[i].u8;
            if (ladder[i].f32 == ladder[i].level)
                f32 = ladder[i].f32;
        }
        memset(&table, 0, sizeof table);
        ki_kernels_fill(features, &table);
        assert_true(table.features == features);
        for (int metric = 0; metric < KI_METRIC_COUNT; metric++) {
            check_slot(&table, metric, KITH_F32, f32);
            check_slot(&table, metric, KITH_U8, u8);
        }
    }
}

static void caps_take_away_and_never_add(void **state)
{
    uint64_t have = ki_cpu_features(), below = 0;
    (void)state;
    for (int i = 0; i < RUNGS; i++) {
        uint64_t mask = 0;
        ki_kernels table;
        assert_true(ki_cpu_mask(ki_isa_name(ladder[i].level), &mask));
        assert_true((mask & below) == below);
        assert_true(i == 0 || (mask & KI_BIT(ladder[i].level)));
        for (int above = i + 1; above < RUNGS; above++)
            assert_false(mask & KI_BIT(ladder[above].level));
        below = mask;
        if (i && !(have & KI_BIT(ladder[i].level)))
            continue;
        ki_kernels_fill(have & mask, &table);
        for (int metric = 0; metric < KI_METRIC_COUNT; metric++) {
            check_slot(&table, metric, KITH_F32, ladder[i].f32);
            check_slot(&table, metric, KITH_U8, ladder[i].u8);
        }
    }
}

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

static bool has_words(const char *line, const char *const *words)
{
    while (*words && has_word(line, *words))
        words++;
    return !*words;
}

/* The flags line of the first processor, " " in front; false where there is none. */
static bool read_flags(char *line, size_t bytes, const char *start)
{
    FILE *file = fopen("/proc/cpuinfo", "r");
    bool found = false;
    while (file && !found && fgets(line, (int)bytes, file))
        found = strncmp(line, start, strlen(start)) == 0;
    if (file)
        fclose(file);
    return found;
}

static void detection_agrees_with_the_system(void **state)
{
#if defined(__x86_64__)
    static const char start[] = "flags";
    static const struct {
        ki_isa level;
        const char *words[12];
    } facts[] = {
        {KI_ISA_AVX2, {"avx2", "fma", "f16c", "bmi2"}},
        {KI_ISA_AVX512,
         {"avx2", "fma", "f16c", "bmi2", "avx512f", "avx512bw", "avx512dq", "avx512vl",
          "avx512cd"}},
        {KI_ISA_AVX512VNNI,
         {"avx2", "fma", "f16c", "bmi2", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd",
          "avx512_vnni"}},
    };
#else
    static const char start[] = "Features";
    static const struct {
        ki_isa level;
        const char *words[12];
    } facts[] = {{KI_ISA_NEON, {"asimd"}}, {KI_ISA_DOTPROD, {"asimd", "asimddp"}}};
#endif
    static char line[16384];
    uint64_t have = ki_cpu_features();
    (void)state;
    if (!read_flags(line, sizeof line, start))
        skip();
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        bool said = has_words(line, facts[i].words), found = have & KI_BIT(facts[i].level);
        if (said != found)
            fail_msg("%s: the system says %d, ki_cpu_features says %d", ki_isa_name(facts[i].level),
                     said, found);
    }
    assert_true(ki_cpu_features() == have);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_of_levels),
        cmocka_unit_test(caps_take_away_and_never_add),
        cmocka_unit_test(unknown_levels_are_refused),
        cmocka_unit_test(levels_have_different_names),
        cmocka_unit_test(detection_agrees_with_the_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

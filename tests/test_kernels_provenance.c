/* Each slot is filled by the file that is meant to fill it, under every set of levels: nothing
 * falls back to a slower kernel in silence, and a cap lets in the levels it stands for alone.
 *
 * The expectation is written by hand: two tables, of slots and of caps.
 */
#include "tests/check.h"
#include "tests/kernel_cases.h"
#include <string.h>

enum {
    ASKED = 1 << KI_PAIR | 1 << KI_GATHER | 1 << KI_RANGE,
    SHAPES = ASKED | 1 << KI_TILE,
    OWN = SHAPES | 1 << KI_PREPARE, /* a layout of the query that is the level's own */
    BOTH = OWN | 1 << KI_PREPARE_F32,
    MATRIX = 1 << KI_PACK | 1 << KI_TILE /* reads whatever prepare laid out */
};

/* What each level fills, for every metric of the pairing. Later lines win over earlier ones. */
static const struct {
    ki_isa level;
    ki_pairing pairing;
    int slots;
} fills[] = {
    {KI_ISA_SCALAR, KI_F32, BOTH},
    {KI_ISA_SCALAR, KI_U8, OWN},
    {KI_ISA_SCALAR, KI_F16, BOTH},
    {KI_ISA_SCALAR, KI_BF16, BOTH},
    {KI_ISA_SCALAR, KI_I8, OWN},
    {KI_ISA_SCALAR, KI_B1, BOTH},
    {KI_ISA_SCALAR, KI_F32U8, BOTH},
    {KI_ISA_SCALAR, KI_F32I8, BOTH},
    {KI_ISA_SCALAR, KI_BF16BF16, BOTH},
    {KI_ISA_SCALAR, KI_Q8, OWN},
    {KI_ISA_SCALAR, KI_Q4, OWN},
    {KI_ISA_SCALAR, KI_Q1, OWN},
#if defined(__x86_64__)
    {KI_ISA_AVX2, KI_F32, SHAPES},
    {KI_ISA_AVX2, KI_U8, OWN},
    {KI_ISA_AVX2, KI_F16, SHAPES},
    {KI_ISA_AVX2, KI_BF16, BOTH},
    {KI_ISA_AVX2, KI_I8, OWN},
    {KI_ISA_AVX2, KI_B1, SHAPES},
    {KI_ISA_AVX2, KI_F32U8, SHAPES},
    {KI_ISA_AVX2, KI_F32I8, SHAPES},
    {KI_ISA_AVX2, KI_BF16BF16, SHAPES},
    {KI_ISA_AVX2, KI_Q8, SHAPES},
    {KI_ISA_AVX2, KI_Q4, OWN},
    {KI_ISA_AVX2, KI_Q1, OWN},
    {KI_ISA_AVXVNNI, KI_U8, OWN},
    {KI_ISA_AVXVNNI, KI_I8, OWN},
    {KI_ISA_AVXVNNI, KI_Q4, OWN},
    {KI_ISA_AVXVNNI, KI_Q1, OWN},
    {KI_ISA_AVX512, KI_F32, SHAPES},
    {KI_ISA_AVX512, KI_U8, OWN},
    {KI_ISA_AVX512, KI_F16, SHAPES},
    {KI_ISA_AVX512, KI_BF16, BOTH},
    {KI_ISA_AVX512, KI_I8, OWN},
    {KI_ISA_AVX512, KI_B1, SHAPES},
    {KI_ISA_AVX512, KI_F32U8, SHAPES},
    {KI_ISA_AVX512, KI_F32I8, SHAPES},
    {KI_ISA_AVX512, KI_BF16BF16, SHAPES},
    {KI_ISA_AVX512, KI_Q8, SHAPES},
    {KI_ISA_AVX512, KI_Q4, OWN},
    {KI_ISA_AVX512, KI_Q1, OWN},
    {KI_ISA_AVX512VNNI, KI_U8, OWN},
    {KI_ISA_AVX512VNNI, KI_I8, OWN},
    {KI_ISA_AVX512VNNI, KI_Q4, OWN},
    {KI_ISA_AVX512VNNI, KI_Q1, OWN},
    {KI_ISA_AVX512POPCNT, KI_B1, SHAPES},
    {KI_ISA_AVX512BF16, KI_BF16BF16, SHAPES},
    {KI_ISA_AMX, KI_U8, MATRIX},
    {KI_ISA_AMX, KI_I8, MATRIX},
    {KI_ISA_AMX, KI_BF16BF16, MATRIX},
#elif defined(__aarch64__)
    {KI_ISA_NEON, KI_F32, SHAPES},
    {KI_ISA_NEON, KI_F16, SHAPES},
    {KI_ISA_NEON, KI_BF16, BOTH},
    {KI_ISA_NEON, KI_F32U8, SHAPES},
    {KI_ISA_NEON, KI_F32I8, SHAPES},
    {KI_ISA_NEON, KI_BF16BF16, SHAPES},
    {KI_ISA_NEON, KI_Q8, SHAPES},
    {KI_ISA_NEON, KI_U8, OWN},
    {KI_ISA_NEON, KI_I8, OWN},
    {KI_ISA_NEON, KI_B1, SHAPES},
    {KI_ISA_NEON, KI_Q4, OWN},
    {KI_ISA_NEON, KI_Q1, OWN},
    {KI_ISA_DOTPROD, KI_U8, OWN},
    {KI_ISA_DOTPROD, KI_I8, OWN},
    {KI_ISA_DOTPROD, KI_Q4, OWN},
    {KI_ISA_DOTPROD, KI_Q1, OWN},
    {KI_ISA_ARMBF16, KI_BF16BF16, SHAPES},
    {KI_ISA_SVE, KI_F32, SHAPES}, /* on registers longer than 128 bits */
#endif
};

/* What a level's name stands for: every level whose files may be used under that cap. */
static const struct {
    const char *name;
    ki_isa levels[8];
} caps[] = {
    {"scalar", {KI_ISA_NONE}},
    {"avx2", {KI_ISA_AVX2}},
    {"avxvnni", {KI_ISA_AVX2, KI_ISA_AVXVNNI}},
    {"avx512", {KI_ISA_AVX2, KI_ISA_AVX512}},
    {"avx512vnni", {KI_ISA_AVX2, KI_ISA_AVXVNNI, KI_ISA_AVX512, KI_ISA_AVX512VNNI}},
    {"avx512popcnt",
     {KI_ISA_AVX2, KI_ISA_AVXVNNI, KI_ISA_AVX512, KI_ISA_AVX512VNNI, KI_ISA_AVX512POPCNT}},
    {"avx512bf16",
     {KI_ISA_AVX2, KI_ISA_AVXVNNI, KI_ISA_AVX512, KI_ISA_AVX512VNNI, KI_ISA_AVX512POPCNT,
      KI_ISA_AVX512BF16}},
    {"amx",
     {KI_ISA_AVX2, KI_ISA_AVXVNNI, KI_ISA_AVX512, KI_ISA_AVX512VNNI, KI_ISA_AVX512POPCNT,
      KI_ISA_AVX512BF16, KI_ISA_AMX}},
    {"neon", {KI_ISA_NEON}},
    {"dotprod", {KI_ISA_NEON, KI_ISA_DOTPROD}},
    {"armbf16", {KI_ISA_NEON, KI_ISA_DOTPROD, KI_ISA_ARMBF16}},
    {"i8mm", {KI_ISA_NEON, KI_ISA_DOTPROD, KI_ISA_ARMBF16, KI_ISA_I8MM}},
    {"sve", {KI_ISA_NEON, KI_ISA_DOTPROD, KI_ISA_ARMBF16, KI_ISA_I8MM, KI_ISA_SVE}},
};

/* Every pairing but those of exact sums and of bits. */
static bool is_float(ki_pairing pairing)
{
    return !kc_exact(pairing);
}

static ki_isa wanted_from(uint64_t features, ki_pairing pairing, int slot)
{
    ki_isa wanted = KI_ISA_NONE;
    for (size_t i = 0; i < sizeof fills / sizeof *fills; i++) {
        const ki_isa level = fills[i].level;
        if (fills[i].pairing != pairing || !(fills[i].slots >> slot & 1))
            continue;
        if (level == KI_ISA_AVX512 && is_float(pairing) && (features & KI_PREFER_256))
            continue; /* halves of 256 bits do the work there: see KI_PREFER_256 */
        if (level == KI_ISA_SCALAR || (features & KI_BIT(level)))
            wanted = level;
    }
    return wanted;
}

static void check_table(uint64_t features)
{
    ki_kernels table;
    memset(&table, 0xff, sizeof table);
    ki_kernels_fill(features, &table);
    assert_true(table.features == features);
    for (int m = 0; m < KI_METRIC_COUNT; m++)
        for (int p = 0; p < KI_PAIRING_COUNT; p++)
            for (int slot = 0; slot < KI_SLOT_COUNT; slot++) {
                const bool exists = ki_kernel_exists((kith_metric)m, (ki_pairing)p);
                const ki_isa wanted =
                    exists ? wanted_from(features, (ki_pairing)p, slot) : KI_ISA_NONE;
                const ki_isa from = table.at[m][p].from[slot];
                if (from != wanted)
                    fail_msg("features %#llx: slot %d of %s %s is filled by %s, not by %s",
                             (unsigned long long)features, slot, kc_metric_name((kith_metric)m),
                             ki_pairing_name((ki_pairing)p), ki_isa_name(from),
                             ki_isa_name(wanted));
            }
}

/* Any set of levels that the machine has, not only the caps. */
static void every_set_of_levels(void **state)
{
    ki_isa levels[KC_MOST_LEVELS];
    const size_t n = kc_levels(levels);
    (void)state;
    for (unsigned chosen = 0; chosen < 1u << n; chosen++) {
        check_table(kc_features(levels, n, chosen));
        check_table(kc_features(levels, n, chosen) | KI_PREFER_256);
    }
}

/* A slot names a file when it holds a function, and only then; see also kc_missing. */
static void no_slot_is_missing(void **state)
{
    (void)state;
    if (kc_missing())
        fail_msg("%s", kc_missing());
}

static void caps_take_away_and_never_add(void **state)
{
    const uint64_t have = ki_cpu_features();
    (void)state;
    assert_int_equal(sizeof caps / sizeof *caps, KI_ISA_COUNT - KI_ISA_SCALAR);
    for (size_t i = 0; i < sizeof caps / sizeof *caps; i++) {
        uint64_t mask = 1, wanted = 0;
        for (size_t l = 0; l < 8 && caps[i].levels[l] != KI_ISA_NONE; l++)
            wanted |= KI_BIT(caps[i].levels[l]);
        assert_true(ki_cpu_mask(caps[i].name, &mask));
        if (mask != wanted)
            fail_msg("%s stands for %#llx, not for %#llx", caps[i].name, (unsigned long long)mask,
                     (unsigned long long)wanted);
        check_table(have & mask);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_of_levels),
        cmocka_unit_test(no_slot_is_missing),
        cmocka_unit_test(caps_take_away_and_never_add),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A broken kernel does not pass the checks that the other kernel tests rely on.
 *
 * Every mutant (kernel_mutants.c) of every kernel that some set of levels makes must be caught by
 * kc_check_truth or, where the value stays within its bound, by the checks of shapes, tiles and
 * rules; and the kernel without the mutant must pass all of them.
 */
#include "tests/check.h"
#include "tests/kernel_mutants.h"

enum { ROWS = 41, QUERIES = 18 };

/* What the checks say about a slot, over some dimensions and counts. */
static const char *check_size(const kc_slot *slot, kc_set *set, uint32_t n, uint64_t *random)
{
    kc_truth truths[ROWS];
    for (uint32_t r = 0; r < ROWS; r++)
        truths[r] = kc_true_distance(slot->metric, set, 0, r);
    const char *why = kc_check_truth(slot, set, truths, n, random);
    if (!why)
        why = kc_check_shapes(slot, set, n, random);
    if (!why)
        why = kc_check_tile(slot, set, n % 2 ? 17 : n % 7 + 1, n, n, random);
    return why;
}

static const char *check(const kc_slot *slot, uint64_t seed)
{
    static const uint32_t dims[] = {2, 15, 17, 16, 40, 64, 129, 100};
    uint64_t random = seed;
    const char *why = NULL;
    for (size_t i = 0; i < sizeof dims / sizeof *dims && !why; i++) {
        const bool from_f32 = kc_takes_f32(slot->pairing) && i % 2;
        kc_set set;
        kc_open_queries(&set, slot->pairing, from_f32, dims[i], ROWS, QUERIES, 0,
                        check_random(&random));
        for (uint32_t n = 9; n <= 40 && !why; n += 4 + n % 3)
            why = check_size(slot, &set, n, &random);
        kc_close(&set);
    }
    if (!why)
        why = kc_check_rules(slot, 33, false, &random);
    return why || !kc_takes_f32(slot->pairing) ? why : kc_check_rules(slot, 33, true, &random);
}

static void check_mutants_of(const kc_slot *slot, uint64_t seed)
{
    ki_kernel broken;
    const kc_slot spoiled = {&broken, slot->level, slot->metric, slot->pairing};
    const char *why = check(slot, seed), *name;
    if (why)
        fail_msg("%s", why);
    for (size_t i = 0; (name = kc_mutant(i, slot, &broken)) != NULL; i++)
        if (*name && !check(&spoiled, seed))
            fail_msg("%s", kc_say(slot, NULL, "the mutant passes: %s", name));
    broken = *slot->kernel;
    broken.form = broken.form == KI_KEY_UINT ? KI_KEY_INT : KI_KEY_UINT;
    if (!check(&spoiled, seed))
        fail_msg("%s", kc_say(slot, NULL, "the mutant passes: keys of another form"));
}

static void every_mutant_is_caught(void **state)
{
    uint64_t random = check_seed();
    size_t all = 0;
    (void)state;
    for (int slots = 0; slots < KI_METRIC_COUNT * KI_PAIRING_COUNT; slots++) {
        const kc_slot *variants;
        const size_t count = kc_variants((kith_metric)(slots / KI_PAIRING_COUNT),
                                         (ki_pairing)(slots % KI_PAIRING_COUNT), &variants);
        for (size_t v = 0; v < count; v++)
            check_mutants_of(&variants[v], check_random(&random));
        all += count;
    }
    assert_true(all > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_mutant_is_caught)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A broken kernel does not pass the checks that the other kernel tests rely on.
 *
 * Each mutant wraps the real slot of a level and spoils one thing that kernels get wrong: the last
 * element, the last rows of a group, the row number, the last bits. Every mutant of every slot of
 * every level must be caught by kc_check_truth or, where the value stays within its bound, by
 * kc_check_shapes or kc_check_rules; and the slot without the mutant must pass the same checks.
 */
#include "tests/check.h"
#include "tests/kernel_cases.h"
#include "kernels/keys.h"

enum { ROWS = 41 };

static const ki_kernel *real; /* what the mutants below wrap */

static void last_element_lost(const ki_query *query, const ki_rows *rows, const uint32_t *ids,
                              size_t n, uint32_t *keys)
{
    ki_query shorter = *query;
    ki_rows narrower = *rows;
    shorter.dim--;
    narrower.dim--;
    real->gather(&shorter, &narrower, ids, n, keys);
}

static void last_row_repeats(const ki_query *query, const ki_rows *rows, const uint32_t *ids,
                             size_t n, uint32_t *keys)
{
    real->gather(query, rows, ids, n, keys);
    if (n > 1)
        keys[n - 1] = keys[n - 2];
}

static void group_swapped(const ki_query *query, const ki_rows *rows, const uint32_t *ids, size_t n,
                          uint32_t *keys)
{
    real->gather(query, rows, ids, n, keys);
    for (size_t i = 0; i + 8 <= n; i += 8) {
        uint32_t key = keys[i + 1];
        keys[i + 1] = keys[i + 2];
        keys[i + 2] = key;
    }
}

static void last_bits_lost(const ki_query *query, const ki_rows *rows, const uint32_t *ids,
                           size_t n, uint32_t *keys)
{
    real->gather(query, rows, ids, n, keys);
    for (size_t i = 0; i < n; i++)
        keys[i] &= ~UINT32_C(31);
}

static void one_bit_in_a_full_group(const ki_query *query, const ki_rows *rows, const uint32_t *ids,
                                    size_t n, uint32_t *keys)
{
    real->gather(query, rows, ids, n, keys);
    if (n >= 4)
        keys[3] ^= 1;
}

static void one_key_too_many(const ki_query *query, const ki_rows *rows, const uint32_t *ids,
                             size_t n, uint32_t *keys)
{
    real->gather(query, rows, ids, n, keys);
    keys[n] = 0;
}

static uint32_t pair_of_next_row(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    return real->pair(query, rows, id ? id - 1 : 1);
}

static void range_starts_late(const ki_query *query, const ki_rows *rows, uint32_t first, size_t n,
                              uint32_t *keys)
{
    real->range(query, rows, first ? first - 1 : 1, n, keys);
}

static void nan_is_nearest(const ki_query *query, const ki_rows *rows, const uint32_t *ids,
                           size_t n, uint32_t *keys)
{
    real->gather(query, rows, ids, n, keys);
    for (size_t i = 0; i < n; i++)
        if (keys[i] == KI_KEY_NAN)
            keys[i] = 0;
}

/* What the checks say about a slot, over some dimensions and counts. */
static const char *check(const kc_slot *slot, uint64_t seed)
{
    static const uint32_t dims[] = {2, 15, 16, 17, 40, 64, 100, 129};
    uint64_t random = seed;
    const char *why = NULL;
    for (size_t i = 0; i < sizeof dims / sizeof *dims && !why; i++) {
        kc_truth truths[ROWS];
        kc_set set;
        kc_open(&set, slot->type, dims[i], ROWS, 0, check_random(&random));
        for (uint32_t r = 0; r < ROWS; r++)
            truths[r] = kc_true_distance(slot->metric, slot->type, set.query,
                                         set.rows + r * set.row_bytes, set.dim);
        for (size_t n = 9; n <= 40 && !why; n += 3) {
            why = kc_check_truth(slot, &set, truths, n, &random);
            if (!why)
                why = kc_check_shapes(slot, &set, (unsigned)n, &random);
        }
        kc_close(&set);
    }
    return why ? why : kc_check_rules(slot, 33, &random);
}

static void check_mutants_of(kc_slot slot, uint64_t seed)
{
    static const ki_gather_fn gathers[] = {
        last_element_lost,       last_row_repeats, group_swapped, last_bits_lost,
        one_bit_in_a_full_group, one_key_too_many, nan_is_nearest};
    ki_kernel mutant;
    const char *why = check(&slot, seed);
    if (why)
        fail_msg("%s", why);
    real = slot.kernel;
    slot.kernel = &mutant;
    for (size_t i = 0; i < sizeof gathers / sizeof *gathers; i++) {
        mutant = *real;
        mutant.gather = gathers[i];
        if (gathers[i] == nan_is_nearest && slot.type == KITH_U8)
            continue; /* bytes know no NaN */
        if (!check(&slot, seed))
            fail_msg("%s", kc_say(&slot, NULL, "mutant %zu of gather passes the checks", i));
    }
    mutant = *real;
    mutant.pair = pair_of_next_row;
    assert_non_null(check(&slot, seed));
    mutant = *real;
    mutant.range = range_starts_late;
    assert_non_null(check(&slot, seed));
    mutant = *real;
    mutant.form = mutant.form == KI_KEY_UINT ? KI_KEY_INT : KI_KEY_UINT;
    assert_non_null(check(&slot, seed));
}

static void every_mutant_is_caught(void **state)
{
    kc_level levels[KI_ISA_COUNT];
    uint64_t random = check_seed();
    size_t level_count = kc_levels(levels);
    (void)state;
    assert_true(level_count > 0);
    for (size_t l = 0; l < level_count; l++)
        for (int metric = 0; metric < KI_METRIC_COUNT; metric++)
            for (int type = 0; type < KI_TYPE_COUNT; type++)
                check_mutants_of(kc_slot_of(&levels[l], (kith_metric)metric, (kith_type)type),
                                 check_random(&random));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_mutant_is_caught)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* No kernel reads or writes a byte that the contract does not give it.
 *
 * Query, scratch, rows, side data, row numbers and keys each lie against a page that cannot be
 * touched, first at their end, then at their beginning. A fault becomes a sentence with slot,
 * level, dimension, count and seed. The check is kc_check_fence (kernel_fence.c); a kernel that
 * reads one element too far must be caught by it.
 */
#include "tests/check.h"
#include "tests/kernel_cases.h"

static kc_level levels[KI_ISA_COUNT];
static size_t level_count;

static int set_up(void **state)
{
    (void)state;
    level_count = kc_levels(levels);
    return level_count ? 0 : -1;
}

static void check_dim(uint32_t dim, size_t n, uint64_t *random)
{
    for (int type = 0; type < KI_TYPE_COUNT; type++) {
        kc_set set;
        kc_open(&set, (kith_type)type, dim, 1 + check_below(random, 17), 0, check_random(random));
        for (int metric = 0; metric < KI_METRIC_COUNT; metric++)
            for (size_t l = 0; l < level_count; l++) {
                kc_slot slot = kc_slot_of(&levels[l], (kith_metric)metric, (kith_type)type);
                const char *why = kc_check_fence(&slot, &set, n, random);
                if (why)
                    fail_msg("%s", why);
            }
        kc_close(&set);
    }
}

static void every_dimension(void **state)
{
    uint64_t random = check_seed();
    uint32_t dim;
    (void)state;
    for (size_t i = 0; (dim = kc_dimension(i)) != 0; i++)
        check_dim(dim, i * 7 % 41, &random);
}

static void every_count_of_rows(void **state)
{
    uint64_t random = check_seed();
    (void)state;
    for (size_t n = 0; n <= 40; n++)
        check_dim(1 + check_below(&random, 130), n, &random);
}

/* The scalar kernel of one element more than there is: the last row crosses the fence. */
static void one_too_far(const ki_query *query, const ki_rows *rows, const uint32_t *ids, size_t n,
                        uint32_t *keys)
{
    ki_query longer = *query;
    ki_rows wider = *rows;
    longer.dim++;
    wider.dim++;
    levels[0].table.at[KITH_L2SQ][KITH_F32].gather(&longer, &wider, ids, n, keys);
}

static void reading_too_far_is_caught(void **state)
{
    uint64_t random = check_seed();
    kc_slot slot = kc_slot_of(&levels[0], KITH_L2SQ, KITH_F32);
    ki_kernel broken = *slot.kernel;
    kc_set set;
    (void)state;
    broken.gather = one_too_far;
    slot.kernel = &broken;
    kc_open(&set, KITH_F32, 19, 5, 0, check_random(&random));
    assert_non_null(kc_check_fence(&slot, &set, 5, &random));
    kc_close(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dimension),
        cmocka_unit_test(every_count_of_rows),
        cmocka_unit_test(reading_too_far_is_caught),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}

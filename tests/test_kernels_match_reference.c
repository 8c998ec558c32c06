/* Every kernel answers with the right distance: integers exactly, floats within the promised bound.
 *
 * Each level of the ladder that this machine has, each metric and row type, each shape; dimensions
 * 1 to 130 and the usual large ones; 0 to 40 rows a call; every way of drawing elements. The right
 * answers are the tests' own f64 and int64 sums (kernel_cases.c). u8 cosine rounds, and must still
 * be the same bits at every level.
 */
#include "tests/check.h"
#include "tests/kernel_cases.h"
#include <math.h>

enum { ROWS = 40, METRICS = KI_METRIC_COUNT };

static kc_level levels[KI_ISA_COUNT];
static size_t level_count;

static int set_up(void **state)
{
    (void)state;
    level_count = kc_levels(levels);
    return level_count ? 0 : -1;
}

static void check_set(const kc_set *set, size_t n, uint64_t *random)
{
    const char *why = NULL;
    for (int metric = 0; metric < METRICS; metric++) {
        kc_truth truths[ROWS];
        for (uint32_t r = 0; r < set->count; r++)
            truths[r] = kc_true_distance((kith_metric)metric, set->type, set->query,
                                         set->rows + r * set->row_bytes, set->dim);
        for (size_t l = 0; l < level_count && !why; l++) {
            kc_slot slot = kc_slot_of(&levels[l], (kith_metric)metric, set->type);
            why = kc_check_truth(&slot, set, truths, n, random);
        }
    }
    if (!why && set->type == KITH_U8)
        why = kc_check_levels_agree(levels, level_count, set);
    if (why)
        fail_msg("%s", why);
}

static void check_type(kith_type type)
{
    uint64_t random = check_seed();
    uint32_t dim;
    for (size_t i = 0; (dim = kc_dimension(i)) != 0; i++)
        for (int fill = 0; fill < kc_fills(type); fill++) {
            kc_set set;
            kc_open(&set, type, dim, ROWS, fill, check_random(&random));
            check_set(&set, (i * 8 + (size_t)fill * 5) % (ROWS + 1), &random);
            kc_close(&set);
        }
}

static void f32_is_within_its_bound(void **state)
{
    (void)state;
    check_type(KITH_F32);
}

static void u8_is_exact(void **state)
{
    (void)state;
    check_type(KITH_U8);
}

static void every_count_of_rows(void **state)
{
    static const uint32_t dims[] = {5, 16, 33, 100};
    uint64_t random = check_seed();
    (void)state;
    for (size_t n = 0; n <= ROWS; n++)
        for (int type = 0; type < KI_TYPE_COUNT; type++) {
            kc_set set;
            kc_open(&set, (kith_type)type, dims[n % 4], ROWS, 0, check_random(&random));
            check_set(&set, n, &random);
            kc_close(&set);
        }
}

/* The largest dimension that the store takes: the integer sums come within 0.01 % of 2^31. */
static void u8_does_not_overflow(void **state)
{
    uint64_t random = check_seed();
    (void)state;
    for (int fill = 0; fill < KC_U8_FILLS; fill++) {
        kc_set set;
        kc_open(&set, KITH_U8, 33025, ROWS, fill, check_random(&random));
        check_set(&set, ROWS, &random);
        kc_close(&set);
    }
}

static void library_reference_agrees(void **state)
{
    uint64_t random = check_seed();
    (void)state;
    for (int trial = 0; trial < 1200; trial++) {
        kith_type type = (kith_type)(trial % KI_TYPE_COUNT);
        kith_metric metric = (kith_metric)(trial / 2 % METRICS);
        int fill = trial / 6 % kc_fills(type);
        kc_set set;
        kc_open(&set, type, 1 + check_below(&random, 300), 1, fill, check_random(&random));
        kc_truth truth = kc_true_distance(metric, type, set.query, set.rows, set.dim);
        double exact = ki_exact_distance(metric, type, set.query, set.rows, set.dim);
        bool ok = truth.bound == 0
                      ? isinf(truth.distance) || exact == truth.distance
                      : fabs(exact - truth.distance) <= truth.bound / 1024 || isinf(truth.bound);
        if (!ok)
            fail_msg("ki_exact_distance: metric %d, type %d, dim %u, fill %d: %.17g, not %.17g",
                     metric, type, set.dim, fill, exact, truth.distance);
        kc_close(&set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f32_is_within_its_bound),  cmocka_unit_test(u8_is_exact),
        cmocka_unit_test(every_count_of_rows),      cmocka_unit_test(u8_does_not_overflow),
        cmocka_unit_test(library_reference_agrees),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}

/* Every kernel answers with the right distance: integers exactly, floats within the promised bound.
 *
 * Every kernel that some set of this machine's levels makes, each metric and pairing, pair, gather
 * and range (tiles are held against pair in test_kernels_tiles_agree.c); dimensions up to two
 * loops and all their tails, and the usual large ones, with every way of drawing elements,
 * half of them each where dimensions are large; 0 to 40 rows a call; queries of the rows' type and
 * of f32. The right answers are the tests' own f64 sums (kernel_truth.c). What rounds after an
 * exact sum must be the same bits at every level.
 */
#include "tests/check.h"
#include "tests/kernel_cases.h"
#include <math.h>

enum { ROWS = 40 };

static void check_slots(kith_metric metric, kc_set *set, size_t n, uint64_t *random)
{
    const kc_slot *variants;
    const size_t count = kc_variants(metric, set->pairing, &variants);
    kc_truth truths[ROWS];
    const char *why = NULL;
    for (uint32_t r = 0; r < set->count; r++)
        truths[r] = kc_true_distance(metric, set, 0, r);
    for (size_t v = 0; v < count && !why; v++)
        why = kc_check_truth(&variants[v], set, truths, n, random);
    if (!why && kc_exact(set->pairing))
        why = kc_check_same_keys(variants, count, set);
    if (why)
        fail_msg("%s", why);
}

/* All metrics of a pairing; with `i` those that take dimension i of the list. */
static void check_set(ki_pairing pairing, uint32_t dim, size_t i, size_t n, int fill,
                      uint64_t *random)
{
    const bool from_f32 = kc_takes_f32(pairing) && (i + (size_t)fill) % 2;
    const kc_slot *any;
    kc_set set;
    bool wanted = false;
    for (int m = 0; m < KI_METRIC_COUNT; m++)
        wanted |= kc_variants((kith_metric)m, pairing, &any) > 0;
    if (!wanted)
        return;
    kc_open(&set, pairing, from_f32, dim, ROWS, fill, check_random(random));
    for (int m = 0; m < KI_METRIC_COUNT; m++)
        if (ki_kernel_exists((kith_metric)m, pairing) &&
            kc_takes_dimension((kith_metric)m, pairing, i))
            check_slots((kith_metric)m, &set, n, random);
    kc_close(&set);
}

static void check_pairing(ki_pairing pairing)
{
    uint64_t random = check_seed();
    uint32_t dim;
    for (size_t i = 0; (dim = kc_dimension(pairing, i)) != 0; i++)
        for (int fill = dim > 300 ? (int)i % 2 : 0;
             fill<kc_fills(pairing); fill += dim> 300 ? 2 : 1)
            check_set(pairing, dim, i, (i * 8 + (size_t)fill * 5) % (ROWS + 1), fill, &random);
}

static void floats_are_within_their_bound(void **state)
{
    (void)state;
    check_pairing(KI_F32);
    check_pairing(KI_F16);
    check_pairing(KI_BF16);
    check_pairing(KI_BF16BF16);
}

static void floats_meet_integers(void **state)
{
    (void)state;
    check_pairing(KI_F32U8);
    check_pairing(KI_F32I8);
    check_pairing(KI_Q8);
}

static void integers_and_bits_are_exact(void **state)
{
    (void)state;
    check_pairing(KI_U8);
    check_pairing(KI_I8);
    check_pairing(KI_B1);
    check_pairing(KI_Q4);
    check_pairing(KI_Q1);
}

static void every_count_of_rows(void **state)
{
    static const uint32_t dims[] = {5, 16, 33, 100, 260};
    uint64_t random = check_seed();
    (void)state;
    for (size_t n = 0; n <= ROWS; n++)
        for (int p = 0; p < KI_PAIRING_COUNT; p++)
            check_set((ki_pairing)p, dims[n % 5], n, n, 0, &random);
}

/* The largest dimensions that the store takes: the sums come within a few parts in a thousand of
 * what 32 bits hold. */
static void sums_do_not_overflow(void **state)
{
    uint64_t random = check_seed();
    (void)state;
    for (int p = 0; p < KI_PAIRING_COUNT; p++)
        for (int fill = 0; fill < kc_fills((ki_pairing)p) && kc_exact((ki_pairing)p); fill++)
            for (size_t third = 0; third < 3; third++)
                check_set((ki_pairing)p, p == KI_U8 ? 33025 : 65535, third, 12 + third, fill,
                          &random);
}

/* Distances of the public types, by the library's own reference. */
static void library_reference_agrees(void **state)
{
    uint64_t random = check_seed();
    (void)state;
    for (int trial = 0; trial < 4000; trial++) {
        const ki_pairing type = (ki_pairing)(trial % KI_TYPE_COUNT);
        const kith_metric metric = (kith_metric)(trial / KI_TYPE_COUNT % KI_METRIC_COUNT);
        const int fill = trial / 30 % kc_fills(type);
        kc_set set;
        if (!ki_kernel_exists(metric, type))
            continue;
        kc_open(&set, type, false, 1 + check_below(&random, 300), 1, fill, check_random(&random));
        const kc_truth truth = kc_true_distance(metric, &set, 0, 0);
        const double exact =
            ki_exact_distance(metric, (kith_type)type, set.vectors, set.rows, set.dim);
        const bool ok = truth.bound == 0 ? isinf(truth.distance) || exact == truth.distance
                                         : fabs(exact - truth.distance) <= truth.bound / 1024 ||
                                               isinf(truth.bound);
        if (!ok)
            fail_msg("ki_exact_distance: %s %s, dim %u, fill %d: %.17g, not %.17g",
                     kc_metric_name(metric), ki_pairing_name(type), set.dim, fill, exact,
                     truth.distance);
        kc_close(&set);
    }
}

static void no_slot_is_missing(void **state)
{
    (void)state;
    if (kc_missing())
        fail_msg("%s", kc_missing());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_are_within_their_bound),
        cmocka_unit_test(floats_meet_integers),
        cmocka_unit_test(integers_and_bits_are_exact),
        cmocka_unit_test(every_count_of_rows),
        cmocka_unit_test(sums_do_not_overflow),
        cmocka_unit_test(library_reference_agrees),
        cmocka_unit_test(no_slot_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

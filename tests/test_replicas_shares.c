/* Property: of two devices of unequal speed each answers a share of the queries like its speed, to
 * within a fifth, and the answers are those of a flat index. A partition gets rows, and a device
 * copies, by weight as well.
 */
#include "tests/shaky_device.h"

#include <math.h>
#include <string.h>

enum { N = 300, QUERIES = 6000, K = 5 };

/* One run. Speeds are what the devices themselves took, so that a busy machine, which slows one of
 * them down for a while, changes the speed and the share alike. */
static double share_by_speed(const shaky_bench *b, const kith_hit *right, unsigned ratio)
{
    const kith_replicas_options options = shaky_options(1, 2, 2);
    const kith_search_options search = kith_search_defaults(K);
    kith_hit *hits = malloc(QUERIES * K * sizeof *hits);
    kith_replicas *replicas = NULL;
    double speed[2];
    assert_non_null(hits);
    for (unsigned i = 0; i < 2; i++)
        atomic_store(&shaky[i].ns_per_query, 100000 * (i ? ratio : 1));
    must(kith_replicas_create(b->index, &options, NULL, NULL, &replicas));
    for (unsigned i = 0; i < 2; i++)
        atomic_store(&shaky[i].busy_ns, 0);
    must(kith_replicas_search(replicas, b->queries.bytes, QUERIES, &search, hits, NULL));
    same_hits(right, hits, QUERIES * K, "two devices");
    const double queries[] = {(double)copy_info(replicas, 0).queries,
                              (double)copy_info(replicas, 1).queries};
    assert_true((size_t)(queries[0] + queries[1]) == QUERIES);
    for (unsigned i = 0; i < 2; i++)
        speed[i] = queries[i] / (double)atomic_load(&shaky[i].busy_ns);
    printf("1:%u, queries %.2f, speeds %.2f\n", ratio, queries[0] / queries[1],
           speed[0] / speed[1]);
    kith_replicas_close(replicas);
    free(hits);
    return queries[0] / queries[1] / (speed[0] / speed[1]);
}

/* The middle of three runs: a thread that is not run at all for a while has no speed to show it. */
static void speeds_make_shares(void **state)
{
    (void)state;
    static const unsigned ratios[] = {1, 2, 4};
    uint64_t random = check_seed();
    shaky_bench b;
    bench_open(&b, KITH_FLAT, KITH_U8, N, QUERIES, &random);
    kith_hit *right = exact_hits(&b, QUERIES, K);
    for (size_t i = 0; i < sizeof ratios / sizeof *ratios; i++) {
        unsigned even = 0;
        for (unsigned run = 0; run < 3; run++) {
            const double share = share_by_speed(&b, right, ratios[i]);
            even += share > 0.8 && share < 1.2;
        }
        assert_true(even >= 2);
    }
    free(right);
    bench_close(&b);
}

static void rows_go_where_the_weight_is(void **state)
{
    (void)state;
    ki_plan *plan = calloc(1, sizeof *plan);
    const double even[] = {0.5, 0.5}, uneven[] = {0.75, 0.25}, many[] = {0.4, 0.3, 0.2, 0.1};
    ki_replicas_deal(even, 2, 2, 1, plan);
    assert_true(plan->holds[0][0] && plan->holds[1][1]);
    assert_true(!plan->holds[0][1] && !plan->holds[1][0]);
    ki_replicas_deal(uneven, 2, 2, 1, plan);
    assert_true(fabs(plan->shares[0] - 0.75) < 1e-6 || plan->holds[0][1]);
    for (uint32_t partitions = 1; partitions <= 7; partitions++)
        for (uint32_t copies = 1; copies <= 4; copies++) {
            double sum = 0;
            ki_replicas_deal(many, 4, partitions, copies, plan);
            for (uint32_t p = 0; p < partitions; p++) {
                uint32_t held = 0;
                for (uint32_t i = 0; i < 4; i++)
                    held += plan->holds[i][p];
                assert_int_equal(held, copies);
                assert_true(plan->shares[p] > 0.2 / partitions);
                sum += plan->shares[p];
            }
            assert_true(fabs(sum - 1) < 1e-9);
        }
    free(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(speeds_make_shares),
                                       cmocka_unit_test(rows_go_where_the_weight_is)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

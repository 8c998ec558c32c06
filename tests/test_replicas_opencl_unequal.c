/* Property: of two OpenCL devices of different kinds each answers a share of the queries like its
 * speed, to within a fifth, and what they answer together is what the index finds.
 *
 * Speed is what a device answers in the time that it is busy: so a busy machine, or two devices on
 * the same cores, change the speed and the share alike. Left to measure is whether one of them had
 * to wait for the other: to deal queries out evenly would leave the faster one idle.
 */
#include "tests/replicas_opencl.h"

enum { N = 2000, QUERIES = 4000, K = 10, EF = 60, RUNS = 5 };

static const char *const pair[] = {"ocl0", "ocl1"};

/* One search by both: the first one's share of the queries by its share of the speed. */
static double share_by_speed(const shaky_bench *b, kith_replicas *r,
                             const kith_search_options *search)
{
    kith_replicas_report report = {.size = sizeof report};
    double queries[2], speed[2];
    for (unsigned i = 0; i < 2; i++) {
        queries[i] = (double)copy_info(r, i).queries;
        atomic_store(&shaky[i].busy_ns, 0);
    }
    search_as_index(b, r, QUERIES, search, &report, "an unequal pair");
    assert_int_equal(report.retries, 0);
    assert_int_equal(report.on_host, 0);
    for (unsigned i = 0; i < 2; i++) {
        queries[i] = (double)copy_info(r, i).queries - queries[i];
        speed[i] = queries[i] / (double)(atomic_load(&shaky[i].busy_ns) + 1);
    }
    assert_true((size_t)(queries[0] + queries[1]) == QUERIES);
    print_message("queries %.0f and %.0f, speeds %.0f and %.0f a second\n", queries[0], queries[1],
                  speed[0] * 1e9, speed[1] * 1e9);
    return queries[0] / queries[1] / (speed[0] / speed[1]);
}

/* Most runs: a thread that is not run at all for a while has no speed to show for it. */
static void share(kith_index_kind kind, kith_walk walk_kind, kith_type type, uint64_t *random)
{
    kith_search_options search = kith_search_defaults(K);
    shaky_bench b;
    unsigned even = 0;
    search.ef = EF;
    bench_open_walk(&b, kind, walk_kind, type, N, QUERIES, random);
    shaky_use_opencl();
    kith_replicas *r = replicas_on(&b, pair, 2, 1, 2);
    for (unsigned run = 0; run < RUNS && even <= RUNS / 2; run++) {
        const double is = share_by_speed(&b, r, &search);
        even += is > 0.8 && is < 1.25;
    }
    if (even <= RUNS / 2)
        fail_msg("%u of %d runs had shares like the speeds", even, RUNS);
    assert_true(copy_info(r, 0).queries > 0 && copy_info(r, 1).queries > 0);
    check_copies(r, 1, 2, N);
    kith_replicas_close(r);
    bench_close(&b);
}

static void shares_are_speeds(void **state)
{
    (void)state;
    need_pocl(2);
    uint64_t random = check_seed();
    share(KITH_FLAT, KITH_WALK_AUTO, KITH_U8, &random);
    share(KITH_HNSW, KITH_WALK_ROWS, KITH_U8, &random);
    share(KITH_HNSW, KITH_WALK_SQ8, KITH_F32, &random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(shares_are_speeds)};
    opencl_shows("basic pthread");
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    opencl_shows_no_more();
    return failed;
}

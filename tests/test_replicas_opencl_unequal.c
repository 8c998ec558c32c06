/* Property: of two OpenCL devices of different speed both answer, and what they answer together is
 * what the index finds.
 */
#include "tests/replicas_opencl.h"

enum { N = 2000, QUERIES = 2000, K = 10, EF = 60 };

static const char *const pair[] = {"ocl0", "ocl1"};

static void share(kith_index_kind kind, kith_walk walk_kind, kith_type type, uint64_t *random)
{
    kith_search_options search = kith_search_defaults(K);
    kith_replicas_report report = {.size = sizeof report};
    shaky_bench b;
    search.ef = EF;
    bench_open_walk(&b, kind, walk_kind, type, N, QUERIES, random);
    shaky_use_opencl();
    kith_replicas *r = replicas_on(&b, pair, 2, 1, 2);
    search_as_index(&b, r, QUERIES, &search, &report, "an unequal pair");
    assert_int_equal(report.retries, 0);
    assert_int_equal(report.on_host, 0);
    const uint64_t first = copy_info(r, 0).queries, second = copy_info(r, 1).queries;
    print_message("%s answered %llu queries, %s %llu\n", copy_info(r, 0).device,
                  (unsigned long long)first, copy_info(r, 1).device, (unsigned long long)second);
    assert_true(first > 0 && second > 0);
    assert_int_equal(first + second, QUERIES);
    check_copies(r, 1, 2, N);
    kith_replicas_close(r);
    bench_close(&b);
}

static void both_answer(void **state)
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(both_answer)};
    opencl_shows("basic pthread");
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    opencl_shows_no_more();
    return failed;
}

/* Property: an OpenCL device that fails in the middle of many queries loses none of them: the other
 * half of it answers the rest, with the rows that the index finds, and the one that failed is made
 * anew and serves again.
 */
#include "tests/replicas_opencl.h"

#include <string.h>

enum { N = 1000, QUERIES = 10000, K = 5, EF = 40 };

static const char *const halves[] = {"ocl0.0/2", "ocl0.1/2"};

static void kill_one(kith_index_kind kind, kith_walk walk_kind, kith_type type, uint64_t *random)
{
    kith_search_options search = kith_search_defaults(K);
    kith_replicas_report report = {.size = sizeof report};
    shaky_bench b;
    search.ef = EF;
    bench_open_walk(&b, kind, walk_kind, type, N, QUERIES, random);
    shaky_use_opencl();
    kith_replicas *r = replicas_on(&b, halves, 2, 1, 2);
    search_as_index(&b, r, QUERIES, &search, &report, "both halves work");
    assert_int_equal(report.retries, 0);
    const unsigned before = atomic_load(&shaky[0].queries);
    atomic_store(&shaky[1].after, 1); /* so that the other cannot take all at once */
    atomic_store(&shaky[0].fail_after, 3);
    search_as_index(&b, r, QUERIES, &search, &report, "a half fails");
    const unsigned answered = atomic_load(&shaky[0].queries) - before;
    assert_true(atomic_load(&shaky[0].failing));
    assert_true(answered > 0 && answered < QUERIES);
    assert_true(report.retries > 0);
    assert_int_equal(report.on_host, 0);
    assert_int_not_equal(copy_info(r, 0).state, KITH_COPY_OK);
    assert_non_null(strstr(copy_info(r, 0).reason, "told to fail"));
    atomic_store(&shaky[1].after, 0);
    atomic_store(&shaky[0].failing, false);
    await_state(r, 0, KITH_COPY_OK);
    assert_true(copy_info(r, 0).digest == copy_info(r, 1).digest);
    must(kith_replicas_drop(r, halves[1]));
    search_as_index(&b, r, QUERIES / 10, &search, &report, "the half that failed is alone");
    assert_int_equal(report.on_host, 0);
    kith_replicas_close(r);
    bench_close(&b);
}

static void exact(void **state)
{
    (void)state;
    need_pocl(1);
    uint64_t random = check_seed();
    kill_one(KITH_FLAT, KITH_WALK_AUTO, KITH_U8, &random);
}

static void walks(void **state)
{
    (void)state;
    need_pocl(1);
    uint64_t random = check_seed();
    kill_one(KITH_HNSW, KITH_WALK_ROWS, KITH_U8, &random);
    kill_one(KITH_HNSW, KITH_WALK_SQ8, KITH_F32, &random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(exact), cmocka_unit_test(walks)};
    opencl_shows("pthread");
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    opencl_shows_no_more();
    return failed;
}

/* Property: replicas on OpenCL devices, on the halves of one and beside the host, find what the
 * index itself finds: the same rows at the same distances from one partition at the same ef, the
 * same recall from two; all copies of a partition hold the same; and a search that a device does
 * not take is answered all the same, by the host.
 */
#include "tests/replicas_opencl.h"

#include <string.h>

enum { N = 2000, QUERIES = 400, K = 10, EF = 60 };

static const char *const halves[] = {"ocl0.0/2", "ocl0.1/2"}, *const mixed[] = {"cpu", "ocl0"};

typedef struct index_case {
    kith_index_kind kind;
    kith_type type;
    kith_walk walk;
    kith_search_mode mode;
} index_case;

static const index_case cases[] = {{KITH_FLAT, KITH_U8, KITH_WALK_AUTO, KITH_MODE_EXACT},
                                   {KITH_FLAT, KITH_F32, KITH_WALK_AUTO, KITH_MODE_EXACT},
                                   {KITH_HNSW, KITH_U8, KITH_WALK_ROWS, KITH_MODE_ROWS},
                                   {KITH_HNSW, KITH_F32, KITH_WALK_SQ8, KITH_MODE_CODES}};

static void one_partition(const shaky_bench *b, const char *const *names, kith_search_mode mode)
{
    kith_search_options search = kith_search_defaults(K);
    kith_replicas_report report = {.size = sizeof report};
    kith_replicas *r = replicas_on(b, names, 2, 1, 2);
    search.ef = EF;
    check_copies(r, 1, 2, N);
    search_as_index(b, r, QUERIES, &search, &report, names[1]);
    search_as_index(b, r, 1, &search, NULL, names[1]);
    assert_int_equal(report.mode, mode);
    assert_int_equal(report.on_host, 0);
    assert_int_equal(report.retries, 0);
    kith_replicas_drop(r, names[0]); /* so that the other one has to answer all of them */
    search_as_index(b, r, QUERIES, &search, &report, names[1]);
    assert_int_equal(report.on_host, 0);
    assert_true(copy_info(r, 0).queries >= QUERIES);
    check_copies(r, 1, 1, N);
    kith_replicas_close(r);
}

/* Of K * QUERIES right hits, how many were found. */
static size_t count_found(const kith_hit *right, const kith_hit *got)
{
    size_t found = 0;
    for (size_t i = 0; i < (size_t)QUERIES * K; i++)
        for (size_t j = i / K * K; j < i / K * K + K; j++)
            found += right[i].row == got[j].row;
    return found;
}

/* Graphs of their own find other rows now and then, so it is the exact answer that counts. */
static void two_partitions(const shaky_bench *b, const char *const *names, kith_index_kind kind)
{
    kith_search_options search = kith_search_defaults(K);
    kith_replicas_report report = {.size = sizeof report};
    kith_replicas *r = replicas_on(b, names, 2, 2, 2);
    kith_hit *right = exact_hits(b, QUERIES, K), *got = calloc((size_t)QUERIES * K, sizeof *got);
    assert_non_null(got);
    search.ef = EF;
    check_copies(r, 2, 2, N);
    must(kith_replicas_search(r, b->queries.bytes, QUERIES, &search, got, &report));
    assert_int_equal(report.rows_searched, N);
    assert_int_equal(report.on_host, 0);
    const size_t two = count_found(right, got);
    must(kith_index_search(b->index, b->queries.bytes, QUERIES, &search, got, NULL));
    const size_t one = count_found(right, got);
    if (kind == KITH_FLAT)
        assert_int_equal(two, QUERIES * K);
    else if (two + QUERIES * K / 100 < one)
        fail_msg("two partitions find %zu of %d, the index %zu", two, QUERIES * K, one);
    kith_replicas_close(r);
    free(right);
    free(got);
}

static void on_devices(const char *const *names)
{
    uint64_t random = check_seed();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const index_case *c = &cases[i];
        shaky_bench b;
        bench_open_walk(&b, c->kind, c->walk, c->type, N, QUERIES, &random);
        shaky_use_opencl();
        one_partition(&b, names, c->mode);
        two_partitions(&b, names, c->kind);
        bench_close(&b);
    }
}

static void the_halves_of_a_device(void **state)
{
    (void)state;
    need_pocl(1);
    on_devices(halves);
}

static void the_host_and_a_device(void **state)
{
    (void)state;
    need_pocl(1);
    on_devices(mixed);
}

static uint32_t max_ef_of_first(void)
{
    const ki_device_name name = {.parts = 1};
    ki_device *device = NULL;
    must(ki_replicas_open_device(&name, &device));
    const uint32_t most = device->ops->max_ef(device);
    device->ops->close(device);
    return most;
}

static void what_a_device_does_not_take(void **state)
{
    (void)state;
    need_pocl(1);
    uint64_t random = check_seed();
    shaky_bench b;
    bench_open_walk(&b, KITH_HNSW, KITH_WALK_ROWS, KITH_U8, N, QUERIES, &random);
    shaky_use_opencl();
    const uint32_t most = max_ef_of_first();
    assert_true(most < N);
    kith_replicas *r = replicas_on(&b, &mixed[1], 1, 1, 1);
    kith_search_options search = kith_search_defaults(K);
    kith_replicas_report report = {.size = sizeof report};
    for (uint32_t more = 0; more < 2; more++) {
        search.ef = most + more;
        search_as_index(&b, r, 20, &search, &report, "at the device's limit");
        assert_int_equal(report.on_host > 0, more);
        assert_int_equal(copy_info(r, 0).state, KITH_COPY_OK);
    }
    search = kith_search_defaults(N);
    search_as_index(&b, r, 2, &search, &report, "k beyond what it gives");
    assert_true(report.on_host > 0);
    search = kith_search_defaults(K);
    search_as_index(&b, r, 20, &search, &report, "and then what it does take");
    assert_int_equal(report.on_host, 0);
    check_copies(r, 1, 1, N);
    kith_replicas_close(r);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_halves_of_a_device),
                                       cmocka_unit_test(the_host_and_a_device),
                                       cmocka_unit_test(what_a_device_does_not_take)};
    opencl_shows("pthread");
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    opencl_shows_no_more();
    return failed;
}

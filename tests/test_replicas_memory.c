/* Property: the memory of a device is counted once, whatever parts of it are named and whatever
 * names they go by; a copy for which there was no room is asked for again until there is; and one
 * device under two names is one device.
 */
#include "tests/shaky_device.h"

#include <string.h>

enum { N = 600, MORE = N / 2, QUERIES = 50, K = 5 };

static const char *const halves[] = {"ocl0.0/2", "ocl0.1/2"};

static uint64_t bytes_of_all(const kith_replicas *r, size_t copies)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < copies; i++)
        sum += copy_info(r, i).bytes;
    return sum;
}

static void search_rightly(const shaky_bench *b, kith_replicas *r, const char *what)
{
    const kith_search_options search = kith_search_defaults(K);
    kith_replicas_report report = {.size = sizeof report};
    kith_hit *right = exact_hits(b, QUERIES, K), hits[QUERIES * K];
    must(kith_replicas_search(r, b->queries.bytes, QUERIES, &search, hits, &report));
    same_hits(right, hits, QUERIES * K, what);
    assert_int_equal(report.on_host, 0);
    free(right);
}

/* Two copies on one device, be it on its halves or because they may share it. */
static void all_lanes_of_a_device_count(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    shaky_bench b;
    bench_open(&b, KITH_FLAT, KITH_U8, N, QUERIES, &random);
    for (uint32_t share = 0; share < 2; share++) {
        kith_replicas_options options = shaky_options(1, 2, 1);
        kith_replicas *r = NULL;
        options.share = share;
        options.devices = share ? options.devices : halves;
        options.device_count = share ? 1 : 2;
        must(kith_replicas_create(b.index, &options, NULL, NULL, &r));
        const uint64_t both = bytes_of_all(r, 2);
        assert_true(both > 0);
        kith_replicas_close(r);
        r = NULL;
        options.memory_bytes = both - 1;
        must_fail(kith_replicas_create(b.index, &options, NULL, NULL, &r), KITH_ENOMEM,
                  "are taken");
        options.memory_bytes = both;
        must(kith_replicas_create(b.index, &options, NULL, NULL, &r));
        kith_replicas_close(r);
    }
    bench_close(&b);
}

/* Two partitions on each half. They grow by a half, and of four copies three find room then: the
 * first of either half finds the old ones of the other. */
static void room_that_comes_is_taken(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    kith_replicas_options options = shaky_options(2, 2, 2);
    kith_replicas *r = NULL;
    shaky_bench b;
    uint32_t dead = 0;
    bench_open(&b, KITH_FLAT, KITH_U8, N, MORE, &random);
    options.devices = halves;
    must(kith_replicas_create(b.index, &options, NULL, NULL, &r));
    options.memory_bytes = bytes_of_all(r, 4) / 100 * 106;
    kith_replicas_close(r);
    r = NULL;
    must(kith_replicas_create(b.index, &options, NULL, NULL, &r));
    for (uint64_t i = 0; i < MORE; i++)
        must(kith_store_put_u64(b.store, N + i, row_at(&b.queries, i)));
    must(kith_index_build(b.index, NULL, NULL));
    must(kith_replicas_refresh(r, NULL, NULL));
    for (size_t i = 0; i < 4; i++) {
        const kith_copy_info info = copy_info(r, i);
        const bool second = strcmp(info.device, halves[1]) == 0;
        const bool well = second == (info.partition == 0);
        assert_int_equal(info.state, well ? KITH_COPY_OK : KITH_COPY_DEAD);
        dead += !well;
        if (!well)
            assert_non_null(strstr(info.reason, "are taken"));
    }
    assert_int_equal(dead, 2);
    search_rightly(&b, r, "a copy of each partition");
    must(kith_replicas_drop(r, halves[1]));
    await_state(r, 0, KITH_COPY_OK); /* nobody has asked for it */
    await_state(r, 1, KITH_COPY_OK);
    assert_int_equal(copy_info(r, 0).rows + copy_info(r, 1).rows, N + MORE);
    search_rightly(&b, r, "the first half alone");
    kith_replicas_close(r);
    bench_close(&b);
}

static void one_device_by_two_names(void **state)
{
    (void)state;
    static const char *const aliases[] = {"ocl0", "ocl0.0/1"}, *const same[] = {"ocl1", "ocl1"};
    uint64_t random = check_seed();
    kith_replicas_options options = shaky_options(1, 2, 2);
    kith_replicas *r = NULL;
    shaky_bench b;
    bench_open(&b, KITH_FLAT, KITH_U8, N, QUERIES, &random);
    options.devices = aliases;
    must_fail(kith_replicas_create(b.index, &options, NULL, NULL, &r), KITH_EINVAL,
              "the device 'ocl0' is named twice, the second time as 'ocl0.0/1'");
    options.devices = same;
    must_fail(kith_replicas_create(b.index, &options, NULL, NULL, &r), KITH_EINVAL, "named twice");
    options.share = 1;
    options.devices = aliases;
    must(kith_replicas_create(b.index, &options, NULL, NULL, &r));
    assert_string_equal(copy_info(r, 1).device, "ocl0");
    search_rightly(&b, r, "two copies on one device");
    kith_replicas_close(r);
    r = NULL;
    options = shaky_options(1, 2, 2);
    must(kith_replicas_create(b.index, &options, NULL, NULL, &r));
    must_fail(kith_replicas_add(r, "ocl0.0/1"), KITH_EINVAL, "'ocl0' has copies already");
    must(kith_replicas_drop(r, "ocl0.0/1"));
    assert_string_equal(copy_info(r, 0).device, "ocl1");
    must_fail(kith_replicas_copy(r, 1, &(kith_copy_info){.size = sizeof(kith_copy_info)}),
              KITH_ENOTFOUND, "copy 1 of 1");
    kith_replicas_close(r);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_lanes_of_a_device_count),
                                       cmocka_unit_test(room_that_comes_is_taken),
                                       cmocka_unit_test(one_device_by_two_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Property: what cannot be is refused with a sentence that says why, nothing is changed by it, and
 * what was refused halfway leaves nothing behind.
 */
#include "tests/shaky_device.h"

#include <string.h>

enum { N = 100, K = 3 };

static void create_fails(const shaky_bench *b, const kith_replicas_options *o, kith_status status,
                         const char *part)
{
    kith_replicas *r = NULL;
    must_fail(kith_replicas_create(b->index, o, NULL, NULL, &r), status, part);
    assert_null(r);
}

static void bad_options(void **state)
{
    (void)state;
    static const char *const twice[] = {"ocl0", "ocl0"}, *const wrong[] = {"gpu1"},
                             *const absent[] = {"ocl0", "ocl9"};
    uint64_t random = check_seed();
    shaky_bench b;
    bench_open(&b, KITH_FLAT, KITH_U8, N, 4, &random);
    kith_replicas_options o = shaky_options(0, 1, 1);
    create_fails(&b, &o, KITH_EINVAL, "0 partitions are not in 1..64");
    o.partitions = 65;
    create_fails(&b, &o, KITH_EINVAL, "65 partitions");
    o = shaky_options(1, 17, 1);
    create_fails(&b, &o, KITH_EINVAL, "17 copies are not in 1..16");
    o = shaky_options(1, 1, 0);
    create_fails(&b, &o, KITH_EINVAL, "0 devices");
    o = shaky_options(1, 3, 2);
    create_fails(&b, &o, KITH_EINVAL, "3 copies of each partition want as many devices");
    o = shaky_options(1, 1, 1);
    o.host = 2;
    create_fails(&b, &o, KITH_EINVAL, "host = 2");
    o = shaky_options(1, 1, 2);
    o.devices = twice;
    create_fails(&b, &o, KITH_EINVAL, "named twice");
    o = shaky_options(1, 1, 1);
    o.devices = wrong;
    create_fails(&b, &o, KITH_ENODEVICE, "gpu1");
    o = shaky_options(1, 2, 2);
    o.devices = absent;
    create_fails(&b, &o, KITH_ENODEVICE, "ocl9");
    o.size = 3;
    create_fails(&b, &o, KITH_EINVAL, "size");
    bench_close(&b);
}

static int stop(void *user, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    return ++*(int *)user == 2;
}

static void broken_devices(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    shaky_bench b;
    int calls = 0;
    kith_replicas *r = NULL;
    bench_open(&b, KITH_FLAT, KITH_U8, N, 4, &random);
    kith_replicas_options o = shaky_options(2, 2, 3);
    atomic_store(&shaky[1].failing, true);
    create_fails(&b, &o, KITH_EDEVICE, "told to fail");
    atomic_store(&shaky[1].failing, false);
    must_fail(kith_replicas_create(b.index, &o, stop, &calls, &r), KITH_ECANCELLED, "stopped");
    o.share = 1; /* then two copies may be on one */
    o.device_count = 1;
    must(kith_replicas_create(b.index, &o, NULL, NULL, &r));
    assert_string_equal(copy_info(r, 3).device, "ocl0");
    kith_replicas_close(r);
    o = shaky_options(1, 1, 1);
    o.memory_bytes = 100;
    create_fails(&b, &o, KITH_ENOMEM, "bytes");
    bench_close(&b);
}

static void bad_calls(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    shaky_bench b;
    kith_replicas *r = NULL;
    kith_hit hits[K] = {{.row = 7}};
    kith_search_options search = kith_search_defaults(0);
    kith_copy_info info = {.size = 0};
    kith_replicas_report report = {.size = 0};
    bench_open(&b, KITH_FLAT, KITH_F32, N, 4, &random);
    const kith_replicas_options o = shaky_options(2, 1, 2);
    const float nan[16] = {0, 0.0F / 0.0F};
    for (int i = 0; i < 2; i++) /* as fast as each other, so each gets a partition */
        atomic_store(&shaky[i].ns_per_query, 100000);
    must(kith_replicas_create(b.index, &o, NULL, NULL, &r));
    must_fail(kith_replicas_search(r, b.queries.bytes, 1, &search, hits, NULL), KITH_EINVAL,
              "k = 0");
    search.k = K;
    must_fail(kith_replicas_search(r, nan, 1, &search, hits, NULL), KITH_EINVAL, "query");
    must_fail(kith_replicas_search(r, b.queries.bytes, 1, &search, hits, &report), KITH_EINVAL,
              "size");
    assert_int_equal(hits[0].row, 7);
    must_fail(kith_replicas_copy(r, 0, &info), KITH_EINVAL, "size");
    info.size = sizeof info;
    must_fail(kith_replicas_copy(r, 2, &info), KITH_ENOTFOUND, "copy 2 of 2");
    must_fail(kith_replicas_add(r, "ocl1"), KITH_EINVAL, "has copies already");
    must_fail(kith_replicas_add(r, "ocl9"), KITH_ENODEVICE, "ocl9");
    must_fail(kith_replicas_add(r, "x"), KITH_ENODEVICE, "x");
    must_fail(kith_replicas_drop(r, "ocl3"), KITH_ENOTFOUND, "has no copies");
    must(kith_replicas_drop(r, "ocl1"));
    must_fail(kith_replicas_copy(r, 1, &info), KITH_ENOTFOUND, "copy 1 of 1");
    assert_string_equal(kith_copy_state_name(KITH_COPY_SUSPECT), "suspect");
    assert_null(kith_copy_state_name((kith_copy_state)4));
    kith_replicas_close(r);
    kith_replicas_close(NULL);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bad_options),
                                       cmocka_unit_test(broken_devices),
                                       cmocka_unit_test(bad_calls)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Property: replicas on whatever OpenCL a machine has find what the index finds: on two platforms
 * at once, whose drivers share nothing, with partitions and copies on both, also when one of them
 * fails; on two devices of one platform; and where there is no driver at all, on the host alone,
 * while a device that is asked for by name is refused.
 *
 * Each case has a process of its own: see opencl_drivers.h. Oclgrind is very slow, so it is little
 * that is asked.
 */
#include "tests/opencl_drivers.h"
#include "tests/replicas_opencl.h"

#include <string.h>

enum { N = 100, QUERIES = 12, K = 5, EF = 20 };

static const char *const both[] = {"ocl0", "ocl1"};

/* ---- in the process of a case ---- */

static kith_replicas *replicas_of(const shaky_bench *b, uint32_t partitions, uint32_t copies)
{
    kith_replicas_options options = kith_replicas_defaults(partitions, copies);
    kith_replicas *r = NULL;
    options.devices = both;
    options.device_count = 2;
    options.threads = 1;
    options.host = 1; /* the devices or nobody */
    options.deadline_ms = 120000;
    must(kith_replicas_create(b->index, &options, NULL, NULL, &r));
    return r;
}

static void a_copy_on_each(const shaky_bench *b)
{
    kith_search_options search = kith_search_defaults(K);
    kith_replicas_report report = {.size = sizeof report};
    kith_replicas *r = replicas_of(b, 1, 2);
    search.ef = EF;
    check_copies(r, 1, 2, N);
    for (uint32_t i = 0; i < 2; i++) {
        atomic_store(&shaky[i].fail_after, 1);
        for (int round = 0; round < 1000 && !atomic_load(&shaky[i].failing); round++)
            search_as_index(b, r, QUERIES, &search, &report, "one of them fails");
        assert_true(report.retries > 0);
        assert_int_not_equal(copy_info(r, i).state, KITH_COPY_OK);
        atomic_store(&shaky[i].failing, false);
        await_state(r, i, KITH_COPY_OK);
        assert_true(copy_info(r, 0).digest == copy_info(r, 1).digest);
    }
    for (uint32_t i = 0; i < 2; i++) {
        must(kith_replicas_drop(r, both[i]));
        search_as_index(b, r, QUERIES, &search, &report, both[1 - i]);
        must(kith_replicas_add(r, both[i]));
    }
    kith_replicas_close(r);
}

static void partitions_on_both(const shaky_bench *b)
{
    const kith_search_options search = kith_search_defaults(K);
    kith_replicas *r = replicas_of(b, 2, 2);
    check_copies(r, 2, 2, N);
    search_as_index(b, r, QUERIES, &search, NULL, "partitions on both");
    kith_replicas_close(r);
}

static void on_two(bool platforms)
{
    uint64_t random = check_seed();
    kith_devices *devices = NULL;
    kith_device_info info[2] = {{.size = sizeof info[0]}, {.size = sizeof info[1]}};
    shaky_bench b;
    must(kith_devices_open(&devices));
    for (uint32_t i = 0; i < 2; i++)
        must(kith_devices_get(devices, i + 1, &info[i]));
    assert_int_equal(strcmp(info[0].platform, info[1].platform) != 0, platforms);
    kith_devices_close(devices);
    bench_open_walk(&b, KITH_FLAT, KITH_WALK_AUTO, KITH_U8, N, QUERIES, &random);
    shaky_use_opencl();
    partitions_on_both(&b);
    bench_close(&b);
    bench_open_walk(&b, KITH_HNSW, KITH_WALK_ROWS, KITH_U8, N, QUERIES, &random);
    shaky_use_opencl();
    a_copy_on_each(&b);
    bench_close(&b);
}

static void on_none(void)
{
    uint64_t random = check_seed();
    const kith_search_options search = kith_search_defaults(K);
    kith_replicas_options options = kith_replicas_defaults(1, 1);
    kith_replicas *r = NULL;
    shaky_bench b;
    bench_open_walk(&b, KITH_HNSW, KITH_WALK_ROWS, KITH_U8, N, QUERIES, &random);
    shaky_use_opencl();
    must(kith_replicas_create(b.index, &options, NULL, NULL, &r)); /* on every usable device */
    assert_string_equal(copy_info(r, 0).device, "cpu");
    search_as_index(&b, r, QUERIES, &search, NULL, "the host alone");
    must_fail(kith_replicas_add(r, "ocl0"), KITH_ENODEVICE, "ocl0");
    kith_replicas_close(r);
    r = NULL;
    options.devices = both;
    options.device_count = 1;
    must_fail(kith_replicas_create(b.index, &options, NULL, NULL, &r), KITH_ENODEVICE, "ocl0");
    assert_null(r);
    bench_close(&b);
}

static void one_case(void **state)
{
    (void)state;
    const char *name = getenv("KITH_TEST_CASE");
    if (strcmp(name, "none") == 0)
        on_none();
    else
        on_two(strcmp(name, "platforms") == 0);
}

/* ---- in the process that starts them ---- */

static void two_platforms(void **state)
{
    (void)state;
    need_file(driver_pocl);
    need_file(driver_oclgrind);
    driver_name("a.icd", NULL);
    driver_name("b.icd", driver_oclgrind);
    driver_case("platforms", "pthread");
    driver_forget("a.icd");
    driver_forget("b.icd");
}

static void two_devices(void **state)
{
    (void)state;
    need_file(driver_pocl);
    driver_name("a.icd", NULL);
    driver_case("devices", "pthread pthread");
    driver_forget("a.icd");
}

static void no_driver(void **state)
{
    (void)state;
    driver_case("none", NULL);
}

int main(void)
{
    const struct CMUnitTest cases[] = {cmocka_unit_test(one_case)};
    const struct CMUnitTest tests[] = {cmocka_unit_test(two_platforms),
                                       cmocka_unit_test(two_devices), cmocka_unit_test(no_driver)};
    setenv("KITH_CACHE", "disabled", 1);
    if (getenv("KITH_TEST_CASE"))
        return cmocka_run_group_tests(cases, NULL, NULL);
    return cmocka_run_group_tests(tests, drivers_open, drivers_close);
}

/* Whichever OpenCL call fails, and whichever allocation, a search either still gives the right
 * answers or fails with a status and a sentence, leaves results untouched, and leaves the device,
 * its rows and the next call in order. */
#include "tests/opencl_check.h"

#include <string.h>

enum { ROWS = 200, QUERIES = 3, K = 5, DIM = 9, ANSWERS = QUERIES * K, MOST = 1000 };

static cloud c;
static uint64_t right[ANSWERS];

/* Makes the n-th call, or the n-th allocation, fail from here on; 0 ends it. */
typedef void (*arm_fn)(uint64_t n);

/* True when the fault was due later than what ran: nothing failed. */
static bool disarm_calls(void)
{
    bool pending = false;
    for (int i = 0; i < 10 * MOST && !pending; i++)
        pending = ki_cl_should_fail();
    ki_cl_fail_at(0);
    return pending;
}

static bool disarm_allocations(void)
{
    bool pending = false;
    for (int i = 0; i < 10 * MOST && !pending; i++)
        pending = ki_alloc_should_fail();
    ki_alloc_fail_at(0);
    return pending;
}

/* A failure has a status, a sentence, and nothing else. */
static void expect_told(kith_status status, uint64_t n)
{
    if (status >= 0 || kith_last_error()[0] == '\0')
        fail_msg("fault %llu: status %d, sentence \"%s\"", (unsigned long long)n, (int)status,
                 kith_last_error());
    ki_fail(KITH_OK, "%s", ""); /* so that the next failure must speak for itself */
}

static void expect_right(const uint64_t *answers, uint64_t n)
{
    for (size_t i = 0; i < ANSWERS; i++)
        if (answers[i] != right[i])
            fail_msg("fault %llu: answer %zu is wrong", (unsigned long long)n, i);
}

static kith_status scan(ki_device *device, ki_device_rows *rows, uint64_t *answers)
{
    const ki_device_queries queries = {c.asked, DIM, QUERIES, 0};
    return device->ops->scan(rows, &queries, K, answers);
}

/* open, put, scan, drop, close with one fault; true while there was something left to fail. */
static bool whole_search(arm_fn arm, bool (*disarm)(void), uint64_t n)
{
    ki_device *device = NULL;
    ki_device_rows *rows = NULL;
    uint64_t answers[ANSWERS], untouched[ANSWERS];
    memset(answers, 0x5a, sizeof answers);
    memcpy(untouched, answers, sizeof answers);
    arm(n);
    kith_status status = ki_opencl_open(0, 0, 1, &device);
    if (!status)
        status = device->ops->put_rows(device, &c.set, &rows);
    if (!status)
        status = scan(device, rows, answers);
    const bool pending = disarm();
    if (status) {
        expect_told(status, n);
        assert_memory_equal(answers, untouched, sizeof answers);
    } else {
        expect_right(answers, n);
    }
    if (device) {
        device->ops->drop_rows(rows);
        assert_int_equal(((ki_cl_device *)device)->memory_used, 0);
        device->ops->close(device);
    }
    return !pending;
}

/* The same rows, searched with a fault and then without: the second search is right. */
static bool scan_twice(ki_device *device, ki_device_rows *rows, arm_fn arm, bool (*disarm)(void),
                       uint64_t n)
{
    uint64_t answers[ANSWERS];
    arm(n);
    const kith_status status = scan(device, rows, answers);
    const bool pending = disarm();
    if (status)
        expect_told(status, n);
    assert_int_equal(scan(device, rows, answers), KITH_OK);
    expect_right(answers, n);
    return !pending;
}

static void each_call_of_a_search(void **unused)
{
    (void)unused;
    uint64_t n = 1;
    while (whole_search(ki_cl_fail_at, disarm_calls, n))
        assert_true(n++ < MOST);
    assert_true(n > 50);
    print_message("%llu calls\n", (unsigned long long)n - 1);
}

static void each_allocation_of_a_search(void **unused)
{
    (void)unused;
    uint64_t n = 1;
    while (whole_search(ki_alloc_fail_at, disarm_allocations, n))
        assert_true(n++ < MOST);
    assert_true(n > 5);
}

static void rows_survive_a_failed_scan(void **unused)
{
    (void)unused;
    ki_device *device = opencl_open();
    ki_device_rows *rows = NULL;
    assert_int_equal(device->ops->put_rows(device, &c.set, &rows), KITH_OK);
    uint64_t n = 1;
    while (scan_twice(device, rows, ki_cl_fail_at, disarm_calls, n))
        assert_true(n++ < MOST);
    n = 1;
    while (scan_twice(device, rows, ki_alloc_fail_at, disarm_allocations, n))
        assert_true(n++ < MOST);
    device->ops->drop_rows(rows);
    device->ops->close(device);
}

/* A way that is proved again before each scan, so that the proof fails as well. */
static void other_way_survives(const char *path, ki_cl_path which)
{
    setenv("KITH_OPENCL_PATH", path, 1);
    setenv("KITH_OPENCL_SHAPE", "gpu", 1);
    ki_device *device = opencl_open();
    unsetenv("KITH_OPENCL_PATH");
    unsetenv("KITH_OPENCL_SHAPE");
    ki_device_rows *rows = NULL;
    assert_int_equal(device->ops->put_rows(device, &c.set, &rows), KITH_OK);
    for (int kind = 0; kind < 2; kind++) {
        uint64_t n = 0;
        bool more = true;
        while (more) {
            ((ki_cl_device *)device)->proofs[which] = KI_CL_UNTRIED;
            more = scan_twice(device, rows, kind ? ki_alloc_fail_at : ki_cl_fail_at,
                              kind ? disarm_allocations : disarm_calls, ++n);
            assert_int_equal(((ki_cl_device *)device)->proofs[which], KI_CL_PROVEN);
            assert_true(n < MOST);
        }
        assert_true(n > (kind ? 5 : 50));
    }
    device->ops->drop_rows(rows);
    assert_int_equal(((ki_cl_device *)device)->memory_used, 0);
    device->ops->close(device);
}

static void other_ways_survive_a_failed_call(void **unused)
{
    (void)unused;
    other_way_survives("tile", KI_CL_TILES);
    other_way_survives("select", KI_CL_SELECT);
}

static void count_device(void *user, const kith_device_info *info)
{
    uint32_t *count = user;
    assert_true(info->usable || info->reason[0]);
    ++*count;
}

static void each_call_of_a_listing(void **unused)
{
    (void)unused;
    bool more = true;
    for (uint64_t n = 1; more; n += 11) {
        char note[256];
        uint32_t count = 0;
        ki_fail(KITH_OK, "kept");
        ki_cl_fail_at(n);
        ki_opencl_list(count_device, &count, note, sizeof note);
        more = !disarm_calls();
        assert_true(count > 0 || note[0]);
        assert_string_equal(kith_last_error(), "kept");
    }
}

static void close_takes_nothing(void **unused)
{
    (void)unused;
    ki_device *device = opencl_open();
    const ki_device_ops *ops = device->ops;
    ops->drop_rows(NULL);
    ops->close(device);
    ops->close(NULL);
}

static void sentences_name_call_device_and_code(void **unused)
{
    (void)unused;
    assert_int_equal(ki_cl_fail(-5, "clFinish", "ocl9", "%d bytes", 77), KITH_EDEVICE);
    assert_string_equal(kith_last_error(), "clFinish on ocl9: CL_OUT_OF_RESOURCES (-5), 77 bytes");
    assert_int_equal(ki_cl_fail(-6, "clFinish", "ocl9", "x"), KITH_ENOMEM);
    assert_string_equal(ki_cl_error_name(-123456), "an unknown code");
}

static int prepare(void **unused)
{
    (void)unused;
    opencl_cache_new();
    c = cloud_new(KITH_U8, KITH_L2SQ, DIM, ROWS, QUERIES, check_seed());
    uint64_t *answers = cloud_scan_once(&c, K);
    memcpy(right, answers, sizeof right);
    free(answers);
    return 0;
}

static int finish(void **unused)
{
    (void)unused;
    cloud_free(&c);
    opencl_cache_drop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call_of_a_search),
        cmocka_unit_test(each_allocation_of_a_search),
        cmocka_unit_test(rows_survive_a_failed_scan),
        cmocka_unit_test(other_ways_survive_a_failed_call),
        cmocka_unit_test(each_call_of_a_listing),
        cmocka_unit_test(close_takes_nothing),
        cmocka_unit_test(sentences_name_call_device_and_code),
    };
    return cmocka_run_group_tests(tests, prepare, finish);
}

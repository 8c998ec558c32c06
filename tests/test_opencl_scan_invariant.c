/* A query's answer does not depend on its company: alone, in 7, in 64, in more than one batch;
 * in one buffer or in many; in the layout for a CPU or for a GPU; on the first scan or the fifth.
 */
#include "tests/opencl_check.h"

#include <string.h>

enum { ROWS = 3000, QUERIES = 64 };

static void expect_same(const uint64_t *a, const uint64_t *b, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i])
            fail_msg("%s: answer %zu is %llx, not %llx", what, i, (unsigned long long)b[i],
                     (unsigned long long)a[i]);
}

static void company(kith_type type, kith_metric metric, uint32_t k)
{
    ki_device *device = opencl_open();
    cloud c = cloud_new(type, metric, 37, ROWS, QUERIES, check_seed());
    uint64_t *all = cloud_scan(device, &c, 0, QUERIES, k);
    for (uint32_t first = 0; first + 7 <= QUERIES; first += 19) {
        uint64_t *seven = cloud_scan(device, &c, first, 7, k);
        expect_same(all + (size_t)first * k, seven, (size_t)7 * k, "in 7");
        free(seven);
        uint64_t *alone = cloud_scan(device, &c, first, 1, k);
        expect_same(all + (size_t)first * k, alone, k, "alone");
        free(alone);
    }
    free(all);
    cloud_free(&c);
    device->ops->close(device);
}

static void u8_in_any_company(void **unused)
{
    (void)unused;
    company(KITH_U8, KITH_L2SQ, 10);
    company(KITH_U8, KITH_L2SQ, 1024);
}

static void f32_in_any_company(void **unused)
{
    (void)unused;
    company(KITH_F32, KITH_COSINE, 10);
}

static void other_types_in_any_company(void **unused)
{
    (void)unused;
    company(KITH_F16, KITH_L2SQ, 10);
    company(KITH_I8, KITH_COSINE, 100);
    company(KITH_B1, KITH_JACCARD, 10);
}

static void more_queries_than_a_batch(void **unused)
{
    (void)unused;
    ki_device *device = opencl_open();
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, 4, 200, 1100, check_seed());
    uint64_t *all = cloud_scan(device, &c, 0, 1100, 3);
    uint64_t *last = cloud_scan(device, &c, 1020, 80, 3);
    expect_same(all + (size_t)1020 * 3, last, (size_t)80 * 3, "behind the first batch");
    free(all);
    free(last);
    cloud_free(&c);
    device->ops->close(device);
}

/* Live bits and side data must follow their rows into each buffer. */
static void in_many_buffers(void **unused)
{
    (void)unused;
    uint64_t live[ROWS / 64 + 1];
    uint64_t state = check_seed();
    for (kith_type type = KITH_F32; type <= KITH_U8; type++) {
        cloud c = cloud_new(type, type == KITH_U8 ? KITH_L2SQ : KITH_COSINE, 37, ROWS, 9,
                            check_random(&state));
        for (size_t i = 0; i < sizeof live / sizeof live[0]; i++)
            live[i] = check_random(&state);
        c.set.live = live;
        uint64_t *whole = cloud_scan_once(&c, 100);
        setenv("KITH_OPENCL_MAX_ALLOC", type == KITH_U8 ? "24000" : "80000", 1);
        ki_device *device = opencl_open();
        ki_device_rows *rows = NULL;
        assert_int_equal(device->ops->put_rows(device, &c.set, &rows), KITH_OK);
        assert_true(rows->chunk_count > 4);
        device->ops->drop_rows(rows);
        uint64_t *split = cloud_scan(device, &c, 0, 9, 100);
        expect_same(whole, split, 9 * 100, "in many buffers");
        device->ops->close(device);
        unsetenv("KITH_OPENCL_MAX_ALLOC");
        free(whole);
        free(split);
        cloud_free(&c);
    }
}

static void a_buffer_too_small_is_told(void **unused)
{
    (void)unused;
    ki_device_rows *rows = NULL;
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, 4000, 40, 1, check_seed());
    setenv("KITH_OPENCL_MAX_ALLOC", "20000", 1);
    ki_device *device = opencl_open();
    assert_int_equal(device->ops->put_rows(device, &c.set, &rows), KITH_ENOMEM);
    assert_null(rows);
    assert_non_null(strstr(kith_last_error(), "20000"));
    device->ops->close(device);
    unsetenv("KITH_OPENCL_MAX_ALLOC");
    cloud_free(&c);
}

static void in_either_layout(void **unused)
{
    (void)unused;
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, 37, ROWS, 9, check_seed());
    setenv("KITH_OPENCL_SHAPE", "cpu", 1);
    uint64_t *cpu = cloud_scan_once(&c, 100);
    setenv("KITH_OPENCL_SHAPE", "gpu", 1);
    uint64_t *gpu = cloud_scan_once(&c, 100);
    unsetenv("KITH_OPENCL_SHAPE");
    expect_same(cpu, gpu, 9 * 100, "laid out for a GPU");
    free(cpu);
    free(gpu);
    cloud_free(&c);
}

/* Buffers are kept between scans, and speed is learned: neither may show. */
static void scanned_again(void **unused)
{
    (void)unused;
    static const struct {
        uint32_t nq, k;
    } calls[] = {{9, 10}, {1, 1000}, {64, 5}, {9, 10}, {3, 100}, {9, 10}};
    uint64_t answers[9 * 10], once[9 * 10], *large = malloc(64 * 1000 * sizeof *large);
    ki_device *device = opencl_open();
    ki_device_rows *rows = NULL;
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, 37, ROWS, QUERIES, check_seed());
    assert_non_null(large);
    assert_int_equal(device->ops->put_rows(device, &c.set, &rows), KITH_OK);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        uint64_t *to = calls[i].nq == 9 ? answers : large;
        const ki_device_queries queries = {c.asked, c.dim, calls[i].nq, 0};
        assert_int_equal(device->ops->scan(rows, &queries, calls[i].k, to), KITH_OK);
        if (i == 0)
            memcpy(once, answers, sizeof once);
        expect_same(once, answers, 9 * 10, "again");
    }
    device->ops->drop_rows(rows);
    device->ops->close(device);
    cloud_free(&c);
    free(large);
}

/* The measured speed decides how the work is cut: from one cell a launch to all in one. */
static void at_any_speed(void **unused)
{
    (void)unused;
    ki_device *device = opencl_open();
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, 37, ROWS, QUERIES, check_seed());
    uint64_t *once = cloud_scan(device, &c, 0, QUERIES, 10);
    for (double speed = 1; speed < 1e15; speed *= 30) {
        ((ki_cl_device *)device)->macs_per_second = speed;
        uint64_t *again = cloud_scan(device, &c, 0, QUERIES, 10);
        expect_same(once, again, QUERIES * 10, "at another speed");
        free(again);
    }
    free(once);
    cloud_free(&c);
    device->ops->close(device);
}

static int no_cache(void **unused)
{
    (void)unused;
    return setenv("KITH_CACHE", "disabled", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(u8_in_any_company),
        cmocka_unit_test(f32_in_any_company),
        cmocka_unit_test(other_types_in_any_company),
        cmocka_unit_test(more_queries_than_a_batch),
        cmocka_unit_test(in_many_buffers),
        cmocka_unit_test(a_buffer_too_small_is_told),
        cmocka_unit_test(in_either_layout),
        cmocka_unit_test(scanned_again),
        cmocka_unit_test(at_any_speed),
    };
    return cmocka_run_group_tests(tests, no_cache, NULL);
}

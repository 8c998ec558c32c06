/* Property: all that a device holds is counted, and stays below its limit. With 16 MiB what fits is
 * searched, rightly, by every way; what does not is refused with a sentence that has the numbers,
 * and everything else goes on; nothing stays behind. */
#include "tests/opencl_check.h"

#include <string.h>

enum { LIMIT = 16 << 20, DIM = 64, FITS = 40000, TOO_MANY = 80000, QUERIES = 70 };

static ki_cl_device *limited(const char *path)
{
    setenv("KITH_OPENCL_MEMORY", "16777216", 1);
    setenv("KITH_OPENCL_PATH", path, 1);
    setenv("KITH_OPENCL_SHAPE", strcmp(path, "tile") == 0 ? "gpu" : "cpu", 1);
    ki_device *device = opencl_open();
    unsetenv("KITH_OPENCL_MEMORY");
    unsetenv("KITH_OPENCL_PATH");
    unsetenv("KITH_OPENCL_SHAPE");
    assert_int_equal(((ki_cl_device *)device)->memory_limit, LIMIT);
    return (ki_cl_device *)device;
}

static void expect_nearest(const cloud *c, const uint64_t *answers, uint32_t q)
{
    uint64_t nearest = UINT64_MAX;
    for (uint32_t row = 0; row < c->count; row++) {
        const uint64_t entry = (uint64_t)cloud_key_u8(c, q, row) << 32 | row;
        nearest = entry < nearest ? entry : nearest;
    }
    assert_true(answers[0] == nearest);
}

/* Scans, and looks at what the device holds meanwhile. */
static void search(ki_cl_device *device, ki_device_rows *rows, const cloud *c, uint32_t nq,
                   uint32_t k)
{
    const ki_device_queries queries = {c->asked, DIM, nq, 0};
    uint64_t *answers = malloc((size_t)nq * k * sizeof *answers);
    assert_non_null(answers);
    if (device->base.ops->scan(rows, &queries, k, answers))
        fail_msg("%u queries of %u: %s", nq, k, kith_last_error());
    expect_nearest(c, answers, 0);
    expect_nearest(c, answers + (size_t)(nq - 1) * k, nq - 1);
    assert_true(device->memory_used <= LIMIT);
    assert_true(device->memory_used > (size_t)FITS * DIM);
    free(answers);
}

static void what_fits_is_searched(const char *path)
{
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, DIM, FITS, QUERIES, check_seed());
    ki_cl_device *device = limited(path);
    ki_device_rows *rows = NULL;
    assert_int_equal(device->memory_used, 0);
    assert_int_equal(device->base.ops->put_rows(&device->base, &c.set, &rows), KITH_OK);
    for (uint32_t round = 0; round < 3; round++) {
        search(device, rows, &c, QUERIES, 10);
        search(device, rows, &c, 1, 1000);
        search(device, rows, &c, 9, 5000);
    }
    device->base.ops->drop_rows(rows);
    assert_int_equal(device->memory_used, 0);
    device->base.ops->close(&device->base);
    cloud_free(&c);
}

static void by_every_way(void **unused)
{
    (void)unused;
    what_fits_is_searched("scan");
    what_fits_is_searched("tile");
    what_fits_is_searched("select");
}

/* The sentence has what was asked, what was used and the limit; other rows do not notice. */
static void what_does_not_fit_is_refused(void **unused)
{
    (void)unused;
    cloud small = cloud_new(KITH_U8, KITH_L2SQ, DIM, FITS, 1, check_seed());
    cloud large = cloud_new(KITH_F32, KITH_L2SQ, DIM, TOO_MANY, 1, check_seed());
    ki_cl_device *device = limited("scan");
    ki_device_rows *rows = NULL, *refused = NULL;
    assert_int_equal(device->base.ops->put_rows(&device->base, &small.set, &rows), KITH_OK);
    for (uint32_t i = 0; i < 3; i++) {
        const size_t used = device->memory_used; /* with what searches keep */
        char numbers[2][32];
        snprintf(numbers[0], sizeof numbers[0], "%zu are used", used);
        snprintf(numbers[1], sizeof numbers[1], "%d is the limit", LIMIT);
        assert_int_equal(device->base.ops->put_rows(&device->base, &large.set, &refused),
                         KITH_ENOMEM);
        assert_null(refused);
        assert_non_null(strstr(kith_last_error(), numbers[0]));
        assert_non_null(strstr(kith_last_error(), numbers[1]));
        assert_int_equal(device->memory_used, used);
        search(device, rows, &small, 1, 10);
    }
    device->base.ops->drop_rows(rows);
    assert_int_equal(device->memory_used, 0);
    device->base.ops->close(&device->base);
    cloud_free(&small);
    cloud_free(&large);
}

/* k so large that the answers of one query are beyond the limit: refused, and then k = 10 works. */
static void answers_that_do_not_fit_are_refused(void **unused)
{
    (void)unused;
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, 4, 1200000, 1, check_seed());
    ki_cl_device *device = limited("scan");
    ki_device_rows *rows = NULL;
    uint64_t *answers = malloc(c.count * sizeof *answers);
    const ki_device_queries queries = {c.asked, 4, 1, 0};
    assert_non_null(answers);
    assert_int_equal(device->base.ops->put_rows(&device->base, &c.set, &rows), KITH_OK);
    answers[0] = 77;
    assert_int_equal(device->base.ops->scan(rows, &queries, c.count, answers), KITH_ENOMEM);
    assert_true(answers[0] == 77);
    assert_non_null(strstr(kith_last_error(), "16777216"));
    assert_int_equal(device->base.ops->scan(rows, &queries, 10, answers), KITH_OK);
    expect_nearest(&c, answers, 0);
    device->base.ops->drop_rows(rows);
    assert_int_equal(device->memory_used, 0);
    device->base.ops->close(&device->base);
    free(answers);
    cloud_free(&c);
}

/* Unless it is told otherwise, a device may take four fifths of what it has. */
static void the_limit_is_four_fifths(void **unused)
{
    (void)unused;
    ki_cl_device *device = (ki_cl_device *)opencl_open();
    const uint64_t whole = device->found.info.memory_bytes;
    assert_true(whole > 0 && device->memory_limit == whole / 5 * 4);
    assert_int_equal(ki_cl_room(device), device->memory_limit - device->memory_used);
    device->base.ops->close(&device->base);
}

static int prepare(void **unused)
{
    (void)unused;
    return setenv("KITH_CACHE", "disabled", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_every_way),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(answers_that_do_not_fit_are_refused),
        cmocka_unit_test(the_limit_is_four_fifths),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}

/* Property: over floats a walk on a device finds what the host's walk finds, but where keys are
 * within rounding of each other: every key is the row's own, and of all answers no more than one in
 * a hundred is another row.
 */
#include "tests/opencl_walk.h"
#include "kernels/keys.h"

#include <math.h>
#include <string.h>

enum { ROWS = 600, QUERIES = 50, EF = 40, WANT = 10 };

/* More than twice the bound of kernels.h for elements up to 1, or 300 of queries of bytes. */
static double slack(const cloud *c, int f32)
{
    const bool bytes = c->type == KITH_U8 || c->type == KITH_I8;
    const double largest = bytes ? 384 : 1, terms = (c->dim + 16) * 0x1p-23;
    (void)f32;
    return c->metric == KITH_COSINE ? 2 * terms : terms * 4 * largest * largest * c->dim;
}

static bool holds(const uint64_t *answers, uint32_t n, uint32_t row)
{
    for (uint32_t i = 0; i < n; i++)
        if ((uint32_t)answers[i] == row)
            return true;
    return false;
}

/* Checks the keys; returns how many answers the host does not have. */
static uint32_t strangers(const cloud *c, const uint32_t *keys, const uint64_t *right,
                          const uint64_t *got, int f32)
{
    uint32_t strange = 0;
    for (uint32_t i = 0; i < WANT; i++) {
        const uint32_t row = (uint32_t)got[i];
        assert_true(row < c->count);
        assert_true(i == 0 || got[i - 1] < got[i]);
        const double here = ki_key_distance(KI_KEY_FLOAT, (uint32_t)(got[i] >> 32));
        const double there = ki_key_distance(KI_KEY_FLOAT, keys[row]);
        if (!(fabs(here - there) <= slack(c, f32)))
            fail_msg("type %d metric %d: row %u is %g away, not %g", (int)c->type, (int)c->metric,
                     row, here, there);
        strange += !holds(right, WANT, row);
    }
    return strange;
}

static void one_kind(ki_device *device, kith_type type, kith_metric metric, uint32_t dim, int f32)
{
    uint64_t state = check_seed() + (uint64_t)type * 10 + (uint64_t)metric;
    cloud c = cloud_new(type, metric, dim, ROWS, QUERIES, check_random(&state));
    web w = web_new(&c, 24, check_random(&state));
    const bool bytes = type == KITH_U8 || type == KITH_I8;
    float *floats = malloc((size_t)QUERIES * dim * sizeof *floats);
    assert_non_null(floats);
    for (size_t i = 0; i < (size_t)QUERIES * dim; i++)
        floats[i] = check_unit(&state) * (bytes ? 300 : 1);
    const ki_device_queries wide = {floats, dim * sizeof *floats, QUERIES, 1};
    const ki_device_queries queries = f32 ? wide : cloud_queries(&c);
    uint64_t hops;
    uint64_t *right = host_walk(&c, &w, &queries, EF, WANT, &hops);
    uint32_t *keys = host_keys(&c, &queries);
    ki_walk_counts counts = {0};
    ki_device_rows *rows = put_web(device, &c, &w);
    uint64_t *got = device_walk(rows, &queries, EF, WANT, &counts);
    uint32_t strange = 0;
    for (size_t q = 0; q < QUERIES; q++)
        strange += strangers(&c, keys + q * ROWS, right + q * WANT, got + q * WANT, f32);
    print_message("type %d metric %d dim %u f32 %d: %u of %u answers differ, %llu hops of %llu\n",
                  (int)type, (int)metric, dim, f32, strange, QUERIES * WANT,
                  (unsigned long long)counts.hops, (unsigned long long)hops);
    assert_true(strange * 100 <= QUERIES * WANT);
    device->ops->drop_rows(rows);
    free(right);
    free(got);
    free(keys);
    free(floats);
    web_free(&w);
    cloud_free(&c);
}

static void laid_out_for_a_cpu(void **unused)
{
    (void)unused;
    setenv("KITH_OPENCL_SHAPE", "cpu", 1);
    ki_device *device = opencl_open();
    one_kind(device, KITH_F32, KITH_L2SQ, 50, 0);
    one_kind(device, KITH_F32, KITH_IP, 129, 0);
    one_kind(device, KITH_F32, KITH_COSINE, 784, 0);
    one_kind(device, KITH_F16, KITH_L2SQ, 33, 1);
    one_kind(device, KITH_BF16, KITH_COSINE, 100, 0);
    one_kind(device, KITH_U8, KITH_L2SQ, 90, 1);
    device->ops->close(device);
}

static void laid_out_for_a_gpu(void **unused)
{
    (void)unused;
    setenv("KITH_OPENCL_SHAPE", "gpu", 1);
    ki_device *device = opencl_open();
    one_kind(device, KITH_F32, KITH_L2SQ, 50, 0);
    one_kind(device, KITH_BF16, KITH_IP, 65, 1);
    one_kind(device, KITH_I8, KITH_COSINE, 90, 1);
    device->ops->close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(laid_out_for_a_cpu),
        cmocka_unit_test(laid_out_for_a_gpu),
    };
    setenv("KITH_CACHE", "disabled", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

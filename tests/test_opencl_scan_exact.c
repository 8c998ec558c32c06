/* The k nearest rows that a device finds are the k nearest: u8 answers equal those of a naive
 * loop bit by bit, ties by row; f32 answers lie within the rounding of their sums, and no row
 * that is nearer by more than that is missing. */
#include "tests/opencl_check.h"
#include "kernels/keys.h"

#include <math.h>
#include <string.h>

static ki_device *device;

static int by_entry(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int is_live(const cloud *c, uint32_t row)
{
    return !c->set.live || (c->set.live[row / 64] >> (row % 64) & 1);
}

static void expect_u8(const cloud *c, uint32_t k, const uint64_t *answers)
{
    uint64_t *right = malloc((c->count + k) * sizeof *right);
    assert_non_null(right);
    for (uint32_t q = 0; q < c->queries; q++) {
        size_t n = 0;
        for (uint32_t row = 0; row < c->count; row++)
            if (is_live(c, row))
                right[n++] = (uint64_t)cloud_key_u8(c, q, row) << 32 | row;
        qsort(right, n, sizeof *right, by_entry);
        for (; n < k; n++)
            right[n] = UINT64_MAX;
        for (uint32_t i = 0; i < k; i++)
            if (answers[(size_t)q * k + i] != right[i])
                fail_msg("metric %d dim %u rows %u k %u: answer %u of query %u is %llx, not %llx",
                         (int)c->metric, c->dim, c->count, k, i, q,
                         (unsigned long long)answers[(size_t)q * k + i],
                         (unsigned long long)right[i]);
    }
    free(right);
}

/* The rounding of one distance: sums in runs of 64 words, products up to 4 |x| |y|. */
static double slack(const cloud *c)
{
    return (64 + c->dim / 64.0 + 8) * 0x1p-24 * (c->metric == KITH_COSINE ? 2 : 4.0 * c->dim);
}

static void expect_f32(const cloud *c, uint32_t k, const uint64_t *answers)
{
    unsigned char *seen = malloc(c->count + 1);
    assert_non_null(seen);
    for (uint32_t q = 0; q < c->queries; q++) {
        const uint64_t *a = answers + (size_t)q * k;
        double worst = INFINITY;
        uint32_t found = 0;
        memset(seen, 0, c->count + 1);
        for (uint32_t i = 0; i < k && a[i] != UINT64_MAX; i++, found++) {
            const uint32_t row = (uint32_t)a[i];
            assert_true(row < c->count && !seen[row] && is_live(c, row));
            assert_true(i == 0 || a[i - 1] < a[i]);
            seen[row] = 1;
            worst = ki_key_distance(KI_KEY_FLOAT, (uint32_t)(a[i] >> 32));
            assert_true(fabs(worst - cloud_distance(c, q, row)) <= slack(c));
        }
        for (uint32_t row = 0; row < c->count; row++) {
            if (seen[row] || !is_live(c, row))
                continue;
            assert_int_equal(found, k);
            assert_true(cloud_distance(c, q, row) >= worst - 2 * slack(c));
        }
        for (uint32_t i = found; i < k; i++)
            assert_true(a[i] == UINT64_MAX);
    }
    free(seen);
}

static void check_cloud(const cloud *c, uint32_t k)
{
    uint64_t *answers = cloud_scan(device, c, 0, c->queries, k);
    if (c->type == KITH_U8)
        expect_u8(c, k, answers);
    else
        expect_f32(c, k, answers);
    free(answers);
}

/* Dimensions around every boundary of words and runs, row counts around tiles and strips. */
static void many_sizes(kith_type type, kith_metric metric)
{
    static const uint32_t dims[] = {1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 31, 33, 64, 65, 70, 257, 784};
    static const uint32_t counts[] = {1, 15, 16, 17, 32, 33, 255, 257, 1000, 2500};
    static const uint32_t ks[] = {1, 10, 100, 1024};
    uint64_t state = check_seed();
    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
        const uint32_t count = counts[(i + (size_t)metric * 3) % 10];
        const uint32_t queries = i % 3 == 0 ? 1 : 9;
        cloud c = cloud_new(type, metric, dims[i], count, queries, check_random(&state));
        check_cloud(&c, ks[i % 4]);
        check_cloud(&c, ks[(i + 1) % 4]);
        cloud_free(&c);
    }
}

static void u8_is_exact(void **unused)
{
    (void)unused;
    for (kith_metric metric = KITH_L2SQ; metric <= KITH_COSINE; metric++)
        many_sizes(KITH_U8, metric);
}

static void f32_is_close(void **unused)
{
    (void)unused;
    for (kith_metric metric = KITH_L2SQ; metric <= KITH_COSINE; metric++)
        many_sizes(KITH_F32, metric);
}

static void extremes_do_not_round(void **unused)
{
    (void)unused;
    for (kith_metric metric = KITH_L2SQ; metric <= KITH_COSINE; metric++) {
        cloud c = cloud_new(KITH_U8, metric, 1031, 300, 2, check_seed());
        memset(c.rows, 255, 200 * 1031);
        memset(c.rows, 0, 50 * 1031);
        memset(c.asked, 255, 1031);
        for (uint32_t row = 0; row < 200; row++)
            ki_aux_fill(KITH_U8, c.rows + (size_t)row * 1031, 1031, &c.aux[row]);
        check_cloud(&c, 100);
        cloud_free(&c);
    }
}

static void dead_rows_are_not_found(void **unused)
{
    (void)unused;
    uint64_t live[2000 / 64 + 1];
    uint64_t state = check_seed();
    for (kith_type type = KITH_F32; type <= KITH_U8; type++) {
        cloud c = cloud_new(type, KITH_L2SQ, 12, 2000, 9, check_random(&state));
        for (size_t i = 0; i < sizeof live / sizeof live[0]; i++)
            live[i] = check_random(&state) & check_random(&state);
        live[3] = 0;
        c.set.live = live;
        check_cloud(&c, 10);
        check_cloud(&c, 1024); /* more than are live */
        cloud_free(&c);
    }
}

static void equal_rows_come_by_number(void **unused)
{
    (void)unused;
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, 20, 5000, 2, check_seed());
    for (uint32_t row = 1; row < c.count; row++)
        memcpy(c.rows + (size_t)row * 20, c.rows, 20);
    for (uint32_t row = 0; row < c.count; row++)
        c.aux[row] = c.aux[0];
    check_cloud(&c, 100);
    cloud_free(&c);
}

static void nan_rows_come_last(void **unused)
{
    (void)unused;
    const float bad = NAN;
    cloud c = cloud_new(KITH_F32, KITH_L2SQ, 6, 40, 1, check_seed());
    memcpy(c.rows + 3 * 6 * sizeof bad, &bad, sizeof bad);
    uint64_t *answers = cloud_scan(device, &c, 0, 1, 40);
    assert_true(answers[39] == ((uint64_t)KI_KEY_NAN << 32 | 3));
    assert_true(answers[38] >> 32 < KI_KEY_NAN);
    free(answers);
    cloud_free(&c);
}

static void no_rows_and_no_queries(void **unused)
{
    (void)unused;
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, 5, 0, 3, check_seed());
    check_cloud(&c, 10);
    cloud_free(&c);
    c = cloud_new(KITH_U8, KITH_L2SQ, 5, 10, 0, check_seed());
    check_cloud(&c, 10);
    cloud_free(&c);
}

static void k_out_of_range_is_refused(void **unused)
{
    (void)unused;
    ki_device_rows *rows = NULL;
    uint64_t answer = 77;
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, 5, 10, 1, check_seed());
    assert_int_equal(device->ops->put_rows(device, &c.set, &rows), KITH_OK);
    const ki_device_queries queries = {c.asked, 5, 1, 0};
    assert_int_equal(device->ops->scan(rows, &queries, 0, &answer), KITH_EINVAL);
    assert_int_equal(device->ops->scan(rows, &queries, device->ops->max_k(device) + 1, &answer),
                     KITH_EINVAL);
    assert_true(answer == 77);
    device->ops->drop_rows(rows);
    cloud_free(&c);
}

static int open_device(void **unused)
{
    (void)unused;
    setenv("KITH_CACHE", "disabled", 1);
    device = opencl_open();
    return 0;
}

static int close_device(void **unused)
{
    (void)unused;
    device->ops->close(device);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(u8_is_exact),
        cmocka_unit_test(f32_is_close),
        cmocka_unit_test(extremes_do_not_round),
        cmocka_unit_test(dead_rows_are_not_found),
        cmocka_unit_test(equal_rows_come_by_number),
        cmocka_unit_test(nan_rows_come_last),
        cmocka_unit_test(no_rows_and_no_queries),
        cmocka_unit_test(k_out_of_range_is_refused),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}

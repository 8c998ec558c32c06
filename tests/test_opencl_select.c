/* Property: for any k, beyond what local lists hold too, a device finds the k nearest rows in their
 * order: those of a naive sort where keys are integers, and else the first k of an order of all
 * rows that begins as the lists' answers do. In one buffer or many, in slices, in both layouts,
 * with rows that are dead, with rows that are all alike. */
#include "tests/opencl_check.h"

#include <string.h>

enum { ROWS = 6000, DIM = 7, QUERIES = 11 };

static const uint32_t ks[] = {1, 1023, 1024, 1025, 5000, ROWS, ROWS + 100};

static int by_entry(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool is_live(const cloud *c, uint32_t row)
{
    return !c->set.live || (c->set.live[row / 64] >> (row % 64) & 1);
}

/* Every live row in the order of query q, and UINT64_MAX behind them: ROWS + 100 entries. */
static uint64_t *naive_order(const cloud *c, uint32_t q)
{
    uint64_t *order = malloc((ROWS + 100) * sizeof *order);
    size_t n = 0;
    assert_non_null(order);
    for (uint32_t row = 0; row < c->count; row++)
        if (is_live(c, row))
            order[n++] = (uint64_t)cloud_key_u8(c, q, row) << 32 | row;
    qsort(order, n, sizeof *order, by_entry);
    for (; n < ROWS + 100; n++)
        order[n] = UINT64_MAX;
    return order;
}

static void expect_order(const uint64_t *order, const uint64_t *answers, uint32_t k, uint32_t q)
{
    for (uint32_t i = 0; i < k; i++)
        if (answers[i] != order[i])
            fail_msg("k %u: answer %u of query %u is %llx, not %llx", k, i, q,
                     (unsigned long long)answers[i], (unsigned long long)order[i]);
}

static void expect_naive(ki_device *device, const cloud *c, uint32_t nq, uint32_t k)
{
    uint64_t *answers = cloud_scan(device, c, 0, nq, k);
    for (uint32_t q = 0; q < nq; q++) {
        uint64_t *order = naive_order(c, q);
        expect_order(order, answers + (size_t)q * k, k, q);
        free(order);
    }
    free(answers);
}

static void every_k(ki_device *device, const cloud *c)
{
    for (size_t i = 0; i < sizeof ks / sizeof *ks; i++)
        expect_naive(device, c, QUERIES, ks[i]);
    device->ops->close(device);
}

static ki_device *open_with(const char *variable, const char *value)
{
    setenv(variable, value, 1);
    ki_device *device = opencl_open();
    unsetenv(variable);
    return device;
}

static void any_k_is_exact(void **unused)
{
    (void)unused;
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, DIM, ROWS, QUERIES, check_seed());
    every_k(opencl_open(), &c);
    every_k(open_with("KITH_OPENCL_SHAPE", "gpu"), &c);
    every_k(open_with("KITH_OPENCL_PATH", "select"), &c);
    cloud_free(&c);
}

/* Rows in many buffers, and buffers in many slices. */
static void in_pieces(void **unused)
{
    (void)unused;
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, DIM, ROWS, QUERIES, check_seed());
    every_k(open_with("KITH_OPENCL_MAX_ALLOC", "40000"), &c);
    every_k(open_with("KITH_OPENCL_MEMORY", "700000"), &c);
    cloud_free(&c);
}

static void dead_rows_are_not_found(void **unused)
{
    (void)unused;
    uint64_t live[ROWS / 64 + 1], state = check_seed();
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, DIM, ROWS, QUERIES, check_random(&state));
    for (size_t i = 0; i < sizeof live / sizeof *live; i++)
        live[i] = check_random(&state);
    c.set.live = live;
    every_k(opencl_open(), &c);
    cloud_free(&c);
}

/* Every digit of the keys is the same: row numbers decide alone. */
static void equal_rows_come_by_number(void **unused)
{
    (void)unused;
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, DIM, ROWS, QUERIES, check_seed());
    for (uint32_t row = 1; row < ROWS; row++) {
        memcpy(c.rows + (size_t)row * DIM, c.rows, DIM);
        c.aux[row] = c.aux[0];
    }
    every_k(opencl_open(), &c);
    every_k(open_with("KITH_OPENCL_SHAPE", "gpu"), &c);
    cloud_free(&c);
}

/* Any type: each k gives the beginning of the order of all rows, which no row is missing from, and
 * which begins as the lists of scan.cl say. */
static void one_order(kith_type type, kith_metric metric)
{
    cloud c = cloud_new(type, metric, 33, ROWS, 2, check_seed());
    ki_device *device = opencl_open();
    uint64_t *all = cloud_scan(device, &c, 0, 2, ROWS);
    unsigned char seen[ROWS] = {0};
    for (uint32_t i = 0; i < ROWS; i++) {
        assert_true(i == 0 || all[i - 1] < all[i]);
        assert_true((uint32_t)all[i] < ROWS && !seen[(uint32_t)all[i]]++);
    }
    for (size_t i = 0; i < sizeof ks / sizeof *ks && ks[i] <= ROWS; i++) {
        uint64_t *some = cloud_scan(device, &c, 0, 2, ks[i]);
        expect_order(all, some, ks[i], 0);
        expect_order(all + ROWS, some + ks[i], ks[i], 1);
        free(some);
    }
    free(all);
    device->ops->close(device);
    cloud_free(&c);
}

static void other_types_have_one_order(void **unused)
{
    (void)unused;
    one_order(KITH_F32, KITH_L2SQ);
    one_order(KITH_F16, KITH_IP);
    one_order(KITH_I8, KITH_COSINE);
    one_order(KITH_B1, KITH_HAMMING);
}

/* Lists, then a selection, then lists of one set of rows: what one leaves behind is no business of
 * the other. */
static void ways_take_turns(void **unused)
{
    (void)unused;
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, DIM, ROWS, QUERIES, check_seed());
    ki_device *device = opencl_open();
    ki_device_rows *rows = NULL;
    uint64_t *answers = malloc(QUERIES * ROWS * sizeof *answers), *order = naive_order(&c, 0);
    const ki_device_queries queries = {c.asked, DIM, QUERIES, 0};
    assert_non_null(answers);
    assert_int_equal(device->ops->put_rows(device, &c.set, &rows), KITH_OK);
    for (uint32_t i = 0; i < 9; i++) {
        const uint32_t k = ks[i * 4 % 6];
        assert_int_equal(device->ops->scan(rows, &queries, k, answers), KITH_OK);
        expect_order(order, answers, k, 0);
    }
    device->ops->drop_rows(rows);
    device->ops->close(device);
    free(answers);
    free(order);
    cloud_free(&c);
}

static int prepare(void **unused)
{
    (void)unused;
    setenv("KITH_CACHE", "disabled", 1); /* to write programs is slower than to compile them */
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_k_is_exact),
        cmocka_unit_test(in_pieces),
        cmocka_unit_test(dead_rows_are_not_found),
        cmocka_unit_test(equal_rows_come_by_number),
        cmocka_unit_test(other_types_have_one_order),
        cmocka_unit_test(ways_take_turns),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}

/* Property: a scan finds rows that are live by the last set_live and no others, whichever way it
 * goes, in one buffer or in many; and what the set said of live rows before is forgotten. */
#include "tests/opencl_check.h"

#include <string.h>

enum { DIM = 6, ROWS = 5000, QUERIES = 34, WORDS = ROWS / 64 + 1 };

static cloud c;
static uint64_t random_state;

static void any_bits(uint64_t *live)
{
    for (size_t i = 0; i < WORDS; i++)
        live[i] = check_random(&random_state);
    live[7] = 0;
    live[8] = UINT64_MAX;
}

static bool is_live(const uint64_t *live, uint32_t row)
{
    return !live || (live[row / 64] >> (row % 64) & 1);
}

/* The answers of query q, one by one: each is the nearest live row behind the one before. */
static void expect_answers(const uint64_t *live, const uint64_t *answers, uint32_t k, uint32_t q)
{
    static uint64_t entries[ROWS];
    uint32_t n = 0, nearer = 0;
    for (uint32_t row = 0; row < ROWS; row++)
        if (is_live(live, row))
            entries[n++] = (uint64_t)cloud_key_u8(&c, q, row) << 32 | row;
    const uint32_t have = n < k ? n : k;
    for (uint32_t i = 0; i < have; i++) {
        assert_true(i == 0 || answers[i - 1] < answers[i]);
        assert_true((uint32_t)answers[i] < ROWS && is_live(live, (uint32_t)answers[i]));
    }
    for (uint32_t i = 0; i < n; i++)
        nearer += entries[i] <= answers[have - 1];
    assert_int_equal(nearer, have);
    for (uint32_t i = have; i < k; i++)
        assert_true(answers[i] == UINT64_MAX);
}

static void search(ki_device *device, ki_device_rows *rows, const uint64_t *live)
{
    static const uint32_t ks[] = {10, 3000};
    for (size_t i = 0; i < sizeof ks / sizeof *ks; i++) {
        const ki_device_queries queries = {c.asked, DIM, QUERIES, 0};
        uint64_t *answers = malloc((size_t)QUERIES * ks[i] * sizeof *answers);
        assert_non_null(answers);
        assert_int_equal(device->ops->scan(rows, &queries, ks[i], answers), KITH_OK);
        for (uint32_t q = 0; q < QUERIES; q += 11)
            expect_answers(live, answers + (size_t)q * ks[i], ks[i], q);
        free(answers);
    }
}

/* `first` is what the set says when the rows are put; NULL: all are live. */
static void change_and_search(const char *path, const char *max_alloc, const uint64_t *first)
{
    uint64_t live[WORDS];
    ki_device_rows *rows = NULL;
    setenv("KITH_OPENCL_SHAPE", "gpu", 1);
    setenv("KITH_OPENCL_PATH", path, 1);
    if (max_alloc)
        setenv("KITH_OPENCL_MAX_ALLOC", max_alloc, 1);
    ki_device *device = opencl_open();
    unsetenv("KITH_OPENCL_MAX_ALLOC");
    c.set.live = first;
    assert_int_equal(device->ops->put_rows(device, &c.set, &rows), KITH_OK);
    search(device, rows, first);
    for (int round = 0; round < 3; round++) {
        any_bits(live);
        assert_int_equal(device->ops->set_live(rows, live), KITH_OK);
        search(device, rows, live);
    }
    assert_int_equal(device->ops->set_live(rows, NULL), KITH_OK);
    search(device, rows, NULL);
    device->ops->drop_rows(rows);
    device->ops->close(device);
}

static void every_way(const uint64_t *first)
{
    change_and_search("scan", NULL, first);
    change_and_search("tile", NULL, first);
    change_and_search("scan", "9000", first);
    change_and_search("tile", "9000", first);
}

static void when_all_were_live(void **unused)
{
    (void)unused;
    every_way(NULL);
}

static void when_some_were_dead(void **unused)
{
    (void)unused;
    uint64_t live[WORDS];
    any_bits(live);
    every_way(live);
}

static int prepare(void **unused)
{
    (void)unused;
    random_state = check_seed();
    c = cloud_new(KITH_U8, KITH_L2SQ, DIM, ROWS, QUERIES, random_state);
    return setenv("KITH_CACHE", "disabled", 1);
}

static int finish(void **unused)
{
    (void)unused;
    cloud_free(&c);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(when_all_were_live),
        cmocka_unit_test(when_some_were_dead),
    };
    return cmocka_run_group_tests(tests, prepare, finish);
}

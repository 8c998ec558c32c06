/* Whichever OpenCL call fails, and whichever allocation, on the way from rows and a graph to a walk
 * and back to more rows: the walk gives the right answers or a status and a sentence, results stay
 * untouched, nothing stays on the device, and the next attempt is right.
 */
#include "tests/opencl_walk.h"

#include <string.h>

enum { ROWS = 150, MORE = 160, QUERIES = 3, DIM = 9, EF = 20, WANT = 5, MOST = 1000 };
enum { ANSWERS = QUERIES * WANT };

static cloud c;
static web w, larger;
static uint64_t *live;
static uint64_t right[ANSWERS], right_later[ANSWERS];

/* Makes the n-th call, or the n-th allocation, fail from here on; 0 ends it. */
typedef void (*arm_fn)(uint64_t n);

/* True when the fault was due later than what ran: nothing failed. */
static bool disarm(arm_fn arm)
{
    bool pending = false;
    for (int i = 0; i < 10 * MOST && !pending; i++)
        pending = arm == ki_cl_fail_at ? ki_cl_should_fail() : ki_alloc_should_fail();
    arm(0);
    return pending;
}

static void expect_right(kith_status status, const uint64_t *answers, const uint64_t *expected,
                         uint64_t n)
{
    if (status) {
        if (status > 0 || kith_last_error()[0] == '\0')
            fail_msg("fault %llu: status %d, no sentence", (unsigned long long)n, (int)status);
        for (size_t i = 0; i < ANSWERS; i++)
            assert_true(answers[i] == UINT64_C(0x5a5a5a5a5a5a5a5a));
        ki_fail(KITH_OK, "%s", "");
        return;
    }
    for (size_t i = 0; i < ANSWERS; i++)
        if (answers[i] != expected[i])
            fail_msg("fault %llu: answer %zu is wrong", (unsigned long long)n, i);
}

static kith_status put(ki_device *device, uint32_t count, const web *over, ki_device_rows **rows)
{
    ki_row_set set = c.set;
    ki_device_graph graph = over->graph;
    graph.layer = over->layer;
    set.count = count;
    set.live = live;
    kith_status status = device->ops->put_rows(device, &set, rows);
    if (!status)
        status = device->ops->put_graph(*rows, &graph);
    if (!status)
        status = device->ops->set_live(*rows, NULL);
    return status;
}

static kith_status walk(ki_device *device, ki_device_rows *rows, uint64_t *answers)
{
    const ki_device_queries queries = {c.asked, DIM, QUERIES, 0};
    memset(answers, 0x5a, ANSWERS * sizeof *answers);
    return device->ops->walk(rows, &queries, EF, WANT, answers, NULL);
}

/* Rows, graph, walk, more rows, their graph, walk, with one fault; then once more without. True
 * while there was something left to fail. */
static bool whole_walk(ki_device *device, arm_fn arm, uint64_t n)
{
    ki_device_rows *rows = NULL;
    uint64_t answers[ANSWERS];
    memset(answers, 0x5a, sizeof answers);
    arm(n);
    kith_status status = put(device, ROWS, &w, &rows);
    if (!status)
        status = walk(device, rows, answers);
    if (status || memcmp(answers, right, sizeof answers) != 0) {
        const bool pending = disarm(arm);
        expect_right(status, answers, right, n);
        assert_false(pending && status);
    }
    if (!status) {
        memset(answers, 0x5a, sizeof answers);
        status = put(device, MORE, &larger, &rows);
        if (!status)
            status = walk(device, rows, answers);
        expect_right(status, answers, right_later, n);
    }
    const bool pending = disarm(arm);
    assert_int_equal(put(device, MORE, &larger, &rows), KITH_OK);
    assert_int_equal(walk(device, rows, answers), KITH_OK);
    expect_right(KITH_OK, answers, right_later, n);
    device->ops->drop_rows(rows);
    assert_int_equal(((ki_cl_device *)device)->memory_used, 0);
    return !pending;
}

static void each_failure(arm_fn arm, uint64_t least)
{
    ki_device *device = opencl_open();
    uint64_t n = 1;
    bool more = true;
    for (; more; n++) {
        assert_true(n < MOST);
        more = whole_walk(device, arm, n);
        if (n % 8 == 0) { /* compiled anew, so that this fails too */
            device->ops->close(device);
            device = opencl_open();
        }
    }
    assert_true(n > least);
    print_message("%llu\n", (unsigned long long)n - 2);
    device->ops->close(device);
}

static void each_call(void **unused)
{
    (void)unused;
    each_failure(ki_cl_fail_at, 100);
}

static void each_allocation(void **unused)
{
    (void)unused;
    each_failure(ki_alloc_fail_at, 15);
}

/* A query that is given up has a scan behind it, which may fail as well. */
static void each_call_of_a_scan_behind(void **unused)
{
    (void)unused;
    ki_device *device = opencl_open();
    ki_device_rows *rows = NULL;
    const ki_device_queries queries = {c.asked, DIM, QUERIES, 0};
    uint64_t none[4] = {UINT64_C(1) << 17}, answers[ANSWERS], scanned[ANSWERS];
    assert_int_equal(put(device, ROWS, &w, &rows), KITH_OK);
    assert_int_equal(device->ops->set_live(rows, none), KITH_OK);
    bool more = true;
    for (uint64_t n = 1; more; n++) {
        assert_true(n < MOST);
        memset(answers, 0x5a, sizeof answers);
        ki_cl_fail_at(n);
        const kith_status status = device->ops->walk(rows, &queries, EF, WANT, answers, NULL);
        more = !disarm(ki_cl_fail_at);
        memcpy(scanned, answers, sizeof scanned);
        if (!status)
            assert_int_equal(device->ops->scan(rows, &queries, WANT, scanned), KITH_OK);
        expect_right(status, answers, scanned, n);
    }
    assert_int_equal((uint32_t)answers[0], 17);
    assert_true(rows->chunks[0].rows); /* it was a scan */
    device->ops->drop_rows(rows);
    device->ops->close(device);
}

static int prepare(void **unused)
{
    (void)unused;
    uint64_t state = check_seed(), hops;
    opencl_cache_new();
    c = cloud_new(KITH_U8, KITH_L2SQ, DIM, MORE, QUERIES, check_random(&state));
    larger = web_new(&c, 8, check_random(&state));
    const ki_device_queries queries = {c.asked, DIM, QUERIES, 0};
    uint64_t *answers = host_walk(&c, &larger, &queries, EF, WANT, &hops);
    memcpy(right_later, answers, sizeof right_later);
    free(answers);
    c.count = ROWS;
    w = web_new(&c, 8, check_random(&state));
    answers = host_walk(&c, &w, &queries, EF, WANT, &hops);
    memcpy(right, answers, sizeof right);
    free(answers);
    live = random_live(MORE, 50, &state);
    return 0;
}

static int finish(void **unused)
{
    (void)unused;
    free(live);
    web_free(&w);
    web_free(&larger);
    cloud_free(&c);
    opencl_cache_drop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call),
        cmocka_unit_test(each_allocation),
        cmocka_unit_test(each_call_of_a_scan_behind),
    };
    return cmocka_run_group_tests(tests, prepare, finish);
}

/* Property: rows arrive the same through pinned memory as through plain memory, in many pieces, in
 * blocks that are filled up later; whichever call fails, put_rows says so or the rows are right,
 * and every buffer and event is released. Waiting with a nap gives the same answers, and takes no
 * longer than the estimate was wrong. */
#include "tests/opencl_check.h"

#include <string.h>
#include <time.h>

enum { DIM = 200, ROWS = 45000, FEW = 500, QUERIES = 3, K = 10, ANSWERS = QUERIES * K };

static const ki_cl *real;
static ki_cl counting;
static int alive;

static cl_mem make_buffer(cl_context context, cl_mem_flags flags, size_t bytes, void *host,
                          cl_int *code)
{
    cl_mem buffer = real->CreateBuffer(context, flags, bytes, host, code);
    alive += buffer != NULL;
    return buffer;
}

static cl_int drop_buffer(cl_mem buffer)
{
    alive--;
    return real->ReleaseMemObject(buffer);
}

static cl_int write_buffer(cl_command_queue queue, cl_mem buffer, cl_bool wait, size_t offset,
                           size_t bytes, const void *data, cl_uint n, const cl_event *events,
                           cl_event *event)
{
    const cl_int code =
        real->EnqueueWriteBuffer(queue, buffer, wait, offset, bytes, data, n, events, event);
    alive += event && !code;
    return code;
}

static cl_int read_buffer(cl_command_queue queue, cl_mem buffer, cl_bool wait, size_t offset,
                          size_t bytes, void *data, cl_uint n, const cl_event *events,
                          cl_event *event)
{
    const cl_int code =
        real->EnqueueReadBuffer(queue, buffer, wait, offset, bytes, data, n, events, event);
    alive += event && !code;
    return code;
}

static cl_int drop_event(cl_event event)
{
    alive--;
    return real->ReleaseEvent(event);
}

static bool take_first(void *user, const ki_cl_found *found)
{
    *(ki_cl_found *)user = *found;
    return true;
}

/* A device that counts buffers and events. */
static ki_cl_device *open_counting(void)
{
    ki_cl_found found;
    ki_cl_device *device = NULL;
    char note[256];
    assert_true(ki_cl_walk(take_first, &found, note, sizeof note));
    real = found.cl;
    counting = *real;
    counting.CreateBuffer = make_buffer;
    counting.ReleaseMemObject = drop_buffer;
    counting.EnqueueWriteBuffer = write_buffer;
    counting.EnqueueReadBuffer = read_buffer;
    counting.ReleaseEvent = drop_event;
    found.cl = &counting;
    if (ki_cl_open(&found, &device))
        fail_msg("%s", kith_last_error());
    return device;
}

static kith_status search(ki_device_rows *rows, const cloud *c, uint64_t *answers)
{
    const ki_device_queries queries = {c->asked, DIM, QUERIES, 0};
    return ki_cl_scan(rows, &queries, K, answers);
}

static void put_all_or_in_two(ki_cl_device *device, const cloud *c, uint32_t first,
                              uint64_t *answers)
{
    ki_device_rows *rows = NULL;
    ki_row_set set = c->set;
    set.count = first;
    assert_int_equal(ki_cl_put_rows(&device->base, &set, &rows), KITH_OK);
    if (first < c->count)
        assert_int_equal(ki_cl_put_rows(&device->base, &c->set, &rows), KITH_OK);
    assert_int_equal(search(rows, c, answers), KITH_OK);
    ki_cl_drop_rows(rows);
}

static void rows_arrive_in_pieces(void **unused)
{
    (void)unused;
    uint64_t plain[ANSWERS], pinned[ANSWERS];
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, DIM, ROWS, QUERIES, check_seed());
    ki_cl_device *device = open_counting();
    device->pins = false;
    put_all_or_in_two(device, &c, ROWS, plain);
    device->pins = true;
    const uint64_t before = device->bytes_up;
    put_all_or_in_two(device, &c, ROWS, pinned);
    assert_memory_equal(plain, pinned, sizeof plain);
    assert_true(device->bytes_up - before >= (uint64_t)ROWS * DIM);
    put_all_or_in_two(device, &c, ROWS - 77, pinned);
    assert_memory_equal(plain, pinned, sizeof plain);
    assert_int_equal(alive, 0);
    ki_cl_close(device);
    cloud_free(&c);
}

/* True while there was something left to fail. */
static bool put_with_fault(ki_cl_device *device, const cloud *c, const uint64_t *right, uint64_t n)
{
    ki_device_rows *rows = NULL;
    uint64_t answers[ANSWERS];
    bool pending = false;
    ki_fail(KITH_OK, "%s", "");
    ki_cl_fail_at(n);
    const kith_status status = ki_cl_put_rows(&device->base, &c->set, &rows);
    for (int i = 0; i < 10000 && !pending; i++)
        pending = ki_cl_should_fail();
    ki_cl_fail_at(0);
    assert_true((status == KITH_OK) == (rows != NULL));
    assert_true(!status || kith_last_error()[0]);
    if (rows) {
        assert_int_equal(search(rows, c, answers), KITH_OK);
        assert_memory_equal(answers, right, sizeof answers);
    }
    ki_cl_drop_rows(rows);
    assert_int_equal(alive, 0);
    assert_int_equal(device->memory_used, 0);
    return !pending;
}

static void each_call_of_an_upload(void **unused)
{
    (void)unused;
    uint64_t right[ANSWERS], n = 1;
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, DIM, FEW, QUERIES, check_seed());
    ki_cl_device *device = open_counting();
    put_all_or_in_two(device, &c, FEW, right);
    device->pins = true;
    while (put_with_fault(device, &c, right, n))
        assert_true(n++ < 1000);
    assert_true(n > 10);
    ki_cl_close(device);
    cloud_free(&c);
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* An estimate that is far too long costs one step of a nap, not the nap. */
static void waiting_with_a_nap(void **unused)
{
    (void)unused;
    uint64_t right[ANSWERS], answers[ANSWERS];
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, DIM, FEW, QUERIES, check_seed());
    ki_cl_device *device = open_counting();
    ki_device_rows *rows = NULL;
    put_all_or_in_two(device, &c, FEW, right);
    assert_int_equal(ki_cl_put_rows(&device->base, &c.set, &rows), KITH_OK);
    const int kept = alive;
    device->dozes = true;
    const double begin = seconds_now();
    for (double speed = 1e4; speed < 1e11; speed *= 10) {
        device->macs_per_second = speed;
        assert_int_equal(search(rows, &c, answers), KITH_OK);
        assert_memory_equal(answers, right, sizeof answers);
        assert_true(device->pending_seconds == 0);
    }
    /* 3 to 8 queries of 500 rows of 200 elements: at least 30 seconds by the first estimate. */
    assert_true(seconds_now() - begin < 20);
    assert_true(alive >= kept && alive <= kept + 5); /* buffers that scans keep, and no events */
    ki_cl_drop_rows(rows);
    assert_int_equal(alive, 0);
    ki_cl_close(device);
    cloud_free(&c);
}

/* What a device did is counted; kernels are timed when that is asked for. */
static void counters_count(void **unused)
{
    (void)unused;
    uint64_t answers[ANSWERS];
    ki_cl_counters before, after;
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, DIM, FEW, QUERIES, check_seed());
    setenv("KITH_OPENCL_PROFILE", "1", 1);
    ki_cl_device *device = open_counting();
    unsetenv("KITH_OPENCL_PROFILE");
    ki_cl_counters_read(device, &before);
    put_all_or_in_two(device, &c, FEW, answers);
    ki_cl_counters_read(device, &after);
    assert_true(after.launches >= before.launches + 2);
    assert_true(after.kernel_seconds > before.kernel_seconds);
    assert_true(after.bytes_up >= before.bytes_up + FEW * DIM + QUERIES * DIM);
    assert_int_equal(after.bytes_down - before.bytes_down, sizeof answers);
    ki_cl_close(device);
    cloud_free(&c);
}

static int prepare(void **unused)
{
    (void)unused;
    return setenv("KITH_CACHE", "disabled", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_arrive_in_pieces),
        cmocka_unit_test(each_call_of_an_upload),
        cmocka_unit_test(waiting_with_a_nap),
        cmocka_unit_test(counters_count),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}

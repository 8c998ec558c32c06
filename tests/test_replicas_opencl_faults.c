/* Property: whichever OpenCL call of a copy fails, from the opening of its device over the sending
 * of rows and links to a search: replicas are refused with a status and a sentence, or every search
 * is answered as the index answers it, and the copy is made anew and holds what the others hold.
 *
 * Faults belong to the thread that calls: a lane's own, which opens its device. So the fault is
 * armed there, and counts on through all that the lane does later.
 */
#include "tests/replicas_opencl.h"
#include "opencl/loader.h"

enum { N = 150, QUERIES = 12, K = 4, EF = 20, MOST = 2000, QUIET = 12, AWAITED = 4 };

static const char *const halves[] = {"ocl0.0/2", "ocl0.1/2"};

static ki_open_device_fn open_before;
static atomic_uint_fast64_t fault;
static pthread_t tester;

/* The first opening of the first half by a lane; measuring what devices are there is the caller's
 * business, and has no faults. */
static kith_status open_faulty(const ki_device_name *name, ki_device **out)
{
    const bool lane = !name->host && name->part == 0 && !pthread_equal(pthread_self(), tester);
    if (lane)
        ki_cl_fail_at(atomic_exchange(&fault, 0));
    return open_before(name, out);
}

typedef struct outcomes {
    unsigned refused, retried, quiet, awaited;
} outcomes;

/* True when it may have been too late for a fault. */
static bool with_fault(const shaky_bench *b, uint64_t n, outcomes *seen)
{
    kith_replicas_options options = kith_replicas_defaults(1, 2);
    kith_search_options search = kith_search_defaults(K);
    kith_replicas_report report = {.size = sizeof report};
    kith_replicas *r = NULL;
    options.devices = halves;
    options.device_count = 2;
    options.threads = 1;
    search.ef = EF;
    ki_fail(KITH_OK, "%s", "");
    atomic_store(&fault, n);
    const kith_status status = kith_replicas_create(b->index, &options, NULL, NULL, &r);
    if (status) {
        seen->refused++;
        if (r || !kith_last_error()[0] || (status != KITH_EDEVICE && status != KITH_ENODEVICE))
            fail_msg("call %u: status %d, \"%s\"", (unsigned)n, (int)status, kith_last_error());
        return false;
    }
    uint32_t retries = 0;
    for (int round = 0; round < 3; round++) {
        search_as_index(b, r, QUERIES, &search, &report, "a call fails");
        retries += report.retries;
    }
    seen->retried += retries > 0;
    if (retries && seen->awaited < AWAITED) {
        seen->awaited++;
        await_state(r, 0, KITH_COPY_OK);
        assert_true(copy_info(r, 0).rows == N && copy_info(r, 0).digest == copy_info(r, 1).digest);
        search_as_index(b, r, QUERIES, &search, NULL, "and is made anew");
    }
    kith_replicas_close(r);
    return retries == 0;
}

/* One call in `stride`, from a random one: test_opencl_faults.c and test_opencl_walk_faults.c have
 * all calls of a device alone. */
static void each_call(kith_index_kind kind, kith_walk walk_kind, kith_type type, uint32_t stride)
{
    uint64_t random = check_seed(), n = 1 + check_below(&random, stride);
    outcomes seen = {0};
    shaky_bench b;
    bench_open_walk(&b, kind, walk_kind, type, N, QUERIES, &random);
    shaky_use_opencl();
    tester = pthread_self();
    open_before = ki_replicas_open_device;
    ki_replicas_open_device = open_faulty;
    while (seen.quiet < QUIET) {
        seen.quiet = with_fault(&b, n, &seen) ? seen.quiet + 1 : 0;
        assert_true((n += stride) < MOST);
    }
    ki_replicas_open_device = open_before;
    print_message("%u calls: replicas were refused %u times, pieces asked again %u times\n",
                  (unsigned)n - QUIET * stride, seen.refused, seen.retried);
    assert_true(seen.refused > 5 && seen.retried > 1 && seen.awaited > 0);
    bench_close(&b);
}

static void of_scans(void **state)
{
    (void)state;
    need_pocl(1);
    each_call(KITH_FLAT, KITH_WALK_AUTO, KITH_U8, 7);
}

static void of_walks(void **state)
{
    (void)state;
    need_pocl(1);
    each_call(KITH_HNSW, KITH_WALK_ROWS, KITH_U8, 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(of_scans), cmocka_unit_test(of_walks)};
    opencl_shows("pthread");
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    opencl_shows_no_more();
    return failed;
}

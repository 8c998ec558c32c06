/* Property: no query is lost to a device that fails, hangs or is gone, every answer is right and is
 * there in time, and the device is taken back when it works again. What nobody can answer is
 * refused, or left out and said to be, as the options want.
 */
#include "tests/shaky_device.h"

#include <string.h>
#include <time.h>

enum { N = 300, QUERIES = 10000, FEW = 50, NEW = 10, K = 5, DEADLINE_MS = 60000 };

static double seconds(void)
{
    return (double)ki_now_ns() * 1e-9;
}

static void search_rightly(const shaky_bench *b, kith_replicas *r, size_t nq,
                           kith_replicas_report *report, const char *what)
{
    const kith_search_options search = kith_search_defaults(K);
    kith_hit *right = exact_hits(b, nq, K), *hits = malloc(nq * K * sizeof *hits);
    must(kith_replicas_search(r, b->queries.bytes, nq, &search, hits, report));
    same_hits(right, hits, nq * K, what);
    free(right);
    free(hits);
}

static void a_killed_device_loses_nothing(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    shaky_bench b;
    bench_open(&b, KITH_FLAT, KITH_U8, N, QUERIES, &random);
    for (uint32_t partitions = 1; partitions <= 2; partitions++) {
        kith_replicas_options options = shaky_options(partitions, 2, 2);
        kith_replicas_report report = {.size = sizeof report};
        kith_replicas *r = NULL;
        options.deadline_ms = DEADLINE_MS; /* of a piece; all of them do not take as long */
        must(kith_replicas_create(b.index, &options, NULL, NULL, &r));
        atomic_store(&shaky[0].ns_per_query, 20000);
        atomic_store(&shaky[1].after, 1); /* so that it does not take all before */
        atomic_store(&shaky[0].fail_after, 4);
        const unsigned before_it = atomic_load(&shaky[0].queries);
        const double start = seconds();
        search_rightly(&b, r, QUERIES, &report, "one device killed");
        const unsigned answered = atomic_load(&shaky[0].queries) - before_it;
        assert_true(seconds() - start < DEADLINE_MS * 1e-3);
        assert_true(report.retries > 0);
        assert_true(answered > 0 && answered < partitions * QUERIES);
        assert_int_equal(report.on_host, 0);
        assert_int_equal(report.rows_searched, N);
        const kith_copy_info dead = copy_info(r, 0);
        assert_true(dead.state == KITH_COPY_DEAD || dead.state == KITH_COPY_PROBING);
        assert_non_null(strstr(dead.reason, "told to fail"));
        atomic_store(&shaky[1].after, 0);
        atomic_store(&shaky[0].failing, false);
        await_state(r, 0, KITH_COPY_OK);
        const uint64_t before = copy_info(r, 0).queries;
        for (int i = 0; i < 100 && copy_info(r, 0).queries == before; i++)
            search_rightly(&b, r, 2000, NULL, "the device is back");
        assert_true(copy_info(r, 0).queries > before);
        kith_replicas_close(r);
        atomic_store(&shaky[0].ns_per_query, 0);
    }
    bench_close(&b);
}

/* Lanes that were replaced, and whose devices have come back, go without being asked to. */
static void await_no_orphans(kith_replicas *r)
{
    bool any = true;
    for (int ms = 0; ms < DEADLINE_MS && any; ms++) {
        pthread_mutex_lock(&r->mutex);
        any = r->orphans != NULL;
        pthread_mutex_unlock(&r->mutex);
        sleep_ms(1);
    }
    assert_false(any);
}

static void a_hanging_device_is_given_up(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    shaky_bench b;
    bench_open(&b, KITH_FLAT, KITH_U8, N, QUERIES, &random);
    kith_replicas_options options = shaky_options(1, 2, 2);
    kith_replicas_report report = {.size = sizeof report};
    kith_replicas *r = NULL;
    options.deadline_ms = 100;
    must(kith_replicas_create(b.index, &options, NULL, NULL, &r));
    atomic_store(&shaky[0].hanging, true);
    atomic_store(&shaky[1].after, 1);
    const double start = seconds();
    search_rightly(&b, r, QUERIES, &report, "one device hangs");
    assert_true(seconds() - start < 60); /* hundreds of deadlines: it hangs for ever */
    atomic_store(&shaky[1].after, 0);
    assert_true(report.retries > 0);
    assert_int_not_equal(copy_info(r, 0).state, KITH_COPY_OK);
    await_state(r, 0, KITH_COPY_PROBING); /* a new lane tries, and hangs as well */
    search_rightly(&b, r, 200, NULL, "while it hangs");
    atomic_store(&shaky[0].hanging, false);
    await_state(r, 0, KITH_COPY_OK);
    assert_true(atomic_load(&shaky[0].opened) >= 2);
    await_no_orphans(r);
    search_rightly(&b, r, 2000, NULL, "the device is back");
    kith_replicas_close(r);
    bench_close(&b);
}

/* One that hangs while it is raised: nobody waits for it, but who asks is told. */
static void a_copy_says_what_it_waits_for(void **state)
{
    (void)state;
    static const unsigned places[] = {SHAKY_OPEN, SHAKY_ROWS};
    uint64_t random = check_seed();
    const uint64_t patience = ki_replicas_patience_ns;
    const kith_replicas_options options = shaky_options(1, 2, 2);
    kith_replicas *r = NULL;
    shaky_bench b;
    bench_open(&b, KITH_FLAT, KITH_U8, N, FEW, &random);
    must(kith_replicas_create(b.index, &options, NULL, NULL, &r));
    for (int i = 0; i < 2; i++) {
        int ms = 0;
        ki_replicas_patience_ns = UINT64_C(300000000);
        atomic_store(&shaky[0].hangs_in, places[i]);
        atomic_store(&shaky[0].failing, true);
        for (; !atomic_load(&shaky[0].waits) && ms < DEADLINE_MS; ms++) {
            search_rightly(&b, r, FEW, NULL, "a device fails");
            sleep_ms(1);
        }
        ki_replicas_patience_ns = patience;
        while (!strstr(copy_info(r, 0).reason, "not come back for 0.3 s") && ms++ < DEADLINE_MS)
            sleep_ms(1);
        assert_true(ms < DEADLINE_MS);
        assert_int_equal(copy_info(r, 0).state, KITH_COPY_PROBING);
        atomic_store(&shaky[0].failing, false);
        atomic_store(&shaky[0].hangs_in, 0);
        await_state(r, 0, KITH_COPY_OK);
    }
    kith_replicas_close(r);
    bench_close(&b);
}

/* Late once is no death: the call returns, and the copy is asked again. */
static void a_late_device_is_a_suspect(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    shaky_bench b;
    bench_open(&b, KITH_FLAT, KITH_U8, N, QUERIES, &random);
    kith_replicas_options options = shaky_options(1, 1, 1);
    kith_replicas *r = NULL;
    options.deadline_ms = 1500; /* the second one must not pass before the state is looked at */
    must(kith_replicas_create(b.index, &options, NULL, NULL, &r));
    atomic_store(&shaky[0].hanging, true);
    search_rightly(&b, r, FEW, NULL, "the host instead");
    assert_int_equal(copy_info(r, 0).state, KITH_COPY_SUSPECT);
    assert_non_null(strstr(copy_info(r, 0).reason, "longer than 1500 ms"));
    atomic_store(&shaky[0].hanging, false);
    for (int i = 0; i < 1000 && copy_info(r, 0).state != KITH_COPY_OK; i++) {
        search_rightly(&b, r, FEW, NULL, "late");
        sleep_ms(1);
    }
    assert_int_equal(copy_info(r, 0).state, KITH_COPY_OK);
    assert_int_equal(atomic_load(&shaky[0].opened), 1);
    kith_replicas_close(r);
    bench_close(&b);
}

static void the_host_is_the_last_holder(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    shaky_bench b;
    bench_open(&b, KITH_FLAT, KITH_F32, N, QUERIES, &random);
    const kith_replicas_options options = shaky_options(2, 1, 2);
    kith_replicas_report report = {.size = sizeof report};
    kith_replicas *r = NULL;
    must(kith_replicas_create(b.index, &options, NULL, NULL, &r));
    for (int i = 0; i < 2; i++) {
        atomic_store(&shaky[i].failing, true);
        search_rightly(&b, r, FEW, &report, "the host answers");
        assert_true(report.on_host > 0);
    }
    kith_replicas_close(r);
    bench_close(&b);
}

/* A partition on each of two devices. One that was slow for a moment, when speeds were measured,
 * may get neither. */
static void create_apart(const shaky_bench *b, const kith_replicas_options *options,
                         kith_replicas **out)
{
    for (int i = 0; i < 100; i++) {
        must(kith_replicas_create(b->index, options, NULL, NULL, out));
        if (strcmp(copy_info(*out, 0).device, copy_info(*out, 1).device) != 0)
            return;
        kith_replicas_close(*out);
        *out = NULL;
    }
    fail_msg("both partitions are on one device, again and again");
}

/* No host: an error, or what is left and how much that is. */
static void nobody_is_left(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    const kith_search_options search = kith_search_defaults(K);
    shaky_bench b;
    bench_open(&b, KITH_FLAT, KITH_U8, N, QUERIES, &random);
    kith_hit untouched = {.row = 77}, hits[FEW * K];
    for (uint32_t partial = 0; partial < 2; partial++) {
        kith_replicas_options options = shaky_options(2, 1, 2);
        kith_replicas_report report = {.size = sizeof report};
        kith_replicas *r = NULL;
        options.host = 1;
        options.partial = partial;
        create_apart(&b, &options, &r);
        const kith_copy_info lost = copy_info(r, 0), left = copy_info(r, 1);
        shaky_switches *device = &shaky[lost.device[3] - '0'];
        search_rightly(&b, r, FEW, &report, "both are there");
        assert_int_equal(report.rows_searched, N);
        atomic_store(&device->failing, true);
        hits[0] = untouched;
        if (partial) {
            must(kith_replicas_search(r, b.queries.bytes, FEW, &search, hits, &report));
            assert_int_equal(report.rows, N);
            assert_int_equal(report.rows_searched, left.rows);
        } else {
            must_fail(kith_replicas_search(r, b.queries.bytes, FEW, &search, hits, NULL),
                      KITH_EDEVICE, "no copy of partition");
            assert_memory_equal(&hits[0], &untouched, sizeof untouched);
        }
        atomic_store(&device->failing, false);
        await_state(r, 0, KITH_COPY_OK);
        search_rightly(&b, r, FEW, NULL, "both are there again");
        kith_replicas_close(r);
    }
    bench_close(&b);
}

/* No copy answers for a graph, and the report says what that leaves: rows that no build has seen
 * are no copy's, and are compared. */
static void new_rows_need_no_copy(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    shaky_bench b;
    bench_open(&b, KITH_HNSW, KITH_U8, N, FEW, &random);
    const kith_search_options search = kith_search_defaults(K);
    kith_replicas_options options = shaky_options(1, 1, 1);
    kith_replicas_report report = {.size = sizeof report};
    kith_replicas *r = NULL;
    kith_hit hits[NEW * K];
    options.host = options.partial = 1;
    must(kith_replicas_create(b.index, &options, NULL, NULL, &r));
    for (uint64_t i = 0; i < NEW; i++)
        must(kith_store_put_u64(b.store, N + i, row_at(&b.queries, i)));
    atomic_store(&shaky[0].failing, true);
    must(kith_replicas_search(r, b.queries.bytes, NEW, &search, hits, &report));
    assert_int_equal(report.rows, N + NEW);
    assert_int_equal(report.rows_searched, NEW);
    for (uint32_t i = 0; i < NEW; i++) {
        assert_true(hits[i * K].distance <= 0);
        for (uint32_t j = 0; j < K; j++)
            assert_true(hits[i * K + j].key >= N);
    }
    kith_replicas_close(r);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_killed_device_loses_nothing),
                                       cmocka_unit_test(a_hanging_device_is_given_up),
                                       cmocka_unit_test(a_copy_says_what_it_waits_for),
                                       cmocka_unit_test(a_late_device_is_a_suspect),
                                       cmocka_unit_test(the_host_is_the_last_holder),
                                       cmocka_unit_test(nobody_is_left),
                                       cmocka_unit_test(new_rows_need_no_copy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

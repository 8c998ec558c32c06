/* Property: a build or a load that is told to stop, at whatever report, stops with KITH_ECANCELLED
 * and leaves a valid graph; rows that are not linked yet are found all the same; and another build
 * links the rest. Reports rise to the total and come from the calling thread.
 */
#include "tests/index_data.h"

#include <pthread.h>

enum { N = 3000, DIM = 16 };

typedef struct watch {
    uint64_t calls, last, total, stop_at; /* stops at this call, counted from 1; 0: never */
    pthread_t thread;
} watch;

static int report(void *user, uint64_t done, uint64_t total)
{
    watch *w = user;
    assert_true(pthread_equal(w->thread, pthread_self()));
    assert_true(done >= w->last && done <= total && (!w->calls || total == w->total));
    w->last = done;
    w->total = total;
    return ++w->calls == w->stop_at;
}

static kith_status build_until(kith_index *index, uint64_t stop_at, watch *w)
{
    *w = (watch){.stop_at = stop_at, .thread = pthread_self()};
    return kith_index_build(index, report, w);
}

/* Every 37th row is asked for by itself. In the tail it must be found; in the graph nearly so. */
static void check_search(kith_index *index, const matrix *rows)
{
    kith_search_options options = kith_search_defaults(1);
    kith_searcher *searcher = NULL;
    uint64_t linked = nodes_of(index);
    size_t lost = 0;
    options.ef = 200;
    must(kith_searcher_create(index, &options, NULL, &searcher));
    for (size_t i = 0; i < rows->n; i += 37) {
        kith_hit hit;
        size_t found = 0;
        must(kith_searcher_search(searcher, row_at(rows, i), &hit, &found, NULL));
        assert_int_equal(found, 1);
        lost += hit.distance > 0;
        assert_true(i < linked || hit.distance == 0);
    }
    assert_true(lost <= 1);
    kith_searcher_close(searcher);
}

static void build_stops_anywhere(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    watch w;
    matrix rows = matrix_clustered(KITH_U8, DIM, N, 15, &random);
    kith_store *store = store_of(&rows, KITH_L2SQ);
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    options.ef_construction = 60;
    options.threads = 2;
    kith_index *whole = index_on(store, &options);
    must(build_until(whole, 0, &w));
    assert_true(w.calls >= 10 && w.last == N && w.total == N);
    uint64_t stops[] = {1, 2, 5, w.calls / 2, w.calls - 1};
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        kith_index *index = index_on(store, &options);
        must_fail(build_until(index, stops[i], &w), KITH_ECANCELLED, "3000");
        assert_int_equal(w.calls, stops[i]);
        must(kith_index_check(index));
        assert_true(nodes_of(index) >= w.last && nodes_of(index) < N);
        check_search(index, &rows);
        must_fail(build_until(index, 1, &w), KITH_ECANCELLED, "stopped");
        must(kith_index_check(index));
        must(build_until(index, 0, &w));
        must(kith_index_check(index));
        assert_int_equal(nodes_of(index), N);
        check_search(index, &rows);
        kith_index_close(index);
    }
    kith_index_close(whole);
    kith_store_close(store);
    matrix_free(&rows);
}

/* Where a build stops does not change the graph: batches depend on what is linked, not on calls. */
static void stopping_leaves_no_trace(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    watch w;
    matrix rows = matrix_clustered(KITH_U8, DIM, N / 2, 15, &random);
    kith_store *store = store_of(&rows, KITH_COSINE);
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    options.ef_construction = 40;
    kith_index *whole = index_on(store, &options), *pieces = index_on(store, &options);
    must(kith_index_build(whole, NULL, NULL));
    kith_status status = build_until(pieces, 7, &w);
    while (status == KITH_ECANCELLED)
        status = build_until(pieces, 7, &w);
    must(status);
    assert_true(digest_of(pieces) == digest_of(whole));
    kith_index_close(whole);
    kith_index_close(pieces);
    kith_store_close(store);
    matrix_free(&rows);
}

static void load_stops_and_keeps(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix rows = matrix_uniform(KITH_F32, 2, 20000, &random);
    kith_store_options options = kith_store_defaults(2, KITH_F32, KITH_L2SQ);
    for (uint64_t stop_at = 1; stop_at <= 3; stop_at++) {
        kith_store *store = NULL;
        kith_store_stats stats = {.size = sizeof stats};
        watch w = {.stop_at = stop_at, .thread = pthread_self()};
        must(kith_store_open(NULL, &options, &store));
        must_fail(kith_store_load(store, NULL, rows.bytes, rows.n, report, &w), KITH_ECANCELLED,
                  "20000");
        must(kith_store_stat(store, &stats));
        assert_true(stats.live == w.last && w.last > 0 && w.last < rows.n);
        w = (watch){.thread = pthread_self()};
        must(kith_store_load(store, NULL, rows.bytes, rows.n, report, &w));
        must(kith_store_stat(store, &stats));
        assert_true(stats.live == rows.n && w.last == rows.n);
        kith_store_close(store);
    }
    matrix_free(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(build_stops_anywhere),
        cmocka_unit_test(stopping_leaves_no_trace),
        cmocka_unit_test(load_stops_and_keeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

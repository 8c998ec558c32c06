/* Property: a device that hangs can be dropped: the call returns while the device still hangs, its
 * queries are answered by others, and only close waits until the driver has let go of the memory
 * that it was given. Nor does a build wait for it, behind which all searches would wait as well.
 */
#include "tests/shaky_device.h"

#include <pthread.h>

enum { N = 300, QUERIES = 500, K = 5, DEADLINE_MS = 100, PATIENCE_MS = 5000 };

typedef struct errand {
    const shaky_bench *b;
    kith_replicas *replicas;
    kith_status status;
    kith_hit hits[QUERIES * K];
    atomic_bool done;
} errand;

static void *search(void *argument)
{
    errand *e = argument;
    const kith_search_options options = kith_search_defaults(K);
    e->status =
        kith_replicas_search(e->replicas, e->b->queries.bytes, QUERIES, &options, e->hits, NULL);
    atomic_store(&e->done, true);
    return NULL;
}

static void *drop_first(void *argument)
{
    errand *e = argument;
    e->status = kith_replicas_drop(e->replicas, "ocl0");
    atomic_store(&e->done, true);
    return NULL;
}

static void *close_all(void *argument)
{
    errand *e = argument;
    kith_replicas_close(e->replicas);
    atomic_store(&e->done, true);
    return NULL;
}

static void *build(void *argument)
{
    errand *e = argument;
    e->status = kith_index_build(e->b->index, NULL, NULL);
    atomic_store(&e->done, true);
    return NULL;
}

static void *refresh(void *argument)
{
    errand *e = argument;
    e->status = kith_replicas_refresh(e->replicas, NULL, NULL);
    atomic_store(&e->done, true);
    return NULL;
}

static void start(errand *e, pthread_t *thread, void *(*run)(void *))
{
    atomic_store(&e->done, false);
    assert_int_equal(pthread_create(thread, NULL, run, e), 0);
}

static void await_hang(void)
{
    for (int ms = 0; ms < PATIENCE_MS && !atomic_load(&shaky[0].hung); ms++)
        sleep_ms(1);
    assert_true(atomic_load(&shaky[0].hung) > 0);
}

/* A device that hangs for ever would hang this test: it is let go first. */
static void join_in_time(errand *e, pthread_t thread, const char *what)
{
    for (int ms = 0; ms < PATIENCE_MS && !atomic_load(&e->done); ms++)
        sleep_ms(1);
    const bool late = !atomic_load(&e->done);
    if (late)
        for (int i = 0; i < SHAKY_DEVICES; i++)
            atomic_store(&shaky[i].hanging, false);
    pthread_join(thread, NULL);
    if (late)
        fail_msg("%s waited for a device that hangs", what);
}

/* Hangs in a search; with `known` the first copy was found to hang already, and a new lane hangs
 * in its first trial. */
static void drop_while_it_hangs(const shaky_bench *b, uint32_t copies, bool known)
{
    kith_replicas_options options = shaky_options(1, copies, copies);
    errand *e = calloc(1, sizeof *e), *change = calloc(1, sizeof *change);
    kith_hit *right = exact_hits(b, QUERIES, K);
    pthread_t searching, changing;
    assert_true(e && change);
    e->b = change->b = b;
    options.deadline_ms = DEADLINE_MS;
    must(kith_replicas_create(b->index, &options, NULL, NULL, &e->replicas));
    change->replicas = e->replicas;
    atomic_store(&shaky[0].hanging, true);
    for (uint32_t i = 1; i < copies; i++)
        atomic_store(&shaky[i].after, 1); /* so that the first gets some */
    start(e, &searching, search);
    if (known)
        await_state(e->replicas, 0, KITH_COPY_PROBING);
    else
        await_hang();
    start(change, &changing, drop_first);
    join_in_time(change, changing, "drop");
    must(change->status);
    join_in_time(e, searching, "the search");
    must(e->status);
    same_hits(right, e->hits, QUERIES * K, "while a device hangs and is dropped");
    if (copies > 1)
        assert_string_equal(copy_info(e->replicas, 0).device, "ocl1");
    must_fail(kith_replicas_drop(e->replicas, "ocl0"), KITH_ENOTFOUND, "ocl0");
    start(change, &changing, close_all);
    sleep_ms(2 * DEADLINE_MS);
    assert_true(atomic_load(&shaky[0].hanging));
    const bool early = atomic_load(&change->done);
    for (uint32_t i = 0; i < copies; i++) {
        atomic_store(&shaky[i].hanging, false);
        atomic_store(&shaky[i].after, 0);
    }
    pthread_join(changing, NULL);
    if (early)
        fail_msg("close did not wait for the device that hangs");
    free(right);
    free(e);
    free(change);
}

static void in_a_search(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    shaky_bench b;
    bench_open(&b, KITH_FLAT, KITH_U8, N, QUERIES, &random);
    drop_while_it_hangs(&b, 2, false);
    drop_while_it_hangs(&b, 1, false); /* then the host answers */
    bench_close(&b);
}

static void in_a_trial(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    shaky_bench b;
    bench_open(&b, KITH_FLAT, KITH_U8, N, QUERIES, &random);
    drop_while_it_hangs(&b, 2, true);
    drop_while_it_hangs(&b, 1, true);
    bench_close(&b);
}

static void do_in_time(errand *e, void *(*run)(void *), const char *what)
{
    pthread_t thread;
    start(e, &thread, run);
    join_in_time(e, thread, what);
    must(e->status);
}

/* Hangs in a search that was given up on, and in the trial of the lane that took its place. */
static void build_while_it_hangs(kith_walk walk_kind, kith_type type, uint64_t *random)
{
    shaky_bench b;
    bench_open_walk(&b, KITH_HNSW, walk_kind, type, N, QUERIES, random);
    kith_replicas_options options = shaky_options(1, 2, 2);
    errand *e = calloc(1, sizeof *e);
    assert_non_null(e);
    e->b = &b;
    options.deadline_ms = DEADLINE_MS;
    must(kith_replicas_create(b.index, &options, NULL, NULL, &e->replicas));
    atomic_store(&shaky[0].hanging, true);
    atomic_store(&shaky[1].after, 1);
    do_in_time(e, search, "a search");
    atomic_store(&shaky[1].after, 0);
    await_state(e->replicas, 0, KITH_COPY_PROBING);
    for (uint64_t key = 0; key < N; key++)
        must(kith_store_put_u64(b.store, N + key, row_at(&b.queries, key)));
    do_in_time(e, build, "a build");
    do_in_time(e, search, "a search behind a build");
    for (uint32_t i = 0; i < N; i++)
        assert_true(e->hits[i * K].distance <= 0);
    do_in_time(e, refresh, "a refresh");
    assert_int_equal(copy_info(e->replicas, 1).rows, 2 * N);
    do_in_time(e, search, "a search behind a refresh");
    assert_true(atomic_load(&shaky[0].hanging));
    atomic_store(&shaky[0].hanging, false);
    await_state(e->replicas, 0, KITH_COPY_OK);
    must(kith_replicas_refresh(e->replicas, NULL, NULL));
    assert_true(copy_info(e->replicas, 0).digest == copy_info(e->replicas, 1).digest);
    kith_replicas_close(e->replicas);
    bench_close(&b);
    free(e);
}

static void a_build_goes_on(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    build_while_it_hangs(KITH_WALK_ROWS, KITH_U8, &random);
    build_while_it_hangs(KITH_WALK_SQ8, KITH_F32, &random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(in_a_search), cmocka_unit_test(in_a_trial),
                                       cmocka_unit_test(a_build_goes_on)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

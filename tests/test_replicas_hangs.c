/* Property: a device that hangs where it is opened, given rows, bits or a graph holds nobody else:
 * searches, writes, builds and other devices go on beside it, and who waits for it, to create, add,
 * refresh or drop, is told after a while, by its name and by how long that was. Only close waits
 * until the driver has let go of the memory that it was given.
 */
#include "tests/shaky_device.h"

#include <pthread.h>
#include <string.h>

enum { N = 300, MORE = 60, K = 4, PATIENCE_MS = 300, LATE_MS = 8000 };

static const unsigned places[] = {SHAKY_OPEN, SHAKY_ROWS, SHAKY_LIVE, SHAKY_GRAPH};
enum { PLACES = sizeof places / sizeof *places };

typedef struct scene {
    shaky_bench b;
    matrix more;  /* rows that are put later: key N + i has row i */
    uint32_t put; /* of them */
    kith_replicas *replicas;
} scene;

static void begin(scene *s, uint32_t copies, uint64_t *random)
{
    const kith_replicas_options options = shaky_options(1, copies, copies);
    *s = (scene){0};
    bench_open_walk(&s->b, KITH_HNSW, KITH_WALK_ROWS, KITH_U8, N, 1, random);
    s->more = matrix_uniform(KITH_U8, 16, 64 * MORE, random);
    if (copies)
        must(kith_replicas_create(s->b.index, &options, NULL, NULL, &s->replicas));
}

static void end(scene *s)
{
    kith_replicas_close(s->replicas);
    matrix_free(&s->more);
    bench_close(&s->b);
}

/* All devices work again, and no call of theirs hangs any more. */
static void let_go(void)
{
    for (int i = 0; i < SHAKY_DEVICES; i++) {
        atomic_store(&shaky[i].hangs_in, 0);
        atomic_store(&shaky[i].failing, false);
    }
    for (int i = 0; i < SHAKY_DEVICES; i++)
        while (atomic_load(&shaky[i].waits))
            sleep_ms(1);
}

/* ---- errands: a call in a thread of its own, which may hang ---- */

typedef struct errand {
    scene *s;
    kith_status (*call)(scene *s);
    pthread_t thread;
    kith_status status;
    char sentence[256];
    atomic_bool done;
} errand;

static void *run(void *argument)
{
    errand *e = argument;
    e->status = e->call(e->s);
    snprintf(e->sentence, sizeof e->sentence, "%s", e->status ? kith_last_error() : "");
    atomic_store(&e->done, true);
    return NULL;
}

static void start(errand *e, scene *s, kith_status (*call)(scene *s))
{
    *e = (errand){.s = s, .call = call};
    assert_int_equal(pthread_create(&e->thread, NULL, run, e), 0);
}

static void finish(errand *e, const char *what)
{
    int ms = 0;
    while (ms++ < LATE_MS && !atomic_load(&e->done))
        sleep_ms(1);
    const bool late = !atomic_load(&e->done);
    if (late)
        let_go();
    pthread_join(e->thread, NULL);
    if (late)
        fail_msg("%s waited for a device that hangs", what);
}

static void do_in_time(scene *s, kith_status (*call)(scene *s), const char *what)
{
    errand e;
    start(&e, s, call);
    finish(&e, what);
    if (e.status)
        fail_msg("%s: %s", what, e.sentence);
}

static void await_hang(int device)
{
    for (int ms = 0; ms < LATE_MS && !atomic_load(&shaky[device].waits); ms++)
        sleep_ms(1);
    assert_true(atomic_load(&shaky[device].waits) > 0);
}

/* A call that will wait for a device that hangs, and not for as long as users have patience: on a
 * busy machine a device that works might be late by this. */
static void start_late(errand *e, scene *s, kith_status (*call)(scene *s), int device)
{
    const uint64_t patience = ki_replicas_patience_ns;
    ki_replicas_patience_ns = PATIENCE_MS * UINT64_C(1000000);
    start(e, s, call);
    await_hang(device);
    ki_replicas_patience_ns = patience;
}

/* It failed because of the device, says which, and how long it was waited for. */
static void finish_late(errand *e, const char *device, const char *what)
{
    char name[16];
    snprintf(name, sizeof name, "'%s'", device);
    finish(e, what);
    assert_int_equal(e->status, KITH_EDEVICE);
    if (!strstr(e->sentence, name) || !strstr(e->sentence, " for 0.3 s"))
        fail_msg("%s: %s", what, e->sentence);
}

/* ---- calls ---- */

static kith_status build(scene *s)
{
    return kith_index_build(s->b.index, NULL, NULL);
}

static kith_status refresh(scene *s)
{
    return kith_replicas_refresh(s->replicas, NULL, NULL);
}

static kith_status drop_first(scene *s)
{
    return kith_replicas_drop(s->replicas, "ocl0");
}

static kith_status drop_third(scene *s)
{
    return kith_replicas_drop(s->replicas, "ocl2");
}

static kith_status add_third(scene *s)
{
    return kith_replicas_add(s->replicas, "ocl2");
}

static kith_status create_two(scene *s)
{
    const kith_replicas_options options = shaky_options(1, 2, 2);
    return kith_replicas_create(s->b.index, &options, NULL, NULL, &s->replicas);
}

/* Three devices for two copies: they are measured first. */
static kith_status create_three(scene *s)
{
    const kith_replicas_options options = shaky_options(1, 2, 3);
    return kith_replicas_create(s->b.index, &options, NULL, NULL, &s->replicas);
}

static kith_status close_all(scene *s)
{
    kith_replicas_close(s->replicas);
    s->replicas = NULL;
    return KITH_OK;
}

static kith_status close_index(scene *s)
{
    kith_index_close(s->b.index);
    s->b.index = NULL;
    return KITH_OK;
}

static kith_status put_rows(scene *s)
{
    kith_status status = KITH_OK;
    for (uint32_t i = 0; i < MORE && !status; i++, s->put++)
        status = kith_store_put_u64(s->b.store, N + s->put, row_at(&s->more, s->put));
    return status;
}

/* Every row that was put is found, whoever answers. */
static kith_status search(scene *s)
{
    const kith_search_options options = kith_search_defaults(K);
    kith_hit hits[64 * MORE * K];
    kith_status status =
        kith_replicas_search(s->replicas, s->more.bytes, s->put, &options, hits, NULL);
    for (uint32_t i = 0; i < s->put && !status; i++)
        if (hits[i * K].distance > 0)
            status = ki_fail(KITH_ECORRUPT, "key %u is not found", N + i);
    return status;
}

/* All that goes on while device 0 hangs. */
static void life_goes_on(scene *s)
{
    do_in_time(s, put_rows, "a write");
    do_in_time(s, search, "a search");
    do_in_time(s, build, "a build");
    do_in_time(s, search, "a search behind a build");
    assert_true(atomic_load(&shaky[0].waits) > 0);
}

static void all_is_well(scene *s)
{
    await_state(s->replicas, 0, KITH_COPY_OK);
    do_in_time(s, refresh, "a refresh");
    assert_int_equal(copy_info(s->replicas, 0).rows, N + s->put);
    assert_true(copy_info(s->replicas, 0).digest == copy_info(s->replicas, 1).digest);
    do_in_time(s, search, "a search in the end");
}

/* ---- tests ---- */

/* The device fails in a search, and hangs when it is raised. */
static void while_a_lane_is_raised(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    scene s;
    begin(&s, 2, &random);
    for (int i = 0; i < PLACES; i++) {
        do_in_time(&s, put_rows, "a write");
        atomic_store(&shaky[0].hangs_in, places[i]);
        atomic_store(&shaky[0].failing, true);
        for (int n = 0; n < 1000 && copy_info(s.replicas, 0).state == KITH_COPY_OK; n++)
            do_in_time(&s, search, "a search that fails");
        await_hang(0);
        life_goes_on(&s);
        do_in_time(&s, refresh, "a refresh");
        do_in_time(&s, add_third, "add");
        do_in_time(&s, search, "a search on three");
        do_in_time(&s, drop_third, "drop");
        assert_true(atomic_load(&shaky[0].waits) > 0);
        let_go();
        all_is_well(&s);
    }
    end(&s);
}

static void while_copies_are_refreshed(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    scene s;
    errand refreshing;
    begin(&s, 2, &random);
    for (int i = 1; i < PLACES; i++) {
        do_in_time(&s, put_rows, "a write");
        do_in_time(&s, build, "a build");
        atomic_store(&shaky[0].hangs_in, places[i]);
        start_late(&refreshing, &s, refresh, 0);
        life_goes_on(&s);
        finish_late(&refreshing, "ocl0", "refresh");
        assert_int_not_equal(copy_info(s.replicas, 0).state, KITH_COPY_OK);
        assert_non_null(strstr(copy_info(s.replicas, 0).reason, "for 0.3 s"));
        do_in_time(&s, refresh, "a refresh of the other"); /* the first is being raised */
        do_in_time(&s, search, "a search on the other");
        assert_int_equal(copy_info(s.replicas, 1).rows, N + s.put);
        let_go();
        all_is_well(&s);
    }
    end(&s);
}

static void while_replicas_are_created(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    scene s;
    errand creating;
    begin(&s, 0, &random);
    for (int i = 0; i < PLACES; i++)
        for (int three = 0; three < 2; three++) {
            if (three && places[i] >= SHAKY_LIVE) /* who measures needs neither */
                continue;
            atomic_store(&shaky[0].hangs_in, places[i]);
            start_late(&creating, &s, three ? create_three : create_two, 0);
            do_in_time(&s, put_rows, "a write");
            do_in_time(&s, build, "a build");
            finish_late(&creating, "ocl0", "create");
            assert_true(atomic_load(&shaky[0].waits) > 0);
            assert_null(s.replicas);
            let_go();
        }
    must(create_two(&s));
    do_in_time(&s, search, "a search");
    end(&s);
}

static void while_one_is_added(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    scene s;
    errand adding;
    begin(&s, 2, &random);
    for (int i = 0; i < PLACES; i++) {
        atomic_store(&shaky[2].hangs_in, places[i]);
        start_late(&adding, &s, add_third, 2);
        do_in_time(&s, put_rows, "a write");
        do_in_time(&s, build, "a build");
        do_in_time(&s, search, "a search");
        finish_late(&adding, "ocl2", "add");
        do_in_time(&s, refresh, "a refresh");
        assert_true(atomic_load(&shaky[2].waits) > 0);
        let_go();
        do_in_time(&s, add_third, "add, once more");
        assert_int_equal(copy_info(s.replicas, 2).rows, N + s.put);
        do_in_time(&s, drop_third, "drop");
    }
    end(&s);
}

/* Whoever owns the memory that a driver was given waits for it, and for nothing else. */
static void close_waits(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    scene s;
    errand e;
    begin(&s, 2, &random);
    do_in_time(&s, put_rows, "a write");
    do_in_time(&s, build, "a build");
    atomic_store(&shaky[0].hangs_in, SHAKY_ROWS);
    start_late(&e, &s, refresh, 0);
    finish_late(&e, "ocl0", "refresh");
    start(&e, &s, close_all);
    sleep_ms(2 * PATIENCE_MS);
    assert_false(atomic_load(&e.done));
    let_go();
    finish(&e, "close, when the device is back,");
    atomic_store(&shaky[1].hangs_in, SHAKY_ROWS);
    start_late(&e, &s, create_two, 1);
    finish_late(&e, "ocl1", "create");
    start(&e, &s, close_index);
    sleep_ms(PATIENCE_MS / 2);
    assert_false(atomic_load(&e.done));
    let_go();
    finish(&e, "the index, when the device is back,");
    end(&s);
}

/* A device that is behind is refreshed by its own lane, and nobody has to wait for that either. */
static void drop_does_not_wait(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    const kith_search_options options = kith_search_defaults(K);
    kith_replicas_options two = shaky_options(1, 2, 2);
    kith_hit hits[K];
    scene s = {0};
    bench_open_walk(&s.b, KITH_HNSW, KITH_WALK_SQ8, KITH_F32, N, 1, &random);
    must(kith_replicas_create(s.b.index, &two, NULL, NULL, &s.replicas));
    s.more = matrix_clustered(KITH_F32, 16, 2 * N, 9, &random);
    for (uint64_t i = 0; i < s.more.n; i++)
        must(kith_store_put_u64(s.b.store, N + i, row_at(&s.more, i)));
    must(kith_index_build(s.b.index, NULL, NULL)); /* which learns other codes */
    atomic_store(&shaky[0].hangs_in, SHAKY_ROWS);
    for (int i = 0; i < 1000 && !atomic_load(&shaky[0].waits); i++)
        must(kith_replicas_search(s.replicas, row_at(&s.more, 7), 1, &options, hits, NULL));
    await_hang(0);
    do_in_time(&s, drop_first, "drop");
    assert_true(atomic_load(&shaky[0].waits) > 0);
    must(kith_replicas_search(s.replicas, row_at(&s.more, 7), 1, &options, hits, NULL));
    assert_int_equal(hits[0].key, N + 7);
    let_go();
    kith_replicas_close(s.replicas);
    matrix_free(&s.more);
    bench_close(&s.b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(while_a_lane_is_raised),
                                       cmocka_unit_test(while_copies_are_refreshed),
                                       cmocka_unit_test(while_replicas_are_created),
                                       cmocka_unit_test(while_one_is_added),
                                       cmocka_unit_test(close_waits),
                                       cmocka_unit_test(drop_does_not_wait)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

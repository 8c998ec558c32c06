/* Property: an index that is built while OpenCL replicas of it are searched by several threads
 * disturbs nobody: no search fails, and every row that was put before a search began is found by
 * it. After a refresh the devices hold all rows. When a build learns codes anew, a device that
 * holds codes of the lesson before answers as the index does, refreshed by hand or by itself.
 */
#include "tests/replicas_opencl.h"

#include <pthread.h>
#include <string.h>

enum { N = 400, MORE = 400, ROUNDS = 3, K = 4, SEARCHERS = 4, QUERIES = 200 };

static const char *const halves[] = {"ocl0.0/2", "ocl0.1/2"};

typedef struct scene {
    shaky_bench b;
    matrix rows; /* of all keys there will be; those below `put` are there */
    kith_replicas *replicas;
    atomic_uint put, searches, complaints;
    atomic_bool over;
    atomic_uint_fast64_t seed; /* of the next searcher */
    char complaint[256];
} scene;

/* A key's own row is the one nearest to itself, at distance 0. */
static void search_key(scene *s, uint64_t key)
{
    const kith_search_options options = kith_search_defaults(K);
    kith_hit hits[K];
    char what[256] = "";
    if (kith_replicas_search(s->replicas, row_at(&s->rows, key), 1, &options, hits, NULL))
        snprintf(what, sizeof what, "key %u: %.200s", (unsigned)key, kith_last_error());
    else if (hits[0].key != key || hits[0].distance > 0)
        snprintf(what, sizeof what, "key %u is not found, but %u at %g", (unsigned)key,
                 (unsigned)hits[0].key, (double)hits[0].distance);
    if (what[0] && atomic_fetch_add(&s->complaints, 1) == 0)
        memcpy(s->complaint, what, sizeof what);
    atomic_fetch_add(&s->searches, 1);
}

static void *search_rows(void *argument)
{
    scene *s = argument;
    uint64_t random = atomic_fetch_add(&s->seed, 1);
    while (!atomic_load(&s->over))
        search_key(s, check_below(&random, atomic_load(&s->put)));
    return NULL;
}

/* Until the searchers have answered so many more, or a minute is over. */
static void await_searches(scene *s, unsigned more)
{
    const unsigned before = atomic_load(&s->searches);
    for (int ms = 0; ms < 60000 && atomic_load(&s->searches) - before < more; ms++)
        sleep_ms(1);
    assert_true(atomic_load(&s->searches) - before >= more);
}

static void grow(scene *s)
{
    const unsigned first = atomic_load(&s->put);
    for (unsigned key = first; key < first + MORE; key++) {
        must(kith_store_put_u64(s->b.store, key, row_at(&s->rows, key)));
        atomic_store(&s->put, key + 1);
    }
    must(kith_index_build(s->b.index, NULL, NULL));
    await_searches(s, 20);
    must(kith_replicas_refresh(s->replicas, NULL, NULL));
    await_searches(s, 20);
}

static void crowd(kith_index_kind kind, uint32_t partitions)
{
    uint64_t random = check_seed();
    pthread_t threads[SEARCHERS];
    scene *s = calloc(1, sizeof *s);
    assert_non_null(s);
    bench_open_walk(&s->b, kind, KITH_WALK_ROWS, KITH_U8, N, 1, &random);
    shaky_use_opencl();
    s->rows = matrix_uniform(KITH_U8, 16, N + ROUNDS * MORE, &random);
    memcpy(s->rows.bytes, s->b.rows.bytes, N * row_bytes(&s->rows));
    atomic_store(&s->put, N);
    atomic_store(&s->seed, check_random(&random));
    s->replicas = replicas_on(&s->b, halves, 2, partitions, 2);
    for (int i = 0; i < SEARCHERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, search_rows, s), 0);
    for (int round = 0; round < ROUNDS; round++)
        grow(s);
    atomic_store(&s->over, true);
    for (int i = 0; i < SEARCHERS; i++)
        pthread_join(threads[i], NULL);
    if (atomic_load(&s->complaints))
        fail_msg("%u complaints in %u searches, the first: %s", atomic_load(&s->complaints),
                 atomic_load(&s->searches), s->complaint);
    check_copies(s->replicas, partitions, 2, N + ROUNDS * MORE);
    for (uint64_t key = 0; key < N + ROUNDS * MORE; key += 7)
        search_key(s, key);
    assert_int_equal(atomic_load(&s->complaints), 0);
    kith_replicas_close(s->replicas);
    matrix_free(&s->rows);
    bench_close(&s->b);
    free(s);
}

static void builds_beside_searches(void **state)
{
    (void)state;
    need_pocl(1);
    crowd(KITH_FLAT, 1);
    crowd(KITH_HNSW, 1);
    crowd(KITH_HNSW, 2);
}

/* Fifty times as far out as the rows that the codes were learnt from; half of the queries too. */
static void put_far_rows(shaky_bench *b, uint64_t *random)
{
    matrix far = matrix_clustered(KITH_F32, b->rows.dim, 2 * N, 9, random);
    for (size_t i = 0; i < far.n * far.dim; i++)
        floats_at(&far, 0)[i] *= 50;
    for (uint64_t i = 0; i < far.n; i++)
        must(kith_store_put_u64(b->store, N + i, row_at(&far, i)));
    for (size_t i = 0; i < b->queries.n; i += 2)
        memcpy(row_at(&b->queries, i), row_at(&far, i), row_bytes(&far));
    matrix_free(&far);
}

/* Without a refresh both devices find by themselves that they are behind, and the host would answer
 * meanwhile: so there it may not, and queries wait for the devices. */
static void learns_anew(bool refresh, uint64_t *random)
{
    kith_replicas_options options = kith_replicas_defaults(1, 2);
    kith_search_options search = kith_search_defaults(K);
    kith_replicas_report report = {.size = sizeof report};
    shaky_bench b;
    bench_open_walk(&b, KITH_HNSW, KITH_WALK_SQ8, KITH_F32, N, QUERIES, random);
    shaky_use_opencl();
    kith_replicas *r = NULL;
    options.devices = halves;
    options.device_count = 2;
    options.host = refresh ? 0 : 1;
    must(kith_replicas_create(b.index, &options, NULL, NULL, &r));
    const uint64_t digest = copy_info(r, 0).digest;
    const uint32_t lessons = b.index->graph->codes->lessons;
    search_as_index(&b, r, QUERIES, &search, &report, "before");
    put_far_rows(&b, random);
    search_as_index(&b, r, QUERIES, &search, &report, "rows that are not built");
    must(kith_index_build(b.index, NULL, NULL));
    assert_true(b.index->graph->codes->lessons > lessons);
    if (refresh) {
        must(kith_replicas_refresh(r, NULL, NULL));
        check_copies(r, 1, 2, 3 * N);
        assert_true(copy_info(r, 0).digest != digest);
    }
    search_as_index(&b, r, QUERIES, &search, &report, refresh ? "refreshed" : "left to itself");
    assert_int_equal(report.mode, KITH_MODE_CODES);
    assert_int_equal(report.on_host, 0);
    must(kith_replicas_drop(r, halves[0])); /* the other one alone */
    search_as_index(&b, r, QUERIES, &search, &report, "one copy");
    assert_int_equal(report.on_host, 0);
    kith_replicas_close(r);
    bench_close(&b);
}

static void codes_learnt_anew(void **state)
{
    (void)state;
    need_pocl(1);
    uint64_t random = check_seed();
    learns_anew(true, &random);
    learns_anew(false, &random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(builds_beside_searches),
                                       cmocka_unit_test(codes_learnt_anew)};
    opencl_shows("pthread");
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    opencl_shows_no_more();
    return failed;
}

/* Property: while sketches of an index are made, replicas of it answer other threads, and answer
 * what they did before; sketches made by several threads at once are the bytes that one makes; and
 * any number of threads may then search with them. (A thread checker finds what a wrong answer does
 * not show.)
 */
#include "index/objects.h"
#include "index/sketch.h"
#include "tests/sketch_data.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

enum { N = 300, QUERIES = 10, DIM = 192, K = 5, THREADS = 3, TIMES = 2 };

typedef struct arena {
    matrix queries;
    kith_index *index;
    kith_replicas *replicas;
    kith_hit expected[QUERIES * K];
    atomic_uint rounds;
    atomic_bool stop;
} arena;

typedef struct visitor {
    arena *arena;
    const char *complaint;
} visitor;

static arena *open_arena(kith_store **store, uint32_t threads)
{
    uint64_t random = check_seed();
    matrix rows = mixtures(KITH_U8, DIM, N, 7, &random);
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    arena *a = calloc(1, sizeof *a);
    assert_non_null(a);
    options.threads = threads;
    options.ef_construction = 40;
    a->queries = mixtures(KITH_U8, DIM, QUERIES, 7, &random);
    *store = store_of(&rows, KITH_L2SQ);
    a->index = index_on(*store, &options);
    must(kith_index_build(a->index, NULL, NULL));
    matrix_free(&rows);
    return a;
}

static void close_arena(arena *a, kith_store *store)
{
    kith_replicas_close(a->replicas);
    kith_index_close(a->index);
    kith_store_close(store);
    matrix_free(&a->queries);
    free(a);
}

static void start(arena *a, visitor *visitors, pthread_t *threads, void *(*visit)(void *))
{
    for (uint32_t i = 0; i < THREADS; i++) {
        visitors[i] = (visitor){a, NULL};
        assert_int_equal(pthread_create(&threads[i], NULL, visit, &visitors[i]), 0);
    }
}

static void join(const visitor *visitors, const pthread_t *threads)
{
    for (uint32_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < THREADS; i++)
        if (visitors[i].complaint)
            fail_msg("thread %u: %s", i, visitors[i].complaint);
}

/* ---- replicas ---- */

static void *ask_replicas(void *argument)
{
    visitor *v = argument;
    arena *a = v->arena;
    const kith_search_options options = kith_search_defaults(K);
    kith_hit hits[QUERIES * K];
    while (!atomic_load(&a->stop) && !v->complaint) {
        if (kith_replicas_search(a->replicas, a->queries.bytes, QUERIES, &options, hits, NULL))
            v->complaint = kith_last_error();
        else if (memcmp(hits, a->expected, sizeof hits) != 0)
            v->complaint = "another answer than before";
        atomic_fetch_add(&a->rounds, 1);
    }
    return NULL;
}

static void beside_replicas(void **state)
{
    (void)state;
    static const char *const devices[] = {"cpu"};
    kith_store *store;
    arena *a = open_arena(&store, 2);
    kith_replicas_options options = kith_replicas_defaults(1, 1);
    const kith_search_options search = kith_search_defaults(K);
    visitor visitors[THREADS];
    pthread_t threads[THREADS];
    options.devices = devices;
    options.device_count = 1;
    options.threads = 2;
    must(kith_replicas_create(a->index, &options, NULL, NULL, &a->replicas));
    must(kith_replicas_search(a->replicas, a->queries.bytes, QUERIES, &search, a->expected, NULL));
    start(a, visitors, threads, ask_replicas);
    for (uint32_t i = 0; i < TIMES; i++) {
        const uint32_t before = atomic_load(&a->rounds);
        float spared = 0;
        while (atomic_load(&a->rounds) < before + THREADS) /* they are at it */
            sched_yield();
        must(kith_index_sketch(a->index, &spared));
        assert_true(spared >= 0.4f);
    }
    atomic_store(&a->stop, true);
    join(visitors, threads);
    close_arena(a, store);
}

/* ---- searches with sketches ---- */

static void *ask_index(void *argument)
{
    visitor *v = argument;
    const arena *a = v->arena;
    const kith_search_options options = kith_search_defaults(K);
    kith_search_stats stats = {.size = sizeof stats};
    kith_hit hits[QUERIES * K];
    for (uint32_t i = 0; i < TIMES && !v->complaint; i++)
        if (kith_index_search(a->index, a->queries.bytes, QUERIES, &options, hits, &stats))
            v->complaint = kith_last_error();
        else if (!stats.sketches || memcmp(hits, a->expected, sizeof hits) != 0)
            v->complaint = "another answer than alone";
    return NULL;
}

static void many_search(void **state)
{
    (void)state;
    kith_store *store, *other_store;
    arena *a = open_arena(&store, 3), *alone = open_arena(&other_store, 1);
    const kith_search_options search = kith_search_defaults(K);
    visitor visitors[THREADS];
    pthread_t threads[THREADS];
    must(kith_index_sketch(a->index, NULL));
    must(kith_index_sketch(alone->index, NULL));
    const ki_sketch *ours = a->index->graph->sketch, *theirs = alone->index->graph->sketch;
    assert_memory_equal(ours->arena.base, theirs->arena.base, N * ours->rows.stride);
    must(kith_index_search(alone->index, a->queries.bytes, QUERIES, &search, a->expected, NULL));
    start(a, visitors, threads, ask_index);
    join(visitors, threads);
    close_arena(alone, other_store);
    close_arena(a, store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beside_replicas),
        cmocka_unit_test(many_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

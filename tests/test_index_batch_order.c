/* Property: many queries in a call are answered as each of them alone, hit by hit and count by
 * count, although they are walked in another order: for rows and codes, with and without a sketch,
 * by one thread and by three. The order is one of regions, and holds every query once.
 */
#include "index/objects.h"
#include "index/searcher.h"
#include "tests/sketch_data.h"

#include <string.h>

enum { N = 5000, QUERIES = CHECK_RACES ? 60 : 300, FEW = 5, DIM = 256, K = 7 };

typedef struct scene {
    matrix rows, queries;
    kith_store *store;
    kith_index *index;
} scene;

static scene open_scene(kith_type type, uint64_t *random)
{
    scene s;
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    options.threads = 1;
    options.m = 8;
    options.ef_construction = 40;
    s.rows = mixtures(type, DIM, N, 7, random);
    s.queries = mixtures(type, DIM, QUERIES, 7, random);
    s.store = store_of(&s.rows, KITH_L2SQ);
    s.index = index_on(s.store, &options);
    must(kith_index_build(s.index, NULL, NULL));
    return s;
}

static void close_scene(scene *s)
{
    kith_index_close(s->index);
    kith_store_close(s->store);
    matrix_free(&s->rows);
    matrix_free(&s->queries);
}

static void same_as_alone(const scene *s, uint32_t threads)
{
    kith_search_options options = kith_search_defaults(K);
    kith_search_stats all = {.size = sizeof all}, sum = {.size = sizeof sum};
    kith_hit *hits = malloc(QUERIES * K * sizeof *hits), alone[K];
    assert_non_null(hits);
    options.ef = 20;
    options.threads = threads;
    must(kith_index_search(s->index, s->queries.bytes, QUERIES, &options, hits, &all));
    for (size_t q = 0; q < QUERIES; q++) {
        kith_search_stats one = {.size = sizeof one};
        must(kith_index_search(s->index, row_at(&s->queries, q), 1, &options, alone, &one));
        for (size_t i = 0; i < K; i++) {
            assert_int_equal(alone[i].row, hits[q * K + i].row);
            assert_memory_equal(&alone[i].distance, &hits[q * K + i].distance, sizeof(float));
        }
        sum.distances += one.distances;
        sum.hops += one.hops;
        sum.sketches += one.sketches;
        sum.reranks += one.reranks;
    }
    assert_int_equal(sum.distances, all.distances);
    assert_int_equal(sum.hops, all.hops);
    assert_int_equal(sum.sketches, all.sketches);
    assert_int_equal(sum.reranks, all.reranks);
    free(hits);
}

/* ---- the order itself ---- */

typedef struct given {
    const uint64_t *region;
} given;

static kith_status region_of(void *context, uint32_t worker, size_t number, uint32_t layer,
                             uint64_t *region)
{
    const given *g = context;
    (void)worker;
    assert_in_range(layer, 1, KI_LAYERS_MAX - 1);
    if (number == N - 1 && g->region[number] == UINT64_MAX)
        return ki_fail(KITH_ENOMEM, "no region for the last");
    *region = g->region[number];
    return KITH_OK;
}

static void each_once_by_region(const scene *s, uint64_t random)
{
    uint64_t region[N];
    static ki_place_of order[N];
    given g = {.region = region};
    ki_workers *crew;
    bool met[N] = {false};
    const uint32_t layer = ki_order_layer(s->index->graph, N);
    must(ki_workers_open(3, &crew));
    for (size_t i = 0; i < N; i++)
        region[i] = check_random(&random) % 300 << 32 | check_random(&random) % 3;
    must(ki_order(layer, region_of, &g, N, crew, order));
    for (size_t i = 0; i < N; i++) {
        assert_true(order[i].number < N && !met[order[i].number]);
        met[order[i].number] = true;
        assert_true(order[i].region == region[order[i].number]);
        if (i)
            assert_true(
                order[i - 1].region < order[i].region ||
                (order[i - 1].region == order[i].region && order[i - 1].number < order[i].number));
    }
    region[N - 1] = UINT64_MAX;
    must_fail(ki_order(layer, region_of, &g, N, crew, order), KITH_ENOMEM, "the last");
    ki_workers_close(crew);
}

/* ---- what comes of it ---- */

static void many_are_as_one(void **state)
{
    (void)state;
    static const kith_type types[] = {KITH_U8, KITH_F32};
    uint64_t random = check_seed();
    for (size_t i = 0; i < (CHECK_RACES ? 1 : sizeof types / sizeof *types); i++) {
        scene s = open_scene(types[i], &random);
        float spared;
        assert_int_not_equal(ki_order_layer(s.index->graph, QUERIES), 0);
        assert_int_equal(ki_order_layer(s.index->graph, FEW), 0);
        if (types[i] == KITH_U8)
            each_once_by_region(&s, random);
        same_as_alone(&s, 1);
        same_as_alone(&s, 3);
        must(kith_index_sketch(s.index, &spared));
        assert_non_null(s.index->graph->sketch);
        same_as_alone(&s, 3);
        close_scene(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(many_are_as_one)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

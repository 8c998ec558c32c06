/* Property: a walk with sketches finds nearly all that one without finds, with the distances of the
 * rows, and measures fewer than six in ten of them; hits are the same for every number of threads
 * that made the sketches and on every instruction set. Estimates are from below, and say something.
 * Sketches that spare nothing are not kept, a build drops those that are, and rows that came or
 * went since are heeded.
 */
#include "index/objects.h"
#include "index/sketch.h"
#include "tests/sketch_data.h"

#include <string.h>

enum { N = 2000, QUERIES = 40, DIM = 256, K = 10, EF = 40, FEWER = 120 };

typedef struct scene {
    kith_metric metric;
    matrix rows, queries;
    kith_store *store;
} scene;

static scene open_scene(kith_type type, kith_metric metric)
{
    uint64_t random = check_seed();
    scene s = {.metric = metric};
    s.rows = mixtures(type, DIM, N, 7, &random);
    s.queries = mixtures(type, DIM, QUERIES, 7, &random);
    s.store = store_of(&s.rows, metric);
    return s;
}

static void close_scene(scene *s)
{
    kith_store_close(s->store);
    matrix_free(&s->rows);
    matrix_free(&s->queries);
}

static kith_index *built(kith_store *store, uint32_t threads)
{
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    options.threads = threads;
    options.ef_construction = 60;
    kith_index *index = index_on(store, &options);
    must(kith_index_build(index, NULL, NULL));
    return index;
}

static kith_search_stats search(kith_index *index, const matrix *queries, kith_hit *hits)
{
    kith_search_options options = kith_search_defaults(K);
    kith_search_stats stats = {.size = sizeof stats};
    options.ef = EF;
    must(kith_index_search(index, queries->bytes, queries->n, &options, hits, &stats));
    return stats;
}

static double recall(const scene *s, const bool *live, const kith_hit *hits)
{
    naive_hit *ranking = malloc(s->rows.n * sizeof *ranking);
    uint32_t right = 0;
    for (size_t i = 0; i < QUERIES; i++) {
        const void *query = row_at(&s->queries, i);
        const size_t n = naive_ranking(s->metric, &s->rows, live, query, ranking);
        check_plausible(s->metric, &s->rows, live, query, hits + i * K, K);
        right += count_right(ranking, n, s->metric, &s->rows, query, hits + i * K, K);
    }
    free(ranking);
    return (double)right / (QUERIES * K);
}

static void check_finds(kith_type type, kith_metric metric)
{
    scene s = open_scene(type, metric);
    kith_index *index = built(s.store, 0);
    kith_hit hits[QUERIES * K];
    float spared = 0;
    const kith_search_stats plain = search(index, &s.queries, hits);
    const double without = recall(&s, NULL, hits);
    must(kith_index_sketch(index, &spared));
    assert_true(spared >= 0.4f && spared < 1);
    const kith_search_stats sketched = search(index, &s.queries, hits);
    const double with = recall(&s, NULL, hits);
    if (with < without - 0.02 || with < 0.9)
        fail_msg("%s %s: recall %.3f, without sketches %.3f", kith_type_name(type),
                 kith_metric_name(metric), with, without);
    assert_int_equal(plain.sketches, 0);
    assert_true(sketched.sketches >= sketched.distances / 2);
    assert_true(sketched.distances * 10 < plain.distances * 6);
    assert_int_equal(sketched.mode, plain.mode);
    kith_index_close(index);
    close_scene(&s);
}

static void finds_and_spares(void **state)
{
    (void)state;
    check_finds(KITH_U8, KITH_L2SQ);
    check_finds(KITH_I8, KITH_L2SQ);
    check_finds(KITH_F32, KITH_L2SQ);
    check_finds(KITH_F16, KITH_COSINE);
}

/* One crew of each size; one searcher of each level. */
static void same_everywhere(void **state)
{
    (void)state;
    scene s = open_scene(KITH_U8, KITH_L2SQ);
    kith_hit first[QUERIES * K], hits[QUERIES * K];
    for (uint32_t threads = 1; threads <= 3; threads++) {
        kith_index *index = built(s.store, threads);
        const char *cpu;
        must(kith_index_sketch(index, NULL));
        search(index, &s.queries, threads == 1 ? first : hits);
        if (threads > 1)
            assert_memory_equal(hits, first, sizeof hits);
        for (size_t level = 0; (cpu = kith_cpu_level(level)); level++) {
            kith_search_options options = kith_search_defaults(K);
            kith_searcher *searcher = NULL;
            options.ef = EF;
            must(kith_searcher_create(index, &options, cpu, &searcher));
            for (size_t i = 0; i < QUERIES; i++)
                must(kith_searcher_search(searcher, row_at(&s.queries, i), hits + i * K, NULL,
                                          NULL));
            assert_memory_equal(hits, first, sizeof hits);
            kith_searcher_close(searcher);
        }
        kith_index_close(index);
    }
    close_scene(&s);
}

/* By the scalar kernels: of hits, where they decide, hardly ever above the distance; of rows all
 * over the place near it. */
static void estimates_from_below(void **state)
{
    (void)state;
    scene s = open_scene(KITH_U8, KITH_L2SQ);
    kith_index *index = built(s.store, 1);
    ki_kernels kernels;
    ki_sketcher sketcher;
    kith_hit hits[QUERIES * K];
    uint32_t below = 0, rows[K + 2], keys[K + 2];
    must(kith_index_sketch(index, NULL));
    search(index, &s.queries, hits);
    ki_kernels_fill(0, &kernels);
    const ki_sketch *sketch = index->graph->sketch;
    const double zero = ki_sketch_limit(sketch, 0);
    must(ki_sketcher_open(sketch, &kernels, &sketcher));
    for (uint32_t i = 0; i < QUERIES; i++) {
        const void *query = row_at(&s.queries, i);
        for (uint32_t j = 0; j < K + 2; j++)
            rows[j] = j < K ? hits[i * K + j].row : i * 31 + j;
        ki_sketcher_aim(&sketcher, query);
        ki_sketcher_estimate(&sketcher, rows, K + 2, keys);
        for (uint32_t j = 0; j < K + 2; j++) {
            const double distance =
                naive_distance(s.metric, &s.rows, query, row_at(&s.rows, rows[j]));
            const double limit = ki_sketch_limit(sketch, distance);
            below += j < K && keys[j] <= limit;
            assert_true(keys[j] - zero > 0.5 * (limit - zero));
            assert_true(keys[j] - zero < 1.25 * (limit - zero));
        }
    }
    print_message("%u of %u below\n", below, QUERIES * K);
    assert_true(below > QUERIES * K * 0.85);
    ki_sketcher_close(&sketcher);
    kith_index_close(index);
    close_scene(&s);
}

/* Every direction counts as much as the next: 96 of 512 tell little. */
static void noise_is_not_sketched(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix rows = matrix_uniform(KITH_U8, 512, 1500, &random);
    kith_store *store = store_of(&rows, KITH_L2SQ);
    kith_index *index = built(store, 0);
    float spared = 1;
    must(kith_index_sketch(index, &spared));
    assert_true(spared < 0.4f);
    assert_null(index->graph->sketch);
    kith_index_close(index);
    kith_store_close(store);
    matrix_free(&rows);
}

/* A row that died is not found, one that came is, and a build forgets the sketches. */
static void heeds_what_changed(void **state)
{
    (void)state;
    scene s = open_scene(KITH_U8, KITH_L2SQ);
    kith_index *index = built(s.store, 0);
    kith_hit hits[QUERIES * K];
    bool live[N];
    must(kith_index_sketch(index, NULL));
    for (uint32_t i = 0; i < N; i++)
        live[i] = i % 3 != 1;
    for (uint32_t i = 1; i < N; i += 3)
        must(kith_store_del_u64(s.store, i));
    search(index, &s.queries, hits);
    assert_true(recall(&s, live, hits) > 0.9);
    must(kith_store_put_u64(s.store, N, row_at(&s.queries, 0)));
    assert_true(search(index, &s.queries, hits).sketches > 0);
    assert_int_equal(hits[0].key, N);
    must(kith_index_build(index, NULL, NULL));
    assert_int_equal(search(index, &s.queries, hits).sketches, 0);
    must(kith_index_sketch(index, NULL));
    assert_true(search(index, &s.queries, hits).sketches > 0);
    assert_int_equal(hits[0].key, N);
    kith_index_close(index);
    close_scene(&s);
}

/* A searcher that was made before the sketches uses them, and one from before a build does not. */
static void a_searcher_from_before(void **state)
{
    (void)state;
    scene s = open_scene(KITH_F32, KITH_L2SQ);
    kith_index *index = built(s.store, 0);
    const kith_search_options options = kith_search_defaults(K);
    kith_search_stats stats = {.size = sizeof stats};
    kith_searcher *searcher = NULL;
    kith_hit hits[K];
    must(kith_searcher_create(index, &options, NULL, &searcher));
    must(kith_index_sketch(index, NULL));
    must(kith_searcher_search(searcher, s.queries.bytes, hits, NULL, &stats));
    assert_true(stats.sketches > 0);
    must(kith_index_build(index, NULL, NULL));
    must(kith_searcher_search(searcher, s.queries.bytes, hits, NULL, &stats));
    assert_int_equal(stats.sketches, 0);
    kith_searcher_close(searcher);
    kith_index_close(index);
    close_scene(&s);
}

static void refuse(kith_type type, uint32_t dim, kith_metric metric, kith_walk walk,
                   const char *part)
{
    uint64_t random = check_seed();
    matrix rows = matrix_uniform(type, dim, 50, &random);
    kith_store *store = store_of(&rows, metric);
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    float spared = 5;
    options.walk = walk;
    kith_index *index = index_on(store, &options);
    must_fail(kith_index_sketch(index, &spared), KITH_EINVAL, "build it first");
    must(kith_index_build(index, NULL, NULL));
    must_fail(kith_index_sketch(index, &spared), KITH_EUNSUPPORTED, part);
    assert_true(spared == 5);
    kith_index_close(index);
    options = kith_index_defaults(KITH_FLAT);
    index = index_on(store, &options);
    must_fail(kith_index_sketch(index, &spared), KITH_EINVAL, "flat");
    kith_index_close(index);
    kith_store_close(store);
    matrix_free(&rows);
}

static void refusals(void **state)
{
    (void)state;
    refuse(KITH_U8, 191, KITH_L2SQ, KITH_WALK_AUTO, "191");
    refuse(KITH_U8, 200, KITH_COSINE, KITH_WALK_AUTO, "cosine");
    refuse(KITH_F32, 200, KITH_L2SQ, KITH_WALK_ROWS, "f32");
    refuse(KITH_F32, 200, KITH_IP, KITH_WALK_SQ8, "ip");
    refuse(KITH_U8, 200, KITH_L2SQ, KITH_WALK_SQ4, "4 or 1");
}

/* Whichever allocation fails, the index answers as before. */
static void survives_oom(void **state)
{
    (void)state;
    scene s = open_scene(KITH_U8, KITH_L2SQ);
    for (uint32_t i = FEWER; i < N; i++)
        must(kith_store_del_u64(s.store, i));
    kith_index *index = built(s.store, 1);
    kith_hit before[QUERIES * K], hits[QUERIES * K];
    kith_status status = KITH_ENOMEM;
    uint64_t n = 1;
    search(index, &s.queries, before);
    for (; status && n < 1000; n++) {
        ki_alloc_fail_at(n);
        status = kith_index_sketch(index, NULL);
        ki_alloc_fail_at(0);
        if (!status)
            break;
        assert_int_equal(status, KITH_ENOMEM);
        assert_non_null(strstr(kith_last_error(), "no memory"));
        if (n % 8 == 0)
            search(index, &s.queries, hits);
        if (n % 8 == 0)
            assert_memory_equal(hits, before, sizeof hits);
    }
    print_message("%u allocations\n", (unsigned)n);
    assert_in_range(n, 20, 999);
    kith_index_close(index);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_and_spares),
        cmocka_unit_test(same_everywhere),
        cmocka_unit_test(estimates_from_below),
        cmocka_unit_test(noise_is_not_sketched),
        cmocka_unit_test(heeds_what_changed),
        cmocka_unit_test(a_searcher_from_before),
        cmocka_unit_test(refusals),
        cmocka_unit_test(survives_oom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

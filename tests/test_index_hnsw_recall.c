/* Property: on clustered data the graph finds at least 95 of 100 true neighbours at k = 10 and
 * ef = 100, for every type and metric; what it returns carries the right distance in ascending
 * order; it computes a fraction of the distances that a scan would; and the graph is valid.
 */
#include "tests/index_data.h"

enum { N = 2500, QUERIES = 60, DIM = 24, K = 10, EF = 100 };

typedef struct world {
    kith_metric metric;
    matrix rows, queries;
    kith_store *store;
    kith_index *index;
    naive_hit *ranking;
} world;

static world open_world(kith_type type, kith_metric metric, uint64_t *random)
{
    matrix all = matrix_clustered(type, DIM, N + QUERIES, 40, random);
    world w = {.metric = metric, .rows = all, .queries = all};
    w.rows.n = N;
    w.queries.n = QUERIES;
    w.queries.bytes = row_at(&all, N);
    w.store = store_of(&w.rows, metric);
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    options.threads = 2;
    w.index = index_on(w.store, &options);
    must(kith_index_build(w.index, NULL, NULL));
    must(kith_index_check(w.index));
    w.ranking = malloc(N * sizeof *w.ranking);
    return w;
}

static void close_world(world *w)
{
    kith_index_close(w->index);
    kith_store_close(w->store);
    free(w->ranking);
    matrix_free(&w->rows);
}

static void check_stats(const world *w)
{
    kith_index_stats stats = {.size = sizeof stats};
    must(kith_index_stat(w->index, &stats));
    assert_int_equal(stats.nodes, N);
    assert_true(stats.layers >= 2 && stats.layers <= 6);
    assert_true(stats.links >= 2 * (N - 1) && stats.links <= 32 * N);
    assert_int_equal(stats.threads, 2);
    assert_true(stats.build_seconds > 0 && stats.bytes > N * 32 * 4 && stats.digest);
}

/* The right answers of all queries together; each batch of hits is judged on the way. */
static uint32_t search_all(const world *w, uint32_t threads, uint64_t *distances)
{
    kith_search_options options = kith_search_defaults(K);
    kith_search_stats stats = {.size = sizeof stats};
    kith_hit hits[QUERIES * K];
    uint32_t right = 0;
    options.ef = EF;
    options.threads = threads;
    must(kith_index_search(w->index, w->queries.bytes, QUERIES, &options, hits, &stats));
    for (size_t q = 0; q < QUERIES; q++) {
        const void *query = row_at(&w->queries, q);
        size_t count = naive_ranking(w->metric, &w->rows, NULL, query, w->ranking);
        assert_int_equal(check_plausible(w->metric, &w->rows, NULL, query, hits + q * K, K), K);
        right += count_right(w->ranking, count, w->metric, &w->rows, query, hits + q * K, K);
        for (uint32_t i = 0; i < K; i++)
            assert_int_equal(hits[q * K + i].key, hits[q * K + i].row);
    }
    assert_true(stats.hops >= QUERIES && stats.hops <= stats.distances);
    *distances = stats.distances;
    return right;
}

static void check_recall(kith_type type, kith_metric metric, uint64_t *random)
{
    uint64_t distances, again;
    world w = open_world(type, metric, random);
    check_stats(&w);
    uint32_t right = search_all(&w, 1, &distances);
    printf("%s %s: recall@10 %.4f, %.0f distances a query\n", kith_type_name(type),
           kith_metric_name(metric), right / (double)(QUERIES * K), (double)distances / QUERIES);
    assert_true(right >= 95 * QUERIES * K / 100);
    assert_true(distances < (uint64_t)QUERIES * N / 2);
    assert_int_equal(search_all(&w, 3, &again), right);
    assert_int_equal(again, distances);
    close_world(&w);
}

static void recall_is_high(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    for (size_t i = 0; i < KINDS; i++)
        check_recall(kinds[i].type, kinds[i].metric, &random);
}

/* A searcher gives what the batch call gives, whatever the instruction set and the prefetch. */
static void searcher_equals_batch(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    const char *level;
    world w = open_world(KITH_U8, KITH_L2SQ, &random);
    kith_search_options options = kith_search_defaults(K);
    kith_hit batch[QUERIES * K], hits[K];
    must(kith_index_search(w.index, w.queries.bytes, QUERIES, &options, batch, NULL));
    for (size_t i = 0; (level = kith_cpu_level(i)); i++) {
        kith_searcher *searcher = NULL;
        options.prefetch_lines = (uint32_t)(i % 4 * 21);
        must(kith_searcher_create(w.index, &options, level, &searcher));
        for (size_t q = 0; q < QUERIES; q++) {
            size_t found = 0;
            kith_search_stats stats = {.size = sizeof stats};
            must(kith_searcher_search(searcher, row_at(&w.queries, q), hits, &found, &stats));
            assert_int_equal(found, K);
            assert_true(stats.distances > 0 && stats.distances < N);
            for (uint32_t j = 0; j < K; j++) {
                assert_int_equal(hits[j].row, batch[q * K + j].row);
                assert_true(hits[j].distance == batch[q * K + j].distance);
            }
        }
        kith_searcher_close(searcher);
    }
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recall_is_high),
        cmocka_unit_test(searcher_equals_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Property: an index of any row type takes f32 queries when its options say so. A flat index then
 * gives what a naive search gives over the widened rows, on every level of the ladder; a walk finds
 * at least 95 of 100 of them, and its searcher and its batch agree; rows of bits meet the bits of
 * x > 0, exactly as if the caller had packed them; f32 rows do not notice.
 */
#include "tests/index_data.h"

#include <math.h>
#include <string.h>

enum { N = 1500, NEWER = 100, QUERIES = 40, DIM = 21, K = 10 };

typedef struct scene {
    kith_metric metric;
    matrix rows, wide, queries; /* the first as the store has them; queries are f32 */
    kith_store *store;
    naive_hit *ranking;
} scene;

/* Queries between the rows: half-way from one to another, where no integer is. */
static scene open_scene(const row_kind *which)
{
    uint64_t random = check_seed();
    scene s = {.metric = which->metric};
    s.rows = matrix_clustered(which->type, DIM, N, 20, &random);
    s.wide = matrix_widened(&s.rows);
    s.queries = matrix_uniform(KITH_F32, DIM, QUERIES, &random);
    for (size_t q = 0; q < QUERIES; q++) {
        const float *from = floats_at(&s.wide, check_below(&random, N));
        const float *to = floats_at(&s.wide, check_below(&random, N));
        for (uint32_t j = 0; j < DIM; j++)
            floats_at(&s.queries, q)[j] = from[j] + 0.49f * (to[j] - from[j]);
    }
    s.rows.n = N - NEWER;
    s.store = store_of(&s.rows, s.metric);
    s.ranking = malloc(N * sizeof *s.ranking);
    return s;
}

static void close_scene(scene *s)
{
    kith_store_close(s->store);
    matrix_free(&s->rows);
    matrix_free(&s->wide);
    matrix_free(&s->queries);
    free(s->ranking);
}

/* Rows that no build has seen. */
static void put_newer(scene *s)
{
    for (size_t i = s->rows.n; i < N; i++)
        must(kith_store_put_u64(s->store, i, row_at(&s->rows, i)));
    s->rows.n = N;
}

static kith_search_options options_of(uint32_t f32_queries)
{
    kith_search_options options = kith_search_defaults(K);
    options.f32_queries = f32_queries;
    options.threads = 2;
    return options;
}

static void check_flat(const scene *s)
{
    const kith_search_options search = options_of(1);
    const char *level;
    kith_hit hits[QUERIES * K];
    for (size_t i = 0; (level = kith_cpu_level(i)); i++) {
        kith_index_options options = kith_index_defaults(KITH_FLAT);
        options.cpu = level;
        options.threads = 2;
        kith_index *index = index_on(s->store, &options);
        must(kith_index_search(index, s->queries.bytes, QUERIES, &search, hits, NULL));
        for (size_t q = 0; q < QUERIES; q++) {
            const void *query = row_at(&s->queries, q);
            size_t count = naive_ranking(s->metric, &s->wide, NULL, query, s->ranking);
            check_hits(s->metric, &s->wide, query, s->ranking, count, hits + q * K, K);
        }
        kith_index_close(index);
    }
}

static void check_walk(const scene *s, kith_index *index)
{
    const kith_search_options search = options_of(1);
    kith_hit hits[QUERIES * K], alone[K];
    kith_searcher *searcher = NULL;
    uint32_t right = 0;
    must(kith_index_search(index, s->queries.bytes, QUERIES, &search, hits, NULL));
    must(kith_searcher_create(index, &search, NULL, &searcher));
    for (size_t q = 0; q < QUERIES; q++) {
        const void *query = row_at(&s->queries, q);
        size_t count = naive_ranking(s->metric, &s->wide, NULL, query, s->ranking);
        assert_int_equal(check_plausible(s->metric, &s->wide, NULL, query, hits + q * K, K), K);
        right += count_right(s->ranking, count, s->metric, &s->wide, query, hits + q * K, K);
        must(kith_searcher_search(searcher, query, alone, NULL, NULL));
        assert_memory_equal(alone, hits + q * K, sizeof alone);
    }
    if (right < 95 * QUERIES * K / 100)
        fail_msg("%s: %u of %d are right", kith_metric_name(s->metric), right, QUERIES * K);
    kith_searcher_close(searcher);
}

static void rows_of_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        if (kinds[i].type == KITH_B1)
            continue;
        scene s = open_scene(&kinds[i]);
        kith_index_options options = kith_index_defaults(KITH_HNSW);
        kith_index *graph = index_on(s.store, &options);
        must(kith_index_build(graph, NULL, NULL));
        put_newer(&s);
        check_flat(&s);
        check_walk(&s, graph);
        kith_index_close(graph);
        close_scene(&s);
    }
}

static void rows_of_bits(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    for (int metric = KITH_HAMMING; metric <= KITH_JACCARD; metric++) {
        const kith_search_options as_f32 = options_of(1), as_bits = options_of(0);
        kith_hit hits[QUERIES * K], expected[QUERIES * K];
        matrix rows = matrix_clustered(KITH_B1, DIM, N, 20, &random);
        matrix bits = matrix_uniform(KITH_B1, DIM, QUERIES, &random), wide = matrix_widened(&bits);
        kith_store *store = store_of(&rows, (kith_metric)metric);
        for (size_t i = 0; i < QUERIES * DIM; i++) /* any number for a 0, any above 0 for a 1 */
            floats_at(&wide, 0)[i] = (floats_at(&wide, 0)[i] - (float)(i % 2) / 2) * 3;
        for (size_t i = 0; i < QUERIES * DIM; i++)
            set_element(KITH_B1, row_at(&bits, i / DIM), (uint32_t)(i % DIM),
                        floats_at(&wide, 0)[i]);
        for (int which = KITH_FLAT; which <= KITH_HNSW; which++) {
            kith_index_options options = kith_index_defaults((kith_index_kind)which);
            kith_index *index = index_on(store, &options);
            must(kith_index_build(index, NULL, NULL));
            must(kith_index_search(index, wide.bytes, QUERIES, &as_f32, hits, NULL));
            must(kith_index_search(index, bits.bytes, QUERIES, &as_bits, expected, NULL));
            assert_memory_equal(hits, expected, sizeof hits);
            kith_index_close(index);
        }
        kith_store_close(store);
        matrix_free(&rows);
        matrix_free(&bits);
        matrix_free(&wide);
    }
}

static void refusals(void **state)
{
    (void)state;
    const row_kind which = {KITH_F16, KITH_L2SQ};
    scene s = open_scene(&which);
    const kith_search_options search = options_of(1);
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    kith_index *index = index_on(s.store, &options);
    kith_searcher *searcher = NULL;
    kith_hit hits[QUERIES * K] = {{.row = 7}};
    floats_at(&s.queries, 3)[5] = INFINITY;
    must_fail(kith_index_search(index, s.queries.bytes, QUERIES, &search, hits, NULL), KITH_EINVAL,
              "element 5 of query 3 is infinite");
    must(kith_searcher_create(index, &search, NULL, &searcher));
    must_fail(kith_searcher_search(searcher, row_at(&s.queries, 3), hits, NULL, NULL), KITH_EINVAL,
              "element 5");
    assert_int_equal(hits[0].row, 7);
    kith_searcher_close(searcher);
    kith_index_close(index);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_numbers),
        cmocka_unit_test(rows_of_bits),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

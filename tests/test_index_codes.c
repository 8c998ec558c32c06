/* Property: a graph that is walked over codes finds what one over the rows finds, ranks it by the
 * rows, and is the same bytes for every number of threads and on every instruction set. Codes that
 * cannot tell neighbours apart are not taken unless they were asked for by name.
 */
#include "tests/index_data.h"

#include <string.h>

enum { N = 800, DIM = 40, QUERIES = 30, K = 10 };

static kith_index_options options_of(kith_walk walk)
{
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    options.m = 12;
    options.ef_construction = 80;
    options.walk = walk;
    return options;
}

static kith_index *built(kith_store *store, const kith_index_options *options)
{
    kith_index *index = index_on(store, options);
    must(kith_index_build(index, NULL, NULL));
    must(kith_index_check(index));
    return index;
}

static double recall(kith_store *store, kith_index *index, const matrix *rows,
                     const matrix *queries, kith_metric metric, kith_search_options options)
{
    naive_hit *ranking = malloc(rows->n * sizeof *ranking);
    kith_hit *hits = malloc(queries->n * K * sizeof *hits);
    kith_search_stats stats = {.size = sizeof stats};
    uint32_t right = 0;
    (void)store;
    must(kith_index_search(index, queries->bytes, queries->n, &options, hits, &stats));
    for (size_t i = 0; i < queries->n; i++) {
        const size_t n = naive_ranking(metric, rows, NULL, row_at(queries, i), ranking);
        check_plausible(metric, rows, NULL, row_at(queries, i), hits + i * K, K);
        right += count_right(ranking, n, metric, rows, row_at(queries, i), hits + i * K, K);
    }
    free(ranking);
    free(hits);
    return (double)right / (double)(queries->n * K);
}

/* Every type, metric and kind of codes that go together. */
static void find_what_rows_find(void **state)
{
    (void)state;
    static const double least[] = {[KITH_WALK_AUTO] = 0.98,
                                   [KITH_WALK_ROWS] = 0.98,
                                   [KITH_WALK_SQ8] = 0.98,
                                   [KITH_WALK_SQ4] = 0.97,
                                   [KITH_WALK_SQ1] = 0.85};
    uint64_t random = check_seed();
    for (int i = 0; i < KINDS; i++) {
        const row_kind kind = kinds[i];
        matrix rows = matrix_clustered(kind.type, DIM, N, 30, &random);
        matrix queries = matrix_clustered(kind.type, DIM, QUERIES, 30, &random);
        kith_store *store = store_of(&rows, kind.metric);
        for (int walk = KITH_WALK_AUTO; walk <= KITH_WALK_SQ1; walk++) {
            const kith_index_options io = options_of((kith_walk)walk);
            kith_search_options options = kith_search_defaults(K);
            kith_index *index = NULL;
            const bool floats = kind.type == KITH_F32 || kind.type == KITH_F16;
            if (walk < KITH_WALK_SQ4 && !floats && kind.type != KITH_BF16)
                continue; /* a walk over rows, as in other tests */
            options.ef = 300;
            options.rerank = walk == KITH_WALK_SQ1 ? 30 : walk == KITH_WALK_SQ4 ? 6 : 0;
            if (kith_index_create(store, &io, &index))
                continue;
            must(kith_index_build(index, NULL, NULL));
            must(kith_index_check(index));
            const double found = recall(store, index, &rows, &queries, kind.metric, options);
            if (found < least[walk])
                fail_msg("%s %s, walk %d: recall %.3f", kith_type_name(kind.type),
                         kith_metric_name(kind.metric), walk, found);
            kith_index_close(index);
        }
        kith_store_close(store);
        matrix_free(&rows);
        matrix_free(&queries);
    }
}

/* Components of which most are noise of a hundredth: a third of the dimensions tells nearly all. */
static void fewer_dimensions(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix rows = matrix_clustered(KITH_F32, DIM, N, 30, &random);
    matrix queries = matrix_clustered(KITH_F32, DIM, QUERIES, 30, &random);
    for (size_t i = 0; i < rows.n + QUERIES; i++)
        for (uint32_t j = 12; j < DIM; j++)
            floats_at(i < rows.n ? &rows : &queries, i < rows.n ? i : i - rows.n)[j] *= 0.01f;
    for (int metric = KITH_L2SQ; metric <= KITH_COSINE; metric++) {
        kith_store *store = store_of(&rows, (kith_metric)metric);
        kith_index_options io = options_of(KITH_WALK_SQ8);
        kith_search_options options = kith_search_defaults(K);
        io.reduce = 14;
        options.ef = 200;
        options.rerank = 3;
        kith_index *index = built(store, &io);
        assert_true(recall(store, index, &rows, &queries, (kith_metric)metric, options) > 0.97);
        kith_index_close(index);
        kith_store_close(store);
    }
    matrix_free(&rows);
    matrix_free(&queries);
}

static void same_bytes_everywhere(void **state)
{
    (void)state;
    static const kith_type types[] = {KITH_F32, KITH_F16, KITH_BF16};
    uint64_t random = check_seed();
    for (int t = 0; t < 3; t++)
        for (int metric = KITH_L2SQ; metric <= KITH_COSINE; metric++) {
            matrix rows = matrix_clustered(types[t], DIM, 500, 15, &random);
            kith_store *store = store_of(&rows, (kith_metric)metric);
            kith_index_options io = options_of(KITH_WALK_AUTO);
            io.reduce = metric == KITH_L2SQ ? 20 : 0;
            io.passes = 1 + (uint32_t)t % 2;
            io.threads = 1;
            kith_index *index = built(store, &io);
            const uint64_t digest = digest_of(index);
            kith_index_close(index);
            const char *level;
            for (size_t i = 0; (level = kith_cpu_level(i)); i++) {
                io.cpu = level;
                io.threads = (uint32_t)(i % 4) + 1 + (i % 4 == 3 ? 4u : 0u);
                index = built(store, &io);
                if (digest_of(index) != digest)
                    fail_msg("%s, %u threads: another graph", level, io.threads);
                kith_index_close(index);
            }
            kith_store_close(store);
            matrix_free(&rows);
        }
}

/* Two tight clusters far apart: one step of 8 bits is wider than either. */
static void codes_that_see_nothing(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix rows = matrix_uniform(KITH_F32, DIM, N, &random);
    for (size_t i = 0; i < rows.n; i++)
        for (uint32_t j = 0; j < DIM && i % 2; j++)
            floats_at(&rows, i)[j] += 3000;
    matrix queries = {rows.type, rows.dim, QUERIES, rows.bytes};
    kith_store *store = store_of(&rows, KITH_L2SQ);
    kith_search_options options = kith_search_defaults(K);
    kith_index_options io = options_of(KITH_WALK_AUTO);
    kith_search_stats stats = {.size = sizeof stats};
    kith_hit hits[K];
    options.ef = 300;
    kith_index *index = built(store, &io);
    must(kith_index_search(index, queries.bytes, 1, &options, hits, &stats));
    assert_int_equal(stats.mode, KITH_MODE_ROWS);
    assert_true(recall(store, index, &rows, &queries, KITH_L2SQ, options) > 0.95);
    kith_index_close(index);
    io.walk = KITH_WALK_SQ8;
    index = built(store, &io);
    must(kith_index_search(index, queries.bytes, 1, &options, hits, &stats));
    assert_int_equal(stats.mode, KITH_MODE_CODES);
    kith_index_close(index);
    kith_store_close(store);
    matrix_free(&rows);
}

/* Queries asked together, two in turns in a thread, are answered as each alone; and counted so. */
static void together_as_alone(void **state)
{
    (void)state;
    static const kith_walk walks[] = {KITH_WALK_ROWS, KITH_WALK_SQ8, KITH_WALK_SQ4};
    uint64_t random = check_seed();
    matrix rows = matrix_clustered(KITH_F32, DIM, N, 30, &random);
    matrix queries = matrix_clustered(KITH_F32, DIM, QUERIES, 30, &random);
    kith_store *store = store_of(&rows, KITH_COSINE);
    for (int w = 0; w < 3; w++) {
        const kith_index_options io = options_of(walks[w]);
        kith_search_options options = kith_search_defaults(K);
        kith_search_stats all = {.size = sizeof all}, one = {.size = sizeof one}, sum = {0};
        kith_hit together[QUERIES * K], alone[K];
        kith_searcher *searcher = NULL;
        options.ef = 30;
        options.threads = (uint32_t)w + 1;
        kith_index *index = built(store, &io);
        must(kith_index_search(index, queries.bytes, QUERIES, &options, together, &all));
        must(kith_searcher_create(index, &options, NULL, &searcher));
        for (size_t i = 0; i < QUERIES; i++) {
            must(kith_searcher_search(searcher, row_at(&queries, i), alone, NULL, &one));
            assert_memory_equal(alone, together + i * K, sizeof alone);
            sum.distances += one.distances;
            sum.hops += one.hops;
            sum.reranks += one.reranks;
        }
        assert_int_equal(all.distances, sum.distances);
        assert_int_equal(all.hops, sum.hops);
        assert_int_equal(all.reranks, sum.reranks);
        assert_int_equal(all.reranks, w == 0 ? 0 : QUERIES * (w == 1 ? 15 : 30));
        kith_searcher_close(searcher);
        kith_index_close(index);
    }
    kith_store_close(store);
    matrix_free(&rows);
    matrix_free(&queries);
}

static void slack_ends_walks_early(void **state)
{
    (void)state;
    uint64_t random = check_seed(), before = UINT64_MAX, least = 0;
    matrix rows = matrix_clustered(KITH_U8, DIM, N, 30, &random);
    matrix queries = matrix_clustered(KITH_U8, DIM, QUERIES, 30, &random);
    kith_store *store = store_of(&rows, KITH_L2SQ);
    const kith_index_options io = options_of(KITH_WALK_AUTO);
    kith_search_options options = kith_search_defaults(K);
    kith_search_stats stats = {.size = sizeof stats};
    kith_hit plain[QUERIES * K], hits[QUERIES * K];
    static const float slacks[] = {1000, 0.1f, 0.01f};
    kith_index *index = built(store, &io);
    must(kith_index_search(index, queries.bytes, QUERIES, &options, plain, &stats));
    for (int i = 0; i < 3; i++) {
        const uint64_t whole = i ? least : stats.distances;
        options.slack = slacks[i];
        must(kith_index_search(index, queries.bytes, QUERIES, &options, hits, &stats));
        if (i == 0) {
            assert_int_equal(stats.distances, whole);
            assert_memory_equal(hits, plain, sizeof hits);
        } else {
            assert_true(stats.distances <= before);
        }
        before = stats.distances;
        least = whole;
    }
    assert_true(before < least);
    kith_index_close(index);
    kith_store_close(store);
    matrix_free(&rows);
    matrix_free(&queries);
}

/* Rows that are dead around a query must not pass for its hits. */
static void slack_among_the_dead(void **state)
{
    (void)state;
    enum { GROUP = 40 };
    uint64_t random = check_seed();
    matrix rows = matrix_clustered(KITH_U8, DIM, N, N / GROUP, &random);
    kith_store *store = store_of(&rows, KITH_L2SQ);
    const kith_index_options io = options_of(KITH_WALK_AUTO);
    kith_search_options options = kith_search_defaults(K);
    kith_index *index = built(store, &io);
    bool live[N];
    naive_hit ranking[N];
    kith_hit hits[K];
    uint32_t right = 0, asked = 0;
    options.ef = 150;
    options.slack = 0.05f;
    for (size_t i = 0; i < N; i++)
        live[i] = check_below(&random, 3) == 0;
    for (size_t i = 0; i < N; i++)
        if (!live[i])
            must(kith_store_del_u64(store, i));
    for (size_t i = 0; i < N; i += 20, asked++) {
        const size_t n = naive_ranking(KITH_L2SQ, &rows, live, row_at(&rows, i), ranking);
        must(kith_index_search(index, row_at(&rows, i), 1, &options, hits, NULL));
        assert_int_equal(check_plausible(KITH_L2SQ, &rows, live, row_at(&rows, i), hits, K), K);
        right += count_right(ranking, n, KITH_L2SQ, &rows, row_at(&rows, i), hits, K);
    }
    assert_true(right > 0.95 * asked * K);
    kith_index_close(index);
    kith_store_close(store);
    matrix_free(&rows);
}

/* A codec that saw a few rows of one kind is learnt anew when the store has grown. */
static void grows_with_its_store(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix rows = matrix_clustered(KITH_F32, DIM, N, 30, &random);
    matrix queries = matrix_clustered(KITH_F32, DIM, QUERIES, 30, &random);
    for (size_t i = 0; i < 40; i++)
        for (uint32_t j = 0; j < DIM; j++)
            floats_at(&rows, i)[j] *= 0.01f;
    for (int walk = KITH_WALK_SQ8; walk <= KITH_WALK_SQ4; walk++) {
        matrix first = {rows.type, rows.dim, 40, rows.bytes};
        kith_store *store = store_of(&first, KITH_L2SQ);
        const kith_index_options io = options_of((kith_walk)walk);
        kith_search_options options = kith_search_defaults(K);
        options.ef = 200;
        options.rerank = 5; /* all 40: from there on queries lie beyond the codes */
        kith_index *index = built(store, &io);
        for (uint64_t key = 40; key < N; key++)
            must(kith_store_put_u64(store, key, row_at(&rows, key)));
        assert_true(recall(store, index, &rows, &queries, KITH_L2SQ, options) > 0.99); /* tail */
        must(kith_index_build(index, NULL, NULL));
        must(kith_index_check(index));
        assert_true(recall(store, index, &rows, &queries, KITH_L2SQ, options) > 0.95);
        kith_index_close(index);
        kith_store_close(store);
    }
    matrix_free(&rows);
    matrix_free(&queries);
}

/* A searcher that was opened on an index without a row, which did not know then what to measure. */
static void a_searcher_from_before(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix rows = matrix_clustered(KITH_F32, DIM, N, 30, &random);
    for (int walk = KITH_WALK_AUTO; walk <= KITH_WALK_SQ1; walk++) {
        const kith_store_options so = kith_store_defaults(DIM, KITH_F32, KITH_COSINE);
        const kith_index_options io = options_of((kith_walk)walk);
        kith_search_options options = kith_search_defaults(K);
        kith_search_stats stats = {.size = sizeof stats};
        kith_searcher *early = NULL, *late = NULL;
        kith_store *store = NULL;
        kith_hit a[K], b[K];
        options.ef = 50;
        must(kith_store_open(NULL, &so, &store));
        kith_index *index = index_on(store, &io);
        must(kith_searcher_create(index, &options, NULL, &early));
        must(kith_searcher_search(early, rows.bytes, a, NULL, NULL));
        assert_int_equal(a[0].row, UINT32_MAX);
        must(kith_store_load(store, NULL, rows.bytes, N, NULL, NULL));
        must(kith_searcher_search(early, rows.bytes, a, NULL, NULL));
        assert_int_equal(a[0].row, 0);
        must(kith_index_build(index, NULL, NULL));
        must(kith_searcher_create(index, &options, NULL, &late));
        for (size_t i = 0; i < N; i += 100) {
            must(kith_searcher_search(early, row_at(&rows, i), a, NULL, &stats));
            must(kith_searcher_search(late, row_at(&rows, i), b, NULL, NULL));
            assert_memory_equal(a, b, sizeof a);
            assert_true(stats.distances < N);
        }
        kith_searcher_close(early);
        kith_searcher_close(late);
        kith_index_close(index);
        kith_store_close(store);
    }
    matrix_free(&rows);
}

static void few_and_equal_rows(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 2, 3, 11, 1500};
    uint64_t random = check_seed();
    for (int c = 0; c < 5; c++)
        for (int walk = KITH_WALK_AUTO; walk <= KITH_WALK_SQ1; walk++) {
            matrix rows = matrix_identical(KITH_F32, DIM, counts[c], &random);
            kith_store *store = store_of(&rows, KITH_COSINE);
            const kith_index_options io = options_of((kith_walk)walk);
            kith_search_options options = kith_search_defaults(K);
            kith_hit hits[K];
            kith_index *index = built(store, &io);
            must(kith_index_search(index, rows.bytes, 1, &options, hits, NULL));
            check_plausible(KITH_COSINE, &rows, NULL, rows.bytes, hits, K);
            for (size_t i = 0; i < K; i++)
                assert_int_equal(hits[i].row == UINT32_MAX, i >= counts[c]);
            kith_index_close(index);
            kith_store_close(store);
            matrix_free(&rows);
        }
}

static void refusals(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix floats = matrix_uniform(KITH_F32, DIM, 20, &random);
    matrix bytes = matrix_uniform(KITH_U8, DIM, 20, &random);
    matrix bits = matrix_uniform(KITH_B1, DIM, 20, &random);
    kith_store *f = store_of(&floats, KITH_L2SQ), *u = store_of(&bytes, KITH_L2SQ),
               *b = store_of(&bits, KITH_HAMMING);
    kith_index *index = NULL;
    kith_index_options io = options_of((kith_walk)9);
    must_fail(kith_index_create(f, &io, &index), KITH_EINVAL, "no kind of walk");
    io = options_of(KITH_WALK_SQ8);
    must_fail(kith_index_create(u, &io, &index), KITH_EINVAL, "8 bits");
    io = options_of(KITH_WALK_SQ4);
    must_fail(kith_index_create(b, &io, &index), KITH_EINVAL, "4 bits");
    io = options_of(KITH_WALK_AUTO);
    io.reduce = DIM + 1;
    must_fail(kith_index_create(f, &io, &index), KITH_EINVAL, "41 is more than the 40");
    must_fail(kith_index_create(u, &io, &index), KITH_EINVAL, "reduce");
    io = options_of(KITH_WALK_AUTO);
    io.passes = 3;
    must_fail(kith_index_create(f, &io, &index), KITH_EINVAL, "passes = 3");
    io = options_of(KITH_WALK_AUTO);
    index = built(f, &io);
    kith_search_options options = kith_search_defaults(K);
    kith_hit hits[K];
    options.rerank = 0.5f;
    must_fail(kith_index_search(index, floats.bytes, 1, &options, hits, NULL), KITH_EINVAL,
              "rerank = 0.5");
    options.rerank = 0;
    options.slack = -1;
    must_fail(kith_index_search(index, floats.bytes, 1, &options, hits, NULL), KITH_EINVAL,
              "slack = -1");
    kith_index_close(index);
    kith_store_close(f);
    kith_store_close(u);
    kith_store_close(b);
    matrix_free(&floats);
    matrix_free(&bytes);
    matrix_free(&bits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(find_what_rows_find),
        cmocka_unit_test(fewer_dimensions),
        cmocka_unit_test(same_bytes_everywhere),
        cmocka_unit_test(codes_that_see_nothing),
        cmocka_unit_test(together_as_alone),
        cmocka_unit_test(slack_ends_walks_early),
        cmocka_unit_test(slack_among_the_dead),
        cmocka_unit_test(grows_with_its_store),
        cmocka_unit_test(a_searcher_from_before),
        cmocka_unit_test(few_and_equal_rows),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

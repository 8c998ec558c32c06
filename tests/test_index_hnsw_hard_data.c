/* Property: whatever the data and the options, the graph is valid and every vector is found by
 * itself: equal vectors, clusters far apart, an outlier, no rows or hardly any, the smallest and
 * the largest degrees, walks that look at one candidate. Unused hits are marked as such.
 */
#include "tests/index_data.h"

#include <math.h>
#include <string.h>

static kith_index_options options_of(uint32_t m, uint32_t ef_construction, float alpha)
{
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    options.m = m;
    options.ef_construction = ef_construction;
    options.alpha = alpha;
    options.threads = 2;
    return options;
}

typedef struct built {
    kith_store *store;
    kith_index *index;
} built;

static built build(const matrix *rows, kith_metric metric, const kith_index_options *options)
{
    built b = {.store = store_of(rows, metric)};
    b.index = index_on(b.store, options);
    must(kith_index_check(b.index)); /* empty */
    must(kith_index_build(b.index, NULL, NULL));
    must(kith_index_check(b.index));
    assert_int_equal(nodes_of(b.index), rows->n);
    return b;
}

static void close_built(built *b)
{
    kith_index_close(b->index);
    kith_store_close(b->store);
}

/* How many of the rows, asked for one by one, are not their own nearest (or at its distance). */
static size_t count_lost(const built *b, const matrix *rows, kith_metric metric, uint32_t ef)
{
    kith_search_options options = kith_search_defaults(1);
    kith_hit *hits = malloc((rows->n + 1) * sizeof *hits);
    size_t lost = 0;
    options.ef = ef;
    options.threads = 2;
    must(kith_index_search(b->index, rows->bytes, rows->n, &options, hits, NULL));
    for (size_t i = 0; i < rows->n; i++) {
        const void *self = row_at(rows, i);
        assert_true(hits[i].row < rows->n);
        lost += hits[i].row != i && naive_distance(metric, rows, self, row_at(rows, hits[i].row)) >
                                        naive_distance(metric, rows, self, self);
    }
    free(hits);
    return lost;
}

/* k hits of one query, all real, no row twice. */
static void check_k(const built *b, const matrix *rows, kith_metric metric, const void *query,
                    uint32_t k)
{
    kith_search_options options = kith_search_defaults(k);
    kith_hit *hits = malloc(k * sizeof *hits);
    bool *seen = calloc(rows->n + 1, sizeof *seen);
    options.threads = 1;
    must(kith_index_search(b->index, query, 1, &options, hits, NULL));
    uint32_t real = check_plausible(metric, rows, NULL, query, hits, k);
    assert_int_equal(real, k < rows->n ? k : rows->n);
    for (uint32_t i = 0; i < real; i++) {
        assert_false(seen[hits[i].row]);
        seen[hits[i].row] = true;
    }
    free(hits);
    free(seen);
}

static void identical_vectors(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 17, 33, 100, 1000, 20000};
    uint64_t random = check_seed();
    kith_index_options options = options_of(8, 40, 1);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int metric = KITH_L2SQ; metric <= KITH_COSINE; metric++) {
            if (sizes[i] > 1000 && metric)
                continue;
            matrix rows = matrix_identical(i % 2 ? KITH_U8 : KITH_F32, 9, sizes[i], &random);
            built b = build(&rows, (kith_metric)metric, &options);
            check_k(&b, &rows, (kith_metric)metric, rows.bytes, 10);
            check_k(&b, &rows, (kith_metric)metric, rows.bytes, 300);
            close_built(&b);
            matrix_free(&rows);
        }
}

/* Many copies of a few vectors, some of them off by a hair: distances between copies are zero but
 * for rounding, on either side of it. Default options, so with slack. */
static void copies_of_a_few(void **state)
{
    (void)state;
    static const size_t distinct[] = {1, 8, 57, 400};
    uint64_t random = check_seed();
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    for (size_t c = 0; c < 16; c++)
        for (int metric = KITH_L2SQ; metric <= KITH_COSINE; metric++) {
            matrix rows = matrix_uniform(c & 1 ? KITH_U8 : KITH_F32, 15, 1500, &random);
            for (size_t i = distinct[c / 4]; i < rows.n; i++)
                memcpy(row_at(&rows, i), row_at(&rows, i % distinct[c / 4]), row_bytes(&rows));
            for (size_t i = 0; i < rows.n && rows.type == KITH_F32 && c & 2; i++)
                floats_at(&rows, i)[i % 15] += 1e-4f * check_unit(&random);
            built b = build(&rows, (kith_metric)metric, &options);
            close_built(&b);
            matrix_free(&rows);
        }
}

/* Zero vectors: every cosine is 1, every product 0. */
static void zero_vectors(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    kith_index_options options = options_of(16, 40, 1);
    for (int metric = KITH_L2SQ; metric <= KITH_COSINE; metric++) {
        matrix rows = matrix_uniform(KITH_F32, 12, 600, &random);
        memset(rows.bytes, 0, 300 * row_bytes(&rows));
        built b = build(&rows, (kith_metric)metric, &options);
        check_k(&b, &rows, (kith_metric)metric, rows.bytes, 10);
        check_k(&b, &rows, (kith_metric)metric, row_at(&rows, 500), 10);
        close_built(&b);
        matrix_free(&rows);
    }
}

/* Two tight clusters, one far from the other, all of the first put before the second; and one
 * vector that is far from everything. */
static void islands_and_an_outlier(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    for (int shuffled = 0; shuffled < 2; shuffled++) {
        matrix rows = matrix_uniform(KITH_F32, 10, 2001, &random);
        for (size_t i = 0; i < rows.n; i++)
            for (uint32_t j = 0; j < rows.dim; j++)
                floats_at(&rows, i)[j] += i == 777                               ? -5000.0f
                                          : (shuffled ? i % 2 : i >= rows.n / 2) ? 1000.0f
                                                                                 : 0.0f;
        kith_index_options options = options_of(8, 50, 1);
        built b = build(&rows, KITH_L2SQ, &options);
        assert_true(count_lost(&b, &rows, KITH_L2SQ, 200) <= 2);
        check_k(&b, &rows, KITH_L2SQ, row_at(&rows, 777), 20);
        close_built(&b);
        matrix_free(&rows);
    }
}

/* Data often comes sorted: each cluster begins when the one before it is complete, so its first
 * rows find nobody of their kind in the graph. They must not stay strangers to those that follow.
 */
static void clusters_one_after_the_other(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    for (size_t clusters = 2; clusters <= 32; clusters *= 4) {
        matrix rows = matrix_uniform(KITH_F32, 10, 4000, &random);
        matrix centres = matrix_uniform(KITH_F32, 10, clusters, &random);
        for (size_t i = 0; i < rows.n; i++)
            for (uint32_t j = 0; j < rows.dim; j++)
                floats_at(&rows, i)[j] =
                    0.1f * floats_at(&rows, i)[j] + floats_at(&centres, i * clusters / rows.n)[j];
        kith_index_options options = options_of(16, 200, 1);
        built b = build(&rows, KITH_L2SQ, &options);
        size_t lost = count_lost(&b, &rows, KITH_L2SQ, 200);
        if (lost > rows.n / 200)
            fail_msg("%zu clusters: %zu of %zu vectors are not found", clusters, lost, rows.n);
        close_built(&b);
        matrix_free(&rows);
        matrix_free(&centres);
    }
}

static void few_rows(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    for (int type = KITH_F32; type <= KITH_U8; type++)
        for (size_t n = 0; n <= 5; n++) {
            matrix rows = matrix_uniform((kith_type)type, 3, n, &random);
            matrix query = matrix_uniform((kith_type)type, 3, 1, &random);
            kith_index_options options = options_of(4, 10, 1);
            built b = build(&rows, KITH_L2SQ, &options);
            check_k(&b, &rows, KITH_L2SQ, query.bytes, 1);
            check_k(&b, &rows, KITH_L2SQ, query.bytes, 7);
            close_built(&b);
            matrix_free(&rows);
            matrix_free(&query);
        }
}

/* The corners of the options. A walk that looks at one candidate, or an alpha of 2 among seven
 * links, makes a poor graph, which may lose any vector at ef 100; but when k is the number of rows,
 * each of them is found in every graph. */
static void extreme_options(void **state)
{
    (void)state;
    static const struct {
        uint32_t m, ef_construction;
        float alpha;
        size_t n, may_lose;
    } corners[] = {{4, 1, 1, 1500, 1500},   {4, 40, 1, 1500, 60},     {5, 40, 1.2f, 1500, 60},
                   {7, 100, 2, 1500, 1500}, {16, 100, 1.2f, 1500, 0}, {128, 1, 1, 1000, 1000},
                   {128, 300, 1, 1000, 0}};
    uint64_t random = check_seed();
    for (size_t i = 0; i < sizeof corners / sizeof *corners; i++)
        for (int metric = KITH_L2SQ; metric <= KITH_COSINE; metric += 2) {
            matrix rows = matrix_clustered(KITH_U8, 16, corners[i].n, 15, &random);
            kith_index_options options =
                options_of(corners[i].m, corners[i].ef_construction, corners[i].alpha);
            built b = build(&rows, (kith_metric)metric, &options);
            size_t lost = count_lost(&b, &rows, (kith_metric)metric, 100);
            if (lost > corners[i].may_lose)
                fail_msg("m %u, ef_construction %u: %zu of %zu vectors are not found", corners[i].m,
                         corners[i].ef_construction, lost, rows.n);
            check_k(&b, &rows, (kith_metric)metric, rows.bytes, (uint32_t)rows.n + 5);
            close_built(&b);
            matrix_free(&rows);
        }
}

static void everyone_finds_himself(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    for (int type = KITH_F32; type <= KITH_U8; type++) {
        matrix rows = matrix_clustered((kith_type)type, 32, 2000, 25, &random);
        kith_index_options options = options_of(16, 100, 1);
        built b = build(&rows, KITH_L2SQ, &options);
        assert_int_equal(count_lost(&b, &rows, KITH_L2SQ, 200), 0);
        close_built(&b);
        matrix_free(&rows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identical_vectors),
        cmocka_unit_test(copies_of_a_few),
        cmocka_unit_test(zero_vectors),
        cmocka_unit_test(islands_and_an_outlier),
        cmocka_unit_test(clusters_one_after_the_other),
        cmocka_unit_test(few_rows),
        cmocka_unit_test(extreme_options),
        cmocka_unit_test(everyone_finds_himself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

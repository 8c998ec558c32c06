/* Property: copies of one vector, from 1 to 100,000, as rows or under codes, make a graph like any
 * other: it is valid, which says that every copy can be reached, its lists are not longer than
 * others', a search returns k of them at distance 0, and a few that differ are found among them. So
 * does a vector far from everything, which stretches the range of codes.
 */
#include "tests/index_data.h"

#include <math.h>
#include <string.h>

enum { DIM = 9, MOST = 100000, K = 10, OTHERS = 40 };

typedef struct variant {
    kith_type type;
    kith_metric metric;
    kith_walk walk;
} variant;

static const variant variants[] = {
    {KITH_U8, KITH_L2SQ, KITH_WALK_AUTO},  {KITH_F32, KITH_L2SQ, KITH_WALK_SQ8},
    {KITH_F32, KITH_L2SQ, KITH_WALK_AUTO}, {KITH_F32, KITH_COSINE, KITH_WALK_SQ8},
    {KITH_F32, KITH_IP, KITH_WALK_SQ8},    {KITH_BF16, KITH_COSINE, KITH_WALK_SQ4}};
enum { VARIANTS = sizeof variants / sizeof *variants };

static kith_index *built(kith_store *store, kith_walk walk)
{
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    kith_index_stats stats = {.size = sizeof stats};
    options.m = 8;
    options.ef_construction = 40;
    options.walk = walk;
    kith_index *index = index_on(store, &options);
    must(kith_index_build(index, NULL, NULL));
    must(kith_index_check(index));
    must(kith_index_stat(index, &stats));
    assert_true(stats.links <= stats.nodes * 16);
    return index;
}

/* k hits at the best distance that there is. */
static void check_copies(kith_index *index, const matrix *rows, kith_metric metric, uint32_t k)
{
    const double best = naive_distance(metric, rows, rows->bytes, rows->bytes);
    kith_search_options options = kith_search_defaults(k);
    kith_hit *hits = malloc(k * sizeof *hits);
    options.threads = 1;
    must(kith_index_search(index, rows->bytes, 1, &options, hits, NULL));
    const uint32_t real = check_plausible(metric, rows, NULL, rows->bytes, hits, k);
    assert_int_equal(real, k < rows->n ? k : rows->n);
    for (uint32_t i = 0; i < real; i++)
        assert_true(fabs((double)hits[i].distance - best) <= 1e-4 * (1 + fabs(best)));
    free(hits);
}

static void so_many(const variant *v, size_t n)
{
    uint64_t random = check_seed();
    matrix rows = matrix_identical(v->type, DIM, n, &random);
    kith_store *store = store_of(&rows, v->metric);
    kith_index *index = built(store, v->walk);
    assert_int_equal(nodes_of(index), n);
    check_copies(index, &rows, v->metric, K);
    check_copies(index, &rows, v->metric, 500);
    kith_index_close(index);
    kith_store_close(store);
    matrix_free(&rows);
}

static void from_one_on(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 2, 3, 15, 16, 17, 33, 100, 1000};
    for (int v = 0; v < VARIANTS; v++)
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
            so_many(&variants[v], counts[i]);
}

static void a_hundred_thousand_integers(void **state)
{
    (void)state;
    so_many(&variants[0], MOST);
}

static void a_hundred_thousand_codes(void **state)
{
    (void)state;
    so_many(&variants[1], MOST);
}

/* A few others, put before, between and behind thousands of copies: each finds itself and, by
 * distance, what is nearest to it. */
static void others_among_them(void **state)
{
    (void)state;
    for (int v = 0; v < VARIANTS; v++) {
        uint64_t random = check_seed();
        matrix rows = matrix_identical(variants[v].type, DIM, 4000, &random);
        matrix others = matrix_uniform(variants[v].type, DIM, OTHERS, &random);
        naive_hit *ranking = malloc(rows.n * sizeof *ranking);
        kith_search_options options = kith_search_defaults(K);
        uint32_t right = 0;
        for (size_t i = 0; i < OTHERS; i++)
            memcpy(row_at(&rows, i < 10 ? i : rows.n - 1 - i * 70), row_at(&others, i),
                   row_bytes(&rows));
        kith_store *store = store_of(&rows, variants[v].metric);
        kith_index *index = built(store, variants[v].walk);
        for (size_t i = 0; i < OTHERS; i++) {
            kith_hit hits[K];
            const void *query = row_at(&others, i);
            const size_t n = naive_ranking(variants[v].metric, &rows, NULL, query, ranking);
            options.rerank = 10;
            must(kith_index_search(index, query, 1, &options, hits, NULL));
            check_plausible(variants[v].metric, &rows, NULL, query, hits, K);
            right += count_right(ranking, n, variants[v].metric, &rows, query, hits, K);
        }
        if (right < (variants[v].metric == KITH_IP ? 0.7 : 0.95) * OTHERS * K)
            fail_msg("variant %d: %u of %u", v, right, OTHERS * K);
        free(ranking);
        kith_index_close(index);
        kith_store_close(store);
        matrix_free(&rows), matrix_free(&others);
    }
}

/* One row a thousand times as far as all others. Codes of one scale must not spend their range on
 * it: the others stay apart, and it is found as well. */
static void one_outlier(void **state)
{
    (void)state;
    static const kith_walk walks[] = {KITH_WALK_AUTO, KITH_WALK_SQ8, KITH_WALK_SQ4};
    for (int w = 0; w < 6; w++) {
        uint64_t random = check_seed();
        const kith_metric metric = w % 2 ? KITH_COSINE : KITH_L2SQ;
        matrix rows = matrix_clustered(KITH_F32, 24, 2000, 20, &random);
        naive_hit *ranking = malloc(rows.n * sizeof *ranking);
        kith_search_options options = kith_search_defaults(K);
        uint32_t right = 0, asked = 0;
        for (uint32_t j = 0; j < rows.dim; j++)
            floats_at(&rows, 777)[j] *= 1000;
        kith_store *store = store_of(&rows, metric);
        kith_index *index = built(store, walks[w / 2]);
        options.ef = 200;
        options.rerank = 8;
        for (size_t i = 77; i < rows.n; i += 100, asked++) { /* 777 is one of them */
            kith_hit hits[K];
            const size_t n = naive_ranking(metric, &rows, NULL, row_at(&rows, i), ranking);
            must(kith_index_search(index, row_at(&rows, i), 1, &options, hits, NULL));
            right += count_right(ranking, n, metric, &rows, row_at(&rows, i), hits, K);
            assert_true(i != 777 || hits[0].row == 777);
        }
        if (right < 0.95 * asked * K)
            fail_msg("walk %d, %s: %u of %u", (int)walks[w / 2], kith_metric_name(metric), right,
                     asked * K);
        free(ranking);
        kith_index_close(index);
        kith_store_close(store);
        matrix_free(&rows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_one_on),
        cmocka_unit_test(a_hundred_thousand_integers),
        cmocka_unit_test(a_hundred_thousand_codes),
        cmocka_unit_test(others_among_them),
        cmocka_unit_test(one_outlier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

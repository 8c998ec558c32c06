/* Property: sketches of very few rows, of rows that are all the same, and of rows one of which lies
 * far from all others are of no harm: whether the trial keeps them or they are used against its
 * advice, a walk finds nearly all that an exact search finds, and every row finds itself.
 */
#include "index/objects.h"
#include "index/sketch.h"
#include "index/workers.h"
#include "tests/sketch_data.h"

enum { QUERIES = 30, DIM = 208, K = 5, EF = 40 };

static const kith_type types[] = {KITH_U8, KITH_I8, KITH_F32};
enum { TYPES = sizeof types / sizeof *types };

/* The share of what an exact search finds: of all hits that there are, those no farther than its
 * last, but for the last digits of a float. */
static double recall(kith_store *store, kith_index *index, const matrix *queries)
{
    static kith_hit right[QUERIES * K], hits[QUERIES * K];
    const kith_index_options flat_options = kith_index_defaults(KITH_FLAT);
    kith_search_options options = kith_search_defaults(K);
    size_t all = 0, found = 0;
    options.ef = EF;
    kith_index *flat = index_on(store, &flat_options);
    must(kith_index_search(flat, queries->bytes, queries->n, &options, right, NULL));
    must(kith_index_search(index, queries->bytes, queries->n, &options, hits, NULL));
    for (size_t i = 0; i < queries->n; i++) {
        size_t there = 0;
        while (there < K && right[i * K + there].row != UINT32_MAX)
            there++;
        const double last = (double)right[i * K + there - 1].distance * (1 + 1e-5);
        for (size_t j = 0; j < there; j++)
            found += hits[i * K + j].row != UINT32_MAX && (double)hits[i * K + j].distance <= last;
        all += there;
    }
    kith_index_close(flat);
    return (double)found / (double)all;
}

/* Sketches that a trial would not keep. */
static void sketch_anyway(kith_index *index, kith_type type)
{
    ki_workers *workers = NULL;
    ki_sketch *sketch = NULL;
    must(ki_workers_open(2, &workers));
    must(ki_sketch_learn(index->graph, &index->kernels, type == KITH_U8 ? KITH_U8 : KITH_I8,
                         workers, &sketch));
    ki_workers_close(workers);
    ki_sketch_close(index->graph->sketch);
    index->graph->sketch = sketch;
}

static void check_rows(const matrix *rows, const matrix *queries, const char *what)
{
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    kith_search_options search = kith_search_defaults(K);
    kith_search_stats stats = {.size = sizeof stats};
    kith_hit hits[QUERIES * K];
    float spared = -1;
    options.threads = 2;
    options.walk = rows->type == KITH_F32 ? KITH_WALK_SQ8 : KITH_WALK_ROWS;
    kith_store *store = store_of(rows, KITH_L2SQ);
    kith_index *index = index_on(store, &options);
    must(kith_index_build(index, NULL, NULL));
    const double plain = recall(store, index, queries);
    must(kith_index_sketch(index, &spared));
    assert_true(spared > -0.5f && spared < 1);
    assert_int_equal(index->graph->sketch != NULL, spared >= 0.4f);
    const double tried = recall(store, index, queries);
    sketch_anyway(index, rows->type);
    const double forced = recall(store, index, queries);
    search.ef = EF;
    must(kith_index_search(index, queries->bytes, queries->n, &search, hits, &stats));
    assert_true(rows->n < 2 * EF || stats.sketches > 0);
    const double least = rows->type == KITH_F32 ? 0.8 : 0.95; /* codes are cut at their range */
    if (tried < plain - 0.03 || forced < plain - 0.03 || plain < least)
        fail_msg("%zu rows of %s, %s: recall %.3f, sketched %.3f, anyway %.3f", rows->n,
                 kith_type_name(rows->type), what, plain, tried, forced);
    const matrix themselves = {rows->type, DIM, rows->n < QUERIES ? rows->n : QUERIES, rows->bytes};
    assert_true(recall(store, index, &themselves) >= 0.95);
    kith_index_close(index);
    kith_store_close(store);
}

/* One row fewer and one more than a sketch has places; rows that span nothing. */
static void few_rows(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 2, 3, 95, 96, 97};
    uint64_t random = check_seed();
    for (size_t t = 0; t < TYPES; t++)
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            matrix rows = mixtures(types[t], DIM, counts[i], 7, &random);
            matrix queries = mixtures(types[t], DIM, QUERIES, 7, &random);
            check_rows(&rows, &queries, "mixed");
            matrix_free(&rows), matrix_free(&queries);
        }
}

/* Nothing spreads in any direction: directions are noise, and a step is one. */
static void equal_rows(void **state)
{
    (void)state;
    static const size_t counts[] = {2, 97, 500};
    uint64_t random = check_seed();
    for (size_t t = 0; t < TYPES; t++)
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            matrix rows = matrix_identical(types[t], DIM, counts[i], &random);
            matrix queries = matrix_uniform(types[t], DIM, QUERIES, &random);
            check_rows(&rows, &queries, "all the same");
            matrix_free(&rows), matrix_free(&queries);
        }
}

/* One row decides on the size of a step; all others then have the same sketch, or nearly. Half of
 * the queries lie out there too. */
static void an_outlier(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    for (size_t t = 0; t < TYPES; t++) {
        const float far = types[t] == KITH_U8 ? 255 : types[t] == KITH_I8 ? 127 : 90;
        matrix rows = mixtures(types[t], DIM, 600, 7, &random);
        matrix queries = mixtures(types[t], DIM, QUERIES, 7, &random);
        for (uint32_t j = 0; j < DIM; j++) {
            set_element(types[t], row_at(&rows, 300), j, j % 2 ? far : 0);
            for (size_t i = 0; i < QUERIES; i += 2)
                set_element(types[t], row_at(&queries, i), j, j % 2 ? far : (float)(i % 3));
        }
        check_rows(&rows, &queries, "with one far away");
        matrix_free(&rows), matrix_free(&queries);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_rows),
        cmocka_unit_test(equal_rows),
        cmocka_unit_test(an_outlier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

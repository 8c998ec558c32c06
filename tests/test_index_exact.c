/* Property: kith_exact gives the k nearest rows of a plain matrix as a naive search in int64 and
 * double does, also where f32 sums cannot tell rows apart: a large common offset, near and exact
 * duplicates, squares in the denormal range, queries shorter than the smallest normal number; for
 * every type of rows. It
 * reports progress, stops when told to, and refuses what has no answer.
 */
#include "tests/index_data.h"

#include <math.h>
#include <string.h>

static void check_exact(kith_metric metric, const matrix *rows, const matrix *queries, uint32_t k,
                        uint32_t threads)
{
    naive_hit *ranking = malloc(rows->n * sizeof *ranking);
    uint32_t *found = malloc(queries->n * k * sizeof *found);
    float *distances = malloc(queries->n * k * sizeof *distances);
    kith_hit *hits = malloc(k * sizeof *hits);
    must(kith_exact(metric, rows->type, rows->dim, rows->bytes, rows->n, queries->bytes, queries->n,
                    k, threads, found, distances, NULL, NULL));
    for (size_t q = 0; q < queries->n; q++) {
        const void *query = row_at(queries, q);
        size_t count = naive_ranking(metric, rows, NULL, query, ranking);
        for (uint32_t i = 0; i < k; i++)
            hits[i] = (kith_hit){.row = found[q * k + i], .distance = distances[q * k + i]};
        check_hits(metric, rows, query, ranking, count, hits, k);
    }
    free(ranking);
    free(found);
    free(distances);
    free(hits);
}

static void check_all_metrics(const matrix *rows, const matrix *queries, uint32_t k)
{
    for (size_t i = 0; i < KINDS; i++)
        for (uint32_t threads = 1; threads <= 3 && kinds[i].type == rows->type; threads += 2)
            check_exact(kinds[i].metric, rows, queries, k, threads);
}

static void ordinary_data(void **state)
{
    (void)state;
    static const uint32_t dims[] = {1, 3, 64, 130, 784};
    uint64_t random = check_seed();
    for (int type = KITH_F32; type <= KITH_B1; type++)
        for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
            const bool first = type == KITH_F32 || type == KITH_U8;
            size_t n = dims[d] > 500 || !first ? 700 : 1500; /* more than one block of rows */
            if (!first && dims[d] > 500)
                continue;
            matrix rows = matrix_clustered((kith_type)type, dims[d], n, 20, &random);
            matrix queries = matrix_clustered((kith_type)type, dims[d], 9, 20, &random);
            check_all_metrics(&rows, &queries, 1);
            check_all_metrics(&rows, &queries, 10);
            matrix_free(&rows);
            matrix_free(&queries);
        }
}

static void every_row_wanted(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    for (int type = KITH_F32; type <= KITH_B1; type++)
        for (size_t n = 1; n <= 600; n = n * 8 + 1) {
            matrix rows = matrix_uniform((kith_type)type, 5, n, &random);
            matrix queries = matrix_uniform((kith_type)type, 5, 3, &random);
            check_all_metrics(&rows, &queries, (uint32_t)n);
            matrix_free(&rows);
            matrix_free(&queries);
        }
}

/* More queries than are answered between two reports. */
static void many_queries(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix rows = matrix_uniform(KITH_U8, 3, 200, &random);
    matrix queries = matrix_uniform(KITH_U8, 3, 2500, &random);
    check_all_metrics(&rows, &queries, 4);
    matrix_free(&rows);
    matrix_free(&queries);
}

/* Norms of 1e4 * sqrt(dim) with differences of 1e-2: in f32 the products leave no digit of the
 * squared distance. Every third row repeats one before it; some differ in the last bit only. */
static void rounding_hides_the_order(void **state)
{
    (void)state;
    static const uint32_t dims[] = {2, 33, 128};
    uint64_t random = check_seed();
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
        matrix rows = matrix_uniform(KITH_F32, dims[d], 900, &random);
        matrix queries = matrix_uniform(KITH_F32, dims[d], 40, &random);
        for (size_t i = 0; i < rows.n * rows.dim; i++)
            floats_at(&rows, 0)[i] = 1e4f + 0.01f * floats_at(&rows, 0)[i];
        for (size_t i = 0; i < queries.n * rows.dim; i++)
            floats_at(&queries, 0)[i] = 1e4f + 0.01f * floats_at(&queries, 0)[i];
        for (size_t i = 1; i < rows.n; i += 3) {
            memcpy(row_at(&rows, i), row_at(&rows, check_below(&random, (uint32_t)i)),
                   row_bytes(&rows));
            if (i % 2)
                floats_at(&rows, i)[0] = nextafterf(floats_at(&rows, i)[0], 0);
        }
        check_all_metrics(&rows, &queries, 10);
        matrix_free(&rows);
        matrix_free(&queries);
    }
}

static void equal_rows_come_in_order(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    for (int type = KITH_F32; type <= KITH_B1; type++) {
        matrix rows = matrix_identical((kith_type)type, 20, 1300, &random);
        matrix queries = matrix_uniform((kith_type)type, 20, 3, &random);
        check_all_metrics(&rows, &queries, 10);
        check_all_metrics(&rows, &queries, 1300);
        matrix_free(&rows);
        matrix_free(&queries);
    }
}

/* Nine rows at 7.9 units of the last place of the denormal range, then one at 7.6: all ten squares
 * round to 8 units, and only the last row is the answer. */
static void squares_below_the_normal_range(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix rows = matrix_uniform(KITH_F32, 1, 40, &random);
    matrix query = matrix_uniform(KITH_F32, 1, 1, &random);
    floats_at(&query, 0)[0] = 0;
    for (size_t i = 0; i < rows.n; i++)
        floats_at(&rows, i)[0] = (float)sqrt((i < 30 ? 7.9 : 7.6) * 0x1p-149);
    check_exact(KITH_L2SQ, &rows, &query, 1, 1);
    check_exact(KITH_L2SQ, &rows, &query, 3, 1);
    matrix_free(&rows);
    matrix_free(&query);
}

/* A direction is a direction, however short the query; and sums beyond f32 have an order too. */
static void queries_out_of_the_ordinary(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix rows = matrix_uniform(KITH_F32, 4, 500, &random);
    matrix queries = matrix_uniform(KITH_F32, 4, 40, &random);
    for (size_t i = 0; i < queries.n * 4; i++)
        floats_at(&queries, 0)[i] *= 1e-39f;
    check_all_metrics(&rows, &queries, 5);
    for (size_t i = 0; i < queries.n * 4; i++)
        floats_at(&queries, 0)[i] = check_unit(&random) * 1e30f;
    for (size_t i = 0; i < rows.n * 4; i++)
        floats_at(&rows, 0)[i] *= 1e30f;
    check_all_metrics(&rows, &queries, 5);
    matrix_free(&rows);
    matrix_free(&queries);
}

typedef struct reports {
    uint64_t calls, last, total, stop_at;
} reports;

static int report(void *user, uint64_t done, uint64_t total)
{
    reports *r = user;
    r->calls++;
    assert_true(done > r->last && done <= total);
    r->last = done;
    r->total = total;
    return done >= r->stop_at;
}

static void progress_and_cancel(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix rows = matrix_uniform(KITH_U8, 8, 100, &random);
    matrix queries = matrix_uniform(KITH_U8, 8, 3000, &random);
    uint32_t *found = malloc(queries.n * sizeof *found);
    reports r = {.stop_at = UINT64_MAX};
    must(kith_exact(KITH_L2SQ, KITH_U8, 8, rows.bytes, 100, queries.bytes, queries.n, 1, 2, found,
                    NULL, report, &r));
    assert_true(r.calls > 1 && r.last == queries.n && r.total == queries.n);
    r = (reports){.stop_at = 1};
    memset(found, 0xff, queries.n * sizeof *found);
    must_fail(kith_exact(KITH_L2SQ, KITH_U8, 8, rows.bytes, 100, queries.bytes, queries.n, 1, 2,
                         found, NULL, report, &r),
              KITH_ECANCELLED, "3000");
    assert_int_equal(r.calls, 1);
    for (size_t i = 0; i < queries.n; i++)
        assert_int_equal(found[i] < 100, i < r.last);
    free(found);
    matrix_free(&rows);
    matrix_free(&queries);
}

static void refusals(void **state)
{
    (void)state;
    float rows[4] = {1, 2, 3, 4}, queries[2] = {5, 6}, distances[2] = {-9, -9};
    uint32_t found[2] = {77, 77};
    const kith_metric l2sq = KITH_L2SQ;
    must_fail(kith_exact(l2sq, KITH_F32, 2, rows, 2, queries, 1, 0, 1, found, distances, 0, 0),
              KITH_EINVAL, "k = 0");
    must_fail(kith_exact(l2sq, KITH_F32, 2, rows, 2, queries, 1, 3, 1, found, distances, 0, 0),
              KITH_EINVAL, "k = 3 with 2 rows");
    must_fail(kith_exact(l2sq, KITH_F32, 0, rows, 2, queries, 1, 1, 1, found, distances, 0, 0),
              KITH_EINVAL, "dimension 0");
    must_fail(kith_exact(l2sq, KITH_U8, 33026, rows, 0, queries, 1, 1, 1, found, distances, 0, 0),
              KITH_EINVAL, "33026");
    must_fail(kith_exact(l2sq, KITH_F32, 2, rows, 0, queries, 1, 1, 1, found, distances, 0, 0),
              KITH_EINVAL, "0 rows");
    must_fail(kith_exact(l2sq, KITH_F32, 2, rows, (size_t)1 << 31 | 1, queries, 1, 1, 1, found,
                         distances, 0, 0),
              KITH_EINVAL, "2147483649 rows");
    must_fail(kith_exact((kith_metric)9, KITH_F32, 2, rows, 2, queries, 1, 1, 1, found, NULL, 0, 0),
              KITH_EINVAL, "9 is no metric");
    must_fail(kith_exact(l2sq, (kith_type)7, 2, rows, 2, queries, 1, 1, 1, found, NULL, 0, 0),
              KITH_EINVAL, "7 is no row type");
    rows[3] = NAN;
    must_fail(kith_exact(l2sq, KITH_F32, 2, rows, 2, queries, 1, 1, 1, found, distances, 0, 0),
              KITH_EINVAL, "element 1 of row 1");
    rows[3] = 4;
    queries[0] = INFINITY;
    must_fail(kith_exact(l2sq, KITH_F32, 2, rows, 2, queries, 1, 1, 1, found, distances, 0, 0),
              KITH_EINVAL, "element 0 of query 0");
    assert_true(found[0] == 77 && found[1] == 77 && distances[0] == -9 && distances[1] == -9);
    must(kith_exact(l2sq, KITH_F32, 2, rows, 2, queries, 0, 1, 1, found, distances, 0, 0));
    assert_int_equal(found[0], 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_data),
        cmocka_unit_test(every_row_wanted),
        cmocka_unit_test(many_queries),
        cmocka_unit_test(rounding_hides_the_order),
        cmocka_unit_test(equal_rows_come_in_order),
        cmocka_unit_test(squares_below_the_normal_range),
        cmocka_unit_test(queries_out_of_the_ordinary),
        cmocka_unit_test(progress_and_cancel),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

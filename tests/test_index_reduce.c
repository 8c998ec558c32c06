/* A learnt projection is orthonormal, keeps the directions in which rows spread most, and is the
 * same bytes for every number of threads. */
#include "index/reduce.h"
#include "tests/check.h"
#include "tests/random.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 48, REDUCED = 12, ROWS = 600 };

/* Rows that spread in direction i of a random basis with 1 / (1 + i). */
static void spread_rows(float *rows, uint32_t n, uint64_t *random)
{
    float basis[DIM][DIM];
    for (uint32_t i = 0; i < DIM; i++)
        for (uint32_t j = 0; j < DIM; j++)
            basis[i][j] = check_unit(random) - 0.5f;
    memset(rows, 0, (size_t)n * DIM * sizeof *rows);
    for (uint32_t r = 0; r < n; r++)
        for (uint32_t i = 0; i < DIM; i++) {
            const float by = (check_unit(random) - 0.5f) / (float)(1 + i * i);
            for (uint32_t j = 0; j < DIM; j++)
                rows[r * DIM + j] += by * basis[i][j] + (i == 0 ? 3.0f : 0.0f);
        }
}

static void learn(const float *rows, uint32_t n, uint32_t reduced, uint32_t threads, float *out)
{
    ki_workers *workers = NULL;
    assert_int_equal(ki_workers_open(threads, &workers), KITH_OK);
    assert_int_equal(ki_reduce_learn(rows, n, DIM, reduced, true, workers, out), KITH_OK);
    ki_workers_close(workers);
}

static void check_orthonormal(const float *projection, uint32_t reduced)
{
    for (uint32_t a = 0; a < reduced; a++)
        for (uint32_t b = 0; b <= a; b++) {
            double sum = 0;
            for (uint32_t i = 0; i < DIM; i++)
                sum += (double)projection[i * reduced + a] * (double)projection[i * reduced + b];
            assert_true(fabs(sum - (a == b)) < 1e-5);
        }
}

/* The spread of the rows about their mean that the projection keeps. */
static double kept(const float *rows, uint32_t n, const float *projection, uint32_t reduced)
{
    double mean[DIM] = {0}, sum = 0;
    for (uint32_t r = 0; r < n; r++)
        for (uint32_t i = 0; i < DIM; i++)
            mean[i] += (double)rows[r * DIM + i] / n;
    for (uint32_t r = 0; r < n; r++)
        for (uint32_t a = 0; a < reduced; a++) {
            double share = 0;
            for (uint32_t i = 0; i < DIM; i++)
                share +=
                    ((double)rows[r * DIM + i] - mean[i]) * (double)projection[i * reduced + a];
            sum += share * share;
        }
    return sum;
}

/* Jacobi's rotations: the eigenvalues of a symmetric matrix, on its diagonal in the end. */
static void jacobi(double c[DIM][DIM])
{
    for (int sweep = 0; sweep < 30; sweep++)
        for (int p = 0; p < DIM; p++)
            for (int q = p + 1; q < DIM; q++) {
                const double angle = 0.5 * atan2(2 * c[p][q], c[q][q] - c[p][p]);
                const double co = cos(angle), si = sin(angle);
                for (int k = 0; k < DIM; k++) {
                    const double a = c[p][k], b = c[q][k];
                    c[p][k] = co * a - si * b;
                    c[q][k] = si * a + co * b;
                }
                for (int k = 0; k < DIM; k++) {
                    const double a = c[k][p], b = c[k][q];
                    c[k][p] = co * a - si * b;
                    c[k][q] = si * a + co * b;
                }
            }
}

static int descending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

static double best_possible(const float *rows, uint32_t n, uint32_t reduced)
{
    static double c[DIM][DIM];
    double mean[DIM] = {0}, values[DIM], sum = 0;
    memset(c, 0, sizeof c);
    for (uint32_t r = 0; r < n; r++)
        for (uint32_t i = 0; i < DIM; i++)
            mean[i] += (double)rows[r * DIM + i] / n;
    for (uint32_t r = 0; r < n; r++)
        for (uint32_t i = 0; i < DIM; i++)
            for (uint32_t j = 0; j < DIM; j++)
                c[i][j] +=
                    ((double)rows[r * DIM + i] - mean[i]) * ((double)rows[r * DIM + j] - mean[j]);
    jacobi(c);
    for (uint32_t i = 0; i < DIM; i++)
        values[i] = c[i][i];
    qsort(values, DIM, sizeof *values, descending);
    for (uint32_t i = 0; i < reduced; i++)
        sum += values[i];
    return sum;
}

static void keeps_what_there_is_to_keep(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    float *rows = malloc((size_t)ROWS * DIM * sizeof *rows), projection[DIM * REDUCED];
    spread_rows(rows, ROWS, &random);
    learn(rows, ROWS, REDUCED, 1, projection);
    check_orthonormal(projection, REDUCED);
    const double best = best_possible(rows, ROWS, REDUCED);
    const double got = kept(rows, ROWS, projection, REDUCED);
    assert_true(got > 0.99 * best);
    assert_true(got < 1.0001 * best);
    free(rows);
}

static void same_bytes_for_every_number_of_threads(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    float *rows = malloc((size_t)ROWS * DIM * sizeof *rows);
    float one[DIM * REDUCED], many[DIM * REDUCED];
    spread_rows(rows, ROWS, &random);
    learn(rows, ROWS, REDUCED, 1, one);
    for (uint32_t threads = 2; threads <= 3; threads++) {
        learn(rows, ROWS, REDUCED, threads, many);
        assert_memory_equal(one, many, sizeof one);
    }
    free(rows);
}

/* One row, equal rows, fewer rows than directions, as many directions as dimensions. */
static void fills_up_where_rows_say_nothing(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    float rows[5 * DIM], projection[DIM * DIM];
    spread_rows(rows, 5, &random);
    learn(rows, 1, REDUCED, 1, projection);
    check_orthonormal(projection, REDUCED);
    learn(rows, 5, REDUCED, 2, projection);
    check_orthonormal(projection, REDUCED);
    assert_true(kept(rows, 5, projection, REDUCED) > 0.999 * best_possible(rows, 5, REDUCED));
    learn(rows, 5, DIM, 1, projection);
    check_orthonormal(projection, DIM);
    for (uint32_t r = 1; r < 5; r++)
        memcpy(rows + r * DIM, rows, DIM * sizeof *rows);
    learn(rows, 5, REDUCED, 1, projection);
    check_orthonormal(projection, REDUCED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_there_is_to_keep),
        cmocka_unit_test(same_bytes_for_every_number_of_threads),
        cmocka_unit_test(fills_up_where_rows_say_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

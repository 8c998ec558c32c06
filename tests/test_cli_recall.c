/* test_cli_recall.c - recall counts what the two definitions say and nothing twice.
 *
 * Each case is small enough to be counted by hand: rows on a line, the query at 0, k = 3.
 */
#include "tests/check.h"

#include <math.h>
#include <string.h>

#include "cli/recall.h"

#define K 3u

/* u8 rows at 1, 2, 3, 3, 4, 9 from the query: rows 2 and 3 tie at the third place. */
static const uint8_t line[] = {1, 2, 3, 3, 4, 9};
static const uint8_t origin[] = {0};
static const uint32_t line_truth[K] = {0, 1, 2};

static struct judge judge_line(void)
{
    struct judge judge = {.metric = KITH_L2SQ,
                          .type = KITH_U8,
                          .dim = 1,
                          .k = K,
                          .rows = sizeof line,
                          .base = line,
                          .queries = origin,
                          .truth = line_truth};
    judge_open(&judge, 1);
    return judge;
}

static void fill(kith_hit *hits, const uint32_t *rows)
{
    for (uint32_t i = 0; i < K; i++)
        hits[i] = (kith_hit){.key = rows[i], .row = rows[i], .distance = -1};
}

static void expect(const struct judge *judge, const uint32_t *rows, uint32_t strict, uint32_t annb)
{
    kith_hit hits[K];
    uint32_t s = 99, a = 99;
    fill(hits, rows);
    judge_query(judge, 0, hits, &s, &a);
    assert_int_equal(s, strict);
    assert_int_equal(a, annb);
}

static void test_counts(void **state)
{
    (void)state;
    struct judge judge = judge_line();
    expect(&judge, (uint32_t[]){0, 1, 2}, 3, 3);
    expect(&judge, (uint32_t[]){2, 0, 1}, 3, 3); /* order is not recall's business */
    expect(&judge, (uint32_t[]){0, 1, 4}, 2, 2);
    expect(&judge, (uint32_t[]){4, 5, 0}, 1, 1);
    expect(&judge, (uint32_t[]){4, 5, UINT32_MAX}, 0, 0);
    judge_close(&judge);
}

static void test_tie_is_as_good(void **state)
{
    (void)state;
    struct judge judge = judge_line();
    expect(&judge, (uint32_t[]){0, 1, 3}, 3, 3);
    expect(&judge, (uint32_t[]){0, 2, 3}, 3, 3); /* capped: three hits, not four */
    judge_close(&judge);
}

static void test_no_row_counts_twice(void **state)
{
    (void)state;
    struct judge judge = judge_line();
    expect(&judge, (uint32_t[]){0, 0, 0}, 1, 1);
    expect(&judge, (uint32_t[]){1, 0, 1}, 2, 2);
    judge_close(&judge);
}

static void test_rows_that_do_not_exist(void **state)
{
    (void)state;
    struct judge judge = judge_line();
    expect(&judge, (uint32_t[]){0, 6, 4000000}, 1, 1);
    expect(&judge, (uint32_t[]){UINT32_MAX, UINT32_MAX, UINT32_MAX}, 0, 0);
    judge_close(&judge);
}

/* On unsquared distances, 3.0005 is within 0.001 of the third neighbour at 3, and 3.002 is not. */
static void test_slack_of_annb(void **state)
{
    (void)state;
    static const float rows[] = {1, 2, 3, 3.0005f, 3.002f, 9}, query[] = {0};
    struct judge judge = judge_line();
    judge_close(&judge);
    judge.type = KITH_F32;
    judge.base = rows;
    judge.queries = query;
    judge_open(&judge, 1);
    expect(&judge, (uint32_t[]){0, 1, 3}, 2, 3);
    expect(&judge, (uint32_t[]){0, 1, 4}, 2, 2);
    judge_close(&judge);
}

static void test_sets_are_sums(void **state)
{
    (void)state;
    static const uint8_t queries[] = {0, 9};
    static const uint32_t truth[2 * K] = {0, 1, 2, 5, 4, 2}, reversed[] = {1, 0};
    struct judge judge = judge_line();
    kith_hit hits[2 * K];
    judge_close(&judge);
    judge.queries = queries;
    judge.truth = truth;
    judge_open(&judge, 2);
    fill(hits, (uint32_t[]){5, 4, 3});     /* all right for query 1, one of three for query 0 */
    fill(hits + K, (uint32_t[]){0, 1, 2}); /* all right for query 0, one of three for query 1 */
    assert_true(judge_all(&judge, reversed, 2, hits).strict == 1);
    assert_true(fabs(judge_all(&judge, NULL, 2, hits).strict - 1 / 3.0) < 1e-12);
    judge_close(&judge);
}

/* Every metric against sums in long double, on random vectors. */
static void test_distances(void **state)
{
    (void)state;
    uint64_t seed = check_seed();
    float a[131], b[131];
    uint8_t c[131], d[131];
    for (uint32_t dim = 1; dim <= 131; dim += 13) {
        long double aa = 0, bb = 0, ab = 0, l2 = 0, ul2 = 0;
        for (uint32_t i = 0; i < dim; i++) {
            a[i] = check_unit(&seed);
            b[i] = check_unit(&seed);
            c[i] = (uint8_t)check_below(&seed, 256);
            d[i] = (uint8_t)check_below(&seed, 256);
            aa += (long double)a[i] * a[i];
            bb += (long double)b[i] * b[i];
            ab += (long double)a[i] * b[i];
            l2 += ((long double)a[i] - b[i]) * ((long double)a[i] - b[i]);
            ul2 += (c[i] - d[i]) * (c[i] - d[i]);
        }
        double cosine = (double)(1 - ab / sqrtl(aa * bb));
        assert_true(fabs(recall_distance(KITH_L2SQ, KITH_F32, dim, a, b) - (double)l2) < 1e-12);
        assert_true(fabs(recall_distance(KITH_IP, KITH_F32, dim, a, b) + (double)ab) < 1e-12);
        assert_true(fabs(recall_distance(KITH_COSINE, KITH_F32, dim, a, b) - cosine) < 1e-12);
        assert_true(recall_distance(KITH_L2SQ, KITH_U8, dim, c, d) == (double)ul2);
    }
    memset(a, 0, sizeof a);
    assert_true(recall_distance(KITH_COSINE, KITH_F32, 131, a, b) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_tie_is_as_good),
        cmocka_unit_test(test_no_row_counts_twice),
        cmocka_unit_test(test_rows_that_do_not_exist),
        cmocka_unit_test(test_slack_of_annb),
        cmocka_unit_test(test_sets_are_sums),
        cmocka_unit_test(test_distances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

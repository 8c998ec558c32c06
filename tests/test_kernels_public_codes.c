/* Property: a kernel that is opened from a codec takes f32 queries and codes as its rows. Every
 * call gives the same bits on every level of the ladder, distances are in the units of the rows,
 * and the true neighbours are among the first candidates; what codes cannot do is one sentence.
 */
#include "tests/index_data.h"

#include <math.h>
#include <string.h>

enum { N = 1200, QUERIES = 30, DIM = 40, K = 10, CANDIDATES = 30 };

typedef struct scene {
    kith_metric metric;
    matrix rows, queries;
    kith_codec *codec;
    unsigned char *codes;
    kith_side *sides;
    kith_rows view;
} scene;

static void open_scene(scene *s, kith_code code, kith_metric metric)
{
    uint64_t random = check_seed();
    kith_codec_options options = kith_codec_defaults(DIM, code, metric);
    kith_codec_info info = {.size = sizeof info};
    *s = (scene){.metric = metric, .rows = matrix_clustered(KITH_F32, DIM, N, 20, &random)};
    s->queries = matrix_clustered(KITH_F32, DIM, QUERIES, 20, &random);
    for (size_t i = 0; i < QUERIES; i++) { /* near some row, as queries are */
        const float *row = floats_at(&s->rows, check_below(&random, N));
        for (uint32_t j = 0; j < DIM; j++)
            floats_at(&s->queries, i)[j] = row[j] + 0.1f * check_unit(&random);
    }
    must(kith_codec_train(&options, floats_at(&s->rows, 0), 0, N, &s->codec));
    must(kith_codec_stat(s->codec, &info));
    const size_t stride = (info.code_bytes + 63) / 64 * 64;
    s->codes = calloc(N, stride);
    s->sides = calloc(N, sizeof *s->sides);
    must(kith_codec_encode(s->codec, floats_at(&s->rows, 0), 0, N, 2, s->codes, stride, s->sides));
    s->view = (kith_rows){.base = s->codes, .stride = stride, .count = N, .sides = s->sides};
}

static void close_scene(scene *s)
{
    kith_codec_close(s->codec);
    free(s->codes);
    free(s->sides);
    matrix_free(&s->rows);
    matrix_free(&s->queries);
}

static void check_calls(const scene *s, kith_kernel *kernel, const uint32_t *top,
                        const float *nearest)
{
    kith_query *query = NULL;
    float all[N], some[N];
    uint32_t ids[N];
    must(kith_query_open(kernel, row_at(&s->queries, 0), &query));
    for (size_t q = 0; q < QUERIES; q += 7) {
        must(kith_query_set(query, row_at(&s->queries, q)));
        must(kith_query_range(query, &s->view, 0, N, all));
        for (uint32_t i = 0; i < N; i++)
            ids[i] = (i * 11 + 5) % N;
        must(kith_query_gather(query, &s->view, ids, N, some));
        for (uint32_t i = 0; i < N; i++)
            assert_memory_equal(&some[i], &all[ids[i]], sizeof *all);
        for (uint32_t i = 0; i < CANDIDATES; i++) {
            const uint32_t row = top[q * CANDIDATES + i];
            assert_memory_equal(&nearest[q * CANDIDATES + i], &all[row], sizeof *all);
            assert_true(!i || all[top[q * CANDIDATES + i - 1]] <= all[row]);
        }
    }
    kith_query_close(query);
}

/* How many of the true neighbours are candidates; and how far the estimates are off, as a part of
 * the mean distance. */
static double check_nearness(const scene *s, const uint32_t *top, const float *nearest,
                             double *error)
{
    naive_hit *ranking = malloc(N * sizeof *ranking);
    uint32_t found = 0;
    double size = 0;
    *error = 0;
    for (size_t q = 0; q < QUERIES; q++) {
        const void *query = row_at(&s->queries, q);
        naive_ranking(s->metric, &s->rows, NULL, query, ranking);
        for (uint32_t i = 0; i < CANDIDATES; i++) {
            const uint32_t row = top[q * CANDIDATES + i];
            const double truth = naive_distance(s->metric, &s->rows, query, row_at(&s->rows, row));
            *error += fabs((double)nearest[q * CANDIDATES + i] - truth);
            size += fabs(truth);
            for (uint32_t j = 0; j < K; j++)
                found += ranking[j].row == row;
        }
    }
    *error /= size;
    free(ranking);
    return found / (double)(QUERIES * K);
}

static void codes_are_rows(void **state)
{
    (void)state;
    static const double least[] = {0.99, 0.99, 0.7, 0.5}, most_error[] = {0.03, 0.03, 0.3, 2};
    for (int code = KITH_SQ8; code <= KITH_SQ1; code++)
        for (int metric = KITH_L2SQ; metric <= KITH_COSINE; metric++) {
            uint32_t top[QUERIES * CANDIDATES], first[QUERIES * CANDIDATES];
            float nearest[QUERIES * CANDIDATES];
            const char *level;
            double error;
            scene s;
            open_scene(&s, (kith_code)code, (kith_metric)metric);
            for (size_t l = 0; (level = kith_cpu_level(l)); l++) {
                kith_kernel *kernel = NULL;
                must(kith_kernel_open_codec(s.codec, level, &kernel));
                assert_true(kith_kernel_needs_sides(kernel));
                must(kith_kernel_top(kernel, &s.view, s.queries.bytes, QUERIES, CANDIDATES, 2, top,
                                     nearest));
                check_calls(&s, kernel, top, nearest);
                if (l == 0)
                    memcpy(first, top, sizeof first);
                else if (code == KITH_SQ8 || code == KITH_SQ4) /* exact sums */
                    assert_memory_equal(top, first, sizeof first);
                kith_kernel_close(kernel);
            }
            double recall = check_nearness(&s, top, nearest, &error);
            printf("code %d %s: %.3f of %d in %d, estimates off by %.4f\n", code,
                   kith_metric_name((kith_metric)metric), recall, K, CANDIDATES, error);
            assert_true(recall >= least[code] && error <= most_error[code]);
            close_scene(&s);
        }
}

static void refusals(void **state)
{
    (void)state;
    scene s;
    kith_kernel *kernel = NULL;
    kith_side side;
    float distance = 7;
    open_scene(&s, KITH_SQ4, KITH_L2SQ);
    must_fail(kith_kernel_open_codec(s.codec, "sse9", &kernel), KITH_EINVAL, "sse9");
    assert_null(kernel);
    must(kith_kernel_open_codec(s.codec, NULL, &kernel));
    must_fail(kith_kernel_fill_sides(kernel, s.codes, 0, 1, &side), KITH_EUNSUPPORTED,
              "kith_codec_encode");
    must_fail(kith_kernel_distance(kernel, s.queries.bytes, s.codes, &distance), KITH_EUNSUPPORTED,
              "sides");
    s.view.sides = NULL;
    uint32_t ids[1];
    must_fail(kith_kernel_top(kernel, &s.view, s.queries.bytes, 1, 1, 1, ids, NULL), KITH_EINVAL,
              "rows->sides is NULL, and l2sq of q4 rows needs them: see kith_codec_encode");
    assert_true(distance == 7);
    kith_kernel_close(kernel);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_are_rows),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

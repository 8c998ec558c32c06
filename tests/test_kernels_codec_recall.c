/* Property: distances between queries and codes, as the kernels of the codes give them, are near
 * the distances of the rows, and the nearest ten of a row are among the first fifty by codes, for
 * every kind of codes and metric, to a floor that is stated; whatever level of the ladder runs,
 * the order is that of the first.
 */
#include "kernels/codec.h"
#include "index/codec_object.h"
#include "tests/codec_cases.h"

enum { N = 3000, QUERIES = 30, DIM = 96, K = 10, CANDIDATES = 50 };

/* The least recall of K within CANDIDATES, and the most root mean square error of a distance
 * relative to the spread of all distances of the query. */
static const struct {
    double recall, error;
} floors[] = {[KITH_SQ8] = {0.999, 0.02},
              [KITH_SQ8_DIM] = {0.999, 0.02},
              [KITH_SQ4] = {0.95, 0.35},
              [KITH_SQ1] = {0.65, 0.7}};

typedef struct scene {
    float *rows, *queries;
    kith_codec *codec;
    unsigned char *codes;
    kith_side *sides;
} scene;

static double true_distance(kith_metric metric, const float *a, const float *b)
{
    double dot = 0, l2sq = 0, aa = 0, bb = 0;
    for (int i = 0; i < DIM; i++) {
        const double x = (double)a[i], y = (double)b[i];
        dot += x * y;
        l2sq += (x - y) * (x - y);
        aa += x * x;
        bb += y * y;
    }
    return metric == KITH_L2SQ ? l2sq : metric == KITH_IP ? -dot : 1 - dot / sqrt(aa * bb);
}

/* The distances of all codes, by the range kernel of the table. */
static void coded_distances(const scene *s, const ki_kernels *table, const float *query, float *out)
{
    static _Alignas(64) unsigned char scratch[DIM * 8], elements[DIM * 4];
    static uint32_t keys[N];
    const ki_codec *codec = &s->codec->codec;
    const ki_pairing pairing = ki_codec_pairing(codec);
    const ki_kernel *kernel = &table->at[ki_codec_metric(codec)][pairing];
    const ki_rows rows = {.base = s->codes,
                          .stride = ki_row_bytes(pairing, DIM),
                          .aux = (const unsigned char *)s->sides,
                          .aux_stride = sizeof *s->sides,
                          .dim = DIM};
    ki_codec_query coded;
    ki_query prepared;
    assert_true(ki_query_bytes(pairing, DIM) <= sizeof scratch);
    assert_true(ki_codec_query_bytes(codec) <= sizeof elements);
    assert_non_null(kernel->range);
    ki_codec_make_query(codec, query, elements, &coded);
    kernel->prepare(ki_codec_vector(codec, &coded), DIM, scratch, &prepared);
    kernel->range(&prepared, &rows, 0, N, keys);
    for (size_t i = 0; i < N; i++)
        out[i] = ki_codec_distance(&coded, kernel->form, keys[i]);
}

static int by_size(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The distance of the row in place `rank` of the order. */
static float distance_at(const float *distances, size_t rank)
{
    static float sorted[N];
    memcpy(sorted, distances, sizeof sorted);
    qsort(sorted, N, sizeof *sorted, by_size);
    return sorted[rank];
}

/* Returns how many of the K nearest are among the candidates; adds to the error. */
static size_t judge(const scene *s, const ki_kernels *table, kith_metric metric, const float *query,
                    double *error)
{
    static float truth[N], coded[N];
    double mean = 0, spread = 0, off = 0;
    size_t found = 0;
    for (size_t i = 0; i < N; i++) {
        truth[i] = (float)true_distance(metric, query, s->rows + i * DIM);
        mean += (double)truth[i] / N;
    }
    coded_distances(s, table, query, coded);
    for (size_t i = 0; i < N; i++) {
        spread += ((double)truth[i] - mean) * ((double)truth[i] - mean);
        off += ((double)truth[i] - (double)coded[i]) * ((double)truth[i] - (double)coded[i]);
    }
    const float nearest = distance_at(truth, K - 1), candidate = distance_at(coded, CANDIDATES - 1);
    for (size_t i = 0; i < N; i++)
        found += truth[i] <= nearest && coded[i] <= candidate;
    *error += sqrt(off / spread) / QUERIES;
    return found;
}

static void open_scene(scene *s, kith_code code, kith_metric metric)
{
    uint64_t random = check_seed() + 7;
    s->rows = draw_clusters(N + QUERIES, DIM, 24, &random);
    s->queries = s->rows + (size_t)N * DIM;
    s->codec = train_codec(code, metric, s->rows, N, DIM, 2);
    s->codes = encode_rows(s->codec, s->rows, N, 2, &s->sides);
}

static void close_scene(scene *s)
{
    kith_codec_close(s->codec);
    free(s->codes);
    free(s->sides);
    free(s->rows);
}

static void test_recall(void **state)
{
    ki_kernels table;
    (void)state;
    ki_kernels_fill(ki_cpu_features(), &table);
    for (int code = 0; code < CODES; code++)
        for (int metric = 0; metric < METRICS; metric++) {
            scene s;
            double error = 0;
            size_t found = 0;
            open_scene(&s, (kith_code)code, (kith_metric)metric);
            for (size_t q = 0; q < QUERIES; q++)
                found += judge(&s, &table, (kith_metric)metric, s.queries + q * DIM, &error);
            const double recall = (double)found / (K * QUERIES);
            print_message("code %d, %s: recall %.4f, error %.4f\n", code,
                          kith_metric_name((kith_metric)metric), recall, error);
            if (!(recall >= floors[code].recall) || !(error <= floors[code].error))
                fail_msg("code %d, %s: recall %g, error %g of the spread", code,
                         kith_metric_name((kith_metric)metric), recall, error);
            close_scene(&s);
        }
}

/* Integer kernels give the same bits on every level; the sums of KITH_SQ8_DIM are floats. */
static void test_levels(void **state)
{
    static float first[N], here[N];
    (void)state;
    for (int code = 0; code < CODES; code++) {
        scene s;
        open_scene(&s, (kith_code)code, KITH_L2SQ);
        for (size_t level = 0; kith_cpu_level(level); level++) {
            ki_kernels table;
            uint64_t mask = 0;
            assert_true(ki_cpu_mask(kith_cpu_level(level), &mask));
            ki_kernels_fill(ki_cpu_features() & mask, &table);
            coded_distances(&s, &table, s.queries, level ? here : first);
            for (size_t i = 0; level && i < N; i++)
                if (code == KITH_SQ8_DIM ? fabsf(here[i] - first[i]) > 1e-4f * (1 + fabsf(first[i]))
                                         : here[i] != first[i])
                    fail_msg("code %d, row %zu: %.9g at %s, %.9g before", code, i, (double)here[i],
                             kith_cpu_level(level), (double)first[i]);
        }
        close_scene(&s);
    }
}

/* A query or a row of zeros has the cosine distance 1, as nearly as codes can say it. */
static void test_zero_cosine(void **state)
{
    static float distances[N];
    const float zero[DIM] = {0};
    ki_kernels table;
    (void)state;
    ki_kernels_fill(ki_cpu_features(), &table);
    for (int code = 0; code < CODES; code++) {
        scene s;
        open_scene(&s, (kith_code)code, KITH_COSINE);
        coded_distances(&s, &table, zero, distances);
        for (size_t i = 0; i < N; i++)
            assert_true(distances[i] == 1.0f);
        must(kith_codec_encode(s.codec, zero, 0, 1, 1, s.codes, 0, s.sides));
        coded_distances(&s, &table, s.queries, distances);
        assert_true(fabsf(distances[0] - 1.0f) < (code == KITH_SQ1 ? 0.3f : 0.1f));
        close_scene(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recall),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_zero_cosine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

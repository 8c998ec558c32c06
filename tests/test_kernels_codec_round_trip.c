/* Property: an element that lies in the range of its codec comes back within half a step, for
 * every kind of codes and metric; what lies outside comes back at the end of the range. Constant
 * dimensions come back exactly, outliers do not widen the range, and a dimension that is rarely
 * anything but zero keeps what it has.
 */
#include "index/codec_object.h"
#include "tests/codec_cases.h"

/* Rows as a codec decodes them. */
static float *decoded_rows(const kith_codec *codec, const float *rows, size_t n)
{
    const kith_codec_info info = info_of(codec);
    kith_side *sides;
    unsigned char *codes = encode_rows(codec, rows, n, 1, &sides);
    float *back = new_floats(n * info.dim);
    must(kith_codec_decode(codec, codes, 0, sides, n, back));
    free(codes);
    free(sides);
    return back;
}

static double norm_of(const float *row, uint32_t dim)
{
    double sum = 0;
    for (uint32_t i = 0; i < dim; i++)
        sum += (double)row[i] * (double)row[i];
    return sqrt(sum);
}

static double most_error(const float *rows, const float *back, size_t n, uint32_t dim)
{
    double most = 0;
    for (size_t i = 0; i < n * dim; i++)
        most = fmax(most, fabs((double)rows[i] - (double)back[i]));
    return most;
}

/* How far an element may be off: half a step, and what of it lies beyond the range. */
static double allowed(const ki_codec *codec, double x, uint32_t i)
{
    const double step = (double)(codec->scales ? codec->scales[i] : codec->scale);
    const double range = step * (codec->code == KITH_SQ4 ? 8 : 127);
    const double from_centre = fabs(x - (double)codec->centre[i]);
    const double rounding = 0x1p-23 * (fabs(x) + step);
    return step / 2 + fmax(0, from_centre - range) + rounding;
}

static void check_steps(kith_code code, kith_metric metric, uint32_t dim, uint64_t *random)
{
    enum { N = 300 };
    size_t inside = 0;
    float *rows = draw_clusters(N, dim, 5, random);
    kith_codec *codec = train_codec(code, metric, rows, N, dim, 1);
    float *back = decoded_rows(codec, rows, N);
    for (size_t r = 0; r < N; r++) {
        const double norm = metric == KITH_COSINE ? norm_of(rows + r * dim, dim) : 1;
        for (uint32_t i = 0; i < dim; i++) {
            const double x = (double)rows[r * dim + i] / norm;
            const double error = fabs(x - (double)back[r * dim + i]);
            const double most = allowed(&codec->codec, x, i);
            const double step =
                (double)(codec->codec.scales ? codec->codec.scales[i] : codec->codec.scale);
            if (error > most)
                fail_msg("code %d, %s, dim %u: row %zu, element %u is off by %g, not %g", code,
                         kith_metric_name(metric), dim, r, i, error, most);
            inside += error <= step * 0.51;
        }
    }
    if (inside <= (size_t)N * dim * 9 / 10)
        fail_msg("code %d, %s, dim %u: %zu of %zu elements are in range", code,
                 kith_metric_name(metric), dim, inside, (size_t)N * dim);
    free(back);
    free(rows);
    kith_codec_close(codec);
}

static void test_half_a_step(void **state)
{
    const uint32_t dims[] = {1, 2, 7, 64, 129};
    uint64_t random = check_seed();
    (void)state;
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++)
        for (int code = KITH_SQ8; code <= KITH_SQ4; code++)
            for (int metric = 0; metric < METRICS; metric++)
                check_steps((kith_code)code, (kith_metric)metric, dims[d], &random);
}

/* Signs bring back the side of each element, and the size that is nearest to all of them. */
static void test_signs(void **state)
{
    enum { N = 100, DIM = 37 };
    uint64_t random = check_seed();
    (void)state;
    float *rows = draw_clusters(N, DIM, 3, &random), centre[DIM] = {0};
    kith_codec *codec = train_codec(KITH_SQ1, KITH_L2SQ, rows, N, DIM, 1);
    float *back = decoded_rows(codec, rows, N);
    for (size_t i = 0; i < (size_t)N * DIM; i++)
        centre[i % DIM] += rows[i] / N;
    for (size_t r = 0; r < N; r++) {
        double size = 0;
        for (uint32_t i = 0; i < DIM; i++)
            size += fabs((double)rows[r * DIM + i] - (double)centre[i]) / DIM;
        for (uint32_t i = 0; i < DIM; i++) {
            const double x = (double)(rows[r * DIM + i] - centre[i]);
            const double y = (double)(back[r * DIM + i] - centre[i]);
            if (fabs(x) > 1e-4)
                assert_true((x > 0) == (y > 0));
            assert_true(fabs(fabs(y) - size) < 1e-4 * size);
        }
    }
    free(back);
    free(rows);
    kith_codec_close(codec);
}

static void test_constant(void **state)
{
    enum { N = 50, DIM = 19 };
    float *rows = new_floats((size_t)N * DIM);
    (void)state;
    for (size_t i = 0; i < (size_t)N * DIM; i++)
        rows[i] = 0.1f * (float)(i % DIM);
    for (int code = 0; code < CODES; code++)
        for (size_t n = 1; n <= N; n += N - 1) {
            kith_codec *codec = train_codec((kith_code)code, KITH_L2SQ, rows, n, DIM, 1);
            float *back = decoded_rows(codec, rows, N);
            assert_memory_equal(rows, back, (size_t)N * DIM * sizeof *rows);
            free(back);
            kith_codec_close(codec);
        }
    free(rows);
}

/* A hundred thousand elements and one that somebody got wrong: the others keep their steps, and
 * it comes back at the end of the range. */
static void test_outlier(void **state)
{
    enum { N = 4000, DIM = 32 };
    uint64_t random = check_seed();
    (void)state;
    float *rows = draw_clusters(N, DIM, 8, &random);
    for (int code = 0; code <= KITH_SQ4; code++) {
        kith_codec *before = train_codec((kith_code)code, KITH_L2SQ, rows, N, DIM, 1);
        float *back = decoded_rows(before, rows, N);
        const double good = most_error(rows + DIM, back + DIM, N - 1, DIM);
        const float kept = rows[3];
        rows[3] = 1e30f;
        kith_codec *after = train_codec((kith_code)code, KITH_L2SQ, rows, N, DIM, 1);
        float *back_after = decoded_rows(after, rows, N);
        const double spoilt = most_error(rows + DIM, back_after + DIM, N - 1, DIM);
        if (info_of(after).scale > 4 * info_of(before).scale || spoilt > 4 * good + 4)
            fail_msg("code %d: with an outlier steps are %g, not %g, and rows off by %g, not %g",
                     code, (double)info_of(after).scale, (double)info_of(before).scale, spoilt,
                     good);
        assert_true(back_after[3] > 6.0f && back_after[3] < 1e5f);
        rows[3] = kept;
        free(back);
        free(back_after);
        kith_codec_close(before);
        kith_codec_close(after);
    }
    free(rows);
}

/* One 1 in two thousand rows, in each of the dimensions. */
static void test_rare(void **state)
{
    enum { N = 2000, DIM = 20 };
    float *rows = new_floats((size_t)N * DIM);
    (void)state;
    for (size_t i = 0; i < DIM; i++)
        rows[i * 7 * DIM + i] = 1.0f;
    kith_codec *codec = train_codec(KITH_SQ8_DIM, KITH_L2SQ, rows, N, DIM, 1);
    float *back = decoded_rows(codec, rows, N);
    assert_true(most_error(rows, back, N, DIM) < 0.05);
    free(back);
    free(rows);
    kith_codec_close(codec);
}

/* Far from zero, close together: what matters is the distance from the centre. And the smallest
 * and largest floats there are, where signs have no squared norms. */
static void test_extremes(void **state)
{
    enum { N = 64, DIM = 8 };
    const float sizes[] = {1e-45f, 1e-38f, 1e-20f, 1e20f, 3.4e38f};
    float *rows = new_floats((size_t)N * DIM);
    (void)state;
    for (size_t s = 0; s <= sizeof sizes / sizeof *sizes; s++)
        for (int code = 0; code <= KITH_SQ4; code++) {
            for (size_t i = 0; i < (size_t)N * DIM; i++)
                rows[i] =
                    s ? sizes[s - 1] * (i / DIM % 2 ? 1.0f : -1.0f) : 1e6f + (float)(i / DIM % 2);
            kith_codec *codec = train_codec((kith_code)code, KITH_L2SQ, rows, N, DIM, 1);
            float *back = decoded_rows(codec, rows, N);
            for (size_t i = 0; i < (size_t)N * DIM; i++)
                assert_true(isfinite(back[i]));
            const double width = s ? (double)sizes[s - 1] : 0.5;
            const double error = most_error(rows, back, N, DIM);
            if (!(error <= width * 0.13 + 0.6 * 0x1p-126))
                fail_msg("code %d, size %g: off by %g", code, width, error);
            free(back);
            kith_codec_close(codec);
        }
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_half_a_step), cmocka_unit_test(test_signs),
        cmocka_unit_test(test_constant),    cmocka_unit_test(test_outlier),
        cmocka_unit_test(test_rare),        cmocka_unit_test(test_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Property: the kernels of kith.h alone give what a naive sum in double gives, for every type,
 * metric, type of queries and level of the ladder: one distance, rows by number, rows in a run and
 * the nearest of a matrix carry the same bits (but for tiles of bf16 on matrix hardware); strides,
 * offsets and missing side data (where none is needed) change nothing; many threads may share a
 * kernel and a query.
 */
#include "tests/index_data.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

enum { N = 300, K = 17, QUERIES = 9, MOST_DIM = 200 };

/* A kernel, its rows with padding between them, and the same rows and queries for naive sums. */
typedef struct scene {
    kith_metric metric;
    matrix rows, queries, wide_rows, wide_queries;
    bool f32;
    kith_kernel *kernel;
    kith_rows view;
    unsigned char *padded;
    kith_side *sides;
} scene;

static kith_kernel *kernel_of(const row_kind *which, uint32_t dim, bool f32, const char *cpu)
{
    kith_kernel_options options = kith_kernel_defaults(dim, which->type, which->metric);
    kith_kernel *kernel = NULL;
    if (f32)
        options.query_type = KITH_F32;
    options.cpu = cpu;
    must(kith_kernel_open(&options, &kernel));
    return kernel;
}

/* Rows at an odd address and stride, as nobody would lay them out. */
static void open_rows(scene *s)
{
    const size_t bytes = row_bytes(&s->rows), stride = bytes + 3;
    s->padded = malloc(N * stride + 1);
    memset(s->padded, 0xaa, N * stride + 1);
    for (size_t i = 0; i < N; i++)
        memcpy(s->padded + 1 + i * stride, row_at(&s->rows, i), bytes);
    s->view = (kith_rows){.base = s->padded + 1, .stride = stride, .count = N};
    if (kith_kernel_needs_sides(s->kernel)) {
        s->sides = malloc(N * sizeof *s->sides);
        must(kith_kernel_fill_sides(s->kernel, s->view.base, stride, N, s->sides));
        s->view.sides = s->sides;
    }
}

static void open_scene(scene *s, const row_kind *which, uint32_t dim, bool f32, const char *cpu)
{
    uint64_t random = check_seed() + dim;
    *s = (scene){.metric = which->metric, .f32 = f32};
    s->rows = matrix_uniform(which->type, dim, N, &random);
    s->queries = matrix_uniform(which->type, dim, QUERIES, &random);
    if (f32 && which->type != KITH_B1) { /* fractions that the row type does not have */
        matrix_free(&s->queries);
        s->queries = matrix_uniform(KITH_F32, dim, QUERIES, &random);
    } else if (f32) {
        matrix bits = s->queries;
        s->queries = matrix_widened(&bits);
        matrix_free(&bits);
    }
    s->wide_rows = matrix_widened(&s->rows);
    s->wide_queries = matrix_widened(&s->queries);
    s->kernel = kernel_of(which, dim, f32, cpu);
    open_rows(s);
}

static void close_scene(scene *s)
{
    kith_kernel_close(s->kernel);
    free(s->padded);
    free(s->sides);
    matrix_free(&s->rows);
    matrix_free(&s->queries);
    matrix_free(&s->wide_rows);
    matrix_free(&s->wide_queries);
}

/* Integers are exact but for the last step to a float. Float sums are off by so many roundings of
 * the sum of their terms' sizes; where bf16 meets bf16, denormal products may be lost besides. */
static void check_distance(const scene *s, size_t q, size_t row, float got)
{
    const float *a = floats_at(&s->wide_queries, q), *b = floats_at(&s->wide_rows, row);
    const double truth = naive_distance(s->metric, &s->wide_rows, a, b);
    const kith_type type = s->rows.type;
    const bool exact = !s->f32 && (type == KITH_U8 || type == KITH_I8 || type == KITH_B1);
    double terms = fabs(truth);
    for (uint32_t i = 0; i < s->rows.dim && !exact && s->metric == KITH_IP; i++)
        terms += fabs((double)a[i] * (double)b[i]);
    if (s->metric == KITH_COSINE)
        terms = 2;
    const double may = exact && s->metric < KITH_COSINE
                           ? 0x1p-24 * fabs(truth)
                           : (ceil(s->rows.dim / 16.0) + 9) * 0x1p-24 * terms + 0x1p-100;
    if (fabs((double)got - truth) > may)
        fail_msg("%s of %s, dim %u%s: %.9g, and the sum is %.17g", kith_metric_name(s->metric),
                 kith_type_name(type), s->rows.dim, s->f32 ? ", f32 query" : "", (double)got,
                 truth);
}

/* Matrix hardware alone may round the sums of bf16 with bf16 in another way. */
static bool adds_in_its_own_order(const scene *s)
{
    kith_kernel_info info = {.size = sizeof info};
    must(kith_kernel_stat(s->kernel, &info));
    return !strcmp(info.pairing, "bf16bf16") && strcmp(info.tile, info.range);
}

static void check_top_loosely(const scene *s, size_t q, const uint32_t *top, const float *distances)
{
    for (uint32_t i = 0; i < K; i++) {
        check_distance(s, q, top[i], distances[i]);
        assert_true(!i || distances[i - 1] < distances[i] ||
                    (distances[i - 1] == distances[i] && top[i - 1] < top[i]));
    }
}

static void check_query(const scene *s, size_t q, const uint32_t *top, const float *top_distances)
{
    float all[N], some[N], one;
    uint32_t ids[N];
    kith_query *query = NULL;
    must(kith_query_open(s->kernel, row_at(&s->queries, 0), &query));
    must(kith_query_set(query, row_at(&s->queries, q)));
    must(kith_query_range(query, &s->view, 0, N, all));
    for (uint32_t i = 0; i < N; i++) {
        check_distance(s, q, i, all[i]);
        ids[i] = (i * 7 + 3) % N;
    }
    must(kith_query_gather(query, &s->view, ids, N, some));
    for (uint32_t i = 0; i < N; i++)
        assert_memory_equal(&some[i], &all[ids[i]], sizeof *all);
    must(kith_query_range(query, &s->view, 5, 11, some));
    assert_memory_equal(some, all + 5, 11 * sizeof *all);
    for (size_t i = 0; i < N; i += 50) {
        must(kith_kernel_distance(s->kernel, row_at(&s->queries, q), row_at(&s->rows, i), &one));
        assert_memory_equal(&one, &all[i], sizeof one);
    }
    if (adds_in_its_own_order(s))
        check_top_loosely(s, q, top, top_distances);
    for (uint32_t i = 0; i < K && !adds_in_its_own_order(s); i++) {
        assert_memory_equal(&top_distances[i], &all[top[i]], sizeof *all);
        uint32_t before = 0; /* rows that come first: nearer, or as near and earlier */
        for (uint32_t j = 0; j < N; j++)
            before += all[j] < all[top[i]] || (all[j] == all[top[i]] && j < top[i]);
        assert_int_equal(before, i);
    }
    kith_query_close(query);
}

static void check_kind(const row_kind *which, uint32_t dim, bool f32, const char *cpu)
{
    uint32_t ids[QUERIES * K], without[QUERIES * K];
    float distances[QUERIES * K];
    scene s;
    open_scene(&s, which, dim, f32, cpu);
    must(kith_kernel_top(s.kernel, &s.view, s.queries.bytes, QUERIES, K, 2, ids, distances));
    for (size_t q = 0; q < QUERIES; q++)
        check_query(&s, q, ids + q * K, distances + q * K);
    must(kith_kernel_top(s.kernel, &s.view, s.queries.bytes, QUERIES, K, 0, without, NULL));
    assert_memory_equal(ids, without, sizeof ids);
    close_scene(&s);
}

static void every_kernel_matches_sums(void **state)
{
    (void)state;
    static const uint32_t dims[] = {1, 13, 64, MOST_DIM};
    const char *level;
    for (size_t l = 0; (level = kith_cpu_level(l)); l++)
        for (size_t i = 0; i < KINDS; i++)
            for (size_t d = 0; d < sizeof dims / sizeof *dims; d++)
                for (int f32 = 0; f32 <= (kinds[i].type != KITH_F32); f32++)
                    check_kind(&kinds[i], dims[d], f32, level);
}

/* The largest integers there are: nothing overflows at the largest dimension. */
static void extremes_stay_exact(void **state)
{
    (void)state;
    static const row_kind edges[] = {
        {KITH_U8, KITH_L2SQ}, {KITH_U8, KITH_IP}, {KITH_I8, KITH_L2SQ}, {KITH_I8, KITH_IP}};
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        const uint32_t dim = edges[i].type == KITH_U8 ? 33025 : 65535;
        unsigned char *a = malloc(dim), *b = malloc(dim);
        kith_kernel *kernel = kernel_of(&edges[i], dim, false, NULL);
        matrix shape = {.type = edges[i].type, .dim = dim, .n = 1};
        float got;
        for (int x = 0; x < 256; x += 85)
            for (int y = 0; y < 256; y += 1 + 126 * (y == 0 || y == 128)) {
                memset(a, x, dim);
                memset(b, y, dim);
                must(kith_kernel_distance(kernel, a, b, &got));
                assert_true(got == (float)naive_distance(edges[i].metric, &shape, a, b));
            }
        kith_kernel_close(kernel);
        free(a);
        free(b);
    }
}

static void *use_shared(void *context)
{
    void **shared = context;
    float distances[N];
    for (int i = 0; i < 200; i++)
        if (kith_query_range(shared[0], shared[1], 0, N, distances) ||
            memcmp(distances, shared[2], sizeof distances))
            return context;
    return NULL;
}

static void threads_share_a_query(void **state)
{
    (void)state;
    const row_kind which = {KITH_F16, KITH_COSINE};
    float expected[N];
    kith_query *query = NULL;
    pthread_t threads[3];
    scene s;
    open_scene(&s, &which, 64, true, NULL);
    must(kith_query_open(s.kernel, row_at(&s.queries, 1), &query));
    must(kith_query_range(query, &s.view, 0, N, expected));
    void *shared[] = {query, &s.view, expected}, *failed;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_shared, shared), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    kith_query_close(query);
    close_scene(&s);
}

/* NaN in a row comes last, and says so. */
static void nan_comes_last(void **state)
{
    (void)state;
    const row_kind which = {KITH_F32, KITH_L2SQ};
    float rows[4][2] = {{5, 5}, {NAN, 0}, {0, 0}, {INFINITY, 0}}, query[2] = {1, 0}, distances[4];
    const kith_rows view = {.base = rows, .count = 4};
    kith_kernel *kernel = kernel_of(&which, 2, false, NULL);
    uint32_t ids[4];
    must(kith_kernel_top(kernel, &view, query, 1, 4, 1, ids, distances));
    assert_true(ids[0] == 2 && ids[1] == 0 && ids[2] == 3 && ids[3] == 1);
    assert_true(distances[0] == 1 && isinf(distances[2]) && isnan(distances[3]));
    kith_kernel_close(kernel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_matches_sums),
        cmocka_unit_test(extremes_stay_exact),
        cmocka_unit_test(threads_share_a_query),
        cmocka_unit_test(nan_comes_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

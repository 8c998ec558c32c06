/* Property: a device finds what the host's kernels find, for every row type, metric and type of
 * query, in both layouts. Where sums are integers the keys are the same bits; elsewhere they are
 * within rounding, and no row that is nearer by more than that is missing. Every f16 and every bf16
 * is widened to the number that it is.
 */
#include "tests/opencl_check.h"
#include "kernels/keys.h"

#include <math.h>
#include <string.h>

enum { ROWS = 1501, DIM_MOST = 261, QUERIES_MOST = 9 };

static ki_kernels table;

/* One search, and what the host says of each row and query. */
typedef struct trial {
    cloud c;
    ki_pairing pairing;
    ki_device_queries queries;
    uint32_t k;
    uint32_t keys[QUERIES_MOST][ROWS];
} trial;

static int by_entry(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void ask_host(trial *t)
{
    const ki_kernel *kernel = &table.at[t->c.metric][t->pairing];
    const ki_prepare_fn prepare = t->queries.f32 ? kernel->prepare_f32 : kernel->prepare;
    void *scratch = NULL;
    assert_non_null(prepare);
    assert_int_equal(posix_memalign(&scratch, 64, ki_query_bytes(t->pairing, t->c.dim)), 0);
    for (size_t q = 0; q < t->queries.count; q++) {
        ki_query query;
        prepare((const unsigned char *)t->queries.base + q * t->queries.stride, t->c.dim, scratch,
                &query);
        kernel->range(&query, &t->c.set.rows, 0, t->c.count, t->keys[q]);
    }
    free(scratch);
}

static bool is_exact(const trial *t)
{
    const bool whole = t->pairing == KI_U8 || t->pairing == KI_I8;
    return whole || t->c.metric == KITH_HAMMING ||
           (t->c.metric == KITH_IP && t->c.dim == 1); /* one product, rounded once */
}

/* More than twice the bound of kernels.h, for elements up to 1, or 384 where there are bytes. */
static double slack(const trial *t)
{
    const bool bytes = t->pairing == KI_F32U8 || t->pairing == KI_F32I8;
    const double largest = bytes ? 384 : 1, terms = (t->c.dim + 16) * 0x1p-23;
    if (t->c.metric == KITH_JACCARD)
        return 0x1p-22;
    return t->c.metric == KITH_COSINE ? 2 * terms : terms * 4 * largest * largest * t->c.dim;
}

static void expect_exact(const trial *t, size_t q, const uint64_t *answers)
{
    uint64_t right[ROWS];
    for (uint32_t row = 0; row < t->c.count; row++)
        right[row] = (uint64_t)t->keys[q][row] << 32 | row;
    qsort(right, t->c.count, sizeof *right, by_entry);
    for (uint32_t i = 0; i < t->k; i++)
        if (answers[i] != (i < t->c.count ? right[i] : UINT64_MAX))
            fail_msg("%s metric %d dim %u k %u: answer %u of query %zu is %llx, not %llx",
                     ki_pairing_name(t->pairing), (int)t->c.metric, t->c.dim, t->k, i, q,
                     (unsigned long long)answers[i], (unsigned long long)right[i]);
}

static double float_of(uint32_t key)
{
    return ki_key_distance(KI_KEY_FLOAT, key);
}

static void expect_close(const trial *t, size_t q, const uint64_t *answers)
{
    bool seen[ROWS] = {false};
    double worst = -INFINITY;
    uint32_t found = 0;
    for (; found < t->k && answers[found] != UINT64_MAX; found++) {
        const uint32_t row = (uint32_t)answers[found];
        assert_true(row < t->c.count && !seen[row]);
        assert_true(found == 0 || answers[found - 1] < answers[found]);
        seen[row] = true;
        worst = float_of((uint32_t)(answers[found] >> 32));
        if (!(fabs(worst - float_of(t->keys[q][row])) <= slack(t)))
            fail_msg("%s metric %d dim %u: row %u of query %zu is %g away, not %g",
                     ki_pairing_name(t->pairing), (int)t->c.metric, t->c.dim, row, q, worst,
                     float_of(t->keys[q][row]));
    }
    assert_int_equal(found, t->k < t->c.count ? t->k : t->c.count);
    for (uint32_t row = 0; row < t->c.count; row++)
        assert_true(seen[row] || float_of(t->keys[q][row]) >= worst - slack(t));
}

static void run(ki_device *device, trial *t)
{
    ki_device_rows *rows = NULL;
    uint64_t *answers = malloc(t->queries.count * t->k * sizeof *answers);
    assert_non_null(answers);
    ask_host(t);
    if (device->ops->put_rows(device, &t->c.set, &rows) ||
        device->ops->scan(rows, &t->queries, t->k, answers))
        fail_msg("%s: %s", ki_pairing_name(t->pairing), kith_last_error());
    device->ops->drop_rows(rows);
    for (size_t q = 0; q < t->queries.count; q++)
        (is_exact(t) ? expect_exact : expect_close)(t, q, answers + q * t->k);
    free(answers);
}

/* Queries that no row can be: fractions, and of bytes beyond their range. */
static float *float_queries(const cloud *c, uint64_t *state)
{
    const bool bytes = c->type == KITH_U8 || c->type == KITH_I8;
    float *queries = malloc((size_t)c->queries * c->dim * sizeof *queries);
    assert_non_null(queries);
    for (size_t i = 0; i < (size_t)c->queries * c->dim; i++)
        queries[i] = check_unit(state) * (bytes ? 300 : 1);
    return queries;
}

static void one_kind(ki_device *device, kith_type type, kith_metric metric, uint32_t queries,
                     uint64_t *state)
{
    static const uint32_t dims[] = {1, 3, 34, 67, DIM_MOST}, ks[] = {1, 10, 1000, 100, 1024};
    trial *t = malloc(sizeof *t);
    assert_non_null(t);
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        t->c = cloud_new(type, metric, dims[i], i == 1 ? 130 : ROWS, queries, check_random(state));
        float *floats = float_queries(&t->c, state);
        t->k = ks[i];
        t->pairing = (ki_pairing)type;
        t->queries =
            (ki_device_queries){t->c.asked, kith_vector_bytes(type, dims[i]), t->c.queries, 0};
        run(device, t);
        if (type != KITH_F32) {
            t->pairing = type == KITH_U8 ? KI_F32U8 : type == KITH_I8 ? KI_F32I8 : t->pairing;
            t->queries = (ki_device_queries){floats, dims[i] * sizeof *floats, t->c.queries, 1};
            run(device, t);
        }
        free(floats);
        cloud_free(&t->c);
    }
    free(t);
}

/* One pass of one query a kind: a program of more takes longer to compile than all searches. */
static void every_kind(void **unused)
{
    (void)unused;
    uint64_t state = check_seed();
    setenv("KITH_OPENCL_SHAPE", "cpu", 1);
    ki_device *device = opencl_open();
    for (int type = KITH_F32; type < KI_TYPE_COUNT; type++)
        for (int metric = KITH_L2SQ; metric < KI_METRIC_COUNT; metric++)
            if (ki_kernel_exists((kith_metric)metric, (ki_pairing)type))
                one_kind(device, (kith_type)type, (kith_metric)metric, 1, &state);
    device->ops->close(device);
}

/* Each type once, with several queries a pass. */
static void laid_out_for_a_gpu(void **unused)
{
    (void)unused;
    uint64_t state = check_seed();
    setenv("KITH_OPENCL_SHAPE", "gpu", 1);
    ki_device *device = opencl_open();
    one_kind(device, KITH_F16, KITH_L2SQ, QUERIES_MOST, &state);
    one_kind(device, KITH_BF16, KITH_COSINE, QUERIES_MOST, &state);
    one_kind(device, KITH_U8, KITH_IP, 2, &state);
    one_kind(device, KITH_I8, KITH_L2SQ, 3, &state);
    one_kind(device, KITH_B1, KITH_JACCARD, QUERIES_MOST, &state);
    device->ops->close(device);
    unsetenv("KITH_OPENCL_SHAPE");
}

/* Times 1 every number stays what it is, so its key must be the host's. Denormals of bf16 are
 * denormals of f32, which a device may flush: they are left out. */
static void every_number(ki_device *device, kith_type type)
{
    enum { SOME = 1024, ALL = 65536 };
    const float one = 1;
    trial *t = malloc(sizeof *t);
    assert_non_null(t);
    t->c = cloud_new(type, KITH_IP, 1, SOME, 0, check_seed());
    t->pairing = (ki_pairing)type;
    t->queries = (ki_device_queries){&one, sizeof one, 1, 1};
    t->k = SOME;
    for (uint32_t first = 0; first < ALL; first += SOME) {
        for (uint32_t i = 0; i < SOME; i++) {
            const uint32_t number = first + i;
            const bool tiny = type == KITH_BF16 && (number & 0x7f80) == 0;
            const uint16_t bits = (uint16_t)(tiny ? 0 : number);
            memcpy(t->c.rows + i * sizeof bits, &bits, sizeof bits);
        }
        run(device, t);
    }
    cloud_free(&t->c);
    free(t);
}

static void numbers_of_16_bits(void **unused)
{
    (void)unused;
    ki_device *device = opencl_open();
    every_number(device, KITH_F16);
    every_number(device, KITH_BF16);
    device->ops->close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind),
        cmocka_unit_test(laid_out_for_a_gpu),
        cmocka_unit_test(numbers_of_16_bits),
    };
    setenv("KITH_CACHE", "disabled", 1);
    ki_kernels_fill(0, &table);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

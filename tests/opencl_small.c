/* opencl_small.c - searches on an OpenCL device, small enough for an emulator that watches every
 * access: run by test_opencl_oclgrind.sh, which finds nothing to complain of.
 *
 * The device must find what the host finds, by every kernel there is: scans of every type in both
 * layouts, alone and several queries a pass, with rows that are not live; the same by selection
 * and by tiles; and walks over a graph. KITH_TEST_ONLY takes the tests whose name matches, so that
 * they can run side by side.
 */
#include "tests/opencl_walk.h"
#include "kernels/keys.h"

#include <math.h>
#include <string.h>

enum { ROWS = 300, DIM = 19, QUERIES = 3, K = 7 };

static ki_kernels table;

/* One kind of search, and what the host says of each row and query. */
typedef struct trial {
    cloud c;
    ki_pairing pairing;
    ki_device_queries queries;
    uint64_t live[ROWS / 64 + 1];
    uint64_t best[QUERIES][ROWS]; /* ascending entries, and after them UINT64_MAX */
    uint32_t keys[QUERIES][ROWS];
} trial;

static int by_entry(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool is_live(const trial *t, uint32_t row)
{
    return !t->c.set.live || (t->live[row / 64] >> row % 64 & 1);
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
        for (uint32_t row = 0; row < t->c.count; row++)
            t->best[q][row] = is_live(t, row) ? (uint64_t)t->keys[q][row] << 32 | row : UINT64_MAX;
        qsort(t->best[q], t->c.count, sizeof t->best[q][0], by_entry);
    }
    free(scratch);
}

static bool is_exact(const trial *t)
{
    return t->pairing == KI_U8 || t->pairing == KI_I8 || t->c.metric == KITH_HAMMING;
}

static double float_of(uint64_t entry)
{
    return ki_key_distance(KI_KEY_FLOAT, (uint32_t)(entry >> 32));
}

/* More than twice the rounding of sums of DIM products of bytes, or of numbers up to 1. */
static double slack(const trial *t)
{
    const bool bytes = t->pairing == KI_F32U8 || t->pairing == KI_F32I8;
    const double product = bytes && t->c.metric != KITH_COSINE ? 600.0 * 600.0 : 4;
    return (DIM + 16) * 0x1p-23 * product * DIM;
}

static void check_answers(const trial *t, const uint64_t *answers)
{
    for (size_t i = 0; i < t->queries.count * K; i++) {
        const size_t q = i / K;
        const uint64_t got = answers[i], right = t->best[q][i % K];
        const uint32_t row = (uint32_t)got;
        const bool same =
            is_exact(t) || got == UINT64_MAX || right == UINT64_MAX
                ? got == right
                : row < t->c.count && is_live(t, row) &&
                      fabs(float_of(got) - float_of(right)) <= slack(t) &&
                      fabs(float_of(got) - float_of((uint64_t)t->keys[q][row] << 32)) <= slack(t);
        if (!same)
            fail_msg("%s metric %d, %zu queries: answer %zu is %llx, not %llx",
                     ki_pairing_name(t->pairing), (int)t->c.metric, t->queries.count, i,
                     (unsigned long long)got, (unsigned long long)right);
    }
}

static void run(ki_device *device, trial *t)
{
    ki_device_rows *rows = NULL;
    uint64_t answers[QUERIES * K];
    ask_host(t);
    if (device->ops->put_rows(device, &t->c.set, &rows) ||
        device->ops->scan(rows, &t->queries, K, answers))
        fail_msg("%s: %s", ki_pairing_name(t->pairing), kith_last_error());
    device->ops->drop_rows(rows);
    check_answers(t, answers);
}

/* The rows under queries of their own type and, where that is another program, under f32. */
static void one_kind(ki_device *device, kith_type type, kith_metric metric, uint32_t queries,
                     uint64_t *state)
{
    static float floats[QUERIES * DIM];
    trial *t = malloc(sizeof *t);
    assert_non_null(t);
    t->c = cloud_new(type, metric, DIM, ROWS, queries, check_random(state));
    for (size_t i = 0; i < sizeof t->live / sizeof t->live[0]; i++)
        t->live[i] = check_random(state);
    t->c.set.live = queries > 1 ? t->live : NULL;
    t->pairing = (ki_pairing)type;
    t->queries = (ki_device_queries){t->c.asked, kith_vector_bytes(type, DIM), queries, 0};
    run(device, t);
    if (type == KITH_U8 || type == KITH_I8) {
        for (size_t i = 0; i < sizeof floats / sizeof floats[0]; i++)
            floats[i] = 300 * check_unit(state);
        t->pairing = type == KITH_U8 ? KI_F32U8 : KI_F32I8;
        t->queries = (ki_device_queries){floats, DIM * sizeof *floats, queries, 1};
        run(device, t);
    }
    cloud_free(&t->c);
    free(t);
}

static const struct {
    kith_type type;
    kith_metric metric;
} kinds[] = {
    {KITH_F32, KITH_COSINE}, {KITH_U8, KITH_L2SQ}, {KITH_I8, KITH_COSINE},  {KITH_F16, KITH_L2SQ},
    {KITH_BF16, KITH_IP},    {KITH_U8, KITH_IP},   {KITH_B1, KITH_JACCARD}, {KITH_B1, KITH_HAMMING},
};
enum { KINDS = sizeof kinds / sizeof kinds[0], SOME = 3 };

/* The first so many kinds, some with one query, some with several a pass. */
static void scans(const char *shape, const char *path, size_t count)
{
    uint64_t state = check_seed();
    setenv("KITH_OPENCL_SHAPE", shape, 1);
    setenv("KITH_OPENCL_PATH", path, 1);
    ki_device *device = opencl_open();
    for (size_t i = 0; i < count; i++)
        one_kind(device, kinds[i].type, kinds[i].metric, i % 2 ? 1 : QUERIES, &state);
    device->ops->close(device);
}

static void scan_on_a_cpu(void **unused)
{
    (void)unused;
    scans("cpu", "scan", KINDS);
}

static void scan_on_a_gpu(void **unused)
{
    (void)unused;
    scans("gpu", "scan", KINDS);
}

static void select_on_a_cpu(void **unused)
{
    (void)unused;
    scans("cpu", "select", SOME);
}

static void select_on_a_gpu(void **unused)
{
    (void)unused;
    scans("gpu", "select", SOME);
}

static void tiles_on_a_gpu(void **unused)
{
    (void)unused;
    scans("gpu", "tile", SOME);
}

/* Kinds whose keys are the host's bit by bit, so that answers and hops are too. */
static void walks(const char *shape, const char *group)
{
    static const size_t exact[] = {1, 2, 7};
    enum { EF = 12, DEGREE = 10 };
    uint64_t state = check_seed();
    setenv("KITH_OPENCL_SHAPE", shape, 1);
    setenv("KITH_OPENCL_GROUP", group, 1);
    ki_device *device = opencl_open();
    for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++) {
        cloud c = cloud_new(kinds[exact[i]].type, kinds[exact[i]].metric, DIM, ROWS, QUERIES,
                            check_random(&state));
        web w = web_new(&c, DEGREE, check_random(&state));
        uint64_t *live = random_live(ROWS, 60, &state);
        const ki_device_queries queries = cloud_queries(&c);
        ki_walk_counts counts = {0};
        uint64_t hops = 0;
        c.set.live = i == 1 ? NULL : live;
        ki_device_rows *rows = put_web(device, &c, &w);
        uint64_t *right = host_walk(&c, &w, &queries, EF, K, &hops);
        uint64_t *got = device_walk(rows, &queries, EF, K, &counts);
        expect_answers(right, got, QUERIES * K, shape);
        assert_int_equal(counts.hops, hops);
        device->ops->drop_rows(rows);
        free(right);
        free(got);
        free(live);
        web_free(&w);
        cloud_free(&c);
    }
    device->ops->close(device);
    unsetenv("KITH_OPENCL_GROUP");
}

static void walk_on_a_cpu(void **unused)
{
    (void)unused;
    walks("cpu", "");
}

static void walk_on_a_gpu(void **unused)
{
    (void)unused;
    walks("gpu", "64");
}

static void walk_in_large_groups(void **unused)
{
    (void)unused;
    walks("gpu", "256");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scan_on_a_cpu),   cmocka_unit_test(scan_on_a_gpu),
        cmocka_unit_test(select_on_a_cpu), cmocka_unit_test(select_on_a_gpu),
        cmocka_unit_test(tiles_on_a_gpu),  cmocka_unit_test(walk_on_a_cpu),
        cmocka_unit_test(walk_on_a_gpu),   cmocka_unit_test(walk_in_large_groups),
    };
    setenv("KITH_CACHE", "disabled", 1);
    ki_kernels_fill(0, &table);
    cmocka_set_test_filter(getenv("KITH_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}

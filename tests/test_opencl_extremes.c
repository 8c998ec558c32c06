/* Property: integers are summed exactly up to the most elements that a row may have: u8 rows of
 * 33,025 elements, whose dot products end just below 2^31, and i8 rows of 65,535, whose squared
 * distances go beyond it. Every way of searching, in one layout or the other, gives the keys of a
 * sum in 64 bits, and a walk those of the host's walk.
 */
#include "tests/opencl_walk.h"
#include "kernels/keys.h"

#include <string.h>

enum { DIM_U8 = 33025, DIM_I8 = 65535, ROWS = 24, QUERIES = 3, K = 12, DEGREE = 12 };

static int64_t element(const cloud *c, const unsigned char *vector, uint32_t i)
{
    return c->type == KITH_U8 ? vector[i] : (signed char)vector[i];
}

/* l2sq and ip, as device.h wants their keys. */
static uint32_t exact_key(const cloud *c, uint32_t query, uint32_t row)
{
    const unsigned char *a = c->asked + (size_t)query * c->dim;
    const unsigned char *b = c->rows + (size_t)row * c->dim;
    int64_t l2 = 0, dot = 0;
    for (uint32_t i = 0; i < c->dim; i++) {
        const int64_t x = element(c, a, i), y = element(c, b, i);
        l2 += (x - y) * (x - y);
        dot += x * y;
    }
    assert_true(l2 <= UINT32_MAX && dot <= INT32_MAX && dot >= -INT32_MAX);
    return c->metric == KITH_L2SQ ? (uint32_t)l2 : ki_key_from_int((int32_t)-dot);
}

/* Vectors of the least and the largest number, of halves of both, and random ones. */
static void go_to_extremes(const cloud *c, unsigned char *to, uint32_t count)
{
    const unsigned char least = c->type == KITH_U8 ? 0 : 0x80,
                        most = c->type == KITH_U8 ? 255 : 127;
    for (uint32_t i = 0; i < count * 3 / 4; i++) {
        unsigned char *at = to + (size_t)i * c->dim;
        memset(at, i % 2 ? least : most, c->dim);
        memset(at, i % 2 ? most : least, (size_t)c->dim * (i / 4) / count);
    }
}

static cloud extremes(kith_type type, kith_metric metric, uint64_t *random)
{
    const uint32_t dim = type == KITH_U8 ? DIM_U8 : DIM_I8;
    cloud c = cloud_new(type, metric, dim, ROWS, QUERIES, check_random(random));
    go_to_extremes(&c, c.rows, ROWS);
    go_to_extremes(&c, c.asked, QUERIES);
    for (uint32_t row = 0; row < ROWS; row++)
        ki_aux_fill(type, c.rows + (size_t)row * dim, dim, &c.aux[row]);
    return c;
}

static int by_entry(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The K nearest of each query by these keys. */
static uint64_t *nearest(const uint32_t *keys)
{
    uint64_t *right = malloc(QUERIES * K * sizeof *right), order[ROWS];
    assert_non_null(right);
    for (uint32_t q = 0; q < QUERIES; q++) {
        for (uint32_t row = 0; row < ROWS; row++)
            order[row] = (uint64_t)keys[q * ROWS + row] << 32 | row;
        qsort(order, ROWS, sizeof *order, by_entry);
        memcpy(right + q * K, order, K * sizeof *order);
    }
    return right;
}

/* The host's keys; where they are integers they must be the exact ones. */
static uint32_t *right_keys(const cloud *c)
{
    const ki_device_queries queries = cloud_queries(c);
    uint32_t *keys = host_keys(c, &queries), largest = 0;
    for (uint32_t i = 0; i < QUERIES * ROWS && c->metric != KITH_COSINE; i++) {
        const uint32_t exact = exact_key(c, i / ROWS, i % ROWS);
        assert_int_equal(keys[i], exact);
        largest = exact > largest ? exact : largest;
    }
    if (c->metric == KITH_L2SQ)
        assert_true(largest > (c->type == KITH_U8 ? UINT32_C(2147000000) : UINT32_C(4261000000)));
    return keys;
}

/* A CPU is asked query by query: a program of several a pass takes longer to compile than all. */
static void scan(ki_device *device, const cloud *c, uint32_t at_once, const uint64_t *right,
                 const char *what)
{
    for (uint32_t q = 0; q + at_once <= QUERIES; q += at_once) {
        uint64_t *got = cloud_scan(device, c, q, at_once, K);
        expect_answers(right + (size_t)q * K, got, (size_t)at_once * K, what);
        free(got);
    }
}

static void walk(ki_device *device, const cloud *c, const char *what, uint64_t *random)
{
    const ki_device_queries queries = cloud_queries(c);
    web w = web_new(c, DEGREE, check_random(random));
    uint64_t hops;
    uint64_t *right = host_walk(c, &w, &queries, ROWS, K, &hops);
    ki_device_rows *rows = put_web(device, c, &w);
    uint64_t *got = device_walk(rows, &queries, ROWS, K, NULL);
    expect_answers(right, got, QUERIES * K, what);
    device->ops->drop_rows(rows);
    free(right);
    free(got);
    web_free(&w);
}

typedef struct way {
    kith_type type;
    kith_metric metric;
    const char *shape, *path; /* no path: a walk */
    uint32_t at_once;
} way;

/* Programs that other tests have too, so that a driver which keeps them has compiled them once. */
static const way ways[] = {
    {KITH_U8, KITH_L2SQ, "cpu", "scan", 1},   {KITH_U8, KITH_IP, "cpu", "scan", 1},
    {KITH_U8, KITH_COSINE, "cpu", "scan", 1}, {KITH_I8, KITH_L2SQ, "cpu", "scan", 1},
    {KITH_I8, KITH_IP, "cpu", "scan", 1},     {KITH_I8, KITH_COSINE, "cpu", "scan", 1},
    {KITH_U8, KITH_IP, "gpu", "scan", 2},     {KITH_I8, KITH_L2SQ, "gpu", "scan", 3},
    {KITH_U8, KITH_L2SQ, "cpu", "select", 3}, {KITH_I8, KITH_COSINE, "cpu", "select", 3},
    {KITH_U8, KITH_IP, "gpu", "tile", 3},     {KITH_I8, KITH_COSINE, "gpu", "tile", 3},
    {KITH_U8, KITH_L2SQ, "cpu", NULL, 0},     {KITH_U8, KITH_IP, "cpu", NULL, 0},
    {KITH_U8, KITH_COSINE, "cpu", NULL, 0},   {KITH_I8, KITH_L2SQ, "cpu", NULL, 0},
    {KITH_I8, KITH_IP, "cpu", NULL, 0},       {KITH_I8, KITH_COSINE, "cpu", NULL, 0},
    {KITH_U8, KITH_L2SQ, "gpu", NULL, 0},     {KITH_I8, KITH_L2SQ, "gpu", NULL, 0},
};

static void search(const way *w, uint64_t *random)
{
    cloud c = extremes(w->type, w->metric, random);
    uint32_t *keys = right_keys(&c);
    uint64_t *right = nearest(keys);
    char what[100];
    snprintf(what, sizeof what, "%s %s, type %d metric %d", w->shape, w->path ? w->path : "walk",
             (int)w->type, (int)w->metric);
    setenv("KITH_OPENCL_SHAPE", w->shape, 1);
    setenv("KITH_OPENCL_PATH", w->path ? w->path : "scan", 1);
    ki_device *device = opencl_open();
    unsetenv("KITH_OPENCL_SHAPE");
    unsetenv("KITH_OPENCL_PATH");
    if (w->path)
        scan(device, &c, w->at_once, right, what);
    else
        walk(device, &c, what, random);
    device->ops->close(device);
    free(keys);
    free(right);
    cloud_free(&c);
}

static void by_every_way(kith_type type)
{
    uint64_t random = check_seed();
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (ways[i].type == type)
            search(&ways[i], &random);
}

static void of_u8(void **unused)
{
    (void)unused;
    by_every_way(KITH_U8);
}

static void of_i8(void **unused)
{
    (void)unused;
    by_every_way(KITH_I8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(of_u8), cmocka_unit_test(of_i8)};
    opencl_cache_new();
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    opencl_cache_drop();
    return failed;
}

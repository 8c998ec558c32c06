/* Property: tiles of rows and queries give the answers of the scan, bit by bit: for every type and
 * metric that has them, any number of rows, elements and queries, dead rows, many buffers; and for
 * a query whose list is too short, which is searched again. */
#include "tests/opencl_check.h"
#include "opencl/scan_cl.h"

#include <string.h>

static ki_device *tiled, *listed;

static const struct {
    kith_type type;
    kith_metric metric;
    bool f32; /* of the queries */
} kinds[] = {{KITH_F32, KITH_L2SQ, false},  {KITH_F32, KITH_COSINE, false},
             {KITH_F16, KITH_IP, false},    {KITH_BF16, KITH_L2SQ, false},
             {KITH_U8, KITH_L2SQ, false},   {KITH_U8, KITH_IP, false},
             {KITH_I8, KITH_COSINE, false}, {KITH_U8, KITH_L2SQ, true}};

/* Answers of one device, by the public way in. */
static uint64_t *search(ki_device *device, const cloud *c, const ki_device_queries *queries,
                        uint32_t k)
{
    ki_device_rows *rows = NULL;
    uint64_t *answers = malloc(queries->count * k * sizeof *answers);
    assert_non_null(answers);
    if (device->ops->put_rows(device, &c->set, &rows) ||
        device->ops->scan(rows, queries, k, answers))
        fail_msg("%s", kith_last_error());
    device->ops->drop_rows(rows);
    return answers;
}

static void expect_same(const cloud *c, const ki_device_queries *queries, uint32_t k)
{
    uint64_t *tiles = search(tiled, c, queries, k), *lists = search(listed, c, queries, k);
    for (size_t i = 0; i < queries->count * k; i++)
        if (tiles[i] != lists[i])
            fail_msg("type %d metric %d dim %u rows %u queries %zu k %u: answer %zu of query %zu "
                     "is %llx, not %llx",
                     (int)c->type, (int)c->metric, c->dim, c->count, queries->count, k, i % k,
                     i / k, (unsigned long long)tiles[i], (unsigned long long)lists[i]);
    free(tiles);
    free(lists);
}

static void check(const cloud *c, uint32_t nq, uint32_t k)
{
    const ki_device_queries queries = {c->asked, kith_vector_bytes(c->type, c->dim), nq, 0};
    expect_same(c, &queries, k);
}

/* The queries of a cloud of bytes again, as floats that no byte can hold. */
static void check_f32(const cloud *c, uint32_t nq, uint32_t k)
{
    const size_t n = (size_t)nq * c->dim;
    float *asked = malloc(n * sizeof *asked);
    assert_non_null(asked);
    for (size_t i = 0; i < n; i++)
        asked[i] = (float)c->asked[i] + (float)(i % 7) / 8;
    const ki_device_queries queries = {asked, c->dim * sizeof *asked, nq, 1};
    expect_same(c, &queries, k);
    free(asked);
}

static void every_kind(void **unused)
{
    (void)unused;
    static const uint32_t dims[] = {1, 13, 33, 100, 261};
    uint64_t state = check_seed();
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const uint32_t dim = dims[i % 5];
        cloud c = cloud_new(kinds[i].type, kinds[i].metric, dim, 1501, 70, check_random(&state));
        if (kinds[i].f32)
            check_f32(&c, 70, 10);
        else
            check(&c, 70, 10);
        cloud_free(&c);
    }
}

static void every_size(void **unused)
{
    (void)unused;
    static const uint32_t counts[] = {1, 127, 128, 129, 1000, 4096, 4097, 20011};
    static const uint32_t nqs[] = {7, 32, 63, 64, 65, 200, 5, 40};
    static const uint32_t ks[] = {1, 10, 100, 1024};
    uint64_t state = check_seed();
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        cloud c = cloud_new(KITH_U8, KITH_L2SQ, 9, counts[i], nqs[i], check_random(&state));
        for (size_t j = 0; j < sizeof ks / sizeof *ks; j++)
            check(&c, nqs[i], ks[j]);
        cloud_free(&c);
    }
}

static void more_queries_than_a_batch(void **unused)
{
    (void)unused;
    cloud c = cloud_new(KITH_U8, KITH_IP, 4, 300, 1100, check_seed());
    check(&c, 1100, 3);
    cloud_free(&c);
}

static void dead_rows_and_many_buffers(void **unused)
{
    (void)unused;
    uint64_t live[9000 / 64 + 1], state = check_seed();
    cloud c = cloud_new(KITH_F32, KITH_L2SQ, 16, 9000, 40, check_random(&state));
    for (size_t i = 0; i < sizeof live / sizeof *live; i++)
        live[i] = check_random(&state) & check_random(&state);
    c.set.live = live;
    check(&c, 40, 10);
    ki_cl_device *device = (ki_cl_device *)tiled;
    const size_t before = device->max_alloc;
    device->max_alloc = 70000;
    check(&c, 40, 10);
    device->max_alloc = before;
    cloud_free(&c);
}

/* Rows that come nearer in the order in which tiles are taken: every limit is wrong at once. */
static void lists_too_short_are_searched_again(void **unused)
{
    (void)unused;
    enum { ROWS = 128 * 200, QUERIES = 35 };
    const uint32_t tiles = ROWS / 128, stride = ki_cl_tile_stride(tiles);
    cloud c = cloud_new(KITH_F32, KITH_L2SQ, 3, ROWS, QUERIES, check_seed());
    for (uint32_t i = 0; i < tiles; i++)
        for (uint32_t row = 0; row < 128; row++) {
            const uint32_t tile = (uint32_t)((uint64_t)i * stride % tiles);
            float *to = (float *)(void *)c.rows + (tile * 128 + row) * 3;
            for (uint32_t e = 0; e < 3; e++)
                to[e] = (float)(tiles - i) * 100 + (float)(row % 10);
        }
    ki_cl_device *device = (ki_cl_device *)tiled;
    const uint64_t before = device->tiles_lost;
    check(&c, QUERIES, 10);
    assert_int_equal(device->tiles_lost - before, QUERIES);
    cloud_free(&c);
}

static void equal_rows_need_no_second_search(void **unused)
{
    (void)unused;
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, 5, 30000, 40, check_seed());
    for (uint32_t row = 1; row < c.count; row++) {
        memcpy(c.rows + (size_t)row * 5, c.rows, 5);
        c.aux[row] = c.aux[0];
    }
    ki_cl_device *device = (ki_cl_device *)tiled;
    const uint64_t before = device->tiles_lost;
    check(&c, 40, 100);
    assert_int_equal(device->tiles_lost, before);
    cloud_free(&c);
}

/* The measured speed decides how long a launch is. */
static void at_any_speed(void **unused)
{
    (void)unused;
    cloud c = cloud_new(KITH_F32, KITH_L2SQ, 20, 9000, 64, check_seed());
    for (double speed = 1e3; speed < 1e15; speed *= 100) {
        ((ki_cl_device *)tiled)->tile_macs_per_second = speed;
        check(&c, 64, 10);
    }
    cloud_free(&c);
}

static void strides_visit_every_tile(void **unused)
{
    (void)unused;
    for (uint32_t count = 1; count < 300; count++) {
        unsigned char seen[300] = {0};
        for (uint32_t i = 0; i < count; i++)
            seen[(uint64_t)i * ki_cl_tile_stride(count) % count]++;
        for (uint32_t i = 0; i < count; i++)
            assert_int_equal(seen[i], 1);
    }
}

/* What is chosen when nobody asks: tiles for many queries on a GPU, and lists else. */
static void chosen_by_layout_and_batch(void **unused)
{
    (void)unused;
    ki_device_rows *rows = NULL;
    cloud c = cloud_new(KITH_F32, KITH_L2SQ, 8, 100, 1, check_seed());
    ki_cl_device *device = (ki_cl_device *)tiled;
    const ki_cl_path before = device->path;
    assert_int_equal(tiled->ops->put_rows(tiled, &c.set, &rows), KITH_OK);
    ki_device_queries queries = {c.asked, 32, 31, 0};
    assert_int_equal(ki_cl_choose_path(rows, &queries, 10), KI_CL_TILES);
    device->path = KI_CL_ANY_PATH;
    assert_int_equal(ki_cl_choose_path(rows, &queries, 10), KI_CL_LISTS);
    queries.count = 32;
    assert_int_equal(ki_cl_choose_path(rows, &queries, 10), KI_CL_TILES);
    assert_int_equal(ki_cl_choose_path(rows, &queries, 1025), KI_CL_SELECT);
    device->path = KI_CL_LISTS;
    assert_int_equal(ki_cl_choose_path(rows, &queries, 10), KI_CL_LISTS);
    device->path = before;
    tiled->ops->drop_rows(rows);
    cloud_free(&c);
}

static int prepare(void **unused)
{
    (void)unused;
    setenv("KITH_CACHE", "disabled", 1); /* to write programs is slower than to compile them */
    setenv("KITH_OPENCL_SHAPE", "gpu", 1);
    setenv("KITH_OPENCL_PATH", "tile", 1);
    tiled = opencl_open();
    setenv("KITH_OPENCL_PATH", "scan", 1);
    listed = opencl_open();
    return 0;
}

static int finish(void **unused)
{
    (void)unused;
    /* Nothing above may have gone the other way unnoticed. */
    assert_int_equal(((ki_cl_device *)tiled)->proofs[KI_CL_TILES], KI_CL_PROVEN);
    tiled->ops->close(tiled);
    listed->ops->close(listed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind),
        cmocka_unit_test(every_size),
        cmocka_unit_test(more_queries_than_a_batch),
        cmocka_unit_test(dead_rows_and_many_buffers),
        cmocka_unit_test(lists_too_short_are_searched_again),
        cmocka_unit_test(equal_rows_need_no_second_search),
        cmocka_unit_test(at_any_speed),
        cmocka_unit_test(strides_visit_every_tile),
        cmocka_unit_test(chosen_by_layout_and_batch),
    };
    return cmocka_run_group_tests(tests, prepare, finish);
}

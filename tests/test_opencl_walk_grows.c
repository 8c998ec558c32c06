/* Property: rows that are walked may become more: only the new ones are sent, and walks and scans
 * find them and the old ones. A graph takes no second copy of the rows until a scan wants one.
 */
#include "tests/opencl_walk.h"

#include <string.h>

enum { WANT = 10 };

/* Old rows are not asked of the host again, when there is room: they may be gone. */
static void put_more(ki_device *device, const cloud *c, ki_device_rows **rows, bool fits)
{
    const size_t before = *rows ? (size_t)(*rows)->count * c->dim : 0;
    const ki_device_rows *there = *rows;
    unsigned char *kept = malloc(before + 1);
    assert_non_null(kept);
    memcpy(kept, c->rows, before);
    if (fits)
        memset(c->rows, 0xaa, before);
    assert_int_equal(device->ops->put_rows(device, &c->set, rows), KITH_OK);
    memcpy(c->rows, kept, before);
    free(kept);
    assert_true(!fits || *rows == there);
}

/* As many rows as `count` now: until they have a graph again there is nothing to walk. */
static void grow(ki_device *device, cloud *c, uint32_t count, ki_device_rows **rows, bool fits,
                 uint64_t *state)
{
    uint64_t answer;
    c->count = c->set.count = count;
    web w = web_new(c, 16, check_random(state));
    ki_device_graph graph = w.graph;
    graph.layer = w.layer;
    put_more(device, c, rows, fits);
    const ki_device_queries queries = cloud_queries(c);
    assert_int_equal(device->ops->walk(*rows, &queries, 1, 1, &answer, NULL), KITH_EINVAL);
    assert_int_equal(device->ops->put_graph(*rows, &graph), KITH_OK);
    expect_walk_and_scan(device, *rows, c, &w);
    web_free(&w);
}

static void grow_in(const char *shape)
{
    static const uint32_t counts[] = {700, 701, 733, 780, 787, 787, 1500, 1501};
    uint64_t state = check_seed();
    setenv("KITH_OPENCL_SHAPE", shape, 1);
    ki_device *device = opencl_open();
    unsetenv("KITH_OPENCL_SHAPE");
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, 37, 1501, 6, check_random(&state));
    uint64_t *live = random_live(1501, 90, &state);
    ki_device_rows *rows = NULL;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const bool fits = rows && rows->count > 0 && counts[i] <= rows->chunks[0].room;
        assert_true(i != 1 || fits);
        c.set.live = i % 3 == 1 ? live : NULL;
        grow(device, &c, counts[i], &rows, fits, &state);
    }
    device->ops->drop_rows(rows);
    assert_int_equal(((ki_cl_device *)device)->memory_used, 0);
    device->ops->close(device);
    free(live);
    cloud_free(&c);
}

static void laid_out_for_a_cpu(void **unused)
{
    (void)unused;
    grow_in("cpu");
}

static void laid_out_for_a_gpu(void **unused)
{
    (void)unused;
    grow_in("gpu");
}

/* A graph takes no second copy of the rows, until a scan wants one. */
static void one_layout_at_a_time(void **unused)
{
    (void)unused;
    uint64_t state = check_seed(), answer[WANT];
    ki_device *device = opencl_open();
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, 784, 600, 1, check_random(&state));
    web w = web_new(&c, 16, check_random(&state));
    ki_device_rows *rows = put_web(device, &c, &w);
    const ki_device_queries queries = cloud_queries(&c);
    assert_true(rows->lines && !rows->chunks[0].rows);
    free(device_walk(rows, &queries, WANT, WANT, NULL));
    assert_null(rows->chunks[0].rows);
    assert_int_equal(device->ops->scan(rows, &queries, WANT, answer), KITH_OK);
    assert_true(rows->lines && rows->chunks[0].rows);
    expect_walk_and_scan(device, rows, &c, &w);
    device->ops->drop_rows(rows);
    device->ops->close(device);
    web_free(&w);
    cloud_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(laid_out_for_a_cpu),
                                       cmocka_unit_test(laid_out_for_a_gpu),
                                       cmocka_unit_test(one_layout_at_a_time)};
    setenv("KITH_CACHE", "disabled", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

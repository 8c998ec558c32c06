/* Property: what cannot be walked is refused with the numbers, and rows then have no graph: links
 * that lead nowhere, too many of them, more rows or links than a buffer holds; and of a walk too
 * much to keep or to answer.
 */
#include "tests/opencl_walk.h"

#include <string.h>

static void expect_refused(ki_device_rows *rows, const ki_device_graph *graph, kith_status status,
                           const char *part)
{
    const ki_device *device = &rows->device->base;
    ki_fail(KITH_OK, "%s", "");
    assert_int_equal(device->ops->put_graph(rows, graph), status);
    if (!strstr(kith_last_error(), part))
        fail_msg("\"%s\" is not in \"%s\"", part, kith_last_error());
    assert_int_equal(rows->graph.layers, 0);
}

static void that_cannot_be(void **unused)
{
    (void)unused;
    enum { ROWS = 200 };
    uint64_t state = check_seed();
    ki_device *device = opencl_open();
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, 9, ROWS, 1, check_random(&state));
    web w = web_new(&c, 8, check_random(&state));
    ki_device_rows *rows = put_web(device, &c, &w);
    ki_device_graph graph = {w.layer, 0, 0};
    expect_refused(rows, &graph, KITH_EINVAL, "0 layers");
    graph = (ki_device_graph){w.layer, 1, ROWS};
    expect_refused(rows, &graph, KITH_EINVAL, "entry of a graph is 200");
    graph = (ki_device_graph){w.layer, 2, 0};
    const ki_device_layer kept = w.layer[1];
    w.layer[1].degree = KI_CL_MAX_DEGREE + 1;
    expect_refused(rows, &graph, KITH_EUNSUPPORTED, "257 links");
    w.layer[1] = kept;
    ((uint32_t *)(uintptr_t)kept.down)[3] = ROWS;
    expect_refused(rows, &graph, KITH_EINVAL, "id 3 of layer 1");
    w.layer[0].count = ROWS + 1;
    expect_refused(rows, &graph, KITH_EINVAL, "201 nodes");
    device->ops->drop_rows(rows);
    device->ops->close(device);
    web_free(&w);
    cloud_free(&c);
}

static void asked_for_too_much(void **unused)
{
    (void)unused;
    uint64_t state = check_seed(), answers[2000];
    ki_device *device = opencl_open();
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, 9, 200, 1, check_random(&state));
    web w = web_new(&c, 8, check_random(&state));
    ki_device_rows *rows = put_web(device, &c, &w);
    const ki_device_queries queries = cloud_queries(&c);
    const uint32_t most = device->ops->max_ef(device);
    assert_int_equal(device->ops->walk(rows, &queries, most + 1, 1, answers, NULL),
                     KITH_EUNSUPPORTED);
    assert_non_null(strstr(kith_last_error(), "at most"));
    assert_int_equal(device->ops->walk(rows, &queries, 5, 6, answers, NULL), KITH_EINVAL);
    assert_int_equal(device->ops->walk(rows, &queries, 5, 0, answers, NULL), KITH_EINVAL);
    ((ki_cl_device *)device)->found.local_bytes = KI_CL_LOCAL_BYTES; /* the least there may be */
    const uint32_t fewer = device->ops->max_ef(device);
    assert_true(fewer >= 256 && fewer < most);
    expect_host_walk(device, &c, &w, fewer, 10, "in little local memory");
    device->ops->drop_rows(rows);
    device->ops->close(device);
    web_free(&w);
    cloud_free(&c);
}

/* Rows of a graph lie in one buffer, and so do its links; else more partitions are the answer. */
static void larger_than_a_buffer(void **unused)
{
    (void)unused;
    static const char *const limits[] = {"20000", "90000", "130000"};
    uint64_t state = check_seed();
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, 100, 1000, 3, check_random(&state));
    web w = web_new(&c, 32, check_random(&state));
    ki_device_graph graph = w.graph;
    graph.layer = w.layer;
    for (size_t i = 0; i < 3; i++) {
        setenv("KITH_OPENCL_MAX_ALLOC", limits[i], 1);
        ki_device *device = opencl_open();
        ki_device_rows *rows = NULL;
        assert_int_equal(device->ops->put_rows(device, &c.set, &rows), KITH_OK);
        if (i < 2) {
            expect_refused(rows, &graph, KITH_ENOMEM, "more partitions");
            assert_non_null(strstr(kith_last_error(), limits[i]));
        } else {
            assert_int_equal(device->ops->put_graph(rows, &graph), KITH_OK);
            expect_walk_and_scan(device, rows, &c, &w);
        }
        device->ops->drop_rows(rows);
        assert_int_equal(((ki_cl_device *)device)->memory_used, 0);
        device->ops->close(device);
    }
    unsetenv("KITH_OPENCL_MAX_ALLOC");
    web_free(&w);
    cloud_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(that_cannot_be),
                                       cmocka_unit_test(asked_for_too_much),
                                       cmocka_unit_test(larger_than_a_buffer)};
    setenv("KITH_CACHE", "disabled", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

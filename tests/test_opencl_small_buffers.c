/* Property: on a device whose driver gives no buffer beyond a small size, rows, queries, lists and
 * answers are cut to fit: no larger one is asked for, whatever way a search goes and however many
 * queries there are, and the answers are those of a device that takes everything at once. What
 * cannot be cut, the rows and links of a graph, is refused with the size before a driver says no.
 */
#include "tests/opencl_walk.h"
#include "opencl/scan_cl.h"

#include <string.h>

enum { LIMIT = 128 << 10, ROWS = 5000, DIM = 37, QUERIES = 700, MOST_K = 1024 };

/* Of tiles: the lists of 72 queries, and the elements of 64. */
enum { TILE_LIMIT = 4608 << 10, TILE_ROWS = 300, TILE_DIM = 17000, TILE_QUERIES = 150 };

static const ki_cl *real;
static ki_cl narrow;
static size_t limit, refused, largest;

/* The driver of such a device. */
static cl_mem make_buffer(cl_context context, cl_mem_flags flags, size_t bytes, void *host,
                          cl_int *code)
{
    if (bytes > limit) {
        refused = bytes;
        *code = CL_INVALID_BUFFER_SIZE;
        return NULL;
    }
    largest = bytes > largest ? bytes : largest;
    return real->CreateBuffer(context, flags, bytes, host, code);
}

static bool take_first(void *user, const ki_cl_found *found)
{
    *(ki_cl_found *)user = *found;
    return true;
}

static ki_cl_device *open_narrow(size_t most, const char *shape, const char *path)
{
    ki_cl_found found;
    ki_cl_device *device = NULL;
    char note[256];
    assert_true(ki_cl_walk(take_first, &found, note, sizeof note));
    real = found.cl;
    narrow = *real;
    narrow.CreateBuffer = make_buffer;
    found.cl = &narrow;
    found.info.max_alloc_bytes = limit = most;
    setenv("KITH_OPENCL_SHAPE", shape, 1);
    setenv("KITH_OPENCL_PATH", path, 1);
    if (ki_cl_open(&found, &device))
        fail_msg("a device of small buffers does not open: %s", kith_last_error());
    unsetenv("KITH_OPENCL_SHAPE");
    unsetenv("KITH_OPENCL_PATH");
    refused = largest = 0;
    return device;
}

static void expect_nothing_refused(const char *what)
{
    if (refused)
        fail_msg("%s: a buffer of %zu bytes was asked for", what, refused);
    assert_true(largest > limit / 2); /* small ones for no reason would be no proof */
}

/* From one query to more than a batch, from one answer to as many as lists have. */
static void scans(const char *path)
{
    static const struct {
        uint32_t queries, k;
    } calls[] = {{1, 10}, {7, MOST_K}, {QUERIES, 10}, {QUERIES, 100}, {3, ROWS}};
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, DIM, ROWS, QUERIES, check_seed());
    ki_cl_device *device = open_narrow(LIMIT, "cpu", path);
    ki_device *wide = opencl_open();
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        uint64_t *right = cloud_scan(wide, &c, 0, calls[i].queries, calls[i].k);
        uint64_t *got = cloud_scan(&device->base, &c, 0, calls[i].queries, calls[i].k);
        expect_answers(right, got, (size_t)calls[i].queries * calls[i].k, path);
        expect_nothing_refused(path);
        free(right);
        free(got);
    }
    assert_int_equal(device->memory_used, 0);
    ki_cl_close(device);
    wide->ops->close(wide);
    cloud_free(&c);
}

static void by_lists(void **unused)
{
    (void)unused;
    scans("scan");
}

static void by_tiles(void **unused)
{
    (void)unused;
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, TILE_DIM, TILE_ROWS, TILE_QUERIES, check_seed());
    ki_cl_device *device = open_narrow(TILE_LIMIT, "gpu", "tile");
    ki_device *wide = opencl_open();
    uint64_t *right = cloud_scan(wide, &c, 0, TILE_QUERIES, 10);
    uint64_t *got = cloud_scan(&device->base, &c, 0, TILE_QUERIES, 10);
    expect_answers(right, got, TILE_QUERIES * 10, "tile");
    expect_nothing_refused("tile");
    assert_true(device->tile_macs_per_second > 0);
    free(got);
    const ki_device_queries queries = cloud_queries(&c);
    ki_device_rows *rows = NULL;
    assert_int_equal(ki_cl_put_rows(&device->base, &c.set, &rows), KITH_OK);
    device->max_alloc = limit = 1 << 20; /* which the lists of no tile fit in */
    refused = largest = 0;
    assert_false(ki_cl_tiles_fit(rows, &queries, 10));
    got = calloc(TILE_QUERIES * 10, sizeof *got);
    assert_non_null(got);
    assert_int_equal(ki_cl_scan(rows, &queries, 10, got), KITH_OK);
    expect_answers(right, got, TILE_QUERIES * 10, "where no tile fits");
    expect_nothing_refused("where no tile fits");
    ki_cl_drop_rows(rows);
    free(got);
    free(right);
    wide->ops->close(wide);
    ki_cl_close(device);
    cloud_free(&c);
}

static void by_selection(void **unused)
{
    (void)unused;
    scans("select");
}

/* So many rows that lines and links just fit, and many more queries than answers do. */
static void by_a_walk(void **unused)
{
    (void)unused;
    enum { FEW = 2000, EF = 100, WANT = 60, DEGREE = 16 };
    uint64_t random = check_seed(), hops;
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, DIM, FEW, QUERIES, check_random(&random));
    web w = web_new(&c, DEGREE, check_random(&random));
    const ki_device_queries queries = cloud_queries(&c);
    ki_cl_device *device = open_narrow(LIMIT, "cpu", "scan");
    ki_device_rows *rows = put_web(&device->base, &c, &w);
    uint64_t *right = host_walk(&c, &w, &queries, EF, WANT, &hops);
    uint64_t *got = device_walk(rows, &queries, EF, WANT, NULL);
    expect_answers(right, got, (size_t)QUERIES * WANT, "a walk");
    expect_nothing_refused("a walk");
    ki_cl_drop_rows(rows);
    assert_int_equal(device->memory_used, 0);
    ki_cl_close(device);
    free(right);
    free(got);
    web_free(&w);
    cloud_free(&c);
}

static void a_graph_is_not_cut(void **unused)
{
    (void)unused;
    enum { MANY = 2500, DEGREE = 16 };
    uint64_t random = check_seed();
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, DIM, MANY, 1, check_random(&random));
    web w = web_new(&c, DEGREE, check_random(&random));
    ki_device_graph graph = w.graph;
    ki_cl_device *device = open_narrow(LIMIT, "cpu", "scan");
    ki_device_rows *rows = NULL;
    graph.layer = w.layer;
    assert_int_equal(ki_cl_put_rows(&device->base, &c.set, &rows), KITH_OK);
    assert_int_equal(ki_cl_put_graph(rows, &graph), KITH_ENOMEM);
    assert_non_null(strstr(kith_last_error(), "131072"));
    assert_non_null(strstr(kith_last_error(), "more partitions"));
    assert_int_equal(refused, 0);
    ki_cl_drop_rows(rows);
    ki_cl_close(device);
    web_free(&w);
    cloud_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_lists),           cmocka_unit_test(by_tiles),
        cmocka_unit_test(by_selection),       cmocka_unit_test(by_a_walk),
        cmocka_unit_test(a_graph_is_not_cut),
    };
    setenv("KITH_CACHE", "disabled", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

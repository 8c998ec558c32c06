/* Property: any graph is walked as the host walks it: one that the index has built, one of a single
 * row, one that falls apart, one of equal rows. Rows may come later, and then only these are sent;
 * what cannot be walked is refused with the numbers.
 */
#include "tests/index_data.h"
#include "tests/opencl_walk.h"
#include "index/objects.h"
#include "index/walk.h"

#include <string.h>

enum { WANT = 10 };

static void must_open(ki_device **device)
{
    *device = opencl_open();
}

/* ---- a graph of the index ---- */

static uint64_t ki_walks(const kith_index *index, const ki_device_queries *queries, uint32_t ef,
                         uint64_t *answers)
{
    const kith_store_options *store = &index->store->options;
    const ki_graph *graph = index->graph;
    const ki_walker_options options = {.kernel = index->kernel,
                                       .sift = index->kernels.sift,
                                       .pairing = (ki_pairing)store->type,
                                       .dim = store->dim,
                                       .pool_capacity = ef,
                                       .hop_places = graph->layer[0].degree + 16};
    ki_walker w;
    must(ki_walker_open(&options, &w));
    must(ki_walker_reserve(&w, graph->layer[0].count));
    memset(answers, 0xff, queries->count * WANT * sizeof *answers);
    for (size_t q = 0; q < queries->count; q++) {
        uint32_t key;
        ki_walker_aim(&w, (const unsigned char *)queries->base + q * queries->stride);
        const uint32_t start = ki_walk_descend(&w, graph, 0, &key);
        must(ki_walk_layer(&w, &graph->layer[0], start, key, ef));
        for (uint32_t i = 0; i < WANT && i < w.pool.size; i++)
            answers[q * WANT + i] = w.pool.entry[i] >> 32 << 32 | ki_pool_id(w.pool.entry[i]);
    }
    const uint64_t hops = w.hops;
    ki_walker_close(&w);
    return hops;
}

static void view_of(const ki_graph *graph, ki_device_layer *layers, ki_device_graph *out)
{
    for (uint32_t l = 0; l < graph->layers; l++)
        layers[l] = (ki_device_layer){.links = graph->layer[l].links,
                                      .down = graph->layer[l].down,
                                      .row = graph->layer[l].row,
                                      .degree = graph->layer[l].degree,
                                      .count = graph->layer[l].count};
    *out = (ki_device_graph){layers, graph->layers, graph->entry};
}

static void one_index(ki_device *device, kith_type type, kith_metric metric, uint64_t *state)
{
    enum { ROWS = 4000, QUERIES = 100, DIM = 48 };
    matrix rows = matrix_clustered(type, DIM, ROWS + QUERIES, 40, state), base = rows;
    base.n = ROWS;
    kith_store *store = store_of(&base, metric);
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    options.ef_construction = 60;
    options.m = 8;
    kith_index *index = index_on(store, &options);
    must(kith_index_build(index, NULL, NULL));
    const ki_graph *graph = index->graph;
    ki_device_layer layers[KI_LAYERS_MAX];
    ki_device_graph view;
    view_of(graph, layers, &view);
    assert_true(view.layers >= 3);
    const ki_row_set set = {
        .rows = graph->layer[0].rows, .count = ROWS, .type = type, .metric = metric};
    const ki_device_queries queries = {row_at(&rows, ROWS), row_bytes(&rows), QUERIES, 0};
    ki_device_rows *there = NULL;
    must(device->ops->put_rows(device, &set, &there));
    must(device->ops->put_graph(there, &view));
    for (uint32_t ef = WANT; ef < 300; ef *= 3) {
        uint64_t right[QUERIES * WANT];
        ki_walk_counts counts = {0};
        const uint64_t hops = ki_walks(index, &queries, ef, right);
        uint64_t *got = device_walk(there, &queries, ef, WANT, &counts);
        expect_answers(right, got, QUERIES * WANT, "a graph of the index");
        assert_true(counts.hops == hops);
        free(got);
    }
    device->ops->drop_rows(there);
    kith_index_close(index);
    kith_store_close(store);
    matrix_free(&rows);
}

static void built_by_the_index(void **unused)
{
    (void)unused;
    uint64_t state = check_seed();
    ki_device *device;
    must_open(&device);
    one_index(device, KITH_U8, KITH_L2SQ, &state);
    one_index(device, KITH_I8, KITH_COSINE, &state);
    one_index(device, KITH_B1, KITH_HAMMING, &state);
    device->ops->close(device);
}

/* ---- odd ones ---- */

static void expect_same(ki_device *device, const cloud *c, const web *w, uint32_t ef,
                        const char *what)
{
    const ki_device_queries queries = cloud_queries(c);
    uint64_t hops;
    ki_walk_counts counts = {0};
    const uint32_t want = ef < WANT ? ef : WANT;
    uint64_t *right = host_walk(c, w, &queries, ef, want, &hops);
    ki_device_rows *rows = put_web(device, c, w);
    uint64_t *got = device_walk(rows, &queries, ef, want, &counts);
    expect_answers(right, got, c->queries * want, what);
    assert_true(counts.hops == hops);
    device->ops->drop_rows(rows);
    free(right);
    free(got);
}

static void of_a_few_rows(void **unused)
{
    (void)unused;
    uint64_t state = check_seed();
    ki_device *device;
    must_open(&device);
    for (uint32_t n = 1; n < 20; n += n < 3 ? 1 : 5) {
        cloud c = cloud_new(KITH_U8, KITH_L2SQ, 9, n, 4, check_random(&state));
        web w = web_new(&c, 4, check_random(&state));
        expect_same(device, &c, &w, 1, "few rows, ef 1");
        expect_same(device, &c, &w, 30, "few rows, ef 30");
        web_free(&w);
        cloud_free(&c);
    }
    device->ops->close(device);
}

/* Links that leave the first half are taken away: the second half is never found. */
static void that_falls_apart(void **unused)
{
    (void)unused;
    enum { ROWS = 300, DEGREE = 16 };
    uint64_t state = check_seed();
    ki_device *device;
    must_open(&device);
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, 9, ROWS, 20, check_random(&state));
    web w = web_new(&c, DEGREE, check_random(&state));
    uint32_t *links = w.memory[0];
    for (uint32_t row = 0; row < ROWS; row++) {
        uint32_t held = 0;
        for (uint32_t d = 0; d < DEGREE; d++) {
            const uint32_t id = links[row * DEGREE + d];
            if (id != UINT32_MAX && id < ROWS / 2 && row < ROWS / 2)
                links[row * DEGREE + held++] = id;
        }
        while (held < DEGREE)
            links[row * DEGREE + held++] = UINT32_MAX;
    }
    expect_same(device, &c, &w, 200, "a graph in two parts");
    web_free(&w);
    cloud_free(&c);
    device->ops->close(device);
}

static void of_equal_rows(void **unused)
{
    (void)unused;
    enum { ROWS = 400, DIM = 9 };
    uint64_t state = check_seed();
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, DIM, ROWS, 5, check_random(&state));
    for (uint32_t row = 1; row < ROWS; row++) {
        memcpy(c.rows + row * DIM, c.rows + row % 3 * DIM, DIM);
        c.aux[row] = c.aux[row % 3];
    }
    web w = web_new(&c, 16, check_random(&state));
    for (int shape = 0; shape < 2; shape++) {
        setenv("KITH_OPENCL_SHAPE", shape ? "gpu" : "cpu", 1);
        ki_device *device;
        must_open(&device);
        expect_same(device, &c, &w, 3, "equal rows, ef 3");
        expect_same(device, &c, &w, 100, "equal rows, ef 100");
        device->ops->close(device);
    }
    unsetenv("KITH_OPENCL_SHAPE");
    web_free(&w);
    cloud_free(&c);
}

/* ---- rows that come later ---- */

/* Both the walk and a scan see what is there now. */
static void expect_both(ki_device *device, ki_device_rows *rows, const cloud *c, const web *w)
{
    const ki_device_queries queries = cloud_queries(c);
    uint64_t hops;
    uint64_t *right = host_walk(c, w, &queries, 40, WANT, &hops);
    uint64_t *got = device_walk(rows, &queries, 40, WANT, NULL);
    expect_answers(right, got, (size_t)c->queries * WANT, "a walk over more rows");
    uint64_t *scanned = malloc((size_t)c->queries * WANT * sizeof *scanned);
    assert_non_null(scanned);
    assert_int_equal(device->ops->scan(rows, &queries, WANT, scanned), KITH_OK);
    uint64_t *fresh = cloud_scan(device, c, 0, c->queries, WANT);
    expect_answers(fresh, scanned, (size_t)c->queries * WANT, "a scan over more rows");
    free(fresh);
    free(scanned);
    free(right);
    free(got);
}

static void that_grow(void **unused)
{
    (void)unused;
    static const uint32_t counts[] = {700, 701, 733, 780, 787, 787, 1500, 1501};
    uint64_t state = check_seed();
    for (int shape = 0; shape < 2; shape++) {
        setenv("KITH_OPENCL_SHAPE", shape ? "gpu" : "cpu", 1);
        ki_device *device;
        must_open(&device);
        cloud c = cloud_new(KITH_U8, KITH_L2SQ, 37, 1501, 6, check_random(&state));
        uint64_t *live = random_live(1501, 90, &state);
        ki_device_rows *rows = NULL;
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            c.count = c.set.count = counts[i];
            c.set.live = i % 3 == 1 ? live : NULL;
            web w = web_new(&c, 16, check_random(&state));
            ki_device_graph graph = w.graph;
            graph.layer = w.layer;
            const uint32_t before = rows ? rows->count : 0;
            ki_device_rows *there = rows;
            ki_walk_counts unused_counts;
            uint64_t answer;
            /* Old rows are not asked of the host again, when there is room: they may be gone. */
            const bool fits = before > 0 && counts[i] <= rows->chunks[0].room;
            unsigned char *kept = malloc((size_t)before * c.dim + 1);
            assert_non_null(kept);
            memcpy(kept, c.rows, (size_t)before * c.dim);
            if (fits)
                memset(c.rows, 0xaa, (size_t)before * c.dim);
            assert_int_equal(device->ops->put_rows(device, &c.set, &rows), KITH_OK);
            memcpy(c.rows, kept, (size_t)before * c.dim);
            free(kept);
            assert_true(!fits || rows == there);
            assert_true(i != 1 || fits);
            const ki_device_queries queries = cloud_queries(&c);
            assert_int_equal(device->ops->walk(rows, &queries, 1, 1, &answer, &unused_counts),
                             KITH_EINVAL);
            assert_int_equal(device->ops->put_graph(rows, &graph), KITH_OK);
            expect_both(device, rows, &c, &w);
            web_free(&w);
        }
        device->ops->drop_rows(rows);
        assert_int_equal(((ki_cl_device *)device)->memory_used, 0);
        device->ops->close(device);
        free(live);
        cloud_free(&c);
    }
    unsetenv("KITH_OPENCL_SHAPE");
}

/* ---- what is refused ---- */

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
    ki_device *device;
    must_open(&device);
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
    ki_device *device;
    must_open(&device);
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
    expect_same(device, &c, &w, fewer, "in little local memory");
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
        ki_device *device;
        must_open(&device);
        ki_device_rows *rows = NULL;
        assert_int_equal(device->ops->put_rows(device, &c.set, &rows), KITH_OK);
        if (i < 2) {
            expect_refused(rows, &graph, KITH_ENOMEM, "more partitions");
            assert_non_null(strstr(kith_last_error(), limits[i]));
        } else {
            assert_int_equal(device->ops->put_graph(rows, &graph), KITH_OK);
            expect_both(device, rows, &c, &w);
        }
        device->ops->drop_rows(rows);
        assert_int_equal(((ki_cl_device *)device)->memory_used, 0);
        device->ops->close(device);
    }
    unsetenv("KITH_OPENCL_MAX_ALLOC");
    web_free(&w);
    cloud_free(&c);
}

/* A graph takes no second copy of the rows, until a scan wants one. */
static void one_layout_at_a_time(void **unused)
{
    (void)unused;
    uint64_t state = check_seed(), answer[WANT];
    ki_device *device;
    must_open(&device);
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, 784, 600, 1, check_random(&state));
    web w = web_new(&c, 16, check_random(&state));
    ki_device_rows *rows = put_web(device, &c, &w);
    const ki_device_queries queries = cloud_queries(&c);
    assert_true(rows->lines && !rows->chunks[0].rows);
    free(device_walk(rows, &queries, WANT, WANT, NULL));
    assert_null(rows->chunks[0].rows);
    assert_int_equal(device->ops->scan(rows, &queries, WANT, answer), KITH_OK);
    assert_true(rows->lines && rows->chunks[0].rows);
    expect_both(device, rows, &c, &w);
    device->ops->drop_rows(rows);
    device->ops->close(device);
    web_free(&w);
    cloud_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_by_the_index),
        cmocka_unit_test(of_a_few_rows),
        cmocka_unit_test(that_falls_apart),
        cmocka_unit_test(of_equal_rows),
        cmocka_unit_test(that_grow),
        cmocka_unit_test(that_cannot_be),
        cmocka_unit_test(asked_for_too_much),
        cmocka_unit_test(larger_than_a_buffer),
        cmocka_unit_test(one_layout_at_a_time),
    };
    setenv("KITH_CACHE", "disabled", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

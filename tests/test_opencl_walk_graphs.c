/* Property: any graph is walked as the host walks it: one that the index has built, one of a few
 * rows, one that falls apart, one of equal rows.
 */
#include "tests/index_data.h"
#include "tests/opencl_walk.h"
#include "index/objects.h"
#include "index/walk.h"

#include <string.h>

enum { WANT = 10 };

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
    ki_device *device = opencl_open();
    one_index(device, KITH_U8, KITH_L2SQ, &state);
    one_index(device, KITH_I8, KITH_COSINE, &state);
    one_index(device, KITH_B1, KITH_HAMMING, &state);
    device->ops->close(device);
}

/* ---- odd ones ---- */

static void expect_same(ki_device *device, const cloud *c, const web *w, uint32_t ef,
                        const char *what)
{
    expect_host_walk(device, c, w, ef, ef < WANT ? ef : WANT, what);
}

static void of_a_few_rows(void **unused)
{
    (void)unused;
    uint64_t state = check_seed();
    ki_device *device = opencl_open();
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
    ki_device *device = opencl_open();
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
        ki_device *device = opencl_open();
        expect_same(device, &c, &w, 3, "equal rows, ef 3");
        expect_same(device, &c, &w, 100, "equal rows, ef 100");
        device->ops->close(device);
    }
    unsetenv("KITH_OPENCL_SHAPE");
    web_free(&w);
    cloud_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_by_the_index), cmocka_unit_test(of_a_few_rows),
        cmocka_unit_test(that_falls_apart), cmocka_unit_test(of_equal_rows)};
    setenv("KITH_CACHE", "disabled", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

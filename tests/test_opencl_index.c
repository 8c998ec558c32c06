/* Property: a flat index on an OpenCL device gives the rows that a flat index on the host gives,
 * for every type and every metric, with queries of the rows' type or f32, also for rows that were
 * put, replaced or deleted since its build; and it refuses what the device cannot do instead of
 * doing it elsewhere.
 */
#include "tests/index_data.h"

#include <stdlib.h>
#include <string.h>

enum { K = 10, QUERIES = 40 };

/* Every type and every metric; all pairs of them are test_opencl_types.c's, since each is a program
 * that a driver may compile for a second. */
static const row_kind tried[] = {
    {KITH_F32, KITH_L2SQ},  {KITH_F32, KITH_COSINE}, {KITH_U8, KITH_L2SQ},
    {KITH_U8, KITH_IP},     {KITH_F16, KITH_IP},     {KITH_BF16, KITH_L2SQ},
    {KITH_I8, KITH_COSINE}, {KITH_B1, KITH_HAMMING}, {KITH_B1, KITH_JACCARD}};

static bool have_device(void)
{
    kith_devices *devices = NULL;
    kith_device_info info = {.size = sizeof info};
    bool usable = false;
    must(kith_devices_open(&devices));
    for (size_t i = 0; i < kith_devices_count(devices); i++) {
        must(kith_devices_get(devices, i, &info));
        usable |= !strcmp(info.id, "ocl0") && info.usable;
    }
    kith_devices_close(devices);
    return usable;
}

static kith_index *flat_on(kith_store *store, const char *device)
{
    kith_index_options options = kith_index_defaults(KITH_FLAT);
    options.device = device;
    options.threads = 2;
    return index_on(store, &options);
}

static void check_same(kith_index *host, kith_index *device, const matrix *queries, uint32_t f32)
{
    kith_search_options options = kith_search_defaults(K);
    options.f32_queries = f32;
    kith_hit expected[QUERIES * K], got[QUERIES * K];
    must(kith_index_search(host, queries->bytes, queries->n, &options, expected, NULL));
    must(kith_index_search(device, queries->bytes, queries->n, &options, got, NULL));
    for (size_t i = 0; i < queries->n * K; i++) {
        assert_int_equal(got[i].row, expected[i].row);
        assert_true(got[i].distance == expected[i].distance);
    }
}

/* Deletes the nearest rows of a query, replaces some, puts some: nobody tells the device. */
static void change(kith_store *store, kith_index *host, const matrix *rows, const matrix *queries)
{
    kith_search_options options = kith_search_defaults(K);
    kith_hit hits[K];
    must(kith_index_search(host, queries->bytes, 1, &options, hits, NULL));
    for (size_t i = 0; i < K; i += 2)
        must(kith_store_del_u64(store, hits[i].key));
    for (uint64_t key = 500; key < 520; key++)
        must(kith_store_put_u64(store, key, row_at(queries, key % QUERIES)));
    for (uint64_t key = 0; key < 30; key++)
        must(kith_store_put_u64(store, 100000 + key, row_at(rows, key)));
}

static void same_rows_as_the_host(void **state)
{
    (void)state;
    if (!have_device())
        skip();
    uint64_t random = check_seed();
    for (size_t i = 0; i < sizeof tried / sizeof *tried; i++) {
        matrix rows = matrix_clustered(tried[i].type, 33, 3000, 20, &random);
        matrix queries = matrix_clustered(tried[i].type, 33, QUERIES, 20, &random);
        matrix wide = matrix_widened(&queries);
        for (size_t j = 0; j < QUERIES * 33; j++)
            floats_at(&wide, 0)[j] -= (float)(j % 3) / 7; /* what no row can hold */
        kith_store *store = store_of(&rows, tried[i].metric);
        kith_index *host = flat_on(store, "cpu"), *device = flat_on(store, "ocl0");
        must(kith_index_build(device, NULL, NULL));
        check_same(host, device, &queries, 0);
        check_same(host, device, &wide, 1);
        change(store, host, &rows, &queries);
        check_same(host, device, &queries, 0);
        check_same(host, device, &wide, 1);
        must(kith_index_build(device, NULL, NULL));
        check_same(host, device, &queries, 0);
        kith_index_close(device);
        kith_index_close(host);
        kith_store_close(store);
        matrix_free(&rows);
        matrix_free(&queries);
        matrix_free(&wide);
    }
}

/* Beyond what a device keeps in local lists, and beyond the rows there are. */
static void any_k_as_the_host(void **state)
{
    (void)state;
    if (!have_device())
        skip();
    static const uint32_t ks[] = {800, 1024, 1025, 2999, 3000, 4000};
    uint64_t random = check_seed();
    kith_hit *expected = calloc(2 * 4000, sizeof *expected), *got = calloc(2 * 4000, sizeof *got);
    assert_true(expected && got);
    for (size_t i = 0; i < sizeof tried / sizeof *tried; i += 4) {
        matrix rows = matrix_clustered(tried[i].type, 33, 3000, 20, &random);
        kith_store *store = store_of(&rows, tried[i].metric);
        kith_index *host = flat_on(store, "cpu"), *device = flat_on(store, "ocl0");
        must(kith_index_build(device, NULL, NULL));
        for (size_t j = 0; j < sizeof ks / sizeof *ks; j++) {
            const kith_search_options options = kith_search_defaults(ks[j]);
            must(kith_index_search(host, rows.bytes, 2, &options, expected, NULL));
            must(kith_index_search(device, rows.bytes, 2, &options, got, NULL));
            for (size_t n = 0; n < 2 * ks[j]; n++)
                assert_true(got[n].row == expected[n].row &&
                            (got[n].row == UINT32_MAX || got[n].distance == expected[n].distance));
            must(kith_store_del_u64(store, j)); /* nobody tells the device */
        }
        kith_index_close(device);
        kith_index_close(host);
        kith_store_close(store);
        matrix_free(&rows);
    }
    free(expected);
    free(got);
}

static void refuses_what_it_cannot(void **state)
{
    (void)state;
    if (!have_device())
        skip();
    uint64_t random = check_seed();
    matrix rows = matrix_uniform(KITH_U8, 8, 50, &random);
    kith_store *store = store_of(&rows, KITH_L2SQ);
    kith_index *device = flat_on(store, "ocl0");
    kith_search_options options = kith_search_defaults(60);
    kith_hit *hits = calloc(60, sizeof *hits);
    assert_non_null(hits);
    must_fail(kith_index_search(device, rows.bytes, 1, &options, hits, NULL), KITH_EINVAL, "build");
    must(kith_index_build(device, NULL, NULL));
    must(kith_index_search(device, rows.bytes, 1, &options, hits, NULL));
    assert_int_equal(hits[0].row, 0);
    assert_int_equal(hits[50].row, UINT32_MAX);
    free(hits);
    kith_index_close(device);
    kith_store_close(store);
    matrix_free(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_rows_as_the_host),
        cmocka_unit_test(any_k_as_the_host),
        cmocka_unit_test(refuses_what_it_cannot),
    };
    setenv("KITH_CACHE", "disabled", 1); /* the user's own is none of a test's business */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Property: every refusal of an index or a search that kith.h names comes with its status and a
 * sentence that holds the numbers, and leaves the results as they were. What is allowed at the
 * edges is taken.
 */
#include "tests/index_data.h"

#include <math.h>
#include <string.h>

enum { DIM = 4, N = 20 };

typedef struct bench {
    matrix rows;
    kith_store *store;
    kith_index *flat, *hnsw;
} bench;

static bench open_bench(kith_metric metric)
{
    uint64_t random = check_seed();
    bench b = {.rows = matrix_uniform(KITH_F32, DIM, N, &random)};
    b.store = store_of(&b.rows, metric);
    kith_index_options flat = kith_index_defaults(KITH_FLAT), hnsw = kith_index_defaults(KITH_HNSW);
    flat.threads = hnsw.threads = 1;
    b.flat = index_on(b.store, &flat);
    b.hnsw = index_on(b.store, &hnsw);
    must(kith_index_build(b.hnsw, NULL, NULL));
    return b;
}

static void close_bench(bench *b)
{
    kith_index_close(b->hnsw);
    kith_index_close(b->flat);
    kith_store_close(b->store);
    matrix_free(&b->rows);
}

static void index_refuses(const bench *b, const kith_index_options *options, kith_status status,
                          const char *part)
{
    kith_index *const before = (kith_index *)(uintptr_t)0x1234;
    kith_index *index = before;
    must_fail(kith_index_create(b->store, options, &index), status, part);
    assert_ptr_equal(index, before);
}

static void indexes(void **state)
{
    (void)state;
    bench b = open_bench(KITH_L2SQ);
    const kith_index_options good = kith_index_defaults(KITH_HNSW);
    const struct {
        const char *part;
        kith_status status;
        kith_index_options options;
    } cases[] =
    { {"9 is no kind", KITH_EINVAL, {.kind = (kith_index_kind)9, .m = 16}},
      {"m = 3", KITH_EINVAL, {.kind = KITH_HNSW, .m = 3}},
      {"m = 129", KITH_EINVAL, {.kind = KITH_HNSW, .m = 129}},
      {"ef_construction = 0", KITH_EINVAL, {.kind = KITH_HNSW, .m = 16, .alpha = 1}},
      {"65537", KITH_EINVAL, {.kind = KITH_HNSW, .m = 4, .ef_construction = 65537, .alpha = 1}},
      {"alpha = 0.9",
       KITH_EINVAL,
       {.kind = KITH_HNSW, .m = 4, .ef_construction = 1, .alpha = 0.9f}},
      {"alpha = nan", KITH_EINVAL, {.kind = KITH_HNSW, .m = 4, .ef_construction = 1, .alpha = NAN}},
      {"alpha = 2.5",
       KITH_EINVAL,
       {.kind = KITH_HNSW, .m = 4, .ef_construction = 1, .alpha = 2.5f}},
      {"gpu7", KITH_ENODEVICE, {.kind = KITH_FLAT, .device = "gpu7"}},
      {"ocl99", KITH_ENODEVICE, {.kind = KITH_FLAT, .device = "ocl99"}},
      {"ocl1x", KITH_ENODEVICE, {.kind = KITH_FLAT, .device = "ocl1x"}},
      {"ocl99999999999999999999",
       KITH_ENODEVICE,
       {.kind = KITH_FLAT, .device = "ocl99999999999999999999"}},
      {"ocl0",
       KITH_EUNSUPPORTED,
       {.kind = KITH_HNSW, .m = 4, .ef_construction = 1, .alpha = 1, .device = "ocl0"}},
      {"sse9", KITH_EINVAL, {.kind = KITH_FLAT, .cpu = "sse9"}},
      {"1000000", KITH_EINVAL, {.kind = KITH_FLAT, .threads = 1000000}},
#if defined(__x86_64__)
      {"neon", KITH_EINVAL, {.kind = KITH_FLAT, .cpu = "neon"}},
#endif
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kith_index_options options = cases[i].options;
        options.size = sizeof options;
        index_refuses(&b, &options, cases[i].status, cases[i].part);
    }
    kith_index_options sized = good;
    sized.size = 0;
    index_refuses(&b, &sized, KITH_EINVAL, "size field is 0");
    kith_index_close(NULL);
    close_bench(&b);
}

static void search_refuses(const bench *b, const kith_search_options *options, const char *part)
{
    kith_hit hits[2 * N], before[2 * N];
    kith_searcher *searcher = NULL;
    memset(hits, 0x5a, sizeof hits);
    memcpy(before, hits, sizeof hits);
    must_fail(kith_index_search(b->flat, b->rows.bytes, 1, options, hits, NULL), KITH_EINVAL, part);
    must_fail(kith_index_search(b->hnsw, b->rows.bytes, 1, options, hits, NULL), KITH_EINVAL, part);
    must_fail(kith_searcher_create(b->hnsw, options, NULL, &searcher), KITH_EINVAL, part);
    assert_memory_equal(hits, before, sizeof hits);
    assert_null(searcher);
}

static void search_options(void **state)
{
    (void)state;
    bench b = open_bench(KITH_L2SQ);
    kith_search_options o = kith_search_defaults(0);
    kith_searcher *searcher = NULL;
    search_refuses(&b, &o, "k = 0");
    o = kith_search_defaults(65537);
    search_refuses(&b, &o, "k = 65537");
    o = kith_search_defaults(5);
    o.ef = 65537;
    search_refuses(&b, &o, "ef = 65537");
    o = kith_search_defaults(5);
    o.prefetch_lines = 65;
    search_refuses(&b, &o, "prefetch_lines = 65");
    o = kith_search_defaults(5);
    o.f32_queries = 2;
    search_refuses(&b, &o, "f32_queries = 2");
    o = kith_search_defaults(5);
    o.size = 7;
    search_refuses(&b, &o, "size field is 7");
    o = kith_search_defaults(5);
    must_fail(kith_searcher_create(b.hnsw, &o, "sse9", &searcher), KITH_EINVAL, "sse9");
    must_fail(kith_searcher_create(b.flat, &o, NULL, &searcher), KITH_EUNSUPPORTED, "flat");
    o.threads = 1000000;
    kith_hit hits[5];
    must_fail(kith_index_search(b.flat, b.rows.bytes, 1, &o, hits, NULL), KITH_EINVAL, "1000000");
    must_fail(kith_index_search(b.hnsw, b.rows.bytes, 1, &o, hits, NULL), KITH_EINVAL, "1000000");
    kith_searcher_close(NULL);
    close_bench(&b);
}

/* Every k up to the largest is taken with its own defaults. */
static void largest_k(void **state)
{
    (void)state;
    bench b = open_bench(KITH_L2SQ);
    for (uint32_t k = 32768; k <= 65536; k += 16384) {
        kith_search_options o = kith_search_defaults(k);
        kith_hit *hits = malloc(k * sizeof *hits);
        o.threads = 1;
        must(kith_index_search(b.flat, b.rows.bytes, 1, &o, hits, NULL));
        assert_true(hits[N - 1].row < N && hits[N].row == UINT32_MAX);
        must(kith_index_search(b.hnsw, b.rows.bytes, 1, &o, hits, NULL));
        assert_true(hits[N - 1].row < N && hits[k - 1].row == UINT32_MAX);
        free(hits);
    }
    close_bench(&b);
}

/* A query that is no vector, and a result struct without a size: no hit is written. */
static void searches(void **state)
{
    (void)state;
    bench b = open_bench(KITH_L2SQ);
    kith_search_options o = kith_search_defaults(2);
    kith_hit hits[6], before[6];
    kith_searcher *searcher = NULL;
    kith_search_stats stats = {.size = 0};
    size_t found = 77;
    float queries[3 * DIM] = {0};
    memset(hits, 0x5a, sizeof hits);
    memcpy(before, hits, sizeof hits);
    must(kith_searcher_create(b.hnsw, &o, NULL, &searcher));
    queries[2 * DIM + 1] = NAN;
    must_fail(kith_index_search(b.flat, queries, 3, &o, hits, NULL), KITH_EINVAL,
              "element 1 of query 2");
    must_fail(kith_index_search(b.hnsw, queries, 3, &o, hits, NULL), KITH_EINVAL,
              "element 1 of query 2");
    must_fail(kith_searcher_search(searcher, queries + 2 * DIM, hits, &found, NULL), KITH_EINVAL,
              "element 1");
    must_fail(kith_index_search(b.flat, queries, 2, &o, hits, &stats), KITH_EINVAL, "size");
    must_fail(kith_index_search(b.hnsw, queries, 2, &o, hits, &stats), KITH_EINVAL, "size");
    must_fail(kith_searcher_search(searcher, queries, hits, &found, &stats), KITH_EINVAL, "size");
    assert_memory_equal(hits, before, sizeof hits);
    assert_int_equal(found, 77);
    must(kith_index_search(b.flat, queries, 0, &o, hits, NULL));
    must(kith_index_search(b.hnsw, queries, 0, &o, hits, NULL));
    assert_memory_equal(hits, before, sizeof hits);
    kith_searcher_close(searcher);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(indexes),
        cmocka_unit_test(search_options),
        cmocka_unit_test(largest_k),
        cmocka_unit_test(searches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

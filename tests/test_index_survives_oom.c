/* Property: whichever allocation fails, from the first of a store to the last of a search, the call
 * says KITH_ENOMEM and why, nothing leaks (the sanitizer build looks), results stay untouched, and
 * everything goes on: a build that failed half-way leaves a valid graph, which the next completes.
 */
#include "index/objects.h"
#include "kv/base.h"
#include "tests/index_data.h"

#include <string.h>

enum { N = 300, DIM = 33, QUERIES = 40, K = 5, MOST = 20000 };

/* What a run owns, so that it can be closed wherever it ended. */
typedef struct run {
    const matrix *rows, *queries;
    kith_metric metric;
    kith_index_options options;
    kith_store *store;
    kith_index *index;
    kith_searcher *searcher;
} run;

static void close_run(run *r)
{
    kith_searcher_close(r->searcher);
    kith_index_close(r->index);
    kith_store_close(r->store);
}

static kith_status open_and_build(run *r)
{
    kith_store_options options = kith_store_defaults(DIM, r->rows->type, r->metric);
    kith_status status = kith_store_open(NULL, &options, &r->store);
    if (!status)
        status = kith_store_load(r->store, NULL, r->rows->bytes, r->rows->n, NULL, NULL);
    if (!status)
        status = kith_index_create(r->store, &r->options, &r->index);
    return status ? status : kith_index_build(r->index, NULL, NULL);
}

static kith_status use(run *r)
{
    kith_search_options options = kith_search_defaults(K);
    kith_index_stats stats = {.size = sizeof stats};
    kith_hit hits[QUERIES * K], untouched[QUERIES * K];
    options.threads = 1;
    memset(hits, 0x5a, sizeof hits);
    memset(untouched, 0x5a, sizeof untouched);
    kith_status status =
        kith_index_search(r->index, r->queries->bytes, QUERIES, &options, hits, NULL);
    if (status)
        assert_memory_equal(hits, untouched, sizeof hits);
    if (!status && r->index->graph)
        status = kith_searcher_create(r->index, &options, NULL, &r->searcher);
    if (!status && r->index->graph)
        status = kith_searcher_search(r->searcher, r->queries->bytes, hits, NULL, NULL);
    if (!status)
        status = kith_index_stat(r->index, &stats);
    return status ? status : kith_index_check(r->index);
}

/* The n-th allocation fails; true when there was none. After the failure everything is done again,
 * on whatever the failure left. */
static bool run_with_failure(run *r, uint64_t n)
{
    ki_fail(KITH_EIO, "an older sentence");
    ki_alloc_fail_at(n);
    kith_status status = open_and_build(r);
    if (!status)
        status = use(r);
    ki_alloc_fail_at(0);
    if (status) {
        assert_int_equal(status, KITH_ENOMEM);
        assert_non_null(strstr(kith_last_error(), "no memory"));
    }
    if (status && r->index) {
        must(kith_index_check(r->index));
        must(kith_index_build(r->index, NULL, NULL));
        must(kith_index_check(r->index));
        assert_int_equal(nodes_of(r->index), N);
        kith_searcher_close(r->searcher);
        r->searcher = NULL;
        must(use(r));
    }
    close_run(r);
    return !status;
}

/* From the first allocation on until none fails any more. */
static void check_all_failures(kith_type type, kith_metric metric, kith_index_kind kind,
                               kith_walk walk, uint32_t reduce)
{
    uint64_t random = check_seed(), n = 1;
    matrix rows = matrix_clustered(type, DIM, N, 5, &random);
    matrix queries = matrix_clustered(type, DIM, QUERIES, 5, &random);
    run r = {.rows = &rows, .queries = &queries, .metric = metric};
    r.options = kith_index_defaults(kind);
    r.options.threads = 1;
    r.options.walk = walk;
    r.options.reduce = reduce;
    r.options.ef_construction = 20;
    r.options.m = 4; /* many layers */
    for (run once = r; n < MOST && !run_with_failure(&once, n); once = r)
        n++;
    assert_in_range(n, 20, MOST - 1);
    matrix_free(&rows);
    matrix_free(&queries);
}

static void graph_survives(void **state)
{
    (void)state;
    check_all_failures(KITH_U8, KITH_L2SQ, KITH_HNSW, KITH_WALK_AUTO, 0);
    check_all_failures(KITH_F32, KITH_COSINE, KITH_HNSW, KITH_WALK_ROWS, 0);
}

/* Codes are learnt, tried, made, shortened; queries become codes; what is found is ranked again. */
static void coded_graph_survives(void **state)
{
    (void)state;
    check_all_failures(KITH_F32, KITH_COSINE, KITH_HNSW, KITH_WALK_AUTO, 0);
    check_all_failures(KITH_F16, KITH_IP, KITH_HNSW, KITH_WALK_SQ8, 16);
    check_all_failures(KITH_F32, KITH_L2SQ, KITH_HNSW, KITH_WALK_SQ4, 0);
    check_all_failures(KITH_U8, KITH_L2SQ, KITH_HNSW, KITH_WALK_SQ1, 0);
}

static void flat_survives(void **state)
{
    (void)state;
    check_all_failures(KITH_U8, KITH_IP, KITH_FLAT, KITH_WALK_AUTO, 0);
    check_all_failures(KITH_F32, KITH_L2SQ, KITH_FLAT, KITH_WALK_AUTO, 0);
}

static void exact_survives(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix rows = matrix_uniform(KITH_F32, DIM, N, &random);
    uint32_t found[K];
    kith_status status = KITH_ENOMEM;
    for (uint64_t n = 1; status && n < MOST; n++) {
        ki_alloc_fail_at(n);
        status = kith_exact(KITH_L2SQ, KITH_F32, DIM, rows.bytes, N, rows.bytes, 1, K, 1, found,
                            NULL, NULL, NULL);
        ki_alloc_fail_at(0);
        assert_true(status == KITH_OK || status == KITH_ENOMEM);
    }
    assert_int_equal(status, KITH_OK);
    assert_int_equal(found[0], 0);
    matrix_free(&rows);
}

static void devices_survive(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 3; n++) {
        kith_devices *devices = NULL;
        ki_alloc_fail_at(n);
        kith_status status = kith_devices_open(&devices);
        ki_alloc_fail_at(0);
        assert_true(status == KITH_OK || (status == KITH_ENOMEM && !devices));
        kith_devices_close(devices);
    }
}

/* What the search needs is there before it starts. */
static void search_allocates_nothing(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix rows = matrix_clustered(KITH_U8, DIM, 4 * N, 5, &random);
    kith_store *store = store_of(&rows, KITH_L2SQ);
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    kith_search_options search = kith_search_defaults(K);
    kith_searcher *searcher = NULL;
    kith_hit hits[K];
    options.threads = 1;
    kith_index *index = index_on(store, &options);
    must(kith_index_build(index, NULL, NULL));
    must(kith_searcher_create(index, &search, NULL, &searcher));
    ki_alloc_fail_at(1);
    for (size_t i = 0; i < rows.n; i++)
        must(kith_searcher_search(searcher, row_at(&rows, i), hits, NULL, NULL));
    ki_alloc_fail_at(0);
    kith_searcher_close(searcher);
    kith_index_close(index);
    kith_store_close(store);
    matrix_free(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(graph_survives),  cmocka_unit_test(coded_graph_survives),
        cmocka_unit_test(flat_survives),   cmocka_unit_test(exact_survives),
        cmocka_unit_test(devices_survive), cmocka_unit_test(search_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

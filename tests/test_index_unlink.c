/* Property: a build takes dead rows out of the graph. Afterwards it holds the live rows and no
 * others, is valid, finds them as well as a graph that was built anew, for about as many distances,
 * and is the same bytes for every number of threads and on every instruction set; also when it was
 * stopped or ran out of memory on the way.
 */
#include "index/objects.h"
#include "kv/base.h"
#include "tests/index_data.h"

#include <string.h>

enum { N = 1500, DIM = 24, QUERIES = 200, K = 10, MOST = 20000 };

static const row_kind some_kinds[] = {{KITH_U8, KITH_L2SQ},
                                      {KITH_F32, KITH_COSINE},
                                      {KITH_F32, KITH_IP},
                                      {KITH_F16, KITH_L2SQ},
                                      {KITH_B1, KITH_HAMMING}};
enum { SOME_KINDS = sizeof some_kinds / sizeof *some_kinds };

static kith_index_options options_of(uint32_t threads, const char *cpu)
{
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    options.m = 6; /* several layers */
    options.ef_construction = 60;
    options.threads = threads;
    options.cpu = cpu;
    return options;
}

static uint64_t live_of(const kith_store *store)
{
    kith_store_stats stats = {.size = sizeof stats};
    must(kith_store_stat(store, &stats));
    return stats.live;
}

/* Deletes the keys, or puts others in their place, of which there are `share` in a hundred. */
static void change(kith_store *store, const matrix *fresh, uint32_t share, bool replace,
                   uint64_t *random)
{
    for (uint64_t key = 0; key < N; key++)
        if (check_below(random, 100) >= share)
            continue;
        else if (replace)
            must(kith_store_put_u64(store, key, row_at(fresh, key)));
        else
            must(kith_store_del_u64(store, key));
}

static void build_whole(kith_store *store, kith_index *index)
{
    must(kith_index_build(index, NULL, NULL));
    must(kith_index_check(index));
    assert_int_equal(nodes_of(index), live_of(store));
}

/* The share of the flat index's hits that are found, and the distances of a query. */
static double found(kith_store *store, kith_index *index, const matrix *queries, uint32_t ef,
                    double *distances)
{
    static kith_hit right[QUERIES * K], hits[QUERIES * K];
    const kith_index_options flat_options = kith_index_defaults(KITH_FLAT);
    kith_search_options options = kith_search_defaults(K);
    kith_search_stats stats = {.size = sizeof stats};
    size_t n = 0, all = 0;
    options.ef = ef;
    kith_index *flat = index_on(store, &flat_options);
    must(kith_index_search(flat, queries->bytes, QUERIES, &options, right, NULL));
    must(kith_index_search(index, queries->bytes, QUERIES, &options, hits, &stats));
    for (size_t i = 0; i < QUERIES * K; i++) {
        const kith_hit *last = &right[i / K * K + K - 1];
        all += right[i].row != UINT32_MAX;
        n += hits[i].row != UINT32_MAX && hits[i].distance <= last->distance;
    }
    kith_index_close(flat);
    *distances = (double)stats.distances / QUERIES;
    return all ? (double)n / (double)all : 1;
}

/* The distances that it takes to find as much as a graph built anew, in those that this one needs.
 */
static double as_if_built_anew(row_kind kind, uint32_t share, bool replace)
{
    uint64_t random = check_seed();
    matrix rows = matrix_clustered(kind.type, DIM, N, 20, &random);
    matrix fresh = matrix_clustered(kind.type, DIM, N, 20, &random);
    matrix queries = matrix_clustered(kind.type, DIM, QUERIES, 20, &random);
    const kith_index_options io = options_of(2, NULL);
    double ours, theirs;
    kith_store *store = store_of(&rows, kind.metric);
    kith_index *index = index_on(store, &io);
    must(kith_index_build(index, NULL, NULL));
    change(store, &fresh, share, replace, &random);
    build_whole(store, index);
    kith_index *anew = index_on(store, &io);
    build_whole(store, anew);
    const double wanted = found(store, anew, &queries, 30, &theirs);
    uint32_t ef = 24; /* lists are a little shorter, and so is a walk of equal width */
    double recall = found(store, index, &queries, ef, &ours);
    while (recall < wanted - 0.005 && ef < 90)
        recall = found(store, index, &queries, ef += 2, &ours);
    if (recall < wanted - 0.005 || ours > 2 * theirs)
        fail_msg("%s %s, %u in 100 %s: recall %.3f with %.0f distances, anew %.3f with %.0f",
                 kith_type_name(kind.type), kith_metric_name(kind.metric), share,
                 replace ? "replaced" : "deleted", recall, ours, wanted, theirs);
    kith_index_close(anew);
    kith_index_close(index);
    kith_store_close(store);
    matrix_free(&rows), matrix_free(&fresh), matrix_free(&queries);
    return ours / theirs;
}

static void a_graph_like_a_new_one(void **state)
{
    (void)state;
    static const uint32_t shares[] = {10, 25, 60}; /* the last is more than is mended */
    double sum = 0;
    for (size_t k = 0; k < SOME_KINDS; k++)
        for (int i = 0; i < 3; i++)
            for (int replace = 0; replace < 2; replace++)
                sum += as_if_built_anew(some_kinds[k], shares[i], replace);
    printf("%.3f of the distances in a new graph\n", sum / (6 * SOME_KINDS));
    assert_true(sum < 1.08 * 6 * SOME_KINDS);
}

static uint64_t digest_after(const matrix *rows, const matrix *fresh, kith_metric metric,
                             uint32_t threads, const char *cpu)
{
    uint64_t random = 7;
    const kith_index_options io = options_of(threads, cpu);
    kith_store *store = store_of(rows, metric);
    kith_index *index = index_on(store, &io);
    must(kith_index_build(index, NULL, NULL));
    change(store, fresh, 25, false, &random);
    build_whole(store, index);
    change(store, fresh, 30, true, &random);
    build_whole(store, index);
    const uint64_t digest = digest_of(index);
    kith_index_close(index);
    kith_store_close(store);
    return digest;
}

static void the_same_bytes(void **state)
{
    (void)state;
    static const uint32_t threads[] = {2, 3, 8};
    uint64_t random = check_seed();
    for (size_t k = 0; k < SOME_KINDS; k++) {
        const row_kind kind = some_kinds[k];
        matrix rows = matrix_clustered(kind.type, DIM, N, 20, &random);
        matrix fresh = matrix_clustered(kind.type, DIM, N, 20, &random);
        const uint64_t digest = digest_after(&rows, &fresh, kind.metric, 1, "scalar");
        const char *level;
        for (size_t i = 0; i < 3; i++)
            assert_true(digest_after(&rows, &fresh, kind.metric, threads[i], NULL) == digest);
        for (size_t i = 1; (level = kith_cpu_level(i)); i++)
            assert_true(digest_after(&rows, &fresh, kind.metric, 2, level) == digest);
        matrix_free(&rows), matrix_free(&fresh);
    }
}

/* The nodes that everything hangs on: roots, the entry, whole layers; then all but one, then all,
 * and the same keys again. */
static void the_most_important_ones(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix rows = matrix_clustered(KITH_U8, DIM, N, 20, &random);
    const kith_index_options io = options_of(1, NULL);
    kith_store *store = store_of(&rows, KITH_L2SQ);
    kith_index *index = index_on(store, &io);
    const ki_graph *graph = index->graph;
    build_whole(store, index);
    assert_true(graph->layers >= 4);
    for (uint32_t layers = graph->layers; layers > 1; layers = graph->layers) {
        const ki_layer *top = &graph->layer[layers - 1];
        for (uint32_t id = 0; id < top->count; id++)
            must(kith_store_del_u64(store, top->row[id]));
        for (uint64_t key = 0; key < N; key++) /* enough to be worth it */
            if (check_below(&random, 20) == 0)
                (void)kith_store_del_u64(store, key);
        build_whole(store, index);
        assert_true(graph->layers < layers);
    }
    const uint32_t last = graph->layer[0].root;
    for (uint64_t key = 0; key < N; key++)
        if (key != last)
            (void)kith_store_del_u64(store, key);
    build_whole(store, index);
    must(kith_store_del_u64(store, last));
    build_whole(store, index);
    assert_int_equal(graph->layers, 0);
    must(kith_store_load(store, NULL, rows.bytes, N, NULL, NULL));
    build_whole(store, index);
    assert_true(graph->layers >= 4);
    kith_index_close(index);
    kith_store_close(store);
    matrix_free(&rows);
}

static int stop_at(void *user, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    return --*(int *)user == 0;
}

static void stopped_on_the_way(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix rows = matrix_clustered(KITH_F32, DIM, N, 20, &random);
    const kith_index_options io = options_of(1, NULL);
    kith_store *store = store_of(&rows, KITH_L2SQ);
    kith_index *index = index_on(store, &io);
    build_whole(store, index);
    change(store, &rows, 25, false, &random);
    for (int call = 1; call < (int)index->graph->layers + 1; call++) { /* one report a layer */
        int left = call;
        must_fail(kith_index_build(index, stop_at, &left), KITH_ECANCELLED, "dead rows");
        must(kith_index_check(index));
        assert_int_equal(nodes_of(index), N);
    }
    build_whole(store, index);
    kith_index_close(index);
    kith_store_close(store);
    matrix_free(&rows);
}

static void memory_runs_out(void **state)
{
    (void)state;
    uint64_t random = check_seed(), n = 1;
    matrix rows = matrix_clustered(KITH_U8, DIM, 300, 20, &random);
    const kith_index_options io = options_of(1, NULL);
    kith_status status = KITH_ENOMEM;
    for (; status && n < MOST; n++) {
        kith_store *store = store_of(&rows, KITH_L2SQ);
        kith_index *index = index_on(store, &io);
        build_whole(store, index);
        for (uint64_t key = 0; key < 300; key += 5)
            must(kith_store_put_u64(store, key, row_at(&rows, key + 1)));
        ki_alloc_fail_at(n);
        status = kith_index_build(index, NULL, NULL);
        ki_alloc_fail_at(0);
        assert_true(!status || status == KITH_ENOMEM);
        must(kith_index_check(index));
        build_whole(store, index);
        kith_index_close(index);
        kith_store_close(store);
    }
    assert_in_range(n, 20, MOST - 1);
    matrix_free(&rows);
}

/* Rows give way to others four times as long, which the codes of the first would cut. */
static void codes_follow_their_rows(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix rows = matrix_clustered(KITH_F32, DIM, N, 20, &random);
    matrix fresh = matrix_clustered(KITH_F32, DIM, N, 20, &random);
    matrix queries = {KITH_F32, DIM, QUERIES, fresh.bytes};
    const kith_index_options io = options_of(2, NULL);
    double distances;
    for (size_t i = 0; i < N; i++)
        for (uint32_t j = 0; j < DIM; j++)
            floats_at(&fresh, i)[j] *= 4;
    kith_store *store = store_of(&rows, KITH_L2SQ);
    kith_index *index = index_on(store, &io);
    build_whole(store, index);
    change(store, &fresh, 60, true, &random);
    build_whole(store, index);
    assert_true(found(store, index, &queries, 40, &distances) > 0.95);
    kith_index_close(index);
    kith_store_close(store);
    matrix_free(&rows), matrix_free(&fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_graph_like_a_new_one),  cmocka_unit_test(the_same_bytes),
        cmocka_unit_test(the_most_important_ones), cmocka_unit_test(stopped_on_the_way),
        cmocka_unit_test(memory_runs_out),         cmocka_unit_test(codes_follow_their_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

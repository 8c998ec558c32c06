/* Property: codes of 4 bits of all dimensions are walked over where a trial finds that cheaper than
 * both codes of 8 bits and fewer dimensions. The choice and its codes are the same for every number
 * of threads and instruction set, hits are as good as those of a walk over 8 bits, a saved graph
 * keeps the choice, and a trial that is held again lets go of codes that are worse.
 */
#include "index/brief.h"
#include "index/checks.h"
#include "index/objects.h"
#include "tests/index_data.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

enum { N = KI_BRIEF_ROWS, DIM = 512, QUERIES = 40, K = 10 };

/* What spreads in direction i of the axes, turned, with (i + 1)^-0.25: in nearly all directions. */
static matrix spread(kith_type type, size_t n, uint64_t *random)
{
    matrix rows = matrix_uniform(KITH_F32, DIM, n, random);
    float factor[DIM];
    for (uint32_t i = 0; i < DIM; i++)
        factor[i] = powf((float)(i + 1), -0.25f) / 16;
    for (size_t r = 0; r < n; r++) {
        float *x = floats_at(&rows, r);
        for (uint32_t i = 0; i < DIM; i++)
            x[i] *= factor[i];
        for (uint32_t half = 1; half < DIM; half *= 2)
            for (uint32_t i = 0; i < DIM; i++)
                if (!(i & half)) {
                    const float a = x[i], b = x[i | half];
                    x[i] = a + b;
                    x[i | half] = a - b;
                }
    }
    if (type == KITH_F32)
        return rows;
    matrix narrow = matrix_uniform(type, DIM, n, random);
    for (size_t r = 0; r < n; r++)
        for (uint32_t i = 0; i < DIM; i++)
            set_element(type, row_at(&narrow, r), i, floats_at(&rows, r)[i]);
    matrix_free(&rows);
    return narrow;
}

static kith_index_options options_of(kith_walk walk)
{
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    options.ef_construction = 24;
    options.walk = walk;
    options.threads = 2;
    return options;
}

static kith_index_stats stats_of(const kith_index *index)
{
    kith_index_stats stats = {.size = sizeof stats};
    must(kith_index_stat(index, &stats));
    return stats;
}

static void assert_halved(const kith_index *index)
{
    assert_int_equal(stats_of(index).brief, DIM);
    assert_int_equal(stats_of(index).brief_bits, 4);
}

static kith_index *built(kith_store *store, kith_walk walk)
{
    const kith_index_options options = options_of(walk);
    kith_index *index = index_on(store, &options);
    must(kith_index_build(index, NULL, NULL));
    must(kith_index_check(index));
    return index;
}

static void search(kith_index *index, const matrix *queries, kith_hit *hits)
{
    kith_search_options options = kith_search_defaults(K);
    kith_search_stats stats = {.size = sizeof stats};
    options.ef = 200;
    options.f32_queries = queries->type != index->store->options.type;
    must(kith_index_search(index, queries->bytes, QUERIES, &options, hits, &stats));
    assert_int_equal(stats.mode, KITH_MODE_CODES);
    assert_int_equal(stats.reranks, QUERIES * K * 3 / 2);
}

static uint32_t found(const uint32_t *truth, const kith_hit *hits)
{
    uint32_t right = 0;
    for (size_t i = 0; i < (size_t)QUERIES * K; i++)
        for (size_t j = i / K * K; j < (i / K + 1) * K; j++)
            right += hits[i].row == truth[j];
    return right;
}

/* Of 400 true neighbours the walk over 4 bits finds as many as that over 8, but for 3 in 100. */
static void as_good_as_eight_bits(kith_index *halved, kith_index *whole, const matrix *rows,
                                  const matrix *queries)
{
    const kith_store_options *so = &halved->store->options;
    uint32_t truth[QUERIES * K];
    kith_hit hits[QUERIES * K], others[QUERIES * K];
    matrix wide = matrix_widened(rows), asked = matrix_widened(queries);
    must(kith_exact(so->metric, KITH_F32, DIM, wide.bytes, N, asked.bytes, QUERIES, K, 0, truth,
                    NULL, NULL, NULL));
    search(halved, queries, hits);
    search(whole, queries, others);
    assert_true(found(truth, others) > QUERIES * K / 2);
    assert_true(found(truth, hits) + QUERIES * K * 3 / 100 >= found(truth, others));
    matrix_free(&wide);
    matrix_free(&asked);
}

/* The lowest instruction set, the next and the highest, with 1, 2 and more threads, make the same
 * codes and choose them. */
static void chosen_everywhere(const kith_index *index)
{
    const ki_codes *mine = index->graph->brief;
    ki_graph bare = *index->graph;
    const char *cpu;
    bare.brief = NULL;
    for (uint32_t level = 0; (cpu = kith_cpu_level(level)); level++) {
        uint64_t features;
        ki_kernels kernels;
        ki_workers *workers = NULL;
        ki_codes *best = NULL;
        if (level > 1 && kith_cpu_level(level + 1))
            continue;
        must(ki_choose_features(cpu, &features));
        ki_kernels_fill(features, &kernels);
        must(ki_workers_open(level < 2 ? level + 1 : 3, &workers));
        must(ki_brief_choose(&bare, &kernels, workers, &best));
        assert_non_null(best);
        assert_int_equal(best->shape.code, KITH_SQ4);
        for (uint32_t row = 0; row < N; row++)
            assert_memory_equal(ki_slab_row(&best->slab, row), ki_slab_row(&mine->slab, row),
                                DIM / 2);
        ki_codes_close(best);
        ki_workers_close(workers);
    }
}

/* Where memory is short there is no choice, and nothing is left of the trial. */
static void fails_whole(const kith_index *index)
{
    ki_codes *const before = index->graph->brief;
    ki_graph bare = *index->graph;
    ki_workers *workers = NULL;
    bare.brief = NULL;
    must(ki_workers_open(2, &workers));
    for (uint64_t n = 1; n < 100; n *= 3) {
        ki_codes *best = before;
        ki_alloc_fail_at(n);
        const kith_status status = ki_brief_choose(&bare, &index->kernels, workers, &best);
        ki_alloc_fail_at(0);
        assert_int_equal(status, KITH_ENOMEM);
        assert_ptr_equal(best, before);
    }
    ki_workers_close(workers);
}

static void replicas_walk_eight_bits(kith_index *halved, kith_index *whole, const matrix *queries)
{
    const char *const devices[] = {"cpu"};
    kith_replicas_options options = kith_replicas_defaults(1, 1);
    kith_search_options asked = kith_search_defaults(K);
    kith_replicas *replicas = NULL;
    kith_hit hits[QUERIES * K], others[QUERIES * K];
    options.devices = devices;
    options.device_count = 1;
    asked.ef = 200;
    must(kith_replicas_create(halved, &options, NULL, NULL, &replicas));
    must(kith_replicas_search(replicas, queries->bytes, QUERIES, &asked, hits, NULL));
    search(whole, queries, others);
    for (size_t i = 0; i < (size_t)QUERIES * K; i++)
        assert_int_equal(hits[i].row, others[i].row);
    kith_replicas_close(replicas);
}

static void chosen_where_it_pays(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix rows = spread(KITH_F32, N, &random), queries = spread(KITH_F32, QUERIES, &random);
    kith_store *store = store_of(&rows, KITH_L2SQ);
    kith_index *index = built(store, KITH_WALK_AUTO), *whole = built(store, KITH_WALK_SQ8);
    float spared = 1;
    assert_halved(index);
    assert_int_equal(stats_of(whole).brief_bits, 0);
    assert_int_equal(stats_of(index).digest, stats_of(whole).digest);
    assert_true(stats_of(index).bytes > stats_of(whole).bytes);
    as_good_as_eight_bits(index, whole, &rows, &queries);
    replicas_walk_eight_bits(index, whole, &queries);
    chosen_everywhere(index);
    fails_whole(index);
    must(kith_index_sketch(index, &spared)); /* no use for one beside */
    assert_true(spared <= 0 && !index->graph->sketch);
    kith_index_close(index);
    kith_index_close(whole);
    kith_store_close(store);
    matrix_free(&rows);
    matrix_free(&queries);
}

/* Inner products of halves, asked for in f32. */
static void chosen_for_others(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix rows = spread(KITH_F16, N, &random), queries = spread(KITH_F32, QUERIES, &random);
    kith_store *store = store_of(&rows, KITH_IP);
    kith_index *index = built(store, KITH_WALK_AUTO), *whole = built(store, KITH_WALK_SQ8);
    assert_halved(index);
    as_good_as_eight_bits(index, whole, &rows, &queries);
    kith_index_close(index);
    kith_index_close(whole);
    kith_store_close(store);
    matrix_free(&rows);
    matrix_free(&queries);
}

static kith_store *file_store(const char *path)
{
    kith_store_options options = kith_store_defaults(DIM, KITH_F32, KITH_COSINE);
    kith_store *store = NULL;
    options.durability = KITH_DURABLE_NONE;
    must(kith_store_open(path, &options, &store));
    return store;
}

/* As if a trial had chosen an eighth of the dimensions when the rows were others. */
static void chosen_in_place_of_worse(kith_index *index)
{
    ki_graph *graph = index->graph;
    ki_workers *workers = NULL;
    ki_codes *worse = NULL, *best = NULL;
    bool renewed;
    must(ki_workers_open(2, &workers));
    must(ki_brief_choose(graph, &index->kernels, workers, &best));
    assert_ptr_equal(best, graph->brief); /* what is good enough is not made again */
    must(ki_codes_open_brief(graph->codes, KITH_SQ8, ki_brief_dims(DIM),
                             &index->kernels.at[KITH_IP][KI_I8], &worse));
    must(ki_codes_follow(worse, graph->engine, workers, &renewed));
    ki_workers_close(workers);
    ki_graph_take_brief(graph, worse);
    assert_int_equal(stats_of(index).brief, 64);
    assert_int_equal(stats_of(index).brief_bits, 8);
    must(kith_index_build(index, NULL, NULL));
    assert_int_equal(stats_of(index).brief, 64); /* no trial was due */
    graph->tried = 0;
    must(kith_index_build(index, NULL, NULL));
    assert_halved(index);
}

/* Rows put later are found by a walk over 4 bits too; what is saved comes back, unless 8 bits are
 * asked for by name. */
static void kept_through_builds_and_files(void **state)
{
    (void)state;
    char path[64], graph[80];
    uint64_t random = check_seed();
    uint32_t row = 0;
    matrix rows = spread(KITH_F32, N, &random), late = spread(KITH_F32, QUERIES, &random);
    kith_hit hits[QUERIES * K], after[QUERIES * K];
    kith_index_options io = options_of(KITH_WALK_AUTO);
    snprintf(path, sizeof path, "/tmp/kith-brief-bits-%d", (int)getpid());
    snprintf(graph, sizeof graph, "%s.graph", path);
    kith_store *store = file_store(path);
    must(kith_store_load(store, NULL, rows.bytes, N, NULL, NULL));
    kith_index *index = built(store, KITH_WALK_AUTO);
    for (size_t i = 0; i < QUERIES; i++)
        must(kith_store_put_u64(store, N + i, row_at(&late, i)));
    must(kith_index_build(index, NULL, NULL));
    assert_halved(index);
    search(index, &late, hits);
    for (size_t i = 0; i < QUERIES; i++)
        row += hits[i * K].key == N + i;
    assert_true(row >= QUERIES - 2);
    must(kith_index_save(index, NULL, NULL));
    chosen_in_place_of_worse(index);
    kith_index_close(index);
    index = index_on(store, &io);
    must(kith_index_load(index, NULL, NULL));
    assert_halved(index);
    search(index, &late, after);
    assert_memory_equal(hits, after, sizeof hits);
    kith_index_close(index);
    io.walk = KITH_WALK_SQ8;
    index = index_on(store, &io);
    must(kith_index_load(index, NULL, NULL));
    assert_int_equal(stats_of(index).brief, 0);
    kith_index_close(index);
    kith_store_close(store);
    unlink(path);
    unlink(graph);
    matrix_free(&rows);
    matrix_free(&late);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chosen_where_it_pays),
        cmocka_unit_test(chosen_for_others),
        cmocka_unit_test(kept_through_builds_and_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Property: codes of fewer dimensions are walked over where a trial finds that cheaper, and nowhere
 * else, where nothing is left of the trial. Links, choice and hits are the same for every number of
 * threads and instruction set; a saved graph keeps the choice, later builds follow it, and replicas
 * find what a walk over all dimensions finds.
 */
#include "index/brief.h"
#include "index/objects.h"
#include "tests/index_data.h"

#include <string.h>
#include <unistd.h>

enum { N = KI_BRIEF_ROWS, LONG = 512, SHORT = 256, QUERIES = 40, K = 10 };

/* What spreads in direction i of the axes, turned, with 1 / (i + 1): in few directions. */
static matrix decaying(size_t n, uint64_t *random)
{
    matrix rows = matrix_uniform(KITH_F32, LONG, n, random);
    for (size_t r = 0; r < n; r++) {
        float *x = floats_at(&rows, r);
        for (uint32_t i = 0; i < LONG; i++)
            x[i] /= (float)(i + 1);
        for (uint32_t half = 1; half < LONG; half *= 2)
            for (uint32_t i = 0; i < LONG; i++)
                if (!(i & half)) {
                    const float a = x[i], b = x[i | half];
                    x[i] = a + b;
                    x[i | half] = a - b;
                }
    }
    return rows;
}

static kith_index_options options_of(kith_walk walk, uint32_t threads, const char *cpu)
{
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    options.m = 8;
    options.ef_construction = 32;
    options.walk = walk;
    options.threads = threads;
    options.cpu = cpu;
    return options;
}

static uint32_t brief_of(const kith_index *index)
{
    kith_index_stats stats = {.size = sizeof stats};
    must(kith_index_stat(index, &stats));
    assert_int_equal(stats.brief_bits, stats.brief ? 8 : 0);
    return stats.brief;
}

static uint64_t bytes_of(const kith_index *index)
{
    kith_index_stats stats = {.size = sizeof stats};
    must(kith_index_stat(index, &stats));
    return stats.bytes;
}

static kith_index *built(kith_store *store, kith_walk walk, uint32_t threads, const char *cpu)
{
    const kith_index_options options = options_of(walk, threads, cpu);
    kith_index *index = index_on(store, &options);
    must(kith_index_build(index, NULL, NULL));
    must(kith_index_check(index));
    return index;
}

static void search(kith_index *index, const matrix *queries, kith_hit *hits)
{
    kith_search_options options = kith_search_defaults(K);
    options.ef = 120;
    must(kith_index_search(index, queries->bytes, queries->n, &options, hits, NULL));
}

static double recall(const matrix *rows, const matrix *queries, const kith_hit *hits)
{
    uint32_t truth[QUERIES * K], right = 0;
    must(kith_exact(KITH_L2SQ, KITH_F32, rows->dim, rows->bytes, rows->n, queries->bytes, QUERIES,
                    K, 0, truth, NULL, NULL, NULL));
    for (size_t i = 0; i < (size_t)QUERIES * K; i++)
        for (size_t j = i / K * K; j < (i / K + 1) * K; j++)
            right += hits[i].row == truth[j];
    return (double)right / (QUERIES * K);
}

static void same_rows(const kith_hit *a, const kith_hit *b)
{
    for (size_t i = 0; i < (size_t)QUERIES * K; i++)
        assert_int_equal(a[i].row, b[i].row);
}

/* Another instruction set and another number of threads choose the same. */
static void same_as_others(kith_store *store, const matrix *queries, uint64_t digest,
                           const kith_hit *hits)
{
    kith_hit other[QUERIES * K];
    const char *level = kith_cpu_level(1);
    kith_index *index = built(store, KITH_WALK_AUTO, 2, level ? level : "scalar");
    assert_int_equal(digest_of(index), digest);
    assert_int_equal(brief_of(index), 64);
    search(index, queries, other);
    same_rows(hits, other);
    kith_index_close(index);
}

static void replicas_walk_all_dimensions(kith_index *brief, kith_index *whole,
                                         const matrix *queries)
{
    const char *const devices[] = {"cpu"};
    kith_replicas_options options = kith_replicas_defaults(1, 1);
    kith_search_options asked = kith_search_defaults(K);
    kith_replicas *replicas = NULL;
    kith_hit hits[QUERIES * K], other[QUERIES * K];
    options.devices = devices;
    options.device_count = 1;
    asked.ef = 120;
    must(kith_replicas_create(brief, &options, NULL, NULL, &replicas));
    must(kith_replicas_search(replicas, queries->bytes, QUERIES, &asked, hits, NULL));
    search(whole, queries, other);
    same_rows(hits, other);
    kith_replicas_close(replicas);
}

static void chosen_where_it_pays(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix rows = decaying(N, &random), queries = decaying(QUERIES, &random);
    kith_hit hits[QUERIES * K];
    kith_store *store = store_of(&rows, KITH_L2SQ);
    kith_index *index = built(store, KITH_WALK_AUTO, 1, NULL);
    kith_index *whole = built(store, KITH_WALK_SQ8, 2, NULL);
    float spared = 1;
    assert_int_equal(brief_of(index), 64);
    assert_int_equal(brief_of(whole), 0);
    assert_int_equal(digest_of(index), digest_of(whole));
    assert_true(bytes_of(index) > bytes_of(whole));
    search(index, &queries, hits);
    assert_true(recall(&rows, &queries, hits) > 0.95);
    same_as_others(store, &queries, digest_of(index), hits);
    replicas_walk_all_dimensions(index, whole, &queries);
    must(kith_index_sketch(index, &spared)); /* no use for one beside */
    assert_true(spared <= 0 && !index->graph->sketch);
    kith_index_close(index);
    kith_index_close(whole);
    kith_store_close(store);
    matrix_free(&rows);
    matrix_free(&queries);
}

static void not_chosen_where_all_dimensions_count(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix rows = matrix_clustered(KITH_F32, SHORT, N, N / 64, &random);
    kith_store *store = store_of(&rows, KITH_COSINE);
    kith_index *index = built(store, KITH_WALK_AUTO, 2, NULL);
    kith_index *whole = built(store, KITH_WALK_SQ8, 2, NULL);
    assert_int_equal(brief_of(index), 0);
    assert_int_equal(index->graph->tried, N); /* there was a trial */
    assert_null(index->graph->brief);
    assert_null(index->graph->layer[0].brief.base);
    assert_int_equal(bytes_of(index), bytes_of(whole));
    assert_int_equal(digest_of(index), digest_of(whole));
    kith_index_close(index);
    kith_index_close(whole);
    kith_store_close(store);
    matrix_free(&rows);
}

/* Codes of codes mean nothing when those they are of have changed. */
static void learns_again_with_its_source(void **state)
{
    (void)state;
    enum { FEW = 300 };
    uint64_t random = check_seed();
    matrix rows = matrix_uniform(KITH_F32, SHORT, 2 * FEW, &random);
    for (size_t i = 0; i < (size_t)FEW * SHORT; i++)
        floats_at(&rows, FEW)[i] *= 10; /* far beyond what was learnt first */
    const matrix first = {rows.type, rows.dim, FEW, rows.bytes};
    const ki_codes_shape shape = {.type = KITH_F32, .dim = SHORT, .code = KITH_SQ8};
    const kith_index_options io = options_of(KITH_WALK_AUTO, 1, NULL);
    kith_store *store = store_of(&first, KITH_L2SQ);
    kith_index *index = index_on(store, &io);
    const ki_kernel *project = &index->kernels.at[KITH_IP][KI_I8];
    ki_workers *workers = NULL;
    ki_codes *source = NULL, *brief = NULL, *fresh = NULL;
    bool renewed;
    must(ki_workers_open(2, &workers));
    must(ki_codes_open(&shape, &source));
    must(ki_codes_open_brief(source, KITH_SQ8, 64, project, &brief));
    must(ki_codes_open_brief(source, KITH_SQ8, 64, project, &fresh));
    must(ki_codes_follow(source, store->engine, workers, &renewed));
    must(ki_codes_follow(brief, store->engine, workers, &renewed));
    must(ki_codes_follow(brief, store->engine, workers, &renewed));
    assert_false(renewed);
    for (uint64_t i = FEW; i < 2 * FEW; i++)
        must(kith_store_put_u64(store, i, row_at(&rows, i)));
    must(ki_codes_follow(source, store->engine, workers, &renewed));
    brief->came = 0;
    brief->count = 2 * FEW; /* so that nothing but the source is a reason */
    must(ki_slab_grow(&brief->slab, 2 * FEW));
    must(ki_codes_follow(brief, store->engine, workers, &renewed));
    assert_true(renewed);
    must(ki_codes_follow(fresh, store->engine, workers, &renewed));
    for (uint32_t row = 0; row < 2 * FEW; row++)
        assert_memory_equal(ki_slab_row(&brief->slab, row), ki_slab_row(&fresh->slab, row), 64);
    ki_codes_close(fresh);
    ki_codes_close(brief);
    ki_codes_close(source);
    ki_workers_close(workers);
    kith_index_close(index);
    kith_store_close(store);
    matrix_free(&rows);
}

static kith_store *file_store(const char *path)
{
    kith_store_options options = kith_store_defaults(LONG, KITH_F32, KITH_L2SQ);
    kith_store *store = NULL;
    options.durability = KITH_DURABLE_NONE;
    must(kith_store_open(path, &options, &store));
    return store;
}

/* Rows put later are found by a walk over few dimensions too; what is saved comes back, unless the
 * longer codes are asked for by name. */
static void kept_through_builds_and_files(void **state)
{
    (void)state;
    char path[64], graph[80];
    uint64_t random = check_seed();
    uint32_t row = 0;
    matrix rows = decaying(N, &random), late = decaying(QUERIES, &random);
    kith_hit hits[QUERIES * K], after[QUERIES * K];
    const kith_index_options io = options_of(KITH_WALK_AUTO, 2, NULL);
    snprintf(path, sizeof path, "/tmp/kith-brief-%d", (int)getpid());
    snprintf(graph, sizeof graph, "%s.graph", path);
    kith_store *store = file_store(path);
    must(kith_store_load(store, NULL, rows.bytes, N, NULL, NULL));
    kith_index *index = index_on(store, &io);
    must(kith_index_build(index, NULL, NULL));
    assert_int_equal(brief_of(index), 64);
    for (size_t i = 0; i < QUERIES; i++)
        must(kith_store_put_u64(store, N + i, row_at(&late, i)));
    must(kith_index_build(index, NULL, NULL));
    assert_int_equal(brief_of(index), 64);
    search(index, &late, hits);
    for (size_t i = 0; i < QUERIES; i++)
        row += hits[i * K].key == N + i;
    assert_true(row >= QUERIES - 1);
    must(kith_index_save(index, NULL, NULL));
    const uint64_t digest = digest_of(index);
    kith_index_close(index);
    index = index_on(store, &io);
    must(kith_index_load(index, NULL, NULL));
    assert_int_equal(digest_of(index), digest);
    assert_int_equal(brief_of(index), 64);
    search(index, &late, after);
    assert_memory_equal(hits, after, sizeof hits);
    kith_index_close(index);
    const kith_index_options named = options_of(KITH_WALK_SQ8, 2, NULL);
    index = index_on(store, &named);
    must(kith_index_load(index, NULL, NULL));
    assert_int_equal(digest_of(index), digest);
    assert_int_equal(brief_of(index), 0);
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
        cmocka_unit_test(not_chosen_where_all_dimensions_count),
        cmocka_unit_test(learns_again_with_its_source),
        cmocka_unit_test(kept_through_builds_and_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

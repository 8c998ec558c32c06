/* Property: a graph that was saved comes back as it was; what happened to the store since (rows
 * put, replaced, deleted, their numbers given to others) is found and heeded, before a build and
 * after; and a graph that belongs elsewhere is refused with a sentence.
 */
#include "index/objects.h"
#include "tests/graph_file_data.h"

enum { ROWS = 1500, QUERIES = 60 };

static void build_and_save(kith_store *store, uint64_t *digest)
{
    kith_index *index = small_index(store);
    must(kith_index_build(index, NULL, NULL));
    must(kith_index_check(index));
    must(kith_index_save(index, NULL, NULL));
    *digest = digest_of(index);
    kith_index_close(index);
}

static void comes_back(kith_type type, kith_metric metric, kith_walk walk)
{
    uint64_t random = check_seed(), digest;
    const place p = place_of("round");
    matrix rows = matrix_clustered(type, DIM, ROWS, 20, &random);
    matrix queries = matrix_clustered(type, DIM, QUERIES, 20, &random);
    kith_hit before[QUERIES * 10], after[QUERIES * 10];
    kith_search_options options = kith_search_defaults(10);
    kith_index_options io = kith_index_defaults(KITH_HNSW);
    clear_place(&p);
    io.walk = walk;
    kith_store *store = open_at(p.store, type, metric);
    must(kith_store_load(store, NULL, rows.bytes, ROWS, NULL, NULL));
    kith_index *index = index_on(store, &io);
    must_fail(kith_index_load(index, NULL, NULL), KITH_ENOTFOUND, ".graph");
    must(kith_index_build(index, NULL, NULL));
    must(kith_index_search(index, queries.bytes, QUERIES, &options, before, NULL));
    must(kith_index_save(index, NULL, NULL));
    digest = digest_of(index);
    kith_index_close(index);
    kith_store_close(store);
    store = open_at(p.store, type, metric);
    must(kith_index_check_file(store, NULL, NULL));
    io.m = 5; /* the file's options hold */
    index = index_on(store, &io);
    must(kith_index_load(index, NULL, NULL));
    must(kith_index_check(index));
    assert_int_equal(digest_of(index), digest);
    must(kith_index_search(index, queries.bytes, QUERIES, &options, after, NULL));
    assert_memory_equal(before, after, sizeof before);
    must_fail(kith_index_load(index, NULL, NULL), KITH_EINVAL, "holds 1500 rows");
    must(kith_index_build(index, NULL, NULL)); /* nothing to do */
    assert_int_equal(digest_of(index), digest);
    kith_index_close(index);
    kith_store_close(store);
    clear_place(&p);
    matrix_free(&rows);
    matrix_free(&queries);
}

static void every_kind_comes_back(void **state)
{
    (void)state;
    for (int i = 0; i < KINDS; i++)
        comes_back(kinds[i].type, kinds[i].metric, KITH_WALK_AUTO);
    comes_back(KITH_F32, KITH_L2SQ, KITH_WALK_ROWS);
    comes_back(KITH_U8, KITH_L2SQ, KITH_WALK_SQ4);
    comes_back(KITH_F16, KITH_COSINE, KITH_WALK_SQ4);
    comes_back(KITH_F32, KITH_COSINE, KITH_WALK_SQ1);
}

/* Deletes, replaces and puts at random, over several openings, so that row numbers go round. */
static void churn(const char *path, kith_type type, matrix *fresh, uint64_t *random)
{
    size_t next = 0;
    for (int round = 0; round < 4; round++) {
        kith_store *store = open_at(path, type, KITH_L2SQ);
        for (int i = 0; i < 60; i++) {
            const uint64_t key = check_below(random, ROWS + 100);
            if (check_below(random, 3) == 0)
                (void)kith_store_del_u64(store, key);
            else
                must(kith_store_put_u64(store, key, row_at(fresh, next++ % fresh->n)));
        }
        kith_store_close(store);
    }
}

static void what_changed_is_heeded(kith_type type)
{
    uint64_t random = check_seed(), digest;
    const place p = place_of("churn");
    matrix rows = matrix_clustered(type, DIM, ROWS, 20, &random);
    matrix fresh = matrix_clustered(type, DIM, 200, 5, &random);
    uint32_t loose = 0;
    clear_place(&p);
    kith_store *store = open_at(p.store, type, KITH_L2SQ);
    must(kith_store_load(store, NULL, rows.bytes, ROWS, NULL, NULL));
    build_and_save(store, &digest);
    kith_store_close(store);
    for (int round = 0; round < 3; round++) {
        churn(p.store, type, &fresh, &random);
        store = open_at(p.store, type, KITH_L2SQ);
        kith_index *index = small_index(store);
        must(kith_index_load(index, NULL, NULL));
        must(kith_index_check(index));
        loose += index->graph->loose_count;
        assert_true(agreement(store, index, &fresh) > 0.97);
        assert_true(agreement(store, index, &rows) > 0.97);
        must(kith_index_build(index, NULL, NULL));
        must(kith_index_check(index));
        assert_int_equal(index->graph->loose_count, 0);
        assert_true(agreement(store, index, &fresh) > 0.97);
        assert_true(agreement(store, index, &rows) > 0.97);
        must(kith_index_save(index, NULL, NULL));
        digest = digest_of(index);
        kith_index_close(index);
        index = small_index(store);
        must(kith_index_load(index, NULL, NULL));
        assert_int_equal(digest_of(index), digest);
        kith_index_close(index);
        kith_store_close(store);
    }
    assert_true(loose > 50); /* or nothing was tried */
    clear_place(&p);
    matrix_free(&rows);
    matrix_free(&fresh);
}

static void changes_of_u8_rows(void **state)
{
    (void)state;
    what_changed_is_heeded(KITH_U8);
}

static void changes_of_f32_rows(void **state)
{
    (void)state;
    what_changed_is_heeded(KITH_F32);
}

/* Deletions alone; then new rows, a build, and the same again until nothing is left. */
static void what_was_deleted(kith_type type)
{
    uint64_t random = check_seed(), digest;
    const place p = place_of("deleted");
    matrix rows = matrix_clustered(type, DIM, ROWS, 20, &random);
    clear_place(&p);
    kith_store *store = open_at(p.store, type, KITH_L2SQ);
    must(kith_store_load(store, NULL, rows.bytes, ROWS, NULL, NULL));
    build_and_save(store, &digest);
    kith_store_close(store);
    for (uint64_t part = 0; part < 3; part++) {
        const uint64_t step = part == 2 ? 1 : 3; /* in the end all of them */
        store = open_at(p.store, type, KITH_L2SQ);
        for (uint64_t key = part % 2; key < ROWS; key += step)
            (void)kith_store_del_u64(store, key);
        kith_store_close(store);
        store = open_at(p.store, type, KITH_L2SQ);
        kith_index *index = small_index(store);
        must(kith_index_load(index, NULL, NULL));
        must(kith_index_check(index));
        assert_true(agreement(store, index, &rows) > (part == 2 ? -1 : 0.97));
        for (uint64_t key = 0; key < 70; key++)
            must(kith_store_put_u64(store, ROWS + key, row_at(&rows, key)));
        assert_true(agreement(store, index, &rows) > 0.97);
        must(kith_index_build(index, NULL, NULL));
        must(kith_index_check(index));
        assert_true(agreement(store, index, &rows) > 0.97);
        must(kith_index_save(index, NULL, NULL));
        kith_index_close(index);
        kith_store_close(store);
    }
    clear_place(&p);
    matrix_free(&rows);
}

static void deletions(void **state)
{
    (void)state;
    what_was_deleted(KITH_U8);
    what_was_deleted(KITH_F32);
}

/* A graph that is newer than the store that was put back in its place. */
static void a_store_from_a_backup(void **state)
{
    (void)state;
    uint64_t random = check_seed(), digest;
    const place p = place_of("older");
    matrix rows = matrix_clustered(KITH_U8, DIM, ROWS, 20, &random);
    size_t bytes;
    clear_place(&p);
    kith_store *store = open_at(p.store, KITH_U8, KITH_L2SQ);
    must(kith_store_load(store, NULL, rows.bytes, ROWS / 2, NULL, NULL));
    kith_store_close(store);
    unsigned char *older = read_file(p.store, &bytes);
    store = open_at(p.store, KITH_U8, KITH_L2SQ);
    for (uint64_t key = ROWS / 2; key < ROWS; key++)
        must(kith_store_put_u64(store, key, row_at(&rows, key)));
    build_and_save(store, &digest);
    kith_store_close(store);
    unlink(p.store);
    write_file(p.store, older, bytes);
    free(older);
    store = open_at(p.store, KITH_U8, KITH_L2SQ);
    kith_index *index = small_index(store);
    must_fail(kith_index_load(index, NULL, NULL), KITH_EINVAL, "older copy");
    assert_true(agreement(store, index, &rows) == 1);
    for (uint64_t key = ROWS; key < 2 * ROWS; key++) /* as many rows again, and others */
        must(kith_store_put_u64(store, key, row_at(&rows, key - ROWS)));
    kith_index_close(index);
    index = small_index(store);
    must(kith_index_load(index, NULL, NULL));
    assert_true(agreement(store, index, &rows) > 0.97);
    must(kith_index_build(index, NULL, NULL));
    must(kith_index_check(index));
    assert_true(agreement(store, index, &rows) > 0.97);
    kith_index_close(index);
    kith_store_close(store);
    clear_place(&p);
    matrix_free(&rows);
}

static void what_is_refused(void **state)
{
    (void)state;
    uint64_t random = check_seed(), digest;
    const place p = place_of("refused");
    matrix rows = matrix_uniform(KITH_U8, DIM, 200, &random);
    kith_index_options flat = kith_index_defaults(KITH_FLAT);
    clear_place(&p);
    kith_store *memory = store_of(&rows, KITH_L2SQ);
    kith_index *index = small_index(memory);
    must_fail(kith_index_save(index, NULL, NULL), KITH_EINVAL, "in memory");
    must_fail(kith_index_load(index, NULL, NULL), KITH_EINVAL, "in memory");
    kith_index_close(index);
    kith_store_close(memory);
    kith_store *store = open_at(p.store, KITH_U8, KITH_L2SQ);
    index = index_on(store, &flat);
    must_fail(kith_index_save(index, NULL, NULL), KITH_EINVAL, "flat");
    kith_index_close(index);
    must(kith_store_load(store, NULL, rows.bytes, 200, NULL, NULL));
    build_and_save(store, &digest);
    must(kith_store_compact(store, NULL, NULL)); /* new numbers, new uuid */
    index = small_index(store);
    must_fail(kith_index_load(index, NULL, NULL), KITH_EINVAL, "another store");
    must_fail(kith_index_check_file(store, NULL, NULL), KITH_EINVAL, "another store");
    must(kith_index_build(index, NULL, NULL));
    must(kith_index_save(index, NULL, NULL));
    kith_index_close(index);
    kith_store_close(store);
    kith_store_options options = kith_store_defaults(0, KITH_U8, KITH_L2SQ);
    options.open = KITH_OPEN_READ_ONLY;
    must(kith_store_open(p.store, &options, &store));
    index = small_index(store);
    must(kith_index_load(index, NULL, NULL));
    must_fail(kith_index_save(index, NULL, NULL), KITH_EINVAL, "read-only");
    kith_index_close(index);
    kith_store_close(store);
    clear_place(&p);
    matrix_free(&rows);
}

/* The n-th allocation of a load fails, for all n: the index stays empty, and a later load is good.
 */
static void memory_runs_out(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    const place p = place_of("memory");
    matrix rows = matrix_clustered(KITH_F32, DIM, 300, 10, &random);
    kith_index_options io = kith_index_defaults(KITH_HNSW);
    kith_status status = KITH_ENOMEM;
    clear_place(&p);
    io.walk = KITH_WALK_SQ4;
    io.threads = 1;
    kith_store *store = open_at(p.store, KITH_F32, KITH_COSINE);
    must(kith_store_load(store, NULL, rows.bytes, 300, NULL, NULL));
    kith_index *index = index_on(store, &io);
    must(kith_index_build(index, NULL, NULL));
    must(kith_index_save(index, NULL, NULL));
    const uint64_t digest = digest_of(index);
    kith_index_close(index);
    for (uint64_t n = 1; status; n++) {
        index = index_on(store, &io);
        ki_alloc_fail_at(n);
        status = kith_index_load(index, NULL, NULL);
        ki_alloc_fail_at(0);
        assert_true(!status || (status == KITH_ENOMEM && nodes_of(index) == 0));
        if (status) {
            must(kith_index_load(index, NULL, NULL));
            assert_int_equal(digest_of(index), digest);
        }
        kith_index_close(index);
    }
    kith_store_close(store);
    clear_place(&p);
    matrix_free(&rows);
}

/* An empty store, and one whose rows were all deleted before the build. */
static void nothing_to_save(void **state)
{
    (void)state;
    uint64_t random = check_seed(), digest;
    const place p = place_of("nothing");
    matrix rows = matrix_uniform(KITH_U8, DIM, 50, &random);
    for (int deleted = 0; deleted < 2; deleted++) {
        clear_place(&p);
        kith_store *store = open_at(p.store, KITH_U8, KITH_L2SQ);
        if (deleted)
            must(kith_store_load(store, NULL, rows.bytes, 50, NULL, NULL));
        for (uint64_t key = 0; key < 50 && deleted; key++)
            must(kith_store_del_u64(store, key));
        build_and_save(store, &digest);
        must(kith_store_load(store, NULL, rows.bytes, 50, NULL, NULL));
        kith_index *index = small_index(store);
        must(kith_index_load(index, NULL, NULL));
        assert_true(agreement(store, index, &rows) == 1);
        must(kith_index_build(index, NULL, NULL));
        must(kith_index_check(index));
        assert_true(agreement(store, index, &rows) > 0.97);
        kith_index_close(index);
        kith_store_close(store);
    }
    clear_place(&p);
    matrix_free(&rows);
}

/* Copies of one vector fill all near candidates, so that parents are found by room alone; and the
 * rows that come again lie below all that there are. */
static void copies_under_numbers_of_the_dead(void **state)
{
    (void)state;
    enum { COPIES = 2500, DEAD = 2000 };
    const place p = place_of("copies");
    unsigned char *vectors = calloc(COPIES, DIM);
    uint64_t *keys = malloc(COPIES * sizeof *keys), digest;
    kith_index_options io = kith_index_defaults(KITH_HNSW);
    kith_index_stats stats = {.size = sizeof stats};
    assert_true(vectors && keys);
    io.m = 8;
    clear_place(&p);
    kith_store *store = open_at(p.store, KITH_U8, KITH_L2SQ);
    must(kith_store_load(store, NULL, vectors, COPIES, NULL, NULL));
    for (uint64_t key = 0; key < DEAD; key++)
        must(kith_store_del_u64(store, key));
    must(kith_store_checkpoint(store));
    build_and_save(store, &digest);
    kith_store_close(store);
    store = open_at(p.store, KITH_U8, KITH_L2SQ);
    for (uint64_t i = 0; i < DEAD; i++)
        keys[i] = COPIES + i;
    must(kith_store_load(store, keys, vectors, DEAD, NULL, NULL));
    kith_index *index = index_on(store, &io);
    must(kith_index_load(index, NULL, NULL));
    must(kith_index_build(index, NULL, NULL));
    must(kith_index_check(index));
    must(kith_index_stat(index, &stats));
    assert_int_equal(stats.nodes, COPIES);
    kith_index_close(index);
    kith_store_close(store);
    clear_place(&p);
    free(vectors);
    free(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_under_numbers_of_the_dead),
        cmocka_unit_test(every_kind_comes_back),
        cmocka_unit_test(changes_of_u8_rows),
        cmocka_unit_test(changes_of_f32_rows),
        cmocka_unit_test(a_store_from_a_backup),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(nothing_to_save),
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(deletions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

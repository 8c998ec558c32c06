/* Property: a search sees every write at once. Rows that were put since the build are found, rows
 * that were deleted or replaced are never returned and never stand in the way of those that live,
 * row numbers are not used again while an index is open, and the graph stays valid: in fixed cases
 * and in a random sequence against a plain model.
 */
#include "tests/index_data.h"

#include <string.h>

enum { KEYS = 400, DIM = 12, MOST = 6000 };

/* What the store should hold: rows by number, as an open index keeps freed ones out of use. */
typedef struct model {
    matrix rows; /* n: row numbers used so far */
    bool live[MOST];
    uint32_t row_of_key[MOST];
    kith_metric metric;
    kith_store *store;
    kith_index *flat, *hnsw;
    uint64_t random;
    uint32_t wanted, right; /* hits, of all queries so far */
} model;

static model *open_model(kith_type type, kith_metric metric, uint64_t seed)
{
    model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->random = seed;
    m->metric = metric;
    m->rows = matrix_clustered(type, DIM, MOST, 12, &m->random);
    m->rows.n = 0;
    memset(m->row_of_key, 0xff, sizeof m->row_of_key);
    m->store = store_of(&m->rows, metric);
    kith_index_options flat = kith_index_defaults(KITH_FLAT), hnsw = kith_index_defaults(KITH_HNSW);
    flat.threads = hnsw.threads = 1;
    hnsw.m = 8;
    hnsw.ef_construction = 60;
    m->flat = index_on(m->store, &flat);
    m->hnsw = index_on(m->store, &hnsw);
    return m;
}

static void close_model(model *m)
{
    kith_index_close(m->hnsw);
    kith_index_close(m->flat);
    kith_store_close(m->store);
    matrix_free(&m->rows);
    free(m);
}

static void put(model *m, uint32_t key)
{
    uint32_t old = m->row_of_key[key], row = (uint32_t)m->rows.n++;
    assert_true(row < MOST);
    must(kith_store_put_u64(m->store, key, row_at(&m->rows, row)));
    if (old != UINT32_MAX)
        m->live[old] = false;
    m->live[row] = true;
    m->row_of_key[key] = row;
}

static void del(model *m, uint32_t key)
{
    uint32_t old = m->row_of_key[key];
    if (old == UINT32_MAX) {
        must_fail(kith_store_del_u64(m->store, key), KITH_ENOTFOUND, "");
        return;
    }
    must(kith_store_del_u64(m->store, key));
    m->live[old] = false;
    m->row_of_key[key] = UINT32_MAX;
}

/* Keys belong to rows. */
static void check_keys(const model *m, const kith_hit *hits, uint32_t k)
{
    for (uint32_t i = 0; i < k && hits[i].row != UINT32_MAX; i++)
        assert_int_equal(m->row_of_key[hits[i].key], hits[i].row);
}

/* Flat exactly; the graph by recall, and never short of hits. */
static void search(model *m, const void *query, uint32_t k)
{
    static naive_hit ranking[MOST];
    static kith_hit hits[64];
    assert_true(k <= 64);
    kith_search_options options = kith_search_defaults(k);
    options.threads = 1;
    size_t count = naive_ranking(m->metric, &m->rows, m->live, query, ranking);
    must(kith_index_search(m->flat, query, 1, &options, hits, NULL));
    check_hits(m->metric, &m->rows, query, ranking, count, hits, k);
    check_keys(m, hits, k);
    must(kith_index_search(m->hnsw, query, 1, &options, hits, NULL));
    uint32_t real = check_plausible(m->metric, &m->rows, m->live, query, hits, k);
    assert_int_equal(real, k < count ? k : count);
    check_keys(m, hits, k);
    m->wanted += real;
    m->right += count_right(ranking, count, m->metric, &m->rows, query, hits, k);
}

static void build(model *m)
{
    must(kith_index_build(m->flat, NULL, NULL));
    must(kith_index_build(m->hnsw, NULL, NULL));
    must(kith_index_check(m->hnsw));
    kith_store_stats stats = {.size = sizeof stats};
    must(kith_store_stat(m->store, &stats));
    assert_int_equal(stats.rows, m->rows.n);
}

static void random_step(model *m)
{
    uint32_t choice = check_below(&m->random, 100), key = check_below(&m->random, KEYS);
    if (choice < 45)
        put(m, key);
    else if (choice < 70)
        del(m, key);
    else if (choice < 72)
        build(m);
    else
        search(m, row_at(&m->rows, check_below(&m->random, MOST)), 1 + check_below(&m->random, 12));
}

static void random_sequence(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 6; i++) {
        model *m = open_model(i % 2 ? KITH_U8 : KITH_F32, (kith_metric)(i % 3), check_seed() + i);
        for (int step = 0; step < 3000; step++)
            random_step(m);
        printf("recall %.4f\n", m->right / (double)m->wanted);
        assert_true(m->right >= (m->metric == KITH_IP ? 0.8 : 0.95) * m->wanted);
        must(kith_index_check(m->hnsw));
        close_model(m);
    }
}

/* The neighbourhood of a query goes: more rows than the walk keeps candidates. */
static void dead_rows_do_not_hide_live_ones(void **state)
{
    (void)state;
    for (int type = KITH_F32; type <= KITH_U8; type++) {
        model *m = open_model((kith_type)type, KITH_L2SQ, check_seed());
        static naive_hit ranking[MOST];
        const void *query = row_at(&m->rows, MOST - 1);
        for (uint32_t key = 0; key < 3000; key++)
            put(m, key);
        build(m);
        naive_ranking(KITH_L2SQ, &m->rows, m->live, query, ranking);
        for (uint32_t i = 0; i < 900; i += 2) {
            del(m, ranking[i].row);
            put(m, ranking[i + 1].row); /* somewhere else, and new */
        }
        for (uint32_t i = 0; i < 20; i++)
            search(m, row_at(&m->rows, ranking[i * 40].row), 10);
        assert_true(m->right >= 0.9 * m->wanted);
        build(m);
        for (uint32_t i = 0; i < 20; i++)
            search(m, row_at(&m->rows, ranking[i * 40].row), 10);
        assert_true(m->right >= 0.9 * m->wanted);
        close_model(m);
    }
}

static void everything_goes_and_comes_back(void **state)
{
    (void)state;
    model *m = open_model(KITH_U8, KITH_COSINE, check_seed());
    for (int round = 0; round < 3; round++) {
        for (uint32_t key = 0; key < 300; key++)
            put(m, key);
        if (round != 1)
            build(m);
        search(m, row_at(&m->rows, 50), 10);
        for (uint32_t key = 0; key < 300; key++)
            del(m, key);
        search(m, row_at(&m->rows, 50), 10); /* all are empty hits */
        build(m);
        search(m, row_at(&m->rows, 50), 10);
    }
    close_model(m);
}

/* Rows that were free before the index came: the next put must not hide in one of them. */
static void rows_freed_before_the_index(void **state)
{
    (void)state;
    for (int kind = KITH_FLAT; kind <= KITH_HNSW; kind++) {
        uint64_t random = check_seed();
        matrix rows = matrix_uniform(KITH_U8, DIM, 20, &random);
        kith_store *store = store_of(&rows, KITH_L2SQ);
        kith_index_options options = kith_index_defaults((kith_index_kind)kind);
        kith_search_options one = kith_search_defaults(1);
        kith_hit hit;
        must(kith_store_del_u64(store, 5));
        kith_index *index = index_on(store, &options);
        must(kith_index_build(index, NULL, NULL));
        matrix fresh = matrix_uniform(KITH_U8, DIM, 1, &random);
        must(kith_store_put_u64(store, 100, fresh.bytes));
        for (int i = 0; i < 2; i++) {
            must(kith_index_search(index, fresh.bytes, 1, &one, &hit, NULL));
            assert_int_equal(hit.key, 100);
            assert_true(hit.distance == 0);
            must(kith_index_build(index, NULL, NULL));
            must(kith_index_check(index));
        }
        kith_index_close(index);
        kith_store_close(store);
        matrix_free(&rows), matrix_free(&fresh);
    }
}

/* While an index is open a freed row keeps its number; afterwards the number comes back. */
static void quarantine(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix rows = matrix_uniform(KITH_F32, DIM, 10, &random);
    kith_store *store = store_of(&rows, KITH_L2SQ);
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    kith_index *first = index_on(store, &options), *second = index_on(store, &options);
    kith_store_stats stats = {.size = sizeof stats};
    for (int i = 0; i < 4; i++) {
        must(kith_store_del_u64(store, 3));
        must(kith_store_put_u64(store, 3, row_at(&rows, 3)));
        if (i == 2)
            kith_index_close(first);
    }
    must(kith_store_stat(store, &stats));
    assert_true(stats.rows == 14 && stats.live == 10);
    kith_index_close(second);
    must(kith_store_put_u64(store, 77, row_at(&rows, 7)));
    must(kith_store_stat(store, &stats));
    assert_true(stats.rows == 14 && stats.live == 11);
    matrix_free(&rows);
    kith_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_sequence),
        cmocka_unit_test(dead_rows_do_not_hide_live_ones),
        cmocka_unit_test(everything_goes_and_comes_back),
        cmocka_unit_test(rows_freed_before_the_index),
        cmocka_unit_test(quarantine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

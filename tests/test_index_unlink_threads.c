/* Property: several threads take dead rows out of a graph at once, and the graph is the bytes that
 * one thread leaves. (A thread checker finds what equal bytes do not show.) Small, so that it can
 * be run under one; test_index_unlink looks at more kinds of rows and at what is found.
 */
#include "tests/index_data.h"

enum { N = 500, DIM = 16, ROUNDS = 2 };

static uint64_t digest_after(const matrix *rows, uint32_t threads)
{
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    options.m = 6; /* several layers */
    options.ef_construction = 30;
    options.threads = threads;
    kith_store *store = store_of(rows, KITH_L2SQ);
    kith_index *index = index_on(store, &options);
    must(kith_index_build(index, NULL, NULL));
    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (uint64_t key = round; key < N; key += 6)
            must(kith_store_del_u64(store, key));
        must(kith_index_build(index, NULL, NULL));
        must(kith_index_check(index));
    }
    assert_int_equal(nodes_of(index), N - (N + 5) / 6 - (N + 4) / 6);
    const uint64_t digest = digest_of(index);
    kith_index_close(index);
    kith_store_close(store);
    return digest;
}

static void as_one_does(void **state)
{
    (void)state;
    static const kith_type types[] = {KITH_U8, KITH_F32};
    uint64_t random = check_seed();
    for (size_t t = 0; t < 2; t++) {
        matrix rows = matrix_clustered(types[t], DIM, N, 10, &random);
        const uint64_t digest = digest_after(&rows, 1);
        for (uint32_t threads = 2; threads <= 4; threads += 2)
            assert_true(digest_after(&rows, threads) == digest);
        matrix_free(&rows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_one_does)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

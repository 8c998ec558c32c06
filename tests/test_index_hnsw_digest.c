/* Property: the graph is a function of keys, vectors, their order and the options: equal for every
 * number of threads and, for u8, i8 and b1 rows, on every level of the ladder; another seed,
 * another order or one vector that differs gives another graph. A graph that is built in two parts
 * is valid too.
 */
#include "tests/index_data.h"

#include <string.h>

enum { N = CHECK_RACES ? 800 : 2500, DIM = 20 };
enum { LONG_ROWS = CHECK_RACES ? 560 : N, LONG = CHECK_RACES ? 2000 : 500 };

/* Sizes of crews that one thread is compared with. */
static const uint32_t crews[] = {3, 2, 8};
enum { CREWS = CHECK_RACES ? 1 : sizeof crews / sizeof *crews };

static uint64_t build_digest(const matrix *rows, kith_metric metric,
                             const kith_index_options *options)
{
    kith_store *store = store_of(rows, metric);
    kith_index *index = index_on(store, options);
    must(kith_index_build(index, NULL, NULL));
    must(kith_index_check(index));
    uint64_t digest = digest_of(index);
    kith_index_close(index);
    kith_store_close(store);
    return digest;
}

static kith_index_options options_of(uint32_t threads, const char *cpu)
{
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    options.ef_construction = 60;
    options.threads = threads;
    options.cpu = cpu;
    return options;
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    for (size_t k = 0; k < KINDS; k++) {
        const kith_metric metric = kinds[k].metric;
        if (metric != KITH_L2SQ && metric != KITH_HAMMING)
            continue;
        matrix rows = matrix_clustered(kinds[k].type, DIM, N, 20, &random);
        kith_index_options options = options_of(1, NULL);
        uint64_t alone = build_digest(&rows, metric, &options);
        for (size_t i = 0; i < CREWS; i++) {
            options.threads = crews[i];
            assert_true(build_digest(&rows, metric, &options) == alone);
        }
        matrix_free(&rows);
    }
}

static void instruction_sets_do_not_matter_for_integers(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    for (size_t k = 0; k < KINDS; k++) {
        const kith_metric metric = kinds[k].metric;
        if (kinds[k].type != KITH_U8 && kinds[k].type != KITH_I8 && kinds[k].type != KITH_B1)
            continue;
        matrix rows = matrix_clustered(kinds[k].type, DIM, N / 2, 20, &random);
        kith_index_options options = options_of(2, "scalar");
        uint64_t scalar = build_digest(&rows, metric, &options);
        const char *level;
        for (size_t i = 1; (level = kith_cpu_level(i)) && (i < 2 || !CHECK_RACES); i++) {
            options.cpu = level;
            assert_true(build_digest(&rows, metric, &options) == scalar);
        }
        matrix_free(&rows);
    }
}

/* So many bytes that rows are drafted in the order of the places they go to (order.h). */
static void long_rows_are_linked_the_same(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix rows = matrix_clustered(KITH_U8, LONG, LONG_ROWS, 20, &random);
    kith_index_options options = options_of(1, CHECK_RACES ? NULL : "scalar");
    const uint64_t alone = build_digest(&rows, KITH_L2SQ, &options);
    options.cpu = NULL;
    for (size_t i = 0; i < CREWS; i++) {
        options.threads = crews[i];
        assert_true(build_digest(&rows, KITH_L2SQ, &options) == alone);
    }
    matrix_free(&rows);
}

static void everything_else_matters(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix rows = matrix_clustered(KITH_U8, DIM, N / 4, 20, &random);
    kith_index_options options = options_of(1, NULL);
    uint64_t digest[6] = {build_digest(&rows, KITH_L2SQ, &options)};
    options.seed = 2;
    digest[1] = build_digest(&rows, KITH_L2SQ, &options);
    options = options_of(1, NULL);
    options.m = 12;
    digest[2] = build_digest(&rows, KITH_L2SQ, &options);
    options = options_of(1, NULL);
    options.ef_construction = 10;
    digest[3] = build_digest(&rows, KITH_L2SQ, &options);
    options = options_of(1, NULL);
    options.alpha = 1.2f;
    digest[4] = build_digest(&rows, KITH_L2SQ, &options);
    options = options_of(1, NULL);
    for (uint32_t j = 0; j < DIM; j++) /* one vector, far from where it was */
        ((unsigned char *)row_at(&rows, 5))[j] ^= 0xff;
    digest[5] = build_digest(&rows, KITH_L2SQ, &options);
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < i; j++)
            assert_true(digest[i] != digest[j]);
    matrix_free(&rows);
}

static void two_parts_make_a_valid_graph(void **state)
{
    (void)state;
    uint64_t random = check_seed(), keys[N], digest[2];
    for (uint64_t i = 0; i < N; i++)
        keys[i] = i;
    for (int type = KITH_F32; type <= KITH_U8; type++) {
        matrix rows = matrix_clustered((kith_type)type, DIM, N, 20, &random), half = rows;
        half.n = N / 2;
        for (uint32_t threads = 1; threads <= 2; threads++) {
            kith_index_options options = options_of(threads, NULL);
            kith_store *store = store_of(&half, KITH_COSINE);
            kith_index *index = index_on(store, &options);
            must(kith_index_build(index, NULL, NULL));
            must(kith_index_check(index));
            assert_int_equal(nodes_of(index), N / 2);
            must(kith_store_load(store, keys + N / 2, row_at(&rows, N / 2), N - N / 2, NULL, NULL));
            must(kith_index_build(index, NULL, NULL));
            must(kith_index_check(index));
            assert_int_equal(nodes_of(index), N);
            digest[threads - 1] = digest_of(index);
            must(kith_index_build(index, NULL, NULL)); /* nothing left to do */
            assert_true(digest_of(index) == digest[threads - 1]);
            kith_index_close(index);
            kith_store_close(store);
        }
        assert_true(digest[0] == digest[1]);
        matrix_free(&rows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(instruction_sets_do_not_matter_for_integers),
        cmocka_unit_test(long_rows_are_linked_the_same),
        cmocka_unit_test(everything_else_matters),
        cmocka_unit_test(two_parts_make_a_valid_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Property: any number of threads may search one index at a time, flat or graph, each with its own
 * searcher or through the batch call, and each gets what it would get alone. (A thread checker
 * finds what a wrong answer does not show.)
 */
#include "tests/index_data.h"

#include <pthread.h>

enum { N = 1200, DIM = 24, QUERIES = 40, K = 8, THREADS = 4, ROUNDS = 3 };

typedef struct arena {
    matrix queries;
    kith_index *index;
    bool searchers; /* half of the threads search with searchers of their own */
    kith_hit expected[QUERIES * K];
} arena;

typedef struct visitor {
    arena *arena;
    uint32_t number;
    const char *complaint;
} visitor;

static const char *compare(const arena *a, const kith_hit *hits, size_t first, size_t count)
{
    for (size_t i = 0; i < count * K; i++)
        if (hits[i].row != a->expected[first * K + i].row ||
            hits[i].distance != a->expected[first * K + i].distance)
            return "another answer than alone";
    return NULL;
}

static const char *visit_with_batches(arena *a, uint32_t number)
{
    kith_search_options options = kith_search_defaults(K);
    kith_hit hits[QUERIES * K];
    const char *complaint = NULL;
    for (uint32_t i = 0; i < ROUNDS && !complaint; i++) {
        size_t first = (number + i) % 3, count = i % 2 ? QUERIES - first : 5;
        options.threads = 1 + (number + i) % 2;
        if (kith_index_search(a->index, row_at(&a->queries, first), count, &options, hits, NULL))
            return kith_last_error();
        complaint = compare(a, hits, first, count);
    }
    return complaint;
}

static const char *visit_with_searcher(arena *a)
{
    kith_search_options options = kith_search_defaults(K);
    kith_searcher *searcher = NULL;
    kith_hit hits[K];
    const char *complaint = NULL;
    if (kith_searcher_create(a->index, &options, NULL, &searcher))
        return kith_last_error();
    for (uint32_t i = 0; i < ROUNDS * QUERIES && !complaint; i++) {
        if (kith_searcher_search(searcher, row_at(&a->queries, i % QUERIES), hits, NULL, NULL))
            complaint = kith_last_error();
        else
            complaint = compare(a, hits, i % QUERIES, 1);
    }
    kith_searcher_close(searcher);
    return complaint;
}

/* A failing sentence belongs to its thread: one of them provokes a refusal all the while. */
static void *visit(void *argument)
{
    visitor *v = argument;
    kith_search_options wrong = kith_search_defaults(0);
    kith_hit hit;
    if (v->number == 1 &&
        kith_index_search(v->arena->index, v->arena->queries.bytes, 1, &wrong, &hit, NULL) == 0)
        v->complaint = "k = 0 was taken";
    else if (v->arena->searchers && v->number % 2)
        v->complaint = visit_with_searcher(v->arena);
    else
        v->complaint = visit_with_batches(v->arena, v->number);
    return NULL;
}

static void crowd(arena *a)
{
    pthread_t threads[THREADS];
    visitor visitors[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        visitors[i] = (visitor){a, i, NULL};
        assert_int_equal(pthread_create(&threads[i], NULL, visit, &visitors[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < THREADS; i++)
        if (visitors[i].complaint)
            fail_msg("thread %u: %s", i, visitors[i].complaint);
}

/* With a tail behind the graph, and dead rows in it. */
static void check_kind(kith_type type, kith_index_kind kind)
{
    uint64_t random = check_seed();
    matrix rows = matrix_clustered(type, DIM, N, 10, &random);
    arena *a = calloc(1, sizeof *a);
    a->queries = matrix_clustered(type, DIM, QUERIES, 10, &random);
    kith_store *store = store_of(&rows, KITH_L2SQ);
    kith_index_options options = kith_index_defaults(kind);
    kith_search_options alone = kith_search_defaults(K);
    options.ef_construction = 40;
    options.threads = 2;
    a->index = index_on(store, &options);
    a->searchers = kind == KITH_HNSW;
    must(kith_index_build(a->index, NULL, NULL));
    for (uint64_t key = 0; key < 100; key++)
        must(key % 2 ? kith_store_del_u64(store, key)
                     : kith_store_put_u64(store, key, row_at(&rows, key + 1)));
    alone.threads = 1;
    must(kith_index_search(a->index, a->queries.bytes, QUERIES, &alone, a->expected, NULL));
    crowd(a);
    kith_index_close(a->index);
    kith_store_close(store);
    matrix_free(&rows);
    matrix_free(&a->queries);
    free(a);
}

static void graph(void **state)
{
    (void)state;
    check_kind(KITH_F32, KITH_HNSW);
    check_kind(KITH_U8, KITH_HNSW);
}

static void flat(void **state)
{
    (void)state;
    check_kind(KITH_F32, KITH_FLAT);
    check_kind(KITH_U8, KITH_FLAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(graph), cmocka_unit_test(flat)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

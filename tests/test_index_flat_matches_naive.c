/* Property: a flat index gives exactly what a naive search gives, rows and order, for every type,
 * metric, shape, k, number of queries and threads, on every level of the ladder, with rows deleted
 * and replaced; and every level gives the very same rows as every other.
 */
#include "tests/index_data.h"

#include <string.h>

enum { MOST_ROWS = 3000, MOST_QUERIES = 100, MOST_K = 3200 };

static const uint32_t dims[] = {1, 784, 17, 64, 130, 3};
static const size_t sizes[] = {0, 1, 2, 50, MOST_ROWS};

/* One store, its rows by number, and the naive answers to all queries. */
typedef struct scene {
    kith_metric metric;
    matrix rows, queries;
    bool live[MOST_ROWS + MOST_ROWS / 20];
    kith_store *store;
    naive_hit *ranking; /* of each query: rows.n places */
    size_t live_count;
    kith_hit *hits, *first_hits;
} scene;

/* Deletes a tenth and replaces some: the new vector goes behind the last row, since an open index
 * keeps freed rows out of use. Rows beyond `n` of the matrix are the replacements. */
static void churn(scene *s, size_t n, uint64_t *random)
{
    size_t next = n;
    for (size_t i = 0; i < n / 10; i++) {
        uint32_t key = check_below(random, (uint32_t)n);
        if (!s->live[key])
            continue;
        if (i % 2 || next == s->rows.n) {
            must(kith_store_del_u64(s->store, key));
        } else {
            must(kith_store_put_u64(s->store, key, row_at(&s->rows, next)));
            s->live[next++] = true;
        }
        s->live[key] = false;
    }
    s->rows.n = next;
}

static void rank_all(scene *s)
{
    for (size_t q = 0; q < s->queries.n; q++)
        s->live_count = naive_ranking(s->metric, &s->rows, s->live, row_at(&s->queries, q),
                                      s->ranking + q * s->rows.n);
}

static void search(scene *s, kith_index *index, uint32_t k, size_t nq, uint32_t threads)
{
    kith_search_options options = kith_search_defaults(k);
    options.ef = 0;
    options.threads = threads;
    memset(s->hits, 0x55, nq * k * sizeof *s->hits);
    must(kith_index_search(index, s->queries.bytes, nq, &options, s->hits, NULL));
}

/* Every k and batch on the highest level; one of each kind on those below, and the rows compared
 * with those of the first level. */
static void check_level(scene *s, const char *level, bool all, uint32_t threads)
{
    static const size_t batches[] = {1, 7, MOST_QUERIES};
    uint32_t ks[] = {10, 1, 100, (uint32_t)s->live_count + 3};
    kith_index_options options = kith_index_defaults(KITH_FLAT);
    options.cpu = level;
    options.threads = threads;
    kith_index *index = index_on(s->store, &options);
    for (size_t b = 0; b < 3; b++)
        for (size_t i = 0; i < (all ? 4 : 1); i++) {
            size_t nq = batches[b] < s->queries.n ? batches[b] : s->queries.n;
            if (ks[i] > 100 && nq > 7)
                continue; /* the last k is seen with few queries */
            search(s, index, ks[i], nq, threads);
            for (size_t q = 0; q < nq; q++)
                check_hits(s->metric, &s->rows, row_at(&s->queries, q), s->ranking + q * s->rows.n,
                           s->live_count, s->hits + q * ks[i], ks[i]);
        }
    search(s, index, 10, s->queries.n, threads);
    if (!strcmp(level, "scalar"))
        memcpy(s->first_hits, s->hits, s->queries.n * 10 * sizeof *s->hits);
    else
        for (size_t i = 0; i < s->queries.n * 10; i++) {
            assert_int_equal(s->hits[i].row, s->first_hits[i].row);
            assert_true(s->hits[i].distance == s->first_hits[i].distance);
        }
    kith_index_close(index);
}

static void check_scene(kith_type type, kith_metric metric, uint32_t dim, size_t n,
                        uint64_t *random)
{
    size_t nq = n > 50 || dim > 500 ? 34 : MOST_QUERIES; /* 32 take the matrix products */
    scene *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->metric = metric;
    s->rows = matrix_uniform(type, dim, n + n / 20, random);
    s->queries = matrix_uniform(type, dim, nq, random);
    s->rows.n = n;
    s->store = store_of(&s->rows, metric);
    s->rows.n = n + n / 20;
    memset(s->live, 1, n);
    kith_index_options options = kith_index_defaults(KITH_FLAT);
    kith_index *open = index_on(s->store, &options); /* so that freed rows stay out of use */
    churn(s, n, random);
    s->ranking = malloc(nq * s->rows.n * sizeof *s->ranking + 1);
    s->hits = malloc(nq * MOST_K * sizeof *s->hits);
    s->first_hits = malloc(nq * 10 * sizeof *s->hits);
    rank_all(s);
    const char *level;
    for (size_t i = 0; (level = kith_cpu_level(i)); i++)
        check_level(s, level, !kith_cpu_level(i + 1), i % 2 ? 3 : 1);
    kith_index_close(open);
    kith_store_close(s->store);
    matrix_free(&s->rows);
    matrix_free(&s->queries);
    free(s->ranking);
    free(s->hits);
    free(s->first_hits);
    free(s);
}

static void flat_equals_naive(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (size_t k = 0; k < KINDS; k++) {
                const bool first = kinds[k].type == KITH_F32 || kinds[k].type == KITH_U8;
                if (!first && dims[d] > 500)
                    continue; /* a minute of naive sums */
                size_t n = sizes[i] == MOST_ROWS && !(first && dims[d] == 17) ? 400 : sizes[i];
                check_scene(kinds[k].type, kinds[k].metric, dims[d], n, &random);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(flat_equals_naive)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

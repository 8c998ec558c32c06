/* Property: every live row is in exactly one partition, as its key and the shares say; the graph of
 * each partition is valid, holds its rows and no others, and depends on no number of threads; walks
 * of all partitions together find what a walk of the whole finds. New rows come in when the whole
 * has seen them, deleted ones leave, and a build that was stopped is completed by the next.
 */
#include "index/parts.h"
#include "index/searcher.h"
#include "tests/index_data.h"

#include <math.h>
#include <string.h>

enum { N = 6000, DIM = 16, P = 3, QUERIES = 200, K = 10 };

typedef struct whole {
    matrix rows;
    kith_store *store;
    kith_index *index;
} whole;

static whole open_whole(kith_type type, size_t n, kith_index_kind kind, uint64_t *random)
{
    whole w = {.rows = matrix_clustered(type, DIM, N, 30, random)};
    matrix first = w.rows;
    kith_index_options options = kith_index_defaults(kind);
    options.ef_construction = 60;
    first.n = n;
    w.store = store_of(&first, KITH_L2SQ);
    w.index = index_on(w.store, &options);
    must(kith_index_build(w.index, NULL, NULL));
    return w;
}

static void close_whole(whole *w)
{
    kith_index_close(w->index);
    kith_store_close(w->store);
    matrix_free(&w->rows);
}

static ki_parts *parts_of(const whole *w, uint32_t count, const double *shares, uint32_t threads)
{
    ki_parts *parts = NULL;
    must(ki_parts_open(w->index, count, shares, threads, NULL, NULL, &parts));
    return parts;
}

/* Each live row of the store in one list, ascending, and in that graph; each graph sound. */
static void check_parts(const whole *w, const ki_parts *parts)
{
    const ki_store *engine = w->store->engine;
    const uint32_t rows = ki_store_rows(engine);
    uint8_t *times = calloc(rows + 1, 1);
    uint64_t in_lists = 0;
    assert_non_null(times);
    for (uint32_t p = 0; p < ki_parts_count(parts); p++) {
        const ki_graph *graph = ki_part_graph(parts, p);
        uint32_t count;
        const uint32_t *list = ki_part_rows(parts, p, &count);
        for (uint32_t i = 0; i < count; i++) {
            assert_true(list[i] < rows && (!i || list[i - 1] < list[i]));
            times[list[i]]++;
        }
        in_lists += count;
        if (!graph)
            continue;
        must(ki_graph_check(graph));
        assert_true(graph->layer[0].nodes <= count);
        for (uint32_t i = 0, at = 0; i < graph->seen; i++) {
            const bool mine = at < count && list[at] == i;
            at += mine;
            assert_true(mine || graph->level[i] == KI_ABSENT);
        }
    }
    for (uint32_t row = 0; row < ki_parts_seen(parts); row++)
        assert_true(times[row] == 1 || (!times[row] && !ki_is_live(ki_store_live(engine), row)));
    assert_true(in_lists >= ki_store_live_count(engine) || ki_parts_seen(parts) < rows);
    free(times);
}

static void shares_are_dealt(void **state)
{
    (void)state;
    static const double shares[P] = {0.6, 0.3, 0.1};
    uint64_t random = check_seed();
    for (int kind = KITH_FLAT; kind <= KITH_HNSW; kind++) {
        whole w = open_whole(KITH_U8, N, (kith_index_kind)kind, &random);
        ki_parts *parts = parts_of(&w, P, shares, 1);
        check_parts(&w, parts);
        assert_int_equal(ki_parts_seen(parts), N);
        for (uint32_t p = 0; p < P; p++) {
            uint32_t count;
            ki_part_rows(parts, p, &count);
            const double sigma = sqrt(N * shares[p] * (1 - shares[p]));
            assert_true(fabs(count - N * shares[p]) < 3 * sigma);
            assert_true((ki_part_graph(parts, p) != NULL) == (kind == KITH_HNSW));
        }
        ki_parts_close(parts);
        close_whole(&w);
    }
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    for (int type = KITH_F32; type <= KITH_U8; type++) {
        whole w = open_whole((kith_type)type, N / 2, KITH_HNSW, &random);
        ki_parts *alone = parts_of(&w, P, NULL, 1), *crowd = parts_of(&w, P, NULL, 5);
        for (uint32_t p = 0; p < P; p++) {
            assert_true(ki_graph_digest(ki_part_graph(alone, p)) ==
                        ki_graph_digest(ki_part_graph(crowd, p)));
            assert_true(ki_graph_digest(ki_part_graph(alone, p)) !=
                        ki_graph_digest(w.index->graph));
            assert_ptr_equal(ki_part_graph(alone, p)->codes, w.index->graph->codes);
        }
        check_parts(&w, alone);
        ki_parts_close(alone);
        ki_parts_close(crowd);
        close_whole(&w);
    }
}

static void one_partition_is_the_whole(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    uint32_t count;
    whole w = open_whole(KITH_U8, N / 4, KITH_HNSW, &random);
    ki_parts *parts = parts_of(&w, 1, NULL, 1);
    assert_ptr_equal(ki_part_graph(parts, 0), w.index->graph);
    assert_ptr_equal(ki_part_index(parts, 0), w.index);
    assert_null(ki_part_rows(parts, 0, &count));
    assert_int_equal(count, N / 4);
    for (uint32_t ef = 1; ef < 1000; ef *= 3)
        assert_int_equal(ki_part_ef(parts, ef, 10), ef > 10 ? ef : 10);
    ki_parts_close(parts);
    close_whole(&w);
}

/* The answers of all partitions, each walked as the law says, merged: how many are right. */
static uint64_t recall_of(const whole *w, const matrix *queries, ki_parts *parts, uint32_t ef,
                          uint64_t *const truth)
{
    const uint32_t count = ki_parts_count(parts);
    kith_search_options options = kith_search_defaults(K);
    uint64_t answers[KI_PARTS_MOST * K], right = 0;
    options.ef = ki_part_ef(parts, ef, K);
    kith_searcher *s[KI_PARTS_MOST];
    for (uint32_t p = 0; p < count; p++)
        must(ki_searcher_open(ki_part_index(parts, p), &options, w->index->kernels.features, true,
                              &s[p]));
    for (size_t i = 0; i < QUERIES; i++) {
        for (uint32_t p = 0; p < count; p++) {
            must(ki_search_begin(s[p], row_at(queries, i)));
            while (ki_search_more(s[p])) {
                ki_walk_open(&s[p]->walker);
                must(ki_walk_close(&s[p]->walker));
            }
            must(ki_search_end(s[p], answers + p * K));
        }
        for (uint32_t j = 0; j < K; j++)
            for (uint32_t a = 0; a < count * K; a++)
                right += answers[a] != UINT64_MAX && (uint32_t)answers[a] == truth[i * K + j];
    }
    for (uint32_t p = 0; p < count; p++)
        kith_searcher_close(s[p]);
    return right;
}

static void partitions_find_what_the_whole_finds(void **state)
{
    (void)state;
    uint64_t random = check_seed(), truth[QUERIES * K];
    for (int type = KITH_F32; type <= KITH_U8; type++) {
        whole w = open_whole((kith_type)type, N - QUERIES, KITH_HNSW, &random);
        matrix base = w.rows, queries = w.rows;
        uint32_t rows[QUERIES * K];
        base.n = N - QUERIES;
        queries.n = QUERIES;
        queries.bytes = row_at(&w.rows, N - QUERIES);
        must(kith_exact(KITH_L2SQ, w.rows.type, DIM, base.bytes, base.n, queries.bytes, QUERIES, K,
                        1, rows, NULL, NULL, NULL));
        for (uint32_t i = 0; i < QUERIES * K; i++)
            truth[i] = rows[i];
        for (uint32_t ef = 12; ef <= 48; ef *= 2) {
            uint64_t right[5] = {0};
            for (uint32_t count = 1; count <= 4; count *= 2) {
                ki_parts *parts = parts_of(&w, count, NULL, 0);
                right[count] = recall_of(&w, &queries, parts, ef, truth);
                ki_parts_close(parts);
            }
            printf("type %d, ef %u: %llu, %llu and %llu of %d\n", type, ef,
                   (unsigned long long)right[1], (unsigned long long)right[2],
                   (unsigned long long)right[4], QUERIES * K);
            assert_true(right[1] > QUERIES * K * 8 / 10);
            assert_true(right[2] + QUERIES * K / 100 >= right[1]);
            assert_true(right[4] + QUERIES * K / 100 >= right[1]);
        }
        close_whole(&w);
    }
}

static void rows_come_and_go(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    for (int type = KITH_F32; type <= KITH_U8; type++) {
        whole w = open_whole((kith_type)type, N / 4, KITH_HNSW, &random);
        ki_parts *parts[] = {parts_of(&w, P, NULL, 1), parts_of(&w, P, NULL, 4)};
        const uint64_t version = ki_parts_version(parts[0]);
        for (uint64_t key = N / 4; key < N; key++)
            must(kith_store_put_u64(w.store, key, row_at(&w.rows, key)));
        for (uint32_t i = 0; i < N / 3; i++)
            kith_store_del_u64(w.store, check_below(&random, N));
        for (int i = 0; i < 2; i++)
            must(ki_parts_follow(parts[i], NULL, NULL)); /* the whole has seen nothing new */
        assert_int_equal(ki_parts_seen(parts[0]), N / 4);
        must(kith_index_build(w.index, NULL, NULL));
        for (int i = 0; i < 2; i++) {
            must(ki_parts_follow(parts[i], NULL, NULL));
            check_parts(&w, parts[i]);
            assert_int_equal(ki_parts_seen(parts[i]), N);
            assert_true(ki_parts_version(parts[i]) > version);
        }
        uint64_t nodes = 0;
        for (uint32_t p = 0; p < P; p++) {
            nodes += ki_part_graph(parts[0], p)->layer[0].nodes;
            assert_true(ki_graph_digest(ki_part_graph(parts[0], p)) ==
                        ki_graph_digest(ki_part_graph(parts[1], p)));
        }
        assert_int_equal(nodes, ki_store_live_count(w.store->engine));
        ki_parts_close(parts[0]);
        ki_parts_close(parts[1]);
        close_whole(&w);
    }
}

static int stop_half_way(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    assert_true(done <= total);
    return done > total / 2;
}

static void a_stopped_build_goes_on(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    whole w = open_whole(KITH_U8, N / 4, KITH_HNSW, &random);
    ki_parts *parts = parts_of(&w, P, NULL, 1), *other = NULL;
    for (uint64_t key = N / 4; key < N; key++)
        must(kith_store_put_u64(w.store, key, row_at(&w.rows, key)));
    must(kith_index_build(w.index, NULL, NULL));
    must_fail(ki_parts_open(w.index, P, NULL, 1, stop_half_way, NULL, &other), KITH_ECANCELLED,
              "stopped");
    must_fail(ki_parts_follow(parts, stop_half_way, NULL), KITH_ECANCELLED, "stopped");
    assert_int_equal(ki_parts_seen(parts), N / 4);
    must(ki_parts_follow(parts, NULL, NULL));
    assert_int_equal(ki_parts_seen(parts), N);
    check_parts(&w, parts);
    ki_parts_close(parts);
    close_whole(&w);
}

static void memory_may_run_out(void **state)
{
    (void)state;
    uint64_t random = check_seed(), n = 0;
    whole w = open_whole(KITH_F32, 300, KITH_HNSW, &random);
    kith_status status = KITH_ENOMEM;
    while (status) {
        ki_parts *parts = NULL;
        ki_alloc_fail_at(++n);
        status = ki_parts_open(w.index, P, NULL, 1, NULL, NULL, &parts);
        ki_alloc_fail_at(0);
        if (status)
            assert_true(status == KITH_ENOMEM && !parts);
        else
            check_parts(&w, parts);
        ki_parts_close(parts);
        assert_true(n < 5000);
    }
    printf("%llu allocations failed, one at a time\n", (unsigned long long)n - 1);
    assert_true(n > 20);
    close_whole(&w);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    static const double short_of_one[2] = {0.5, 0.4}, none[2] = {1, 0}, more[2] = {1.5, -0.5};
    uint64_t random = check_seed();
    whole w = open_whole(KITH_F32, 500, KITH_HNSW, &random);
    ki_parts *parts = NULL;
    must_fail(ki_parts_open(w.index, 0, NULL, 1, NULL, NULL, &parts), KITH_EINVAL, "0 partitions");
    must_fail(ki_parts_open(w.index, 65, NULL, 1, NULL, NULL, &parts), KITH_EINVAL, "1..64");
    must_fail(ki_parts_open(w.index, 2, short_of_one, 1, NULL, NULL, &parts), KITH_EINVAL, "0.9");
    must_fail(ki_parts_open(w.index, 2, none, 1, NULL, NULL, &parts), KITH_EINVAL, "partition 1");
    must_fail(ki_parts_open(w.index, 2, more, 1, NULL, NULL, &parts), KITH_EINVAL, "-0.5");
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    kith_index *unbuilt = index_on(w.store, &options);
    must_fail(ki_parts_open(unbuilt, 2, NULL, 1, NULL, NULL, &parts), KITH_EINVAL, "build");
    options.walk = KITH_WALK_SQ4;
    kith_index *brief = index_on(w.store, &options);
    must(kith_index_build(brief, NULL, NULL));
    must_fail(ki_parts_open(brief, 2, NULL, 1, NULL, NULL, &parts), KITH_EUNSUPPORTED, "4 bits");
    assert_null(parts);
    kith_index_close(brief);
    kith_index_close(unbuilt);
    close_whole(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_dealt),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(one_partition_is_the_whole),
        cmocka_unit_test(partitions_find_what_the_whole_finds),
        cmocka_unit_test(rows_come_and_go),
        cmocka_unit_test(a_stopped_build_goes_on),
        cmocka_unit_test(memory_may_run_out),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

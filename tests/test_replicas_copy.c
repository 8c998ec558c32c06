/* Property: whoever holds a copy of a partition, it gives the same answers, key by key and row by
 * row: the host that walks the graph where it lies, a device that walks places of its own (a naive
 * one, and OpenCL where it is), for rows of every type and for codes, while rows come and go. A
 * copy of a flat index is exact. Copies that hold the same have the same digest.
 */
#include "index/copy.h"
#include "index/host.h"
#include "tests/index_data.h"
#include "tests/walk_device.h"

#include <string.h>

enum { N = 2400, FIRST = 1800, DIM = 20, QUERIES = 70, K = 10, COPIES = 3, MOST = 4 };

/* A store, an index on it, its partitions, and of each partition a copy of every kind. */
typedef struct bench {
    matrix rows;
    kith_metric metric;
    uint64_t random;
    kith_store *store;
    kith_index *index;
    ki_parts *parts;
    ki_device *device[COPIES]; /* NULL: the host; or not to be had */
    bool there[COPIES];
    walk_device_counts counts;
    ki_copy *copy[MOST][COPIES];
} bench;

static const ki_copy_limits limits = {.threads = 2};

/* PoCL compiles for some seconds: one case each of integers, codes and floats is enough here. */
static void open_devices(bench *b, row_kind kind)
{
    const bool few = kind.metric == KITH_L2SQ && ki_parts_count(b->parts) == 3;
    b->there[0] = b->there[1] = true;
    b->device[1] = walk_device_open(&b->index->kernels, 4096, &b->counts);
    if (!few || (kind.type != KITH_U8 && kind.type != KITH_F32))
        return;
    if (ki_opencl_open(0, 0, 1, &b->device[2])) {
        printf("without OpenCL: %s\n", kith_last_error());
        return;
    }
    b->there[2] = !b->index->graph || b->device[2]->ops->walk;
}

static void open_bench(bench *b, row_kind kind, const kith_index_options *options, uint32_t parts,
                       uint64_t random)
{
    *b = (bench){.metric = kind.metric, .random = random};
    b->rows = matrix_clustered(kind.type, DIM, N, 40, &b->random);
    matrix first = b->rows;
    first.n = FIRST;
    b->store = store_of(&first, kind.metric);
    b->index = index_on(b->store, options);
    for (uint64_t key = 0; key < FIRST; key += 11)
        must(kith_store_del_u64(b->store, key));
    must(kith_index_build(b->index, NULL, NULL));
    must(ki_parts_open(b->index, parts, NULL, 2, NULL, NULL, &b->parts));
    open_devices(b, kind);
    for (uint32_t p = 0; p < parts; p++)
        for (int i = 0; i < COPIES; i++)
            if (b->there[i])
                must(ki_copy_open(b->parts, p, b->device[i], &b->copy[p][i]));
}

static void close_bench(bench *b)
{
    for (uint32_t p = 0; p < ki_parts_count(b->parts); p++)
        for (int i = 0; i < COPIES; i++)
            ki_copy_close(b->copy[p][i]);
    assert_int_equal(b->counts.held, 0);
    for (int i = 0; i < COPIES; i++)
        if (b->device[i])
            b->device[i]->ops->close(b->device[i]);
    ki_parts_close(b->parts);
    kith_index_close(b->index);
    kith_store_close(b->store);
    matrix_free(&b->rows);
}

static void refresh(bench *b)
{
    for (uint32_t p = 0; p < ki_parts_count(b->parts); p++) {
        ki_copy_facts facts[COPIES];
        for (int i = 0; i < COPIES; i++)
            if (b->there[i]) {
                must(ki_copy_refresh(b->copy[p][i], &limits));
                ki_copy_stat(b->copy[p][i], &facts[i]);
                assert_true(facts[i].digest == facts[0].digest && facts[i].digest);
                assert_true(facts[i].rows == facts[0].rows && facts[i].lsn == facts[0].lsn);
                assert_int_equal(facts[i].seen, ki_parts_seen(b->parts));
            }
    }
}

static ki_copy_request request_of(const bench *b, const matrix *queries, uint32_t ef)
{
    ki_copy_request request = {.queries = queries->bytes,
                               .query_bytes = row_bytes(queries),
                               .count = QUERIES,
                               .f32 = queries->type != b->rows.type,
                               .options = kith_search_defaults(K)};
    request.options.ef = ef;
    return request;
}

static bool are_live(const bench *b, const uint64_t *answers)
{
    const uint64_t *live = ki_store_live(b->store->engine);
    for (uint32_t i = 0; i < QUERIES * K; i++)
        if (answers[i] != UINT64_MAX && !ki_is_live(live, (uint32_t)answers[i]))
            return false;
    return true;
}

/* How many queries a device may answer otherwise: where it rounds sums of its own way, a walk may
 * turn elsewhere. */
static uint32_t allowed(const bench *b, int i, bool mixed)
{
    const bool floats = b->rows.type == KITH_F32 || mixed || b->metric == KITH_JACCARD;
    const bool codes = b->index->graph && b->index->graph->codes;
    return i == 2 && floats && !codes ? QUERIES / 10 : 0;
}

/* All copies of all partitions against the host's; the merged answers go to `merged`. */
static void compare(bench *b, const matrix *queries, uint32_t ef, uint64_t *merged)
{
    const ki_copy_request request = request_of(b, queries, ef);
    uint64_t answers[COPIES][QUERIES * K];
    memset(merged, 0xff, QUERIES * K * sizeof *merged);
    for (uint32_t p = 0; p < ki_parts_count(b->parts); p++) {
        ki_copy_counts counts[COPIES] = {{0}};
        for (int i = 0; i < COPIES; i++) {
            if (!b->there[i])
                continue;
            must(ki_copy_search(b->copy[p][i], &request, answers[i], &counts[i]));
            assert_true(are_live(b, answers[i]));
            uint32_t differ = 0;
            for (uint32_t q = 0; q < QUERIES; q++)
                differ += memcmp(answers[i] + q * K, answers[0] + q * K, K * sizeof **answers) != 0;
            assert_true(differ <= allowed(b, i, request.f32));
            if (!differ && i == 1)
                assert_true(counts[i].hops == counts[0].hops &&
                            counts[i].distances == counts[0].distances &&
                            counts[i].reranks == counts[0].reranks &&
                            counts[i].mode == counts[0].mode);
        }
        for (uint32_t q = 0; q < QUERIES; q++) {
            ki_pool pool = {.entry = merged + q * K, .size = K, .capacity = K};
            for (uint32_t j = 0; j < K; j++)
                if (answers[0][q * K + j] < merged[(q + 1) * K - 1])
                    ki_pool_offer(&pool, answers[0][q * K + j]);
        }
    }
}

/* Rows in, rows out; searches before and after the copies hear of it. */
static void live_on(bench *b, const matrix *queries, uint32_t ef, uint64_t *merged)
{
    refresh(b);
    compare(b, queries, ef, merged);
    for (uint64_t key = 5; key < FIRST; key += 7)
        kith_store_del_u64(b->store, key);
    compare(b, queries, ef, merged); /* dead rows lead the way */
    for (uint64_t key = FIRST; key < N; key++)
        must(kith_store_put_u64(b->store, key, row_at(&b->rows, key)));
    for (uint64_t key = FIRST; key < N; key += 5)
        must(kith_store_del_u64(b->store, key));
    compare(b, queries, ef, merged); /* newer rows are nobody's business */
    must(kith_index_build(b->index, NULL, NULL));
    must(ki_parts_follow(b->parts, NULL, NULL));
    const uint32_t sent = b->counts.rows_sent;
    refresh(b);
    const uint32_t again = b->counts.rows_sent - sent;
    assert_true(again > 0 && again <= N - FIRST);
    compare(b, queries, ef, merged);
}

static void copies_of_graphs_agree(void **state)
{
    (void)state;
    static const struct graph_case {
        row_kind kind;
        kith_walk walk;
        bool f32;
    } cases[] = {{{KITH_U8, KITH_L2SQ}, KITH_WALK_AUTO, false},
                 {{KITH_U8, KITH_COSINE}, KITH_WALK_AUTO, true},
                 {{KITH_I8, KITH_IP}, KITH_WALK_AUTO, false},
                 {{KITH_B1, KITH_HAMMING}, KITH_WALK_AUTO, false},
                 {{KITH_B1, KITH_JACCARD}, KITH_WALK_AUTO, true},
                 {{KITH_F32, KITH_L2SQ}, KITH_WALK_ROWS, false},
                 {{KITH_F32, KITH_COSINE}, KITH_WALK_SQ8, false},
                 {{KITH_F32, KITH_L2SQ}, KITH_WALK_SQ8, false},
                 {{KITH_F16, KITH_IP}, KITH_WALK_SQ8, true}};
    uint64_t random = check_seed(), merged[QUERIES * K];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (uint32_t parts = 1; parts <= 3; parts += 2) {
            kith_index_options options = kith_index_defaults(KITH_HNSW);
            options.ef_construction = 40;
            options.m = 6;
            options.walk = cases[i].walk;
            options.threads = 2;
            bench b;
            open_bench(&b, cases[i].kind, &options, parts, check_random(&random));
            matrix queries = matrix_clustered(cases[i].kind.type, DIM, QUERIES, 40, &b.random);
            matrix wide = matrix_widened(&queries);
            live_on(&b, cases[i].f32 ? &wide : &queries, i % 2 ? 6 : 30, merged);
            matrix_free(&wide);
            matrix_free(&queries);
            close_bench(&b);
        }
}

/* With one partition a copy is the index: the same walk, the same hits. */
static void one_partition_answers_as_the_index(void **state)
{
    (void)state;
    uint64_t random = check_seed(), merged[QUERIES * K];
    for (int type = KITH_F32; type <= KITH_U8; type++) {
        kith_index_options options = kith_index_defaults(KITH_HNSW);
        kith_search_options search = kith_search_defaults(K);
        kith_hit hits[QUERIES * K];
        bench b;
        open_bench(&b, (row_kind){(kith_type)type, KITH_L2SQ}, &options, 1, check_random(&random));
        matrix queries = matrix_clustered((kith_type)type, DIM, QUERIES, 40, &b.random);
        live_on(&b, &queries, 40, merged);
        search.ef = 40;
        must(kith_index_search(b.index, queries.bytes, QUERIES, &search, hits, NULL));
        for (uint32_t i = 0; i < QUERIES * K; i++)
            assert_int_equal(hits[i].row, (uint32_t)merged[i]);
        matrix_free(&queries);
        close_bench(&b);
    }
}

static void copies_of_flat_partitions_are_exact(void **state)
{
    (void)state;
    uint64_t random = check_seed(), merged[QUERIES * K];
    for (size_t kind = 0; kind < KINDS; kind++) {
        kith_index_options options = kith_index_defaults(KITH_FLAT);
        kith_search_options search = kith_search_defaults(K);
        kith_hit hits[QUERIES * K];
        bench b;
        open_bench(&b, kinds[kind], &options, 1 + (uint32_t)kind % 3, check_random(&random));
        matrix queries = matrix_clustered(kinds[kind].type, DIM, QUERIES, 40, &b.random);
        matrix wide = matrix_widened(&queries);
        const bool f32 = check_below(&b.random, 2);
        live_on(&b, f32 ? &wide : &queries, 1, merged);
        search.f32_queries = f32;
        must(kith_index_search(b.index, f32 ? wide.bytes : queries.bytes, QUERIES, &search, hits,
                               NULL));
        for (uint32_t i = 0; i < QUERIES * K; i++) /* but for ties of distances that f32 rounds */
            if (hits[i].row != (uint32_t)merged[i])
                assert_true(i % K == K - 1 || hits[i].distance == hits[i + 1].distance ||
                            (i % K && hits[i].distance == hits[i - 1].distance));
        matrix_free(&wide);
        matrix_free(&queries);
        close_bench(&b);
    }
}

static void limits_are_kept(void **state)
{
    (void)state;
    uint64_t random = check_seed(), answers[QUERIES * K];
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    const ki_copy_limits small = {.memory_bytes = 100000, .used_bytes = 99000, .threads = 1};
    ki_copy_counts counts = {0};
    ki_device *host = NULL;
    ki_copy *copy = NULL;
    bench b;
    open_bench(&b, (row_kind){KITH_U8, KITH_L2SQ}, &options, 2, random);
    matrix queries = matrix_uniform(KITH_U8, DIM, QUERIES, &b.random);
    ki_copy_request request = request_of(&b, &queries, 5000);
    must_fail(ki_copy_search(b.copy[0][1], &request, answers, &counts), KITH_EDEVICE, "nothing");
    must_fail(ki_copy_refresh(b.copy[0][1], &small), KITH_ENOMEM, "99000");
    assert_int_equal(b.counts.rows_sent, 0);
    must_fail(ki_copy_search(b.copy[0][1], &request, answers, &counts), KITH_EDEVICE, "nothing");
    must(ki_copy_refresh(b.copy[0][1], &limits));
    must_fail(ki_copy_search(b.copy[0][1], &request, answers, &counts), KITH_EUNSUPPORTED, "4096");
    must(ki_host_open(&b.index->kernels, 1, &host));
    must_fail(ki_copy_open(b.parts, 0, host, &copy), KITH_EUNSUPPORTED, "'cpu'");
    must_fail(ki_copy_open(b.parts, 2, NULL, &copy), KITH_EINVAL, "partition 2");
    host->ops->close(host);
    matrix_free(&queries);
    close_bench(&b);
}

/* While a copy grows, old rows and new ones are on the device: only the new ones are sent if there
 * is room for that, and else all of them, when the old ones are gone. */
static void a_copy_grows_within_its_limit(void **state)
{
    (void)state;
    const uint64_t random = check_seed();
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    for (uint32_t room = 0; room < 2; room++) {
        ki_copy_limits tight = limits;
        ki_copy_facts old;
        bench b;
        open_bench(&b, (row_kind){KITH_U8, KITH_L2SQ}, &options, 2, random);
        ki_copy *copy = b.copy[0][1];
        must(ki_copy_refresh(copy, &limits));
        ki_copy_stat(copy, &old);
        for (uint64_t key = FIRST; key < N; key++)
            must(kith_store_put_u64(b.store, key, row_at(&b.rows, key)));
        must(kith_index_build(b.index, NULL, NULL));
        must(ki_parts_follow(b.parts, NULL, NULL));
        tight.used_bytes = 1000;
        tight.memory_bytes = tight.used_bytes + old.bytes + ki_copy_need(copy) - !room;
        const uint32_t before = b.counts.rows_sent;
        ki_copy_facts now;
        must(ki_copy_refresh(copy, &tight));
        ki_copy_stat(copy, &now);
        assert_true(now.rows > old.rows);
        assert_int_equal(b.counts.rows_sent - before, room ? now.rows - old.rows : now.rows);
        assert_int_equal(b.counts.held, 1);
        close_bench(&b);
    }
}

/* Whichever allocation fails: ENOMEM, an empty copy or untouched state, and the next call works. */
static void memory_may_run_out(void **state)
{
    (void)state;
    uint64_t random = check_seed(), answers[QUERIES * K], right[QUERIES * K], failures = 0;
    const ki_copy_limits alone = {.threads = 1};
    for (int kind = KITH_FLAT; kind <= KITH_HNSW; kind++) {
        kith_index_options options = kith_index_defaults((kith_index_kind)kind);
        options.threads = 1;
        bench b;
        open_bench(&b, (row_kind){KITH_F32, KITH_COSINE}, &options, 2, check_random(&random));
        matrix queries = matrix_clustered(KITH_F32, DIM, QUERIES, 40, &b.random);
        const ki_copy_request request = request_of(&b, &queries, 20);
        ki_copy_counts counts = {0};
        for (int i = 0; i < 2; i++) {
            kith_status status = KITH_ENOMEM;
            for (uint64_t n = 1; status; n++) {
                ki_copy *copy = NULL;
                ki_alloc_fail_at(n);
                status = ki_copy_open(b.parts, 1, b.device[i], &copy);
                if (!status)
                    status = ki_copy_refresh(copy, &alone);
                if (!status)
                    status = ki_copy_search(copy, &request, answers, &counts);
                ki_alloc_fail_at(0);
                assert_true(!status || status == KITH_ENOMEM);
                if (copy) {
                    must(ki_copy_refresh(copy, &alone));
                    must(ki_copy_search(copy, &request, right, &counts));
                }
                assert_true(status || !memcmp(answers, right, sizeof right));
                ki_copy_close(copy);
                failures += status != KITH_OK;
            }
        }
        matrix_free(&queries);
        close_bench(&b);
    }
    printf("%llu allocations failed, one at a time\n", (unsigned long long)failures);
    assert_true(failures > 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_of_graphs_agree),
        cmocka_unit_test(one_partition_answers_as_the_index),
        cmocka_unit_test(copies_of_flat_partitions_are_exact),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(a_copy_grows_within_its_limit),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

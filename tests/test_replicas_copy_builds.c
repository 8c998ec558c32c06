/* Property: what a device is sent is as it was when sending began, whatever a build makes of the
 * index in the meantime: rows that come and go, other links, other codes. The copy says which rows
 * it knows, answers for them, and a refresh later holds what every other copy does.
 */
#include "index/copy.h"
#include "tests/index_data.h"
#include "tests/walk_device.h"

#include <string.h>

enum { N = 900, MORE = 1300, DIM = 16, QUERIES = 40, K = 8 };

typedef struct bench {
    matrix rows, more;
    kith_store *store;
    kith_index *index;
    ki_parts *parts;
    ki_device *device;
    walk_device_counts counts;
    ki_copy *host, *copy;
    unsigned called;
} bench;

static void open_bench(bench *b, kith_type type, kith_walk walk, uint32_t parts, uint64_t *random)
{
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    *b = (bench){.rows = matrix_clustered(type, DIM, N, 30, random)};
    b->more = matrix_clustered(type, DIM, MORE, 9, random);
    if (type == KITH_F32) /* so far out that codes are learnt anew */
        for (size_t i = 0; i < b->more.n * b->more.dim; i++)
            floats_at(&b->more, 0)[i] *= 50;
    options.ef_construction = 40;
    options.m = 6;
    options.threads = 2;
    options.walk = walk;
    b->store = store_of(&b->rows, KITH_L2SQ);
    b->index = index_on(b->store, &options);
    must(kith_index_build(b->index, NULL, NULL));
    must(ki_parts_open(b->index, parts, NULL, 2, NULL, NULL, &b->parts));
    b->device = walk_device_open(&b->index->kernels, 4096, &b->counts);
    must(ki_copy_open(b->parts, parts - 1, NULL, &b->host));
    must(ki_copy_open(b->parts, parts - 1, b->device, &b->copy));
}

static void close_bench(bench *b)
{
    ki_copy_close(b->host);
    ki_copy_close(b->copy);
    assert_int_equal(b->counts.held, 0);
    b->device->ops->close(b->device);
    ki_parts_close(b->parts);
    kith_index_close(b->index);
    kith_store_close(b->store);
    matrix_free(&b->rows);
    matrix_free(&b->more);
}

/* All that a build may change, in the middle of a refresh, once. */
static void change_all(void *user)
{
    bench *b = user;
    if (b->called++)
        return;
    for (uint64_t key = 0; key < N; key += 3)
        must(kith_store_del_u64(b->store, key));
    for (uint64_t key = 0; key < MORE; key++)
        must(kith_store_put_u64(b->store, N + key, row_at(&b->more, key)));
    must(kith_index_build(b->index, NULL, NULL));
    must(ki_parts_follow(b->parts, NULL, NULL));
}

static ki_copy_facts facts_of(const ki_copy *copy)
{
    ki_copy_facts facts;
    ki_copy_stat(copy, &facts);
    return facts;
}

static void search(bench *b, ki_copy *copy, uint64_t *answers)
{
    ki_copy_request request = {.queries = b->rows.bytes,
                               .query_bytes = row_bytes(&b->rows),
                               .count = QUERIES,
                               .options = kith_search_defaults(K)};
    ki_copy_counts counts = {0};
    must(ki_copy_search(copy, &request, answers, &counts));
}

/* Live rows that it knows, which the old graph reached. */
static void check_answers(const bench *b, const uint64_t *answers)
{
    const uint64_t *live = ki_store_live(b->store->engine);
    for (uint32_t i = 0; i < QUERIES * K; i++)
        assert_true(answers[i] != UINT64_MAX && (uint32_t)answers[i] < N &&
                    ki_is_live(live, (uint32_t)answers[i]));
}

static void build_while_it_is_sent(kith_type type, kith_walk walk, uint32_t parts, uint64_t *random)
{
    static uint64_t of_host[QUERIES * K], of_device[QUERIES * K];
    bench b;
    open_bench(&b, type, walk, parts, random);
    const ki_copy_limits alone = {.threads = 1};
    const ki_copy_limits beside = {.threads = 1, .let_go = change_all, .user = &b};
    const bool codes = b.index->graph->codes;
    const uint32_t lessons = codes ? b.index->graph->codes->lessons : 0;
    must(ki_copy_refresh(b.host, &alone));
    must(ki_copy_refresh(b.copy, &beside));
    assert_true(b.called > 0);
    assert_true(!codes || b.index->graph->codes->lessons > lessons);
    const ki_copy_facts before = facts_of(b.host), sent = facts_of(b.copy);
    assert_true(sent.digest == before.digest && sent.lsn == before.lsn);
    assert_true(sent.rows == before.rows && sent.seen == N);
    if (!codes) { /* else queries are codes of the lesson of now, and it must be refreshed first */
        search(&b, b.copy, of_device);
        check_answers(&b, of_device);
    }
    must(ki_copy_refresh(b.copy, &alone));
    must(ki_copy_refresh(b.host, &alone));
    assert_true(facts_of(b.copy).digest == facts_of(b.host).digest);
    assert_true(facts_of(b.copy).digest != sent.digest);
    assert_int_equal(facts_of(b.copy).seen, N + MORE);
    search(&b, b.copy, of_device);
    search(&b, b.host, of_host);
    assert_memory_equal(of_device, of_host, sizeof of_host);
    close_bench(&b);
}

static void sent_as_it_was(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    for (uint32_t parts = 1; parts <= 2; parts++) {
        build_while_it_is_sent(KITH_U8, KITH_WALK_ROWS, parts, &random);
        build_while_it_is_sent(KITH_F32, KITH_WALK_SQ8, parts, &random);
    }
}

/* A device may hang in dropping what it was sent, too: it is let go of when a refresh fails. */
static void let_go_when_it_fails(void **state)
{
    (void)state;
    uint64_t random = check_seed(), failures = 0;
    bench b;
    open_bench(&b, KITH_F32, KITH_WALK_SQ8, 2, &random);
    const ki_copy_limits alone = {.threads = 1};
    must(ki_copy_refresh(b.copy, &alone));
    change_all(&b);
    kith_status status = KITH_ENOMEM;
    for (uint64_t n = 1; status; n++) {
        const ki_copy_limits limits = {.threads = 1, .let_go = change_all, .user = &b};
        b.called = 1;
        ki_alloc_fail_at(n);
        status = ki_copy_refresh(b.copy, &limits);
        ki_alloc_fail_at(0);
        assert_true(!status || status == KITH_ENOMEM);
        assert_true(b.called > 1);
        assert_true(!status || b.counts.held == 0);
        failures += status != KITH_OK;
    }
    assert_true(failures > 5);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sent_as_it_was),
                                       cmocka_unit_test(let_go_when_it_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

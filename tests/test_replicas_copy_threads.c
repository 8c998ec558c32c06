/* Property: copies are searched beside writers of the store, and copies on devices beside the
 * partitions that follow the index: each search knows every deletion that returned before it began,
 * and answers name rows of the partition alone. For the thread sanitizer.
 */
#include "index/copy.h"
#include "tests/index_data.h"
#include "tests/walk_device.h"

#include <pthread.h>
#include <stdatomic.h>

enum { N = 3000, MORE = 1000, DIM = 12, K = 8, PARTS = 2, KINDS_OF_COPY = 2 };

typedef struct bench {
    matrix rows;
    kith_store *store;
    kith_index *index;
    ki_parts *parts;
    ki_device *device;
    walk_device_counts counts;
    ki_copy *copy[PARTS][KINDS_OF_COPY];
    atomic_uint deleted; /* keys below this are, and stay */
    atomic_uint stop;
    atomic_uint wrong; /* cmocka's jumps stay in the main thread */
} bench;

typedef struct seeker {
    bench *b;
    ki_copy *copy;
    uint64_t random;
    uint32_t rounds;
} seeker;

/* Deletes the first keys in order, puts new ones, and some of those again. */
static void *write_on(void *context)
{
    bench *b = context;
    for (uint32_t i = 0; i < MORE && !atomic_load(&b->stop); i++) {
        b->wrong += kith_store_del_u64(b->store, i) != KITH_OK;
        atomic_store(&b->deleted, i + 1);
        b->wrong += kith_store_put_u64(b->store, N + i / 2, row_at(&b->rows, i)) != KITH_OK;
    }
    return NULL;
}

static void *search_on(void *context)
{
    seeker *s = context;
    const uint32_t bytes = (uint32_t)row_bytes(&s->b->rows);
    uint64_t answers[4 * K];
    ki_copy_counts counts = {0};
    while (!atomic_load(&s->b->stop) || !s->rounds) {
        const uint32_t gone = atomic_load(&s->b->deleted);
        const ki_copy_request request = {.queries = row_at(&s->b->rows, check_below(&s->random, N)),
                                         .query_bytes = bytes,
                                         .count = 4,
                                         .options = kith_search_defaults(K)};
        s->b->wrong += ki_copy_search(s->copy, &request, answers, &counts) != KITH_OK;
        for (uint32_t i = 0; i < 4 * K; i++)
            s->b->wrong += answers[i] == UINT64_MAX || (uint32_t)answers[i] >= N + MORE ||
                           (uint32_t)answers[i] < gone;
        s->rounds++;
    }
    return NULL;
}

static void open_bench(bench *b)
{
    const ki_copy_limits limits = {.threads = 2};
    uint64_t random = check_seed();
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    *b = (bench){.rows = matrix_clustered(KITH_U8, DIM, N + 8, 20, &random)};
    options.ef_construction = 30;
    options.m = 6;
    b->store = store_of(&b->rows, KITH_L2SQ);
    b->index = index_on(b->store, &options);
    must(kith_index_build(b->index, NULL, NULL));
    must(ki_parts_open(b->index, PARTS, NULL, 0, NULL, NULL, &b->parts));
    b->device = walk_device_open(&b->index->kernels, 1000, &b->counts);
    for (uint32_t p = 0; p < PARTS; p++)
        for (int i = 0; i < KINDS_OF_COPY; i++) {
            must(ki_copy_open(b->parts, p, i ? b->device : NULL, &b->copy[p][i]));
            must(ki_copy_refresh(b->copy[p][i], &limits));
        }
}

static void close_bench(bench *b)
{
    for (uint32_t p = 0; p < PARTS; p++)
        for (int i = 0; i < KINDS_OF_COPY; i++)
            ki_copy_close(b->copy[p][i]);
    b->device->ops->close(b->device);
    ki_parts_close(b->parts);
    kith_index_close(b->index);
    kith_store_close(b->store);
    matrix_free(&b->rows);
}

static void start(pthread_t *thread, void *(*run)(void *), void *context)
{
    assert_int_equal(pthread_create(thread, NULL, run, context), 0);
}

static void searches_go_on_beside_writers(void **state)
{
    (void)state;
    bench b;
    open_bench(&b);
    pthread_t writer, reader[PARTS * KINDS_OF_COPY];
    seeker seekers[PARTS * KINDS_OF_COPY];
    for (uint32_t i = 0; i < PARTS * KINDS_OF_COPY; i++) {
        seekers[i] = (seeker){.b = &b, .copy = b.copy[i / KINDS_OF_COPY][i % KINDS_OF_COPY]};
        start(&reader[i], search_on, &seekers[i]);
    }
    start(&writer, write_on, &b);
    pthread_join(writer, NULL);
    atomic_store(&b.stop, 1);
    for (uint32_t i = 0; i < PARTS * KINDS_OF_COPY; i++) {
        pthread_join(reader[i], NULL);
        assert_true(seekers[i].rounds > 0);
    }
    assert_int_equal(b.wrong, 0);
    close_bench(&b);
}

static void devices_search_while_partitions_follow(void **state)
{
    (void)state;
    const ki_copy_limits limits = {.threads = 1};
    bench b;
    open_bench(&b);
    for (uint64_t key = 0; key < MORE; key++)
        must(kith_store_put_u64(b.store, N + 8 + key, row_at(&b.rows, key)));
    must(kith_index_build(b.index, NULL, NULL));
    pthread_t writer, reader[PARTS];
    seeker seekers[PARTS];
    for (uint32_t p = 0; p < PARTS; p++) {
        seekers[p] = (seeker){.b = &b, .copy = b.copy[p][1]};
        start(&reader[p], search_on, &seekers[p]);
    }
    start(&writer, write_on, &b);
    must(ki_parts_follow(b.parts, NULL, NULL));
    pthread_join(writer, NULL);
    atomic_store(&b.stop, 1);
    for (uint32_t p = 0; p < PARTS; p++)
        pthread_join(reader[p], NULL);
    assert_int_equal(b.wrong, 0);
    for (uint32_t p = 0; p < PARTS; p++) {
        ki_copy_facts facts[KINDS_OF_COPY];
        must(ki_graph_check(ki_part_graph(b.parts, p)));
        for (int i = 0; i < KINDS_OF_COPY; i++) {
            must(ki_copy_refresh(b.copy[p][i], &limits));
            ki_copy_stat(b.copy[p][i], &facts[i]);
            assert_int_equal(facts[i].seen, N + 8 + MORE);
        }
        assert_true(facts[0].digest == facts[1].digest);
    }
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(searches_go_on_beside_writers),
        cmocka_unit_test(devices_search_while_partitions_follow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Property: a search beside writers and beside add, drop and refresh finds every put that was
 * acknowledged before it began, and returns no row that was deleted before it began; every hit is a
 * row that a key had, at its right distance.
 *
 * Rows are made so that each query has one nearest key: the key's own row, at distance 0.
 */
#include "tests/shaky_device.h"

#include <pthread.h>
#include <string.h>

enum { N = 400, MORE = 1200, K = 4, SEARCHERS = 4, SEARCHES = 1000, TIMES = 5 };

typedef struct scene {
    shaky_bench b;
    matrix rows; /* of all keys there will be */
    kith_replicas *replicas;
    atomic_uint put, deleted; /* keys below `put` are there, but those below `deleted` */
    atomic_bool over;
    atomic_uint_fast64_t seed; /* of the next searcher */
    atomic_int complaints;
    char complaint[256];
    char moves[16]; /* a device that has copies, and is dropped and added */
} scene;

static void complain(scene *s, const char *what, uint64_t key)
{
    if (atomic_fetch_add(&s->complaints, 1) == 0)
        snprintf(s->complaint, sizeof s->complaint, "%.150s, key %llu", what,
                 (unsigned long long)key);
}

static void *write_rows(void *argument)
{
    scene *s = argument;
    for (uint32_t i = 0; i < MORE && !atomic_load(&s->over); i++) {
        const uint64_t key = N + i;
        if (kith_store_put_u64(s->b.store, key, row_at(&s->rows, key)))
            complain(s, kith_last_error(), key);
        atomic_store(&s->put, (unsigned)key + 1);
        if (i % 3 == 0) {
            if (kith_store_del_u64(s->b.store, i / 3))
                complain(s, kith_last_error(), i / 3);
            atomic_store(&s->deleted, i / 3 + 1);
        }
        if (i % 16 == 0)
            sleep_ms(1);
    }
    return NULL;
}

static void search_key(scene *s, uint64_t key)
{
    const kith_search_options options = kith_search_defaults(K);
    kith_hit hits[K];
    const unsigned deleted = atomic_load(&s->deleted);
    if (kith_replicas_search(s->replicas, row_at(&s->rows, key), 1, &options, hits, NULL))
        complain(s, kith_last_error(), key);
    else if (hits[0].row != UINT32_MAX && hits[0].distance > 0 && key >= atomic_load(&s->deleted))
        complain(s, "a key that was put is not found", key);
    else if (hits[0].distance <= 0 && hits[0].key != key)
        complain(s, "another key", key);
    for (int i = 0; i < K; i++)
        if (hits[i].row != UINT32_MAX && hits[i].key < deleted)
            complain(s, "a deleted key is found", hits[i].key);
}

static void *search_rows(void *argument)
{
    scene *s = argument;
    uint64_t random = atomic_fetch_add(&s->seed, 1);
    for (int i = 0; i < SEARCHES; i++) {
        const unsigned put = atomic_load(&s->put), low = atomic_load(&s->deleted);
        const unsigned newest = check_below(&random, 2);
        search_key(s, newest ? put - 1 : low + check_below(&random, put - low));
    }
    return NULL;
}

static void *change_devices(void *argument)
{
    scene *s = argument;
    for (int i = 0; i < TIMES && !atomic_load(&s->over); i++) {
        if (kith_replicas_add(s->replicas, "ocl2") || kith_replicas_drop(s->replicas, s->moves) ||
            kith_replicas_refresh(s->replicas, NULL, NULL) ||
            kith_replicas_add(s->replicas, s->moves) || kith_replicas_drop(s->replicas, "ocl2"))
            complain(s, kith_last_error(), 0);
    }
    return NULL;
}

static void crowd(kith_index_kind kind, uint32_t partitions)
{
    uint64_t random = check_seed();
    pthread_t threads[SEARCHERS + 2];
    scene *s = calloc(1, sizeof *s);
    bench_open(&s->b, kind, KITH_U8, N, 1, &random);
    s->rows = matrix_uniform(KITH_U8, 16, N + MORE, &random);
    memcpy(s->rows.bytes, s->b.rows.bytes, N * row_bytes(&s->rows));
    for (uint64_t key = 0; key < N; key++)
        must(kith_store_put_u64(s->b.store, key, row_at(&s->rows, key)));
    must(kith_index_build(s->b.index, NULL, NULL));
    atomic_store(&s->put, N);
    atomic_store(&s->seed, check_random(&random));
    const kith_replicas_options options = shaky_options(partitions, 3 - partitions, 2);
    must(kith_replicas_create(s->b.index, &options, NULL, NULL, &s->replicas));
    memcpy(s->moves, copy_info(s->replicas, 0).device, sizeof s->moves);
    pthread_create(&threads[0], NULL, write_rows, s);
    pthread_create(&threads[1], NULL, change_devices, s);
    for (int i = 0; i < SEARCHERS; i++)
        pthread_create(&threads[2 + i], NULL, search_rows, s);
    for (int i = 0; i < SEARCHERS; i++)
        pthread_join(threads[2 + i], NULL);
    atomic_store(&s->over, true);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    kith_replicas_close(s->replicas);
    if (atomic_load(&s->complaints))
        fail_msg("%d complaints, the first: %s", atomic_load(&s->complaints), s->complaint);
    matrix_free(&s->rows);
    bench_close(&s->b);
    free(s);
}

static void flat(void **state)
{
    (void)state;
    crowd(KITH_FLAT, 2);
}

static void graph(void **state)
{
    (void)state;
    crowd(KITH_HNSW, 1);
    crowd(KITH_HNSW, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(flat), cmocka_unit_test(graph)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

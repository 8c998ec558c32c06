/* Threads that each walk and scan rows of their own on one device do not disturb each other, nor
 * the proof that walks are right, which the first of them must give. */
#include "tests/opencl_walk.h"

#include <pthread.h>
#include <string.h>

enum { THREADS = 4, ROUNDS = 5, DIM = 21, ROWS = 300, QUERIES = 9, K = 10, EF = 30 };

typedef struct job {
    ki_device *device;
    cloud c;
    web w;
    uint64_t *walked, *scanned;
    unsigned wrong;
} job;

static void *work(void *user)
{
    job *j = user;
    const ki_device_ops *ops = j->device->ops;
    const ki_device_queries queries = cloud_queries(&j->c);
    uint64_t answers[QUERIES * K];
    ki_device_graph graph = j->w.graph;
    graph.layer = j->w.layer;
    for (unsigned round = 0; round < ROUNDS; round++) {
        ki_device_rows *rows = NULL;
        j->wrong += ops->put_rows(j->device, &j->c.set, &rows) != KITH_OK;
        if (!rows)
            continue;
        j->wrong += ops->put_graph(rows, &graph) != KITH_OK;
        j->wrong += ops->walk(rows, &queries, EF, K, answers, NULL) != KITH_OK;
        j->wrong += memcmp(answers, j->walked, sizeof answers) != 0;
        j->wrong += ops->scan(rows, &queries, K, answers) != KITH_OK;
        j->wrong += memcmp(answers, j->scanned, sizeof answers) != 0;
        ops->drop_rows(rows);
    }
    return NULL;
}

static void rows_of_each_thread(void **unused)
{
    (void)unused;
    job jobs[THREADS];
    pthread_t threads[THREADS];
    uint64_t state = check_seed(), hops;
    ki_device *device = opencl_open();
    for (uint32_t i = 0; i < THREADS; i++) {
        job *j = &jobs[i];
        *j = (job){.device = device,
                   .c = cloud_new(KITH_U8, KITH_L2SQ, DIM, ROWS, QUERIES, check_random(&state))};
        const ki_device_queries queries = cloud_queries(&j->c);
        j->w = web_new(&j->c, 12, check_random(&state));
        j->walked = host_walk(&j->c, &j->w, &queries, EF, K, &hops);
        j->scanned = cloud_scan(device, &j->c, 0, QUERIES, K);
    }
    for (uint32_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &jobs[i]), 0);
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(jobs[i].wrong, 0);
        free(jobs[i].walked);
        free(jobs[i].scanned);
        web_free(&jobs[i].w);
        cloud_free(&jobs[i].c);
    }
    assert_int_equal(((ki_cl_device *)device)->memory_used, 0);
    device->ops->close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_of_each_thread)};
    setenv("KITH_CACHE", "disabled", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

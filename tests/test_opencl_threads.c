/* Threads that each search rows of their own on one device do not disturb each other. */
#include "tests/opencl_check.h"

#include <pthread.h>
#include <string.h>

enum { THREADS = 4, ROUNDS = 8, DIM = 21, ROWS = 700, QUERIES = 9, K = 10 };

typedef struct job {
    ki_device *device;
    cloud c;
    uint64_t *expected;
    unsigned wrong;
} job;

static void *work(void *user)
{
    job *j = user;
    const ki_device_ops *ops = j->device->ops;
    const size_t row_bytes = kith_vector_bytes(j->c.type, DIM);
    const ki_device_queries queries = {j->c.asked, row_bytes, QUERIES, 0};
    uint64_t answers[QUERIES * K];
    for (unsigned round = 0; round < ROUNDS; round++) {
        ki_device_rows *rows = NULL;
        j->wrong += ops->put_rows(j->device, &j->c.set, &rows) != KITH_OK;
        if (!rows)
            continue;
        j->wrong += ops->scan(rows, &queries, K, answers) != KITH_OK;
        j->wrong += memcmp(answers, j->expected, sizeof answers) != 0;
        ops->drop_rows(rows);
    }
    return NULL;
}

static void rows_of_each_thread(void **unused)
{
    (void)unused;
    job jobs[THREADS];
    pthread_t threads[THREADS];
    uint64_t state = check_seed();
    setenv("KITH_CACHE", "disabled", 1);
    ki_device *device = opencl_open();
    for (uint32_t i = 0; i < THREADS; i++) {
        const kith_type type = i % 2 ? KITH_F32 : KITH_U8;
        jobs[i] = (job){.device = device,
                        .c = cloud_new(type, KITH_L2SQ, DIM, ROWS, QUERIES, check_random(&state))};
        jobs[i].expected = cloud_scan(device, &jobs[i].c, 0, QUERIES, K);
    }
    for (uint32_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &jobs[i]), 0);
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(jobs[i].wrong, 0);
        free(jobs[i].expected);
        cloud_free(&jobs[i].c);
    }
    device->ops->close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_of_each_thread)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Property: when a sync fails, nobody is told that anything newer is on disk: neither those who
 * wait for a sync of their own at that moment, nor anybody later. The system tells one caller of
 * the failure and the next that all is well, and so does the disk of this test.
 */
#include "tests/check.h"
#include "kv/store.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

enum { ROW_BYTES = 64, THREADS = 4, ROUNDS = 20 };

static char path[64];
static ki_store *store;
static ki_vfs failing;
static int armed, inside; /* atomic */
static uint64_t believed; /* atomic: syncs that succeeded after the one that failed began */

/* The first sync waits a little for others to come, and fails. */
static int sync_file(void *user, int file)
{
    const struct timespec nap = {.tv_nsec = 2000000};
    __atomic_fetch_add(&inside, 1, __ATOMIC_ACQ_REL);
    bool fails = __atomic_exchange_n(&armed, 0, __ATOMIC_ACQ_REL) == 1;
    for (int i = 0; i < 5 && fails && __atomic_load_n(&inside, __ATOMIC_ACQUIRE) < 2; i++)
        nanosleep(&nap, NULL);
    if (!fails)
        return ki_vfs_system.sync(user, file);
    errno = EIO;
    return -1;
}

static void *sync_it(void *user)
{
    (void)user;
    if (!ki_store_sync(store))
        __atomic_fetch_add(&believed, 1, __ATOMIC_RELAXED);
    return NULL;
}

static kith_status put(uint64_t key)
{
    unsigned char row[ROW_BYTES] = {1}, aux[KI_AUX_BYTES] = {0};
    return ki_store_put(store, &key, 8, row, aux, NULL);
}

static void a_failed_sync_is_everybodys(void **state)
{
    const ki_shape shape = {.row_bytes = ROW_BYTES, .keys = KITH_KEYS_U64};
    ki_store_config config = ki_store_defaults(&shape);
    pthread_t thread[THREADS];
    (void)state;
    failing = ki_vfs_system;
    failing.sync = sync_file;
    config.vfs = &failing;
    config.durability = KI_DURABLE_NONE;
    snprintf(path, sizeof path, "kith-sync-%d.store", (int)getpid());
    for (int round = 0; round < ROUNDS; round++) {
        unlink(path);
        assert_int_equal(ki_store_open(path, &config, &store), KITH_OK);
        assert_int_equal(put(1), KITH_OK);
        __atomic_store_n(&inside, 0, __ATOMIC_RELEASE);
        __atomic_store_n(&armed, 1, __ATOMIC_RELEASE);
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&thread[i], NULL, sync_it, NULL), 0);
        for (int i = 0; i < THREADS; i++)
            pthread_join(thread[i], NULL);
        assert_int_equal(believed, 0);
        assert_int_equal(put(2), KITH_EIO);
        assert_int_equal(ki_store_sync(store), KITH_EIO);
        assert_int_equal(ki_store_checkpoint(store), KITH_EIO);
        assert_int_equal(ki_store_durable_lsn(store), 0);
        ki_store_close(store);
    }
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_failed_sync_is_everybodys)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

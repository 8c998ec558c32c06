/* Property: with KI_DURABLE_INTERVAL a commit is on disk soon after the interval although no other
 * commit comes: also when the system's clock is set back, after a compaction that was refused, and
 * while one is on its way.
 *
 * The clock of day is an hour ahead of itself when it is read: what waits by it for a moment that
 * was read from it waits as if it had been put back by an hour.
 */
#include "tests/check.h"
#include "kv/store.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROW_BYTES = 64, INTERVAL_MS = 20, PATIENCE_MS = 5000 };

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = __real_clock_gettime(clock, now);
    if (clock == CLOCK_REALTIME)
        now->tv_sec += 3600;
    return result;
}

static char path[64];

static ki_store *open_it(void)
{
    const ki_shape shape = {.row_bytes = ROW_BYTES, .keys = KITH_KEYS_U64};
    ki_store_config config = ki_store_defaults(&shape);
    ki_store *store = NULL;
    config.durability = KI_DURABLE_INTERVAL;
    config.interval_ms = INTERVAL_MS;
    if (ki_store_open(path, &config, &store))
        fail_msg("%s", kith_last_error());
    return store;
}

static void put(ki_store *store, uint64_t key)
{
    unsigned char row[ROW_BYTES] = {1}, aux[KI_AUX_BYTES] = {0};
    if (ki_store_put(store, &key, 8, row, aux, NULL))
        fail_msg("%s", kith_last_error());
}

static void becomes_durable(const ki_store *store)
{
    const struct timespec nap = {.tv_nsec = 1000000};
    for (int i = 0; i < PATIENCE_MS; i++) {
        if (ki_store_durable_lsn(store) == ki_store_lsn(store))
            return;
        nanosleep(&nap, NULL);
    }
    fail_msg("LSN %llu is not on disk, only %llu", (unsigned long long)ki_store_lsn(store),
             (unsigned long long)ki_store_durable_lsn(store));
}

static void by_a_clock_that_is_set_back(void **state)
{
    (void)state;
    ki_store *store = open_it();
    for (uint64_t key = 0; key < 3; key++) {
        put(store, key);
        becomes_durable(store);
    }
    ki_store_close(store);
}

static int stop_at_once(void *user, uint64_t done, uint64_t total)
{
    const ki_store *store = user;
    (void)done;
    (void)total;
    becomes_durable(store);
    return 1;
}

static void around_compactions(void **state)
{
    ki_snapshot *snapshot = NULL;
    (void)state;
    ki_store *store = open_it();
    assert_int_equal(ki_snapshot_open(store, &snapshot), KITH_OK);
    assert_int_equal(ki_store_compact(store, NULL, NULL), KITH_EBUSY);
    ki_snapshot_close(snapshot);
    put(store, 10);
    becomes_durable(store);
    put(store, 11);
    assert_int_equal(ki_store_compact(store, stop_at_once, store), KITH_ECANCELLED);
    put(store, 12);
    becomes_durable(store);
    assert_int_equal(ki_store_compact(store, NULL, NULL), KITH_OK);
    put(store, 13);
    becomes_durable(store);
    ki_store_close(store);
}

static int remove_file(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "kith-interval-%d.store", (int)getpid());
    unlink(path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_a_clock_that_is_set_back),
        cmocka_unit_test(around_compactions),
    };
    return cmocka_run_group_tests(tests, remove_file, remove_file);
}

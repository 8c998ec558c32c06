/* Property: eight readers, a writer and one who takes snapshots, all on one store in a file, each
 * see whole commits: every row a reader gets is one that was put under that key, its checksum
 * included, and a snapshot sees the same commit from its first key to its last. ThreadSanitizer
 * watches in its own build.
 *
 * KITH_READERS_SECONDS sets how long: 1 unless told, and 60 in the build for ThreadSanitizer.
 *
 * Commit n puts n under every key, deletes and metadata aside, so that any mixture is seen.
 */
#include "tests/check.h"
#include "kv/store.h"

#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { READERS = 8, KEYS = 6, ROW_WORDS = 20, ROW_BYTES = ROW_WORDS * 8 };

static ki_store *store;
static bool stop;                    /* atomic */
static uint64_t reads, views, wrong; /* atomic */

static unsigned wanted_seconds(void)
{
    const char *text = getenv("KITH_READERS_SECONDS");
    return text ? (unsigned)strtoul(text, NULL, 0) : 1;
}

static bool stopped(void)
{
    return __atomic_load_n(&stop, __ATOMIC_ACQUIRE);
}

static void count(uint64_t *what)
{
    __atomic_fetch_add(what, 1, __ATOMIC_RELAXED);
}

static void row_of(uint64_t key, uint64_t number, uint64_t *row)
{
    uint64_t random = number << 8 | key;
    row[0] = number;
    for (int i = 1; i < ROW_WORDS; i++)
        row[i] = check_random(&random);
}

static kith_status commit(uint64_t number)
{
    static uint64_t key[KEYS], row[KEYS][ROW_WORDS], meta[KEYS];
    ki_op op[KEYS];
    for (uint64_t i = 0; i < KEYS; i++) {
        key[i] = i;
        meta[i] = number;
        row_of(i, number, row[i]);
        op[i] = (ki_op){.kind = KI_PUT,
                        .key = &key[i],
                        .key_len = 8,
                        .elements = row[i],
                        .aux = row[i],
                        .meta = &meta[i],
                        .meta_len = 8};
    }
    return ki_store_commit(store, op, KEYS, NULL, NULL);
}

/* The commit that a key's row and metadata belong to; UINT64_MAX when they do not agree. */
static uint64_t commit_of(const ki_snapshot *snapshot, uint64_t key)
{
    uint64_t row[ROW_WORDS], want[ROW_WORDS], meta = 0;
    if (ki_store_get(store, snapshot, &key, 8, row, &meta, 8, NULL))
        return UINT64_MAX;
    row_of(key, row[0], want);
    return memcmp(row, want, ROW_BYTES) || meta != row[0] ? UINT64_MAX : row[0];
}

static void *read_on(void *user)
{
    uint64_t random = (uintptr_t)user, newest[KEYS] = {0};
    while (!stopped()) {
        uint64_t key = check_below(&random, KEYS), found = commit_of(NULL, key);
        if (found == UINT64_MAX || found < newest[key]) /* time does not run backwards */
            count(&wrong);
        newest[key] = found;
        count(&reads);
    }
    return NULL;
}

static void *take_snapshots(void *user)
{
    (void)user;
    while (!stopped()) {
        ki_snapshot *snapshot;
        if (ki_snapshot_open(store, &snapshot))
            return count(&wrong), NULL;
        uint64_t first = commit_of(snapshot, 0);
        for (int round = 0; round < 4; round++)
            for (uint64_t key = 0; key < KEYS; key++)
                if (first == UINT64_MAX || commit_of(snapshot, key) != first)
                    count(&wrong);
        ki_snapshot_close(snapshot);
        count(&views);
    }
    return NULL;
}

static uint64_t write_on(void)
{
    const time_t end = time(NULL) + (time_t)wanted_seconds() + 1;
    uint64_t number = 2;
    for (; time(NULL) < end; number++) {
        assert_int_equal(commit(number), KITH_OK);
        if (number % 500 == 0)
            assert_int_equal(ki_store_checkpoint(store), KITH_OK);
    }
    return number - 2;
}

static void whole_commits_for_everyone(void **unused)
{
    const ki_shape shape = {.row_bytes = ROW_BYTES, .keys = KITH_KEYS_U64};
    ki_store_config config = ki_store_defaults(&shape);
    pthread_t thread[READERS + 1];
    char path[64];
    (void)unused;
    config.durability = KI_DURABLE_NONE; /* commits as dense as can be */
    config.log_bytes = 1 << 18;
    snprintf(path, sizeof path, "kith-eight-%d.store", (int)getpid());
    unlink(path);
    assert_int_equal(ki_store_open(path, &config, &store), KITH_OK);
    assert_int_equal(commit(1), KITH_OK);
    for (uintptr_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, read_on, (void *)(i + 1)), 0);
    assert_int_equal(pthread_create(&thread[READERS], NULL, take_snapshots, NULL), 0);
    uint64_t commits = write_on();
    __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
    for (int i = 0; i <= READERS; i++)
        pthread_join(thread[i], NULL);
    printf("%llu commits, %llu gets, %llu snapshots\n", (unsigned long long)commits,
           (unsigned long long)reads, (unsigned long long)views);
    assert_int_equal(wrong, 0);
    assert_true(commits > 0 && reads > 0 && views > 0);
    assert_int_equal(ki_store_check(store, true, NULL, NULL), KITH_OK);
    ki_store_close(store);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whole_commits_for_everyone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

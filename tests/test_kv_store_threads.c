/* Property: with writers, readers, snapshots and checkpoints at work in many threads, a reader sees
 * whole commits only, a snapshot never changes, and everything that was acknowledged is there in
 * the end. Each durability; ThreadSanitizer watches in its own build.
 *
 * A commit of writer w puts the same counter under both of its keys, so two keys that differ are
 * half a commit.
 */
#include "tests/check.h"
#include "kv/store.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum { WRITERS = 3, READERS = 3, COMMITS = 150, ROW_BYTES = 64 };

typedef struct job {
    ki_store *store;
    uint32_t number;
    uint64_t written, seen;
    bool failed;
} job;

static bool stop; /* atomic */

static void fill(uint64_t *row, uint64_t value)
{
    for (int i = 0; i < ROW_BYTES / 8; i++)
        row[i] = value * (uint64_t)(i + 1);
}

static kith_status put_pair(ki_store *store, uint64_t writer, uint64_t value)
{
    uint64_t key[2] = {2 * writer, 2 * writer + 1}, row[ROW_BYTES / 8], aux[2] = {value, value};
    ki_op op[2];
    fill(row, value);
    for (int i = 0; i < 2; i++)
        op[i] = (ki_op){.kind = KI_PUT,
                        .key = &key[i],
                        .key_len = 8,
                        .elements = row,
                        .aux = aux,
                        .meta = aux,
                        .meta_len = 8};
    return ki_store_commit(store, op, 2, NULL, NULL);
}

static void *write_pairs(void *user)
{
    job *j = user;
    for (uint64_t i = 1; i <= COMMITS && !j->failed; i++) {
        j->failed = put_pair(j->store, j->number, i) != KITH_OK;
        if (i % 50 == 0)
            j->failed |= ki_store_checkpoint(j->store) != KITH_OK;
        j->written = i;
    }
    return NULL;
}

/* Both keys of a writer as of a snapshot; they agree, row and metadata. */
static bool read_pair(job *j, const ki_snapshot *snapshot, uint64_t writer, uint64_t *value)
{
    uint64_t row[2][ROW_BYTES / 8], want[ROW_BYTES / 8], meta[2];
    for (uint64_t i = 0; i < 2; i++) {
        uint64_t key = 2 * writer + i;
        if (ki_store_get(j->store, snapshot, &key, 8, row[i], &meta[i], 8, NULL))
            return *value = 0, true;
    }
    fill(want, row[0][0]);
    *value = row[0][0];
    return memcmp(row[0], want, ROW_BYTES) == 0 && memcmp(row[1], want, ROW_BYTES) == 0 &&
           meta[0] == row[0][0] && meta[1] == row[0][0];
}

static void *read_pairs(void *user)
{
    job *j = user;
    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE) && !j->failed) {
        ki_snapshot *snapshot;
        uint64_t first[WRITERS], again;
        if (ki_snapshot_open(j->store, &snapshot))
            return j->failed = true, NULL;
        for (uint64_t w = 0; w < WRITERS; w++)
            j->failed |= !read_pair(j, snapshot, w, &first[w]);
        for (uint64_t w = 0; w < WRITERS; w++)
            j->failed |= !read_pair(j, snapshot, w, &again) || again != first[w];
        ki_snapshot_close(snapshot);
        j->seen++;
    }
    return NULL;
}

static void run(ki_durability durability, const char *path)
{
    const ki_shape shape = {.row_bytes = ROW_BYTES, .keys = KITH_KEYS_U64};
    ki_store_config config = ki_store_defaults(&shape);
    pthread_t writer[WRITERS], reader[READERS];
    job writing[WRITERS], reading[READERS];
    ki_store *store = NULL;
    uint64_t value, seen = 0;
    config.durability = durability;
    config.interval_ms = 2;
    config.log_bytes = 65536;
    if (path)
        unlink(path);
    assert_int_equal(ki_store_open(path, &config, &store), KITH_OK);
    __atomic_store_n(&stop, false, __ATOMIC_RELEASE);
    for (uint32_t i = 0; i < WRITERS; i++) {
        writing[i] = (job){.store = store, .number = i};
        assert_int_equal(pthread_create(&writer[i], NULL, write_pairs, &writing[i]), 0);
    }
    for (uint32_t i = 0; i < READERS; i++) {
        reading[i] = (job){.store = store, .number = i};
        assert_int_equal(pthread_create(&reader[i], NULL, read_pairs, &reading[i]), 0);
    }
    for (uint32_t i = 0; i < WRITERS; i++)
        pthread_join(writer[i], NULL);
    __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
    for (uint32_t i = 0; i < READERS; i++) {
        pthread_join(reader[i], NULL);
        assert_false(reading[i].failed);
        seen += reading[i].seen;
    }
    if (path) {
        ki_store_close(store);
        assert_int_equal(ki_store_open(path, &config, &store), KITH_OK);
    }
    for (uint32_t i = 0; i < WRITERS; i++) {
        job j = {.store = store};
        assert_false(writing[i].failed);
        assert_true(read_pair(&j, NULL, i, &value));
        assert_int_equal(value, COMMITS);
    }
    assert_int_equal(ki_store_check(store, true, NULL, NULL), KITH_OK);
    ki_store_close(store);
    printf("%llu snapshots were compared\n", (unsigned long long)seen);
    if (path)
        unlink(path);
}

static void whole_commits_only(void **state)
{
    char path[64];
    (void)state;
    snprintf(path, sizeof path, "kith-threads-%d.store", (int)getpid());
    run(KI_DURABLE_COMMIT, NULL);
    run(KI_DURABLE_COMMIT, path);
    run(KI_DURABLE_INTERVAL, path);
    run(KI_DURABLE_NONE, path);
}

/* A second writer is refused while there is one; a reader is not, sees the last commit, and keeps
 * the rows it sees. */
static void one_writer_many_readers(void **state)
{
    const ki_shape shape = {.row_bytes = ROW_BYTES, .keys = KITH_KEYS_U64};
    ki_store_config config = ki_store_defaults(&shape), reads = config;
    ki_store *store = NULL, *second = NULL, *reader = NULL;
    uint64_t value;
    char path[64];
    (void)state;
    reads.read_only = true;
    snprintf(path, sizeof path, "kith-readers-%d.store", (int)getpid());
    unlink(path);
    assert_int_equal(ki_store_open(path, &reads, &reader), KITH_ENOTFOUND);
    assert_int_equal(ki_store_open(path, &config, &store), KITH_OK);
    assert_int_equal(put_pair(store, 0, 1), KITH_OK);
    assert_int_equal(ki_store_open(path, &config, &second), KITH_EBUSY);
    assert_int_equal(ki_store_open(path, &reads, &reader), KITH_OK);
    job j = {.store = reader};
    for (uint64_t i = 2; i < 40; i++) {
        assert_int_equal(put_pair(store, 0, i), KITH_OK);
        assert_int_equal(ki_store_checkpoint(store), KITH_OK);
        assert_true(read_pair(&j, NULL, 0, &value));
        assert_int_equal(value, 1);
    }
    assert_int_equal(put_pair(reader, 0, 9), KITH_EINVAL);
    ki_store_close(reader);
    ki_store_close(store);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_commits_only),
        cmocka_unit_test(one_writer_many_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

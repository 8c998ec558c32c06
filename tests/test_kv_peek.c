/* Property: what is found without a lock is what is found with it, for now and for a snapshot,
 * while a writer puts, replaces, deletes, sets metadata and makes the directory grow; and memory
 * that the directory has outgrown can still be read. ThreadSanitizer watches in its own build.
 */
#include "tests/check.h"
#include "kv/directory.h"
#include "kv/store.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum { READERS = 2, KEYS = 4000, COMMITS = 2500, ROUNDS = 500, ENOUGH = 1000, ROW_BYTES = 96 };

static bool stop; /* atomic */

typedef struct reader {
    ki_store *store;
    uint64_t random;
    uint64_t found; /* atomic */
    bool failed;    /* atomic */
} reader;

static ki_store *open_store(void)
{
    const ki_shape shape = {.row_bytes = ROW_BYTES, .keys = KITH_KEYS_BYTES};
    const ki_store_config config = ki_store_defaults(&shape);
    ki_store *store = NULL;
    assert_int_equal(ki_store_open(NULL, &config, &store), KITH_OK);
    return store;
}

/* Keys of 8 and of 16 bytes, and some that do not fit in a REC. */
static size_t key_of(uint64_t number, uint64_t *key)
{
    key[0] = number;
    key[1] = ~number;
    key[2] = 7;
    return number % 16 == 3 ? 24 : number % 2 ? 16 : 8;
}

static kith_status change(ki_store *store, ki_op_kind kind, uint64_t number, uint32_t meta_len)
{
    uint64_t key[3], row[ROW_BYTES / 8], aux[2] = {number, number};
    for (int i = 0; i < ROW_BYTES / 8; i++)
        row[i] = number;
    const ki_op op = {.kind = kind,
                      .key = key,
                      .key_len = (uint16_t)key_of(number, key),
                      .elements = row,
                      .aux = aux,
                      .meta = aux,
                      .meta_len = meta_len};
    return ki_store_commit(store, &op, 1, NULL, NULL);
}

static void write_some(ki_store *store, uint64_t *random, uint64_t commits)
{
    for (uint64_t i = 0; i < commits; i++) {
        uint64_t number = check_below(random, (uint32_t)(KEYS * (i + 1) / commits) + 1);
        uint32_t what = check_below(random, 10);
        ki_op_kind kind = what < 6 ? KI_PUT : what < 8 ? KI_DEL : KI_SET_META;
        kith_status status = change(store, kind, number, what == 5 || what == 8 ? 9 : 0);
        assert_true(status == KITH_OK || (kind != KI_PUT && status == KITH_ENOTFOUND));
    }
}

/* As of a snapshot both must agree. What is found for now may be another key's row a moment later.
 * Metadata that change under a snapshot send all gets the way of the lock while it is open. */
static bool agrees(reader *r, const ki_snapshot *snapshot, uint64_t number)
{
    uint64_t key[3], held;
    size_t key_len = key_of(number, key);
    ki_view view;
    uint32_t row = ki_store_peek(r->store, snapshot, key, key_len);
    if (row != KI_NO_ROW) {
        __atomic_fetch_add(&r->found, 1, __ATOMIC_RELAXED);
        if (ki_store_look(r->store, snapshot, key, key_len, &view) || view.row != row ||
            view.meta_len != 0)
            return false;
        memcpy(&held, view.elements, sizeof held);
        if (held != number)
            return false;
    }
    row = ki_store_peek(r->store, NULL, key, key_len);
    return row == KI_NO_ROW || row < ki_store_rows(r->store);
}

static void *read_some(void *user)
{
    reader *r = user;
    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE) && !r->failed) {
        ki_snapshot *snapshot;
        if (ki_snapshot_open(r->store, &snapshot))
            return __atomic_store_n(&r->failed, true, __ATOMIC_RELAXED), NULL;
        for (int i = 0; i < 200 && !r->failed; i++)
            if (!agrees(r, snapshot, check_below(&r->random, KEYS)))
                __atomic_store_n(&r->failed, true, __ATOMIC_RELAXED);
        ki_snapshot_close(snapshot);
    }
    return NULL;
}

static void beside_a_writer(void **state)
{
    uint64_t random = check_seed();
    ki_store *store = open_store();
    pthread_t thread[READERS];
    reader r[READERS];
    (void)state;
    for (uint32_t i = 0; i < READERS; i++) {
        r[i] = (reader){.store = store, .random = random + i};
        assert_int_equal(pthread_create(&thread[i], NULL, read_some, &r[i]), 0);
    }
    for (uint32_t i = 0, rounds = 0; i < READERS && rounds < ROUNDS; rounds++) {
        write_some(store, &random, COMMITS);
        i += __atomic_load_n(&r[i].found, __ATOMIC_RELAXED) >= ENOUGH;
        i += __atomic_load_n(&r[0].failed, __ATOMIC_RELAXED) ? READERS : 0;
        i += __atomic_load_n(&r[1].failed, __ATOMIC_RELAXED) ? READERS : 0;
        usleep(1000); /* where there are few cores, readers get theirs */
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
    for (uint32_t i = 0; i < READERS; i++) {
        pthread_join(thread[i], NULL);
        assert_false(r[i].failed);
        assert_true(r[i].found > 0);
    }
    ki_store_close(store);
}

/* Without a writer, whatever can be peeked is: short keys without metadata. */
static void alone(void **state)
{
    uint64_t random = check_seed(), key[3];
    ki_store *store = open_store();
    ki_view view;
    (void)state;
    write_some(store, &random, COMMITS);
    for (uint64_t number = 0; number < KEYS; number++) {
        size_t key_len = key_of(number, key);
        uint32_t row = ki_store_peek(store, NULL, key, key_len);
        bool there = ki_store_look(store, NULL, key, key_len, &view) == KITH_OK;
        assert_int_equal(row, there && key_len <= 16 && view.meta_len == 0 ? view.row : KI_NO_ROW);
        if (row != KI_NO_ROW)
            assert_memory_equal(ki_store_short_key(store, row), key, key_len);
    }
    ki_store_close(store);
}

/* Metadata that are gone now, but that a snapshot still shows; and a row that is younger. */
static void a_snapshot_sees_the_past(void **state)
{
    uint64_t key[3];
    ki_store *store = open_store();
    ki_snapshot *snapshot;
    ki_view view;
    (void)state;
    assert_int_equal(change(store, KI_PUT, 1, 9), KITH_OK);
    assert_int_equal(change(store, KI_PUT, 5, 0), KITH_OK);
    assert_int_equal(ki_snapshot_open(store, &snapshot), KITH_OK);
    size_t key_len = key_of(5, key);
    uint32_t row = ki_store_peek(store, snapshot, key, key_len);
    assert_int_not_equal(row, KI_NO_ROW);
    assert_int_equal(change(store, KI_PUT, 5, 0), KITH_OK);
    assert_int_equal(ki_store_peek(store, snapshot, key, key_len), KI_NO_ROW);
    assert_int_equal(ki_store_look(store, snapshot, key, key_len, &view), KITH_OK);
    assert_int_equal(view.row, row);
    assert_int_not_equal(ki_store_peek(store, NULL, key, key_len), row);
    assert_int_equal(change(store, KI_SET_META, 1, 0), KITH_OK);
    key_len = key_of(1, key);
    assert_int_equal(ki_store_peek(store, snapshot, key, key_len), KI_NO_ROW);
    assert_int_equal(ki_store_look(store, snapshot, key, key_len, &view), KITH_OK);
    assert_int_equal(view.meta_len, 9);
    ki_snapshot_close(snapshot);
    ki_store_close(store);
}

static bool never(const void *user, uint32_t row, const void *key, size_t key_len)
{
    (void)user, (void)row, (void)key, (void)key_len;
    return false;
}

/* Walks that began in a table, small or large, and go on when it was outgrown. */
static void outgrown_tables_can_be_read(void **state)
{
    ki_directory *directory;
    ki_peek walk[24];
    size_t walks = 0;
    uint64_t key = 0;
    (void)state;
    assert_int_equal(ki_directory_open(never, NULL, &directory), KITH_OK);
    ki_directory_share(directory);
    assert_int_equal(ki_directory_places(directory, &key, 8).bits, 0);
    for (uint32_t bits = 0; bits < 18; bits++) {
        assert_int_equal(ki_directory_reserve(directory, ((size_t)8 << bits) - key), KITH_OK);
        for (; key < (uint64_t)8 << bits; key++)
            ki_directory_set(directory, &key, 8, (uint32_t)key);
        walk[walks++] = ki_peek_at(ki_directory_places(directory, &(uint64_t){1}, 8));
        ki_peek now = walk[walks - 1];
        assert_int_equal(ki_peek_next(&now), 1);
    }
    assert_true(ki_directory_bytes(directory) <= ((size_t)8 << 21) + (128 << 10));
    for (size_t i = 0; i < walks; i++) {
        size_t steps = 0;
        while (ki_peek_next(&walk[i]) != KI_NO_ROW)
            steps++;
        assert_true(steps <= KI_PEEK_MOST);
    }
    ki_directory_close(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beside_a_writer),
        cmocka_unit_test(alone),
        cmocka_unit_test(a_snapshot_sees_the_past),
        cmocka_unit_test(outgrown_tables_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

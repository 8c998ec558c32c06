/* test_store_cursors.c - a snapshot shows the store as it was, and its cursor every key of it in
 * order, forwards and backwards, whatever is written meanwhile; checked against a naive model.
 */
#include "tests/index_data.h"

#include <string.h>
#include <unistd.h>

enum { DIM = 2, KEYS = 300, ROUNDS = 40 };

static kith_store *open_store(const char *path, kith_key_kind keys)
{
    kith_store_options options = kith_store_defaults(DIM, KITH_F32, KITH_L2SQ);
    kith_store *store = NULL;
    options.keys = keys;
    options.durability = KITH_DURABLE_NONE;
    must(kith_store_open(path, &options, &store));
    return store;
}

/* Keys of 1 to 40 bytes that share prefixes and hold 0 and 255. */
static size_t key_of(uint32_t number, unsigned char *key)
{
    uint64_t random = number + 1;
    size_t length = 1 + check_below(&random, 40);
    for (size_t i = 0; i < length; i++)
        key[i] = (unsigned char)(check_below(&random, 3) * 127);
    key[length - 1] = (unsigned char)number;
    key[length] = (unsigned char)(number >> 8);
    return length + 1;
}

static int compare_keys(const unsigned char *a, size_t a_len, const unsigned char *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order ? order : (a_len > b_len) - (a_len < b_len);
}

/* values[i] is the vector of key i, 0 when it is absent. */
static void change(kith_store *store, float *values, uint64_t *random)
{
    unsigned char key[64];
    uint32_t i = check_below(random, KEYS);
    size_t length = key_of(i, key);
    if (check_below(random, 3) == 0) {
        kith_status status = kith_store_del(store, key, length);
        assert_int_equal(status, values[i] != 0 ? KITH_OK : KITH_ENOTFOUND);
        values[i] = 0;
        return;
    }
    const float vector[DIM] = {(float)(1 + check_below(random, 1000)), (float)i};
    must(kith_store_put(store, key, length, vector));
    values[i] = vector[0];
}

static size_t count_of(const float *values)
{
    size_t n = 0;
    for (int i = 0; i < KEYS; i++)
        n += values[i] != 0;
    return n;
}

static void check_one(const kith_item *item, const float *values)
{
    const float *vector = item->vector;
    uint32_t number = (uint32_t)vector[1];
    unsigned char key[64];
    size_t length = key_of(number, key);
    assert_int_equal(item->key_len, length);
    assert_memory_equal(item->key, key, length);
    assert_true(vector[0] == values[number]);
}

typedef kith_status (*move_fn)(kith_cursor *, kith_item *);

/* Sees every key of the model once, in the order that `sign` says. */
static void walk(const kith_snapshot *snapshot, const float *values, move_fn begin, move_fn go,
                 int sign)
{
    kith_cursor *cursor = NULL;
    kith_item item = {.size = sizeof item};
    unsigned char before[64];
    size_t before_len = 0, seen = 0;
    must(kith_cursor_open(snapshot, NULL, 0, &cursor));
    for (kith_status status = begin(cursor, &item); !status; status = go(cursor, &item)) {
        check_one(&item, values);
        if (seen++)
            assert_true(sign * compare_keys(before, before_len, item.key, item.key_len) < 0);
        memcpy(before, item.key, item.key_len);
        before_len = item.key_len;
    }
    assert_int_equal(seen, count_of(values));
    kith_cursor_close(cursor);
}

static void check_snapshot(const kith_snapshot *snapshot, const float *values)
{
    kith_item item = {.size = sizeof item};
    walk(snapshot, values, kith_cursor_first, kith_cursor_next, 1);
    walk(snapshot, values, kith_cursor_last, kith_cursor_prev, -1);
    for (uint32_t i = 0; i < KEYS; i++) {
        unsigned char key[64];
        size_t length = key_of(i, key);
        kith_status status = kith_snapshot_get(snapshot, key, length, &item);
        assert_int_equal(status, values[i] != 0 ? KITH_OK : KITH_ENOTFOUND);
        if (!status)
            check_one(&item, values);
    }
}

/* Two snapshots at a time, of different ages, while the store goes on changing. */
static void snapshots_stand_still(kith_store *store)
{
    static float values[KEYS], then[2][KEYS];
    kith_snapshot *snapshot[2] = {NULL, NULL};
    uint64_t random = check_seed();
    memset(values, 0, sizeof values);
    for (int round = 0; round < ROUNDS; round++) {
        kith_snapshot_close(snapshot[round % 2]);
        must(kith_snapshot_open(store, &snapshot[round % 2]));
        memcpy(then[round % 2], values, sizeof values);
        for (int i = 0; i < 60; i++)
            change(store, values, &random);
        for (int i = 0; i < 2; i++)
            if (snapshot[i])
                check_snapshot(snapshot[i], then[i]);
    }
    kith_snapshot_close(snapshot[0]);
    kith_snapshot_close(snapshot[1]);
}

static void in_memory(void **state)
{
    (void)state;
    kith_store *store = open_store(NULL, KITH_KEYS_BYTES);
    snapshots_stand_still(store);
    kith_store_close(store);
}

static void in_a_file(void **state)
{
    char path[64];
    (void)state;
    snprintf(path, sizeof path, "/tmp/kith-cursors-%d", (int)getpid());
    unlink(path);
    kith_store *store = open_store(path, KITH_KEYS_BYTES);
    snapshots_stand_still(store);
    must(kith_store_compact(store, NULL, NULL)); /* rows are renumbered: the order is made anew */
    kith_store_stats stats = {.size = sizeof stats};
    must(kith_store_stat(store, &stats));
    kith_snapshot *snapshot = NULL;
    kith_cursor *cursor = NULL;
    kith_item item = {.size = sizeof item};
    uint64_t seen = 0;
    must(kith_snapshot_open(store, &snapshot));
    must(kith_cursor_open(snapshot, NULL, 0, &cursor));
    while (kith_cursor_next(cursor, &item) == KITH_OK)
        seen++;
    assert_int_equal(seen, stats.live);
    kith_cursor_close(cursor);
    kith_snapshot_close(snapshot);
    kith_store_close(store);
    unlink(path);
}

static void numbers_prefixes_and_seeks(void **state)
{
    kith_store *store = open_store(NULL, KITH_KEYS_U64);
    kith_snapshot *snapshot = NULL;
    kith_cursor *cursor = NULL;
    kith_item item = {.size = sizeof item};
    const float vector[DIM] = {1, 2};
    uint64_t key = 300;
    (void)state;
    for (uint64_t i = 0; i < 1000; i += 7)
        must(kith_store_put_u64(store, i << 7, vector)); /* order by value, not by bytes */
    must(kith_snapshot_open(store, &snapshot));
    must_fail(kith_cursor_open(snapshot, "a", 1, &cursor), KITH_EINVAL, "numbers");
    must(kith_cursor_open(snapshot, NULL, 0, &cursor));
    must(kith_cursor_seek(cursor, &key, sizeof key, &item));
    memcpy(&key, item.key, sizeof key);
    assert_int_equal(key, 7 << 7);
    must(kith_cursor_prev(cursor, &item));
    memcpy(&key, item.key, sizeof key);
    assert_int_equal(key, 0);
    must_fail(kith_cursor_prev(cursor, &item), KITH_ENOTFOUND, "");
    must(kith_cursor_next(cursor, &item)); /* back from before the first */
    kith_cursor_close(cursor);
    kith_snapshot_close(snapshot);
    kith_store_close(store);

    store = open_store(NULL, KITH_KEYS_BYTES);
    const char *const names[] = {"a", "ab", "ab\xff", "ab\xff\xff", "ac", "b"};
    for (size_t i = 0; i < 6; i++)
        must(kith_store_put(store, names[i], strlen(names[i]), vector));
    must(kith_snapshot_open(store, &snapshot));
    must(kith_cursor_open(snapshot, "ab", 2, &cursor));
    size_t seen = 0;
    for (kith_status status = kith_cursor_first(cursor, &item); !status; seen++)
        status = kith_cursor_next(cursor, &item);
    assert_int_equal(seen, 3);
    must(kith_cursor_prev(cursor, &item)); /* back from behind the last */
    assert_int_equal(item.key_len, 4);
    kith_cursor_close(cursor);
    kith_snapshot_close(snapshot);
    kith_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_memory),
        cmocka_unit_test(in_a_file),
        cmocka_unit_test(numbers_prefixes_and_seeks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

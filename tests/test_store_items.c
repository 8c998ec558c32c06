/* test_store_items.c - what the public calls of a store promise, in memory and in a file alike:
 * commits are whole, the kinds of operation mean what they say, metadata come back, and what was
 * in a file is there when it is opened again.
 */
#include "tests/index_data.h"

#include <string.h>
#include <unistd.h>

enum { DIM = 3 };

static const char *file_path(void)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/kith-items-%d", (int)getpid());
    return path;
}

static kith_store *open_store(const char *path, kith_key_kind keys)
{
    kith_store_options options = kith_store_defaults(DIM, KITH_F32, KITH_L2SQ);
    kith_store *store = NULL;
    options.keys = keys;
    options.durability = KITH_DURABLE_NONE; /* nobody cuts the power here */
    must(kith_store_open(path, &options, &store));
    return store;
}

static kith_op op_of(kith_op_kind kind, const char *key, const float *vector, const char *meta)
{
    return (kith_op){.kind = kind,
                     .key = key,
                     .key_len = strlen(key),
                     .vector = vector,
                     .meta = meta,
                     .meta_len = meta ? strlen(meta) : 0};
}

static void expect_item(const kith_store *store, const char *key, float first, const char *meta)
{
    float vector[DIM];
    char room[64] = "";
    size_t length = 99;
    must(kith_store_get(store, key, strlen(key), vector));
    assert_true(vector[0] == first);
    must(kith_store_get_meta(store, key, strlen(key), room, sizeof room, &length));
    assert_int_equal(length, strlen(meta));
    assert_memory_equal(room, meta, length);
}

static void kinds_mean_what_they_say(kith_store *store)
{
    const float a[DIM] = {1, 0, 0}, b[DIM] = {2, 0, 0}, c[DIM] = {3, 0, 0};
    kith_op op = op_of(KITH_REPLACE, "x", a, "m");
    must_fail(kith_store_commit(store, &op, 1, NULL), KITH_ENOTFOUND, "");
    op = op_of(KITH_SET_META, "x", NULL, "m");
    must_fail(kith_store_commit(store, &op, 1, NULL), KITH_ENOTFOUND, "");
    op = op_of(KITH_PUT_NEW, "x", a, "first");
    must(kith_store_commit(store, &op, 1, NULL));
    expect_item(store, "x", 1, "first");
    must_fail(kith_store_commit(store, &op, 1, NULL), KITH_EEXISTS, "");
    op = op_of(KITH_REPLACE, "x", b, NULL);
    must(kith_store_commit(store, &op, 1, NULL));
    expect_item(store, "x", 2, "");
    uint32_t row = 0, same = 1;
    op = op_of(KITH_PUT, "x", c, "second");
    must(kith_store_commit(store, &op, 1, &row));
    op = op_of(KITH_SET_META, "x", NULL, "third");
    must(kith_store_commit(store, &op, 1, &same));
    assert_int_equal(row, same); /* metadata alone leave the row where it is */
    expect_item(store, "x", 3, "third");
}

/* The third operation of four fails: nothing of the commit is there. */
static void commits_are_whole(kith_store *store)
{
    const float a[DIM] = {7, 0, 0};
    const kith_op ops[] = {op_of(KITH_PUT, "new", a, NULL), op_of(KITH_DELETE, "x", NULL, NULL),
                           op_of(KITH_REPLACE, "nowhere", a, NULL),
                           op_of(KITH_PUT, "newer", a, NULL)};
    float vector[DIM];
    must_fail(kith_store_commit(store, ops, 4, NULL), KITH_ENOTFOUND, "2");
    must_fail(kith_store_get(store, "new", 3, vector), KITH_ENOTFOUND, "");
    expect_item(store, "x", 3, "third");
    must(kith_store_commit(store, ops, 2, NULL));
    must_fail(kith_store_get(store, "x", 1, vector), KITH_ENOTFOUND, "");
    expect_item(store, "new", 7, "");
}

static void refusals(kith_store *store)
{
    const float good[DIM] = {1, 2, 3}, bad[DIM] = {1, (float)(0.0 / 0.0), 3};
    static char big[65537];
    char key[600], room[2];
    size_t length = 77;
    kith_op op = op_of(KITH_PUT, "k", bad, NULL);
    must_fail(kith_store_commit(store, &op, 1, NULL), KITH_EINVAL, "element 1");
    op = op_of(KITH_PUT, "k", NULL, NULL);
    must_fail(kith_store_commit(store, &op, 1, NULL), KITH_EINVAL, "no vector");
    op = op_of(KITH_PUT, "k", good, NULL);
    op.meta = big;
    op.meta_len = sizeof big;
    must_fail(kith_store_commit(store, &op, 1, NULL), KITH_EINVAL, "65537");
    op.kind = (kith_op_kind)9;
    must_fail(kith_store_commit(store, &op, 1, NULL), KITH_EINVAL, "9");
    memset(key, 'k', sizeof key);
    must_fail(kith_store_put(store, key, 513, good), KITH_EINVAL, "513");
    must_fail(kith_store_put(store, key, 0, good), KITH_EINVAL, "0");
    must_fail(kith_store_put_u64(store, 1, good), KITH_EINVAL, "byte-string");
    op = op_of(KITH_PUT, "k", good, "four");
    must(kith_store_commit(store, &op, 1, NULL));
    must_fail(kith_store_get_meta(store, "k", 1, room, sizeof room, &length), KITH_EINVAL, "4");
    assert_int_equal(length, 77);
    must(kith_store_get_meta(store, "k", 1, NULL, 0, &length));
    assert_int_equal(length, 4);
}

static void in_memory(void **state)
{
    (void)state;
    kith_store *store = open_store(NULL, KITH_KEYS_BYTES);
    kinds_mean_what_they_say(store);
    commits_are_whole(store);
    refusals(store);
    kith_store_close(store);
}

static void in_a_file(void **state)
{
    kith_store_stats stats = {.size = sizeof stats};
    kith_store_options found = {.size = sizeof found};
    (void)state;
    unlink(file_path());
    kith_store *store = open_store(file_path(), KITH_KEYS_BYTES), *second = NULL;
    kinds_mean_what_they_say(store);
    commits_are_whole(store);
    refusals(store);
    must_fail(kith_store_open(file_path(), NULL, &second), KITH_EBUSY, "");
    kith_store_close(store);
    must(kith_store_open(file_path(), NULL, &store));
    must(kith_store_describe(store, &found));
    assert_int_equal(found.dim, DIM);
    assert_int_equal(found.keys, KITH_KEYS_BYTES);
    expect_item(store, "new", 7, "");
    expect_item(store, "k", 1, "four");
    must(kith_store_stat(store, &stats));
    assert_int_equal(stats.live, 2);
    assert_true(stats.file_bytes > 0 && stats.live_bytes > 0);
    must(kith_store_check(store, 1, NULL, NULL));
    kith_store_close(store);
    kith_store_options other = kith_store_defaults(DIM + 1, KITH_F32, KITH_L2SQ);
    must_fail(kith_store_open(file_path(), &other, &store), KITH_EINVAL, "4");
    other = kith_store_defaults(DIM, KITH_F32, KITH_L2SQ);
    other.open = KITH_OPEN_NEW;
    must_fail(kith_store_open(file_path(), &other, &store), KITH_EEXISTS, "");
    unlink(file_path());
    other.open = KITH_OPEN_EXISTING;
    must_fail(kith_store_open(file_path(), &other, &store), KITH_ENOTFOUND, "");
}

static void load_and_copy(void **state)
{
    enum { N = 5000 };
    static float vectors[N][DIM];
    char copy[80];
    float vector[DIM];
    (void)state;
    for (int i = 0; i < N; i++)
        vectors[i][0] = (float)i;
    unlink(file_path());
    snprintf(copy, sizeof copy, "%s-copy", file_path());
    unlink(copy);
    kith_store *store = open_store(file_path(), KITH_KEYS_U64);
    must(kith_store_load(store, NULL, vectors, N, NULL, NULL));
    for (uint64_t key = 0; key < N; key += 2)
        must(kith_store_del_u64(store, key));
    must(kith_store_backup(store, copy, NULL, NULL));
    must_fail(kith_store_backup(store, copy, NULL, NULL), KITH_EEXISTS, "");
    must(kith_store_compact(store, NULL, NULL));
    must(kith_store_get_u64(store, 4999, vector));
    assert_true(vector[0] == 4999);
    kith_store_close(store);
    must(kith_store_open(copy, NULL, &store));
    for (uint64_t key = 0; key < N; key++) {
        kith_status status = kith_store_get_u64(store, key, vector);
        assert_int_equal(status, key % 2 ? KITH_OK : KITH_ENOTFOUND);
        assert_true(status || vector[0] == (float)key);
    }
    kith_store_close(store);
    unlink(copy);
    unlink(file_path());
}

/* Keys of operations may be those that a cursor showed, though the commit moves them elsewhere. */
static void keys_as_they_were_shown(void **state)
{
    (void)state;
    enum { N = 3 };
    const float vector[DIM] = {1, 2, 3};
    const char *names[N] = {"ash", "elm", "fir"};
    kith_store *store = open_store(NULL, KITH_KEYS_BYTES);
    kith_op *ops = calloc(N, sizeof *ops);
    for (int i = 0; i < N; i++)
        must(kith_store_put(store, names[i], 3, vector));
    kith_snapshot *snapshot;
    kith_cursor *cursor;
    kith_item item = {.size = sizeof item};
    must(kith_snapshot_open(store, &snapshot));
    must(kith_cursor_open(snapshot, NULL, 0, &cursor));
    must(kith_cursor_first(cursor, &item));
    for (int i = 0; i < N; i++) {
        ops[i] = (kith_op){
            .kind = KITH_SET_META, .key = item.key, .key_len = 3, .meta = "tree", .meta_len = 4};
        assert_int_equal(kith_cursor_next(cursor, &item), i + 1 < N ? KITH_OK : KITH_ENOTFOUND);
    }
    must(kith_store_commit(store, ops, N, NULL));
    free(ops); /* and nobody looks at them again */
    for (int i = 0; i < N; i++) {
        const kith_op again[2] = {op_of(KITH_SET_META, names[i], NULL, "wood"),
                                  op_of(KITH_REPLACE, names[i], vector, "log")};
        expect_item(store, names[i], 1, "tree");
        must(kith_store_commit(store, again, 2, NULL));
        expect_item(store, names[i], 1, "log");
    }
    kith_cursor_close(cursor);
    kith_snapshot_close(snapshot);
    kith_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_memory),
        cmocka_unit_test(in_a_file),
        cmocka_unit_test(load_and_copy),
        cmocka_unit_test(keys_as_they_were_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Property: keys and metadata that are written over and deleted for ever keep the heap at a size
 * that what lives, and what may still be asked for, explains; in memory and in a file, with a
 * snapshot always open, and with opening anew. Every byte of the heap is live, waits or is free.
 */
#include "tests/check.h"
#include "kv/store.h"

#include <string.h>
#include <unistd.h>

enum {
    KEYS = 64,
    KEY_BYTES = 40,
    META_MOST = 400,
    STEPS = 20000,
    ROW_BYTES = 32,
    WAIT = 200, /* steps that a snapshot stays open; in a file, from checkpoint to checkpoint */
    /* What lives, what waits, what a checkpoint later waits, and a half for gaps. */
    HEAP_MOST = (KEYS + 2 * WAIT) * (KEY_BYTES + META_MOST) * 3 / 2
};

typedef struct churn {
    ki_store *store;
    ki_store_config config;
    const char *path;
    ki_snapshot *older, *newer;
    uint32_t meta_len[KEYS]; /* by key; UINT32_MAX: absent */
    unsigned char fill[KEYS];
    uint64_t random;
} churn;

static void must(kith_status status)
{
    if (status)
        fail_msg("%s", kith_last_error());
}

static void make_key(uint32_t i, unsigned char *key)
{
    memset(key, 'x', KEY_BYTES);
    memcpy(key, &i, sizeof i);
}

static void change(churn *c)
{
    unsigned char key[KEY_BYTES], row[ROW_BYTES + KI_AUX_BYTES] = {0}, meta[META_MOST];
    uint32_t i = check_below(&c->random, KEYS), chance = check_below(&c->random, 10);
    bool present = c->meta_len[i] != UINT32_MAX;
    make_key(i, key);
    ki_op op = {.kind = !present     ? KI_PUT_NEW
                        : chance < 2 ? KI_DEL
                        : chance < 7 ? KI_SET_META
                                     : KI_PUT,
                .key_len = KEY_BYTES,
                .key = key,
                .elements = row,
                .aux = row + ROW_BYTES,
                .meta = meta};
    if (op.kind != KI_DEL) {
        op.meta_len = check_below(&c->random, META_MOST + 1);
        memset(meta, c->fill[i] = (unsigned char)check_random(&c->random), sizeof meta);
    }
    c->meta_len[i] = op.kind == KI_DEL ? UINT32_MAX : op.meta_len;
    must(ki_store_commit(c->store, &op, 1, NULL, NULL));
}

static void look(const churn *c)
{
    for (uint32_t i = 0; i < KEYS; i++) {
        unsigned char key[KEY_BYTES], meta[META_MOST], want[META_MOST];
        size_t meta_len = 0;
        make_key(i, key);
        kith_status status =
            ki_store_get(c->store, NULL, key, KEY_BYTES, NULL, meta, sizeof meta, &meta_len);
        assert_int_equal(status, c->meta_len[i] == UINT32_MAX ? KITH_ENOTFOUND : KITH_OK);
        if (status)
            continue;
        assert_int_equal(meta_len, c->meta_len[i]);
        memset(want, c->fill[i], sizeof want);
        assert_memory_equal(meta, want, meta_len);
    }
}

/* The newer snapshot is opened before the older is closed: there is always one. */
static void slide(churn *c)
{
    ki_snapshot_close(c->older);
    c->older = c->newer;
    must(ki_snapshot_open(c->store, &c->newer));
}

static void reopen(churn *c)
{
    ki_snapshot_close(c->older);
    ki_snapshot_close(c->newer);
    c->older = c->newer = NULL;
    if (!c->path)
        return;
    ki_store_close(c->store);
    must(ki_store_open(c->path, &c->config, &c->store));
}

static void lives_on(const char *path)
{
    const ki_shape shape = {.row_bytes = ROW_BYTES, .keys = KITH_KEYS_BYTES};
    churn c = {.config = ki_store_defaults(&shape), .path = path, .random = check_seed()};
    ki_store_numbers numbers;
    c.config.durability = KI_DURABLE_NONE;
    c.config.checkpoint_ms = 0;
    memset(c.meta_len, 0xff, sizeof c.meta_len);
    if (path)
        unlink(path);
    must(ki_store_open(path, &c.config, &c.store));
    for (uint32_t i = 1; i <= STEPS; i++) {
        change(&c);
        if (i % (WAIT / 2) == 0)
            slide(&c);
        if (path && i % WAIT == 0)
            must(ki_store_checkpoint(c.store));
        if (i % 5000 == 0) {
            reopen(&c);
            look(&c);
            must(ki_store_check(c.store, true, NULL, NULL));
        }
        ki_store_count(c.store, &numbers);
        assert_in_range(numbers.heap_bytes, 0, HEAP_MOST);
        assert_in_range(numbers.heap_dead_bytes, 0, numbers.heap_bytes);
    }
    reopen(&c);
    for (uint32_t i = 0; i < KEYS; i++) { /* the last of it goes; then nothing lives in the heap */
        unsigned char key[KEY_BYTES];
        make_key(i, key);
        if (c.meta_len[i] != UINT32_MAX)
            must(ki_store_del(c.store, key, KEY_BYTES));
    }
    must(ki_store_check(c.store, true, NULL, NULL));
    ki_store_count(c.store, &numbers);
    assert_int_equal(numbers.heap_dead_bytes, numbers.heap_bytes);
    printf("heap of at most %llu bytes, 0 of them live\n", (unsigned long long)numbers.heap_bytes);
    ki_store_close(c.store);
    if (path)
        unlink(path);
}

static void in_memory(void **state)
{
    (void)state;
    lives_on(NULL);
}

static void in_a_file(void **state)
{
    char path[64];
    (void)state;
    snprintf(path, sizeof path, "kith-churn-%d.store", (int)getpid());
    lives_on(path);
}

/* One key at a time, each with metadata and a row of its own bytes. */
static void put_one(ki_store *store, uint32_t i)
{
    unsigned char key[KEY_BYTES], bytes[META_MOST];
    make_key(i, key);
    memset(bytes, (int)i, sizeof bytes);
    ki_op op = {.kind = KI_PUT,
                .key_len = KEY_BYTES,
                .meta_len = META_MOST,
                .key = key,
                .elements = bytes,
                .aux = bytes,
                .meta = bytes};
    must(ki_store_commit(store, &op, 1, NULL, NULL));
}

/* A reader in another process stays where it is while the writer goes and a next one comes. */
static void a_reader_outlives_the_writer(void **state)
{
    const ki_shape shape = {.row_bytes = ROW_BYTES, .keys = KITH_KEYS_BYTES};
    ki_store_config config = ki_store_defaults(&shape), reading;
    unsigned char key[KEY_BYTES], want[META_MOST];
    ki_store *store, *reader;
    ki_store_numbers before, after;
    ki_view view;
    char path[64];
    (void)state;
    snprintf(path, sizeof path, "kith-churn-%d.store", (int)getpid());
    unlink(path);
    reading = config;
    reading.read_only = true;
    must(ki_store_open(path, &config, &store));
    put_one(store, 1);
    must(ki_store_checkpoint(store));
    must(ki_store_open(path, &reading, &reader));
    make_key(1, key);
    must(ki_store_look(reader, NULL, key, KEY_BYTES, &view));
    must(ki_store_del(store, key, KEY_BYTES));
    ki_store_close(store);
    must(ki_store_open(path, &config, &store));
    for (uint32_t i = 2; i < 20; i++)
        put_one(store, i);
    memset(want, 1, sizeof want);
    assert_memory_equal(view.elements, want, ROW_BYTES);
    assert_memory_equal(view.meta, want, META_MOST);
    ki_store_close(reader);
    must(ki_store_checkpoint(store));
    ki_store_count(store, &before);
    put_one(store, 20); /* where the first was, now that nobody reads it */
    ki_store_count(store, &after);
    assert_int_equal(after.heap_bytes, before.heap_bytes);
    assert_int_equal(after.rows, before.rows);
    must(ki_store_check(store, true, NULL, NULL));
    ki_store_close(store);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_memory),
        cmocka_unit_test(in_a_file),
        cmocka_unit_test(a_reader_outlives_the_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

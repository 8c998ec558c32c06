/* Property: a million random operations, one by one and in batches, leave a store as they leave a
 * sorted array: every status, every get, every cursor step in either direction, every snapshot,
 * through checkpoints, backups, compactions and reopenings. In memory and in a file, for numbers
 * and for bytes as keys.
 *
 *     test_kv_store_operations [operations]     1,000,000 unless said otherwise
 *
 * The file's durability is NONE: what a sync is for is tested on a disk that loses power.
 */
#include "tests/check.h"
#include "kv/ordered_store.h"

#include <string.h>
#include <unistd.h>

enum { KEYS = 700, ROW_BYTES = 72, META_MOST = 90, BATCH = 8, VIEWS = 3, VARIANTS = 4 };

/* What a key holds: the stamps of its row and its metadata. 0: absent, and no metadata. */
typedef struct value {
    uint32_t row, meta;
} value;

typedef struct view {
    ki_snapshot *snapshot;
    value value[KEYS];
} view;

typedef struct run {
    ki_store *store;
    ki_ordered *order;
    ki_store_config config;
    const char *path;
    value value[KEYS];
    view view[VIEWS];
    uint64_t random;
    uint32_t stamp;
    bool numbers; /* the kind of keys */
} run;

static uint64_t operations = 1000000;

static void must(kith_status status)
{
    if (status)
        fail_msg("%s", kith_last_error());
}

/* Key number i sorts as i does. */
static size_t key_of(const run *r, uint32_t i, unsigned char *key)
{
    uint64_t number = (uint64_t)i << 40 | i;
    if (!r->numbers)
        return (size_t)snprintf((char *)key, 64, "%03u%s", i, i % 3 ? "" : " and a good deal more");
    memcpy(key, &number, 8);
    return 8;
}

static void row_of(uint32_t key, uint32_t stamp, unsigned char *row, unsigned char *aux)
{
    uint64_t random = (uint64_t)stamp << 32 | key;
    for (size_t i = 0; i < ROW_BYTES; i += 8) {
        uint64_t word = check_random(&random);
        memcpy(row + i, &word, 8);
    }
    memcpy(aux, row, KI_AUX_BYTES);
}

static uint32_t meta_of(uint32_t key, uint32_t stamp, unsigned char *meta)
{
    uint32_t bytes = stamp ? 1 + (stamp + key) % META_MOST : 0;
    memset(meta, (int)(stamp + key), bytes);
    return bytes;
}

/* ---- Writing ------------------------------------------------------------------------------ */

/* One random operation on `to`, the model; what the store should answer. */
static kith_status draw(run *r, value *to, ki_op_kind *kind, uint32_t *key, value *given)
{
    *kind = (ki_op_kind)check_below(&r->random, 5);
    *key = check_below(&r->random, KEYS);
    *given = (value){++r->stamp, check_below(&r->random, 3) ? r->stamp : 0};
    value *v = &to[*key];
    bool fits = *kind == KI_PUT || (*kind == KI_PUT_NEW) == !v->row;
    if (!fits && check_below(&r->random, 8)) /* or most batches would be refused */
        *kind = KI_PUT;
    if (*kind == KI_PUT_NEW && v->row)
        return KITH_EEXISTS;
    if (*kind >= KI_REPLACE && !v->row)
        return KITH_ENOTFOUND;
    if (*kind == KI_DEL)
        *v = (value){0, 0};
    else if (*kind == KI_SET_META)
        v->meta = given->meta;
    else
        *v = *given;
    return KITH_OK;
}

/* A batch takes effect whole, or not at all when one operation does not fit. */
static size_t write_some(run *r, size_t n)
{
    static unsigned char keys[BATCH][64], row[BATCH][ROW_BYTES], aux[BATCH][KI_AUX_BYTES];
    static unsigned char meta[BATCH][META_MOST];
    ki_op op[BATCH] = {{0}};
    value after[KEYS];
    kith_status want = KITH_OK;
    memcpy(after, r->value, sizeof after);
    for (size_t i = 0; i < n; i++) {
        uint32_t key;
        value given;
        ki_op_kind kind;
        kith_status status = draw(r, after, &kind, &key, &given);
        if (!want)
            want = status;
        op[i] = (ki_op){.kind = kind,
                        .key = keys[i],
                        .key_len = (uint16_t)key_of(r, key, keys[i]),
                        .elements = row[i],
                        .aux = aux[i],
                        .meta = meta[i],
                        .meta_len = meta_of(key, given.meta, meta[i])};
        row_of(key, given.row, row[i], aux[i]);
    }
    assert_int_equal(ki_store_commit(r->store, op, n, NULL, NULL), want);
    if (!want)
        memcpy(r->value, after, sizeof after);
    return n;
}

/* ---- Reading ------------------------------------------------------------------------------ */

static void look(run *r, const ki_snapshot *snapshot, const value *model, uint32_t key)
{
    unsigned char name[64], row[ROW_BYTES], want[ROW_BYTES], aux[KI_AUX_BYTES];
    unsigned char meta[META_MOST], want_meta[META_MOST];
    size_t name_len = key_of(r, key, name), meta_len;
    kith_status status =
        ki_store_get(r->store, snapshot, name, name_len, row, meta, META_MOST, &meta_len);
    if (!model[key].row) {
        assert_int_equal(status, KITH_ENOTFOUND);
        return;
    }
    must(status);
    row_of(key, model[key].row, want, aux);
    assert_memory_equal(row, want, ROW_BYTES);
    assert_int_equal(meta_len, meta_of(key, model[key].meta, want_meta));
    assert_memory_equal(meta, want_meta, meta_len);
}

/* The first key from `key` on that is there, going up or down; KEYS when there is none. */
static uint32_t from(const value *model, uint32_t key, bool up)
{
    for (; key < KEYS; key += up ? 1u : UINT32_MAX)
        if (model[key].row)
            return key;
    return KEYS;
}

static void stands_on(run *r, const ki_cursor *cursor, uint32_t row, uint32_t key)
{
    unsigned char name[64];
    if ((row == KI_NO_ROW) != (key == KEYS))
        fail_msg("a cursor came to row %u where key %u was due", row, key);
    if (key == KEYS)
        return;
    assert_int_equal(cursor->key_len, key_of(r, key, name));
    assert_memory_equal(cursor->key, name, cursor->key_len);
}

/* Some steps of a cursor from a random place. Returns how many. */
static size_t walk(run *r, uint64_t lsn, const value *model)
{
    unsigned char name[64];
    uint32_t key = check_below(&r->random, KEYS), steps = 1 + check_below(&r->random, 12);
    size_t name_len = key_of(r, key, name);
    ki_cursor cursor;
    ki_store_read_lock(r->store);
    ki_cursor_init(&cursor, r->order, lsn, NULL, 0);
    key = from(model, key, true);
    stands_on(r, &cursor, ki_cursor_seek(&cursor, name, name_len), key);
    for (uint32_t i = 0; i < steps && key < KEYS; i++) {
        bool up = check_below(&r->random, 2);
        key = up ? from(model, key + 1, true) : from(model, key - 1, false);
        uint32_t row = up ? ki_cursor_next(&cursor) : ki_cursor_previous(&cursor);
        stands_on(r, &cursor, row, key);
    }
    ki_store_read_unlock(r->store);
    return steps;
}

static size_t read_view(run *r, view *v)
{
    if (!v->snapshot)
        return walk(r, KI_NEWEST, r->value);
    look(r, v->snapshot, v->value, check_below(&r->random, KEYS));
    return 1 + walk(r, ki_snapshot_lsn(v->snapshot), v->value);
}

static void look_at_all(run *r, const ki_snapshot *snapshot, const value *model)
{
    for (uint32_t key = 0; key < KEYS; key++)
        look(r, snapshot, model, key);
}

static void toggle_view(run *r, view *v)
{
    if (v->snapshot) {
        look_at_all(r, v->snapshot, v->value);
        ki_snapshot_close(v->snapshot);
        v->snapshot = NULL;
        return;
    }
    must(ki_snapshot_open(r->store, &v->snapshot));
    memcpy(v->value, r->value, sizeof v->value);
}

/* ---- Care --------------------------------------------------------------------------------- */

static void let_go(run *r)
{
    for (int i = 0; i < VIEWS; i++)
        if (r->view[i].snapshot)
            toggle_view(r, &r->view[i]);
    must(ki_ordered_check(r->order));
    ki_ordered_detach(r->store, r->order);
    r->order = NULL;
}

static void reopen(run *r)
{
    let_go(r);
    ki_store_close(r->store);
    r->store = NULL;
    must(ki_store_open(r->path, &r->config, &r->store));
    must(ki_ordered_attach(r->store, &r->order));
    look_at_all(r, NULL, r->value);
}

static void compact(run *r)
{
    let_go(r);
    must(ki_store_compact(r->store, NULL, NULL));
    must(ki_ordered_attach(r->store, &r->order));
}

static void back_up(run *r)
{
    run copy = *r;
    char path[80];
    snprintf(path, sizeof path, "%s.backup", r->path);
    unlink(path);
    must(ki_store_backup(r->store, path, NULL, NULL));
    must(ki_store_open(path, &r->config, &copy.store));
    look_at_all(&copy, NULL, r->value);
    ki_store_close(copy.store);
    unlink(path);
}

static size_t step(run *r)
{
    uint32_t chance = check_below(&r->random, 10000), which = check_below(&r->random, VIEWS);
    if (chance < 4500)
        return write_some(r, 1);
    if (chance < 6500)
        return write_some(r, 2 + check_below(&r->random, BATCH - 1));
    if (chance < 8000)
        look(r, NULL, r->value, check_below(&r->random, KEYS));
    else if (chance < 9940)
        return read_view(r, &r->view[which]);
    else if (chance < 9980)
        toggle_view(r, &r->view[which]);
    else if (chance < 9985)
        must(ki_store_checkpoint(r->store));
    else if (chance < 9987)
        must(ki_store_check(r->store, true, NULL, NULL));
    else if (r->path && chance < 9988)
        reopen(r);
    else if (r->path && chance < 9989)
        back_up(r);
    else if (chance < 9990)
        compact(r);
    return 1;
}

static void work(uint32_t variant)
{
    static run r;
    static char path[64];
    const ki_shape shape = {.row_bytes = ROW_BYTES,
                            .dim = ROW_BYTES / 4,
                            .keys = variant % 2 ? KITH_KEYS_U64 : KITH_KEYS_BYTES};
    r = (run){.random = check_seed() + variant, .numbers = variant % 2};
    snprintf(path, sizeof path, "kith-operations-%d.store", (int)getpid());
    r.path = variant / 2 ? path : NULL;
    r.config = ki_store_defaults(&shape);
    r.config.durability = KI_DURABLE_NONE;
    r.config.log_bytes = 200000;
    unlink(path);
    must(ki_store_open(r.path, &r.config, &r.store));
    must(ki_ordered_attach(r.store, &r.order));
    for (uint64_t done = 0; done < operations / VARIANTS;)
        done += step(&r);
    let_go(&r);
    look_at_all(&r, NULL, r.value);
    must(ki_store_check(r.store, true, NULL, NULL));
    ki_store_close(r.store);
    unlink(path);
}

static void a_million_operations(void **state)
{
    (void)state;
    for (uint32_t variant = 0; variant < VARIANTS; variant++)
        work(variant);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_million_operations)};
    if (argc > 1)
        operations = strtoull(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

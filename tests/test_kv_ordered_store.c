/* Property: the ordered directory of a store shows each snapshot, in order and from either end,
 * the keys that were there when it was opened, whatever is put, replaced and deleted meanwhile;
 * and whichever allocation fails, directory and store stay as they were and agree.
 */
#include "tests/check.h"
#include "kv/ordered_store.h"

#include <string.h>

enum { KEYS = 150, ROUNDS = 60, COMMITS = 12, BATCH = 8, SNAPSHOTS = 4, ROW_BYTES = 8 };

/* Keys as a user might choose them; the metadata's version tells rows of a key apart. */
static uint16_t key_of(uint32_t key, char *text)
{
    int len = snprintf(text, KI_KEY_MAX, "%s/%u", key % 3 ? "item" : "item-with-a-long-name", key);
    return (uint16_t)len;
}

typedef struct held {
    ki_snapshot *snapshot;
    uint64_t version[KEYS]; /* 0: not there */
} held;

typedef struct run {
    ki_store *store;
    ki_ordered *ordered;
    uint64_t version[KEYS], next_version;
    held held[SNAPSHOTS];
    uint64_t random;
    uint32_t failures;
} run;

static void open_store(run *r)
{
    static const ki_shape shape = {.row_bytes = ROW_BYTES, .dim = 2, .keys = KITH_KEYS_BYTES};
    ki_store_config config = ki_store_defaults(&shape);
    assert_int_equal(ki_store_open(NULL, &config, &r->store), KITH_OK);
    r->next_version = 1;
}

static bool failed(run *r, kith_status status)
{
    if (status == KITH_OK)
        return false;
    assert_int_equal(status, KITH_ENOMEM);
    r->failures++;
    return true;
}

/* A batch in which a key may come twice. What failed is done again, so that runs with and without
 * a failure end alike. */
static void commit(run *r)
{
    static const unsigned char row[ROW_BYTES], aux[KI_AUX_BYTES];
    char text[BATCH][KI_KEY_MAX];
    uint64_t version[BATCH], after[KEYS];
    ki_op ops[BATCH];
    memcpy(after, r->version, sizeof after);
    for (uint32_t i = 0; i < BATCH; i++) {
        uint32_t key = check_below(&r->random, KEYS);
        bool delete = after[key] && check_below(&r->random, 3) == 0;
        version[i] = r->next_version++;
        ops[i] = (ki_op){.kind = delete ? KI_DEL : KI_PUT,
                         .key = text[i],
                         .key_len = key_of(key, text[i]),
                         .elements = row,
                         .aux = aux,
                         .meta = delete ? NULL : &version[i],
                         .meta_len = delete ? 0 : sizeof version[i]};
        after[key] = delete ? 0 : version[i];
    }
    while (failed(r, ki_store_commit(r->store, ops, BATCH, NULL, NULL)))
        assert_int_equal(ki_ordered_check(r->ordered), KITH_OK);
    memcpy(r->version, after, sizeof after);
}

static uint32_t key_shown(const run *r, const ki_cursor *cursor, uint32_t row, uint64_t lsn,
                          const uint64_t *version)
{
    ki_view view;
    uint64_t shown;
    const char *digits = memchr(cursor->key, '/', cursor->key_len);
    assert_non_null(digits);
    uint32_t key = 0;
    for (digits++; digits < (const char *)cursor->key + cursor->key_len; digits++)
        key = key * 10 + (uint32_t)(*digits - '0');
    assert_in_range(key, 0, KEYS - 1);
    ki_store_show(r->store, row, lsn, &view);
    assert_int_equal(view.meta_len, sizeof shown);
    memcpy(&shown, view.meta, sizeof shown);
    assert_int_equal(shown, version[key]);
    return key;
}

/* Ascending walk and descending walk, each key once. */
static void walk(const run *r, uint64_t lsn, const uint64_t *version)
{
    ki_cursor cursor;
    uint32_t there = 0, up = 0, down = 0;
    unsigned char before[KI_KEY_MAX];
    size_t before_len = 0;
    for (uint32_t key = 0; key < KEYS; key++)
        there += version[key] != 0;
    ki_cursor_init(&cursor, r->ordered, lsn, NULL, 0);
    for (uint32_t row; (row = ki_cursor_next(&cursor)) != KI_NO_ROW; up++) {
        key_shown(r, &cursor, row, lsn, version);
        size_t shorter = before_len < cursor.key_len ? before_len : cursor.key_len;
        int order = memcmp(before, cursor.key, shorter);
        assert_true(order < 0 || (order == 0 && before_len < cursor.key_len));
        memcpy(before, cursor.key, before_len = cursor.key_len);
    }
    for (uint32_t row; (row = ki_cursor_previous(&cursor)) != KI_NO_ROW; down++)
        key_shown(r, &cursor, row, lsn, version);
    assert_int_equal(up, there);
    assert_int_equal(down, there);
}

static void walk_all(const run *r)
{
    assert_int_equal(ki_ordered_check(r->ordered), KITH_OK);
    ki_store_read_lock(r->store);
    walk(r, KI_NEWEST, r->version);
    for (int i = 0; i < SNAPSHOTS; i++)
        if (r->held[i].snapshot)
            walk(r, ki_snapshot_lsn(r->held[i].snapshot), r->held[i].version);
    ki_store_read_unlock(r->store);
}

/* Snapshots come and go in no order; the directory comes when some are there already. */
static void one_round(run *r, int round)
{
    held *h = &r->held[check_below(&r->random, SNAPSHOTS)];
    ki_snapshot_close(h->snapshot);
    h->snapshot = NULL;
    while (failed(r, ki_snapshot_open(r->store, &h->snapshot)))
        assert_null(h->snapshot);
    memcpy(h->version, r->version, sizeof h->version);
    for (int i = 0; i < COMMITS; i++)
        commit(r);
    if (round % 20 == 3) {
        ki_ordered_detach(r->store, r->ordered);
        r->ordered = NULL;
    }
    while (!r->ordered && failed(r, ki_ordered_attach(r->store, &r->ordered)))
        assert_null(r->ordered);
    walk_all(r);
}

static uint32_t run_rounds(int rounds, uint64_t fail_at)
{
    run r = {.random = check_seed()};
    open_store(&r);
    ki_alloc_fail_at(fail_at);
    while (failed(&r, ki_ordered_attach(r.store, &r.ordered)))
        assert_null(r.ordered);
    for (int round = 0; round < rounds; round++)
        one_round(&r, round);
    ki_alloc_fail_at(0);
    for (int i = 0; i < SNAPSHOTS; i++)
        ki_snapshot_close(r.held[i].snapshot);
    memset(r.held, 0, sizeof r.held);
    commit(&r); /* the next writer lets go of what the snapshots saw */
    walk_all(&r);
    ki_ordered_detach(r.store, r.ordered);
    ki_store_close(r.store);
    return r.failures;
}

static void snapshots_in_order(void **state)
{
    (void)state;
    assert_int_equal(run_rounds(ROUNDS, 0), 0);
}

static void every_allocation_may_fail(void **state)
{
    uint64_t n = 1;
    (void)state;
    while (run_rounds(5, n) > 0)
        n++;
    printf("%llu allocations failed in turn\n", (unsigned long long)n - 1);
    assert_true(n > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshots_in_order),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

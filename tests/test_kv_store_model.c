/* Property: through any sequence of commits, snapshots taken and released in any order, pins,
 * checkpoints, checks, backups, compactions and reopenings, in memory and in a real file, readers
 * see what a naive model holds, every snapshot what the model held when it was taken, a walk in
 * order passes each key once, ascending or descending, and a backup opens as a store of its own
 * with the state it was made of.
 *
 * KITH_MODEL_OPERATIONS sets how many there are, a million unless told: puts, deletes and changes
 * of metadata, and whatever else is done; reads that compare are not counted.
 */
#include "tests/check.h"
#include "tests/store_oracle.h"
#include "kv/ordered_store.h"

#include <string.h>
#include <unistd.h>

enum { SNAPSHOTS = 5, VARIANTS = 4, FILE_SHARE = 20, MOST_OF_BATCH = 6 };

typedef struct model {
    oracle o;
    ki_snapshot *snapshot[SNAPSHOTS];
    oracle_state seen[SNAPSHOTS];
    uint32_t pins;
    uint64_t done; /* operations */
    ki_ordered *ordered;
    char path[64], backup[80];
} model;

static sim no_disk; /* where nothing is ever cut */

static void must(kith_status status)
{
    if (status)
        fail_msg("%s", kith_last_error());
}

static void toggle_snapshot(model *m, uint32_t i)
{
    if (m->snapshot[i]) {
        assert_true(oracle_look_back(&m->o, m->snapshot[i], &m->seen[i]));
        ki_snapshot_close(m->snapshot[i]);
        m->snapshot[i] = NULL;
        return;
    }
    must(ki_snapshot_open(m->o.store, &m->snapshot[i]));
    m->seen[i] = m->o.state[m->o.current];
}

static void toggle_pin(model *m)
{
    if (m->pins && check_below(&m->o.random, 4))
        ki_store_unpin(m->o.store), m->pins--;
    else if (m->pins < 3)
        ki_store_pin(m->o.store), m->pins++;
}

/* The keys of now, as they lie in the store. */
static size_t key_at(const model *m, uint32_t row, const void **key)
{
    size_t len = 0;
    ki_store_present_key(m->o.store, row, key, &len);
    return len;
}

static bool is_before(const model *m, uint32_t a, uint32_t b)
{
    const void *first, *second;
    uint64_t x, y;
    size_t first_len = key_at(m, a, &first), second_len = key_at(m, b, &second);
    if (m->o.config.shape.keys == KITH_KEYS_U64) {
        memcpy(&x, first, sizeof x);
        memcpy(&y, second, sizeof y);
        return x < y;
    }
    int order = memcmp(first, second, first_len < second_len ? first_len : second_len);
    return order < 0 || (order == 0 && first_len < second_len);
}

/* Either way round, over as many keys as there are. What each holds is compared by oracle_look. */
static void walk_in_order(model *m)
{
    const bool up = check_below(&m->o.random, 2);
    uint64_t seen = 0;
    ki_cursor cursor;
    if (!m->ordered)
        must(ki_ordered_attach(m->o.store, &m->ordered));
    must(ki_ordered_check(m->ordered));
    ki_store_read_lock(m->o.store);
    ki_cursor_init(&cursor, m->ordered, KI_NEWEST, NULL, 0);
    uint32_t last = KI_NO_ROW, row = up ? ki_cursor_first(&cursor) : ki_cursor_last(&cursor);
    for (; row != KI_NO_ROW; seen++) {
        assert_true(last == KI_NO_ROW || (up ? is_before(m, last, row) : is_before(m, row, last)));
        last = row;
        row = up ? ki_cursor_next(&cursor) : ki_cursor_previous(&cursor);
    }
    ki_store_read_unlock(m->o.store);
    assert_int_equal(seen, ki_store_live_count(m->o.store));
}

static void forget_order(model *m)
{
    if (m->ordered)
        ki_ordered_detach(m->o.store, m->ordered);
    m->ordered = NULL;
}

static void release_all(model *m)
{
    for (uint32_t i = 0; i < SNAPSHOTS; i++)
        if (m->snapshot[i])
            toggle_snapshot(m, i);
    while (m->pins)
        ki_store_unpin(m->o.store), m->pins--;
}

static void back_up(model *m)
{
    oracle copy = m->o;
    unlink(m->backup);
    must(ki_store_backup(m->o.store, m->backup, NULL, NULL));
    assert_int_equal(ki_store_backup(m->o.store, m->backup, NULL, NULL), KITH_EEXISTS);
    copy.path = m->backup;
    copy.store = NULL;
    assert_true(oracle_open(&copy));
    assert_true(oracle_look(&copy));
    must(ki_store_check(copy.store, true, NULL, NULL));
    oracle_close(&copy);
}

static void compact(model *m)
{
    if (m->pins || m->snapshot[0]) {
        assert_int_equal(ki_store_compact(m->o.store, NULL, NULL), KITH_EBUSY);
        return;
    }
    release_all(m);
    forget_order(m); /* rows are numbered anew */
    must(ki_store_compact(m->o.store, NULL, NULL));
    ki_store_numbers numbers;
    ki_store_count(m->o.store, &numbers);
    if (m->o.path)
        assert_int_equal(numbers.rows, numbers.live);
}

static void reopen(model *m)
{
    release_all(m);
    forget_order(m);
    oracle_close(&m->o);
    assert_true(oracle_open(&m->o));
}

static void commit(model *m)
{
    const uint32_t n = 1 + check_below(&m->o.random, MOST_OF_BATCH);
    m->done += n - 1;
    oracle_commit(&m->o, n);
}

static void step(model *m)
{
    m->done++;
    uint32_t chance = check_below(&m->o.random, 1000), which = check_below(&m->o.random, SNAPSHOTS);
    if (chance < 60)
        toggle_snapshot(m, which);
    else if (chance < 100 && m->snapshot[which])
        oracle_look_back(&m->o, m->snapshot[which], &m->seen[which]);
    else if (chance < 110)
        toggle_pin(m);
    else if (chance < 114)
        must(ki_store_checkpoint(m->o.store));
    else if (chance < 116)
        must(ki_store_check(m->o.store, true, NULL, NULL));
    else if (chance < 118 && m->o.path)
        back_up(m);
    else if (chance < 120 && m->o.path)
        compact(m);
    else if (chance < 122 && m->o.path)
        reopen(m);
    else if (chance < 130)
        walk_in_order(m);
    else if (chance < 400)
        oracle_look(&m->o), m->done--;
    else
        commit(m);
    oracle_forget(&m->o);
    if (m->o.fault[0])
        fail_msg("%s", m->o.fault);
}

static uint64_t wanted_operations(void)
{
    const char *text = getenv("KITH_MODEL_OPERATIONS");
    return text ? strtoull(text, NULL, 0) : 1000000;
}

static uint64_t live(uint32_t variant, const char *path, uint64_t operations)
{
    static model m;
    ki_store_config config = oracle_config(variant);
    memset(&m, 0, sizeof m);
    oracle_begin(&m.o, &no_disk, &config, check_seed() + variant);
    m.o.config.vfs = &ki_vfs_system;
    m.o.path = path;
    if (path) {
        snprintf(m.path, sizeof m.path, "%s", path);
        snprintf(m.backup, sizeof m.backup, "%s.backup", path);
        unlink(path);
    }
    assert_true(oracle_open(&m.o));
    while (m.done < operations)
        step(&m);
    release_all(&m);
    forget_order(&m);
    must(ki_store_check(m.o.store, true, NULL, NULL));
    assert_true(oracle_look(&m.o));
    oracle_close(&m.o);
    if (path) {
        unlink(path);
        unlink(m.backup);
    }
    return m.done;
}

static void in_memory(void **state)
{
    uint64_t done = 0;
    (void)state;
    for (uint32_t variant = 0; variant < VARIANTS; variant++)
        done += live(variant, NULL, wanted_operations() / VARIANTS);
    printf("%llu operations in memory\n", (unsigned long long)done);
    assert_true(done >= wanted_operations() / VARIANTS * VARIANTS);
}

/* Durability is NONE here: what a sync is for is tested on a disk that loses power. Fewer, for a
 * checkpoint waits for the disk all the same. */
static void in_a_file(void **state)
{
    char path[64];
    uint64_t done = 0;
    (void)state;
    snprintf(path, sizeof path, "kith-model-%d.store", (int)getpid());
    for (uint32_t variant = 4; variant < 4 + VARIANTS; variant++)
        done += live(variant, path, wanted_operations() / FILE_SHARE / VARIANTS);
    printf("%llu operations in a file\n", (unsigned long long)done);
    assert_true(done > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_memory),
        cmocka_unit_test(in_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

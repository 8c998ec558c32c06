/* Property: through any sequence of commits, snapshots taken and released in any order, pins,
 * checkpoints, checks, backups, compactions and reopenings, in memory and in a real file, readers
 * see what a naive model holds, every snapshot what the model held when it was taken, and a backup
 * opens as a store of its own with the state it was made of.
 */
#include "tests/check.h"
#include "tests/store_oracle.h"

#include <string.h>
#include <unistd.h>

enum { SNAPSHOTS = 5, STEPS = 15000, FILE_STEPS = 600 };

typedef struct model {
    oracle o;
    ki_snapshot *snapshot[SNAPSHOTS];
    oracle_state seen[SNAPSHOTS];
    uint32_t pins;
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
    must(ki_store_compact(m->o.store, NULL, NULL));
    ki_store_numbers numbers;
    ki_store_count(m->o.store, &numbers);
    if (m->o.path)
        assert_int_equal(numbers.rows, numbers.live);
}

static void reopen(model *m)
{
    release_all(m);
    oracle_close(&m->o);
    assert_true(oracle_open(&m->o));
}

static void step(model *m)
{
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
    else if (chance < 400)
        oracle_look(&m->o);
    else
        oracle_commit(&m->o, 1 + check_below(&m->o.random, 6));
    oracle_forget(&m->o);
    if (m->o.fault[0])
        fail_msg("%s", m->o.fault);
}

static void live(uint32_t variant, const char *path, uint32_t steps)
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
    for (uint32_t i = 0; i < steps; i++)
        step(&m);
    release_all(&m);
    must(ki_store_check(m.o.store, true, NULL, NULL));
    assert_true(oracle_look(&m.o));
    oracle_close(&m.o);
    if (path) {
        unlink(path);
        unlink(m.backup);
    }
}

static void in_memory(void **state)
{
    (void)state;
    for (uint32_t variant = 0; variant < 4; variant++)
        live(variant, NULL, STEPS);
}

/* Durability is NONE here: what a sync is for is tested on a disk that loses power. */
static void in_a_file(void **state)
{
    char path[64];
    (void)state;
    snprintf(path, sizeof path, "kith-model-%d.store", (int)getpid());
    for (uint32_t variant = 4; variant < 8; variant++)
        live(variant, path, FILE_STEPS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_memory),
        cmocka_unit_test(in_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

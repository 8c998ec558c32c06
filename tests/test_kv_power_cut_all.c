/* Property: for every workload of up to three operations on a store of four rows, every moment at
 * which power may go, and every subset of the sectors that were not yet on disk, the store opens
 * and holds the state after one of its commits, and none that was acknowledged is lost.
 *
 * Only the moments just before a sync need to be tried: what may survive earlier is a subset of
 * what may survive there. At each of those the process may end as well, and power go during the
 * first commit of the next one.
 */
#include "tests/check.h"
#include "tests/store_oracle.h"

#include <string.h>

enum { KINDS = 7, OPERATIONS_MOST = 3, LOOSE_MOST = 14 };

static sim start, disk, after;
static oracle base, o, found;
static uint64_t opens, cuts;

/* The seven: commits of one, two and three operations on few keys, a checkpoint, a reopening. The
 * oracle draws the operations; which ones is decided by the seed that goes with the kind. */
static bool step(oracle *at, uint32_t kind)
{
    if (kind < 5) {
        at->random = kind * 1001 + 7;
        return oracle_commit(at, kind < 3 ? 1 : kind - 1);
    }
    if (kind == 5) {
        bool right = !ki_store_checkpoint(at->store);
        if (right)
            at->floor = at->current;
        return right;
    }
    oracle_close(at);
    if (!at->disk->dead)
        at->floor = at->current;
    return oracle_open(at);
}

static void prepare(uint32_t variant)
{
    const ki_store_config config = oracle_config(variant);
    sim_open(&start, 1);
    oracle_begin(&base, &start, &config, 3);
    base.keys = 4;
    assert_true(oracle_open(&base));
    assert_true(oracle_commit(&base, 3));
    assert_true(oracle_commit(&base, 2));
    oracle_close(&base);
    base.floor = base.current;
}

static void begin(void)
{
    sim_close(&disk);
    sim_open(&disk, 2);
    sim_copy(&start, &disk);
    o = base;
    o.disk = &disk;
    o.config.vfs = &disk.vfs;
    assert_true(oracle_open(&o));
    disk.calls = 0;
    disk.syncs = 0;
}

static void run(const uint32_t *kinds, uint32_t n)
{
    for (uint32_t i = 0; i < n && !disk.dead; i++)
        if (!step(&o, kinds[i]))
            break;
}

/* The disk as power left it, tried with every subset. */
static void try_subsets(const uint32_t *kinds, uint32_t n)
{
    size_t loose = sim_loose(&disk, sim_find(&disk, o.path));
    if (loose > LOOSE_MOST)
        fail_msg("%zu sectors are too many to try", loose);
    cuts++;
    for (uint64_t keep = 0; keep < UINT64_C(1) << loose; keep++) {
        sim_copy(&disk, &after);
        found = o;
        found.store = NULL;
        found.disk = &after;
        found.config.vfs = &after.vfs;
        sim_cut_keeping(&after, keep);
        if (oracle_open(&found))
            oracle_check(&found);
        oracle_close(&found);
        opens++;
        if (found.fault[0])
            fail_msg("operations %u %u %u of %u, sync at call %llu, sectors %llx of %zu: %s",
                     kinds[0], kinds[1], kinds[2], n, (unsigned long long)disk.cut_at,
                     (unsigned long long)keep, loose, found.fault);
    }
}

/* The process is killed; all it wrote is seen by the next one, which has lost nothing of it. */
static void go_on_in_another(void)
{
    oracle_close(&o);
    sim_kill(&disk);
    o.floor = o.current;
    if (!oracle_open(&o) || !oracle_check(&o))
        fail_msg("after a kill: %s", o.fault);
    disk.cut_sync = 1;
    step(&o, 3);
    disk.dead = true;
}

static void try_workload(const uint32_t *kinds, uint32_t n)
{
    uint64_t sync_call[SIM_SYNCS];
    begin();
    run(kinds, n);
    uint32_t syncs = disk.syncs;
    assert_true(syncs <= SIM_SYNCS);
    memcpy(sync_call, disk.sync_call, sizeof sync_call);
    disk.dead = true;
    try_subsets(kinds, n);
    oracle_close(&o);
    for (uint32_t i = 0; i < syncs; i++) {
        begin();
        disk.cut_at = sync_call[i];
        run(kinds, n);
        disk.dead = true;
        try_subsets(kinds, n);
        go_on_in_another();
        try_subsets(kinds, n);
        oracle_close(&o);
    }
}

static void every_subset_of_every_workload(void **state)
{
    (void)state;
    sim_open(&after, 4);
    for (uint32_t variant = 0; variant < 8; variant += 5) {
        prepare(variant);
        for (uint32_t n = 1; n <= OPERATIONS_MOST; n++) {
            uint32_t workloads = n == 1 ? KINDS : n == 2 ? KINDS * KINDS : KINDS * KINDS * KINDS;
            for (uint32_t w = 0; w < workloads; w++) {
                uint32_t kinds[3] = {w % KINDS, w / KINDS % KINDS, w / KINDS / KINDS};
                try_workload(kinds, n);
            }
        }
        sim_close(&start);
    }
    sim_close(&disk);
    sim_close(&after);
    printf("%llu cuts, %llu outcomes\n", (unsigned long long)cuts, (unsigned long long)opens);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_subset_of_every_workload)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

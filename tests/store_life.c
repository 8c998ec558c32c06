/* store_life.c - the life of one store: work, the end of a process or of the power, and a look.
 *
 * May touch store.h, the oracle and the simulated disk. The one idea: nothing is aimed at any one
 * rule, but power goes where most is at stake. That is mostly at a sync, since what may survive
 * before it is a subset of what may survive there; often within a checkpoint or a compaction, with
 * commits before it that nothing has synced; and soon after a process was killed, when all that it
 * left is still in memory.
 */
#include "tests/store_oracle.h"
#include "tests/random.h"

#include <string.h>

/* What another process saw when it came, it sees until it leaves. */
static void let_reader_leave(oracle *o)
{
    oracle_state found = {0};
    ki_store *own = o->store;
    if (!o->reader)
        return;
    o->store = o->reader;
    if (oracle_read(o, &found) && memcmp(&found, &o->seen, sizeof found) != 0)
        oracle_accuse(o, "a reader in another process does not see what it saw before");
    oracle_close(o);
    o->store = own;
    o->reader = NULL;
}

static void let_reader_come(oracle *o)
{
    ki_store_config config = o->config;
    config.read_only = true;
    kith_status status = ki_store_open(o->path, &config, &o->reader);
    if (status && !o->disk->dead)
        oracle_accuse(o, kith_last_error());
    o->seen = o->state[o->current];
}

/* A step, beside a reader who comes and goes. */
static bool live_step(oracle *o)
{
    uint32_t chance = o->disk->fault_at ? 20 : check_below(&o->random, 20);
    if (chance == 0 && !o->reader)
        let_reader_come(o);
    else if (chance == 1)
        let_reader_leave(o);
    return oracle_step(o);
}

/* Some steps, and power goes during the checkpoint or the compaction that follows them, mostly at
 * one of its syncs, or just behind it. */
static void live_until_care(oracle *o)
{
    bool compacts = check_below(&o->random, 4) == 0;
    for (uint32_t steps = check_below(&o->random, 8); steps > 0 && o->store; steps--)
        if (!live_step(o))
            return;
    for (uint32_t commits = check_below(&o->random, 4); commits > 0 && o->store; commits--)
        if (!oracle_commit(o, 3))
            return;
    if (check_below(&o->random, 4))
        o->disk->cut_sync = 1 + check_below(&o->random, compacts ? 10 : 3);
    else
        o->disk->cut_at = o->disk->calls + 2 + check_below(&o->random, compacts ? 60 : 9);
    if (o->store &&
        !(compacts ? ki_store_compact(o->store, NULL, NULL) : ki_store_checkpoint(o->store)))
        o->floor = o->current;
}

/* Power goes at a random call of the next steps, or of the open that follows the last cut. A
 * refused step is tried a few times more: a store that is poisoned must go on refusing. */
static void live_until_cut(oracle *o, bool faults)
{
    uint32_t refused = 0, commits = 1 + check_below(&o->random, 2);
    o->disk->calls = 0;
    bool soon = o->killed && check_below(&o->random, 4);
    if (o->store && o->batch && !soon && check_below(&o->random, 2)) {
        while (commits-- > 0 && oracle_commit(o, o->batch))
            continue;
        return;
    }
    if (o->store && !faults && !soon && (o->batch || check_below(&o->random, 3) == 0)) {
        live_until_care(o);
        return;
    }
    if (soon)
        o->disk->cut_sync = 1;
    else if (!faults && check_below(&o->random, 2))
        o->disk->cut_sync = 1 + check_below(&o->random, 4);
    else
        o->disk->cut_at = 1 + check_below(&o->random, (uint32_t[]){10, 20, 60, 400}[o->random % 4]);
    if (faults && check_below(&o->random, 3)) {
        o->disk->fault_at = 1 + check_below(&o->random, 60);
        o->disk->cut_at += o->disk->fault_at;
        o->disk->fault = check_below(&o->random, 2)
                             ? (sim_fault)(SIM_EIO + check_below(&o->random, 5))
                             : SIM_EIO_SYNC;
        o->disk->sticky = check_below(&o->random, 4) == 0;
    }
    if (!o->store && !oracle_open(o))
        return;
    while (!o->disk->dead && !o->fault[0] && o->count + 8 < ORACLE_STATES && refused < 4)
        if (!live_step(o) && (!o->store || ++refused == 4))
            break;
}

/* A file that was killed while it came into being keeps its passing name, for somebody to delete.
 * What a compaction leaves the next writer takes away. */
static void tidy(oracle *o)
{
    for (int i = 0; i < SIM_FILES; i++)
        if (strstr(o->disk->name[i].text, ".new-"))
            o->disk->name[i].file = o->disk->name[i].firm = -1;
}

/* The process ends, and with it the power or not. Killed alone, it loses nothing that it was told
 * of; and what the next one opens may all be in the system's memory still. */
static void end_process(oracle *o, bool killed)
{
    o->disk->fault_at = 0;
    o->disk->dead = true;
    oracle_close(o);
    if (!killed)
        let_reader_leave(o);
    if (killed)
        sim_kill(o->disk);
    else
        sim_cut(o->disk);
    tidy(o);
}

/* True when it was the power. */
static bool cut_and_look(oracle *o, bool faults)
{
    bool killed = !faults && check_below(&o->random, 3) == 0;
    size_t durable = o->floor;
    end_process(o, killed);
    if (killed)
        o->floor = o->current;
    if (sim_find(o->disk, o->path) < 0)
        return !killed;
    while (check_below(&o->random, 8) == 0) { /* recovery itself is cut short */
        o->disk->cut_at = 1 + check_below(&o->random, 40);
        (void)ki_store_open(o->path, &o->config, &o->store);
        killed = killed && check_below(&o->random, 2);
        o->floor = killed ? o->current : durable;
        end_process(o, killed);
    }
    o->killed = killed;
    if (oracle_open(o))
        oracle_check(o);
    return !killed;
}

uint64_t oracle_live(oracle *o, sim *disk, const ki_store_config *config, uint64_t seed,
                     uint64_t cuts, bool faults)
{
    uint64_t done = 0;
    sim_open(disk, seed * 77 + 5);
    oracle_begin(o, disk, config, seed);
    /* Some lives are of short days, whose commits fill a sector of the log, take a row each and are
     * not synced: then what an earlier log left fits behind them. */
    o->batch = !faults && check_below(&o->random, 2) ? 8 : 0;
    if (o->batch)
        o->config.durability = KI_DURABLE_NONE;
    if (oracle_open(o)) {
        while (done < cuts && !o->fault[0]) {
            live_until_cut(o, faults);
            done += cut_and_look(o, faults);
        }
    }
    disk->dead = true;
    oracle_close(o);
    let_reader_leave(o);
    sim_close(disk);
    return done;
}

/* store_scenario.c - see store_scenario.h. May touch store.h, the oracle and the simulated disk. */
#include "tests/store_scenario.h"
#include "tests/random.h"

#include <stdio.h>
#include <stdlib.h>

enum { STEPS = 8, HELD = 4 };

static const char backup_path[] = "backup";
static oracle_state backed_up; /* what the backup holds, if there is one */

uint32_t scenario_count(void)
{
    const char *text = getenv("KITH_SCENARIOS");
    return text ? (uint32_t)strtoul(text, NULL, 0) : SCENARIOS;
}

void scenario_begin(oracle *o, sim *disk, uint32_t scenario)
{
    const ki_store_config config = oracle_config(scenario % SCENARIO_SHAPES);
    const uint64_t seed = check_seed() * 1000 + scenario;
    sim_again(disk, seed);
    oracle_begin(o, disk, &config, seed);
}

static void accuse(oracle *o, const char *what)
{
    if (!o->fault[0])
        snprintf(o->fault, sizeof o->fault, "%s: %s", what, kith_last_error());
}

/* After a refusal readers see what they saw. */
static bool looked(oracle *o, bool right)
{
    if (!right && o->store)
        oracle_look(o);
    return right;
}

static bool steps(oracle *o, int n)
{
    bool all = true;
    for (int i = 0; i < n && o->store && !o->fault[0]; i++)
        all &= looked(o, oracle_step(o));
    return all;
}

/* ---- Deeds -------------------------------------------------------------------------------- */

/* A snapshot sees what it was taken of, also while commits are refused. */
static bool hold_snapshot(oracle *o)
{
    ki_snapshot *snapshot = NULL;
    const oracle_state then = o->state[o->current];
    bool all = !ki_snapshot_open(o->store, &snapshot);
    if (!all)
        return false;
    for (int i = 0; i < HELD; i++) {
        all &= looked(o, oracle_commit(o, 1 + (uint32_t)i));
        if (i == HELD / 2)
            all &= looked(o, !ki_store_checkpoint(o->store));
        oracle_look_back(o, snapshot, &then);
    }
    ki_snapshot_close(snapshot);
    return all;
}

/* Beside a snapshot, so that what is freed waits. What was refused has left nothing, or the whole:
 * the backup had its name before the folder could not be synced. */
static bool back_up(oracle *o)
{
    backed_up = o->state[o->current];
    return looked(o, !ki_store_backup(o->store, backup_path, NULL, NULL));
}

static bool compact(oracle *o)
{
    const bool all = looked(o, !ki_store_compact(o->store, NULL, NULL));
    if (all)
        o->floor = o->current;
    return all;
}

/* A disk that does not answer is no damage. */
static bool check(oracle *o)
{
    const kith_status status = ki_store_check(o->store, true, NULL, NULL);
    if (status == KITH_ECORRUPT)
        accuse(o, "a check takes a failing call for damage");
    return looked(o, !status);
}

static bool nothing(oracle *o)
{
    (void)o;
    return true;
}

static bool (*const deed[SCENARIO_DEEDS])(oracle *o) = {nothing, hold_snapshot, back_up, compact,
                                                        check};

/* ---- A life ------------------------------------------------------------------------------- */

bool scenario_live(oracle *o, uint32_t scenario)
{
    bool all = oracle_open(o);
    if (!all && !oracle_open(o)) /* a fault that happens once has happened */
        return false;
    all &= steps(o, STEPS / 2);
    if (o->store && !o->fault[0])
        all &= deed[(scenario + scenario / SCENARIO_SHAPES) % SCENARIO_DEEDS](o);
    return steps(o, STEPS - STEPS / 2) && all;
}

/* A backup that has its name is whole. */
static void judge_backup(const oracle *o, char *fault, size_t room)
{
    static oracle copy;
    if (sim_find(o->disk, backup_path) < 0)
        return;
    copy = *o;
    copy.path = backup_path;
    copy.store = NULL;
    copy.state[copy.current] = backed_up;
    if (oracle_open(&copy))
        oracle_look(&copy);
    if (copy.store && ki_store_check(copy.store, true, NULL, NULL))
        accuse(&copy, "the backup");
    oracle_close(&copy);
    if (copy.fault[0])
        snprintf(fault, room, "the backup: %.180s", copy.fault);
}

void scenario_judge(oracle *o)
{
    o->disk->fault_at = 0;
    oracle_close(o);
    if (sim_find(o->disk, o->path) >= 0 && oracle_open(o))
        oracle_check(o);
    if (o->store && ki_store_check(o->store, true, NULL, NULL))
        accuse(o, "the check");
    oracle_close(o);
    if (!o->fault[0])
        judge_backup(o, o->fault, sizeof o->fault);
}

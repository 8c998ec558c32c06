/* Property: whichever call of the file system fails, and however, no reader sees a refused commit,
 * nothing that was acknowledged as durable is lost, and the store opens again when the disk is
 * well. Short transfers and interruptions alone are not even noticed.
 */
#include "tests/check.h"
#include "tests/store_oracle.h"

#include <string.h>

enum { SCENARIOS = 6, STEPS = 13 };

static sim disk;
static oracle o;

/* Random steps; after a refused one the readers' view must not have changed. True when nothing
 * was refused. */
static bool work(void)
{
    bool all = oracle_open(&o);
    for (int i = 0; i < STEPS && o.store && !o.fault[0]; i++) {
        if (oracle_step(&o))
            continue;
        all = false;
        if (o.store)
            oracle_look(&o);
    }
    return all;
}

static void recover_on_a_well_disk(void)
{
    disk.fault_at = 0;
    oracle_close(&o);
    if (sim_find(&disk, o.path) >= 0 && oracle_open(&o))
        oracle_check(&o);
    if (o.store && ki_store_check(o.store, true, NULL, NULL))
        snprintf(o.fault, sizeof o.fault, "%s", kith_last_error());
}

/* Returns the calls that a run with this fault made. */
static uint64_t run(uint32_t scenario, sim_fault fault, bool sticky, uint64_t at)
{
    const ki_store_config config = oracle_config(scenario);
    uint64_t seed = check_seed() * 31 + scenario, calls;
    sim_open(&disk, seed);
    oracle_begin(&o, &disk, &config, seed);
    disk.fault = fault;
    disk.sticky = sticky;
    disk.fault_at = at;
    bool all = work();
    calls = disk.calls;
    if (!all && (fault == SIM_SHORT || fault == SIM_EINTR))
        snprintf(o.fault, sizeof o.fault, "a short or interrupted call was an error");
    recover_on_a_well_disk();
    oracle_close(&o);
    sim_close(&disk);
    if (o.fault[0])
        fail_msg("scenario %u, fault %d at call %llu%s: %s", scenario, (int)fault,
                 (unsigned long long)at, sticky ? " and after" : "", o.fault);
    return calls;
}

static void every_call_may_fail(void **state)
{
    uint64_t runs = 0;
    (void)state;
    for (uint32_t scenario = 0; scenario < SCENARIOS; scenario++) {
        uint64_t calls = run(scenario, SIM_NONE, false, 0);
        for (int fault = SIM_EIO; fault <= SIM_EIO_SYNC; fault++)
            for (uint64_t at = 1; at <= calls; at++) {
                run(scenario, (sim_fault)fault, false, at);
                run(scenario, (sim_fault)fault, true, at);
                runs += 2;
            }
    }
    printf("%llu runs with a fault\n", (unsigned long long)runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_call_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

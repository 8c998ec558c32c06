/* Property: whichever call of the file system fails, and however, no reader sees a refused commit,
 * nothing that was acknowledged as durable is lost, a compaction or backup is whole or was none,
 * and the store opens again when the disk is well. Short transfers and interruptions alone are not
 * even noticed.
 *
 * KITH_SCENARIOS sets how many lives are led, 40 unless told; in each of them every call fails.
 */
#include "tests/check.h"
#include "tests/store_scenario.h"

#include <string.h>

static sim disk;
static oracle o;

typedef struct clean_run {
    uint64_t calls, sync_call[SIM_SYNCS];
    uint32_t syncs;
} clean_run;

/* With a fault at call `at`, and at all later ones if it is sticky; `out` (or NULL) learns what the
 * run was like. */
static void run(uint32_t scenario, sim_fault fault, bool sticky, uint64_t at, clean_run *out)
{
    scenario_begin(&o, &disk, scenario);
    disk.fault = fault;
    disk.sticky = sticky;
    disk.fault_at = at;
    const bool all = scenario_live(&o, scenario);
    if (out) {
        *out = (clean_run){.calls = disk.calls, .syncs = disk.syncs};
        memcpy(out->sync_call, disk.sync_call, sizeof out->sync_call);
    }
    if (!all && (fault == SIM_NONE || fault == SIM_SHORT || fault == SIM_EINTR) && !o.fault[0])
        snprintf(o.fault, sizeof o.fault, "refused: %s", kith_last_error());
    scenario_judge(&o);
    if (o.fault[0])
        fail_msg("scenario %u, fault %d at call %llu%s: %s", scenario, (int)fault,
                 (unsigned long long)at, sticky ? " and after" : "", o.fault);
}

static void every_call_may_fail(void **state)
{
    const uint32_t scenarios = scenario_count();
    uint64_t runs = 0;
    clean_run clean;
    (void)state;
    for (uint32_t scenario = 0; scenario < scenarios; scenario++) {
        run(scenario, SIM_NONE, false, 0, &clean);
        assert_true(clean.syncs <= SIM_SYNCS);
        for (int fault = SIM_EIO; fault <= SIM_EIO_SYNC; fault++) {
            const bool of_sync = fault == SIM_EIO_SYNC; /* which other calls do not see */
            for (uint64_t i = 0; i < (of_sync ? clean.syncs : clean.calls); i++) {
                const uint64_t at = of_sync ? clean.sync_call[i] : i + 1;
                run(scenario, (sim_fault)fault, false, at, NULL);
                run(scenario, (sim_fault)fault, true, at, NULL);
                runs += 2;
            }
        }
    }
    sim_close(&disk);
    printf("%u scenarios, %llu runs with a fault\n", scenarios, (unsigned long long)runs);
    assert_true(runs > 100 * (uint64_t)scenarios);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_call_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Property: whichever allocation fails, the call that needed it is refused with KITH_ENOMEM or goes
 * on without, no reader sees a refused commit, nothing is leaked (a sanitizer watches), and the
 * store holds what was committed when it is opened again.
 */
#include "tests/check.h"
#include "tests/store_oracle.h"

#include <string.h>

enum { SCENARIOS = 4, STEPS = 20 };

static sim disk;
static oracle o;

static void run_snapshot(void)
{
    ki_snapshot *snapshot = NULL;
    if (!o.store || ki_snapshot_open(o.store, &snapshot))
        return;
    oracle_commit(&o, 4);
    ki_snapshot_close(snapshot);
}

/* True when no allocation was left to fail. */
static bool run(uint32_t scenario, uint64_t n)
{
    const ki_store_config config = oracle_config(scenario);
    uint64_t seed = check_seed() * 17 + scenario;
    bool all;
    sim_open(&disk, seed);
    disk.fault_at = UINT64_MAX; /* refusals are expected */
    oracle_begin(&o, &disk, &config, seed);
    ki_alloc_fail_at(n);
    all = oracle_open(&o) || oracle_open(&o);
    for (int i = 0; i < STEPS && o.store && !o.fault[0]; i++) {
        if (i == STEPS / 2)
            run_snapshot();
        if (!oracle_step(&o) && !o.store)
            oracle_open(&o);
        else if (o.store)
            oracle_look(&o);
    }
    bool spent = !ki_alloc_should_fail();
    ki_alloc_fail_at(0);
    oracle_close(&o);
    disk.fault_at = 0;
    if (sim_find(&disk, o.path) >= 0 && oracle_open(&o))
        oracle_check(&o);
    oracle_close(&o);
    sim_close(&disk);
    if (o.fault[0] || !all)
        fail_msg("scenario %u, allocation %llu: %s", scenario, (unsigned long long)n, o.fault);
    return !spent;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (uint32_t scenario = 0; scenario < SCENARIOS; scenario++) {
        uint64_t n = 1, most = 4000;
        while (n < most && !run(scenario, n))
            n++;
        printf("scenario %u: %llu allocations failed in turn\n", scenario,
               (unsigned long long)n - 1);
        assert_true(n > 40);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

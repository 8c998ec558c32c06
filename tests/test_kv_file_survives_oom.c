/* Property: whichever allocation fails, the call that needed it is refused with KITH_ENOMEM or goes
 * on without, no reader sees a refused commit, nothing is leaked (a sanitizer watches), and the
 * store holds what was committed when it is opened again.
 *
 * KITH_SCENARIOS sets how many lives are led, 40 unless told; in each every allocation fails.
 */
#include "tests/check.h"
#include "tests/store_scenario.h"

#include <string.h>

enum { MOST = 4000 };

static sim disk;
static oracle o;

/* True when no allocation was left to fail. */
static bool run(uint32_t scenario, uint64_t n)
{
    scenario_begin(&o, &disk, scenario);
    disk.fault_at = UINT64_MAX; /* refusals are expected */
    ki_alloc_fail_at(n);
    const bool all = scenario_live(&o, scenario);
    const bool spent = !ki_alloc_should_fail();
    ki_alloc_fail_at(0);
    if (!spent && !all && !o.fault[0])
        snprintf(o.fault, sizeof o.fault, "refused though no allocation failed: %s",
                 kith_last_error());
    scenario_judge(&o);
    if (o.fault[0])
        fail_msg("scenario %u, allocation %llu: %s", scenario, (unsigned long long)n, o.fault);
    return !spent;
}

static void every_allocation_may_fail(void **state)
{
    const uint32_t scenarios = scenario_count();
    uint64_t runs = 0;
    (void)state;
    for (uint32_t scenario = 0; scenario < scenarios; scenario++) {
        uint64_t n = 1;
        while (n < MOST && !run(scenario, n))
            n++;
        assert_in_range(n, 20, MOST - 1);
        runs += n - 1;
    }
    sim_close(&disk);
    printf("%u scenarios, %llu allocations failed in turn\n", scenarios, (unsigned long long)runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

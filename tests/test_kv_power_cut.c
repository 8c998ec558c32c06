/* Property: whatever a power cut leaves of what was not synced, sector by sector, torn or whole,
 * the store opens, holds the state after one of its commits, and loses none that was acknowledged
 * as durable; also when power goes again during recovery, or a process was killed before and what
 * it left was in memory alone, beside a reader in another process, and with every durability.
 *
 * KITH_POWER_CUTS sets how many cuts there are (200,000 unless told).
 */
#include "tests/check.h"
#include "tests/store_oracle.h"

#include <sys/wait.h>
#include <unistd.h>

static uint64_t wanted_cuts(void)
{
    const char *text = getenv("KITH_POWER_CUTS");
    return text ? strtoull(text, NULL, 0) : 200000;
}

enum { LIFE = 500, CHILDREN_MOST = 8 };

/* Lives number first, first + step, ...; false when one of them found a fault. */
static bool live_some(uint64_t seed, uint64_t cuts, uint64_t first, uint64_t step)
{
    static oracle o;
    static sim disk;
    for (uint64_t i = first; i * LIFE < cuts; i += step) {
        uint64_t life = seed * 1000003 + i;
        ki_store_config config = oracle_config((uint32_t)i);
        oracle_live(&o, &disk, &config, life, LIFE, false);
        if (o.fault[0]) {
            print_error("life %llu: %s\n", (unsigned long long)life, o.fault);
            return false;
        }
    }
    return true;
}

/* A process for each processor: most of a cut is the system's making and dropping of memory, which
 * threads of one process would wait for each other to do. */
static void survives_power_cuts(void **state)
{
    uint64_t cuts = wanted_cuts(), seed = check_seed();
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    int children = processors < 1               ? 1
                   : processors > CHILDREN_MOST ? CHILDREN_MOST
                                                : (int)processors;
    int failed = 0, result;
    (void)state;
    fflush(stdout);
    for (int i = 0; i < children; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            _exit(!live_some(seed, cuts, (uint64_t)i, (uint64_t)children));
    }
    for (int i = 0; i < children; i++) {
        assert_true(wait(&result) > 0);
        failed += result != 0;
    }
    assert_int_equal(failed, 0);
    printf("%llu power cuts\n", (unsigned long long)cuts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(survives_power_cuts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

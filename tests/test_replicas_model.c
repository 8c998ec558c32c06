/* Property: whatever happens in whatever order - puts, deletions, builds, refreshes, devices that
 * come, go, fail, hang and recover - replicas answer as a flat index does, and copies of a
 * partition that were refreshed at one LSN have one digest. Graphs that are walked narrowly find
 * what the index itself finds.
 */
#include "tests/replicas_model.h"

enum { KEYS = 500, STEPS = 300, DEVICES = 4 };

static void flat(void **state)
{
    (void)state;
    static const model_case cases[] = {
        {KITH_FLAT, KITH_WALK_AUTO, KITH_U8, 1, 2, DEVICES, KEYS, STEPS, false},
        {KITH_FLAT, KITH_WALK_AUTO, KITH_U8, 3, 2, DEVICES, KEYS, STEPS, false},
        {KITH_FLAT, KITH_WALK_AUTO, KITH_F32, 2, 1, DEVICES, KEYS, STEPS, false},
        {KITH_FLAT, KITH_WALK_AUTO, KITH_F32, 4, 3, DEVICES, KEYS, STEPS, false},
    };
    uint64_t random = check_seed();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        model_run(&cases[i], &random);
}

static void graphs(void **state)
{
    (void)state;
    static const model_case cases[] = {
        {KITH_HNSW, KITH_WALK_ROWS, KITH_U8, 1, 2, DEVICES, KEYS, STEPS, false},
        {KITH_HNSW, KITH_WALK_ROWS, KITH_U8, 3, 2, DEVICES, KEYS, STEPS, false},
        {KITH_HNSW, KITH_WALK_SQ8, KITH_F32, 1, 2, DEVICES, KEYS, STEPS, false},
        {KITH_HNSW, KITH_WALK_SQ8, KITH_F32, 2, 3, DEVICES, KEYS, STEPS, false},
    };
    uint64_t random = check_seed();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        model_run(&cases[i], &random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(flat), cmocka_unit_test(graphs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

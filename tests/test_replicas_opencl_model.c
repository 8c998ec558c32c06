/* Property: what replicas_model.h says of replicas on naive devices holds of OpenCL's as well: with
 * three of them, one of another kind, that come, go, fail, hang and recover between writes, builds
 * and refreshes, every answer is that of a flat index.
 */
#include "tests/replicas_opencl.h"
#include "tests/replicas_model.h"

enum { KEYS = 300, STEPS = 60, DEVICES = 3 };

static void lives(const model_case *cases, size_t count)
{
    uint64_t random = check_seed();
    need_pocl(DEVICES);
    for (size_t i = 0; i < count; i++)
        model_run(&cases[i], &random);
}

static void flat(void **state)
{
    (void)state;
    static const model_case cases[] = {
        {KITH_FLAT, KITH_WALK_AUTO, KITH_U8, 2, 2, DEVICES, KEYS, STEPS, true},
        {KITH_FLAT, KITH_WALK_AUTO, KITH_F32, 1, 2, DEVICES, KEYS, STEPS, true},
    };
    lives(cases, sizeof cases / sizeof *cases);
}

static void graphs(void **state)
{
    (void)state;
    static const model_case cases[] = {
        {KITH_HNSW, KITH_WALK_ROWS, KITH_U8, 1, 2, DEVICES, KEYS, STEPS, true},
        {KITH_HNSW, KITH_WALK_SQ8, KITH_F32, 2, 2, DEVICES, KEYS, STEPS, true},
    };
    lives(cases, sizeof cases / sizeof *cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(flat), cmocka_unit_test(graphs)};
    opencl_shows("pthread basic pthread");
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    opencl_shows_no_more();
    return failed;
}

/* Property: what a walk finds does not depend on who carries it out: a group of 32, 64, 128 or 256
 * items with a team a row, or one item alone with all of it. Bit for bit, floats too, hops and
 * distances too. Nor is a size of group believed that answers wrongly.
 */
#include "tests/opencl_walk.h"

#include <string.h>

enum { ROWS = 700, QUERIES = 12, EF = 100, WANT = 10 };

typedef struct setting {
    cloud c;
    web w;
} setting;

static setting setting_new(kith_type type, kith_metric metric, uint32_t dim)
{
    uint64_t state = check_seed() + (uint64_t)type;
    setting s;
    s.c = cloud_new(type, metric, dim, ROWS, QUERIES, check_random(&state));
    s.w = web_new(&s.c, 24, check_random(&state));
    return s;
}

/* Walks everything once, as the environment says. */
static uint64_t *walk_so(const setting *s, const char *shape, const char *group,
                         ki_walk_counts *counts)
{
    setenv("KITH_OPENCL_SHAPE", shape, 1);
    setenv("KITH_OPENCL_GROUP", group, 1);
    ki_device *device = opencl_open();
    ki_device_rows *rows = put_web(device, &s->c, &s->w);
    const ki_device_queries queries = cloud_queries(&s->c);
    *counts = (ki_walk_counts){0};
    uint64_t *answers = device_walk(rows, &queries, EF, WANT, counts);
    device->ops->drop_rows(rows);
    device->ops->close(device);
    unsetenv("KITH_OPENCL_SHAPE");
    unsetenv("KITH_OPENCL_GROUP");
    return answers;
}

static void expect_alike(const setting *s, const char *const *groups, size_t count)
{
    ki_walk_counts once, again;
    uint64_t *cpu = walk_so(s, "cpu", "", &once);
    for (size_t i = 0; i < count; i++) {
        uint64_t *gpu = walk_so(s, "gpu", groups[i], &again);
        expect_answers(cpu, gpu, (size_t)QUERIES * WANT, groups[i]);
        assert_true(once.hops == again.hops && once.distances == again.distances);
        free(gpu);
    }
    free(cpu);
}

static void of_any_size(void **unused)
{
    (void)unused;
    static const char *const groups[] = {"32", "64", "128", "256"};
    setting s = setting_new(KITH_U8, KITH_L2SQ, 37);
    expect_alike(&s, groups, 4);
    web_free(&s.w);
    cloud_free(&s.c);
}

static void over_floats(void **unused)
{
    (void)unused;
    static const char *const groups[] = {"256"};
    setting s = setting_new(KITH_F32, KITH_L2SQ, 333);
    expect_alike(&s, groups, 1);
    web_free(&s.w);
    cloud_free(&s.c);
}

/* What was proved is remembered by the size of group; one that fails is not used. */
static void proved_one_by_one(void **unused)
{
    (void)unused;
    uint64_t answers[QUERIES * WANT];
    setenv("KITH_OPENCL_SHAPE", "gpu", 1);
    setenv("KITH_OPENCL_GROUP", "64", 1);
    ki_device *device = opencl_open();
    ki_cl_walks *walks = &((ki_cl_device *)device)->walks;
    setting s = setting_new(KITH_U8, KITH_L2SQ, 37);
    ki_device_rows *rows = put_web(device, &s.c, &s.w);
    const ki_device_queries queries = cloud_queries(&s.c);
    assert_int_equal(walks->proven, 0);
    ki_cl_fail_at(4); /* within the self-test */
    assert_true(device->ops->walk(rows, &queries, EF, WANT, answers, NULL) < 0);
    ki_cl_fail_at(0);
    assert_int_equal(walks->proven, 0);
    assert_int_equal(device->ops->walk(rows, &queries, EF, WANT, answers, NULL), KITH_OK);
    assert_int_equal(walks->proven, 1u << ki_cl_group_slot(64));
    device->ops->drop_rows(rows);
    device->ops->close(device);
    unsetenv("KITH_OPENCL_SHAPE");
    unsetenv("KITH_OPENCL_GROUP");
    web_free(&s.w);
    cloud_free(&s.c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_any_size),
        cmocka_unit_test(over_floats),
        cmocka_unit_test(proved_one_by_one),
    };
    setenv("KITH_CACHE", "disabled", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

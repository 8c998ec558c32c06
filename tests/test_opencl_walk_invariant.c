/* Property: what a walk finds does not depend on its company nor on how it is carried out: alone,
 * in 7, in 1000; in one launch or in many. Bit for bit, floats too, hops and distances too.
 */
#include "tests/opencl_walk.h"

#include <string.h>

enum { ROWS = 900, MANY = 1000, EF = 30, WANT = 10 };

static const struct {
    kith_type type;
    kith_metric metric;
    uint32_t dim;
} kinds[] = {{KITH_U8, KITH_L2SQ, 37}, {KITH_F32, KITH_L2SQ, 70}, {KITH_F16, KITH_COSINE, 99}};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

typedef struct setting {
    cloud c;
    web w;
} setting;

static setting setting_new(size_t kind, uint32_t queries)
{
    uint64_t state = check_seed() + kind;
    setting s;
    s.c = cloud_new(kinds[kind].type, kinds[kind].metric, kinds[kind].dim, ROWS, queries,
                    check_random(&state));
    s.w = web_new(&s.c, 24, check_random(&state));
    return s;
}

static void setting_free(setting *s)
{
    web_free(&s->w);
    cloud_free(&s->c);
}

static ki_device_queries some_queries(const cloud *c, uint32_t first, uint32_t count)
{
    ki_device_queries queries = cloud_queries(c);
    queries.base = (const unsigned char *)queries.base + first * queries.stride;
    queries.count = count;
    return queries;
}

static void in_any_company(void **unused)
{
    (void)unused;
    for (int shape = 0; shape < 2; shape++) {
        setenv("KITH_OPENCL_SHAPE", shape ? "gpu" : "cpu", 1);
        ki_device *device = opencl_open();
        for (size_t kind = 0; kind < KINDS; kind += shape ? 2 : 1) {
            setting s = setting_new(kind, MANY);
            ki_device_rows *rows = put_web(device, &s.c, &s.w);
            ki_walk_counts all_counts = {0}, sum = {0};
            const ki_device_queries every = cloud_queries(&s.c);
            uint64_t *all = device_walk(rows, &every, EF, WANT, &all_counts);
            for (uint32_t first = 0; first < MANY; first += 7) {
                const uint32_t count = MANY - first < 7 ? MANY - first : 7;
                const ki_device_queries seven = some_queries(&s.c, first, count);
                uint64_t *got = device_walk(rows, &seven, EF, WANT, &sum);
                expect_answers(all + (size_t)first * WANT, got, (size_t)count * WANT, "in 7");
                free(got);
            }
            assert_true(sum.hops == all_counts.hops && sum.distances == all_counts.distances);
            for (uint32_t first = 0; first < MANY; first += 97) {
                const ki_device_queries one = some_queries(&s.c, first, 1);
                uint64_t *got = device_walk(rows, &one, EF, WANT, NULL);
                expect_answers(all + (size_t)first * WANT, got, WANT, "alone");
                free(got);
            }
            free(all);
            device->ops->drop_rows(rows);
            setting_free(&s);
        }
        device->ops->close(device);
    }
    unsetenv("KITH_OPENCL_SHAPE");
}

/* The measured speed decides how many queries a launch has: from one to all. */
static void at_any_speed(void **unused)
{
    (void)unused;
    ki_device *device = opencl_open();
    setting s = setting_new(0, 100);
    ki_device_rows *rows = put_web(device, &s.c, &s.w);
    const ki_device_queries queries = cloud_queries(&s.c);
    uint64_t *once = device_walk(rows, &queries, EF, WANT, NULL);
    for (double speed = 1; speed < 1e15; speed *= 300) {
        rows->device->walks.macs_per_second = speed;
        uint64_t *again = device_walk(rows, &queries, EF, WANT, NULL);
        expect_answers(once, again, (size_t)100 * WANT, "at another speed");
        free(again);
    }
    free(once);
    device->ops->drop_rows(rows);
    setting_free(&s);
    device->ops->close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_any_company),
        cmocka_unit_test(at_any_speed),
    };
    setenv("KITH_CACHE", "disabled", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

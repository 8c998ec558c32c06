/* Property: where keys are integers, or one of them divided in a fixed order, a walk on a device is
 * the host's walk: the same rows, keys and number of hops, for every type and metric, in both
 * layouts, whatever ef is.
 */
#include "tests/opencl_walk.h"

#include <string.h>

enum { ROWS = 700, QUERIES = 20 };

static const struct {
    kith_type type;
    kith_metric metric;
} kinds[] = {
    {KITH_U8, KITH_L2SQ}, {KITH_U8, KITH_IP},     {KITH_U8, KITH_COSINE},  {KITH_I8, KITH_L2SQ},
    {KITH_I8, KITH_IP},   {KITH_I8, KITH_COSINE}, {KITH_B1, KITH_HAMMING}, {KITH_B1, KITH_JACCARD},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static void expect_same(ki_device *device, const cloud *c, const web *w, uint32_t ef, uint32_t want)
{
    char what[100];
    snprintf(what, sizeof what, "type %d metric %d dim %u ef %u want %u", (int)c->type,
             (int)c->metric, c->dim, ef, want);
    expect_host_walk(device, c, w, ef, want, what);
}

static void each_kind(const char *shape, size_t step)
{
    static const uint32_t dims[] = {37, 784, 3, 130, 64, 1, 9000, 250};
    uint64_t state = check_seed();
    setenv("KITH_OPENCL_SHAPE", shape, 1);
    ki_device *device = opencl_open();
    for (size_t k = 0; k < KINDS; k += step) {
        const uint32_t dim = dims[k], rows = dim > 1000 ? 60 : ROWS;
        cloud c =
            cloud_new(kinds[k].type, kinds[k].metric, dim, rows, QUERIES, check_random(&state));
        web w = web_new(&c, 16 + 4 * (uint32_t)k, check_random(&state));
        expect_same(device, &c, &w, 1, 1);
        expect_same(device, &c, &w, 40, 10);
        web_free(&w);
        cloud_free(&c);
    }
    device->ops->close(device);
    unsetenv("KITH_OPENCL_SHAPE");
}

static void laid_out_for_a_cpu(void **unused)
{
    (void)unused;
    each_kind("cpu", 1);
}

static void laid_out_for_a_gpu(void **unused)
{
    (void)unused;
    each_kind("gpu", 3);
}

/* Dimensions on both sides of what a vector, a team and a run hold. */
static void any_dimension(void **unused)
{
    (void)unused;
    static const uint32_t dims[] = {1, 4, 15, 16, 17, 63, 64, 65, 127, 128, 129, 260, 8192, 8260};
    uint64_t state = check_seed();
    for (int shape = 0; shape < 2; shape++) {
        setenv("KITH_OPENCL_SHAPE", shape ? "gpu" : "cpu", 1);
        ki_device *device = opencl_open();
        for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
            cloud c = cloud_new(KITH_U8, KITH_L2SQ, dims[i], 90, 9, check_random(&state));
            web w = web_new(&c, 8, check_random(&state));
            expect_same(device, &c, &w, 20, 20);
            web_free(&w);
            cloud_free(&c);
        }
        device->ops->close(device);
    }
    unsetenv("KITH_OPENCL_SHAPE");
}

static void any_ef(void **unused)
{
    (void)unused;
    static const uint32_t efs[] = {1, 2, 3, 7, 31, 32, 33, 64, 100, 255, 256, 500, 1000};
    uint64_t state = check_seed();
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, 10, 1700, 6, check_random(&state));
    web w = web_new(&c, 32, check_random(&state));
    for (int shape = 0; shape < 2; shape++) {
        setenv("KITH_OPENCL_SHAPE", shape ? "gpu" : "cpu", 1);
        ki_device *device = opencl_open();
        const uint32_t most = device->ops->max_ef(device);
        assert_true(most >= 500);
        for (size_t i = 0; i < sizeof efs / sizeof *efs; i++)
            if (efs[i] <= most)
                expect_same(device, &c, &w, efs[i], efs[i] / 2 + 1);
        expect_same(device, &c, &w, most, most);
        device->ops->close(device);
    }
    unsetenv("KITH_OPENCL_SHAPE");
    web_free(&w);
    cloud_free(&c);
}

/* The widest links there are. */
static void any_degree(void **unused)
{
    (void)unused;
    static const uint32_t degrees[] = {1, 2, 31, 33, 64, 65, 200, KI_CL_MAX_DEGREE};
    uint64_t state = check_seed();
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, 10, 600, 6, check_random(&state));
    for (int shape = 0; shape < 2; shape++) {
        setenv("KITH_OPENCL_SHAPE", shape ? "gpu" : "cpu", 1);
        ki_device *device = opencl_open();
        for (size_t i = 0; i < sizeof degrees / sizeof *degrees; i++) {
            web w = web_new(&c, degrees[i], check_random(&state));
            expect_same(device, &c, &w, 50, 10);
            web_free(&w);
        }
        device->ops->close(device);
    }
    unsetenv("KITH_OPENCL_SHAPE");
    cloud_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(laid_out_for_a_cpu), cmocka_unit_test(laid_out_for_a_gpu),
        cmocka_unit_test(any_dimension),      cmocka_unit_test(any_ef),
        cmocka_unit_test(any_degree),
    };
    setenv("KITH_CACHE", "disabled", 1);
    setenv("KITH_OPENCL_GROUP", "64", 1); /* others: test_opencl_walk_groups */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

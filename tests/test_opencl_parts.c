/* Property: a part of a device is a device: it has its share of the compute units and of the
 * memory, its answers are those of the whole, two parts search at the same time, and what is no
 * part of anything is refused with a sentence. Names say which part is meant, and only names that
 * do. */
#include "tests/opencl_check.h"
#include "index/device_name.h"

#include <pthread.h>
#include <string.h>

enum { DIM = 19, ROWS = 3000, QUERIES = 20, K = 10, ANSWERS = QUERIES * K };

static uint32_t units; /* of ocl0 */

static void answers_are_those_of_the_whole(void **unused)
{
    (void)unused;
    if (units < 2)
        skip();
    cloud c = cloud_new(KITH_F32, KITH_L2SQ, DIM, ROWS, QUERIES, check_seed());
    uint64_t *whole = cloud_scan_once(&c, K);
    for (uint32_t part = 0; part < 2; part++) {
        ki_device *device = NULL;
        kith_device_info info = {.size = sizeof info};
        char id[16];
        snprintf(id, sizeof id, "ocl0.%u/2", (unsigned)part);
        if (ki_opencl_open(0, part, 2, &device))
            fail_msg("%s: %s", id, kith_last_error());
        device->ops->info(device, &info);
        assert_string_equal(info.id, id);
        assert_int_equal(info.compute_units, units / 2);
        uint64_t *answers = cloud_scan(device, &c, 0, QUERIES, K);
        assert_memory_equal(answers, whole, ANSWERS * sizeof *answers);
        free(answers);
        device->ops->close(device);
    }
    free(whole);
    cloud_free(&c);
}

static void memory_is_shared_out(void **unused)
{
    (void)unused;
    if (units < 2)
        skip();
    ki_device *whole = opencl_open(), *half = NULL;
    assert_int_equal(ki_opencl_open(0, 1, 2, &half), KITH_OK);
    const size_t most = ((ki_cl_device *)whole)->memory_limit;
    assert_true(((ki_cl_device *)half)->memory_limit <= most / 2 + 4);
    half->ops->close(half);
    whole->ops->close(whole);
}

typedef struct job {
    ki_device *device;
    const cloud *c;
    const uint64_t *right;
    uint32_t wrong;
} job;

static void *search_often(void *user)
{
    job *j = user;
    const ki_device_ops *ops = j->device->ops;
    const ki_device_queries queries = {j->c->asked, DIM, QUERIES, 0};
    ki_device_rows *rows = NULL;
    uint64_t answers[ANSWERS];
    j->wrong += ops->put_rows(j->device, &j->c->set, &rows) != KITH_OK;
    for (uint32_t round = 0; rows && round < 20; round++) {
        j->wrong += ops->scan(rows, &queries, K, answers) != KITH_OK;
        j->wrong += memcmp(answers, j->right, sizeof answers) != 0;
    }
    ops->drop_rows(rows);
    return NULL;
}

static void two_halves_search_at_once(void **unused)
{
    (void)unused;
    if (units < 2)
        skip();
    pthread_t threads[2];
    job jobs[2];
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, DIM, ROWS, QUERIES, check_seed());
    uint64_t *right = cloud_scan_once(&c, K);
    for (uint32_t i = 0; i < 2; i++) {
        jobs[i] = (job){.c = &c, .right = right};
        assert_int_equal(ki_opencl_open(0, i, 2, &jobs[i].device), KITH_OK);
    }
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, search_often, &jobs[i]), 0);
    for (uint32_t i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(jobs[i].wrong, 0);
        jobs[i].device->ops->close(jobs[i].device);
    }
    free(right);
    cloud_free(&c);
}

static void what_is_no_part_is_refused(void **unused)
{
    (void)unused;
    static const struct {
        uint32_t part, parts;
        const char *word;
    } bad[] = {{0, 0, "no part"}, {2, 2, "no part"}, {0, 250, "too few"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ki_device *device = NULL;
        if (bad[i].parts == 250 && units >= 250)
            continue;
        assert_int_equal(ki_opencl_open(0, bad[i].part, bad[i].parts, &device), KITH_ENODEVICE);
        assert_null(device);
        assert_non_null(strstr(kith_last_error(), bad[i].word));
    }
}

static bool take_first(void *user, const ki_cl_found *found)
{
    *(ki_cl_found *)user = *found;
    return true;
}

/* An OpenCL loader of before 1.2 opens devices, but divides none. */
static void a_loader_that_cannot_divide(void **unused)
{
    (void)unused;
    ki_cl_found found;
    char note[256];
    assert_true(ki_cl_walk(take_first, &found, note, sizeof note));
    ki_cl old = *found.cl;
    old.CreateSubDevices = NULL;
    found.cl = &old;
    found.info.compute_units = 8;
    const ki_cl_found before = found;
    assert_int_equal(ki_cl_divide(&found, 0, 2), KITH_ENODEVICE);
    assert_non_null(strstr(kith_last_error(), "clCreateSubDevices"));
    assert_true(found.device == before.device);
    assert_string_equal(found.info.id, before.info.id);
}

static const ki_cl *real;
static int made_so_far;

static cl_int make_parts(cl_device_id device, const cl_device_partition_property *how, cl_uint most,
                         cl_device_id *out, cl_uint *count)
{
    cl_uint made = 0;
    const cl_int code = real->CreateSubDevices(device, how, most, out, &made);
    made_so_far += out && !code ? (int)made : 0;
    if (count)
        *count = made;
    return code;
}

/* Each call fails in turn: a status, a sentence, and the device as it was. Parts are made once, so
 * this comes before all that makes some. */
static void each_call_of_dividing(void **unused)
{
    (void)unused;
    ki_cl_found whole;
    char note[256];
    uint32_t done = 0;
    cl_device_id first = NULL;
    if (units < 2)
        skip();
    assert_true(ki_cl_walk(take_first, &whole, note, sizeof note));
    real = whole.cl;
    ki_cl counting = *real;
    counting.CreateSubDevices = make_parts;
    whole.cl = &counting;
    for (uint64_t n = 1; n < 5; n++) {
        ki_cl_found found = whole;
        ki_fail(KITH_OK, "%s", "");
        ki_cl_fail_at(n);
        const kith_status status = ki_cl_divide(&found, 1, 2);
        ki_cl_fail_at(0);
        assert_int_equal(status, n < 3 ? KITH_ENODEVICE : KITH_OK);
        assert_true(!status || kith_last_error()[0]);
        assert_true(!status || found.device == whole.device);
        if (!status && !done)
            first = found.device;
        assert_true(status || found.device == first);
        done += !status;
    }
    assert_int_equal(done, 2);
    assert_int_equal(made_so_far, whole.info.compute_units / (whole.info.compute_units / 2));
}

static void names_are_read(void **unused)
{
    (void)unused;
    static const struct {
        const char *name;
        ki_device_name means;
    } good[] = {{NULL, {true, 0, 0, 1}},
                {"", {true, 0, 0, 1}},
                {"cpu", {true, 0, 0, 1}},
                {"ocl0", {false, 0, 0, 1}},
                {"ocl9999", {false, 9999, 0, 1}},
                {"ocl0.0/1", {false, 0, 0, 1}},
                {"ocl0.1/2", {false, 0, 1, 2}},
                {"ocl12.3/16", {false, 12, 3, 16}},
                {"ocl3.254/255", {false, 3, 254, 255}}};
    static const char *const bad[] = {"gpu",       "CPU",        "ocl",
                                      "oclx",      "ocl10000",   "ocl0.",
                                      "ocl0.1",    "ocl0.1/",    "ocl0.1/0",
                                      "ocl0.2/2",  "ocl0.1/256", "ocl0.1/2x",
                                      "ocl0x",     "ocl-1",      "ocl0.-1/2",
                                      "ocl0. 1/2", "ocl 0",      "ocl0/2",
                                      "ocl0.1.2",  "ocl0.1/2/3", "ocl99999999999999999999999",
                                      "o",         "oc"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ki_device_name name = {0};
        assert_int_equal(ki_parse_device(good[i].name, &name), KITH_OK);
        assert_int_equal(name.host, good[i].means.host);
        assert_int_equal(name.ordinal, good[i].means.ordinal);
        assert_int_equal(name.part, good[i].means.part);
        assert_int_equal(name.parts, good[i].means.parts);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ki_device_name name = {.ordinal = 77};
        if (ki_parse_device(bad[i], &name) != KITH_ENODEVICE)
            fail_msg("'%s' is taken for a device", bad[i]);
        assert_int_equal(name.ordinal, 77);
        assert_non_null(strstr(kith_last_error(), bad[i]));
    }
}

static int prepare(void **unused)
{
    (void)unused;
    kith_device_info info = {.size = sizeof info};
    setenv("KITH_CACHE", "disabled", 1);
    ki_device *device = opencl_open();
    device->ops->info(device, &info);
    device->ops->close(device);
    units = info.compute_units;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call_of_dividing),
        cmocka_unit_test(answers_are_those_of_the_whole),
        cmocka_unit_test(memory_is_shared_out),
        cmocka_unit_test(two_halves_search_at_once),
        cmocka_unit_test(what_is_no_part_is_refused),
        cmocka_unit_test(a_loader_that_cannot_divide),
        cmocka_unit_test(names_are_read),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}

/* Property: whatever OpenCL devices a machine shows, of one platform or of several, each is listed
 * and each finds the rows that the host finds, all of them at the same time, each from a thread of
 * its own: two platforms, two equal devices, two unequal ones, a platform whose library is gone,
 * and none at all.
 *
 * Drivers read their environment once, so each case has a process of its own: this program again,
 * with the name of the case in KITH_TEST_CASE.
 */
#include "tests/index_data.h"
#include "tests/opencl_drivers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { K = 10, QUERIES = 5, ROWS = 400, DIM = 16, MOST = 8, ROUNDS = 3 };

/* ---- in the process of a case ---- */

/* One device: the index on it, what the host says, and how often it was not that. */
typedef struct job {
    kith_device_info info;
    kith_index *index;
    const matrix *queries;
    const kith_hit *expected;
    unsigned wrong;
} job;

static size_t list_opencl(job *jobs, char *note, size_t note_size)
{
    kith_devices *devices = NULL;
    size_t count = 0;
    must(kith_devices_open(&devices));
    snprintf(note, note_size, "%s", kith_devices_note(devices));
    for (size_t i = 1; i < kith_devices_count(devices); i++) {
        assert_true(count < MOST);
        jobs[count] = (job){.info = {.size = sizeof jobs[count].info}};
        must(kith_devices_get(devices, i, &jobs[count].info));
        count++;
    }
    kith_devices_close(devices);
    return count;
}

static void *work(void *user)
{
    job *j = user;
    const kith_search_options options = kith_search_defaults(K);
    for (unsigned round = 0; round < ROUNDS; round++) {
        kith_hit hits[QUERIES * K] = {0};
        j->wrong += kith_index_search(j->index, j->queries->bytes, QUERIES, &options, hits, NULL) !=
                    KITH_OK;
        for (size_t i = 0; i < QUERIES * K; i++)
            j->wrong +=
                hits[i].row != j->expected[i].row || hits[i].distance != j->expected[i].distance;
    }
    return NULL;
}

static kith_index *flat_on(kith_store *store, const char *device)
{
    kith_index_options options = kith_index_defaults(KITH_FLAT);
    options.device = device;
    options.threads = 1;
    kith_index *index = index_on(store, &options);
    must(kith_index_build(index, NULL, NULL));
    return index;
}

static void search_on_all(job *jobs, size_t count, kith_type type, kith_metric metric)
{
    pthread_t threads[MOST];
    kith_hit expected[QUERIES * K];
    const kith_search_options options = kith_search_defaults(K);
    uint64_t random = check_seed();
    matrix rows = matrix_clustered(type, DIM, ROWS, 9, &random);
    matrix queries = matrix_clustered(type, DIM, QUERIES, 9, &random);
    kith_store *store = store_of(&rows, metric);
    kith_index *host = flat_on(store, "cpu");
    must(kith_index_search(host, queries.bytes, QUERIES, &options, expected, NULL));
    for (size_t i = 0; i < count; i++) {
        jobs[i].index = flat_on(store, jobs[i].info.id);
        jobs[i].queries = &queries;
        jobs[i].expected = expected;
    }
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &jobs[i]), 0);
    for (size_t i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        if (jobs[i].wrong)
            fail_msg("%s (%s of %s): %u answers are wrong", jobs[i].info.id, jobs[i].info.name,
                     jobs[i].info.platform, jobs[i].wrong);
        kith_index_close(jobs[i].index);
    }
    kith_index_close(host);
    kith_store_close(store);
    matrix_free(&rows);
    matrix_free(&queries);
}

/* So many devices on so many platforms, all usable and right; platforms do not alternate. */
static void expect_devices(size_t devices, size_t platforms)
{
    job jobs[MOST];
    char note[256], id[16];
    size_t seen = 0;
    const size_t count = list_opencl(jobs, note, sizeof note);
    for (size_t i = 0; i < count; i++) {
        printf("%s: %s, %s\n", jobs[i].info.id, jobs[i].info.name, jobs[i].info.platform);
        snprintf(id, sizeof id, "ocl%u", (unsigned)i % 100);
        assert_string_equal(jobs[i].info.id, id);
        if (!jobs[i].info.usable)
            fail_msg("%s is not usable: %s", id, jobs[i].info.reason);
        seen += i == 0 || strcmp(jobs[i].info.platform, jobs[i - 1].info.platform) != 0;
    }
    assert_int_equal(count, devices);
    assert_int_equal(seen, platforms);
    search_on_all(jobs, count, KITH_U8, KITH_L2SQ);
    search_on_all(jobs, count, KITH_F32, KITH_COSINE);
}

static void expect_none(void)
{
    job jobs[MOST];
    char note[256];
    assert_int_equal(list_opencl(jobs, note, sizeof note), 0);
    assert_non_null(strstr(note, "no driver"));
    matrix rows = matrix_identical(KITH_U8, DIM, 3, &(uint64_t){1});
    kith_store *store = store_of(&rows, KITH_L2SQ);
    kith_index_options options = kith_index_defaults(KITH_FLAT);
    kith_index *index = NULL;
    options.device = "ocl0";
    const kith_status status = kith_index_create(store, &options, &index);
    if (!status)
        must_fail(kith_index_build(index, NULL, NULL), KITH_ENODEVICE, "ocl0");
    else
        assert_int_equal(status, KITH_ENODEVICE);
    kith_index_close(index);
    kith_store_close(store);
    matrix_free(&rows);
}

static void one_case(void **unused)
{
    (void)unused;
    const char *name = getenv("KITH_TEST_CASE");
    if (strcmp(name, "one") == 0)
        expect_devices(1, 1);
    else if (strcmp(name, "two") == 0)
        expect_devices(2, 1);
    else if (strcmp(name, "platforms") == 0)
        expect_devices(2, 2);
    else
        expect_none();
}

/* ---- in the process that starts them ---- */

static void two_platforms(void **unused)
{
    (void)unused;
    need_file(driver_pocl);
    need_file(driver_oclgrind);
    driver_name("a.icd", NULL);
    driver_name("b.icd", driver_oclgrind);
    driver_case("platforms", "pthread");
    driver_forget("a.icd");
    driver_forget("b.icd");
}

static void two_equal_devices(void **unused)
{
    (void)unused;
    need_file(driver_pocl);
    driver_name("a.icd", NULL);
    driver_case("two", "pthread pthread");
    driver_forget("a.icd");
}

static void two_unequal_devices(void **unused)
{
    (void)unused;
    need_file(driver_pocl);
    driver_name("a.icd", NULL);
    driver_case("two", "basic pthread");
    driver_forget("a.icd");
}

static void a_platform_that_is_gone(void **unused)
{
    (void)unused;
    need_file(driver_pocl);
    driver_name("a.icd", "/nonexistent/libdriver.so");
    driver_name("b.icd", NULL);
    driver_case("one", "pthread");
    driver_forget("a.icd");
    driver_forget("b.icd");
}

static void a_folder_without_drivers(void **unused)
{
    (void)unused;
    driver_case("none", NULL);
}

int main(void)
{
    const struct CMUnitTest cases[] = {cmocka_unit_test(one_case)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_platforms),
        cmocka_unit_test(two_equal_devices),
        cmocka_unit_test(two_unequal_devices),
        cmocka_unit_test(a_platform_that_is_gone),
        cmocka_unit_test(a_folder_without_drivers),
    };
    setenv("KITH_CACHE", "disabled", 1); /* the user's own is none of a test's business */
    if (getenv("KITH_TEST_CASE"))
        return cmocka_run_group_tests(cases, NULL, NULL);
    return cmocka_run_group_tests(tests, drivers_open, drivers_close);
}

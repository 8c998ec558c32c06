/* Property: a tuned device answers as any other; what tuning found is kept beside the programs and
 * taken by the next device; and a file that says nonsense is not believed. */
#include "tests/opencl_check.h"

#include <dirent.h>
#include <string.h>

enum { DIM = 21, ROWS = 3000, QUERIES = 40, K = 20 };

static const char *directory;

static ki_cl_device *open_gpu(bool tune)
{
    setenv("KITH_OPENCL_SHAPE", "gpu", 1);
    if (tune)
        setenv("KITH_OPENCL_TUNE", "1", 1);
    ki_device *device = opencl_open();
    unsetenv("KITH_OPENCL_SHAPE");
    unsetenv("KITH_OPENCL_TUNE");
    return (ki_cl_device *)device;
}

static bool is_tried(uint32_t group)
{
    return group == 32 || group == 64 || group == 128 || group == 256;
}

static void the_next_device_takes_it(void **unused)
{
    (void)unused;
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, DIM, ROWS, QUERIES, check_seed());
    uint64_t *right = cloud_scan_once(&c, K);
    ki_cl_device *first = open_gpu(true);
    const uint32_t group = first->shape.group, tile_queries = first->tile_queries;
    print_message("groups of %u, tiles from %u queries\n", group, tile_queries);
    assert_true(is_tried(group));
    assert_true(tile_queries == 32 || tile_queries > 1000000);
    uint64_t *answers = cloud_scan(&first->base, &c, 0, QUERIES, K);
    assert_memory_equal(answers, right, (size_t)QUERIES * K * sizeof *right);
    free(answers);
    assert_int_equal(first->memory_used, 0);
    ki_cl_close(first);
    ki_cl_device *second = open_gpu(false);
    assert_int_equal(second->shape.group, group);
    assert_int_equal(second->tile_queries, tile_queries);
    ki_cl_close(second);
    cloud_free(&c);
    free(right);
}

/* Keeps a tuning for whatever group, as tune_cl.c does. */
static void each_tried_group_is_taken(void **unused)
{
    (void)unused;
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, DIM, ROWS, QUERIES, check_seed());
    uint64_t *right = cloud_scan_once(&c, 1024);
    for (uint32_t group = 32; group <= 256; group *= 2) {
        ki_cl_device *device = open_gpu(false);
        ki_cl_variants_close(device);
        device->shape.group = group;
        uint64_t *answers = cloud_scan(&device->base, &c, 0, QUERIES, 1024);
        assert_memory_equal(answers, right, (size_t)QUERIES * 1024 * sizeof *right);
        free(answers);
        ki_cl_close(device);
    }
    cloud_free(&c);
    free(right);
}

/* Turns every byte of every small file of the cache over: either the file is found out, and the
 * device is as usual, or it is a program. */
static void nonsense_is_not_believed(void **unused)
{
    (void)unused;
    uint32_t damaged = 0;
    DIR *open = opendir(directory);
    assert_non_null(open);
    for (struct dirent *at = readdir(open); at; at = readdir(open)) {
        char path[400];
        unsigned char bytes[200];
        snprintf(path, sizeof path, "%s/%s", directory, at->d_name);
        FILE *file = fopen(path, "r+b");
        const size_t n = file ? fread(bytes, 1, sizeof bytes, file) : 0;
        if (n > 0 && n < sizeof bytes) {
            bytes[n - 8] ^= 0x11; /* the group */
            rewind(file);
            damaged += fwrite(bytes, 1, n, file) == n;
        }
        if (file)
            fclose(file);
    }
    closedir(open);
    assert_int_equal(damaged, 1);
    ki_cl_device *device = open_gpu(false);
    assert_int_equal(device->shape.group, 64);
    assert_int_equal(device->tile_queries, 32);
    ki_cl_close(device);
}

static void a_cpu_has_nothing_to_choose(void **unused)
{
    (void)unused;
    setenv("KITH_OPENCL_SHAPE", "cpu", 1);
    ki_cl_device *device = (ki_cl_device *)opencl_open();
    assert_int_equal(ki_cl_tune(device), KITH_OK);
    assert_int_equal(device->shape.group, 1);
    ki_cl_close(device);
    unsetenv("KITH_OPENCL_SHAPE");
}

static int prepare(void **unused)
{
    (void)unused;
    directory = opencl_cache_new();
    return 0;
}

static int finish(void **unused)
{
    (void)unused;
    opencl_cache_drop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_device_takes_it),
        cmocka_unit_test(each_tried_group_is_taken),
        cmocka_unit_test(nonsense_is_not_believed),
        cmocka_unit_test(a_cpu_has_nothing_to_choose),
    };
    return cmocka_run_group_tests(tests, prepare, finish);
}

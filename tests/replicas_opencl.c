/* replicas_opencl.c - see replicas_opencl.h. */
#include "tests/replicas_opencl.h"
#include "tests/opencl_check.h"

#include <string.h>

void opencl_shows(const char *pocl_devices)
{
    assert_int_equal(setenv("POCL_DEVICES", pocl_devices, 1), 0);
    opencl_cache_new();
}

void opencl_shows_no_more(void)
{
    opencl_cache_drop();
}

void need_pocl(uint32_t count)
{
    kith_devices *devices = NULL;
    kith_device_info info = {.size = sizeof info};
    uint32_t usable = 0;
    must(kith_devices_open(&devices));
    for (uint32_t i = 1; i <= count && i < kith_devices_count(devices); i++) {
        must(kith_devices_get(devices, i, &info));
        usable += info.usable && strstr(info.platform, "Portable Computing") != NULL;
    }
    kith_devices_close(devices);
    if (usable == count)
        return;
    print_message("%u of the first %u OpenCL devices are PoCL's and usable\n", usable, count);
    skip();
}

kith_replicas *replicas_on(const shaky_bench *b, const char *const *names, size_t count,
                           uint32_t partitions, uint32_t copies)
{
    kith_replicas_options options = kith_replicas_defaults(partitions, copies);
    kith_replicas *r = NULL;
    options.devices = names;
    options.device_count = count;
    options.threads = 1;
    options.deadline_ms = 60000; /* so that a busy machine is no device that hangs */
    must(kith_replicas_create(b->index, &options, NULL, NULL, &r));
    return r;
}

void search_as_index(const shaky_bench *b, kith_replicas *r, size_t nq,
                     const kith_search_options *search, kith_replicas_report *report,
                     const char *what)
{
    const size_t n = nq * search->k;
    kith_hit *right = calloc(n, sizeof *right), *got = calloc(n, sizeof *got);
    assert_true(right && got);
    must(kith_index_search(b->index, b->queries.bytes, nq, search, right, NULL));
    must(kith_replicas_search(r, b->queries.bytes, nq, search, got, report));
    same_hits(right, got, n, what);
    free(right);
    free(got);
}

void check_copies(const kith_replicas *r, uint32_t partitions, uint32_t copies, uint64_t rows)
{
    uint64_t sum = 0;
    for (uint32_t p = 0; p < partitions; p++) {
        const kith_copy_info first = copy_info(r, (size_t)p * copies);
        for (uint32_t c = 0; c < copies; c++) {
            const kith_copy_info info = copy_info(r, (size_t)p * copies + c);
            assert_int_equal(info.partition, p);
            assert_int_equal(info.state, KITH_COPY_OK);
            assert_string_equal(info.reason, "");
            assert_true(info.digest == first.digest && info.rows == first.rows);
        }
        sum += first.rows;
    }
    assert_int_equal(sum, rows);
    kith_copy_info beyond = {.size = sizeof beyond};
    must_fail(kith_replicas_copy(r, (size_t)partitions * copies, &beyond), KITH_ENOTFOUND, "");
}

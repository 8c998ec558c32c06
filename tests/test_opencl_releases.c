/* Every OpenCL object that is made is released, once, whichever call failed on the way. */
#include "tests/opencl_check.h"

#include <string.h>

enum { DIM = 9, ROWS = 100, QUERIES = 2, K = 3, MOST = 1000 };

/* The loader's table with the functions that make and release objects replaced by ones that
 * count. A device opened from it uses it for everything. */
static const ki_cl *real;
static ki_cl counting;
static int alive;

static void *count_made(void *object)
{
    alive += object != NULL;
    return object;
}

static cl_context make_context(const cl_context_properties *properties, cl_uint n,
                               const cl_device_id *devices,
                               void (*notify)(const char *, const void *, size_t, void *),
                               void *user, cl_int *code)
{
    return count_made(real->CreateContext(properties, n, devices, notify, user, code));
}

static cl_command_queue make_queue(cl_context context, cl_device_id device,
                                   cl_command_queue_properties properties, cl_int *code)
{
    return count_made(real->CreateCommandQueue(context, device, properties, code));
}

static cl_mem make_buffer(cl_context context, cl_mem_flags flags, size_t bytes, void *host,
                          cl_int *code)
{
    return count_made(real->CreateBuffer(context, flags, bytes, host, code));
}

static cl_program make_program(cl_context context, cl_uint n, const char **texts,
                               const size_t *lengths, cl_int *code)
{
    return count_made(real->CreateProgramWithSource(context, n, texts, lengths, code));
}

static cl_program load_program(cl_context context, cl_uint n, const cl_device_id *devices,
                               const size_t *lengths, const unsigned char **binaries,
                               cl_int *status, cl_int *code)
{
    return count_made(
        real->CreateProgramWithBinary(context, n, devices, lengths, binaries, status, code));
}

static cl_kernel make_kernel(cl_program program, const char *name, cl_int *code)
{
    return count_made(real->CreateKernel(program, name, code));
}

static cl_int drop_context(cl_context context)
{
    alive--;
    return real->ReleaseContext(context);
}

static cl_int drop_queue(cl_command_queue queue)
{
    alive--;
    return real->ReleaseCommandQueue(queue);
}

static cl_int drop_buffer(cl_mem buffer)
{
    alive--;
    return real->ReleaseMemObject(buffer);
}

static cl_int drop_program(cl_program program)
{
    alive--;
    return real->ReleaseProgram(program);
}

static cl_int drop_kernel(cl_kernel kernel)
{
    alive--;
    return real->ReleaseKernel(kernel);
}

static bool take_first(void *user, const ki_cl_found *found)
{
    *(ki_cl_found *)user = *found;
    return true;
}

static ki_cl_found found_with_counters(void)
{
    ki_cl_found found;
    char note[256];
    assert_true(ki_cl_walk(take_first, &found, note, sizeof note));
    real = found.cl;
    counting = *real;
    counting.CreateContext = make_context;
    counting.CreateCommandQueue = make_queue;
    counting.CreateBuffer = make_buffer;
    counting.CreateProgramWithSource = make_program;
    counting.CreateProgramWithBinary = load_program;
    counting.CreateKernel = make_kernel;
    counting.ReleaseContext = drop_context;
    counting.ReleaseCommandQueue = drop_queue;
    counting.ReleaseMemObject = drop_buffer;
    counting.ReleaseProgram = drop_program;
    counting.ReleaseKernel = drop_kernel;
    found.cl = &counting;
    return found;
}

/* One search with the n-th call failing, n 0 for none; true when there was something to fail. */
static bool search(const ki_cl_found *found, const cloud *c, uint64_t n)
{
    ki_cl_device *device = NULL;
    const ki_device_queries queries = {c->asked, DIM, QUERIES, 0};
    ki_device_rows *rows = NULL;
    uint64_t answers[QUERIES * K];
    ki_cl_fail_at(n);
    kith_status status = ki_cl_open(found, &device);
    if (!status)
        status = ki_cl_put_rows(&device->base, &c->set, &rows);
    if (!status)
        status = ki_cl_scan(rows, &queries, K, answers);
    bool pending = n == 0;
    for (int i = 0; i < 10 * MOST && !pending; i++)
        pending = ki_cl_should_fail();
    ki_cl_fail_at(0);
    assert_true(n > 0 || (status == KITH_OK && alive >= 12));
    ki_cl_drop_rows(rows);
    ki_cl_close(device);
    if (alive != 0)
        fail_msg("call %llu failed and %d objects stayed", (unsigned long long)n, alive);
    return !pending;
}

static void all_are_released(void **unused)
{
    (void)unused;
    opencl_cache_new();
    const ki_cl_found found = found_with_counters();
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, DIM, ROWS, QUERIES, check_seed());
    search(&found, &c, 0);
    uint64_t n = 1;
    while (search(&found, &c, n))
        assert_true(n++ < MOST);
    assert_true(n > 50);
    cloud_free(&c);
    opencl_cache_drop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_are_released)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

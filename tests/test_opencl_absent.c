/* A machine without OpenCL, or without a driver, has no OpenCL devices: a note says why, listing
 * is no error, and opening one is ENODEVICE with a sentence. */
#include "tests/opencl_check.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void count_device(void *user, const kith_device_info *info)
{
    (void)info;
    ++*(uint32_t *)user;
}

/* What must hold; the child's exit status says which line did not. */
static int absent(const char *word)
{
    char note[256] = "";
    uint32_t count = 0;
    ki_device *device = NULL;
    ki_fail(KITH_OK, "kept");
    ki_opencl_list(count_device, &count, note, sizeof note);
    if (count != 0)
        return 2;
    if (!strstr(note, word))
        return 3;
    if (strcmp(kith_last_error(), "kept") != 0)
        return 4;
    if (ki_opencl_open(0, 0, 1, &device) != KITH_ENODEVICE || device)
        return 5;
    return strstr(kith_last_error(), "ocl0") && strstr(kith_last_error(), word) ? 0 : 6;
}

/* A loader reads its environment once, so each case has a process of its own. */
static void in_a_process(const char *variable, const char *value, const char *word)
{
    int status = 0;
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setenv(variable, value, 1);
        _exit(absent(word));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("%s=%s: the child ended with %d", variable, value,
                 WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
}

static void disabled(void **unused)
{
    (void)unused;
    in_a_process("KITH_OPENCL_LIBRARY", "disabled", "disabled");
}

static void no_loader(void **unused)
{
    (void)unused;
    in_a_process("KITH_OPENCL_LIBRARY", "/nonexistent/libOpenCL.so", "no OpenCL loader");
}

static void not_a_loader(void **unused)
{
    (void)unused;
    in_a_process("KITH_OPENCL_LIBRARY", "libm.so.6", "has no clGetPlatformIDs");
}

static void no_driver(void **unused)
{
    (void)unused;
    in_a_process("OCL_ICD_VENDORS", "/nonexistent", "no driver");
}

static void number_out_of_range(void **unused)
{
    (void)unused;
    ki_device *device = NULL;
    assert_int_equal(ki_opencl_open(4000000000u, 0, 1, &device), KITH_ENODEVICE);
    assert_null(device);
    assert_non_null(strstr(kith_last_error(), "ocl4000000000"));
}

static void disabled_after_use(void **unused)
{
    (void)unused;
    setenv("KITH_CACHE", "disabled", 1);
    ki_device *device = opencl_open();
    device->ops->close(device);
    setenv("KITH_OPENCL_LIBRARY", "disabled", 1);
    assert_int_equal(absent("disabled"), 0);
    unsetenv("KITH_OPENCL_LIBRARY");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(disabled),
        cmocka_unit_test(no_loader),
        cmocka_unit_test(not_a_loader),
        cmocka_unit_test(no_driver),
        cmocka_unit_test(number_out_of_range),
        cmocka_unit_test(disabled_after_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

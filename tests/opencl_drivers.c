/* opencl_drivers.c - see opencl_drivers.h. */
#include "tests/opencl_drivers.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SKIPPED = 77 };

const char driver_oclgrind[] = "/usr/lib/oclgrind/liboclgrind-rt-icd.so";
const char driver_pocl[] = "/etc/OpenCL/vendors/pocl.icd";
static char folder[64];

void need_file(const char *file)
{
    if (access(file, R_OK) != 0) {
        print_message("%s is not here\n", file);
        skip();
    }
}

int drivers_open(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/kith-test-vendors-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

int drivers_close(void **state)
{
    (void)state;
    return rmdir(folder);
}

void driver_name(const char *file, const char *text)
{
    char path[128], line[256] = "";
    FILE *from = text ? NULL : fopen(driver_pocl, "r");
    if (from) {
        assert_non_null(fgets(line, sizeof line, from));
        fclose(from);
    }
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *to = fopen(path, "w");
    assert_non_null(to);
    fprintf(to, "%s\n", text ? text : line);
    fclose(to);
}

void driver_forget(const char *file)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    unlink(path);
}

void driver_case(const char *name, const char *pocl_devices)
{
    int status = 0;
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setenv("KITH_TEST_CASE", name, 1);
        setenv("OCL_ICD_VENDORS", folder, 1);
        if (pocl_devices)
            setenv("POCL_DEVICES", pocl_devices, 1);
        execl("/proc/self/exe", "a case of this test", (char *)NULL);
        _exit(SKIPPED);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("%s, POCL_DEVICES=%s: the process ended with %d", name,
                 pocl_devices ? pocl_devices : "", status);
}

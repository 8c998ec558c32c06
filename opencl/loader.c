/* loader.c - opens the OpenCL loader with dlopen and fills the table of functions.
 *
 * May touch dlopen and the environment; knows no device. The one idea: the library must start on
 * a machine that has never heard of OpenCL, so no symbol of it is linked. The same table makes
 * every call of the room countable, and a test can make the n-th one fail.
 *
 * Any number of threads may ask at once; a mutex orders them, and the table never changes after
 * it was handed out. A failure is not remembered: the next caller tries again, because the
 * environment may name another library by then.
 */
#include "opencl/loader.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_LIBRARY "libOpenCL.so.1"

static const struct {
    const char *name;
    size_t offset;
} symbols[] = {
    {"clGetPlatformIDs", offsetof(ki_cl, GetPlatformIDs)},
    {"clGetPlatformInfo", offsetof(ki_cl, GetPlatformInfo)},
    {"clGetDeviceIDs", offsetof(ki_cl, GetDeviceIDs)},
    {"clGetDeviceInfo", offsetof(ki_cl, GetDeviceInfo)},
    {"clCreateContext", offsetof(ki_cl, CreateContext)},
    {"clReleaseContext", offsetof(ki_cl, ReleaseContext)},
    {"clCreateCommandQueue", offsetof(ki_cl, CreateCommandQueue)},
    {"clReleaseCommandQueue", offsetof(ki_cl, ReleaseCommandQueue)},
    {"clCreateBuffer", offsetof(ki_cl, CreateBuffer)},
    {"clReleaseMemObject", offsetof(ki_cl, ReleaseMemObject)},
    {"clCreateProgramWithSource", offsetof(ki_cl, CreateProgramWithSource)},
    {"clCreateProgramWithBinary", offsetof(ki_cl, CreateProgramWithBinary)},
    {"clBuildProgram", offsetof(ki_cl, BuildProgram)},
    {"clGetProgramInfo", offsetof(ki_cl, GetProgramInfo)},
    {"clGetProgramBuildInfo", offsetof(ki_cl, GetProgramBuildInfo)},
    {"clReleaseProgram", offsetof(ki_cl, ReleaseProgram)},
    {"clCreateKernel", offsetof(ki_cl, CreateKernel)},
    {"clSetKernelArg", offsetof(ki_cl, SetKernelArg)},
    {"clReleaseKernel", offsetof(ki_cl, ReleaseKernel)},
    {"clEnqueueNDRangeKernel", offsetof(ki_cl, EnqueueNDRangeKernel)},
    {"clEnqueueWriteBuffer", offsetof(ki_cl, EnqueueWriteBuffer)},
    {"clEnqueueReadBuffer", offsetof(ki_cl, EnqueueReadBuffer)},
    {"clEnqueueFillBuffer", offsetof(ki_cl, EnqueueFillBuffer)},
    {"clFinish", offsetof(ki_cl, Finish)},
};

_Static_assert(sizeof symbols / sizeof symbols[0] * sizeof(void *) == sizeof(ki_cl),
               "every function of the table has a line, and only these");

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static ki_cl table; /* written once, under the mutex, before `loaded` is set */
static bool loaded;

static _Thread_local uint64_t fail_countdown; /* 0: off */

void ki_cl_fail_at(uint64_t n)
{
    fail_countdown = n;
}

bool ki_cl_should_fail(void)
{
    return fail_countdown != 0 && --fail_countdown == 0;
}

/* All or nothing: the library is closed again when one symbol is missing. */
static bool open_library(const char *path, char *note, size_t note_size)
{
    ki_cl found;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        snprintf(note, note_size, "no OpenCL loader: %s", dlerror());
        return false;
    }
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        void *address = dlsym(library, symbols[i].name);
        if (!address) {
            snprintf(note, note_size, "%s has no %s: OpenCL 1.2 is needed", path, symbols[i].name);
            dlclose(library);
            return false;
        }
        memcpy((char *)&found + symbols[i].offset, &address, sizeof address);
    }
    table = found;
    return true;
}

const ki_cl *ki_cl_load(char *note, size_t note_size)
{
    const char *path = getenv("KITH_OPENCL_LIBRARY");
    if (path && strcmp(path, "disabled") == 0) {
        snprintf(note, note_size, "OpenCL is disabled by KITH_OPENCL_LIBRARY");
        return NULL;
    }
    pthread_mutex_lock(&mutex);
    if (!loaded)
        loaded = open_library(path && *path ? path : DEFAULT_LIBRARY, note, note_size);
    const bool usable = loaded;
    pthread_mutex_unlock(&mutex);
    return usable ? &table : NULL;
}

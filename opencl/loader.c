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
    bool optional;
} symbols[] = {
    {"clGetPlatformIDs", offsetof(ki_cl, GetPlatformIDs), false},
    {"clGetPlatformInfo", offsetof(ki_cl, GetPlatformInfo), false},
    {"clGetDeviceIDs", offsetof(ki_cl, GetDeviceIDs), false},
    {"clGetDeviceInfo", offsetof(ki_cl, GetDeviceInfo), false},
    {"clCreateContext", offsetof(ki_cl, CreateContext), false},
    {"clReleaseContext", offsetof(ki_cl, ReleaseContext), false},
    {"clCreateCommandQueue", offsetof(ki_cl, CreateCommandQueue), false},
    {"clReleaseCommandQueue", offsetof(ki_cl, ReleaseCommandQueue), false},
    {"clCreateBuffer", offsetof(ki_cl, CreateBuffer), false},
    {"clReleaseMemObject", offsetof(ki_cl, ReleaseMemObject), false},
    {"clCreateProgramWithSource", offsetof(ki_cl, CreateProgramWithSource), false},
    {"clCreateProgramWithBinary", offsetof(ki_cl, CreateProgramWithBinary), false},
    {"clBuildProgram", offsetof(ki_cl, BuildProgram), false},
    {"clGetProgramInfo", offsetof(ki_cl, GetProgramInfo), false},
    {"clGetProgramBuildInfo", offsetof(ki_cl, GetProgramBuildInfo), false},
    {"clReleaseProgram", offsetof(ki_cl, ReleaseProgram), false},
    {"clCreateKernel", offsetof(ki_cl, CreateKernel), false},
    {"clSetKernelArg", offsetof(ki_cl, SetKernelArg), false},
    {"clReleaseKernel", offsetof(ki_cl, ReleaseKernel), false},
    {"clEnqueueNDRangeKernel", offsetof(ki_cl, EnqueueNDRangeKernel), false},
    {"clEnqueueWriteBuffer", offsetof(ki_cl, EnqueueWriteBuffer), false},
    {"clEnqueueReadBuffer", offsetof(ki_cl, EnqueueReadBuffer), false},
    {"clEnqueueFillBuffer", offsetof(ki_cl, EnqueueFillBuffer), false},
    {"clEnqueueMapBuffer", offsetof(ki_cl, EnqueueMapBuffer), false},
    {"clEnqueueUnmapMemObject", offsetof(ki_cl, EnqueueUnmapMemObject), false},
    {"clGetMemObjectInfo", offsetof(ki_cl, GetMemObjectInfo), false},
    {"clGetEventInfo", offsetof(ki_cl, GetEventInfo), false},
    {"clGetEventProfilingInfo", offsetof(ki_cl, GetEventProfilingInfo), false},
    {"clWaitForEvents", offsetof(ki_cl, WaitForEvents), false},
    {"clReleaseEvent", offsetof(ki_cl, ReleaseEvent), false},
    {"clFlush", offsetof(ki_cl, Flush), false},
    {"clFinish", offsetof(ki_cl, Finish), false},
    {"clCreateSubDevices", offsetof(ki_cl, CreateSubDevices), true},
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
        if (!address && !symbols[i].optional) {
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

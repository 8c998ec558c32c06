/* loader.h - the OpenCL functions, found at run time, and the one place where tests make them fail.
 *
 * May include kv/base.h and CL headers. Nothing links libOpenCL: a machine without it is an
 * answer, not an error.
 */
#ifndef KI_LOADER_H
#define KI_LOADER_H

#include "kv/base.h"

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

/* Named as in the specification without the "cl". All are core since OpenCL 1.2; the last two are
 * NULL where a loader lacks them, and then devices are not divided. */
typedef struct ki_cl {
    __typeof__(clGetPlatformIDs) *GetPlatformIDs;
    __typeof__(clGetPlatformInfo) *GetPlatformInfo;
    __typeof__(clGetDeviceIDs) *GetDeviceIDs;
    __typeof__(clGetDeviceInfo) *GetDeviceInfo;
    __typeof__(clCreateContext) *CreateContext;
    __typeof__(clReleaseContext) *ReleaseContext;
    __typeof__(clCreateCommandQueue) *CreateCommandQueue;
    __typeof__(clReleaseCommandQueue) *ReleaseCommandQueue;
    __typeof__(clCreateBuffer) *CreateBuffer;
    __typeof__(clReleaseMemObject) *ReleaseMemObject;
    __typeof__(clCreateProgramWithSource) *CreateProgramWithSource;
    __typeof__(clCreateProgramWithBinary) *CreateProgramWithBinary;
    __typeof__(clBuildProgram) *BuildProgram;
    __typeof__(clGetProgramInfo) *GetProgramInfo;
    __typeof__(clGetProgramBuildInfo) *GetProgramBuildInfo;
    __typeof__(clReleaseProgram) *ReleaseProgram;
    __typeof__(clCreateKernel) *CreateKernel;
    __typeof__(clSetKernelArg) *SetKernelArg;
    __typeof__(clReleaseKernel) *ReleaseKernel;
    __typeof__(clEnqueueNDRangeKernel) *EnqueueNDRangeKernel;
    __typeof__(clEnqueueWriteBuffer) *EnqueueWriteBuffer;
    __typeof__(clEnqueueReadBuffer) *EnqueueReadBuffer;
    __typeof__(clEnqueueFillBuffer) *EnqueueFillBuffer;
    __typeof__(clEnqueueMapBuffer) *EnqueueMapBuffer;
    __typeof__(clEnqueueUnmapMemObject) *EnqueueUnmapMemObject;
    __typeof__(clGetMemObjectInfo) *GetMemObjectInfo;
    __typeof__(clGetEventInfo) *GetEventInfo;
    __typeof__(clGetEventProfilingInfo) *GetEventProfilingInfo;
    __typeof__(clWaitForEvents) *WaitForEvents;
    __typeof__(clReleaseEvent) *ReleaseEvent;
    __typeof__(clFlush) *Flush;
    __typeof__(clFinish) *Finish;
    __typeof__(clCreateSubDevices) *CreateSubDevices;
} ki_cl;

/* The table, or NULL and a sentence in `note`. KITH_OPENCL_LIBRARY names another loader, or is
 * "disabled". A loader once opened stays open: drivers keep threads that outlive any call. */
const ki_cl *ki_cl_load(char *note, size_t note_size);

/* Tests: the n-th call through KI_CL or KI_CL_MAKE from now on fails, once; 0 turns it off. This
 * thread only. Releases are not counted: they must happen. */
void ki_cl_fail_at(uint64_t n);
bool ki_cl_should_fail(void);

/* A call that returns a code, and a call that returns an object and a code. */
#define KI_CL(call) (ki_cl_should_fail() ? CL_OUT_OF_RESOURCES : (call))
#define KI_CL_MAKE(code, call)                                                                     \
    (ki_cl_should_fail() ? (*(code) = CL_OUT_OF_RESOURCES, NULL) : (call))

#endif

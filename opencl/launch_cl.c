/* launch_cl.c - gives kernels to a device's queue, counts what it does, and waits for it cheaply.
 *
 * May touch device_cl.h. The one idea: every launch of the room passes here, so that counting,
 * profiling and waiting are written once.
 *
 * Some GPU drivers wait by spinning, a core a device. So before a read that ends a batch this
 * file sleeps through most of what the launches are expected to take, in steps short enough that
 * an estimate which is wrong costs little, and leaves only the end to the driver. A single long
 * sleep was not taken: the speed is measured by the same clock, and an estimate on the low side
 * would then confirm itself.
 */
#include "opencl/device_cl.h"

#include <time.h>

enum { DOZES = 16 }; /* steps of a sleep: what an estimate that is too long may cost */

static const double worth_dozing = 2e-3; /* seconds; below, the sleep is as long as the work */
static const double doze_share = 0.9;    /* of what is expected */

static kith_status set_arguments(ki_cl_device *device, const ki_cl_launch *launch,
                                 const ki_cl_argument *arguments, cl_uint count)
{
    for (cl_uint i = 0; i < count; i++) {
        const cl_int code = KI_CL(device->found.cl->SetKernelArg(
            launch->kernel, i, arguments[i].bytes, arguments[i].value));
        if (code)
            return ki_cl_fail(code, "clSetKernelArg", device->found.info.id,
                              "argument %u of %s, %zu bytes", (unsigned)i, launch->name,
                              arguments[i].bytes);
    }
    return KITH_OK;
}

/* Waits for a launch and adds the time that the device says it took. */
static kith_status profile(ki_cl_device *device, const char *name, cl_event event)
{
    const ki_cl *cl = device->found.cl;
    const char *call = "clWaitForEvents";
    cl_ulong begin = 0, end = 0;
    cl_int code = KI_CL(cl->WaitForEvents(1, &event));
    if (!code) {
        call = "clGetEventProfilingInfo";
        code = KI_CL(cl->GetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof begin,
                                               &begin, NULL));
    }
    if (!code)
        code = KI_CL(
            cl->GetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL));
    cl->ReleaseEvent(event);
    if (code)
        return ki_cl_fail(code, call, device->found.info.id, "%s", name);
    device->counters.kernel_seconds += end > begin ? 1e-9 * (double)(end - begin) : 0;
    return KITH_OK;
}

kith_status ki_cl_run(ki_cl_device *device, const ki_cl_launch *launch,
                      const ki_cl_argument *arguments, cl_uint count)
{
    const size_t local[2] = {launch->group, 1};
    const size_t global[2] = {launch->width * launch->group, launch->height};
    cl_event event = NULL;
    const kith_status status = set_arguments(device, launch, arguments, count);
    if (status)
        return status;
    const cl_int code = KI_CL(
        device->found.cl->EnqueueNDRangeKernel(device->queue, launch->kernel, 2, NULL, global,
                                               local, 0, NULL, device->profiled ? &event : NULL));
    if (code)
        return ki_cl_fail(code, "clEnqueueNDRangeKernel", device->found.info.id,
                          "%s, %zu x %zu groups of %zu", launch->name, launch->width,
                          launch->height, launch->group);
    device->counters.launches++;
    device->pending_seconds += launch->seconds;
    return device->profiled ? profile(device, launch->name, event) : KITH_OK;
}

void ki_cl_counters_read(ki_cl_device *device, ki_cl_counters *out)
{
    pthread_mutex_lock(&device->mutex);
    *out = device->counters;
    pthread_mutex_unlock(&device->mutex);
    out->bytes_up = device->bytes_up;
    out->bytes_down = device->bytes_down;
}

static bool is_done(const ki_cl *cl, cl_event event)
{
    cl_int state = CL_COMPLETE; /* what cannot be asked is waited for */
    cl->GetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL);
    return state <= CL_COMPLETE; /* errors are below */
}

static void doze(const ki_cl *cl, cl_event event, double expected)
{
    const double step = expected * doze_share / DOZES;
    const struct timespec pause = {(time_t)step, (long)((step - (double)(time_t)step) * 1e9)};
    for (int i = 0; i < DOZES && !is_done(cl, event); i++)
        nanosleep(&pause, NULL);
}

kith_status ki_cl_read(ki_cl_device *device, const char *what, cl_mem buffer, void *data,
                       size_t bytes)
{
    const ki_cl *cl = device->found.cl;
    const double expected = device->dozes ? device->pending_seconds : 0;
    const bool dozing = expected > worth_dozing;
    const char *call = "clEnqueueReadBuffer";
    cl_event event = NULL;
    cl_int code = KI_CL(cl->EnqueueReadBuffer(device->queue, buffer, dozing ? CL_FALSE : CL_TRUE, 0,
                                              bytes, data, 0, NULL, dozing ? &event : NULL));
    device->pending_seconds = 0;
    if (dozing && !code) {
        cl->Flush(device->queue); /* what is not sent would be waited for in vain */
        doze(cl, event, expected);
        call =
            "clFinish"; /* not the event: a failure must not leave the driver writing to `data` */
        code = KI_CL(cl->Finish(device->queue));
        cl->ReleaseEvent(event);
    }
    if (code)
        return ki_cl_fail(code, call, device->found.info.id, "%zu bytes of %s", bytes, what);
    device->bytes_down += bytes;
    return KITH_OK;
}

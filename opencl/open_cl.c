/* open_cl.c - opens one OpenCL device as a ki_device, and closes it.
 *
 * May touch device_cl.h. The one idea: a device has a context and a queue of its own, so that
 * one whose driver gives up takes no other down, and it is believed only after a small search
 * with known answers: drivers that compile a kernel wrongly report no error.
 */
#include "opencl/device_cl.h"

#include <stdlib.h>
#include <string.h>

/* On a CPU a group is one item and its lanes a vector register; on a GPU, two or one groups of
 * hardware lanes, each loading 16 bytes. */
static const ki_cl_shape cpu_shape = {.lanes = 16, .group = 1, .block = 16};
static const ki_cl_shape gpu_shape = {.lanes = 4, .group = 64, .block = 128};

static ki_cl_shape choose_shape(cl_device_type kind)
{
    const char *wanted = getenv("KITH_OPENCL_SHAPE");
    if (wanted && strcmp(wanted, "cpu") == 0)
        return cpu_shape;
    if (wanted && strcmp(wanted, "gpu") == 0)
        return gpu_shape;
    return kind & CL_DEVICE_TYPE_CPU ? cpu_shape : gpu_shape;
}

/* The device's own limit, or the environment's if that is lower. */
static size_t choose_max_alloc(uint64_t device_limit)
{
    const char *text = getenv("KITH_OPENCL_MAX_ALLOC");
    const unsigned long long wanted = text ? strtoull(text, NULL, 0) : 0;
    const uint64_t limit = wanted > 0 && wanted < device_limit ? wanted : device_limit;
    return limit < SIZE_MAX ? (size_t)limit : SIZE_MAX;
}

static ki_cl_device *own(const ki_device *device)
{
    return (ki_cl_device *)(uintptr_t)device;
}

static void device_info(const ki_device *device, kith_device_info *out)
{
    *out = own(device)->found.info;
}

static uint32_t device_max_k(const ki_device *device)
{
    (void)device;
    return KI_CL_MAX_K;
}

static void device_close(ki_device *device)
{
    ki_cl_close(device ? own(device) : NULL);
}

static const ki_device_ops ops = {
    .info = device_info,
    .put_rows = ki_cl_put_rows,
    .drop_rows = ki_cl_drop_rows,
    .scan = ki_cl_scan,
    .max_k = device_max_k,
    .close = device_close,
};

void ki_cl_close(ki_cl_device *device)
{
    if (!device)
        return;
    const ki_cl *cl = device->found.cl;
    for (size_t pairing = 0; pairing < KI_CL_PAIRINGS; pairing++)
        for (size_t metric = 0; metric < KI_METRIC_COUNT; metric++)
            for (size_t pass = 0; pass < KI_CL_PASSES; pass++)
                ki_cl_variant_close(cl, &device->scans[pairing][metric][pass]);
    ki_cl_variant_close(cl, &device->merge);
    if (device->queue)
        cl->ReleaseCommandQueue(device->queue);
    if (device->context)
        cl->ReleaseContext(device->context);
    pthread_mutex_destroy(&device->mutex);
    ki_free(device);
}

static kith_status open_queue(ki_cl_device *device)
{
    const ki_cl *cl = device->found.cl;
    const char *id = device->found.info.id;
    cl_int code = CL_SUCCESS;
    const cl_context_properties properties[] = {
        CL_CONTEXT_PLATFORM, (cl_context_properties)(uintptr_t)device->found.platform, 0};
    device->context = KI_CL_MAKE(
        &code, cl->CreateContext(properties, 1, &device->found.device, NULL, NULL, &code));
    if (code)
        return ki_cl_fail(code, "clCreateContext", id, "%s", device->found.info.name);
    device->queue =
        KI_CL_MAKE(&code, cl->CreateCommandQueue(device->context, device->found.device, 0, &code));
    if (code)
        return ki_cl_fail(code, "clCreateCommandQueue", id, "%s", device->found.info.name);
    return KITH_OK;
}

kith_status ki_cl_open(const ki_cl_found *found, ki_cl_device **out)
{
    ki_cl_device *device = ki_zalloc(sizeof *device);
    if (!device)
        return ki_no_memory("an OpenCL device", sizeof *device);
    if (pthread_mutex_init(&device->mutex, NULL)) {
        ki_free(device);
        return ki_fail(KITH_ENOMEM, "no mutex for an OpenCL device");
    }
    device->base.ops = &ops;
    device->found = *found;
    device->shape = choose_shape(found->kind);
    device->max_alloc = choose_max_alloc(found->info.max_alloc_bytes);
    /* A guess on the low side: the first launches are then short, and measured. */
    device->macs_per_second = 2e9 * (found->info.compute_units ? found->info.compute_units : 1);
    kith_status status = open_queue(device);
    if (!status)
        status = ki_cl_self_test(device);
    if (status) {
        ki_cl_close(device);
        return status;
    }
    *out = device;
    return KITH_OK;
}

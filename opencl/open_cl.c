/* open_cl.c - opens one OpenCL device as a ki_device, and closes it.
 *
 * May touch device_cl.h. The one idea: a device has a context and a queue of its own, so that
 * one whose driver gives up takes no other down, and it is believed only after a small search
 * with known answers: drivers that compile a kernel wrongly report no error.
 */
#include "opencl/walk_cl.h"

#include <stdlib.h>
#include <string.h>

/* On a CPU a group is one item and its lanes a vector register; on a GPU, two or one groups of
 * hardware lanes, each loading 16 bytes. */
static const ki_cl_shape cpu_shape = {.lanes = 16, .group = 1, .block = 16};
static const ki_cl_shape gpu_shape = {.lanes = 4, .group = 64, .block = 128};

enum { TILE_QUERIES = 32 }; /* a tile computes 64, and half of them should be wanted */

static ki_cl_shape choose_shape(cl_device_type kind)
{
    const char *wanted = getenv("KITH_OPENCL_SHAPE");
    if (wanted && strcmp(wanted, "cpu") == 0)
        return cpu_shape;
    if (wanted && strcmp(wanted, "gpu") == 0)
        return gpu_shape;
    return kind & CL_DEVICE_TYPE_CPU ? cpu_shape : gpu_shape;
}

/* The device's own limit, none when it is not told, or the environment's if that is lower. */
static size_t choose_limit(const char *variable, uint64_t device_limit)
{
    const char *text = getenv(variable);
    const unsigned long long wanted = text ? strtoull(text, NULL, 0) : 0;
    const uint64_t own = device_limit ? device_limit : SIZE_MAX;
    const uint64_t limit = wanted > 0 && wanted < own ? wanted : own;
    return limit < SIZE_MAX ? (size_t)limit : SIZE_MAX;
}

/* Names as KITH_OPENCL_PATH has them. */
static ki_cl_path choose_path(void)
{
    static const char *const names[KI_CL_PATHS] = {
        [KI_CL_LISTS] = "scan", [KI_CL_TILES] = "tile", [KI_CL_SELECT] = "select"};
    const char *wanted = getenv("KITH_OPENCL_PATH");
    for (int path = KI_CL_LISTS; wanted && path < KI_CL_PATHS; path++)
        if (strcmp(wanted, names[path]) == 0)
            return (ki_cl_path)path;
    return KI_CL_ANY_PATH;
}

static bool is_set(const char *variable)
{
    const char *text = getenv(variable);
    return text && strcmp(text, "1") == 0;
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
    .set_live = ki_cl_set_live,
    .put_graph = ki_cl_put_graph,
    .walk = ki_cl_walk_graph,
    .max_ef = ki_cl_max_ef,
    .close = device_close,
};

void ki_cl_close(ki_cl_device *device)
{
    if (!device)
        return;
    const ki_cl *cl = device->found.cl;
    ki_cl_variants_close(device);
    ki_cl_walks_close(device);
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
    const cl_command_queue_properties kind = device->profiled ? CL_QUEUE_PROFILING_ENABLE : 0;
    device->queue = KI_CL_MAKE(
        &code, cl->CreateCommandQueue(device->context, device->found.device, kind, &code));
    if (code)
        return ki_cl_fail(code, "clCreateCommandQueue", id, "%s", device->found.info.name);
    return KITH_OK;
}

/* With the layout that was once measured, or, where that answers wrongly by now, with the usual. */
static kith_status prove(ki_cl_device *device)
{
    const ki_cl_shape usual = device->shape;
    bool wrong = false;
    ki_cl_tuned(device);
    kith_status status = ki_cl_self_test(device, KI_CL_LISTS, &wrong);
    if (wrong && device->shape.group != usual.group) {
        ki_cl_untuned(device);
        ki_cl_variants_close(device);
        device->shape = usual;
        device->tile_queries = TILE_QUERIES;
        status = ki_cl_self_test(device, KI_CL_LISTS, &wrong);
    }
    return status;
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
    device->max_alloc = choose_limit("KITH_OPENCL_MAX_ALLOC", found->info.max_alloc_bytes);
    device->memory_limit = choose_limit("KITH_OPENCL_MEMORY", found->info.memory_bytes / 5 * 4);
    device->path = choose_path();
    device->profiled = is_set("KITH_OPENCL_PROFILE");
    device->dozes = device->pins = !(found->kind & CL_DEVICE_TYPE_CPU);
    /* A guess on the low side: the first launches are then short, and measured. */
    device->macs_per_second = 2e9 * (found->info.compute_units ? found->info.compute_units : 1);
    ki_cl_walks_open(device);
    device->tile_queries = TILE_QUERIES;
    kith_status status = open_queue(device);
    if (!status)
        status = prove(device);
    if (!status && is_set("KITH_OPENCL_TUNE"))
        status = ki_cl_tune(device);
    device->proofs[KI_CL_LISTS] = KI_CL_PROVEN;
    if (status) {
        ki_cl_close(device);
        return status;
    }
    *out = device;
    return KITH_OK;
}

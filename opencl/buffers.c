/* buffers.c - buffers of a device: counted, made, touched, written, released.
 *
 * May touch device_cl.h. The one idea: a driver that says yes to clCreateBuffer has often
 * reserved nothing, and the launch that uses the buffer fails instead. So a buffer is filled
 * with zeros as soon as it is made, and "no memory" is said where it can be acted on.
 *
 * No call tells how much memory is free, and a device that is full takes other programs down with
 * it. So the bytes of all buffers are added up, and what goes beyond the device's limit is refused
 * here, with numbers. How large a buffer is, the driver knows: it is asked on release, so that no
 * second copy of that number can be wrong.
 */
#include "opencl/device_cl.h"

/* Claims bytes of the budget; any thread may, so it is a loop and not an addition. */
static kith_status claim(ki_cl_device *device, const char *what, size_t bytes)
{
    size_t used = device->memory_used;
    do {
        if (used > device->memory_limit || bytes > device->memory_limit - used)
            return ki_fail(KITH_ENOMEM,
                           "%zu bytes of %s asked of %s, where %zu are used and %zu is the limit",
                           bytes, what, device->found.info.id, used, device->memory_limit);
    } while (!atomic_compare_exchange_weak(&device->memory_used, &used, used + bytes));
    return KITH_OK;
}

size_t ki_cl_room(const ki_cl_device *device)
{
    const size_t used = device->memory_used;
    return used < device->memory_limit ? device->memory_limit - used : 0;
}

void ki_cl_release(ki_cl_device *device, cl_mem *buffer)
{
    const ki_cl *cl = device->found.cl;
    size_t bytes = 0;
    if (!*buffer)
        return;
    cl->GetMemObjectInfo(*buffer, CL_MEM_SIZE, sizeof bytes, &bytes, NULL);
    cl->ReleaseMemObject(*buffer);
    device->memory_used -= bytes;
    *buffer = NULL;
}

/* Fills it with zeros, and waits until that is done. */
static cl_int touch(ki_cl_device *device, cl_mem buffer, size_t bytes, const char **call)
{
    const ki_cl *cl = device->found.cl;
    const cl_uint zero = 0;
    *call = "clEnqueueFillBuffer";
    const cl_int code = KI_CL(
        cl->EnqueueFillBuffer(device->queue, buffer, &zero, sizeof zero, 0, bytes, 0, NULL, NULL));
    if (code)
        return code;
    *call = "clFinish";
    return KI_CL(cl->Finish(device->queue));
}

kith_status ki_cl_buffer(ki_cl_device *device, const char *what, size_t bytes, cl_mem *out)
{
    const ki_cl *cl = device->found.cl;
    const char *id = device->found.info.id;
    const char *call = "clCreateBuffer";
    cl_int code = CL_SUCCESS;
    const kith_status status = claim(device, what, bytes);
    if (status)
        return status;
    cl_mem buffer =
        KI_CL_MAKE(&code, cl->CreateBuffer(device->context, CL_MEM_READ_WRITE, bytes, NULL, &code));
    if (code) {
        device->memory_used -= bytes;
        return ki_cl_fail(code, call, id, "%zu bytes of %s", bytes, what);
    }
    code = touch(device, buffer, bytes, &call);
    if (code) {
        ki_cl_release(device, &buffer);
        return ki_cl_fail(code, call, id, "%zu bytes of %s", bytes, what);
    }
    *out = buffer;
    return KITH_OK;
}

kith_status ki_cl_write(ki_cl_device *device, const char *what, cl_mem buffer, size_t offset,
                        const void *data, size_t bytes)
{
    const cl_int code = KI_CL(device->found.cl->EnqueueWriteBuffer(
        device->queue, buffer, CL_TRUE, offset, bytes, data, 0, NULL, NULL));
    if (code)
        return ki_cl_fail(code, "clEnqueueWriteBuffer", device->found.info.id,
                          "%zu bytes of %s at %zu", bytes, what, offset);
    device->bytes_up += bytes;
    return KITH_OK;
}

/* The old buffer goes first, so that both need not fit at once; nothing in it is needed. */
kith_status ki_cl_reserve(ki_cl_device *device, const char *what, size_t bytes,
                          ki_cl_scratch *scratch)
{
    if (scratch->bytes >= bytes)
        return KITH_OK;
    scratch->bytes = 0;
    ki_cl_release(device, &scratch->buffer);
    const kith_status status = ki_cl_buffer(device, what, bytes, &scratch->buffer);
    if (!status)
        scratch->bytes = bytes;
    return status;
}

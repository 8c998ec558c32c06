/* buffers.c - buffers of a device: made, touched, written, released.
 *
 * May touch device_cl.h. The one idea: a driver that says yes to clCreateBuffer has often
 * reserved nothing, and the launch that uses the buffer fails instead. So a buffer is filled
 * with zeros as soon as it is made, and "no memory" is said where it can be acted on.
 */
#include "opencl/device_cl.h"

void ki_cl_release(const ki_cl *cl, cl_mem *buffer)
{
    if (*buffer)
        cl->ReleaseMemObject(*buffer);
    *buffer = NULL;
}

kith_status ki_cl_buffer(ki_cl_device *device, const char *what, size_t bytes, cl_mem *out)
{
    const ki_cl *cl = device->found.cl;
    const char *id = device->found.info.id;
    const cl_uint zero = 0;
    cl_int code = CL_SUCCESS;
    const char *call = "clCreateBuffer";
    cl_mem buffer =
        KI_CL_MAKE(&code, cl->CreateBuffer(device->context, CL_MEM_READ_WRITE, bytes, NULL, &code));
    if (code)
        return ki_cl_fail(code, call, id, "%zu bytes of %s", bytes, what);
    call = "clEnqueueFillBuffer";
    code = KI_CL(
        cl->EnqueueFillBuffer(device->queue, buffer, &zero, sizeof zero, 0, bytes, 0, NULL, NULL));
    if (!code) {
        call = "clFinish";
        code = KI_CL(cl->Finish(device->queue));
    }
    if (code) {
        ki_cl_release(cl, &buffer);
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
    return KITH_OK;
}

/* The old buffer goes first, so that both need not fit at once; nothing in it is needed. */
kith_status ki_cl_reserve(ki_cl_device *device, const char *what, size_t bytes,
                          ki_cl_scratch *scratch)
{
    if (scratch->bytes >= bytes)
        return KITH_OK;
    scratch->bytes = 0;
    ki_cl_release(device->found.cl, &scratch->buffer);
    const kith_status status = ki_cl_buffer(device, what, bytes, &scratch->buffer);
    if (!status)
        scratch->bytes = bytes;
    return status;
}

/* staging_cl.c - a ring of two pinned buffers: one is filled while the other one travels.
 *
 * May touch staging_cl.h. The one idea: a GPU fetches from pinned memory by itself, at the speed of
 * the bus, while a driver copies plain memory to pinned memory of its own first, and the host
 * waits. A CPU device has nothing to fetch: its driver copies either way, on a thread of its own,
 * and that thread is one that searches want. There, plain memory and a call that waits are used:
 * 100 MB took 0.21 to 0.25 s so, and 0.21 to 0.23 s through the ring.
 *
 * Pinned memory is the host's, short-lived, and not counted against the device's budget. Where
 * there is none to be had, plain memory does as well, only slower.
 */
#include "opencl/staging_cl.h"

static void close_slot(const ki_cl_staging *staging, ki_cl_slot *slot)
{
    const ki_cl *cl = staging->device->found.cl;
    if (slot->sent) {
        cl->WaitForEvents(1, &slot->sent);
        cl->ReleaseEvent(slot->sent);
    }
    if (slot->pinned && slot->memory) {
        cl->EnqueueUnmapMemObject(staging->device->queue, slot->pinned, slot->memory, 0, NULL,
                                  NULL);
        cl->Finish(staging->device->queue);
    }
    if (slot->pinned)
        cl->ReleaseMemObject(slot->pinned);
    else
        ki_free(slot->memory);
    *slot = (ki_cl_slot){0};
}

void ki_cl_staging_close(ki_cl_staging *staging)
{
    for (uint32_t i = 0; staging->device && i < KI_CL_SLOTS; i++)
        close_slot(staging, &staging->slot[i]);
    staging->slots = 0;
}

static bool open_pinned(ki_cl_staging *staging, size_t bytes)
{
    const ki_cl_device *device = staging->device;
    const ki_cl *cl = device->found.cl;
    cl_int code = CL_SUCCESS;
    for (uint32_t i = 0; i < KI_CL_SLOTS && !code; i++) {
        ki_cl_slot *slot = &staging->slot[i];
        slot->pinned = KI_CL_MAKE(
            &code, cl->CreateBuffer(device->context, CL_MEM_ALLOC_HOST_PTR, bytes, NULL, &code));
        if (!code)
            slot->memory = KI_CL_MAKE(&code, cl->EnqueueMapBuffer(device->queue, slot->pinned,
                                                                  CL_TRUE, CL_MAP_WRITE, 0, bytes,
                                                                  0, NULL, NULL, &code));
    }
    if (code)
        ki_cl_staging_close(staging);
    else
        staging->slots = KI_CL_SLOTS;
    return !code;
}

kith_status ki_cl_staging_open(ki_cl_device *device, size_t bytes, ki_cl_staging *out)
{
    *out = (ki_cl_staging){.device = device};
    if (device->pins && open_pinned(out, bytes))
        return KITH_OK;
    out->slot[0].memory = ki_alloc(bytes);
    if (!out->slot[0].memory)
        return ki_no_memory("rows on their way to a device", bytes);
    out->slots = 1;
    return KITH_OK;
}

static kith_status wait_for(const ki_cl_staging *staging, ki_cl_slot *slot)
{
    const ki_cl *cl = staging->device->found.cl;
    if (!slot->sent)
        return KITH_OK;
    const cl_int code = KI_CL(cl->WaitForEvents(1, &slot->sent));
    if (code) /* the event stays: close waits for it again */
        return ki_cl_fail(code, "clWaitForEvents", staging->device->found.info.id,
                          "rows on their way");
    cl->ReleaseEvent(slot->sent);
    slot->sent = NULL;
    return KITH_OK;
}

kith_status ki_cl_staging_next(ki_cl_staging *staging, void **memory)
{
    staging->next = (staging->next + 1) % staging->slots;
    ki_cl_slot *slot = &staging->slot[staging->next];
    const kith_status status = wait_for(staging, slot);
    if (!status)
        *memory = slot->memory;
    return status;
}

kith_status ki_cl_staging_send(ki_cl_staging *staging, const char *what, cl_mem buffer,
                               size_t offset, size_t bytes)
{
    ki_cl_device *device = staging->device;
    ki_cl_slot *slot = &staging->slot[staging->next];
    if (!slot->pinned)
        return ki_cl_write(device, what, buffer, offset, slot->memory, bytes);
    const cl_int code = KI_CL(device->found.cl->EnqueueWriteBuffer(
        device->queue, buffer, CL_FALSE, offset, bytes, slot->memory, 0, NULL, &slot->sent));
    if (code)
        return ki_cl_fail(code, "clEnqueueWriteBuffer", device->found.info.id,
                          "%zu bytes of %s at %zu", bytes, what, offset);
    device->found.cl->Flush(device->queue); /* so that it starts now */
    device->bytes_up += bytes;
    return KITH_OK;
}

kith_status ki_cl_staging_finish(ki_cl_staging *staging)
{
    kith_status status = KITH_OK;
    for (uint32_t i = 0; i < staging->slots && !status; i++)
        status = wait_for(staging, &staging->slot[i]);
    return status;
}

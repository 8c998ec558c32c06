/* staging_cl.h - memory through which rows travel to a device.
 *
 * May include device_cl.h. One thread at a time; close and send may be called in any state that
 * open or a failed call left.
 */
#ifndef KI_STAGING_CL_H
#define KI_STAGING_CL_H

#include "opencl/device_cl.h"

enum { KI_CL_SLOTS = 2 };

typedef struct ki_cl_slot {
    cl_mem pinned; /* NULL of plain memory */
    void *memory;  /* where it is mapped, or the plain memory itself */
    cl_event sent; /* the last transfer from here, until it was waited for */
} ki_cl_slot;

typedef struct ki_cl_staging {
    ki_cl_device *device;
    uint32_t slots; /* two pinned ones, or a plain one */
    uint32_t next;  /* handed out last */
    ki_cl_slot slot[KI_CL_SLOTS];
} ki_cl_staging;

/* Room for pieces of so many bytes. */
kith_status ki_cl_staging_open(ki_cl_device *device, size_t bytes, ki_cl_staging *out);

/* Memory for the next piece, as soon as the device has taken what was in it. */
kith_status ki_cl_staging_next(ki_cl_staging *staging, void **memory);

/* Sends the first bytes of the memory handed out last. It may be under way when this returns. */
kith_status ki_cl_staging_send(ki_cl_staging *staging, const char *what, cl_mem buffer,
                               size_t offset, size_t bytes);

/* Waits until all has arrived. */
kith_status ki_cl_staging_finish(ki_cl_staging *staging);
void ki_cl_staging_close(ki_cl_staging *staging); /* waits, too, and cannot fail */

#endif

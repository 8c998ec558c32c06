/* without.c - what a build without OpenCL says when it is asked for a device.
 *
 * May touch kernels/device.h and kv/base.h. It stands in place of every other file of this room,
 * so that callers need no condition of their own.
 */
#include "kernels/device.h"
#include "kv/base.h"

#include <stdio.h>

void ki_opencl_list(void (*report)(void *user, const kith_device_info *info), void *user,
                    char *note, size_t note_size)
{
    (void)report;
    (void)user;
    snprintf(note, note_size, "this build has no OpenCL");
}

kith_status ki_opencl_open(uint32_t ordinal, uint32_t part, uint32_t parts, ki_device **out)
{
    (void)part;
    (void)parts;
    (void)out;
    return ki_fail(KITH_ENODEVICE, "there is no OpenCL device ocl%u: this build has no OpenCL",
                   (unsigned)ordinal);
}

/* device_name.h - what the id of a device says.
 *
 * May include kv/base.h. "cpu", "ocl3", or "ocl3.1/2": part 1, counted from 0, of two equal parts
 * of the compute units of ocl3.
 */
#ifndef KI_DEVICE_NAME_H
#define KI_DEVICE_NAME_H

#include "kv/base.h"

typedef struct ki_device_name {
    bool host; /* then the rest is 0, 0 and 1 */
    uint32_t ordinal;
    uint32_t part, parts; /* 0 and 1 of a whole device */
} ki_device_name;

/* NULL and "" mean the host. ENODEVICE and a sentence for what is no name of a device; whether
 * there is such a device is not asked here. */
kith_status ki_parse_device(const char *name, ki_device_name *out);

#endif

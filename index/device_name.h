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

/* The one id of a device that may be named in several ways ("ocl0.0/1" is "ocl0"). */
enum { KI_DEVICE_ID = 16 };
void ki_device_id(const ki_device_name *name, char id[KI_DEVICE_ID]);

/* Do they name the same device? Do they lie on one, as its parts do, and so share its memory? */
bool ki_same_device(const ki_device_name *a, const ki_device_name *b);
bool ki_share_memory(const ki_device_name *a, const ki_device_name *b);

#endif

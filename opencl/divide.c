/* divide.c - equal parts of a device's compute units, each a device of its own.
 *
 * May touch device_cl.h. The one idea: a part is opened like any device, in a context of its own,
 * so nothing else in this room knows of parts. They share the memory of the whole, and each may
 * use its share of it.
 */
#include "opencl/device_cl.h"

#include <stdio.h>
#include <string.h>

enum { UNITS_MOST = 4096 }; /* sub-devices that one call may make */

/* A device and its parts, which stay for the life of the process: a driver in wide use lets go of
 * a part's last event in a thread of its own, and crashed when the part was released before. */
typedef struct division {
    struct division *next;
    cl_device_id whole;
    cl_uint units, count;
    cl_device_id part[];
} division;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static division *divisions;

static kith_status refuse(const ki_cl_found *found, cl_int code, cl_uint made, cl_uint units)
{
    return ki_fail(KITH_ENODEVICE, "%s cannot be divided: %s (%d), %u parts of %u units",
                   found->info.id, code ? ki_cl_error_name(code) : "no such part", (int)code,
                   (unsigned)made, (unsigned)units);
}

static kith_status divide(const ki_cl_found *found, uint32_t part, cl_uint units, division **out)
{
    const ki_cl *cl = found->cl;
    const cl_device_partition_property equally[] = {CL_DEVICE_PARTITION_EQUALLY,
                                                    (cl_device_partition_property)units, 0};
    cl_uint made = 0;
    cl_int code = KI_CL(cl->CreateSubDevices(found->device, equally, 0, NULL, &made));
    if (code || made <= part || made > UNITS_MOST)
        return refuse(found, code, made, units);
    const size_t bytes = sizeof(division) + made * sizeof(cl_device_id);
    division *d = ki_zalloc(bytes);
    if (!d)
        return ki_no_memory("the parts of a device", bytes);
    code = KI_CL(cl->CreateSubDevices(found->device, equally, made, d->part, NULL));
    if (code) {
        ki_free(d);
        return refuse(found, code, made, units);
    }
    d->whole = found->device;
    d->units = units;
    d->count = made;
    *out = d;
    return KITH_OK;
}

/* The part with `units` compute units, of those that are there or are made now. */
static kith_status take_part(ki_cl_found *found, uint32_t part, cl_uint units)
{
    kith_status status = KITH_OK;
    pthread_mutex_lock(&mutex);
    division *d = divisions;
    while (d && (d->whole != found->device || d->units != units))
        d = d->next;
    if (!d) {
        status = divide(found, part, units, &d);
        if (!status) {
            d->next = divisions;
            divisions = d;
        }
    }
    if (!status && part >= d->count)
        status = refuse(found, CL_SUCCESS, d->count, units);
    if (!status)
        found->device = d->part[part];
    pthread_mutex_unlock(&mutex);
    return status;
}

kith_status ki_cl_divide(ki_cl_found *found, uint32_t part, uint32_t parts)
{
    const char *id = found->info.id;
    const uint32_t units = found->info.compute_units;
    char name[64];
    const int length = snprintf(name, sizeof name, "%s.%u/%u", id, (unsigned)part, (unsigned)parts);
    if (part >= parts)
        return ki_fail(KITH_ENODEVICE, "%s has no part %u of %u: the first is 0", id,
                       (unsigned)part, (unsigned)parts);
    if (units < parts || length < 0 || (size_t)length >= sizeof found->info.id)
        return ki_fail(KITH_ENODEVICE, "%s has %u compute units, too few for %u parts", id,
                       (unsigned)units, (unsigned)parts);
    if (!found->cl->CreateSubDevices)
        return ki_fail(KITH_ENODEVICE, "%s cannot be divided: the OpenCL loader has no %s", id,
                       "clCreateSubDevices");
    const kith_status status = take_part(found, part, units / parts);
    if (status)
        return status;
    found->parts = parts;
    found->info.compute_units = units / parts;
    found->info.memory_bytes /= parts;
    memcpy(found->info.id, name, (size_t)length + 1);
    return KITH_OK;
}

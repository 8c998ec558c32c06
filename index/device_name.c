/* device_name.c - reads the id of a device.
 *
 * May touch kv/base.h. The one idea: one reader for every place that takes a device by name, so
 * that all of them understand the same names and refuse with the same sentence.
 */
#include "index/device_name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ORDINAL_MOST = 9999, PARTS_MOST = 255 }; /* so that every id fits in kith_device_info */

/* A number of digits alone, at most `most`; false else. *at moves behind it. */
static bool read_number(const char **at, uint32_t most, uint32_t *out)
{
    char *end = NULL;
    if (**at < '0' || **at > '9' || (**at == '0' && (*at)[1] >= '0' && (*at)[1] <= '9'))
        return false; /* no leading zeros: a device has one name */
    const unsigned long value = strtoul(*at, &end, 10);
    if (value > most)
        return false;
    *at = end;
    *out = (uint32_t)value;
    return true;
}

static bool read_part(const char **at, ki_device_name *out)
{
    if (**at != '.')
        return **at == '\0';
    ++*at;
    if (!read_number(at, PARTS_MOST - 1, &out->part) || **at != '/')
        return false;
    ++*at;
    return read_number(at, PARTS_MOST, &out->parts) && **at == '\0' && out->part < out->parts;
}

static bool read_opencl(const char *name, ki_device_name *out)
{
    const char *at = name + 3;
    return strncmp(name, "ocl", 3) == 0 && read_number(&at, ORDINAL_MOST, &out->ordinal) &&
           read_part(&at, out);
}

kith_status ki_parse_device(const char *name, ki_device_name *out)
{
    ki_device_name read = {.parts = 1};
    if (!name || !*name || strcmp(name, "cpu") == 0)
        read.host = true;
    else if (!read_opencl(name, &read))
        return ki_fail(KITH_ENODEVICE,
                       "'%.40s' is no device; there are cpu, ocl0, ocl1, ..., and ocl0.0/2 and "
                       "ocl0.1/2, the halves of one",
                       name);
    *out = read;
    return KITH_OK;
}

void ki_device_id(const ki_device_name *name, char id[KI_DEVICE_ID])
{
    if (name->host)
        snprintf(id, KI_DEVICE_ID, "cpu");
    else if (name->parts == 1)
        snprintf(id, KI_DEVICE_ID, "ocl%u", name->ordinal % (ORDINAL_MOST + 1u));
    else
        snprintf(id, KI_DEVICE_ID, "ocl%u.%u/%u", name->ordinal % (ORDINAL_MOST + 1u),
                 name->part % PARTS_MOST, name->parts % (PARTS_MOST + 1u));
}

bool ki_same_device(const ki_device_name *a, const ki_device_name *b)
{
    return a->host == b->host && a->ordinal == b->ordinal && a->part == b->part &&
           a->parts == b->parts;
}

bool ki_share_memory(const ki_device_name *a, const ki_device_name *b)
{
    return !a->host && !b->host && a->ordinal == b->ordinal;
}

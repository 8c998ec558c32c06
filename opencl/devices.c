/* devices.c - every device of every OpenCL platform, with the reason when Kith cannot use it.
 *
 * May touch device_cl.h. The one idea: nothing is left out and nothing is judged by its maker. A
 * device counts when it has what scan.cl needs and its answers are right, which only running a
 * small search shows; so listing opens each device once. Programs come from the disk cache after
 * the first time.
 */
#include "opencl/device_cl.h"

#include <stdio.h>
#include <string.h>

enum { MAX_PLATFORMS = 64, MAX_DEVICES = 256 };

/* "" when it is not told. */
static void device_text(const ki_cl_found *found, cl_device_info what, char *out, size_t size)
{
    char text[1024] = "";
    if (KI_CL(found->cl->GetDeviceInfo(found->device, what, sizeof text - 1, text, NULL)))
        text[0] = '\0';
    snprintf(out, size, "%s", text);
}

static void platform_text(const ki_cl *cl, cl_platform_id platform, cl_platform_info what,
                          char *out, size_t size)
{
    char text[1024] = "";
    if (KI_CL(cl->GetPlatformInfo(platform, what, sizeof text - 1, text, NULL)))
        text[0] = '\0';
    snprintf(out, size, "%s", text);
}

/* A number of 4 or 8 bytes, 0 when it is not told. Devices are little-endian here or refused. */
static uint64_t device_number(const ki_cl_found *found, cl_device_info what)
{
    union {
        cl_uint small;
        cl_ulong large;
    } value = {.large = 0};
    size_t used = 0;
    if (KI_CL(found->cl->GetDeviceInfo(found->device, what, sizeof value, &value, &used)))
        return 0;
    return used == sizeof value.small ? value.small : value.large;
}

/* What a device must have before it is worth a try; "" is written when it has all. */
static void judge(ki_cl_found *found)
{
    char *reason = found->info.reason;
    const size_t size = sizeof found->info.reason;
    char profile[64], version[128];
    unsigned major = 0, minor = 0;
    device_text(found, CL_DEVICE_PROFILE, profile, sizeof profile);
    device_text(found, CL_DEVICE_VERSION, version, sizeof version);
    const uint64_t local = device_number(found, CL_DEVICE_LOCAL_MEM_SIZE);
    const uint64_t items = device_number(found, CL_DEVICE_MAX_WORK_GROUP_SIZE);
    found->local_bytes = (size_t)local;
    found->max_group = (size_t)items;
    if (!device_number(found, CL_DEVICE_AVAILABLE))
        snprintf(reason, size, "the driver says that the device is not available");
    else if (!device_number(found, CL_DEVICE_COMPILER_AVAILABLE))
        snprintf(reason, size, "the driver has no compiler");
    else if (!device_number(found, CL_DEVICE_ENDIAN_LITTLE))
        snprintf(reason, size, "the device is big-endian");
    else if (strcmp(profile, "FULL_PROFILE") != 0)
        snprintf(reason, size, "the profile is %s, not FULL_PROFILE", profile);
    else if (sscanf(version, "OpenCL %u.%u", &major, &minor) != 2 || major * 10 + minor < 12)
        snprintf(reason, size, "the device has \"%s\", OpenCL 1.2 is needed", version);
    else if (local < KI_CL_LOCAL_BYTES)
        snprintf(reason, size, "%llu bytes of local memory, %d are needed",
                 (unsigned long long)local, KI_CL_LOCAL_BYTES);
    else if (items < 64)
        snprintf(reason, size, "%llu work-items in a group, 64 are needed",
                 (unsigned long long)items);
    else
        reason[0] = '\0';
}

static void describe(ki_cl_found *found, uint32_t ordinal)
{
    kith_device_info *info = &found->info;
    info->size = sizeof *info;
    snprintf(info->id, sizeof info->id, "ocl%u", (unsigned)ordinal);
    device_text(found, CL_DEVICE_NAME, info->name, sizeof info->name);
    device_text(found, CL_DRIVER_VERSION, info->driver, sizeof info->driver);
    platform_text(found->cl, found->platform, CL_PLATFORM_NAME, info->platform,
                  sizeof info->platform);
    platform_text(found->cl, found->platform, CL_PLATFORM_VERSION, found->platform_version,
                  sizeof found->platform_version);
    found->kind = device_number(found, CL_DEVICE_TYPE);
    const uint64_t floats = device_number(found, CL_DEVICE_SINGLE_FP_CONFIG);
    found->fma = (floats & CL_FP_FMA) && !(floats & CL_FP_SOFT_FLOAT);
    info->memory_bytes = device_number(found, CL_DEVICE_GLOBAL_MEM_SIZE);
    info->max_alloc_bytes = device_number(found, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    info->compute_units = (uint32_t)device_number(found, CL_DEVICE_MAX_COMPUTE_UNITS);
    judge(found);
    info->usable = info->reason[0] == '\0';
}

/* Visits the devices of one platform; true when the visitor wants no more. */
static bool walk_platform(const ki_cl *cl, cl_platform_id platform, uint32_t *ordinal,
                          bool (*visit)(void *, const ki_cl_found *), void *user)
{
    cl_device_id devices[MAX_DEVICES];
    cl_uint count = 0;
    if (KI_CL(cl->GetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, MAX_DEVICES, devices, &count)))
        return false; /* CL_DEVICE_NOT_FOUND is how an empty platform says so */
    for (cl_uint i = 0; i < count && i < MAX_DEVICES; i++) {
        ki_cl_found found = {.cl = cl, .platform = platform, .device = devices[i]};
        describe(&found, (*ordinal)++);
        if (visit(user, &found))
            return true;
    }
    return false;
}

bool ki_cl_walk(bool (*visit)(void *user, const ki_cl_found *found), void *user, char *note,
                size_t note_size)
{
    cl_platform_id platforms[MAX_PLATFORMS];
    cl_uint count = 0;
    uint32_t ordinal = 0;
    const ki_cl *cl = ki_cl_load(note, note_size);
    if (!cl)
        return false;
    const cl_int code = KI_CL(cl->GetPlatformIDs(MAX_PLATFORMS, platforms, &count));
    if (code || count == 0) {
        snprintf(note, note_size, "the OpenCL loader is there, but no driver: %s (%d)",
                 code ? ki_cl_error_name(code) : "no platform", (int)code);
        return false;
    }
    for (cl_uint i = 0; i < count && i < MAX_PLATFORMS; i++)
        if (walk_platform(cl, platforms[i], &ordinal, visit, user))
            return true;
    if (ordinal == 0)
        snprintf(note, note_size, "%u OpenCL platforms, but no device on them", (unsigned)count);
    return ordinal != 0;
}

/* What ki_opencl_list hands on. */
typedef struct listing {
    void (*report)(void *user, const kith_device_info *info);
    void *user;
} listing;

static bool report_one(void *user, const ki_cl_found *found)
{
    const listing *to = user;
    kith_device_info info = found->info;
    if (info.usable) {
        ki_cl_device *device = NULL;
        if (ki_cl_open(found, &device)) {
            info.usable = 0;
            snprintf(info.reason, sizeof info.reason, "%s", kith_last_error());
        }
        ki_cl_close(device);
    }
    to->report(to->user, &info);
    return false;
}

/* An unusable device is a result, not a failure: the thread's sentence stays what it was. */
void ki_opencl_list(void (*report)(void *user, const kith_device_info *info), void *user,
                    char *note, size_t note_size)
{
    listing to = {report, user};
    char before[256];
    snprintf(before, sizeof before, "%s", kith_last_error());
    if (note_size > 0)
        note[0] = '\0';
    ki_cl_walk(report_one, &to, note, note_size);
    ki_fail(KITH_OK, "%s", before);
}

/* What ki_opencl_open looks for, and what it found. */
typedef struct lookup {
    uint32_t wanted;
    uint32_t seen;
    ki_cl_found found;
} lookup;

static bool match_one(void *user, const ki_cl_found *found)
{
    lookup *look = user;
    if (look->seen++ != look->wanted)
        return false;
    look->found = *found;
    return true;
}

static kith_status open_part(const ki_cl_found *whole, uint32_t part, uint32_t parts,
                             ki_cl_device **out)
{
    ki_cl_found found = *whole;
    const kith_status status = ki_cl_divide(&found, part, parts);
    return status ? status : ki_cl_open(&found, out);
}

kith_status ki_opencl_open(uint32_t ordinal, uint32_t part, uint32_t parts, ki_device **out)
{
    lookup look = {.wanted = ordinal};
    char note[256] = "";
    ki_cl_device *device = NULL;
    ki_cl_walk(match_one, &look, note, sizeof note);
    if (look.seen <= ordinal)
        return ki_fail(KITH_ENODEVICE, "there is no OpenCL device ocl%u: %u found%s%s",
                       (unsigned)ordinal, (unsigned)look.seen, note[0] ? "; " : "", note);
    if (!look.found.info.usable)
        return ki_fail(KITH_ENODEVICE, "ocl%u (%s) cannot be used: %s", (unsigned)ordinal,
                       look.found.info.name, look.found.info.reason);
    const kith_status status = parts == 1 ? ki_cl_open(&look.found, &device)
                                          : open_part(&look.found, part, parts, &device);
    if (!status)
        *out = &device->base;
    return status;
}

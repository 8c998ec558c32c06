/* api_devices.c - the list of devices: the host, then whatever OpenCL reports. */
#include "index/objects.h"
#include "index/checks.h"
#include "index/host.h"

struct kith_devices {
    kith_device_info *info;
    size_t count, capacity;
    bool out_of_memory;
    char note[256];
};

static void add(void *user, const kith_device_info *info)
{
    kith_devices *devices = user;
    if (devices->count == devices->capacity) {
        size_t capacity = devices->capacity ? 2 * devices->capacity : 4;
        kith_device_info *more = ki_realloc(devices->info, capacity * sizeof *more);
        if (!more) {
            devices->out_of_memory = true;
            return;
        }
        devices->info = more;
        devices->capacity = capacity;
    }
    devices->info[devices->count++] = *info;
}

kith_status kith_devices_open(kith_devices **out)
{
    uint64_t features = 0;
    kith_device_info host;
    kith_status status = ki_choose_features(NULL, &features);
    if (status)
        return status;
    kith_devices *devices = ki_zalloc(sizeof *devices);
    if (!devices)
        return ki_no_memory("a list of devices", sizeof *devices);
    ki_host_info(features, &host);
    add(devices, &host);
    ki_opencl_list(add, devices, devices->note, sizeof devices->note);
    if (devices->out_of_memory) {
        kith_devices_close(devices);
        return ki_no_memory("a list of devices", sizeof host);
    }
    *out = devices;
    return KITH_OK;
}

size_t kith_devices_count(const kith_devices *devices)
{
    return devices->count;
}

kith_status kith_devices_get(const kith_devices *devices, size_t i, kith_device_info *out)
{
    if (i >= devices->count)
        return ki_fail(KITH_ENODEVICE, "device %zu of %zu", i, devices->count);
    return ki_write_result(&devices->info[i], sizeof devices->info[i], out);
}

const char *kith_devices_note(const kith_devices *devices)
{
    return devices->note;
}

void kith_devices_close(kith_devices *devices)
{
    if (!devices)
        return;
    ki_free(devices->info);
    ki_free(devices);
}

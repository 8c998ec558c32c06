/* device_list.c - reads and checks a list of devices before any work is done on one.
 *
 * Whether a part of a device can be had is not asked here: only dividing it would tell, and the
 * library does that when the part is opened.
 */
#include "cli/device_list.h"

#include <stdio.h>
#include <string.h>

#include "cli/terminal.h"

#define NAME_MOST 20 /* of devices joined by plus signs: a column of a table */

/* The device whose id is the first `length` letters of the text. */
static bool find(const kith_devices *devices, const char *text, size_t length,
                 kith_device_info *out)
{
    for (size_t i = 0; i < kith_devices_count(devices); i++) {
        *out = (kith_device_info){.size = sizeof *out};
        if (!kith_devices_get(devices, i, out) && strlen(out->id) == length &&
            !strncmp(out->id, text, length))
            return true;
    }
    return false;
}

bool device_list_has(const struct device_list *list, const char *id)
{
    for (size_t i = 0; i < list->count; i++)
        if (!strcmp(list->id[i], id))
            return true;
    return false;
}

/* One id, which ends at the next comma; a part is judged by what it is a part of. */
static int add(const kith_devices *devices, const char *text, struct device_list *list)
{
    const size_t length = strcspn(text, ","), whole = strcspn(text, ",.");
    kith_device_info info;
    if (!find(devices, text, whole, &info) || length >= sizeof list->id[0])
        return terminal_fail(TOOL_NO_DEVICE,
                             "no device \"%.*s\" on this machine; `kith devices` lists them",
                             (int)length, text);
    if (!info.usable)
        return terminal_fail(TOOL_NO_DEVICE, "device %s (%s) cannot be used: %s", info.id,
                             info.name, info.reason);
    if (list->count == DEVICES_MOST)
        return terminal_fail(TOOL_USAGE, "more than %d devices", DEVICES_MOST);
    memcpy(list->id[list->count], text, length);
    list->id[list->count][length] = '\0';
    for (size_t i = 0; i < list->count; i++)
        if (!strcmp(list->id[i], list->id[list->count]))
            return terminal_fail(TOOL_USAGE, "device %s is named twice", list->id[i]);
    list->count++;
    return TOOL_OK;
}

int device_list_read(const kith_devices *devices, const char *text, struct device_list *out)
{
    struct device_list list = {0};
    int code = TOOL_OK;
    for (const char *at = text; at && !code; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        code = add(devices, at, &list);
    for (size_t i = 0; !text && !code && i < kith_devices_count(devices); i++) {
        kith_device_info info = {.size = sizeof info};
        if (!kith_devices_get(devices, i, &info) && info.usable && list.count < DEVICES_MOST)
            memcpy(list.id[list.count++], info.id, sizeof info.id);
    }
    if (!code)
        *out = list;
    return code;
}

void device_list_name(const struct device_list *list, size_t count, char *out, size_t size)
{
    size_t used = 0;
    char text[DEVICES_MOST * sizeof list->id[0]];
    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        used +=
            (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? "+" : "", list->id[i]);
    if (used > NAME_MOST)
        snprintf(text, sizeof text, "%zu devices", count);
    snprintf(out, size, "%s", text);
}

int layout_check(const struct u32_list *layout, size_t devices)
{
    if (layout->count != 2)
        return terminal_fail(TOOL_USAGE,
                             "--replicas takes two numbers, partitions and copies of each, as 2,1; "
                             "not %zu",
                             layout->count);
    const uint32_t partitions = layout->item[0], copies = layout->item[1];
    if (partitions > PARTITIONS_MOST || copies > COPIES_MOST)
        return terminal_fail(TOOL_USAGE, "--replicas %u,%u: at most %u partitions and %u copies",
                             partitions, copies, PARTITIONS_MOST, COPIES_MOST);
    if (copies > devices)
        return terminal_fail(TOOL_USAGE,
                             "--replicas %u,%u: %u copies of a partition need as many devices, and "
                             "there %s %zu",
                             partitions, copies, copies, devices == 1 ? "is" : "are", devices);
    return TOOL_OK;
}

kith_status layout_open(kith_index *index, const uint32_t layout[2], const struct device_list *list,
                        size_t count, uint32_t threads, bool alone, kith_replicas **out)
{
    kith_replicas_options options = kith_replicas_defaults(layout[0], layout[1]);
    const char *ids[DEVICES_MOST];
    struct progress progress;
    for (size_t i = 0; i < count; i++)
        ids[i] = list->id[i];
    options.devices = ids;
    options.device_count = count;
    options.threads = threads;
    options.host = alone;
    if (alone) /* nobody else could answer, and how slow it is is the question */
        options.deadline_ms = 60000;
    progress_begin(&progress, "placing the copies");
    const kith_status status = kith_replicas_create(index, &options, progress_step, &progress, out);
    progress_end(&progress);
    return status;
}

/* device_list.h - the devices that were asked for: ids, comma-separated, and the layout of copies.
 *
 * May include kith.h and cli/ headers. An id is one of `kith devices`, or a part of one: ocl0.1/2
 * is the second half of the compute units of ocl0.
 */
#ifndef DEVICE_LIST_H
#define DEVICE_LIST_H

#include "kith.h"
#include "cli/options.h"

#define DEVICES_MOST 64
#define PARTITIONS_MOST 64u /* the library's limits */
#define COPIES_MOST 16u

struct device_list {
    size_t count;
    char id[DEVICES_MOST][16];
};

/* Reads a list; NULL is every usable device. Returns TOOL_OK, or an exit code after a sentence: a
 * device that is not there or cannot be used is TOOL_NO_DEVICE, one that is named twice a mistake
 * of usage. */
int device_list_read(const kith_devices *devices, const char *text, struct device_list *out);

bool device_list_has(const struct device_list *list, const char *id);

/* "cpu+ocl0" of the first `count`, or "5 devices" where that would be long. */
void device_list_name(const struct device_list *list, size_t count, char *out, size_t size);

/* What --replicas P,C says of so many devices: TOOL_OK, or TOOL_USAGE after a sentence. */
int layout_check(const struct u32_list *layout, size_t devices);

/* Copies of an index on the first `count` devices of a list; see kith_replicas_create. `alone` is
 * for measuring: what the devices cannot answer fails, the host does not stand in. */
kith_status layout_open(kith_index *index, const uint32_t layout[2], const struct device_list *list,
                        size_t count, uint32_t threads, bool alone, kith_replicas **out);

#endif

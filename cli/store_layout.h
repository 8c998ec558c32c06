/* store_layout.h - a store on devices: the index of it, and its copies where they were asked for.
 *
 * May include kith.h and cli/ headers.
 */
#ifndef STORE_LAYOUT_H
#define STORE_LAYOUT_H

#include "kith.h"
#include "cli/options.h"

/* What --device and --replicas say. */
struct layout_wish {
    const char *devices;    /* NULL: cpu, or with --replicas every usable one */
    struct u32_list layout; /* empty: one device alone */
    uint32_t threads;
};

struct layout {
    kith_index *index;
    kith_replicas *replicas; /* NULL: the index is searched itself */
    uint32_t partitions, copies;
    bool graph; /* it walks; else every row is compared */
};

/* The graph beside the store where there is one, else all rows: on the host, on the device that
 * was asked for, or as copies on several. TOOL_OK, or an exit code after a sentence. */
int layout_of_store(kith_store *store, const struct layout_wish *wish, struct layout *out);

/* Waits for a device that hangs: whatever is to be printed or written, is before this. */
void layout_close(struct layout *layout);

#endif

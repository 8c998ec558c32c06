/* devices_hold.c - see devices_hold.h.
 *
 * Nothing else keeps a device between two commands, so the question is what it would hold; and the
 * honest answer is to send it there: the bytes are then those that the device has taken, and memory
 * that does not suffice shows before a program relies on it.
 */
#include "cli/devices_hold.h"

#include "cli/copies.h"
#include "cli/store_part.h"
#include "cli/terminal.h"

static void show(const struct layout *layout, bool json)
{
    json_t *const copies = copies_json(layout->replicas);
    char bytes[HUMAN_SIZE];
    if (json) {
        terminal_json(json_pack(
            "{s:s, s:I, s:I, s:I, s:o}", "index", layout->graph ? "hnsw" : "flat", "partitions",
            (json_int_t)layout->partitions, "copies", (json_int_t)layout->copies, "bytes",
            (json_int_t)copies_bytes(layout->replicas), "held", copies));
        return;
    }
    copies_print(stdout, copies);
    printf(" %s on all devices\n", human_bytes(bytes, copies_bytes(layout->replicas)));
    json_decref(copies);
}

int devices_hold(const char *path, const struct layout_wish *wish, bool json)
{
    kith_store *store = NULL;
    struct layout layout = {0};
    int code = store_open(path, KITH_OPEN_READ_ONLY, &store);
    if (code != TOOL_OK)
        return code;
    code = layout_of_store(store, wish, &layout);
    if (code == TOOL_OK)
        show(&layout, json);
    layout_close(&layout);
    kith_store_close(store);
    return code;
}

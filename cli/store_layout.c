/* store_layout.c - see store_layout.h.
 *
 * One device that is not the host is a layout of one partition and one copy, if it has a graph to
 * walk. A graph that a device cannot walk (of 4-bit codes, or too many dimensions for its local
 * memory) is no failure: every row is compared there, and a note says why. Of --replicas it is one,
 * since that names what is wanted.
 */
#include "cli/store_layout.h"

#include <string.h>

#include "cli/device_list.h"
#include "cli/store_graph.h"
#include "cli/store_part.h"
#include "cli/terminal.h"

static int failed(kith_status status)
{
    if (status == KITH_ECANCELLED)
        return terminal_fail(TOOL_INTERRUPTED, "interrupted before anything was searched");
    return status == KITH_ENODEVICE ? terminal_fail(TOOL_NO_DEVICE, "%s", kith_last_error())
                                    : store_failed();
}

void layout_close(struct layout *layout)
{
    kith_replicas_close(layout->replicas);
    kith_index_close(layout->index);
    *layout = (struct layout){0};
}

static int open_flat(kith_store *store, const char *device, uint32_t threads, struct layout *l)
{
    kith_index_options options = kith_index_defaults(KITH_FLAT);
    options.threads = threads;
    options.device = device;
    kith_status status = kith_index_create(store, &options, &l->index);
    status = status ? status : kith_index_build(l->index, NULL, NULL);
    return status ? failed(status) : TOOL_OK;
}

/* True when there is a graph, which is then loaded. */
static bool open_graph(kith_store *store, uint32_t threads, struct layout *l)
{
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    options.threads = threads;
    l->graph = !kith_index_create(store, &options, &l->index) && store_graph_load(l->index);
    if (!l->graph) {
        kith_index_close(l->index);
        l->index = NULL;
    }
    return l->graph;
}

static int read_devices(const struct layout_wish *wish, struct device_list *list)
{
    kith_devices *devices = NULL;
    if (kith_devices_open(&devices))
        return terminal_fail(TOOL_FAILED, "%s", kith_last_error());
    int code = device_list_read(devices, wish->devices, list);
    if (!code && wish->layout.count)
        code = layout_check(&wish->layout, list->count);
    else if (!code && list->count > 1)
        code = terminal_fail(TOOL_USAGE, "--device %s: several devices need --replicas P,C",
                             wish->devices);
    kith_devices_close(devices);
    return code;
}

static kith_status place(const struct layout_wish *wish, const struct device_list *list,
                         struct layout *l)
{
    const bool several = wish->layout.count != 0;
    l->partitions = several ? wish->layout.item[0] : 1;
    l->copies = several ? wish->layout.item[1] : 1;
    const uint32_t layout[2] = {l->partitions, l->copies};
    return layout_open(l->index, layout, list, list->count, wish->threads, false, &l->replicas);
}

static int open_copies(const struct layout_wish *wish, const struct device_list *list,
                       struct layout *l)
{
    const kith_status status = place(wish, list, l);
    return status ? failed(status) : TOOL_OK;
}

/* The walk of one device, or all rows where it cannot walk this graph. */
static int open_alone(kith_store *store, const struct layout_wish *wish,
                      const struct device_list *list, struct layout *l)
{
    const kith_status status = place(wish, list, l);
    if (status != KITH_EUNSUPPORTED)
        return status ? failed(status) : TOOL_OK;
    terminal_note("every row is compared: %s", kith_last_error());
    layout_close(l);
    return open_flat(store, list->id[0], wish->threads, l);
}

static int open_layout(kith_store *store, const struct layout_wish *wish,
                       const struct device_list *list, bool host, struct layout *l)
{
    const bool several = wish->layout.count != 0;
    if (!open_graph(store, wish->threads, l)) {
        terminal_note("no graph to walk: every row is compared; `kith build` makes one");
        const int code = open_flat(store, host || several ? NULL : list->id[0], wish->threads, l);
        return code || !several ? code : open_copies(wish, list, l);
    }
    if (several)
        return open_copies(wish, list, l);
    return host ? TOOL_OK : open_alone(store, wish, list, l);
}

int layout_of_store(kith_store *store, const struct layout_wish *wish, struct layout *out)
{
    const bool host = !wish->layout.count && (!wish->devices || !strcmp(wish->devices, "cpu"));
    struct device_list list = {0};
    struct layout layout = {0};
    int code = host ? TOOL_OK : read_devices(wish, &list);
    if (!code)
        code = open_layout(store, wish, &list, host, &layout);
    if (code)
        layout_close(&layout);
    else
        *out = layout;
    return code;
}

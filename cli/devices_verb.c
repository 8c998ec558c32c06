/* devices_verb.c - `kith devices`: what there is to search on, and why not where it is not.
 *
 * It adds nothing to what the library found: a device that cannot be used is listed with the
 * library's own reason, because the commonest question about a GPU is why it is not used. What a
 * device would hold of a store is asked of devices_hold.c. The JSON carries the hardware facts too,
 * so that one command answers a bug report.
 */
#include <string.h>

#include "kith.h"
#include "cli/devices_hold.h"
#include "cli/hardware.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

static kith_device_info device_at(const kith_devices *devices, size_t i)
{
    kith_device_info info = {.size = sizeof info};
    kith_devices_get(devices, i, &info);
    return info;
}

static json_t *device_json(const kith_device_info *info)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:b, s:o}", "id", terminal_text(info->id),
                     "name", terminal_text(info->name), "platform", terminal_text(info->platform),
                     "driver", terminal_text(info->driver), "memory_bytes",
                     (json_int_t)info->memory_bytes, "max_alloc_bytes",
                     (json_int_t)info->max_alloc_bytes, "compute_units",
                     (json_int_t)info->compute_units, "usable", (int)info->usable, "reason",
                     terminal_text(info->reason));
}

static void print_json(const kith_devices *devices)
{
    json_t *const list = json_array(), *const levels = json_array();
    for (size_t i = 0; i < kith_devices_count(devices); i++) {
        const kith_device_info info = device_at(devices, i);
        json_array_append_new(list, device_json(&info));
    }
    for (size_t i = 0; kith_cpu_level(i); i++)
        json_array_append_new(levels, json_string(kith_cpu_level(i)));
    struct hardware hardware;
    hardware_read(&hardware);
    terminal_json(json_pack("{s:o, s:o, s:o, s:o}", "devices", list, "cpu_levels", levels, "note",
                            terminal_text(kith_devices_note(devices)), "hardware",
                            hardware_json(&hardware)));
}

/* Names of devices can be long; the table grows with them up to a width that fits a terminal. */
#define NAME_MOST 50
#define DRIVER_MOST 24

struct widths {
    int name, driver;
};

static int grown(int width, const char *text, int most)
{
    const int length = (int)strlen(text);
    return length <= width ? width : length < most ? length : most;
}

static struct widths measure(const kith_devices *devices)
{
    struct widths widths = {6, 12};
    for (size_t i = 0; i < kith_devices_count(devices); i++) {
        const kith_device_info info = device_at(devices, i);
        widths.name = grown(widths.name, info.name, NAME_MOST);
        widths.driver = grown(widths.driver, info.driver, DRIVER_MOST);
    }
    return widths;
}

static void print_row(const kith_device_info *info, const struct widths *widths)
{
    char memory[HUMAN_SIZE] = "?";
    if (info->memory_bytes)
        human_bytes(memory, info->memory_bytes);
    const bool through = info->usable && strcmp(info->platform, "host") != 0;
    printf("%-5s %-*.*s  %-*.*s  %9s  %5u  %s%s%s%s%s\n", info->id, widths->name, NAME_MOST,
           info->name, widths->driver, DRIVER_MOST, info->driver, memory, info->compute_units,
           terminal_style(stdout, info->usable ? STYLE_GOOD : STYLE_BAD),
           info->usable ? "yes" : info->reason, terminal_style(stdout, STYLE_OFF),
           through ? ", through " : "", through ? info->platform : "");
}

static void print_table(const kith_devices *devices)
{
    const struct widths widths = measure(devices);
    const char *const note = kith_devices_note(devices);
    printf("%s%-5s %-*s  %-*s  %9s  %5s  %s%s\n", terminal_style(stdout, STYLE_BOLD), "id",
           widths.name, "device", widths.driver, "isa / driver", "memory", "units", "usable",
           terminal_style(stdout, STYLE_OFF));
    for (size_t i = 0; i < kith_devices_count(devices); i++) {
        const kith_device_info info = device_at(devices, i);
        print_row(&info, &widths);
    }
    printf("\nCPU levels, slowest first:");
    for (size_t i = 0; kith_cpu_level(i); i++)
        printf(" %s", kith_cpu_level(i));
    printf("%s%s\n", note[0] ? "\n" : "", note);
}

int devices_main(int argc, char **argv)
{
    const char *store = NULL;
    struct layout_wish wish = {.layout = {2, {1, 1}}};
    const struct option_spec options[] = {
        {"hold", 0, OPTION_TEXT, &store, "STORE", "what each device would hold of it", 0, 0, NULL},
        {"device", 'd', OPTION_TEXT, &wish.devices, "LIST",
         "with --hold: the devices, as cpu,ocl0; default all", 0, 0, NULL},
        {"replicas", 0, OPTION_U32_LIST, &wish.layout, "P,C",
         "with --hold: partitions and copies of each; default 1,1", 1, 65536, NULL},
    };
    const struct syntax syntax = {
        .verb = "devices",
        .operands = "",
        .about =
            "Lists the host and every OpenCL device of every platform, with the reason where\n"
            "one cannot be used. KITH_CPU=NAME caps the CPU's instruction set. With --hold it\n"
            "puts a store and its graph on devices and lists the partitions, rows, bytes and\n"
            "state of every copy; nothing stays there.",
        .examples = "kith devices\nkith devices --json\nKITH_CPU=avx2 kith devices\n"
                    "kith devices --hold my.kith --replicas 2,1 --device cpu,ocl0",
        .options = options,
        .option_count = COUNT_OF(options),
    };
    struct arguments arguments;
    kith_devices *devices = NULL;
    const int parsed = options_parse(&syntax, argc, argv, &arguments);
    if (parsed != OPTIONS_GO)
        return parsed;
    if (store)
        return devices_hold(store, &wish, arguments.json);
    if (kith_devices_open(&devices) != KITH_OK)
        return terminal_fail(TOOL_FAILED, "%s", kith_last_error());
    if (arguments.json)
        print_json(devices);
    else
        print_table(devices);
    kith_devices_close(devices);
    return TOOL_OK;
}

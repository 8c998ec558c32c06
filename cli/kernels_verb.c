/* kernels_verb.c - `kith kernels`: which instruction set fills each slot, and how near its limit.
 *
 * The names come from the library and are there in every build. The times come from
 * kith-bench-kernels (kernels_run.c), which is built where Google Benchmark is and lies beside the
 * tool. The shares are of one run on one machine: the limits are measured in the same run, between
 * the kernels.
 */
#include <stdlib.h>
#include <string.h>

#include "kith.h"
#include "cli/heap.h"
#include "cli/kernels_run.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

struct choice {
    const char *type, *metric, *isa, *set, *shape, *program;
    const char *dim;
    uint32_t repetitions;
    double seconds;
    bool names;
};

static bool wanted(const struct choice *choice, const kith_kernel_info *info)
{
    return (!choice->type || !strcmp(choice->type, info->pairing)) &&
           (!choice->metric || !strcmp(choice->metric, info->metric));
}

static json_t *name_or_null(const char *name)
{
    return name ? json_string(name) : json_null();
}

static json_t *kernel_json(const kith_kernel_info *info)
{
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "metric", info->metric,
                     "pairing", info->pairing, "prepare", name_or_null(info->prepare),
                     "prepare_f32", name_or_null(info->prepare_f32), "pair",
                     name_or_null(info->pair), "gather", name_or_null(info->gather), "range",
                     name_or_null(info->range), "tile", name_or_null(info->tile), "pack",
                     name_or_null(info->pack));
}

/* Every kernel of the table that is asked for; NULL after a sentence. */
static json_t *list_kernels(const struct choice *choice)
{
    json_t *const list = json_array();
    kith_status status = KITH_OK;
    for (size_t i = 0; !status; i++) {
        kith_kernel_info info = {.size = sizeof info};
        status = kith_kernel_list(choice->isa, i, &info);
        if (!status && wanted(choice, &info))
            json_array_append_new(list, kernel_json(&info));
    }
    if (status == KITH_ENOTFOUND)
        return list;
    json_decref(list);
    terminal_fail(TOOL_USAGE, "%s", kith_last_error());
    return NULL;
}

static const char *text(const json_t *object, const char *key)
{
    const char *const value = json_string_value(json_object_get(object, key));
    return value ? value : "-";
}

/* One alternative a kernel and shape: what the table would run, and nothing else. */
static char *filter_of(const struct choice *choice, const json_t *kernels)
{
    static const char *const shapes[] = {"gather", "range", "tile8", "tile64"};
    const size_t room = 256 * (json_array_size(kernels) + 1) * COUNT_OF(shapes);
    char *const filter = heap_alloc(room, 1);
    size_t used = 0, i;
    json_t *kernel;
    json_array_foreach(kernels, i, kernel) for (size_t s = 0; s < COUNT_OF(shapes); s++)
    {
        const char *const slot = strncmp(shapes[s], "tile", 4) ? shapes[s] : "tile";
        if (choice->shape && strcmp(choice->shape, shapes[s]) != 0)
            continue;
        used +=
            (size_t)snprintf(filter + used, room - used, "%s^%s/%s/%s/%s/%s/%s$", used ? "|" : "",
                             shapes[s], text(kernel, "metric"), text(kernel, "pairing"),
                             text(kernel, slot), choice->dim, choice->set);
    }
    return filter;
}

static void print_names(const json_t *kernels)
{
    size_t i;
    json_t *kernel;
    printf("%-8s %-9s %-13s %-13s %-13s %-13s %-13s\n", "metric", "pairing", "pair", "gather",
           "range", "tile", "prepare");
    json_array_foreach(kernels, i, kernel)
        printf("%-8s %-9s %-13s %-13s %-13s %-13s %-13s\n", text(kernel, "metric"),
               text(kernel, "pairing"), text(kernel, "pair"), text(kernel, "gather"),
               text(kernel, "range"), text(kernel, "tile"), text(kernel, "prepare"));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_limits(json_t *peaks)
{
    const char *names[64];
    size_t count = 0;
    for (void *at = json_object_iter(peaks); at && count < COUNT_OF(names);
         at = json_object_iter_next(peaks, at))
        names[count++] = json_object_iter_key(at);
    qsort(names, count, sizeof *names, by_name);
    for (size_t i = 0; i < count; i++)
        printf("  %-20s %9.1f\n", names[i],
               json_number_value(json_object_get(peaks, names[i])) / 1e9);
}

/* The measurements of one kernel: they come in the order in which they were drawn. */
static void print_slots(const json_t *slots, const json_t *kernel)
{
    size_t i;
    json_t *slot;
    json_array_foreach(slots, i, slot)
    {
        const json_t *const share = json_object_get(slot, "share");
        if (strcmp(text(slot, "metric"), text(kernel, "metric")) != 0 ||
            strcmp(text(slot, "pairing"), text(kernel, "pairing")) != 0)
            continue;
        printf("  %-7s %-8s %-9s %-13s %10.2f %8.1f", text(slot, "shape"), text(slot, "metric"),
               text(slot, "pairing"), text(slot, "isa"),
               json_number_value(json_object_get(slot, "ns")),
               json_number_value(json_object_get(slot, "gb_per_s")));
        if (json_is_null(share))
            printf("       -\n");
        else
            printf("  %4.0f %%\n", 100 * json_number_value(share));
    }
}

static void print_measured(const struct choice *choice, const json_t *kernels,
                           const json_t *measured)
{
    json_t *const peaks = json_object_get(measured, "peaks");
    json_t *kernel;
    size_t i;
    printf("%sLimits of this machine, in 10^9 a second%s\n", terminal_style(stdout, STYLE_BOLD),
           terminal_style(stdout, STYLE_OFF));
    print_limits(peaks);
    printf("\n%sKernels, %s dimensions, rows of set %s%s\n", terminal_style(stdout, STYLE_BOLD),
           choice->dim, choice->set, terminal_style(stdout, STYLE_OFF));
    printf("  %-7s %-8s %-9s %-13s %10s %8s %7s\n", "shape", "metric", "pairing", "by",
           "ns/distance", "GB/s", "share");
    json_array_foreach(kernels, i, kernel) print_slots(json_object_get(measured, "slots"), kernel);
}

static int measure(const struct choice *choice, const struct arguments *arguments, json_t *kernels)
{
    char *const filter = filter_of(choice, kernels);
    const struct kernels_run run = {choice->program, filter, choice->seconds, choice->repetitions};
    terminal_note("measuring; about %.0f s", (30 + 4.0 * (double)json_array_size(kernels)) *
                                                 choice->seconds * 1.5 * choice->repetitions);
    json_t *const measured = kernels_measure(&run);
    free(filter);
    if (!measured)
        return TOOL_FAILED;
    if (!arguments->json) {
        print_measured(choice, kernels, measured);
        json_decref(measured);
        return TOOL_OK;
    }
    json_object_set(measured, "kernels", kernels);
    terminal_json(measured);
    return TOOL_OK;
}

static int show(const struct choice *choice, const struct arguments *arguments)
{
    json_t *const kernels = list_kernels(choice);
    if (!kernels)
        return TOOL_USAGE;
    int code = TOOL_OK;
    const bool program = !choice->names && kernels_program(choice->program);
    if (!choice->names && !program)
        terminal_note(
            "no kith-bench-kernels beside the tool (it is built where Google Benchmark is): "
            "names only");
    if (json_array_size(kernels) == 0)
        code = terminal_fail(TOOL_USAGE, "no kernel has metric %s and rows %s",
                             choice->metric ? choice->metric : "any",
                             choice->type ? choice->type : "any");
    else if (program)
        code = measure(choice, arguments, kernels);
    else if (arguments->json)
        terminal_json(json_pack("{s:O}", "kernels", kernels));
    else
        print_names(kernels);
    json_decref(kernels);
    return code;
}

int kernels_main(int argc, char **argv)
{
    struct choice choice = {.set = "L2", .dim = "768", .repetitions = 3, .seconds = 0.02};
    const struct option_spec options[] = {
        {"names", 0, OPTION_FLAG, &choice.names, NULL, "measure nothing", 0, 0, NULL},
        {"type", 't', OPTION_TEXT, &choice.type, "T", "f32, f16, u8, f32u8, q4, ...: as listed", 0,
         0, NULL},
        {"metric", 'm', OPTION_CHOICE, &choice.metric, "M", "one metric only", 0, 0,
         "l2sq|ip|cosine|hamming|jaccard"},
        {"isa", 0, OPTION_TEXT, &choice.isa, "NAME", "the highest instruction set to use", 0, 0,
         NULL},
        {"dim", 'd', OPTION_CHOICE, &choice.dim, "N", "128, 768 (default) or 1536", 0, 0,
         "128|768|1536"},
        {"set", 0, OPTION_CHOICE, &choice.set, "SET", "where rows lie: L1, L2 (default), L3, DRAM",
         0, 0, "L1|L2|L3|DRAM"},
        {"shape", 0, OPTION_CHOICE, &choice.shape, "S", "one shape only", 0, 0,
         "gather|range|tile8|tile64"},
        {"time", 0, OPTION_F64, &choice.seconds, "S", "at least, a measurement (0.02)", 0.0001, 10,
         NULL},
        {"repetitions", 'r', OPTION_U32, &choice.repetitions, "N", "of which the median counts (3)",
         1, 99, NULL},
        {"program", 0, OPTION_TEXT, &choice.program, "FILE", "another kith-bench-kernels", 0, 0,
         NULL},
    };
    const struct syntax syntax = {
        .verb = "kernels",
        .operands = "",
        .about = "Names what fills each slot of the kernel table on this machine, and measures it\n"
                 "beside the machine's own limits: operations and bytes a second. `share` is the\n"
                 "time that the larger of both limits would take, by the time that was taken.",
        .examples = "kith kernels\nkith kernels --type u8 --metric l2sq --set DRAM\n"
                    "kith kernels --isa avx2 --shape gather\nkith kernels --names --json",
        .options = options,
        .option_count = COUNT_OF(options),
    };
    struct arguments arguments;
    const int parsed = options_parse(&syntax, argc, argv, &arguments);
    if (parsed != OPTIONS_GO)
        return parsed;
    return show(&choice, &arguments);
}

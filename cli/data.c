/* data.c - `kith data`: the choice of its verb, and the two that only look: ls and info.
 *
 * ls asks only whether the files are there; info reads all of them, so that what it prints is
 * checked: sums of a named set, sizes and NaN of a file. A file is described as it is, also when
 * its rows (ids, for example) could not be searched.
 */
#include "cli/data.h"

#include <string.h>
#include <unistd.h>

#include "cli/datasets.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

static const struct verb verbs[] = {
    {"ls", "list the named data sets", data_ls_main},
    {"info", "describe a data set or a file", data_info_main},
    {"get", "write a data set as .u8bin or .fbin files with its exact neighbours", data_get_main},
    {"truth", "compute exact neighbours", data_truth_main},
    {"convert", "rewrite a file in another format", data_convert_main},
};

static int print_verbs(void)
{
    const char *const bold = terminal_style(stdout, STYLE_BOLD);
    const char *const off = terminal_style(stdout, STYLE_OFF);
    printf("%sExamples%s\n"
           "  kith data ls\n"
           "  kith data info fashion-mnist-784-euclidean\n"
           "  kith data get fashion-mnist-784-euclidean --out data\n"
           "  kith data convert sift_base.fvecs sift_base.fbin\n\n"
           "%sVerbs%s\n",
           bold, off, bold, off);
    for (size_t i = 0; i < COUNT_OF(verbs); i++)
        printf("  kith data %-8s %s\n", verbs[i].name, verbs[i].summary);
    return TOOL_OK;
}

int data_main(int argc, char **argv)
{
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        return print_verbs();
    return verb_run("kith data", verbs, COUNT_OF(verbs), argc, argv);
}

/* ---- ls ----------------------------------------------------------------------------------- */

static json_t *named_json(const struct dataset_name *set, bool present, const char *folder)
{
    return json_pack("{s:s, s:s, s:s, s:i, s:I, s:I, s:s, s:b, s:o}", "name", set->name, "about",
                     set->about, "metric", kith_metric_name(set->metric), "dim", (int)set->dim,
                     "rows", (json_int_t)set->rows, "queries", (json_int_t)set->queries, "package",
                     set->package, "present", (int)present, "folder", terminal_text(folder));
}

static void print_named(const struct dataset_name *set, bool present, const char *folder)
{
    char rows[HUMAN_SIZE], queries[HUMAN_SIZE];
    printf("%-29s %10s %10s %5u  %-6s  %s%s%s%s\n", set->name, human_count(rows, set->rows),
           human_count(queries, set->queries), set->dim, kith_metric_name(set->metric),
           terminal_style(stdout, present ? STYLE_GOOD : STYLE_BAD),
           present ? folder : "missing: apt-get install ", present ? "" : set->package,
           terminal_style(stdout, STYLE_OFF));
}

int data_ls_main(int argc, char **argv)
{
    const struct syntax syntax = {
        .verb = "data ls",
        .operands = "",
        .about =
            "Lists the data sets that are known by name and whether they are on this machine.\n"
            "KITH_DATA names the folder to look in; without it, /usr/share/datasets.",
        .examples = "kith data ls\nkith data ls --json",
    };
    struct arguments arguments;
    const int parsed = options_parse(&syntax, argc, argv, &arguments);
    if (parsed != OPTIONS_GO)
        return parsed;
    json_t *const list = json_array();
    if (!arguments.json)
        printf("%s%-29s %10s %10s %5s  %-6s  %s%s\n", terminal_style(stdout, STYLE_BOLD), "name",
               "rows", "queries", "dim", "metric", "where", terminal_style(stdout, STYLE_OFF));
    const struct dataset_name *set;
    for (size_t i = 0; (set = dataset_named(i)); i++) {
        char folder[300];
        const bool present = dataset_present(set, folder, sizeof folder);
        json_array_append_new(list, named_json(set, present, folder));
        if (!arguments.json)
            print_named(set, present, folder);
    }
    if (arguments.json)
        terminal_json(list);
    else
        json_decref(list);
    return TOOL_OK;
}

/* ---- info --------------------------------------------------------------------------------- */

static void print_matrix(const char *label, const struct matrix *matrix)
{
    char rows[HUMAN_SIZE], bytes[HUMAN_SIZE];
    printf("%-10s %s x %u %s, %s", label, human_count(rows, matrix->rows), matrix->dim,
           element_name(matrix->element), human_bytes(bytes, matrix_bytes(matrix)));
    if (matrix->picture_width)
        printf(", pictures of %u x %u", matrix->picture_width, matrix->picture_height);
    putchar('\n');
}

static json_t *matrix_json(const struct matrix *matrix)
{
    return json_pack("{s:I, s:I, s:s, s:I}", "rows", (json_int_t)matrix->rows, "dim",
                     (json_int_t)matrix->dim, "type", element_name(matrix->element), "bytes",
                     (json_int_t)matrix_bytes(matrix));
}

static int info_of_named(const char *name, bool json)
{
    struct sentence why;
    struct dataset set;
    const struct dataset_wish wish = {.data = name};
    if (!dataset_open(&wish, &set, &why))
        return terminal_fail(TOOL_FAILED, "%s", why.text);
    if (json) {
        terminal_json(json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", set.name, "metric",
                                kith_metric_name(set.metric), "sha256", set.sha256, "base",
                                matrix_json(&set.base), "queries", matrix_json(&set.queries)));
    } else {
        printf("%-10s %s\n%-10s %s\n", "name", set.name, "metric", kith_metric_name(set.metric));
        print_matrix("base", &set.base);
        print_matrix("queries", &set.queries);
        printf("%-10s %s (of the rows, then the queries)\n", "sha256", set.sha256);
    }
    dataset_close(&set);
    return TOOL_OK;
}

/* A file has one matrix; an HDF5 file has up to four. */
static int info_of_file(const char *path, bool json)
{
    static const char *const parts[] = {"train", "test", "neighbors", "distances"};
    char metric[32];
    struct sentence why;
    struct matrix matrix;
    const bool hdf5 = matrix_is_hdf5(path, metric);
    json_t *const object = json_object();
    size_t found = 0;
    for (size_t i = 0; i < (hdf5 ? COUNT_OF(parts) : 1); i++) {
        if (!matrix_read(path, hdf5 ? parts[i] : NULL, 0, &matrix, &why))
            continue;
        found++;
        json_object_set_new(object, hdf5 ? parts[i] : "rows", matrix_json(&matrix));
        if (!json)
            print_matrix(hdf5 ? parts[i] : "rows", &matrix);
        matrix_free(&matrix);
    }
    if (found == 0) {
        json_decref(object);
        return terminal_fail(TOOL_FAILED, "%s", why.text);
    }
    if (metric[0])
        json_object_set_new(object, "distance", terminal_text(metric));
    if (json) {
        terminal_json(object);
        return TOOL_OK;
    }
    if (metric[0])
        printf("%-10s %s\n", "distance", metric);
    json_decref(object);
    return TOOL_OK;
}

int data_info_main(int argc, char **argv)
{
    const struct syntax syntax = {
        .verb = "data info",
        .operands = "NAME|FILE",
        .about = "Reads all of a data set or a file, checks it, and says what is in it.",
        .examples = "kith data info fashion-mnist-784-euclidean\nkith data info base.fvecs",
        .operands_least = 1,
        .operands_most = 1,
    };
    struct arguments arguments;
    const int parsed = options_parse(&syntax, argc, argv, &arguments);
    if (parsed != OPTIONS_GO)
        return parsed;
    const char *const data = arguments.operand[0];
    const struct dataset_name *set;
    for (size_t i = 0; (set = dataset_named(i)); i++)
        if (strcmp(set->name, data) == 0)
            return info_of_named(data, arguments.json);
    return access(data, F_OK) == 0 ? info_of_file(data, arguments.json)
                                   : info_of_named(data, arguments.json);
}

/* data_write.c - the verbs of `kith data` that write: get, truth and convert.
 *
 * Each checks that its outputs can be written before it works, and each file appears complete or
 * not at all. Paths of written files go to stdout, so that a script can use them.
 */
#include "cli/data.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/datasets.h"
#include "cli/heap.h"
#include "cli/options.h"
#include "cli/terminal.h"

#define METRICS "l2sq|ip|cosine"
#define TRUTH_K 100 /* what published ground-truth files hold */
#define ROWS_MOST 4294967294.0
#define K_MOST 65536

/* Row numbers as a matrix that borrows them. */
static struct matrix ids_matrix(uint32_t *rows, uint64_t queries, uint32_t k)
{
    return (struct matrix){.element = ELEMENT_I32, .dim = k, .rows = queries, .data = rows};
}

/* ---- get ---------------------------------------------------------------------------------- */

enum { GET_BASE, GET_QUERIES, GET_TRUTH, GET_FILES };

static bool check_all(char *const path[GET_FILES], struct sentence *why)
{
    for (int i = 0; i < GET_FILES; i++)
        if (!matrix_write_check(path[i], why))
            return false;
    return true;
}

static int get_files(const struct dataset *set, uint32_t k, char *const path[GET_FILES],
                     struct sentence *why)
{
    uint32_t *rows = NULL;
    if (!check_all(path, why))
        return TOOL_FAILED;
    if (set->note[0])
        terminal_note("%s", set->note);
    const int code = dataset_truth(set, k, 0, &rows, NULL, why);
    if (code != TOOL_OK)
        return code;
    const struct matrix truth = ids_matrix(rows, set->queries.rows, k);
    const bool good = matrix_write(path[GET_BASE], &set->base, why) &&
                      matrix_write(path[GET_QUERIES], &set->queries, why) &&
                      matrix_write(path[GET_TRUTH], &truth, why);
    free(rows);
    return good ? TOOL_OK : TOOL_FAILED;
}

static void get_report(const struct dataset *set, char *const path[GET_FILES], uint32_t k,
                       bool json)
{
    if (json) {
        terminal_json(json_pack("{s:o, s:s, s:s, s:o, s:o, s:o, s:i}", "name",
                                terminal_text(set->name), "metric", kith_metric_name(set->metric),
                                "sha256", set->sha256, "base", terminal_text(path[GET_BASE]),
                                "queries", terminal_text(path[GET_QUERIES]), "truth",
                                terminal_text(path[GET_TRUTH]), "k", (int)k));
        return;
    }
    for (int i = 0; i < GET_FILES; i++)
        puts(path[i]);
}

/* One level is created, so that a mistyped path does not grow a tree. */
static bool make_folder(const char *path, struct sentence *why)
{
    struct stat info;
    if (mkdir(path, 0777) == 0 || (stat(path, &info) == 0 && S_ISDIR(info.st_mode)))
        return true;
    return sentence_fail(why, "%s is no folder and cannot be made one: %s", path, strerror(errno));
}

/* The file format that holds these rows as they are. */
static const char *extension_of(enum element element)
{
    static const char *const extensions[] = {[ELEMENT_F32] = "fbin",
                                             [ELEMENT_U8] = "u8bin",
                                             [ELEMENT_I8] = "i8bin",
                                             [ELEMENT_I32] = "ibin",
                                             [ELEMENT_F16] = "npy"};
    return extensions[element];
}

static int get_set(const struct dataset *set, uint32_t k, const char *folder, bool json)
{
    struct sentence why;
    const char *const extension = extension_of(set->base.element);
    if (!make_folder(folder, &why))
        return terminal_fail(TOOL_FAILED, "%s", why.text);
    char *const path[GET_FILES] = {heap_format("%s/%s.base.%s", folder, set->name, extension),
                                   heap_format("%s/%s.query.%s", folder, set->name, extension),
                                   heap_format("%s/%s.truth.ibin", folder, set->name)};
    const int code = get_files(set, k, path, &why);
    if (code == TOOL_OK)
        get_report(set, path, k, json);
    for (int i = 0; i < GET_FILES; i++)
        free(path[i]);
    return code == TOOL_OK ? TOOL_OK : terminal_fail(code, "%s", why.text);
}

int data_get_main(int argc, char **argv)
{
    const char *folder = ".";
    uint32_t k = TRUTH_K;
    struct dataset_wish wish = {0};
    const struct option_spec options[] = {
        {"out", 'o', OPTION_TEXT, &folder, "DIR", "where to write (default: here)", 0, 0, NULL},
        {"k", 'k', OPTION_U32, &k, "K", "exact neighbours of a query (default 100)", 1, K_MOST,
         NULL},
        {"rows", 0, OPTION_U64, &wish.rows, "N", "only the first rows", 1, ROWS_MOST, NULL},
        {"nq", 0, OPTION_U64, &wish.query_rows, "N", "only the first queries", 1, ROWS_MOST, NULL},
    };
    const struct syntax syntax = {
        .verb = "data get",
        .operands = "NAME|FILE",
        .about = "Writes the rows and queries of a data set as .u8bin, .i8bin, .fbin or .npy and\n"
                 "their exact neighbours as .ibin, and prints the three paths.",
        .examples = "kith data get fashion-mnist-784-euclidean --out data\n"
                    "kith data get fashion-mnist-784-angular --rows 10000 --nq 100 -k 10",
        .options = options,
        .option_count = COUNT_OF(options),
        .operands_least = 1,
        .operands_most = 1,
    };
    struct arguments arguments;
    struct sentence why;
    struct dataset set;
    const int parsed = options_parse(&syntax, argc, argv, &arguments);
    if (parsed != OPTIONS_GO)
        return parsed;
    wish.data = arguments.operand[0];
    if (!dataset_open(&wish, &set, &why))
        return terminal_fail(TOOL_FAILED, "%s", why.text);
    const int code = get_set(&set, k, folder, arguments.json);
    dataset_close(&set);
    return code;
}

/* ---- truth -------------------------------------------------------------------------------- */

struct truth_wish {
    struct dataset_wish data;
    const char *out, *out_distances;
    uint32_t k, threads;
};

static bool write_truth(const struct truth_wish *wish, const struct dataset *set, uint32_t *rows,
                        float *distances, struct sentence *why)
{
    const struct matrix ids = ids_matrix(rows, set->queries.rows, wish->k);
    struct matrix values = ids;
    values.element = ELEMENT_F32;
    values.data = distances;
    return (!wish->out || matrix_write(wish->out, &ids, why)) &&
           (!wish->out_distances || matrix_write(wish->out_distances, &values, why));
}

static void truth_report(const struct truth_wish *wish, const struct dataset *set, double seconds,
                         bool json)
{
    char queries[HUMAN_SIZE], rows[HUMAN_SIZE], time[HUMAN_SIZE];
    if (json) {
        json_t *const object =
            json_pack("{s:o, s:s, s:s, s:I, s:I, s:i, s:f}", "name", terminal_text(set->name),
                      "metric", kith_metric_name(set->metric), "sha256", set->sha256, "rows",
                      (json_int_t)set->base.rows, "queries", (json_int_t)set->queries.rows, "k",
                      (int)wish->k, "seconds", seconds);
        if (wish->out)
            json_object_set_new(object, "out", terminal_text(wish->out));
        if (wish->out_distances)
            json_object_set_new(object, "out_distances", terminal_text(wish->out_distances));
        terminal_json(object);
        return;
    }
    printf("%s: the %u nearest of %s rows for %s queries by %s, in %s\n", set->name, wish->k,
           human_count(rows, set->base.rows), human_count(queries, set->queries.rows),
           kith_metric_name(set->metric), human_seconds(time, seconds));
}

static int truth_of_set(const struct truth_wish *wish, const struct dataset *set, bool json)
{
    struct sentence why;
    uint32_t *rows = NULL;
    float *distances = NULL;
    const double start = seconds_now();
    int code = dataset_truth(set, wish->k, wish->threads, &rows, &distances, &why);
    const double seconds = seconds_now() - start;
    if (code == TOOL_OK && !write_truth(wish, set, rows, distances, &why))
        code = TOOL_FAILED;
    free(rows);
    free(distances);
    if (code != TOOL_OK)
        return terminal_fail(code, "%s", why.text);
    truth_report(wish, set, seconds, json);
    return TOOL_OK;
}

int data_truth_main(int argc, char **argv)
{
    struct truth_wish wish = {.k = TRUTH_K};
    const struct option_spec options[] = {
        {"k", 'k', OPTION_U32, &wish.k, "K", "neighbours of a query (default 100)", 1, K_MOST,
         NULL},
        {"out", 'o', OPTION_TEXT, &wish.out, "F.ibin", "write the row numbers", 0, 0, NULL},
        {"out-distances", 0, OPTION_TEXT, &wish.out_distances, "F.fbin", "write the distances", 0,
         0, NULL},
        {"queries", 0, OPTION_TEXT, &wish.data.queries, "FILE", "the queries of a FILE", 0, 0,
         NULL},
        {"metric", 0, OPTION_CHOICE, &wish.data.metric, METRICS, "of a FILE (default l2sq)", 0, 0,
         METRICS},
        {"rows", 0, OPTION_U64, &wish.data.rows, "N", "only the first rows", 1, ROWS_MOST, NULL},
        {"nq", 0, OPTION_U64, &wish.data.query_rows, "N", "only the first queries", 1, ROWS_MOST,
         NULL},
        {"threads", 't', OPTION_U32, &wish.threads, "N", "default: all", 1, 4096, NULL},
    };
    const struct syntax syntax = {
        .verb = "data truth",
        .operands = "NAME|FILE",
        .about = "Computes the exact nearest rows of every query, ties by row number, and keeps\n"
                 "them in the cache (KITH_CACHE, else $XDG_CACHE_HOME/kith, else ~/.cache/kith).",
        .examples = "kith data truth fashion-mnist-784-euclidean -k 10\n"
                    "kith data truth base.fbin --queries query.fbin --metric ip --out truth.ibin",
        .options = options,
        .option_count = COUNT_OF(options),
        .operands_least = 1,
        .operands_most = 1,
    };
    struct arguments arguments;
    struct sentence why;
    struct dataset set;
    const int parsed = options_parse(&syntax, argc, argv, &arguments);
    if (parsed != OPTIONS_GO)
        return parsed;
    wish.data.data = arguments.operand[0];
    if ((wish.out && !matrix_write_check(wish.out, &why)) ||
        (wish.out_distances && !matrix_write_check(wish.out_distances, &why)) ||
        !dataset_open(&wish.data, &set, &why))
        return terminal_fail(TOOL_FAILED, "%s", why.text);
    if (set.note[0])
        terminal_note("%s", set.note);
    const int code = truth_of_set(&wish, &set, arguments.json);
    dataset_close(&set);
    return code;
}

/* ---- convert ------------------------------------------------------------------------------ */

static void convert_report(const char *path, const struct matrix *matrix, bool json)
{
    char rows[HUMAN_SIZE];
    if (json)
        terminal_json(json_pack("{s:o, s:I, s:I}", "out", terminal_text(path), "rows",
                                (json_int_t)matrix->rows, "dim", (json_int_t)matrix->dim));
    else
        printf("%s: %s rows of dimension %u\n", path, human_count(rows, matrix->rows), matrix->dim);
}

int data_convert_main(int argc, char **argv)
{
    const char *part = NULL;
    uint64_t limit = 0;
    const struct option_spec options[] = {
        {"part", 'p', OPTION_CHOICE, &part, "PART", "of an HDF5 file (default train)", 0, 0,
         "train|test|neighbors|distances"},
        {"rows", 0, OPTION_U64, &limit, "N", "only the first rows", 1, ROWS_MOST, NULL},
    };
    const struct syntax syntax = {
        .verb = "data convert",
        .operands = "IN OUT",
        .about = "Reads idx-ubyte (.gz), fvecs, bvecs, ivecs, fbin, u8bin, i8bin, ibin, npy or\n"
                 "HDF5 and writes .fbin, .u8bin, .i8bin, .ibin or .npy. A number that the output\n"
                 "cannot hold exactly is an error, and nothing is written.",
        .examples = "kith data convert sift_base.fvecs sift_base.fbin\n"
                    "kith data convert glove-100-angular.hdf5 queries.npy --part test",
        .options = options,
        .option_count = COUNT_OF(options),
        .operands_least = 2,
        .operands_most = 2,
    };
    struct arguments arguments;
    struct sentence why;
    struct matrix matrix;
    const int parsed = options_parse(&syntax, argc, argv, &arguments);
    if (parsed != OPTIONS_GO)
        return parsed;
    const char *const in = arguments.operand[0], *const out = arguments.operand[1];
    if (!matrix_write_check(out, &why) || !matrix_read(in, part, limit, &matrix, &why))
        return terminal_fail(TOOL_FAILED, "%s", why.text);
    const bool good = matrix_write(out, &matrix, &why);
    if (good)
        convert_report(out, &matrix, arguments.json);
    matrix_free(&matrix);
    return good ? TOOL_OK : terminal_fail(TOOL_FAILED, "%s", why.text);
}

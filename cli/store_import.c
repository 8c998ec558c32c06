/* store_import.c - `kith import`: a store made of a file of vectors, keys being the row numbers.
 *
 * The store appears whole or not at all: a file that was begun and could not be finished is taken
 * away again. Vectors keep the type that they have in the file unless --type says otherwise, and
 * a value that does not survive the change is refused with its position.
 */
#include <string.h>
#include <unistd.h>

#include "cli/matrix.h"
#include "cli/options.h"
#include "cli/store_part.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

struct import {
    const char *metric, *type, *part;
    uint64_t limit;
};

static bool element_of(const char *type, enum element *out)
{
    static const enum element all[] = {ELEMENT_F32, ELEMENT_F16, ELEMENT_U8, ELEMENT_I8};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (!strcmp(element_name(all[i]), type)) {
            *out = all[i];
            return true;
        }
    return false;
}

/* The metric that was asked for, else what an HDF5 file says of itself, else squared L2. */
static kith_metric metric_of(const struct import *import, const char *path)
{
    char distance[32] = "";
    kith_metric metric = KITH_L2SQ;
    if (import->metric)
        kith_metric_parse(import->metric, &metric);
    else if (matrix_is_hdf5(path, distance) && !strcmp(distance, "angular"))
        metric = KITH_COSINE;
    return metric;
}

static bool read_vectors(const struct import *import, const char *path, struct matrix *out)
{
    struct sentence why;
    enum element element;
    kith_type type;
    if (!matrix_read(path, import->part, import->limit, out, &why)) {
        terminal_fail(TOOL_FAILED, "%s", why.text);
        return false;
    }
    const bool good = (!import->type || (element_of(import->type, &element) &&
                                         matrix_convert(out, element, path, &why)));
    if (good && element_type(out->element, &type))
        return true;
    terminal_fail(TOOL_FAILED, "%s",
                  good ? "rows of i32 are numbers of rows, not vectors" : why.text);
    matrix_free(out);
    return false;
}

static int fill(kith_store *store, const struct matrix *matrix)
{
    struct progress progress;
    progress_begin(&progress, "importing");
    kith_status status =
        kith_store_load(store, NULL, matrix->data, matrix->rows, progress_step, &progress);
    progress_end(&progress);
    if (!status)
        status = kith_store_checkpoint(store);
    if (status == KITH_ECANCELLED)
        return TOOL_INTERRUPTED;
    return status ? store_failed() : TOOL_OK;
}

static int make_store(const char *path, const struct matrix *matrix, kith_metric metric)
{
    kith_type type = KITH_F32;
    kith_store *store = NULL;
    element_type(matrix->element, &type);
    kith_store_options options = kith_store_defaults(matrix->dim, type, metric);
    options.open = KITH_OPEN_NEW;
    options.durability = KITH_DURABLE_NONE; /* the checkpoint at the end is the promise */
    if (kith_store_open(path, &options, &store))
        return store_failed();
    const int code = fill(store, matrix);
    kith_store_close(store);
    if (code != TOOL_OK)
        unlink(path);
    return code;
}

int import_main(int argc, char **argv)
{
    struct import import = {.part = NULL};
    const struct option_spec options[] = {
        {"metric", 'm', OPTION_CHOICE, &import.metric, "M",
         "l2sq (default; HDF5: what the file says), ip, cosine", 0, 0, "l2sq|ip|cosine"},
        {"type", 't', OPTION_CHOICE, &import.type, "T", "f32, f16, u8 or i8; default: the file's",
         0, 0, "f32|f16|u8|i8"},
        {"part", 0, OPTION_TEXT, &import.part, "NAME", "of an HDF5 file: train (default) or test",
         0, 0, NULL},
        {"limit", 'n', OPTION_U64, &import.limit, "N", "the first N rows only", 1, 4e9, NULL},
    };
    const struct syntax syntax = {
        .verb = "import",
        .operands = "FILE STORE",
        .about =
            "Makes a new store of the vectors in FILE: idx, fvecs, bvecs, fbin, u8bin, i8bin,\n"
            "npy or HDF5. The keys are the row numbers, from 0.",
        .examples = "kith import sift_base.fvecs sift.kith --metric l2sq\n"
                    "kith import train.npy words.kith --metric cosine --type f16",
        .options = options,
        .option_count = COUNT_OF(options),
        .operands_least = 2,
        .operands_most = 2,
    };
    struct arguments arguments;
    struct matrix matrix = {0};
    int code = options_parse(&syntax, argc, argv, &arguments);
    if (code != OPTIONS_GO)
        return code;
    if (!read_vectors(&import, arguments.operand[0], &matrix))
        return TOOL_FAILED;
    code = make_store(arguments.operand[1], &matrix, metric_of(&import, arguments.operand[0]));
    if (code == TOOL_OK && arguments.json)
        terminal_json(
            json_pack("{s:I, s:i}", "rows", (json_int_t)matrix.rows, "dim", (int)matrix.dim));
    else if (code == TOOL_OK)
        terminal_note("%llu vectors of %u dimensions", (unsigned long long)matrix.rows, matrix.dim);
    matrix_free(&matrix);
    return code;
}

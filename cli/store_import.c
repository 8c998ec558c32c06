/* store_import.c - `kith import`: a store made of a file of vectors, keys being the row numbers.
 *
 * The store appears whole or not at all: it is made under another name, STORE.part-..., and named
 * when its checkpoint is on the disk. What fails, or is interrupted, is taken away again; what is
 * killed leaves that file behind, which may be deleted. Vectors keep the type that they have in
 * the file unless --type says otherwise, and a value that does not survive the change is refused
 * with its position.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/heap.h"
#include "cli/matrix.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/store_part.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

struct import {
    const char *metric, *type, *part;
    uint64_t limit;
    struct matrix matrix; /* what the file holds; its data are gone once `rows` has them */
    void *rows;           /* as the store has them */
};

/* What was asked for, else what an HDF5 file says of itself, else squared L2. The words are those
 * of ann-benchmarks. */
static kith_metric metric_of(const struct import *import, const char *path)
{
    static const struct {
        const char *word;
        kith_metric metric;
    } words[] = {{"angular", KITH_COSINE}, {"hamming", KITH_HAMMING}, {"jaccard", KITH_JACCARD}};
    char distance[32] = "";
    kith_metric metric = KITH_L2SQ;
    if (import->metric)
        kith_metric_parse(import->metric, &metric);
    else if (matrix_is_hdf5(path, distance))
        for (size_t i = 0; i < COUNT_OF(words); i++)
            metric = strcmp(distance, words[i].word) ? metric : words[i].metric;
    return metric;
}

/* Metrics of bits need no --type to say so, nor bits a --metric. */
static bool type_of(const struct import *import, kith_metric *metric, kith_type *out)
{
    const bool of_bits = *metric == KITH_HAMMING || *metric == KITH_JACCARD;
    if (!import->type && !of_bits)
        return element_type(import->matrix.element, out);
    if (kith_type_parse(import->type ? import->type : "b1", out))
        return false;
    if (*out == KITH_B1 && !import->metric && !of_bits)
        *metric = KITH_HAMMING;
    return true;
}

static bool read_rows(struct import *import, const char *path, kith_store_options *shape)
{
    struct sentence why;
    if (!matrix_read(path, import->part, import->limit, &import->matrix, &why)) {
        terminal_fail(TOOL_FAILED, "%s", why.text);
        return false;
    }
    *shape = kith_store_defaults(import->matrix.dim, KITH_F32, metric_of(import, path));
    if (!type_of(import, &shape->metric, &shape->type)) {
        terminal_fail(TOOL_FAILED,
                      "%s: rows of i32 are numbers of rows, not vectors; --type f32 takes them so",
                      path);
        return false;
    }
    import->rows = store_rows_take(&import->matrix, shape->type, path, &why);
    if (!import->rows)
        terminal_fail(TOOL_FAILED, "%s", why.text);
    return import->rows != NULL;
}

static int fill(const struct import *import, kith_store *store, const char *path)
{
    struct progress progress;
    progress_begin(&progress, "importing");
    kith_status status =
        kith_store_load(store, NULL, import->rows, import->matrix.rows, progress_step, &progress);
    progress_end(&progress);
    if (!status)
        status = kith_store_checkpoint(store);
    if (status == KITH_ECANCELLED)
        return store_stopped(path, "; no store was made");
    return status ? store_failed_at(path) : TOOL_OK;
}

static int make_store(const struct import *import, const kith_store_options *shape,
                      const char *path, const char *temporary)
{
    struct sentence why;
    kith_store *store = NULL;
    kith_store_options options = *shape;
    options.open = KITH_OPEN_NEW;
    options.durability = KITH_DURABLE_NONE; /* the checkpoint at the end is the promise */
    if (kith_store_open(temporary, &options, &store))
        return store_failed_at(path);
    int code = fill(import, store, path);
    kith_store_close(store);
    if (code == TOOL_OK && !output_name(temporary, path, &why))
        code = terminal_fail(TOOL_FAILED, "%s", why.text);
    if (code != TOOL_OK)
        unlink(temporary);
    return code;
}

/* Reading a large file takes time; what is in the way is said before. */
static bool nothing_at(const char *path)
{
    struct stat info;
    if (lstat(path, &info) == 0)
        terminal_fail(TOOL_FAILED, "%s cannot be created: %s", path, strerror(EEXIST));
    else if (errno != ENOENT)
        terminal_fail(TOOL_FAILED, "%s cannot be created: %s", path, strerror(errno));
    else
        return true;
    return false;
}

static int import_file(struct import *import, const char *from, const char *to)
{
    uint32_t tail = (uint32_t)getpid();
    kith_store_options shape;
    if (!nothing_at(to) || !read_rows(import, from, &shape))
        return TOOL_FAILED;
    (void)!getrandom(&tail, sizeof tail, GRND_NONBLOCK);
    char *const temporary = heap_format("%s.part-%08x", to, tail);
    const int code = make_store(import, &shape, to, temporary);
    free(temporary);
    return code;
}

static void show(const struct matrix *matrix, bool json)
{
    char text[HUMAN_SIZE];
    if (json)
        terminal_json(
            json_pack("{s:I, s:i}", "rows", (json_int_t)matrix->rows, "dim", (int)matrix->dim));
    else
        terminal_note("%s vector%s of %u dimensions", human_count(text, matrix->rows),
                      matrix->rows == 1 ? "" : "s", matrix->dim);
}

int import_main(int argc, char **argv)
{
    struct import import = {.part = NULL};
    const struct option_spec options[] = {
        {"metric", 'm', OPTION_CHOICE, &import.metric, "M",
         "l2sq (HDF5: what the file says), ip, cosine; of b1 hamming, jaccard", 0, 0,
         "l2sq|ip|cosine|hamming|jaccard"},
        {"type", 't', OPTION_CHOICE, &import.type, "T",
         "f32, f16, bf16, u8, i8 or b1; default: the file's", 0, 0, "f32|f16|bf16|u8|i8|b1"},
        {"part", 0, OPTION_TEXT, &import.part, "NAME", "of an HDF5 file: train (default) or test",
         0, 0, NULL},
        {"limit", 'n', OPTION_U64, &import.limit, "N", "the first N rows only", 1, 4e9, NULL},
    };
    const struct syntax syntax = {
        .verb = "import",
        .operands = "FILE STORE",
        .about =
            "Makes a new store of the vectors in FILE: idx, fvecs, bvecs, fbin, u8bin, i8bin,\n"
            "npy or HDF5. The keys are the row numbers, from 0. Bits (b1) are bytes of 0 and 1 in\n"
            "FILE. STORE appears when it is complete.",
        .examples = "kith import sift_base.fvecs sift.kith --metric l2sq\n"
                    "kith import train.npy words.kith --metric cosine --type f16",
        .options = options,
        .option_count = COUNT_OF(options),
        .operands_least = 2,
        .operands_most = 2,
    };
    struct arguments arguments;
    int code = options_parse(&syntax, argc, argv, &arguments);
    if (code != OPTIONS_GO)
        return code;
    code = import_file(&import, arguments.operand[0], arguments.operand[1]);
    if (code == TOOL_OK)
        show(&import.matrix, arguments.json);
    matrix_free(&import.matrix);
    free(import.rows);
    return code;
}

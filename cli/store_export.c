/* store_export.c - `kith export`: the vectors of a store as a matrix file, in key order.
 *
 * bf16 is written as f32 and bits as bytes of 0 and 1, since no file format here holds them. The
 * file appears when it is complete. It has no checksums, so the store is compared with its own
 * before.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/heap.h"
#include "cli/matrix.h"
#include "cli/options.h"
#include "cli/store_part.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

static enum element element_for(kith_type type)
{
    switch (type) {
    case KITH_U8:
    case KITH_B1:
        return ELEMENT_U8;
    case KITH_I8:
        return ELEMENT_I8;
    case KITH_F16:
        return ELEMENT_F16;
    default:
        return ELEMENT_F32;
    }
}

/* One row, in the form that the file has. */
static void put_row(const kith_store_options *shape, const void *vector, unsigned char *out)
{
    const unsigned char *const bytes = vector;
    if (shape->type == KITH_B1)
        for (uint32_t i = 0; i < shape->dim; i++)
            out[i] = bytes[i / 8] >> (i % 8) & 1;
    else if (shape->type == KITH_BF16)
        for (uint32_t i = 0; i < shape->dim; i++) {
            memset(out + 4 * (size_t)i, 0, 2);
            memcpy(out + 4 * (size_t)i + 2, bytes + 2 * (size_t)i, 2);
        }
    else
        memcpy(out, vector, kith_vector_bytes(shape->type, shape->dim));
}

static kith_status collect(kith_store *store, const kith_store_options *shape, uint64_t live,
                           struct matrix *out)
{
    const size_t row_bytes = shape->dim * element_bytes(element_for(shape->type));
    kith_item item = {.size = sizeof item};
    kith_snapshot *snapshot = NULL;
    kith_cursor *cursor = NULL;
    struct progress progress;
    progress_begin(&progress, "exporting");
    kith_status status = kith_snapshot_open(store, &snapshot);
    if (!status)
        status = kith_cursor_open(snapshot, NULL, 0, &cursor);
    *out = (struct matrix){.element = element_for(shape->type), .dim = shape->dim};
    out->data = heap_alloc(live ? live : 1, row_bytes);
    if (!status)
        status = kith_cursor_first(cursor, &item);
    for (; !status && out->rows < live; out->rows++) {
        put_row(shape, item.vector, (unsigned char *)out->data + out->rows * row_bytes);
        if (out->rows % 1024 == 0 && progress_step(&progress, out->rows, live))
            status = KITH_ECANCELLED;
        else
            status = kith_cursor_next(cursor, &item);
    }
    progress_end(&progress);
    kith_cursor_close(cursor);
    kith_snapshot_close(snapshot);
    return status == KITH_ENOTFOUND ? KITH_OK : status;
}

/* The file will have no checksums, so what is damaged must not get there: whoever reads it could
 * not tell. */
static kith_status check(kith_store *store)
{
    struct progress progress;
    progress_begin(&progress, "checking");
    const kith_status status = kith_store_check(store, 1, progress_step, &progress);
    progress_end(&progress);
    return status;
}

static void show(const struct matrix *matrix, bool json)
{
    char text[HUMAN_SIZE];
    if (json)
        terminal_json(json_pack("{s:I, s:i, s:s}", "rows", (json_int_t)matrix->rows, "dim",
                                (int)matrix->dim, "type", element_name(matrix->element)));
    else
        terminal_note("%s vector%s of %u dimensions", human_count(text, matrix->rows),
                      matrix->rows == 1 ? "" : "s", matrix->dim);
}

static int export_store(kith_store *store, const char *from, const char *path, bool json)
{
    kith_store_options shape = {.size = sizeof shape};
    kith_store_stats stats = {.size = sizeof stats};
    struct sentence why;
    struct matrix matrix = {.data = NULL};
    kith_store_describe(store, &shape);
    kith_store_stat(store, &stats);
    if (!stats.live)
        return terminal_fail(TOOL_FAILED, "%s is empty: no file holds 0 rows", from);
    if (!matrix_write_check(path, &why))
        return terminal_fail(TOOL_FAILED, "%s", why.text);
    int code = TOOL_OK;
    kith_status status = check(store);
    status = status ? status : collect(store, &shape, stats.live, &matrix);
    if (status == KITH_ECANCELLED)
        code = store_stopped(path, "; nothing was written");
    else if (status)
        code = store_failed_at(from);
    else if (!matrix_write(path, &matrix, &why))
        code = terminal_fail(TOOL_FAILED, "%s", why.text);
    else
        show(&matrix, json);
    matrix_free(&matrix);
    return code;
}

int export_main(int argc, char **argv)
{
    const struct syntax syntax = {
        .verb = "export",
        .operands = "STORE FILE",
        .about =
            "Writes the vectors of a store in key order to FILE: fbin, u8bin, i8bin or npy. Bits\n"
            "become bytes of 0 and 1, bf16 becomes f32; keys and metadata are printed by `kith\n"
            "scan`. The store is compared with its checksums before, so its file is read twice; a\n"
            "store that is damaged is not exported.",
        .examples = "kith export my.kith vectors.npy\nkith export sift.kith sift.fbin",
        .operands_least = 2,
        .operands_most = 2,
    };
    struct arguments arguments;
    kith_store *store = NULL;
    int code = options_parse(&syntax, argc, argv, &arguments);
    if (code != OPTIONS_GO)
        return code;
    code = store_open(arguments.operand[0], KITH_OPEN_READ_ONLY, &store);
    if (code == TOOL_OK)
        code = export_store(store, arguments.operand[0], arguments.operand[1], arguments.json);
    kith_store_close(store);
    return code;
}

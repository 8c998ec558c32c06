/* matrix_write.c - matrices to files: the big-ann formats and npy, by extension.
 *
 * A value that the wanted format cannot hold exactly is refused before the output is opened, so
 * bad input leaves no trace; the bytes go through output.c, so a full disk leaves none either.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "cli/heap.h"
#include "cli/matrix.h"
#include "cli/output.h"

enum layout { LAYOUT_BIN, LAYOUT_NPY };

struct target {
    enum layout layout;
    enum element element;
};

static bool target_of(const char *path, const struct matrix *matrix, struct target *out,
                      struct sentence *why)
{
    static const struct {
        const char *extension;
        enum element element;
    } bins[] = {{".fbin", ELEMENT_F32},
                {".u8bin", ELEMENT_U8},
                {".i8bin", ELEMENT_I8},
                {".ibin", ELEMENT_I32}};
    const char *const dot = strrchr(path, '.');
    *out = (struct target){LAYOUT_NPY, matrix->element};
    if (dot && strcasecmp(dot, ".npy") == 0)
        return true;
    for (size_t i = 0; dot && i < sizeof bins / sizeof bins[0]; i++) {
        if (strcasecmp(dot, bins[i].extension) == 0) {
            *out = (struct target){LAYOUT_BIN, bins[i].element};
            return true;
        }
    }
    return sentence_fail(why, "%s: files are written as .fbin, .u8bin, .i8bin, .ibin or .npy",
                         path);
}

bool matrix_write_check(const char *path, struct sentence *why)
{
    const struct matrix any = {0};
    struct target target;
    return target_of(path, &any, &target, why) && output_check(path, why);
}

static void write_bin_header(const struct matrix *matrix, FILE *file)
{
    const uint32_t shape[2] = {(uint32_t)matrix->rows, matrix->dim};
    fwrite(shape, sizeof shape, 1, file);
}

/* Version 1: the whole header is padded with spaces to a multiple of 64 and ends in '\n'. */
static void write_npy_header(const struct matrix *matrix, FILE *file)
{
    static const char *const descr[] = {"<f4", "|u1", "|i1", "<i4", "<f2"};
    char text[192];
    memset(text, ' ', sizeof text);
    memcpy(text, "\x93NUMPY\x01", 8); /* the eighth byte is the terminator: minor version 0 */
    const int n = snprintf(text + 10, sizeof text - 10,
                           "{'descr': '%s', 'fortran_order': False, 'shape': (%llu, %u), }",
                           descr[matrix->element], (unsigned long long)matrix->rows, matrix->dim);
    const size_t total = (10 + (size_t)n + 1 + 63) / 64 * 64;
    text[10 + n] = ' ';
    text[total - 1] = '\n';
    text[8] = (char)(total - 10);
    text[9] = 0;
    fwrite(text, total, 1, file);
}

static bool write_file(const char *path, enum layout layout, const struct matrix *matrix,
                       struct sentence *why)
{
    struct output output;
    if (!output_open(path, &output, why))
        return false;
    if (layout == LAYOUT_BIN)
        write_bin_header(matrix, output.file);
    else
        write_npy_header(matrix, output.file);
    const size_t bytes = matrix_bytes(matrix);
    errno = 0;
    if (fwrite(matrix->data, 1, bytes, output.file) == bytes)
        return output_commit(&output, why);
    sentence_fail(why, "%s: %zu bytes could not be written: %s", path, bytes, strerror(errno));
    output_discard(&output);
    return false;
}

bool matrix_write(const char *path, const struct matrix *matrix, struct sentence *why)
{
    struct target target;
    if (!target_of(path, matrix, &target, why))
        return false;
    if (target.layout == LAYOUT_BIN && matrix->rows > UINT32_MAX)
        return sentence_fail(why, "%s: %llu rows; the format holds at most 4294967295", path,
                             (unsigned long long)matrix->rows);
    if (target.element == matrix->element)
        return write_file(path, target.layout, matrix, why);
    struct matrix copy = *matrix;
    copy.data = heap_alloc(matrix_bytes(matrix), 1);
    memcpy(copy.data, matrix->data, matrix_bytes(matrix));
    const bool good = matrix_convert(&copy, target.element, path, why) &&
                      write_file(path, target.layout, &copy, why);
    matrix_free(&copy);
    return good;
}

/* vecs.c - the texmex formats fvecs, bvecs, ivecs: int32 dimension before every row.
 *
 * The number of rows is the size of the file divided by the size of the first row. That is right
 * only if all rows agree, so every row's own dimension is compared with the first. Rows are read
 * one by one for that; the stream's buffer makes it cost less than the disk.
 */
#include "cli/formats.h"

static bool take_row(const struct input *input, const struct matrix *matrix, uint64_t row,
                     struct sentence *why)
{
    const size_t bytes = matrix->dim * element_bytes(matrix->element);
    int32_t dim = 0;
    if (!input_take(input, &dim, sizeof dim, why))
        return false;
    if (dim != (int32_t)matrix->dim)
        return sentence_fail(why, "%s: row %llu has dimension %d, the rows before it have %u",
                             input->path, (unsigned long long)row, dim, matrix->dim);
    return input_take(input, (char *)matrix->data + row * bytes, bytes, why);
}

bool read_vecs(const struct input *input, struct matrix *out, struct sentence *why)
{
    int32_t dim = 0;
    if (!input_take(input, &dim, sizeof dim, why))
        return false;
    if (dim < 1)
        return sentence_fail(why, "%s: row 0 has dimension %d; it must be at least 1", input->path,
                             dim);
    const uint64_t row_bytes = sizeof dim + (uint64_t)dim * element_bytes(input->element);
    const uint64_t rows = input->bytes / row_bytes, rest = input->bytes % row_bytes;
    if (rows == 0)
        return sentence_fail(why, "%s: a row of dimension %d in %s needs %llu bytes, it has %llu",
                             input->path, dim, element_name(input->element),
                             (unsigned long long)row_bytes, (unsigned long long)input->bytes);
    const uint64_t taken = rows < input->limit ? rows : input->limit;
    if (!matrix_make(input->path, input->element, taken, (uint64_t)dim, out, why))
        return false;
    rewind(input->stream);
    for (uint64_t row = 0; row < taken; row++)
        if (!take_row(input, out, row, why))
            return false;
    if (rest)
        return sentence_fail(why, "%s ends inside row %llu: %llu of its %llu bytes are there",
                             input->path, (unsigned long long)rows, (unsigned long long)rest,
                             (unsigned long long)row_bytes);
    return true;
}

/* bins.c - the big-ann-benchmarks formats: uint32 rows, uint32 dimension, then the rows.
 *
 * The header and the size of the file must agree exactly: these files have no mark, and a file of
 * another format under this extension is found out only by its size. .ibin files of ground truth
 * come in two kinds, row numbers alone or followed by as many f32 distances; the size tells
 * which, and the distances are left unread.
 */
#include "cli/formats.h"

bool read_bin(const struct input *input, struct matrix *out, struct sentence *why)
{
    uint32_t shape[2] = {0, 0};
    if (!input_take(input, shape, sizeof shape, why))
        return false;
    /* Two factors below 2^32 and one of 4: the product needs 66 bits. */
    const unsigned __int128 body =
        (unsigned __int128)shape[0] * shape[1] * element_bytes(input->element);
    const bool pairs = input->element == ELEMENT_I32 && 2 * body + sizeof shape == input->bytes;
    if (body + sizeof shape != input->bytes && !pairs)
        return sentence_fail(why, "%s: %u rows of dimension %u in %s need %.0f bytes, it has %llu",
                             input->path, shape[0], shape[1], element_name(input->element),
                             (double)body + sizeof shape, (unsigned long long)input->bytes);
    const uint64_t rows = shape[0] < input->limit ? shape[0] : input->limit;
    return matrix_make(input->path, input->element, rows, shape[1], out, why) &&
           input_take(input, out->data, matrix_bytes(out), why);
}

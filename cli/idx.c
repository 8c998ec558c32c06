/* idx.c - idx-ubyte, the format of the MNIST family, plain or gzip through zlib.
 *
 * Header: two zero bytes, the element type (8: unsigned bytes), the number of axes, then one
 * big-endian uint32 an axis. A compressed file does not say how long it is inside; but deflate
 * cannot expand more than 1,032 times, which bounds what a false header can make us allocate.
 * A compressed file is always read to its end, whatever rows are wanted, because only there is
 * the checksum.
 */
#include "cli/formats.h"

#include <string.h>
#include <zlib.h>

#define DEFLATE_MOST 1032u
#define PIECE_BYTES (1u << 26)

/* gzread() takes 32-bit lengths. Returns what was there. */
static size_t take(gzFile file, void *to, size_t bytes)
{
    size_t got = 0;
    while (got < bytes) {
        const size_t rest = bytes - got;
        const int n =
            gzread(file, (char *)to + got, rest < PIECE_BYTES ? (unsigned)rest : PIECE_BYTES);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    return got;
}

static bool gz_fail(const struct input *input, gzFile file, struct sentence *why)
{
    int code = Z_OK;
    const char *const text = gzerror(file, &code);
    if (code == Z_BUF_ERROR || code == Z_OK || code == Z_STREAM_END)
        return sentence_fail(why, "%s ends too early: it has %llu bytes", input->path,
                             (unsigned long long)input->bytes);
    return sentence_fail(why, "%s is damaged: %s", input->path, text);
}

struct idx_header {
    uint32_t axes, size[3];
};

static bool take_header(const struct input *input, gzFile file, struct idx_header *out,
                        struct sentence *why)
{
    unsigned char lead[4], axis[4];
    if (take(file, lead, sizeof lead) != sizeof lead)
        return gz_fail(input, file, why);
    if (lead[0] || lead[1] || lead[2] != 8 || lead[3] < 2 || lead[3] > 3)
        return sentence_fail(why,
                             "%s starts with %02x %02x %02x %02x; idx files of unsigned bytes with "
                             "two or three axes start with 00 00 08 02 or 00 00 08 03",
                             input->path, lead[0], lead[1], lead[2], lead[3]);
    *out = (struct idx_header){lead[3], {1, 1, 1}};
    for (uint32_t i = 0; i < out->axes; i++) {
        if (take(file, axis, sizeof axis) != sizeof axis)
            return gz_fail(input, file, why);
        out->size[i] =
            (uint32_t)axis[0] << 24 | (uint32_t)axis[1] << 16 | (uint32_t)axis[2] << 8 | axis[3];
    }
    return true;
}

/* Whether the rows can be in a file of this size, and exactly are when it is not compressed. */
static bool check_size(const struct input *input, const struct idx_header *header, bool plain,
                       struct sentence *why)
{
    const unsigned __int128 body =
        (unsigned __int128)header->size[0] * header->size[1] * header->size[2];
    const uint64_t lead = 4 + 4 * (uint64_t)header->axes;
    const unsigned __int128 most = (unsigned __int128)input->bytes * DEFLATE_MOST;
    if (plain ? body + lead == input->bytes : body <= most)
        return true;
    return sentence_fail(why, "%s: %u rows of %u x %u bytes cannot be in its %llu bytes",
                         input->path, header->size[0], header->size[1], header->size[2],
                         (unsigned long long)input->bytes);
}

static bool take_rows(const struct input *input, gzFile file, struct matrix *out,
                      struct sentence *why)
{
    char beyond;
    struct idx_header header = {0};
    if (!take_header(input, file, &header, why) ||
        !check_size(input, &header, gzdirect(file) != 0, why) ||
        !matrix_make(input->path, ELEMENT_U8, header.size[0],
                     (uint64_t)header.size[1] * header.size[2], out, why))
        return false;
    if (take(file, out->data, matrix_bytes(out)) != matrix_bytes(out))
        return gz_fail(input, file, why);
    int code = Z_OK;
    if (gzread(file, &beyond, 1) > 0)
        return sentence_fail(why, "%s goes on after the %u rows that its header promises",
                             input->path, header.size[0]);
    gzerror(file, &code);
    if (code != Z_OK && code != Z_STREAM_END)
        return gz_fail(input, file, why);
    out->rows = out->rows < input->limit ? out->rows : input->limit;
    if (header.axes == 3) {
        out->picture_height = header.size[1];
        out->picture_width = header.size[2];
    }
    return true;
}

bool read_idx(const struct input *input, struct matrix *out, struct sentence *why)
{
    const gzFile file = gzopen(input->path, "rb");
    if (!file)
        return sentence_fail(why, "%s cannot be read", input->path);
    gzbuffer(file, 1u << 17);
    const bool good = take_rows(input, file, out, why);
    gzclose(file);
    return good;
}

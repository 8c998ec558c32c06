/* formats.h - what the readers of the file formats share; private to matrix.c and them.
 *
 * Each reader gets an open file whose size is known and is asked for at most `limit` rows. It
 * compares the header with the size, allocates by matrix_make() and fills the rows. All formats
 * but idx store little-endian numbers; so does every machine that Kith is built for.
 */
#ifndef FORMATS_H
#define FORMATS_H

#include <stdio.h>

#include "cli/matrix.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the file readers do not swap bytes");

struct input {
    const char *path;
    FILE *stream; /* at the first byte */
    uint64_t bytes;
    uint64_t limit;       /* rows wanted, at least 1 */
    enum element element; /* what the extension says; npy, idx and HDF5 say it themselves */
    const char *part;     /* member of an HDF5 file */
};

/* Allocates rows * dim elements and sets *out; checks that both are at least 1. */
bool matrix_make(const char *path, enum element element, uint64_t rows, uint64_t dim,
                 struct matrix *out, struct sentence *why);

/* Reads exactly `bytes` or fails with a sentence. */
bool input_take(const struct input *input, void *to, size_t bytes, struct sentence *why);

bool read_bin(const struct input *input, struct matrix *out, struct sentence *why);
bool read_vecs(const struct input *input, struct matrix *out, struct sentence *why);
bool read_npy(const struct input *input, struct matrix *out, struct sentence *why);
bool read_idx(const struct input *input, struct matrix *out, struct sentence *why);
bool read_hdf5(const struct input *input, struct matrix *out, struct sentence *why);

#endif

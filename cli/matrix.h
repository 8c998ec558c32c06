/* matrix.h - rows of numbers from and to files.
 *
 * Read: idx-ubyte (plain or gzip), fvecs, bvecs, ivecs, fbin, u8bin, i8bin, ibin, npy (version 1
 * to 3; f4, f2, u1, i1, b1, i4 in C order) and ann-benchmarks HDF5 where the build has libhdf5.
 * idx, npy, gzip and HDF5 are told by their first bytes, the rest by extension. Written: fbin,
 * u8bin, i8bin, ibin, npy. Booleans of npy and HDF5 are read as bytes of 0 and 1.
 *
 * A file is believed only after its header was compared with its size: nothing is allocated for
 * numbers that the file cannot hold. Every failure is one sentence with the file's name.
 */
#ifndef MATRIX_H
#define MATRIX_H

#include "kith.h"
#include "cli/sentence.h"

enum element { ELEMENT_F32, ELEMENT_U8, ELEMENT_I8, ELEMENT_I32, ELEMENT_F16 };

struct matrix {
    enum element element;
    uint32_t dim;  /* numbers in a row, at least 1 */
    uint64_t rows; /* at least 1 */
    void *data;    /* rows * dim elements without padding; owned, given back by matrix_free */
    uint32_t picture_width, picture_height; /* of idx files with three axes; else 0 */
};

/* "f32", "u8", "i8", "i32", "f16"; 4, 2 or 1. */
const char *element_name(enum element element);
size_t element_bytes(enum element element);

/* The library's type of an element; false for the one it does not search, i32. */
bool element_type(enum element element, kith_type *out);

/* What the 16 bits of an f16 stand for. */
float element_half(uint16_t half);

/* Bytes of all rows. Fits by construction. */
size_t matrix_bytes(const struct matrix *matrix);

/* Reads the first `limit_rows` rows (0: all). `part` names a member of an HDF5 file ("train",
 * "test", "neighbors", "distances"); NULL means "train", and other formats take only NULL. NaN
 * and infinities are refused with their position, except in "distances", where infinity pads.
 * *out is written on success only. */
bool matrix_read(const char *path, const char *part, uint64_t limit_rows, struct matrix *out,
                 struct sentence *why);

/* True when the extension or the first bytes are those of a format that is read. */
bool matrix_known(const char *path);

/* Accepts a zeroed matrix and leaves one behind. */
void matrix_free(struct matrix *matrix);

/* True when `path` has an extension that is written and could be written now; changes nothing. For
 * checks before long work. */
bool matrix_write_check(const char *path, struct sentence *why);

/* Writes by extension (.fbin .u8bin .i8bin .ibin .npy) to a temporary file that replaces `path`
 * when it is complete. Elements are converted to what the extension holds (npy holds any); a
 * value that does not survive that is refused with its position, and nothing is written. */
bool matrix_write(const char *path, const struct matrix *matrix, struct sentence *why);

/* Converts in place. False, with the position in the sentence, when a value does not survive.
 * `name` is how the sentence calls the matrix. */
bool matrix_convert(struct matrix *matrix, enum element element, const char *name,
                    struct sentence *why);

/* True when the file starts as HDF5 does. `metric` receives what its attribute "distance" says
 * ("euclidean", "angular"), or "" when it is missing. */
bool matrix_is_hdf5(const char *path, char metric[32]);

#endif

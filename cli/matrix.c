/* matrix.c - which reader reads a file, and what holds for all of them.
 *
 * A format is told by its first bytes where it has a mark (gzip, idx, npy, HDF5) and by the
 * extension where it has none: fvecs and fbin are bare numbers, and guessing would sooner or
 * later read one as the other. The check for NaN is here, after the reader, so that no reader can
 * forget it.
 */
#include "cli/matrix.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "cli/formats.h"
#include "cli/heap.h"

const char *element_name(enum element element)
{
    static const char *const name[] = {"f32", "u8", "i8", "i32", "f16"};
    return name[element];
}

size_t element_bytes(enum element element)
{
    if (element == ELEMENT_F16)
        return 2;
    return element == ELEMENT_U8 || element == ELEMENT_I8 ? 1 : 4;
}

bool element_type(enum element element, kith_type *out)
{
    static const kith_type types[] = {
        [ELEMENT_F32] = KITH_F32,
        [ELEMENT_U8] = KITH_U8,
        [ELEMENT_I8] = KITH_I8,
        [ELEMENT_F16] = KITH_F16,
    };
    if (element == ELEMENT_I32)
        return false;
    *out = types[element];
    return true;
}

/* The exponent's bias is 15 here and 127 in an f32; without an exponent, units of 2^-24. */
float element_half(uint16_t half)
{
    const uint32_t size = half & 0x7fffu;
    const uint32_t bits =
        size >= 0x7c00 ? 0x7f800000u | (size & 0x3ff) << 13 : (size + (112u << 10)) << 13;
    float x;
    memcpy(&x, &bits, sizeof x);
    if (size < 0x400)
        x = (float)size * 0x1p-24f;
    return half & 0x8000 ? -x : x;
}

size_t matrix_bytes(const struct matrix *matrix)
{
    return (size_t)matrix->rows * matrix->dim * element_bytes(matrix->element);
}

void matrix_free(struct matrix *matrix)
{
    free(matrix->data);
    *matrix = (struct matrix){0};
}

bool matrix_make(const char *path, enum element element, uint64_t rows, uint64_t dim,
                 struct matrix *out, struct sentence *why)
{
    size_t row_bytes, bytes;
    if (rows == 0 || dim == 0 || dim > UINT32_MAX)
        return sentence_fail(why, "%s: %llu rows of dimension %llu; both must be at least 1", path,
                             (unsigned long long)rows, (unsigned long long)dim);
    void *data = NULL;
    if (size_times((size_t)dim, element_bytes(element), &row_bytes) &&
        size_times((size_t)rows, row_bytes, &bytes))
        data = heap_try(bytes, 1);
    if (!data)
        return sentence_fail(why, "%s: no memory for %llu rows of dimension %llu", path,
                             (unsigned long long)rows, (unsigned long long)dim);
    *out = (struct matrix){.element = element, .dim = (uint32_t)dim, .rows = rows, .data = data};
    return true;
}

bool input_take(const struct input *input, void *to, size_t bytes, struct sentence *why)
{
    if (fread(to, 1, bytes, input->stream) == bytes)
        return true;
    if (ferror(input->stream))
        return sentence_fail(why, "%s cannot be read: %s", input->path, strerror(errno));
    return sentence_fail(why, "%s ends too early: it has %llu bytes", input->path,
                         (unsigned long long)input->bytes);
}

/* ---- choosing a reader -------------------------------------------------------------------- */

typedef bool (*reader_fn)(const struct input *input, struct matrix *out, struct sentence *why);

static const struct {
    const char *extension;
    reader_fn read;
    enum element element;
} by_extension[] = {
    {".fvecs", read_vecs, ELEMENT_F32}, {".bvecs", read_vecs, ELEMENT_U8},
    {".ivecs", read_vecs, ELEMENT_I32}, {".fbin", read_bin, ELEMENT_F32},
    {".u8bin", read_bin, ELEMENT_U8},   {".i8bin", read_bin, ELEMENT_I8},
    {".ibin", read_bin, ELEMENT_I32},
};

static const unsigned char hdf5_mark[8] = "\x89HDF\r\n\x1a\n";

/* The first bytes win over the extension. An idx file starts with two zero bytes, the type and
 * the number of axes; so does a bin file of 50,855,936 rows, hence `known`. */
static reader_fn reader_of_bytes(const unsigned char head[8], bool known)
{
    if (memcmp(head, hdf5_mark, sizeof hdf5_mark) == 0)
        return read_hdf5;
    if (memcmp(head, "\x93NUMPY", 6) == 0)
        return read_npy;
    if (head[0] == 0x1f && head[1] == 0x8b)
        return read_idx;
    if (!known && head[0] == 0 && head[1] == 0 && head[2] >= 8 && head[2] <= 14 && head[3] <= 8)
        return read_idx;
    return NULL;
}

/* NULL when the extension is none of them. */
static reader_fn reader_of_name(const char *path, enum element *element)
{
    const char *const dot = strrchr(path, '.');
    reader_fn read = NULL;
    for (size_t i = 0; dot && i < sizeof by_extension / sizeof by_extension[0]; i++) {
        if (strcasecmp(dot, by_extension[i].extension) == 0) {
            read = by_extension[i].read;
            *element = by_extension[i].element;
        }
    }
    return read;
}

static reader_fn choose_reader(struct input *input, struct sentence *why)
{
    const reader_fn read = reader_of_name(input->path, &input->element);
    unsigned char head[8] = {0};
    const size_t got = fread(head, 1, sizeof head, input->stream);
    rewind(input->stream);
    const reader_fn marked = got >= 4 ? reader_of_bytes(head, read != NULL) : NULL;
    if (!marked && !read)
        sentence_fail(why,
                      "%s is in no known format: idx-ubyte, npy, HDF5, or by extension .fvecs "
                      ".bvecs .ivecs .fbin .u8bin .i8bin .ibin",
                      input->path);
    return marked ? marked : read;
}

static bool input_open(const char *path, struct input *out, struct sentence *why)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return sentence_fail(why, "%s cannot be read: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return sentence_fail(why, "%s cannot be read: it is not a regular file", path);
    if (info.st_size == 0)
        return sentence_fail(why, "%s is empty", path);
    FILE *const stream = fopen(path, "rb");
    if (!stream)
        return sentence_fail(why, "%s cannot be read: %s", path, strerror(errno));
    *out = (struct input){.path = path, .stream = stream, .bytes = (uint64_t)info.st_size};
    return true;
}

bool matrix_known(const char *path)
{
    struct input input;
    struct sentence why;
    if (reader_of_name(path, &input.element))
        return true;
    if (!input_open(path, &input, &why))
        return false;
    const bool known = choose_reader(&input, &why) != NULL;
    fclose(input.stream);
    return known;
}

/* ---- what holds for every matrix ---------------------------------------------------------- */

static bool all_finite(const struct matrix *matrix, const char *path, struct sentence *why)
{
    const size_t count = (size_t)matrix->rows * matrix->dim;
    for (size_t i = 0; i < count; i++) {
        const float value = matrix->element == ELEMENT_F32
                                ? ((const float *)matrix->data)[i]
                                : element_half(((const uint16_t *)matrix->data)[i]);
        if (!isfinite(value))
            return sentence_fail(why, "%s: row %zu, column %zu is %s", path, i / matrix->dim,
                                 i % matrix->dim, isnan(value) ? "NaN" : "infinite");
    }
    return true;
}

static bool is_float(enum element element)
{
    return element == ELEMENT_F32 || element == ELEMENT_F16;
}

bool matrix_read(const char *path, const char *part, uint64_t limit_rows, struct matrix *out,
                 struct sentence *why)
{
    struct input input;
    struct matrix matrix = {0};
    if (!input_open(path, &input, why))
        return false;
    input.limit = limit_rows ? limit_rows : UINT64_MAX;
    input.part = part;
    const reader_fn read = choose_reader(&input, why);
    bool good = read != NULL;
    if (good && part && read != read_hdf5)
        good = sentence_fail(why, "%s has no part \"%s\": only HDF5 files have parts", path, part);
    good = good && read(&input, &matrix, why);
    fclose(input.stream);
    if (good && is_float(matrix.element) && !(part && strcmp(part, "distances") == 0))
        good = all_finite(&matrix, path, why);
    if (good)
        *out = matrix;
    else
        matrix_free(&matrix);
    return good;
}

/* ---- conversion --------------------------------------------------------------------------- */

/* Every element fits a double exactly, so a conversion is one path through double. */
static double load(const struct matrix *matrix, size_t i)
{
    switch (matrix->element) {
    case ELEMENT_F32:
        return ((const float *)matrix->data)[i];
    case ELEMENT_U8:
        return ((const uint8_t *)matrix->data)[i];
    case ELEMENT_I8:
        return ((const int8_t *)matrix->data)[i];
    case ELEMENT_F16:
        return element_half(((const uint16_t *)matrix->data)[i]);
    case ELEMENT_I32:
        break;
    }
    return ((const int32_t *)matrix->data)[i];
}

/* The f16 of a value that is one. */
static uint16_t to_half(double value)
{
    int exponent;
    const uint16_t sign = signbit(value) ? 0x8000 : 0;
    const double size = fabs(value), part = frexp(size, &exponent);
    if (size < 0x1p-14)
        return (uint16_t)(sign | (uint16_t)(size * 0x1p24));
    return (uint16_t)(sign | ((exponent + 13) * 1024 + (int)(part * 2048)));
}

static bool fits(enum element element, double value)
{
    static const struct {
        double least, most;
    } range[] = {[ELEMENT_U8] = {0, UINT8_MAX},
                 [ELEMENT_I8] = {INT8_MIN, INT8_MAX},
                 [ELEMENT_I32] = {INT32_MIN, INT32_MAX}};
    if (element == ELEMENT_F32)
        return isnan(value) || (double)(float)value == value;
    if (element == ELEMENT_F16)
        return fabs(value) < 65536 && (double)element_half(to_half(value)) == value;
    return value >= range[element].least && value <= range[element].most && value == rint(value);
}

/* Only called with a value that fits. */
static void save(enum element element, void *data, size_t i, double value)
{
    if (element == ELEMENT_F32)
        ((float *)data)[i] = (float)value;
    else if (element == ELEMENT_F16)
        ((uint16_t *)data)[i] = to_half(value);
    else if (element == ELEMENT_U8)
        ((uint8_t *)data)[i] = (uint8_t)value;
    else if (element == ELEMENT_I8)
        ((int8_t *)data)[i] = (int8_t)value;
    else
        ((int32_t *)data)[i] = (int32_t)value;
}

bool matrix_convert(struct matrix *matrix, enum element element, const char *name,
                    struct sentence *why)
{
    struct matrix made;
    if (matrix->element == element)
        return true;
    if (!matrix_make(name, element, matrix->rows, matrix->dim, &made, why))
        return false;
    made.picture_width = matrix->picture_width;
    made.picture_height = matrix->picture_height;
    const size_t count = (size_t)matrix->rows * matrix->dim;
    for (size_t i = 0; i < count; i++) {
        const double value = load(matrix, i);
        if (!fits(element, value)) {
            matrix_free(&made);
            return sentence_fail(why, "%s: row %zu, column %zu is %.9g, which no %s holds exactly",
                                 name, i / matrix->dim, i % matrix->dim, value,
                                 element_name(element));
        }
        save(element, made.data, i, value);
    }
    matrix_free(matrix);
    *matrix = made;
    return true;
}

/* npy.c - NumPy's array file, versions 1 to 3, with two axes in C order.
 *
 * The header is a Python dictionary in text. NumPy writes it in one way only, so it is searched
 * for its three keys rather than parsed as Python. Anything that cannot be read as rows of f4, f2,
 * u1, i1, b1 or i4 is refused with what the file says instead.
 */
#include "cli/formats.h"

#include <stdlib.h>
#include <string.h>

#include "cli/heap.h"

/* NumPy pads to 64 bytes and needs under 128 for two axes; v2 exists for record types. */
#define HEADER_MOST 65536

/* The text after "'key':" and spaces, NULL when the key is missing. */
static const char *value_of(const char *header, const char *key)
{
    const char *at = strstr(header, key);
    if (!at)
        return NULL;
    at += strlen(key);
    at += strspn(at, " ");
    if (*at != ':')
        return NULL;
    return at + 1 + strspn(at + 1, " ");
}

static bool element_of(const struct input *input, const char *descr, enum element *out,
                       struct sentence *why)
{
    static const struct {
        const char *descr;
        enum element element;
    } known[] = {{"'<f4'", ELEMENT_F32}, {"'<f2'", ELEMENT_F16}, {"'|u1'", ELEMENT_U8},
                 {"'|i1'", ELEMENT_I8},  {"'|b1'", ELEMENT_U8}, /* bool: bytes of 0 and 1 */
                 {"'<i4'", ELEMENT_I32}};
    for (size_t i = 0; descr && i < sizeof known / sizeof known[0]; i++) {
        if (strncmp(descr, known[i].descr, strlen(known[i].descr)) == 0) {
            *out = known[i].element;
            return true;
        }
    }
    return sentence_fail(why,
                         "%s: element type %.*s; read are '<f4', '<f2', '|u1', '|i1', '|b1' and "
                         "'<i4'; save x.astype('<f4') instead",
                         input->path, descr ? (int)strcspn(descr, ",}\n") : 7,
                         descr ? descr : "missing");
}

/* "(rows, dim)" or "(rows, dim,)". */
static bool shape_of(const struct input *input, const char *text, uint64_t shape[2],
                     struct sentence *why)
{
    const char *at = text;
    bool good = at && *at++ == '(';
    for (int axis = 0; good && axis < 2; axis++) {
        char *end = NULL;
        at += strspn(at, " ");
        good = *at >= '0' && *at <= '9';
        shape[axis] = good ? strtoull(at, &end, 10) : 0;
        at = good ? end : at;
        if (good && *at == ',')
            at++;
    }
    if (good)
        at += strspn(at, " ");
    if (good && *at == ')')
        return true;
    return sentence_fail(why, "%s: shape %.*s); it must have two axes", input->path,
                         text ? (int)strcspn(text, ")") : 7, text ? text : "missing");
}

/* Reads the header text, to be freed. *start receives where the rows begin. */
static char *take_header(const struct input *input, uint64_t *start, struct sentence *why)
{
    unsigned char lead[12] = {0};
    if (!input_take(input, lead, 10, why))
        return NULL;
    size_t length = lead[8] + 256u * lead[9], lead_bytes = 10;
    if (lead[6] < 1 || lead[6] > 3) {
        sentence_fail(why, "%s: npy version %d; versions 1 to 3 are read", input->path, lead[6]);
        return NULL;
    }
    if (lead[6] >= 2) {
        if (!input_take(input, lead + 10, 2, why))
            return NULL;
        length += 65536u * lead[10] + 16777216u * lead[11];
        lead_bytes = 12;
    }
    if (length > HEADER_MOST || lead_bytes + length > input->bytes) {
        sentence_fail(why, "%s: a header of %zu bytes in a file of %llu", input->path, length,
                      (unsigned long long)input->bytes);
        return NULL;
    }
    char *const header = heap_alloc(length + 1, 1);
    if (input_take(input, header, length, why)) {
        *start = lead_bytes + length;
        return header;
    }
    free(header);
    return NULL;
}

static bool read_shape(const struct input *input, const char *header, uint64_t shape[2],
                       enum element *element, struct sentence *why)
{
    const char *const order = value_of(header, "'fortran_order'");
    if (!element_of(input, value_of(header, "'descr'"), element, why) ||
        !shape_of(input, value_of(header, "'shape'"), shape, why))
        return false;
    if (!order || strncmp(order, "False", 5) != 0)
        return sentence_fail(why, "%s is not in C order; save numpy.ascontiguousarray(x) instead",
                             input->path);
    return true;
}

bool read_npy(const struct input *input, struct matrix *out, struct sentence *why)
{
    uint64_t start = 0, shape[2] = {0, 0};
    enum element element = ELEMENT_F32;
    char *const header = take_header(input, &start, why);
    if (!header)
        return false;
    const bool good = read_shape(input, header, shape, &element, why);
    free(header);
    if (!good)
        return false;
    uint64_t body;
    if (__builtin_mul_overflow(shape[0], shape[1], &body) ||
        __builtin_mul_overflow(body, element_bytes(element), &body) || body != input->bytes - start)
        return sentence_fail(why, "%s: shape (%llu, %llu) in %s does not match its %llu bytes",
                             input->path, (unsigned long long)shape[0],
                             (unsigned long long)shape[1], element_name(element),
                             (unsigned long long)(input->bytes - start));
    const uint64_t rows = shape[0] < input->limit ? shape[0] : input->limit;
    return matrix_make(input->path, element, rows, shape[1], out, why) &&
           input_take(input, out->data, matrix_bytes(out), why);
}

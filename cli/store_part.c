/* store_part.c - see store_part.h. */
#include "cli/store_part.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/heap.h"
#include "cli/matrix.h"
#include "cli/options.h"
#include "cli/terminal.h"

int store_failed(void)
{
    return terminal_fail(TOOL_FAILED, "%s", kith_last_error());
}

int store_open(const char *path, kith_open_mode mode, kith_store **out)
{
    kith_store_options any = kith_store_defaults(0, KITH_F32, KITH_L2SQ);
    any.open = mode;
    return kith_store_open(path, &any, out) ? store_failed() : TOOL_OK;
}

/* ---- Keys ---- */

static int hex_digit(char c)
{
    const char *const digits = "0123456789abcdef";
    const char *const at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;
    return at ? (int)(at - digits) : -1;
}

static bool number_key(const char *text, struct store_key *out)
{
    char *end;
    errno = 0;
    const unsigned long long number = strtoull(text, &end, 10);
    const uint64_t key = number;
    if (!isdigit((unsigned char)*text) || *end || errno) {
        terminal_fail(TOOL_USAGE, "\"%s\" is no 64-bit number, and the keys of this store are",
                      text);
        return false;
    }
    memcpy(out->bytes, &key, sizeof key);
    out->length = sizeof key;
    return true;
}

/* The byte that the text at *at stands for; -1 when it is no escape that we write. */
static int next_byte(const char **at)
{
    const char *const t = *at;
    if (*t != '\\') {
        *at = t + 1;
        return (unsigned char)*t;
    }
    if (t[1] == '\\') {
        *at = t + 2;
        return '\\';
    }
    const int high = t[1] == 'x' ? hex_digit(t[2]) : -1, low = high < 0 ? -1 : hex_digit(t[3]);
    *at = t + 4;
    return low < 0 ? -1 : high * 16 + low;
}

bool store_key_read(kith_key_kind keys, const char *text, struct store_key *out)
{
    out->length = 0;
    if (keys == KITH_KEYS_U64)
        return number_key(text, out);
    while (*text) {
        const int byte = next_byte(&text);
        if (byte < 0) {
            terminal_fail(TOOL_USAGE, "in a key, \\ is written \\\\ and other bytes \\xNN");
            return false;
        }
        if (out->length == STORE_KEY_MOST) {
            terminal_fail(TOOL_USAGE, "the key is longer than %d bytes", STORE_KEY_MOST);
            return false;
        }
        out->bytes[out->length++] = (unsigned char)byte;
    }
    return true;
}

char *store_key_text(kith_key_kind keys, const void *key, size_t length)
{
    const unsigned char *const bytes = key;
    uint64_t number;
    if (keys == KITH_KEYS_U64) {
        memcpy(&number, key, sizeof number);
        return heap_format("%llu", (unsigned long long)number);
    }
    char *const text = heap_alloc(4 * length + 1, 1);
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        const bool plain = bytes[i] >= 0x20 && bytes[i] < 0x7f && bytes[i] != '\\';
        const char *const form = plain ? "%c" : bytes[i] == '\\' ? "\\\\" : "\\x%02x";
        used += (size_t)snprintf(text + used, 4 * length + 1 - used, form, bytes[i]);
    }
    return text;
}

/* ---- Vectors ---- */

/* The next number of the text, or false at its end; a word that is no number sets *bad. */
static bool next_number(const char **at, double *out, const char **bad)
{
    char *end;
    *at += strspn(*at, " ,\t\n");
    if (!**at)
        return false;
    *out = strtod(*at, &end);
    if (end == *at || (*end && !strchr(" ,\t\n", *end))) {
        *bad = *at;
        return false;
    }
    *at = end;
    return true;
}

uint32_t store_vector_count(const char *text)
{
    const char *bad = NULL;
    double number;
    uint32_t count = 0;
    while (next_number(&text, &number, &bad))
        count++;
    return bad ? 0 : count;
}

/* Converts the numbers in place of a matrix of one row; bits are packed here. */
static void *converted(const kith_store_options *shape, float *numbers)
{
    static const enum element elements[] = {[KITH_F32] = ELEMENT_F32,
                                            [KITH_U8] = ELEMENT_U8,
                                            [KITH_F16] = ELEMENT_F16,
                                            [KITH_I8] = ELEMENT_I8};
    struct matrix one = {.element = ELEMENT_F32, .dim = shape->dim, .rows = 1, .data = numbers};
    struct sentence why;
    if (shape->type != KITH_BF16 && shape->type != KITH_B1) {
        if (matrix_convert(&one, elements[shape->type], "the vector", &why))
            return one.data;
        terminal_fail(TOOL_USAGE, "%s", why.text);
        matrix_free(&one);
        return NULL;
    }
    unsigned char *const out = heap_alloc(kith_vector_bytes(shape->type, shape->dim), 1);
    for (uint32_t i = 0; i < shape->dim; i++) {
        uint32_t bits;
        memcpy(&bits, &numbers[i], sizeof bits);
        const bool fits =
            shape->type == KITH_BF16 ? (bits & 0xffff) == 0 : numbers[i] == 0 || numbers[i] == 1;
        if (!fits) {
            terminal_fail(TOOL_USAGE, "element %u, %g, does not fit into %s", i, (double)numbers[i],
                          kith_type_name(shape->type));
            free(numbers);
            free(out);
            return NULL;
        }
        if (shape->type == KITH_B1)
            out[i / 8] = (unsigned char)(out[i / 8] | (numbers[i] != 0) << (i % 8));
        else
            memcpy(out + 2 * (size_t)i, (const char *)&bits + 2, 2);
    }
    free(numbers);
    return out;
}

void *store_vector_read(const kith_store_options *shape, const char *text)
{
    float *const numbers = heap_alloc(shape->dim, sizeof *numbers);
    const char *bad = NULL;
    const uint32_t count = store_vector_count(text);
    double number;
    uint32_t i = 0;
    while (i < shape->dim && next_number(&text, &number, &bad))
        numbers[i++] = (float)number;
    if (!bad && count == shape->dim)
        return converted(shape, numbers);
    free(numbers);
    if (bad)
        terminal_fail(TOOL_USAGE, "\"%.20s\" is no number", bad);
    else
        terminal_fail(TOOL_USAGE, "the vector has %u numbers; the store's have %u", count,
                      shape->dim);
    return NULL;
}

static double element_at(const kith_store_options *shape, const void *vector, uint32_t i)
{
    const unsigned char *const bytes = vector;
    uint32_t bits = 0;
    uint16_t half;
    float number;
    switch (shape->type) {
    case KITH_F32:
        memcpy(&number, bytes + 4 * (size_t)i, sizeof number);
        return (double)number;
    case KITH_F16:
        memcpy(&half, bytes + 2 * (size_t)i, sizeof half);
        return (double)element_half(half);
    case KITH_BF16:
        memcpy((char *)&bits + 2, bytes + 2 * (size_t)i, 2);
        memcpy(&number, &bits, sizeof number);
        return (double)number;
    case KITH_I8:
        return (signed char)bytes[i];
    case KITH_B1:
        return bytes[i / 8] >> (i % 8) & 1;
    default:
        return bytes[i];
    }
}

/* The fewest digits that read back as the same f32. */
static void print_number(double number, FILE *to)
{
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtof(text, NULL) == (float)number)
            break;
    }
    fputs(text, to);
}

void store_vector_print(const kith_store_options *shape, const void *vector, FILE *to)
{
    for (uint32_t i = 0; i < shape->dim; i++) {
        if (i)
            fputc(',', to);
        print_number(element_at(shape, vector, i), to);
    }
    fputc('\n', to);
}

json_t *store_vector_json(const kith_store_options *shape, const void *vector)
{
    json_t *const list = json_array();
    for (uint32_t i = 0; i < shape->dim; i++)
        json_array_append_new(list, json_real(element_at(shape, vector, i)));
    return list;
}

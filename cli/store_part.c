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

/* Whether a sentence names the file: as its first word, or between quotes. A name anywhere else
 * would not do, for a store may be called 1, and its row 1 be damaged. */
static bool names(const char *sentence, const char *path)
{
    const size_t n = strlen(path);
    if (n && strncmp(sentence, path, n) == 0 && !isalnum((unsigned char)sentence[n]))
        return true;
    for (const char *at = sentence; n && (at = strstr(at, path)); at++)
        if (at > sentence && (at[-1] == '\'' || at[-1] == '"') && at[n] == at[-1])
            return true;
    return false;
}

/* Sentences about what is inside a store say where, but not of which file. */
int store_failed_at(const char *path)
{
    const char *const why = kith_last_error();
    if (names(why, path))
        return store_failed();
    return terminal_fail(TOOL_FAILED, "%s: %s", path, why);
}

int store_open(const char *path, kith_open_mode mode, kith_store **out)
{
    kith_store_options any = kith_store_defaults(0, KITH_F32, KITH_L2SQ);
    any.open = mode;
    return kith_store_open(path, &any, out) ? store_failed_at(path) : TOOL_OK;
}

int store_key_failed(const char *path, kith_status status, const char *key)
{
    if (status == KITH_ENOTFOUND)
        return terminal_fail(TOOL_FAILED, "%s has no key \"%.80s\"", path, key);
    if (status == KITH_EEXISTS)
        return terminal_fail(TOOL_FAILED, "%s has the key \"%.80s\" already", path, key);
    return store_failed_at(path);
}

int store_stopped(const char *path, const char *what)
{
    return terminal_fail(TOOL_INTERRUPTED, "%s: interrupted%s", path, what);
}

/* ---- Keys ---- */

static int hex_digit(char c)
{
    const char *const digits = "0123456789abcdef";
    const char *const at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;
    return at ? (int)(at - digits) : -1;
}

static bool number_key(const char *text, struct store_key *out, struct sentence *why)
{
    char *end;
    errno = 0;
    const unsigned long long number = strtoull(text, &end, 10);
    const uint64_t key = number;
    if (!isdigit((unsigned char)*text) || *end || errno)
        return sentence_fail(why, "\"%.80s\" is no 64-bit number, and the keys of this store are",
                             text);
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

bool store_bytes_read(const char *text, void *out, size_t most, size_t *length,
                      struct sentence *why)
{
    unsigned char *const to = out;
    size_t n = 0;
    for (int byte; *text; n++) {
        if ((byte = next_byte(&text)) < 0)
            return sentence_fail(why, "in a key or metadata as text, \\ is written \\\\ and other "
                                      "bytes \\xNN");
        if (n < most)
            to[n] = (unsigned char)byte;
    }
    *length = n;
    return true;
}

bool store_key_read(kith_key_kind keys, const char *text, struct store_key *out,
                    struct sentence *why)
{
    if (keys == KITH_KEYS_U64)
        return number_key(text, out, why);
    if (!store_bytes_read(text, out->bytes, STORE_KEY_MOST, &out->length, why))
        return false;
    return (out->length && out->length <= STORE_KEY_MOST) ||
           sentence_fail(why, "the key has %zu bytes; a key has 1 to %d", out->length,
                         STORE_KEY_MOST);
}

/* The bytes of the character of UTF-8 at `at`, 2 to 4; 0 when it is none, or one that a terminal
 * obeys rather than shows. */
static size_t wide_character(const unsigned char *at, size_t left)
{
    const size_t bytes = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    static const uint32_t least[] = {0, 0, 0xa0, 0x800, 0x10000};
    if (at[0] < 0xc2 || at[0] > 0xf4 || bytes > left)
        return 0;
    uint32_t code = at[0] & (0x7fu >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3fu);
    }
    const bool surrogate = code >= 0xd800 && code < 0xe000;
    return code < least[bytes] || code > 0x10ffff || surrogate ? 0 : bytes;
}

char *store_bytes_text(const void *from, size_t length)
{
    const unsigned char *const bytes = from;
    char *const text = heap_alloc(4 * length + 1, 1);
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        const size_t wide = wide_character(bytes + i, length - i);
        const bool plain = bytes[i] >= 0x20 && bytes[i] < 0x7f && bytes[i] != '\\';
        const char *const form = plain ? "%c" : bytes[i] == '\\' ? "\\\\" : "\\x%02x";
        if (!wide) {
            used += (size_t)snprintf(text + used, 4 * length + 1 - used, form, bytes[i]);
            continue;
        }
        memcpy(text + used, bytes + i, wide);
        used += wide;
        i += wide - 1;
    }
    return text;
}

char *store_key_text(kith_key_kind keys, const void *key, size_t length)
{
    uint64_t number;
    if (keys == KITH_KEYS_BYTES)
        return store_bytes_text(key, length);
    memcpy(&number, key, sizeof number);
    return heap_format("%llu", (unsigned long long)number);
}

/* ---- Vectors ---- */

#define BETWEEN " ,\t\r\n"

/* The next number of the text, or false at its end; a word that is no number sets *bad. */
static bool next_number(const char **at, double *out, const char **bad)
{
    char *end;
    *at += strspn(*at, BETWEEN);
    if (!**at)
        return false;
    *out = strtod(*at, &end);
    if (end == *at || (*end && !strchr(BETWEEN, *end))) {
        *bad = *at;
        return false;
    }
    *at = end;
    return true;
}

/* How many numbers there are; *bad as above. */
static uint32_t count_numbers(const char *text, const char **bad)
{
    double number;
    uint32_t count = 0;
    while (next_number(&text, &number, bad))
        count++;
    return count;
}

uint32_t store_vector_count(const char *text, struct sentence *why)
{
    const char *bad = NULL;
    const uint32_t count = count_numbers(text, &bad);
    if (bad)
        sentence_fail(why, "element %u of the vector, \"%.*s\", is no number", count,
                      (int)strcspn(bad, BETWEEN), bad);
    else if (!count)
        sentence_fail(why, "the vector has no numbers");
    return bad ? 0 : count;
}

/* The type that a file, or text, has in place of one that it cannot have. */
static enum element element_before(kith_type type)
{
    static const enum element elements[] = {
        [KITH_F32] = ELEMENT_F32, [KITH_F16] = ELEMENT_F16, [KITH_BF16] = ELEMENT_F32,
        [KITH_I8] = ELEMENT_I8,   [KITH_U8] = ELEMENT_U8,   [KITH_B1] = ELEMENT_U8};
    return elements[type];
}

/* One row of f32 or of bytes, as bf16 or bits. Returns the first place that does not fit, or dim.
 */
static uint32_t pack_row(kith_type type, uint32_t dim, const void *from, unsigned char *out)
{
    const float *const numbers = from;
    const unsigned char *const bytes = from;
    uint32_t bits;
    for (uint32_t i = 0; i < dim; i++) {
        if (type == KITH_BF16) {
            memcpy(&bits, &numbers[i], sizeof bits);
            memcpy(out + 2 * (size_t)i, (const char *)&bits + 2, 2);
        } else {
            bits = bytes[i] > 1;
            out[i / 8] = (unsigned char)(out[i / 8] | bytes[i] << (i % 8));
        }
        if (type == KITH_BF16 ? bits & 0xffff : bits)
            return i;
    }
    return dim;
}

void *store_rows_take(struct matrix *m, kith_type type, const char *name, struct sentence *why)
{
    if (!matrix_convert(m, element_before(type), name, why))
        return NULL;
    void *const rows = m->data;
    if (type != KITH_BF16 && type != KITH_B1) {
        m->data = NULL;
        return rows;
    }
    const size_t from_bytes = m->dim * element_bytes(m->element);
    const size_t bytes = kith_vector_bytes(type, m->dim);
    unsigned char *const packed = heap_alloc(m->rows, bytes);
    for (uint64_t row = 0; row < m->rows; row++) {
        const void *const from = (const char *)rows + row * from_bytes;
        const uint32_t at = pack_row(type, m->dim, from, packed + row * bytes);
        if (at == m->dim)
            continue;
        const double value =
            type == KITH_B1 ? ((const unsigned char *)from)[at] : (double)((const float *)from)[at];
        sentence_fail(why, "%s: row %llu, column %u is %.9g, which no %s holds exactly", name,
                      (unsigned long long)row, at, value, kith_type_name(type));
        free(packed);
        return NULL;
    }
    return packed;
}

void *store_vector_read(const kith_store_options *shape, const char *text, struct sentence *why)
{
    const uint32_t count = store_vector_count(text, why);
    if (!count)
        return NULL;
    if (count != shape->dim) {
        sentence_fail(why, "the vector has %u numbers; the store's have %u", count, shape->dim);
        return NULL;
    }
    struct matrix one = {.element = ELEMENT_F32, .dim = count, .rows = 1};
    float *const numbers = heap_alloc(count, sizeof *numbers);
    const char *bad = NULL;
    double number;
    for (uint32_t i = 0; i < count && next_number(&text, &number, &bad); i++)
        numbers[i] = (float)number;
    one.data = numbers;
    void *const vector = store_rows_take(&one, shape->type, "the vector", why);
    matrix_free(&one);
    return vector;
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
static void number_text(double number, char text[32])
{
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, 32, "%.*g", digits, number);
        if (strtof(text, NULL) == (float)number)
            break;
    }
}

void store_vector_print(const kith_store_options *shape, const void *vector, FILE *to)
{
    char text[32];
    for (uint32_t i = 0; i < shape->dim; i++) {
        number_text(element_at(shape, vector, i), text);
        fprintf(to, "%s%s", i ? "," : "", text);
    }
    fputc('\n', to);
}

json_t *store_vector_json(const kith_store_options *shape, const void *vector)
{
    char text[32];
    json_t *const list = json_array();
    for (uint32_t i = 0; i < shape->dim; i++) {
        number_text(element_at(shape, vector, i), text);
        json_array_append_new(list, json_real(strtod(text, NULL)));
    }
    return list;
}

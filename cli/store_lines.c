/* store_lines.c - see store_lines.h.
 *
 * The operations become one commit, so that a file is taken whole or not at all. A key or a text
 * of metadata is never longer than its escaped form, so one block as long as the file holds them
 * all.
 */
#include "cli/store_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/heap.h"
#include "cli/options.h"
#include "cli/terminal.h"

static const char *name_of(const char *path)
{
    return strcmp(path, "-") ? path : "stdin";
}

static char *take_stream(FILE *stream, const char *path, size_t most, size_t *length)
{
    size_t room = 1u << 16, used = 0, got;
    char *text = heap_alloc(room, 1);
    errno = 0;
    while ((got = fread(text + used, 1, room - 1 - used, stream)) > 0 && used <= most) {
        used += got;
        if (used + 1 == room)
            text = heap_grow(text, room *= 2);
    }
    text[used] = '\0';
    if (!ferror(stream) && used <= most) {
        *length = used;
        return text;
    }
    free(text);
    if (ferror(stream))
        terminal_fail(TOOL_FAILED, "%s cannot be read: %s", name_of(path), strerror(errno));
    else
        terminal_fail(TOOL_FAILED, "%s has more than %zu bytes", name_of(path), most);
    return NULL;
}

char *store_text_take(const char *path)
{
    size_t length = 0;
    char *const text = store_file_take(path, SIZE_MAX / 4, &length);
    if (!text || strlen(text) == length)
        return text;
    terminal_fail(TOOL_FAILED, "%s: byte %zu is a zero, which text does not have", name_of(path),
                  strlen(text));
    free(text);
    return NULL;
}

char *store_file_take(const char *path, size_t most, size_t *length)
{
    if (!strcmp(path, "-"))
        return take_stream(stdin, path, most, length);
    FILE *const stream = fopen(path, "rb");
    if (!stream) {
        terminal_fail(TOOL_FAILED, "%s cannot be read: %s", path, strerror(errno));
        return NULL;
    }
    char *const text = take_stream(stream, path, most, length);
    fclose(stream);
    return text;
}

/* The next line, with its end made a zero; NULL behind the last. */
static char *next_line(char **at)
{
    char *const line = *at;
    char *const end = line + strcspn(line, "\n");
    if (!*line)
        return NULL;
    *at = end + (*end == '\n');
    *end = '\0';
    return line;
}

/* What follows the next tab, which becomes a zero; NULL when there is none. */
static char *next_field(char *field)
{
    char *const tab = strchr(field, '\t');
    if (!tab)
        return NULL;
    *tab = '\0';
    return tab + 1;
}

uint32_t store_lines_dim(const char *text, const char *name)
{
    struct sentence why;
    char *const line = heap_format("%.*s", (int)strcspn(text, "\n"), text);
    char *const meta = next_field(line), *const vector = meta ? next_field(meta) : NULL;
    uint32_t dim = 0;
    if (!*text)
        sentence_fail(&why, "there is none, so the store would have no dimension");
    else if (!vector)
        sentence_fail(&why, "key, metadata and vector are separated by tabs");
    else
        dim = store_vector_count(vector, &why);
    if (!dim)
        terminal_fail(TOOL_FAILED, "%s, line 1: %s", name_of(name), why.text);
    free(line);
    return dim;
}

struct reading {
    const kith_store_options *shape;
    kith_op_kind kind;
    size_t vector_bytes, used; /* of `bytes` */
    struct sentence why;
};

static bool read_key(struct reading *r, const char *text, unsigned char *to, kith_op *op)
{
    struct store_key key;
    if (!store_key_read(r->shape->keys, text, &key, &r->why))
        return false;
    memcpy(to, key.bytes, key.length);
    op->key = to;
    op->key_len = key.length;
    return true;
}

/* Metadata and vector of a put. */
static bool read_rest(struct reading *r, char *meta, unsigned char *to, void *vector, kith_op *op)
{
    char *const numbers = meta ? next_field(meta) : NULL;
    if (!numbers)
        return sentence_fail(&r->why, "key, metadata and vector are separated by tabs");
    if (!store_bytes_read(meta, to, SIZE_MAX, &op->meta_len, &r->why))
        return false;
    void *const read = store_vector_read(r->shape, numbers, &r->why);
    if (!read)
        return false;
    memcpy(vector, read, r->vector_bytes);
    free(read);
    op->meta = to;
    op->vector = vector;
    return true;
}

static bool read_line(struct reading *r, char *line, struct store_lines *lines)
{
    kith_op *const op = &lines->ops[lines->count];
    char *const rest = next_field(line);
    *op = (kith_op){.kind = r->kind};
    if (!read_key(r, line, lines->bytes + r->used, op))
        return false;
    r->used += op->key_len;
    if (r->kind == KITH_DELETE)
        return true;
    void *const vector = (char *)lines->vectors + lines->count * r->vector_bytes;
    if (!read_rest(r, rest, lines->bytes + r->used, vector, op))
        return false;
    r->used += op->meta_len;
    return true;
}

/* Room for what the text holds: a number of one digit becomes a key of 8 bytes. */
static void make_room(const struct reading *r, const char *text, struct store_lines *lines)
{
    size_t count = 1;
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        count++;
    lines->ops = heap_alloc(count, sizeof *lines->ops);
    lines->vectors = heap_alloc(count, r->vector_bytes);
    lines->bytes = heap_alloc(strlen(text) + 8 * count, 1);
}

bool store_lines_read(char *text, const char *name, const kith_store_options *shape,
                      kith_op_kind kind, struct store_lines *out)
{
    struct reading r = {.shape = shape, .kind = kind};
    struct store_lines lines = {0};
    if (kind != KITH_DELETE)
        r.vector_bytes = kith_vector_bytes(shape->type, shape->dim);
    make_room(&r, text, &lines);
    for (char *line; (line = next_line(&text)); lines.count++)
        if (!read_line(&r, line, &lines)) {
            terminal_fail(TOOL_FAILED, "%s, line %zu: %s", name_of(name), lines.count + 1,
                          r.why.text);
            store_lines_free(&lines);
            return false;
        }
    *out = lines;
    return true;
}

int store_lines_commit(const struct store_lines *lines, kith_store *store, const char *path,
                       const char *name)
{
    if (!lines->count || !kith_store_commit(store, lines->ops, lines->count, NULL))
        return TOOL_OK;
    return terminal_fail(TOOL_FAILED, "%s is as it was: %s; operation 0 is line 1 of %s", path,
                         kith_last_error(), name_of(name));
}

void store_lines_free(struct store_lines *lines)
{
    free(lines->ops);
    free(lines->bytes);
    free(lines->vectors);
    *lines = (struct store_lines){0};
}

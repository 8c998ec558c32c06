/* store_lines.c - see store_lines.h.
 *
 * The operations become one commit, so that a file is taken whole or not at all. A key or a text
 * of metadata is never longer than its escaped form, so one block as long as the file holds them
 * all. Whole also means whole as it was written: lines that may have been cut off, by ^C or by
 * the end of whoever wrote them, are refused.
 */
#include "cli/store_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/heap.h"
#include "cli/options.h"
#include "cli/terminal.h"

static const char *name_of(const char *path)
{
    return strcmp(path, "-") ? path : "stdin";
}

/* Reads to the end, and a little further than `most`; false when reading failed. */
static bool take_bytes(int fd, size_t most, char **text, size_t *length)
{
    size_t room = 1u << 16, used = 0;
    ssize_t got = 1;
    *text = heap_alloc(room, 1);
    while (got > 0 && used <= most && interrupt_wait(fd)) {
        got = read(fd, *text + used, room - 1 - used);
        used += got > 0 ? (size_t)got : 0;
        if (used + 1 == room)
            *text = heap_grow(*text, room *= 2);
    }
    (*text)[used] = '\0';
    *length = used;
    return got >= 0;
}

static int take_from(int fd, const char *path, size_t most, char **out, size_t *length)
{
    char *text;
    int code = TOOL_OK;
    if (!take_bytes(fd, most, &text, length))
        code = terminal_fail(TOOL_FAILED, "%s cannot be read: %s", name_of(path), strerror(errno));
    else if (interrupt_pending())
        code = TOOL_INTERRUPTED;
    else if (*length > most)
        code = terminal_fail(TOOL_FAILED, "%s has more than %zu bytes", name_of(path), most);
    if (code == TOOL_OK)
        *out = text;
    else
        free(text);
    return code;
}

int store_file_take(const char *path, size_t most, char **out, size_t *length)
{
    if (!strcmp(path, "-"))
        return take_from(STDIN_FILENO, path, most, out, length);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return terminal_fail(TOOL_FAILED, "%s cannot be read: %s", path, strerror(errno));
    const int code = take_from(fd, path, most, out, length);
    close(fd);
    return code;
}

static size_t count_ends(const char *text)
{
    size_t count = 0;
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        count++;
    return count;
}

int store_text_take(const char *path, char **out)
{
    size_t length = 0;
    char *text;
    int code = store_file_take(path, SIZE_MAX / 4, &text, &length);
    if (code != TOOL_OK)
        return code;
    if (strlen(text) < length)
        code = terminal_fail(TOOL_FAILED, "%s: byte %zu is a zero, which text does not have",
                             name_of(path), strlen(text));
    else if (length && text[length - 1] != '\n')
        code = terminal_fail(TOOL_FAILED, "%s, line %zu: the last line has no end: was it cut off?",
                             name_of(path), count_ends(text) + 1);
    if (code == TOOL_OK)
        *out = text;
    else
        free(text);
    return code;
}

int store_lines_stopped(const char *path, kith_op_kind kind)
{
    return store_stopped(path, kind == KITH_DELETE ? "; nothing was deleted" : "; nothing was put");
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
    const size_t count = count_ends(text) + 1;
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

/* ^C reaches both ends of a pipe, and the reader may see its end before the signal; so the look
 * at it comes as late as can be. */
int store_lines_commit(const struct store_lines *lines, kith_op_kind kind, kith_store *store,
                       const char *path, const char *name)
{
    if (interrupt_pending())
        return store_lines_stopped(path, kind);
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

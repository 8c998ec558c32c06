/* store_lines.h - many operations on a store, read from a file of lines or from a pipe.
 *
 * May include kith.h and cli/ headers. A line is what `kith scan --vectors` prints: key, metadata
 * and vector, separated by tabs. So what one store prints another can take in, or take out again.
 * All lines are read and understood before the first is obeyed.
 */
#ifndef STORE_LINES_H
#define STORE_LINES_H

#include "cli/store_part.h"

/* All bytes of a file, or of stdin when `path` is "-", with a zero behind them; the caller frees
 * them. Returns a tool_exit after a sentence, also when there are more than `most`; after ^C it is
 * TOOL_INTERRUPTED, and the sentence is the caller's: see store_lines_stopped. */
int store_file_take(const char *path, size_t most, char **out, size_t *length);

/* The same of lines of text, which have no zero in them. A last line that has no end is refused:
 * what wrote it may have been stopped there. */
int store_text_take(const char *path, char **out);

/* "kith: PATH: interrupted; nothing was put", or deleted; the exit code for ^C. */
int store_lines_stopped(const char *path, kith_op_kind kind);

struct store_lines {
    kith_op *ops;
    size_t count;
    unsigned char *bytes; /* of keys and metadata */
    void *vectors;
};

/* How many numbers the vector of the first line has. 0 after a sentence. */
uint32_t store_lines_dim(const char *text, const char *name);

/* Reads lines for `kind`: of KITH_DELETE only the key counts, and whatever follows it is passed
 * over. The text is taken apart. False after a sentence with the number of the line. */
bool store_lines_read(char *text, const char *name, const kith_store_options *shape,
                      kith_op_kind kind, struct store_lines *out);

/* One commit of all, unless ^C was pressed. Returns a tool_exit. */
int store_lines_commit(const struct store_lines *lines, kith_op_kind kind, kith_store *store,
                       const char *path, const char *name);
void store_lines_free(struct store_lines *lines);

#endif

/* store_part.h - what the verbs on stores share: opening, keys and vectors as text.
 *
 * May include kith.h and cli/ headers. Text and bytes survive the way there and back: a byte key
 * is printed with \xNN for everything that is no character to be seen, of ASCII or UTF-8, and
 * read in the same form; so are metadata. A number key is decimal. A vector is its elements,
 * separated by commas or blanks.
 */
#ifndef STORE_PART_H
#define STORE_PART_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "kith.h"
#include "cli/matrix.h"

enum { STORE_KEY_MOST = 512, STORE_META_MOST = 65536 };

struct store_key {
    unsigned char bytes[STORE_KEY_MOST];
    size_t length;
};

/* Opens the store that is at `path`, as it is. Returns TOOL_OK, or says why not. */
int store_open(const char *path, kith_open_mode mode, kith_store **out);

/* "kith: SENTENCE" of the library's last failure; the exit code for it. */
int store_failed(void);

/* The same, of the store at `path`: the sentence then names it. */
int store_failed_at(const char *path);

/* The same for an operation on the key that was typed. */
int store_key_failed(const char *path, kith_status status, const char *key);

/* "kith: PATH: interruptedWHAT"; the exit code for ^C. */
int store_stopped(const char *path, const char *what);

/* Reads bytes with their escapes: up to `most` are written, *length says how many there are. */
bool store_bytes_read(const char *text, void *out, size_t most, size_t *length,
                      struct sentence *why);

/* Bytes as text with escapes, in memory of the caller's to free. */
char *store_bytes_text(const void *bytes, size_t length);

/* Reads a key as the store has them. */
bool store_key_read(kith_key_kind keys, const char *text, struct store_key *out,
                    struct sentence *why);

/* The key as text, in memory of the caller's to free. */
char *store_key_text(kith_key_kind keys, const void *key, size_t length);

/* Reads a vector of the store's dimension and row type; what a type cannot hold is refused with
 * its position. The caller frees it. NULL on failure. */
void *store_vector_read(const kith_store_options *shape, const char *text, struct sentence *why);

/* The rows of a matrix as a store of `type` has them, which the caller frees. A value that the type
 * cannot hold is named in the sentence with its position, and NULL returned. What is left of the
 * matrix is given back with matrix_free as ever. */
void *store_rows_take(struct matrix *m, kith_type type, const char *name, struct sentence *why);

/* How many elements the text has: for a store that is yet to be made. 0 on failure. */
uint32_t store_vector_count(const char *text, struct sentence *why);

void store_vector_print(const kith_store_options *shape, const void *vector, FILE *to);
json_t *store_vector_json(const kith_store_options *shape, const void *vector);

#endif

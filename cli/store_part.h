/* store_part.h - what the verbs on stores share: opening, keys and vectors as text.
 *
 * May include kith.h and cli/ headers. Text and bytes survive the way there and back: a byte key
 * is printed with \xNN for everything that is not a plain character, and read in the same form; a
 * number key is decimal. A vector is its elements, separated by commas or blanks.
 */
#ifndef STORE_PART_H
#define STORE_PART_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "kith.h"

enum { STORE_KEY_MOST = 512 };

struct store_key {
    unsigned char bytes[STORE_KEY_MOST];
    size_t length;
};

/* Opens the store that is at `path`, as it is. Returns TOOL_OK, or says why not. */
int store_open(const char *path, kith_open_mode mode, kith_store **out);

/* "kith: SENTENCE" of the library's last failure; the exit code for it. */
int store_failed(void);

/* Reads a key as the store has them. False after a sentence. */
bool store_key_read(kith_key_kind keys, const char *text, struct store_key *out);

/* The key as text, in memory of the caller's to free. */
char *store_key_text(kith_key_kind keys, const void *key, size_t length);

/* Reads a vector of the store's dimension and row type; what a type cannot hold is refused with
 * its position. The caller frees it. NULL after a sentence. */
void *store_vector_read(const kith_store_options *shape, const char *text);

/* How many elements the text has: for a store that is yet to be made. */
uint32_t store_vector_count(const char *text);

void store_vector_print(const kith_store_options *shape, const void *vector, FILE *to);
json_t *store_vector_json(const kith_store_options *shape, const void *vector);

#endif

/* directory.h - the hash directory: key to row number, for point gets.
 *
 * May include base.h only. Open addressing over pairs of (32-bit fingerprint, row); the keys
 * themselves lie with their rows, and the caller compares them through `same`. XXH3 with a random
 * seed for each directory, so that chosen keys cannot pile up in one place.
 */
#ifndef KI_DIRECTORY_H
#define KI_DIRECTORY_H

#include "kv/base.h"

#define KI_NO_ROW UINT32_MAX

/* Does `row` hold this key? */
typedef bool (*ki_same_key_fn)(const void *user, uint32_t row, const void *key, size_t key_len);

typedef struct ki_directory ki_directory;

kith_status ki_directory_open(ki_same_key_fn same, const void *user, ki_directory **out);
void ki_directory_close(ki_directory *directory);

/* Another `user` for `same`, which has moved. Accepts NULL. */
void ki_directory_rebind(ki_directory *directory, const void *user);

/* KI_NO_ROW when absent. */
uint32_t ki_directory_find(const ki_directory *directory, const void *key, size_t key_len);

/* Makes room for `more` further keys, so that the next `more` calls of set cannot fail. */
kith_status ki_directory_reserve(ki_directory *directory, size_t more);

/* Points the key at `row`, adding it if it is new; the old row, or KI_NO_ROW, is returned.
 * Room must have been reserved. */
uint32_t ki_directory_set(ki_directory *directory, const void *key, size_t key_len, uint32_t row);

/* Forgets the key; the row it had, or KI_NO_ROW. Never fails, never allocates. */
uint32_t ki_directory_remove(ki_directory *directory, const void *key, size_t key_len);

/* The same in two steps, for many keys at once: hash them all, ask for the memory of each place
 * (hint), and the later call finds it near. `hash` is what ki_directory_hash gave for this key. */
uint32_t ki_directory_hash(const ki_directory *directory, const void *key, size_t key_len);
void ki_directory_hint(const ki_directory *directory, uint32_t hash);
uint32_t ki_directory_set_hashed(ki_directory *directory, uint32_t hash, const void *key,
                                 size_t key_len, uint32_t row);

size_t ki_directory_count(const ki_directory *directory);
size_t ki_directory_bytes(const ki_directory *directory);

#endif

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

enum { KI_PEEK_MOST = 64 };

/* Does `row` hold this key? */
typedef bool (*ki_same_key_fn)(const void *user, uint32_t row, const void *key, size_t key_len);

typedef struct ki_directory ki_directory;

kith_status ki_directory_open(ki_same_key_fn same, const void *user, ki_directory **out);
void ki_directory_close(ki_directory *directory);

/* Another `user` for `same`, which has moved. Accepts NULL. */
void ki_directory_rebind(ki_directory *directory, const void *user);

/* KI_NO_ROW when absent. */
uint32_t ki_directory_find(const ki_directory *directory, const void *key, size_t key_len);

/* Asking without a lock, while another thread sets, removes and reserves: the rows whose keys may
 * be this one, one at a time, and KI_NO_ROW behind the last. A row that comes is one that some key
 * had at some time; which of them are true, and whether one is missing, is certain only if nothing
 * changed meanwhile, and the caller must know that from elsewhere. From ki_directory_share on,
 * before which there is no second thread, memory that was outgrown can still be read; about as many
 * bytes of addresses as the directory has are held for that, but of memory 64 KiB at most. */
typedef struct ki_places {
    const uint64_t *pairs; /* row << 32 | hash, 2^bits of them */
    uint32_t bits;         /* 0: there are none */
    uint32_t hash;         /* of the key */
} ki_places;

typedef struct ki_peek {
    const uint64_t *pairs;
    uint64_t place, mask;
    uint32_t hash, left;
} ki_peek;

void ki_directory_share(ki_directory *directory);
ki_places ki_directory_places(const ki_directory *directory, const void *key, size_t key_len);

/* Where memory was given back no empty place ends the walk, so its length does. */
static inline ki_peek ki_peek_at(ki_places at)
{
    return (ki_peek){.pairs = at.pairs,
                     .place = (uint64_t)at.hash << at.bits >> 32,
                     .mask = (UINT64_C(1) << at.bits) - 1,
                     .hash = at.hash,
                     .left = at.bits ? KI_PEEK_MOST : 0};
}

static inline uint32_t ki_peek_next(ki_peek *peek)
{
    while (peek->left-- > 0) {
        uint64_t pair = __atomic_load_n(&peek->pairs[peek->place], __ATOMIC_ACQUIRE);
        peek->place = (peek->place + 1) & peek->mask;
        if ((uint32_t)pair == peek->hash || pair == UINT64_MAX)
            return (uint32_t)(pair >> 32);
    }
    return KI_NO_ROW;
}

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

/* directory.c - open addressing over pairs of 8 bytes, with linear probing.
 *
 * May touch directory.h, XXH3 and the system's random numbers. The one idea: a pair's place is
 * told by the top bits of its own 32-bit fingerprint, so that growing and removing need neither
 * the keys nor their hashes again. 2^32 places hold every row number there can be at half load,
 * so 32 bits are enough to the end. The price: bits that chose the place no longer tell keys of
 * one neighbourhood apart. Among a million keys 11 bits are left and a stranger's key is looked
 * at once in 2,000 probes; among a hundred million it is once in 16. A wider fingerprint would
 * cost every key 4 bytes to save those looks.
 *
 * Removing shifts the pairs behind it back into the gap. No mark is left, so a directory that
 * lives on puts and deletes stays as fast as a fresh one. Load is at most 0.7 and growth doubles:
 * 11.4 to 22.9 bytes a key.
 */
#include "kv/directory.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

enum { FIRST_BITS = 4, MOST_BITS = 32 };

typedef struct pair {
    uint32_t fingerprint;
    uint32_t row; /* KI_NO_ROW: an empty place */
} pair;

struct ki_directory {
    ki_same_key_fn same;
    const void *user;
    pair *pairs; /* NULL until the first reserve */
    uint64_t seed;
    size_t count;
    uint32_t bits; /* 2^bits places; 0 while there are none */
};

static size_t places(uint32_t bits)
{
    return bits ? (size_t)1 << bits : 0;
}

static size_t keys_that_fit(uint32_t bits)
{
    return places(bits) * 7 / 10;
}

static uint32_t home_of(const ki_directory *directory, uint32_t fingerprint)
{
    return fingerprint >> (32 - directory->bits);
}

static uint32_t step(const ki_directory *directory, uint32_t place)
{
    return (uint32_t)((place + (size_t)1) & (places(directory->bits) - 1));
}

static uint32_t fingerprint_of(const ki_directory *directory, const void *key, size_t key_len)
{
    return (uint32_t)(XXH3_64bits_withSeed(key, key_len, directory->seed) >> 32);
}

/* Chosen keys that all share a fingerprint would turn each call into a walk over all of them;
 * nobody can choose such keys without the seed. Results do not depend on it. */
static kith_status draw_seed(uint64_t *seed)
{
    ssize_t got;
    do
        got = getrandom(seed, sizeof *seed, 0);
    while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof *seed)
        return ki_fail(KITH_EIO, "the system gave no random seed: %s", strerror(errno));
    return KITH_OK;
}

kith_status ki_directory_open(ki_same_key_fn same, const void *user, ki_directory **out)
{
    uint64_t seed;
    kith_status status = draw_seed(&seed);
    if (status != KITH_OK)
        return status;
    ki_directory *directory = ki_zalloc(sizeof *directory);
    if (directory == NULL)
        return ki_no_memory("a directory", sizeof *directory);
    directory->same = same;
    directory->user = user;
    directory->seed = seed;
    *out = directory;
    return KITH_OK;
}

void ki_directory_close(ki_directory *directory)
{
    if (directory == NULL)
        return;
    ki_free(directory->pairs);
    ki_free(directory);
}

void ki_directory_rebind(ki_directory *directory, const void *user)
{
    if (directory != NULL)
        directory->user = user;
}

/* The place of the key, or the empty one where it would go. Load below 1 ends the walk. */
static uint32_t locate(const ki_directory *directory, uint32_t fingerprint, const void *key,
                       size_t key_len)
{
    uint32_t place = home_of(directory, fingerprint);
    for (;; place = step(directory, place)) {
        const pair *at = &directory->pairs[place];
        if (at->row == KI_NO_ROW)
            return place;
        if (at->fingerprint == fingerprint &&
            directory->same(directory->user, at->row, key, key_len))
            return place;
    }
}

uint32_t ki_directory_find(const ki_directory *directory, const void *key, size_t key_len)
{
    if (directory->count == 0)
        return KI_NO_ROW;
    uint32_t fingerprint = fingerprint_of(directory, key, key_len);
    return directory->pairs[locate(directory, fingerprint, key, key_len)].row;
}

/* Moves every pair to a larger array. All keys differ, so only empty places are looked for. */
static void spread(const ki_directory *old, ki_directory *grown)
{
    for (size_t i = 0; i < places(old->bits); i++) {
        if (old->pairs[i].row == KI_NO_ROW)
            continue;
        uint32_t place = home_of(grown, old->pairs[i].fingerprint);
        while (grown->pairs[place].row != KI_NO_ROW)
            place = step(grown, place);
        grown->pairs[place] = old->pairs[i];
    }
}

kith_status ki_directory_reserve(ki_directory *directory, size_t more)
{
    ki_directory grown = *directory;
    size_t keys, bytes;
    if (!ki_add(directory->count, more, &keys) || keys > keys_that_fit(MOST_BITS))
        return ki_fail(KITH_ENOMEM, "%zu keys and %zu more are beyond the %zu of a directory",
                       directory->count, more, keys_that_fit(MOST_BITS));
    if (keys <= keys_that_fit(directory->bits))
        return KITH_OK;
    if (grown.bits == 0)
        grown.bits = FIRST_BITS;
    while (keys_that_fit(grown.bits) < keys)
        grown.bits++;
    bytes = places(grown.bits) * sizeof(pair);
    grown.pairs = ki_alloc(bytes);
    if (grown.pairs == NULL)
        return ki_no_memory("a directory's places", bytes);
    memset(grown.pairs, 0xff, bytes); /* every row KI_NO_ROW */
    spread(directory, &grown);
    ki_free(directory->pairs);
    *directory = grown;
    return KITH_OK;
}

uint32_t ki_directory_hash(const ki_directory *directory, const void *key, size_t key_len)
{
    return fingerprint_of(directory, key, key_len);
}

void ki_directory_hint(const ki_directory *directory, uint32_t hash)
{
    if (directory->bits > 0)
        __builtin_prefetch(&directory->pairs[home_of(directory, hash)], 1);
}

uint32_t ki_directory_set(ki_directory *directory, const void *key, size_t key_len, uint32_t row)
{
    uint32_t fingerprint = fingerprint_of(directory, key, key_len);
    return ki_directory_set_hashed(directory, fingerprint, key, key_len, row);
}

uint32_t ki_directory_set_hashed(ki_directory *directory, uint32_t fingerprint, const void *key,
                                 size_t key_len, uint32_t row)
{
    assert(directory->bits > 0 && row != KI_NO_ROW);
    pair *at = &directory->pairs[locate(directory, fingerprint, key, key_len)];
    uint32_t old_row = at->row;
    if (old_row == KI_NO_ROW) {
        assert(directory->count < keys_that_fit(directory->bits));
        directory->count++;
    }
    *at = (pair){.fingerprint = fingerprint, .row = row};
    return old_row;
}

/* Fills the gap at `gap` from behind. A pair may move there unless that is before its home: the
 * way from its home to where it stands must lead over the gap. Distances are taken modulo the
 * number of places, since a run may pass the end of the array. */
static void close_gap(ki_directory *directory, uint32_t gap)
{
    size_t mask = places(directory->bits) - 1;
    uint32_t place = step(directory, gap);
    for (; directory->pairs[place].row != KI_NO_ROW; place = step(directory, place)) {
        uint32_t home = home_of(directory, directory->pairs[place].fingerprint);
        if (((place - (size_t)home) & mask) < ((place - (size_t)gap) & mask))
            continue;
        directory->pairs[gap] = directory->pairs[place];
        gap = place;
    }
    directory->pairs[gap].row = KI_NO_ROW;
}

uint32_t ki_directory_remove(ki_directory *directory, const void *key, size_t key_len)
{
    if (directory->count == 0)
        return KI_NO_ROW;
    uint32_t fingerprint = fingerprint_of(directory, key, key_len);
    uint32_t place = locate(directory, fingerprint, key, key_len);
    uint32_t row = directory->pairs[place].row;
    if (row == KI_NO_ROW)
        return KI_NO_ROW;
    close_gap(directory, place);
    directory->count--;
    return row;
}

size_t ki_directory_count(const ki_directory *directory)
{
    return directory->count;
}

size_t ki_directory_bytes(const ki_directory *directory)
{
    return sizeof *directory + places(directory->bits) * sizeof(pair);
}

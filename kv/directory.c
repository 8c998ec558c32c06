/* directory.c - open addressing over pairs of 8 bytes, with linear probing.
 *
 * May touch directory.h, arena.h, XXH3 and the system's random numbers. The one idea: a pair's
 * place is told by the top bits of its own 32-bit fingerprint, so that growing and removing need
 * neither the keys nor their hashes again. 2^32 places hold every row number there can be at half
 * load, so 32 bits are enough to the end. The price: bits that chose the place no longer tell keys
 * of one neighbourhood apart. Among a million keys 11 bits are left and a stranger's key is looked
 * at once in 2,000 probes; among a hundred million it is once in 16. A wider fingerprint would
 * cost every key 4 bytes to save those looks.
 *
 * Removing shifts the pairs behind it back into the gap. No mark is left, so a directory that
 * lives on puts and deletes stays as fast as a fresh one. Load is at most 0.7 and growth doubles:
 * 11.4 to 22.9 bytes a key.
 *
 * A pair is one word, so who peeks without a lock sees it before a change or after it, and never
 * half of each. A table that was outgrown keeps its addresses while somebody may be peeking, that
 * is until the directory is closed; of a large one the memory goes back at once, and who reads
 * there finds zeros. Large tables lie in arenas for that, and for the sake of huge pages: a get
 * from 200,000 rows of 3072 bytes took 0.92 of the time with them. Four places compared at once,
 * with one branch for all of them, gained nothing: a get waits for the place, not for the branch.
 *
 * The hash is compiled in, not called in its library: that saves a get 25 instructions, and look.c
 * says why they count.
 */
#include "kv/directory.h"
#include "kv/arena.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { FIRST_BITS = 4, MOST_BITS = 32, ARENA_LEAST = 64 << 10 };

/* Row << 32 | fingerprint; all ones, and so KI_NO_ROW: an empty place. */
typedef uint64_t pair;

typedef struct table {
    pair *pairs;
    ki_arena arena; /* a large table lies there */
    uint32_t bits;  /* 2^bits places */
    struct table *outgrown;
} table;

struct ki_directory {
    ki_same_key_fn same;
    const void *user;
    pair *pairs; /* those of `now`; NULL until the first reserve */
    uint64_t seed;
    size_t count;
    uint32_t bits;     /* 2^bits places; 0 while there are none */
    bool peeked;       /* tables that were outgrown keep their addresses */
    const table *show; /* the same as `now`, stored with release */
    table *now;
};

static uint32_t row_in(pair of)
{
    return (uint32_t)(of >> 32);
}

static uint32_t fingerprint_in(pair of)
{
    return (uint32_t)of;
}

static size_t places(uint32_t bits)
{
    return bits ? (size_t)1 << bits : 0;
}

/* Release: who peeks and sees the pair also sees what was stored before it. */
static void set_pair(ki_directory *directory, size_t place, pair to)
{
    __atomic_store_n(&directory->pairs[place], to, __ATOMIC_RELEASE);
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

/* ---- Tables ------------------------------------------------------------------------------- */

static void close_table(table *of)
{
    if (of->arena.base == NULL)
        ki_free(of->pairs);
    ki_arena_close(&of->arena);
    ki_free(of);
}

static kith_status open_table(uint32_t bits, table **out)
{
    size_t bytes = places(bits) * sizeof(pair);
    table *made = ki_zalloc(sizeof *made);
    kith_status status = KITH_OK;
    if (made == NULL)
        return ki_no_memory("a directory", sizeof *made);
    made->bits = bits;
    if (bytes < ARENA_LEAST) {
        made->pairs = ki_alloc(bytes);
    } else {
        status = ki_arena_open(bytes, &made->arena);
        if (status == KITH_OK)
            status = ki_arena_grow(&made->arena, bytes);
        made->pairs = (pair *)(void *)made->arena.base;
    }
    if (status == KITH_OK && made->pairs == NULL)
        status = ki_no_memory("a directory's places", bytes);
    if (status != KITH_OK) {
        close_table(made);
        return status;
    }
    memset(made->pairs, 0xff, bytes); /* every row KI_NO_ROW */
    *out = made;
    return KITH_OK;
}

void ki_directory_close(ki_directory *directory)
{
    if (directory == NULL)
        return;
    for (table *at = directory->now, *next; at != NULL; at = next) {
        next = at->outgrown;
        close_table(at);
    }
    ki_free(directory);
}

void ki_directory_share(ki_directory *directory)
{
    directory->peeked = true;
}

/* Whoever begins to peek from here on finds the new table. */
static void show_table(ki_directory *directory, table *grown)
{
    table *old = directory->now;
    directory->now = grown;
    directory->pairs = grown->pairs;
    directory->bits = grown->bits;
    __atomic_store_n(&directory->show, grown, __ATOMIC_RELEASE);
    if (old == NULL)
        return;
    if (!directory->peeked) {
        close_table(old);
        return;
    }
    grown->outgrown = old;
    ki_arena_empty(&old->arena);
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
        pair at = directory->pairs[place];
        if (row_in(at) == KI_NO_ROW)
            return place;
        if (fingerprint_in(at) == fingerprint &&
            directory->same(directory->user, row_in(at), key, key_len))
            return place;
    }
}

uint32_t ki_directory_find(const ki_directory *directory, const void *key, size_t key_len)
{
    if (directory->count == 0)
        return KI_NO_ROW;
    uint32_t fingerprint = fingerprint_of(directory, key, key_len);
    return row_in(directory->pairs[locate(directory, fingerprint, key, key_len)]);
}

ki_places ki_directory_places(const ki_directory *directory, const void *key, size_t key_len)
{
    const table *shown = __atomic_load_n(&directory->show, __ATOMIC_ACQUIRE);
    uint32_t hash = fingerprint_of(directory, key, key_len);
    return shown ? (ki_places){shown->pairs, shown->bits, hash} : (ki_places){NULL, 0, hash};
}

/* Moves every pair to a larger table. All keys differ, so only empty places are looked for. */
static void spread(const ki_directory *old, table *grown)
{
    size_t mask = places(grown->bits) - 1;
    for (size_t i = 0; i < places(old->bits); i++) {
        pair moved = old->pairs[i];
        if (row_in(moved) == KI_NO_ROW)
            continue;
        size_t place = fingerprint_in(moved) >> (32 - grown->bits);
        while (row_in(grown->pairs[place]) != KI_NO_ROW)
            place = (place + 1) & mask;
        grown->pairs[place] = moved;
    }
}

kith_status ki_directory_reserve(ki_directory *directory, size_t more)
{
    uint32_t bits = directory->bits ? directory->bits : FIRST_BITS;
    table *grown = NULL;
    size_t keys;
    if (!ki_add(directory->count, more, &keys) || keys > keys_that_fit(MOST_BITS))
        return ki_fail(KITH_ENOMEM, "%zu keys and %zu more are beyond the %zu of a directory",
                       directory->count, more, keys_that_fit(MOST_BITS));
    if (keys <= keys_that_fit(directory->bits))
        return KITH_OK;
    while (keys_that_fit(bits) < keys)
        bits++;
    kith_status status = open_table(bits, &grown);
    if (status != KITH_OK)
        return status;
    spread(directory, grown);
    show_table(directory, grown);
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
    uint32_t place = locate(directory, fingerprint, key, key_len);
    uint32_t old_row = row_in(directory->pairs[place]);
    if (old_row == KI_NO_ROW) {
        assert(directory->count < keys_that_fit(directory->bits));
        directory->count++;
    }
    set_pair(directory, place, (pair)row << 32 | fingerprint);
    return old_row;
}

/* Fills the gap at `gap` from behind. A pair may move there unless that is before its home: the
 * way from its home to where it stands must lead over the gap. Distances are taken modulo the
 * number of places, since a run may pass the end of the array. */
static void close_gap(ki_directory *directory, uint32_t gap)
{
    size_t mask = places(directory->bits) - 1;
    uint32_t place = step(directory, gap);
    for (; row_in(directory->pairs[place]) != KI_NO_ROW; place = step(directory, place)) {
        uint32_t home = home_of(directory, fingerprint_in(directory->pairs[place]));
        if (((place - (size_t)home) & mask) < ((place - (size_t)gap) & mask))
            continue;
        set_pair(directory, gap, directory->pairs[place]);
        gap = place;
    }
    set_pair(directory, gap, UINT64_MAX);
}

uint32_t ki_directory_remove(ki_directory *directory, const void *key, size_t key_len)
{
    if (directory->count == 0)
        return KI_NO_ROW;
    uint32_t fingerprint = fingerprint_of(directory, key, key_len);
    uint32_t place = locate(directory, fingerprint, key, key_len);
    uint32_t row = row_in(directory->pairs[place]);
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
    size_t bytes = sizeof *directory;
    for (const table *at = directory->now; at != NULL; at = at->outgrown) {
        bool emptied = at != directory->now && at->arena.base != NULL;
        bytes += sizeof *at + (emptied ? 0 : places(at->bits) * sizeof(pair));
    }
    return bytes;
}

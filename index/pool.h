/* pool.h - the one sorted list of a walk: frontier and best results in a single array.
 *
 * May include kith.h only. An entry is one integer: order key << 32 | id << 1 | expanded. So one
 * comparison orders by distance and then by id, which makes every result deterministic, and the
 * flag rides along without changing the order. A bounded array kept sorted by insertion replaces
 * the two heaps of the paper: for the few hundred entries of a walk, moving a kilobyte costs less
 * than the branches of a heap.
 *
 * `cursor` is the place of the nearest entry that is not expanded: everything before it is.
 */
#ifndef KI_POOL_H
#define KI_POOL_H

#include "kith.h"
#include <string.h>

typedef struct ki_pool {
    uint64_t *entry; /* capacity places */
    uint32_t size;
    uint32_t capacity;
    uint32_t cursor;
} ki_pool;

#define KI_POOL_EXPANDED UINT64_C(1)
#define KI_ROWS_MOST (UINT32_C(1) << 31) /* an id has 31 bits */

static inline uint64_t ki_pool_entry(uint32_t key, uint32_t id)
{
    return (uint64_t)key << 32 | (uint64_t)id << 1;
}

static inline uint32_t ki_pool_id(uint64_t entry)
{
    return (uint32_t)entry >> 1;
}

static inline uint32_t ki_pool_key(uint64_t entry)
{
    return (uint32_t)(entry >> 32);
}

static inline void ki_pool_clear(ki_pool *pool)
{
    pool->size = 0;
    pool->cursor = 0;
}

/* The key that a newcomer must not exceed to be worth an insertion. */
static inline uint32_t ki_pool_bound(const ki_pool *pool)
{
    return pool->size < pool->capacity ? UINT32_MAX : ki_pool_key(pool->entry[pool->size - 1]);
}

/* The first place whose entry is not below `entry`; halving without branches to mispredict. */
static inline uint32_t ki_pool_place(const ki_pool *pool, uint64_t entry)
{
    const uint64_t *low = pool->entry;
    uint32_t length = pool->size;
    while (length > 1) {
        uint32_t half = length / 2;
        low += low[half - 1] < entry ? half : 0;
        length -= half;
    }
    return (uint32_t)(low - pool->entry) + (length == 1 && *low < entry);
}

/* Puts the entry in its place, dropping the farthest when full. Returns the place, or `capacity`
 * when the entry was itself too far. */
static inline uint32_t ki_pool_offer(ki_pool *pool, uint64_t entry)
{
    uint32_t place = ki_pool_place(pool, entry);
    if (place >= pool->capacity)
        return pool->capacity;
    uint32_t full = pool->size == pool->capacity; /* then the last entry is written over */
    memmove(pool->entry + place + 1, pool->entry + place,
            (pool->size - full - place) * sizeof *pool->entry);
    pool->entry[place] = entry;
    pool->size += !full;
    if (place < pool->cursor)
        pool->cursor = place;
    return place;
}

/* Puts n entries, ascending, in their places, as n offers would: each entry of the pool moves once
 * at most. */
static inline void ki_pool_merge(ki_pool *pool, const uint64_t *entries, uint32_t n)
{
    uint32_t size = pool->size, place = size;
    while (n > 0 && size + n > pool->capacity) {
        if (size == 0 || pool->entry[size - 1] < entries[n - 1])
            n--;
        else
            size--;
    }
    pool->size = size + n;
    for (; n > 0; n--) {
        const ki_pool before = {.entry = pool->entry, .size = size};
        place = ki_pool_place(&before, entries[n - 1]);
        memmove(pool->entry + place + n, pool->entry + place, (size - place) * sizeof *pool->entry);
        pool->entry[place + n - 1] = entries[n - 1];
        size = place;
    }
    if (place < pool->cursor)
        pool->cursor = place;
}

/* Takes the farthest entry out. */
static inline void ki_pool_drop_last(ki_pool *pool)
{
    pool->size--;
    if (pool->cursor > pool->size)
        pool->cursor = pool->size;
}

/* Marks the entry at the cursor as expanded, moves the cursor to the next that is not, and
 * returns the id. The cursor must be below the size. */
static inline uint32_t ki_pool_take(ki_pool *pool)
{
    uint32_t place = pool->cursor;
    pool->entry[place] |= KI_POOL_EXPANDED;
    uint32_t id = ki_pool_id(pool->entry[place]);
    while (++place < pool->size && (pool->entry[place] & KI_POOL_EXPANDED))
        ;
    pool->cursor = place;
    return id;
}

#endif

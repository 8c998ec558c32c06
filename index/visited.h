/* visited.h - which ids a walk has seen: two bits an id, and no clearing between walks.
 *
 * May include kv/arena.h only. A word serves 16 ids: its upper half is the number of the walk
 * (the epoch) that last wrote it, its lower half one bit an id.
 *
 * Why stale words are harmless: a word whose epoch is not the current one means "none of these
 * 16 ids was seen", whatever its lower half says, and the first mark of the walk overwrites both
 * halves at once. An epoch comes back only after 65,535 walks, and then all words are cleared.
 * The set belongs to one searcher, so nobody else reads or writes it.
 */
#ifndef KI_VISITED_H
#define KI_VISITED_H

#include "kv/arena.h"
#include <string.h>

typedef struct ki_visited {
    ki_arena arena;
    uint32_t *word;
    uint32_t epoch; /* in the upper half; the lower half is 0 */
    uint32_t ids;   /* that fit */
} ki_visited;

/* An empty set for ids below 2^31. */
static inline kith_status ki_visited_open(ki_visited *out)
{
    *out = (ki_visited){0};
    return ki_arena_open((size_t)1 << 29, &out->arena);
}

static inline void ki_visited_close(ki_visited *visited)
{
    ki_arena_close(&visited->arena);
}

/* Makes room for ids 0..count-1. New words are zero: epoch 0, which no
 * walk has. Grows in place; costs one comparison when there is nothing to do. */
static inline kith_status ki_visited_grow(ki_visited *visited, uint32_t count)
{
    if (count <= visited->ids)
        return KITH_OK;
    kith_status status = ki_arena_grow(&visited->arena, ((size_t)count + 15) / 16 * 4);
    if (status)
        return status;
    visited->word = (uint32_t *)(void *)visited->arena.base;
    visited->ids = (uint32_t)(visited->arena.committed / 4 * 16); /* the arena ends at 2^31 ids */
    return KITH_OK;
}

/* Starts a walk: nothing is seen. */
static inline void ki_visited_begin(ki_visited *visited)
{
    visited->epoch += UINT32_C(1) << 16;
    if (visited->epoch == 0) {
        memset(visited->word, 0, visited->arena.committed);
        visited->epoch = UINT32_C(1) << 16;
    }
}

/* Marks the id; 1 when it was not yet seen in this walk, else 0. No branch: the answer is as
 * good as random, so a branch would mispredict. */
static inline uint32_t ki_visited_mark(ki_visited *visited, uint32_t id)
{
    uint32_t word = visited->word[id >> 4];
    uint32_t stale = (uint32_t) - (int32_t)((word ^ visited->epoch) >> 16 != 0);
    uint32_t bit = UINT32_C(1) << (id & 15);
    word = (word & ~stale) | (visited->epoch & stale);
    visited->word[id >> 4] = word | bit;
    return (word & bit) == 0;
}

#endif

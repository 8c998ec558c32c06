/* alive.h - which rows may be hits, as of one moment, beside writers who never wait.
 *
 * May include kv/store.h. A bit that is set stays a yes for the whole search; one that is clear may
 * have been cleared since the search began, and then the store says when. So a search sees all of a
 * commit or nothing of it, and a vector that is replaced meanwhile is found once.
 */
#ifndef KI_ALIVE_H
#define KI_ALIVE_H

#include "kv/store.h"

typedef struct ki_alive {
    const uint64_t *live;  /* a bit a row; NULL: every row is */
    const ki_store *store; /* pinned: whose bits those are; NULL: nobody changes them */
    uint64_t lsn;          /* with a store: of the moment */
} ki_alive;

/* The store's own bits may be asked beside a writer. */
static inline bool ki_is_live(const uint64_t *live, uint32_t row)
{
    return !live || (__atomic_load_n(&live[row / 64], __ATOMIC_ACQUIRE) >> (row % 64) & 1);
}

/* The row is below those of the moment. */
static inline bool ki_is_alive(const ki_alive *alive, uint32_t row)
{
    return ki_is_live(alive->live, row) ||
           (alive->store && ki_store_died_after(alive->store, row, alive->lsn));
}

#endif

/* rowset.h - a set of row numbers that gives its lowest member at once.
 *
 * May include base.h only. Bits, and above each 64 of them one bit that says whether any is set,
 * and so on up: adding, removing and finding the lowest each touch at most six words, at a cost
 * of 0.13 bytes a row. Room is made beforehand, so that a delete never has to allocate.
 */
#ifndef KI_ROWSET_H
#define KI_ROWSET_H

#include "kv/base.h"

enum { KI_ROWSET_LEVELS = 6 }; /* 64^6 is more than all row numbers; 64^5 is less */

/* All zero is the empty set without room. */
typedef struct ki_rowset {
    uint64_t *level[KI_ROWSET_LEVELS]; /* level 0 has a bit for each row */
    size_t words[KI_ROWSET_LEVELS];
    uint32_t room; /* rows that every level has room for */
    uint32_t count;
} ki_rowset;

/* Makes room for the rows 0..rows-1. ENOMEM leaves what there was. */
kith_status ki_rowset_reserve(ki_rowset *set, uint32_t rows);
void ki_rowset_close(ki_rowset *set);

/* There is room for `row`, and it is absent (add) or present (remove). */
void ki_rowset_add(ki_rowset *set, uint32_t row);
void ki_rowset_remove(ki_rowset *set, uint32_t row);

/* The set is not empty. */
uint32_t ki_rowset_lowest(const ki_rowset *set);

size_t ki_rowset_bytes(const ki_rowset *set);

/* Rows 64*word to 64*word+63 as bits. */
static inline uint64_t ki_rowset_word(const ki_rowset *set, size_t word)
{
    return set->level[0][word];
}

#endif

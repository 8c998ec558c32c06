/* rowset.c - a tree of bits over the row numbers.
 *
 * May touch rowset.h. The one idea: a word that is not zero says so with one bit in the level
 * above, so the lowest member is found by going down from the top with one count of trailing
 * zeros a level, however far apart the members lie. A plain bitmap with a note where to start
 * looking does as well on average, but deletes at both ends of the store make each put walk all
 * of it.
 */
#include "kv/rowset.h"

#include <assert.h>
#include <string.h>

enum { FIRST_ROOM = 4096 };

/* A level that has grown is no harm when the next one cannot: `room` counts what all have. */
kith_status ki_rowset_reserve(ki_rowset *set, uint32_t rows)
{
    size_t room = (size_t)set->room * 2;
    if (rows <= set->room)
        return KITH_OK;
    if (room < FIRST_ROOM)
        room = FIRST_ROOM;
    if (room < rows || room > UINT32_MAX)
        room = rows;
    size_t words = room;
    for (int i = 0; i < KI_ROWSET_LEVELS; i++) {
        words = (words + 63) / 64;
        if (words <= set->words[i])
            continue;
        uint64_t *level = ki_realloc(set->level[i], words * sizeof *level);
        if (level == NULL)
            return ki_no_memory("the set of free rows", words * sizeof *level);
        memset(level + set->words[i], 0, (words - set->words[i]) * sizeof *level);
        set->level[i] = level;
        set->words[i] = words;
    }
    set->room = (uint32_t)room;
    return KITH_OK;
}

void ki_rowset_close(ki_rowset *set)
{
    for (int i = 0; i < KI_ROWSET_LEVELS; i++)
        ki_free(set->level[i]);
    *set = (ki_rowset){0};
}

void ki_rowset_add(ki_rowset *set, uint32_t row)
{
    assert(row < set->room);
    for (int i = 0; i < KI_ROWSET_LEVELS; i++, row /= 64) {
        uint64_t *word = &set->level[i][row / 64], before = *word;
        *word |= UINT64_C(1) << row % 64;
        if (before != 0)
            break;
    }
    set->count++;
}

void ki_rowset_remove(ki_rowset *set, uint32_t row)
{
    for (int i = 0; i < KI_ROWSET_LEVELS; i++, row /= 64) {
        uint64_t *word = &set->level[i][row / 64];
        *word &= ~(UINT64_C(1) << row % 64);
        if (*word != 0)
            break;
    }
    set->count--;
}

uint32_t ki_rowset_lowest(const ki_rowset *set)
{
    uint32_t row = 0;
    assert(set->count > 0);
    for (int i = KI_ROWSET_LEVELS - 1; i >= 0; i--)
        row = row * 64 + (uint32_t)__builtin_ctzll(set->level[i][row]);
    return row;
}

size_t ki_rowset_bytes(const ki_rowset *set)
{
    size_t words = 0;
    for (int i = 0; i < KI_ROWSET_LEVELS; i++)
        words += set->words[i];
    return words * sizeof(uint64_t);
}

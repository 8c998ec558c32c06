/* key_column.h - the key of every row, found by row number.
 *
 * May include arena.h only. A u64 key is 8 bytes of an array. A byte key has a cell of 16 bytes,
 * which holds the key itself up to 14 bytes and otherwise points to a block of its own; the block
 * goes back the moment the key dies. So a short key costs no allocation, which is what lets a
 * put be promised beforehand.
 */
#ifndef KI_KEY_COLUMN_H
#define KI_KEY_COLUMN_H

#include "kv/arena.h"

enum { KI_SHORT_KEY = 14 }; /* keys of up to this length need no block */

typedef struct ki_key_column {
    ki_arena cells;
    kith_key_kind kind;
    uint32_t used;      /* no row from here on has a block */
    size_t block_bytes; /* of all the blocks, the allocator's part included */
} ki_key_column;

kith_status ki_key_column_open(kith_key_kind kind, uint32_t max_rows, ki_key_column *out);
void ki_key_column_close(ki_key_column *column); /* accepts a zeroed struct */

/* Room for the keys of rows 0..rows-1. ENOMEM leaves what there was. */
kith_status ki_key_column_grow(ki_key_column *column, uint32_t rows);

/* Gives an empty row its key. ENOMEM, for a long key only, leaves the row empty. */
kith_status ki_key_column_set(ki_key_column *column, uint32_t row, const void *key, size_t key_len);

/* Empties a row and gives its block back. */
void ki_key_column_drop(ki_key_column *column, uint32_t row);

/* A key that changes its row keeps its block: first the new row, which is empty, shares the key,
 * so that both have it while the directory is turned from one to the other; then the old row is
 * emptied without giving the block back. */
void ki_key_column_share(ki_key_column *column, uint32_t from, uint32_t to);
void ki_key_column_disown(ki_key_column *column, uint32_t from);

/* Does the row have this key? A ki_same_key_fn on a ki_key_column. */
bool ki_key_column_same(const void *column, uint32_t row, const void *key, size_t key_len);

void ki_key_column_get(const ki_key_column *column, uint32_t row, const void **key,
                       size_t *key_len);

size_t ki_key_column_bytes(const ki_key_column *column);

#endif

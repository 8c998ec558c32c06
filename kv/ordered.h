/* ordered.h - the ordered directory: rows by key, for walks in key order.
 *
 * May include avl.h and directory.h. One AVL tree whose nodes are the row numbers, 9 bytes a row;
 * keys are read where they lie, through ki_order_source. Numbers are ordered by value, bytes as by
 * memcmp and the shorter first. A key may be there several times, as the versions that snapshots
 * still see: the newest comes first, and their births differ.
 *
 * A *cursor* stands on a key and birth, not on a row. So it survives whatever happens: inserts do
 * not concern it, and when its row is removed, or used again for another key, next and previous
 * go to what is then the nearest on either side of where it stood. It copies the key for that.
 *
 * Threads: insert, remove and build need the directory to themselves; cursors may share it. A
 * cursor belongs to one thread, and touches nothing but itself.
 */
#ifndef KI_ORDERED_H
#define KI_ORDERED_H

#include "kv/avl.h"
#include "kv/directory.h"

enum { KI_ORDERED_KEY_MAX = 512 };

/* What rows say of themselves. A row in the directory, or about to be, has a key and a birth that
 * do not change; `visible` may change. */
typedef struct ki_order_source {
    const void *user;
    void (*key_of)(const void *user, uint32_t row, const void **key, size_t *key_len);
    uint64_t (*birth_of)(const void *user, uint32_t row);
    bool (*visible)(const void *user, uint32_t row, uint64_t lsn); /* for cursors as of an LSN */
    bool (*present)(const void *user, uint32_t row);               /* for ki_ordered_build */
} ki_order_source;

typedef struct ki_ordered ki_ordered;

kith_status ki_ordered_open(kith_key_kind kind, const ki_order_source *source, ki_ordered **out);
void ki_ordered_close(ki_ordered *ordered); /* accepts NULL */

/* Room for the rows 0..rows-1: inserting them cannot fail any more. ENOMEM. */
kith_status ki_ordered_reserve(ki_ordered *ordered, uint32_t rows);

/* Takes in all rows below `rows` that are present, in place of what it held: sorts them and makes
 * the lowest tree there is. Several times as fast as inserting them; needs 32 bytes a row while it
 * works. ENOMEM leaves what there was. */
kith_status ki_ordered_build(ki_ordered *ordered, uint32_t rows);

/* The row's key must be readable in both. It is absent, and present. */
void ki_ordered_insert(ki_ordered *ordered, uint32_t row);
void ki_ordered_remove(ki_ordered *ordered, uint32_t row);

uint32_t ki_ordered_count(const ki_ordered *ordered);
const ki_avl *ki_ordered_tree(const ki_ordered *ordered); /* to be looked at: height, rotations */
size_t ki_ordered_bytes(const ki_ordered *ordered);
kith_status ki_ordered_check(const ki_ordered *ordered); /* ECORRUPT: see ki_avl_check */

/* ---- Cursors ------------------------------------------------------------------------------ */

typedef enum ki_cursor_place { KI_BEFORE_ALL, KI_ON_KEY, KI_BEHIND_ALL } ki_cursor_place;

/* The owner's memory; nothing to close. */
typedef struct ki_cursor {
    const ki_ordered *ordered;
    uint64_t lsn;      /* it sees what is visible at this LSN */
    uint64_t removals; /* of the directory, when it came here: while there are no more, `row` is */
                       /* still in its place */
    uint64_t birth;
    uint32_t row;
    ki_cursor_place place;
    size_t key_len, prefix_len;
    unsigned char key[KI_ORDERED_KEY_MAX];
    unsigned char prefix[KI_ORDERED_KEY_MAX];
} ki_cursor;

/* A cursor before the first of the keys that begin with the prefix; prefix_len 0 for all keys, and
 * always for numbers. At most KI_ORDERED_KEY_MAX. */
void ki_cursor_init(ki_cursor *cursor, const ki_ordered *ordered, uint64_t lsn, const void *prefix,
                    size_t prefix_len);

/* Each returns the row it comes to, and cursor->key is its key. KI_NO_ROW when there is none: the
 * cursor is then before all (previous, last) or behind all (next, first, seek), from where the
 * opposite step leads back. seek: the first key that is not below `key`. */
uint32_t ki_cursor_first(ki_cursor *cursor);
uint32_t ki_cursor_last(ki_cursor *cursor);
uint32_t ki_cursor_seek(ki_cursor *cursor, const void *key, size_t key_len);
uint32_t ki_cursor_next(ki_cursor *cursor);
uint32_t ki_cursor_previous(ki_cursor *cursor);

#endif

/* ordered_cursor.c - walks in key order that nothing can throw off.
 *
 * May touch ordered.h. The one idea: what a cursor knows is its key, and that stays true whatever
 * becomes of the row. The row number is a short cut: as long as nothing was removed from the
 * directory it still stands in its place, and its neighbour is one link away; after a removal the
 * key is looked for again, one walk down the tree, and the short cut is good once more.
 *
 * Nothing is registered with the directory, so readers change nothing that they share, and a
 * removal costs the same however many cursors are open.
 */
#include "kv/ordered_inside.h"

#include <assert.h>
#include <string.h>

void ki_cursor_init(ki_cursor *cursor, const ki_ordered *ordered, uint64_t lsn, const void *prefix,
                    size_t prefix_len)
{
    assert(prefix_len <= KI_ORDERED_KEY_MAX &&
           (prefix_len == 0 || ordered->kind == KITH_KEYS_BYTES));
    cursor->ordered = ordered;
    cursor->lsn = lsn;
    cursor->place = KI_BEFORE_ALL;
    cursor->row = KI_NO_ROW;
    cursor->key_len = 0;
    cursor->prefix_len = prefix_len;
    if (prefix_len > 0)
        memcpy(cursor->prefix, prefix, prefix_len);
}

static const ki_avl *tree_of(const ki_cursor *cursor)
{
    return &cursor->ordered->tree;
}

/* The row on one side of a place, which is not itself in the tree: `behind` is the first behind. */
static uint32_t beside(const ki_cursor *cursor, uint32_t behind, ki_side side)
{
    if (side == KI_RIGHT)
        return behind;
    if (behind == KI_NO_NODE)
        return ki_avl_end(tree_of(cursor), KI_RIGHT);
    return ki_avl_step(tree_of(cursor), behind, KI_LEFT);
}

/* The outermost row of the cursor's range, visible or not. */
static uint32_t outermost(const ki_cursor *cursor, ki_side side)
{
    ki_order_place edge = {.key = cursor->prefix,
                           .key_len = cursor->prefix_len,
                           .birth = UINT64_MAX,
                           .beyond = side == KI_RIGHT};
    if (cursor->prefix_len == 0)
        return ki_avl_end(tree_of(cursor), side);
    return beside(cursor, ki_avl_at_or_behind(tree_of(cursor), &edge),
                  side == KI_LEFT ? KI_RIGHT : KI_LEFT);
}

/* The row next to where the cursor stands, visible or not. */
static uint32_t neighbour(const ki_cursor *cursor, ki_side side)
{
    uint32_t row = cursor->row;
    if (cursor->removals != cursor->ordered->removals) {
        ki_order_place here = {
            .key = cursor->key, .key_len = cursor->key_len, .birth = cursor->birth};
        row = ki_avl_at_or_behind(tree_of(cursor), &here);
        if (row == KI_NO_NODE || ki_order_row(cursor->ordered, &here, row) != 0)
            return beside(cursor, row, side);
    }
    return ki_avl_step(tree_of(cursor), row, side);
}

static bool in_range(const ki_cursor *cursor, const ki_order_place *place)
{
    return place->key_len >= cursor->prefix_len &&
           memcmp(place->key, cursor->prefix, cursor->prefix_len) == 0;
}

/* Goes on from `row` to the first visible one, and stays there. The range ends where a key does
 * not begin with the prefix, or before it began. */
static uint32_t settle(ki_cursor *cursor, uint32_t row, ki_side side)
{
    const ki_ordered *ordered = cursor->ordered;
    for (; row != KI_NO_NODE; row = ki_avl_step(&ordered->tree, row, side)) {
        ki_order_place place = ki_order_place_of(ordered, row);
        if (!in_range(cursor, &place))
            break;
        if (!ordered->source.visible(ordered->source.user, row, cursor->lsn))
            continue;
        assert(place.key_len <= KI_ORDERED_KEY_MAX);
        memcpy(cursor->key, place.key, place.key_len);
        cursor->key_len = place.key_len;
        cursor->birth = place.birth;
        cursor->row = row;
        cursor->removals = ordered->removals;
        cursor->place = KI_ON_KEY;
        return row;
    }
    cursor->place = side == KI_RIGHT ? KI_BEHIND_ALL : KI_BEFORE_ALL;
    return KI_NO_ROW;
}

uint32_t ki_cursor_first(ki_cursor *cursor)
{
    return settle(cursor, outermost(cursor, KI_LEFT), KI_RIGHT);
}

uint32_t ki_cursor_last(ki_cursor *cursor)
{
    return settle(cursor, outermost(cursor, KI_RIGHT), KI_LEFT);
}

/* A key below the whole range finds the range's first. */
uint32_t ki_cursor_seek(ki_cursor *cursor, const void *key, size_t key_len)
{
    ki_order_place place = {.key = key, .key_len = key_len, .birth = UINT64_MAX};
    if (cursor->prefix_len > 0 &&
        ki_order_bytes(key, key_len, cursor->prefix, cursor->prefix_len) < 0)
        return ki_cursor_first(cursor);
    return settle(cursor, ki_avl_at_or_behind(tree_of(cursor), &place), KI_RIGHT);
}

uint32_t ki_cursor_next(ki_cursor *cursor)
{
    if (cursor->place == KI_BEFORE_ALL)
        return ki_cursor_first(cursor);
    if (cursor->place == KI_BEHIND_ALL)
        return KI_NO_ROW;
    return settle(cursor, neighbour(cursor, KI_RIGHT), KI_RIGHT);
}

uint32_t ki_cursor_previous(ki_cursor *cursor)
{
    if (cursor->place == KI_BEHIND_ALL)
        return ki_cursor_last(cursor);
    if (cursor->place == KI_BEFORE_ALL)
        return KI_NO_ROW;
    return settle(cursor, neighbour(cursor, KI_LEFT), KI_LEFT);
}

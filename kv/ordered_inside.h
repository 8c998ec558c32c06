/* ordered_inside.h - what ordered.c, ordered_build.c and ordered_cursor.c share, and nobody else.
 *
 * May include ordered.h and arena.h.
 */
#ifndef KI_ORDERED_INSIDE_H
#define KI_ORDERED_INSIDE_H

#include "kv/arena.h"
#include "kv/ordered.h"

struct ki_ordered {
    ki_avl tree;
    ki_order_source source;
    ki_arena links, balance; /* of the tree, by row number; never move */
    kith_key_kind kind;
    uint64_t removals; /* ever; a rebuild counts as one */
};

/* A place in the order. The births of a key go from the newest to the oldest, so UINT64_MAX is in
 * front of them all. `beyond` is the place behind every key that begins with `key`. */
typedef struct ki_order_place {
    const void *key;
    size_t key_len;
    uint64_t birth;
    bool beyond;
} ki_order_place;

/* As memcmp, and the shorter first. */
int ki_order_bytes(const void *a, size_t a_len, const void *b, size_t b_len);

/* Before, at or behind the row: a ki_avl_order_fn on a ki_ordered and a ki_order_place. */
int ki_order_row(const void *ordered, const void *place, uint32_t row);

ki_order_place ki_order_place_of(const ki_ordered *ordered, uint32_t row);

#endif

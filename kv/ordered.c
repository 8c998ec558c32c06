/* ordered.c - the ordered directory: an AVL tree over row numbers.
 *
 * May touch ordered.h. The one idea: a row number is a node. So the tree needs no nodes of its own,
 * no map from rows to nodes and no allocation but room for rows, which a store that makes room for
 * a row anyway can have beforehand; and the arrays never move, so neither does a node.
 *
 * Not for point gets. bench/bench_kv_order.c, microseconds, 16-byte random keys, one 2 GHz core:
 *
 *         keys    insert   delete    seek     next    build a key    hash find
 *       10,000     0.26     0.27     0.32     0.03       0.11          0.02
 *      100,000     0.44     0.46     0.51     0.04       0.14          0.03
 *    1,000,000     1.40     1.63     1.54     0.18       0.19          0.09
 *
 * So the hash directory finds a key 17 times as fast, and this one goes on to the next key 9 times
 * as fast as it finds one. Building at once is 2.5 to 7 times as fast as inserting, which is why
 * a directory is built when it is first asked for, and not kept for all who never ask.
 */
#include "kv/ordered_inside.h"

#include <assert.h>
#include <string.h>

kith_status ki_ordered_open(kith_key_kind kind, const ki_order_source *source, ki_ordered **out)
{
    ki_ordered *ordered = ki_zalloc(sizeof *ordered);
    if (ordered == NULL)
        return ki_no_memory("an ordered directory", sizeof *ordered);
    kith_status status =
        ki_arena_open((size_t)KI_AVL_NODES * sizeof(ki_avl_links), &ordered->links);
    if (status == KITH_OK)
        status = ki_arena_open(KI_AVL_NODES, &ordered->balance);
    if (status != KITH_OK) {
        ki_ordered_close(ordered);
        return status;
    }
    ordered->kind = kind;
    ordered->source = *source;
    ki_avl_init(&ordered->tree, ki_order_row, ordered);
    ordered->tree.links = (ki_avl_links *)(void *)ordered->links.base;
    ordered->tree.balance = (int8_t *)ordered->balance.base;
    *out = ordered;
    return KITH_OK;
}

void ki_ordered_close(ki_ordered *ordered)
{
    if (ordered == NULL)
        return;
    ki_arena_close(&ordered->links);
    ki_arena_close(&ordered->balance);
    ki_free(ordered);
}

kith_status ki_ordered_reserve(ki_ordered *ordered, uint32_t rows)
{
    if (rows > KI_AVL_NODES)
        return ki_fail(KITH_ENOMEM, "%u rows are more than the %u an ordered directory can hold",
                       rows, KI_AVL_NODES);
    kith_status status = ki_arena_grow(&ordered->links, rows * sizeof(ki_avl_links));
    if (status == KITH_OK)
        status = ki_arena_grow(&ordered->balance, rows);
    return status;
}

/* ---- The order ---------------------------------------------------------------------------- */

int ki_order_bytes(const void *a, size_t a_len, const void *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

static int order_numbers(const void *a, const void *b)
{
    uint64_t left, right;
    memcpy(&left, a, sizeof left);
    memcpy(&right, b, sizeof right);
    return (left > right) - (left < right);
}

static bool begins_with(const void *key, size_t key_len, const ki_order_place *place)
{
    return key_len >= place->key_len && memcmp(key, place->key, place->key_len) == 0;
}

int ki_order_row(const void *user, const void *sought, uint32_t row)
{
    const ki_ordered *ordered = user;
    const ki_order_place *place = sought;
    const void *key;
    size_t key_len;
    ordered->source.key_of(ordered->source.user, row, &key, &key_len);
    int order = ordered->kind == KITH_KEYS_U64
                    ? order_numbers(place->key, key)
                    : ki_order_bytes(place->key, place->key_len, key, key_len);
    if (place->beyond)
        return order == 0 || begins_with(key, key_len, place) ? 1 : order;
    if (order != 0)
        return order;
    uint64_t birth = ordered->source.birth_of(ordered->source.user, row);
    return (place->birth < birth) - (place->birth > birth);
}

ki_order_place ki_order_place_of(const ki_ordered *ordered, uint32_t row)
{
    ki_order_place place = {.birth = ordered->source.birth_of(ordered->source.user, row)};
    ordered->source.key_of(ordered->source.user, row, &place.key, &place.key_len);
    return place;
}

/* ---- Rows come and go --------------------------------------------------------------------- */

void ki_ordered_insert(ki_ordered *ordered, uint32_t row)
{
    ki_order_place place = ki_order_place_of(ordered, row);
    uint32_t there = ki_avl_insert(&ordered->tree, &place, row);
    assert(there == KI_NO_NODE);
    (void)there;
}

void ki_ordered_remove(ki_ordered *ordered, uint32_t row)
{
    ki_order_place place = ki_order_place_of(ordered, row);
    uint32_t there = ki_avl_remove(&ordered->tree, &place);
    assert(there == row);
    (void)there;
    ordered->removals++;
}

uint32_t ki_ordered_count(const ki_ordered *ordered)
{
    return ordered->tree.count;
}

const ki_avl *ki_ordered_tree(const ki_ordered *ordered)
{
    return &ordered->tree;
}

size_t ki_ordered_bytes(const ki_ordered *ordered)
{
    return sizeof *ordered + ordered->links.committed + ordered->balance.committed;
}

static bool stands_before(const void *user, uint32_t a, uint32_t b)
{
    ki_order_place place = ki_order_place_of(user, a);
    return ki_order_row(user, &place, b) < 0;
}

kith_status ki_ordered_check(const ki_ordered *ordered)
{
    return ki_avl_check(&ordered->tree, stands_before);
}

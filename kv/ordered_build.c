/* ordered_build.c - all rows at once: sort, then one pass.
 *
 * May touch ordered.h. The one idea: rows are sorted with the first 8 bytes of their key beside
 * them, as a number, so that nearly every comparison stays in the array that is being sorted; only
 * rows whose keys begin alike are looked up. For numbers that is the whole key.
 *
 * A merge sort from below: runs of 1, 2, 4... rows, no recursion, and a pair of runs that is in
 * order already is copied as it is. So rows that were loaded in key order cost one comparison for
 * each pair of runs.
 */
#include "kv/ordered_inside.h"

#include <string.h>

typedef struct item {
    uint64_t head; /* orders as the key does, as far as it goes */
    uint32_t row;
} item;

static uint64_t head_of(const ki_ordered *ordered, uint32_t row)
{
    const void *key;
    size_t key_len;
    unsigned char first[8] = {0};
    uint64_t head = 0;
    ordered->source.key_of(ordered->source.user, row, &key, &key_len);
    if (ordered->kind == KITH_KEYS_U64) {
        memcpy(&head, key, sizeof head);
        return head;
    }
    memcpy(first, key, key_len < sizeof first ? key_len : sizeof first);
    for (size_t i = 0; i < sizeof first; i++)
        head = head << 8 | first[i];
    return head;
}

static bool in_order(const ki_ordered *ordered, const item *a, const item *b)
{
    if (a->head != b->head)
        return a->head < b->head;
    ki_order_place place = ki_order_place_of(ordered, a->row);
    return ki_order_row(ordered, &place, b->row) <= 0;
}

/* Merges [from, middle) and [middle, end) to the same places of `to`. */
static void merge(const ki_ordered *ordered, const item *items, size_t from, size_t middle,
                  size_t end, item *to)
{
    size_t left = from, right = middle;
    if (middle == end || in_order(ordered, &items[middle - 1], &items[middle])) {
        memcpy(to + from, items + from, (end - from) * sizeof *to);
        return;
    }
    for (size_t at = from; at < end; at++) {
        bool take_left =
            right == end || (left < middle && in_order(ordered, &items[left], &items[right]));
        to[at] = take_left ? items[left++] : items[right++];
    }
}

/* Which of the two arrays holds the sorted items in the end. */
static item *sort(const ki_ordered *ordered, item *items, item *spare, size_t n)
{
    for (size_t run = 1; run < n; run *= 2) {
        for (size_t from = 0; from < n; from += 2 * run) {
            size_t middle = from + run < n ? from + run : n;
            size_t end = middle + run < n ? middle + run : n;
            merge(ordered, items, from, middle, end, spare);
        }
        item *sorted = spare;
        spare = items;
        items = sorted;
    }
    return items;
}

static uint32_t count_present(const ki_ordered *ordered, uint32_t rows)
{
    uint32_t count = 0;
    for (uint32_t row = 0; row < rows; row++)
        count += ordered->source.present(ordered->source.user, row);
    return count;
}

/* Row numbers take the place of the items they came in: the spare array is free again. */
static void build_from(ki_ordered *ordered, item *items, uint32_t rows, uint32_t n)
{
    uint32_t taken = 0;
    for (uint32_t row = 0; row < rows; row++)
        if (ordered->source.present(ordered->source.user, row))
            items[taken++] = (item){.head = head_of(ordered, row), .row = row};
    item *sorted = sort(ordered, items, items + n, n);
    uint32_t *nodes = (uint32_t *)(void *)(sorted == items ? items + n : items);
    for (uint32_t i = 0; i < n; i++)
        nodes[i] = sorted[i].row;
    ki_avl_build(&ordered->tree, nodes, n);
    ordered->removals++;
}

kith_status ki_ordered_build(ki_ordered *ordered, uint32_t rows)
{
    uint32_t n = count_present(ordered, rows);
    size_t bytes = n * 2 * sizeof(item);
    kith_status status = ki_ordered_reserve(ordered, rows);
    if (status != KITH_OK)
        return status;
    item *items = ki_alloc(bytes);
    if (items == NULL)
        return ki_no_memory("sorting keys", bytes);
    build_from(ordered, items, rows, n);
    ki_free(items);
    return KITH_OK;
}

/* avl_numbers.h - a tree of numbers for the tests of kv/avl.c, with room for `most` nodes.
 *
 * May include cmocka through check.h, and kv/avl.h. The number of a node lies in value[node].
 */
#ifndef AVL_NUMBERS_H
#define AVL_NUMBERS_H

#include "tests/check.h"
#include "kv/avl.h"

#include <string.h>

typedef struct numbers {
    ki_avl tree;
    uint64_t *value;
} numbers;

static inline int numbers_order(const void *user, const void *sought, uint32_t node)
{
    uint64_t wanted = *(const uint64_t *)sought, here = ((const numbers *)user)->value[node];
    return (wanted > here) - (wanted < here);
}

static inline bool numbers_before(const void *user, uint32_t a, uint32_t b)
{
    return ((const numbers *)user)->value[a] < ((const numbers *)user)->value[b];
}

/* The struct must not move as long as the tree is in use. What is uninitialised is 0xff. */
static inline void numbers_open(numbers *set, uint32_t most)
{
    *set = (numbers){0};
    ki_avl_init(&set->tree, numbers_order, set);
    set->tree.links = malloc(most * sizeof *set->tree.links);
    set->tree.balance = malloc(most);
    set->value = malloc(most * sizeof *set->value);
    assert_true(set->tree.links && set->tree.balance && set->value);
    memset(set->tree.links, 0xff, most * sizeof *set->tree.links);
    memset(set->tree.balance, 0xff, most);
    memset(set->value, 0xff, most * sizeof *set->value);
}

static inline void numbers_close(numbers *set)
{
    free(set->tree.links);
    free(set->tree.balance);
    free(set->value);
}

static inline void numbers_check(const numbers *set)
{
    if (ki_avl_check(&set->tree, numbers_before) != KITH_OK)
        fail_msg("%s", kith_last_error());
}

static inline void numbers_insert(numbers *set, uint32_t node, uint64_t value)
{
    set->value[node] = value;
    assert_int_equal(ki_avl_insert(&set->tree, &value, node), KI_NO_NODE);
}

#endif

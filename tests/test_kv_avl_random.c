/* Property: over 100,000 random operations the tree finds, walks and counts like a sorted list,
 * filling, churning and emptying; and every step of it is an AVL tree.
 */
#include "tests/avl_numbers.h"

enum { VALUES = 4000, STEPS = 100000 };

/* The model: the nodes in order. A node has the number of its value's place among all values, but
 * shuffled, so that node numbers say nothing about order. */
typedef struct list {
    uint32_t node[VALUES];
    uint32_t count;
} list;

static uint32_t node_of(uint64_t value)
{
    return (uint32_t)(value * 1237 % VALUES); /* 1237 is prime and does not divide VALUES */
}

/* Where the value is or belongs. */
static uint32_t place_of(const list *sorted, const numbers *set, uint64_t value)
{
    uint32_t low = 0, high = sorted->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (set->value[sorted->node[middle]] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void compare_whole(const list *sorted, const numbers *set)
{
    uint32_t up = ki_avl_end(&set->tree, KI_LEFT), down = ki_avl_end(&set->tree, KI_RIGHT);
    numbers_check(set);
    for (uint32_t i = 0; i < sorted->count; i++) {
        assert_int_equal(up, sorted->node[i]);
        assert_int_equal(down, sorted->node[sorted->count - 1 - i]);
        up = ki_avl_step(&set->tree, up, KI_RIGHT);
        down = ki_avl_step(&set->tree, down, KI_LEFT);
    }
    assert_int_equal(up, KI_NO_NODE);
    assert_int_equal(down, KI_NO_NODE);
}

/* What the list says about a value and its neighbours, the tree says too. */
static void compare_near(const list *sorted, const numbers *set, uint64_t value)
{
    uint32_t place = place_of(sorted, set, value);
    uint32_t at = place < sorted->count ? sorted->node[place] : KI_NO_NODE;
    bool here = at != KI_NO_NODE && set->value[at] == value;
    assert_int_equal(ki_avl_at_or_behind(&set->tree, &value), at);
    assert_int_equal(ki_avl_find(&set->tree, &value), here ? at : KI_NO_NODE);
    if (at == KI_NO_NODE)
        return;
    assert_int_equal(ki_avl_step(&set->tree, at, KI_LEFT),
                     place > 0 ? sorted->node[place - 1] : KI_NO_NODE);
    assert_int_equal(ki_avl_step(&set->tree, at, KI_RIGHT),
                     place + 1 < sorted->count ? sorted->node[place + 1] : KI_NO_NODE);
}

static void one_step(list *sorted, numbers *set, uint64_t value, bool insert)
{
    uint32_t place = place_of(sorted, set, value), node = node_of(value);
    bool here = place < sorted->count && sorted->node[place] == node;
    size_t behind = sorted->count - place;
    uint32_t *at = &sorted->node[place];
    if (insert) {
        assert_int_equal(ki_avl_insert(&set->tree, &value, node), here ? node : KI_NO_NODE);
        if (here)
            return;
        memmove(at + 1, at, behind * sizeof *at);
        *at = node;
        sorted->count++;
    } else {
        assert_int_equal(ki_avl_remove(&set->tree, &value), here ? node : KI_NO_NODE);
        if (!here)
            return;
        memmove(at, at + 1, (behind - 1) * sizeof *at);
        sorted->count--;
    }
    assert_int_equal(set->tree.count, sorted->count);
}

/* Waves: mostly inserts, as many of both, mostly removals; small trees are checked at every step.
 */
static void like_a_sorted_list(void **state)
{
    static list sorted;
    uint64_t random = check_seed();
    numbers set;
    (void)state;
    numbers_open(&set, VALUES);
    for (uint64_t value = 0; value < VALUES; value++)
        set.value[node_of(value)] = value;
    for (uint32_t step = 0; step < STEPS; step++) {
        uint32_t in_favour = 9 - step / (STEPS / 20) % 5 * 2; /* 9, 7, 5, 3, 1 of 10 */
        uint64_t value = check_below(&random, VALUES);
        one_step(&sorted, &set, value, check_below(&random, 10) < in_favour);
        compare_near(&sorted, &set, check_below(&random, VALUES));
        if (sorted.count < 40 || step % 512 == 0)
            compare_whole(&sorted, &set);
    }
    while (sorted.count > 0) {
        one_step(&sorted, &set, set.value[sorted.node[sorted.count / 3]], false);
        if (sorted.count < 40)
            compare_whole(&sorted, &set);
    }
    compare_whole(&sorted, &set);
    numbers_close(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(like_a_sorted_list)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

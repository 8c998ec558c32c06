/* Property: whatever the sequence of keys, the height stays within the bound of AVL trees; the
 * sequence of the golden ratio reaches it without a single rotation, and a built tree is as low
 * as a tree can be.
 */
#include "tests/avl_numbers.h"

enum { MOST = 400000 };

static void empty(numbers *set)
{
    ki_avl_links *links = set->tree.links;
    int8_t *balance = set->tree.balance;
    ki_avl_init(&set->tree, numbers_order, set);
    set->tree.links = links;
    set->tree.balance = balance;
}

/* The value of the i-th key, from 1, is i times the golden ratio, modulo 1: a hash that many
 * programs use, and the sequence that fills one Fibonacci tree after the other. Whenever there are
 * just enough nodes for the next height, it has that height. */
static void golden_ratio_is_the_worst(void **state)
{
    numbers set;
    uint32_t height = 0, enough = 1, enough_for_less = 0; /* nodes for the next height */
    (void)state;
    numbers_open(&set, MOST);
    for (uint32_t i = 0; i < MOST; i++) {
        numbers_insert(&set, i, (i + 1) * UINT64_C(0x9e3779b97f4a7c15));
        if (i + 1 < enough)
            continue;
        assert_int_equal(ki_avl_height(&set.tree), ++height);
        uint32_t now = enough;
        enough += enough_for_less + 1;
        enough_for_less = now;
    }
    numbers_check(&set);
    assert_int_equal(height, 26); /* 317,810 nodes are enough for 26, and 514,228 for 27 */
    assert_int_equal(set.tree.singles + set.tree.doubles, 0);
    numbers_close(&set);
}

/* Sorted keys make the lowest trees there are: 2^h - 1 of them stand h high. A node in two is
 * followed by a rotation, all single and to the same side. */
static void sorted_keys(void **state)
{
    numbers set;
    (void)state;
    numbers_open(&set, MOST);
    for (int down = 0; down < 2; down++) {
        empty(&set);
        for (uint32_t i = 0; i < MOST; i++) {
            numbers_insert(&set, i, down ? MOST - i : i);
            if (((i + 1) & (i + 2)) == 0)
                assert_int_equal(ki_avl_height(&set.tree), __builtin_ctz(i + 2));
        }
        numbers_check(&set);
        assert_int_equal(set.tree.doubles, 0);
        assert_in_range(set.tree.singles, MOST - 32, MOST);
    }
    numbers_close(&set);
}

/* Random keys: nearly as low as can be, and about one restructuring in two inserts and in four
 * removals, as many single as double ones among inserts. Far too many or few of a kind would mean
 * that the climb goes on too long or ends too early. */
static void random_keys(void **state)
{
    uint64_t random = check_seed();
    numbers set;
    (void)state;
    numbers_open(&set, MOST);
    for (uint32_t i = 0; i < MOST; i++)
        numbers_insert(&set, i, check_random(&random));
    numbers_check(&set);
    uint64_t singles = set.tree.singles, doubles = set.tree.doubles;
    assert_in_range(ki_avl_height(&set.tree), 20, 23);
    assert_in_range(singles, MOST * 0.22, MOST * 0.25);
    assert_in_range(doubles, MOST * 0.22, MOST * 0.25);
    for (uint32_t i = 0; i < MOST / 2; i++)
        assert_int_equal(ki_avl_remove(&set.tree, &set.value[i]), i);
    numbers_check(&set);
    uint64_t restructured = set.tree.singles + set.tree.doubles - singles - doubles;
    assert_in_range(restructured, MOST / 2 * 0.2, MOST / 2 * 0.35);
    printf("%u random keys: height %u; %.3f single and %.3f double rotations an insert, "
           "%.3f restructurings a removal\n",
           MOST, ki_avl_height(&set.tree), (double)singles / MOST, (double)doubles / MOST,
           (double)restructured / (MOST / 2));
    numbers_close(&set);
}

static void built_trees_are_low(void **state)
{
    enum { SMALL = 300, SIZES = 3 };
    static uint32_t nodes[MOST];
    static const uint32_t large[SIZES] = {65535, 65536, MOST};
    numbers set;
    (void)state;
    numbers_open(&set, MOST);
    for (uint32_t i = 0; i < MOST; i++) {
        nodes[i] = i ^ 1; /* numbers that are not in order */
        set.value[nodes[i]] = i;
    }
    for (uint32_t n = 0; n < SMALL + SIZES; n++) {
        uint32_t count = n < SMALL ? n : large[n - SMALL];
        uint64_t middle = count / 2;
        ki_avl_build(&set.tree, nodes, count);
        numbers_check(&set);
        assert_int_equal(set.tree.count, count);
        assert_int_equal(ki_avl_height(&set.tree), count ? 32 - __builtin_clz(count) : 0);
        if (count == 0)
            continue;
        assert_int_equal(ki_avl_remove(&set.tree, &middle), nodes[middle]); /* and it lives on */
        numbers_check(&set);
    }
    numbers_close(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_ratio_is_the_worst),
        cmocka_unit_test(sorted_keys),
        cmocka_unit_test(random_keys),
        cmocka_unit_test(built_trees_are_low),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

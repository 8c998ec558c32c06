/* Property: whatever the order in which up to 8 keys come and go, the tree is an AVL tree after
 * every single operation and holds what it should; and the validator says no when it does not.
 */
#include "tests/avl_numbers.h"

enum { MOST = 8, SHAPES = 32 };

/* Trees that insertions have made, so that each is taken apart once and not 40,320 times. */
typedef struct shapes {
    ki_avl_links links[SHAPES][MOST];
    int8_t balance[SHAPES][MOST];
    uint32_t root[SHAPES];
    uint32_t count;
} shapes;

static void swap(uint32_t *order, uint32_t a, uint32_t b)
{
    uint32_t kept = order[a];
    order[a] = order[b];
    order[b] = kept;
}

/* The next order of n numbers in the order of the alphabet; false behind the last. */
static bool permute(uint32_t *order, uint32_t n)
{
    uint32_t i = n - 1, j = n - 1;
    while (i > 0 && order[i - 1] > order[i])
        i--;
    if (i == 0)
        return false;
    while (order[j] < order[i - 1])
        j--;
    swap(order, i - 1, j);
    for (j = n - 1; i < j; i++, j--)
        swap(order, i, j);
    return true;
}

/* Both walks meet the keys whose bits are set, and only they are found. */
static void assert_holds(const numbers *set, uint32_t keys)
{
    uint32_t up = ki_avl_end(&set->tree, KI_LEFT), down = ki_avl_end(&set->tree, KI_RIGHT);
    numbers_check(set);
    for (uint32_t key = 0, mirror = MOST - 1; key < MOST; key++, mirror--) {
        uint64_t sought = key;
        uint32_t rest = keys >> key << key;
        assert_int_equal(ki_avl_find(&set->tree, &sought), keys >> key & 1 ? key : KI_NO_NODE);
        assert_int_equal(ki_avl_at_or_behind(&set->tree, &sought),
                         rest ? (uint32_t)__builtin_ctz(rest) : KI_NO_NODE);
        if (keys >> key & 1) {
            assert_int_equal(up, key);
            up = ki_avl_step(&set->tree, up, KI_RIGHT);
        }
        if (keys >> mirror & 1) {
            assert_int_equal(down, mirror);
            down = ki_avl_step(&set->tree, down, KI_LEFT);
        }
    }
    assert_int_equal(up, KI_NO_NODE);
    assert_int_equal(down, KI_NO_NODE);
}

static void remember(shapes *seen, const numbers *set, uint32_t n)
{
    for (uint32_t i = 0; i < seen->count; i++)
        if (seen->root[i] == set->tree.root &&
            memcmp(seen->links[i], set->tree.links, n * sizeof(ki_avl_links)) == 0)
            return;
    assert_true(seen->count < SHAPES);
    memcpy(seen->links[seen->count], set->tree.links, n * sizeof(ki_avl_links));
    memcpy(seen->balance[seen->count], set->tree.balance, n);
    seen->root[seen->count++] = set->tree.root;
}

static void insert_in_every_order(numbers *set, uint32_t n, shapes *seen)
{
    uint32_t order[MOST] = {0, 1, 2, 3, 4, 5, 6, 7};
    do {
        uint32_t keys = 0;
        set->tree.root = KI_NO_NODE;
        set->tree.count = 0;
        for (uint32_t i = 0; i < n; i++) {
            numbers_insert(set, order[i], order[i]);
            assert_holds(set, keys |= 1u << order[i]);
            uint64_t again = order[i / 2];
            assert_int_equal(ki_avl_insert(&set->tree, &again, MOST), order[i / 2]);
            assert_int_equal(set->tree.count, i + 1);
        }
        remember(seen, set, n);
    } while (permute(order, n));
}

static void remove_in_every_order(numbers *set, uint32_t n, const shapes *seen, uint32_t shape)
{
    uint32_t order[MOST] = {0, 1, 2, 3, 4, 5, 6, 7};
    do {
        memcpy(set->tree.links, seen->links[shape], n * sizeof(ki_avl_links));
        memcpy(set->tree.balance, seen->balance[shape], n);
        set->tree.root = seen->root[shape];
        set->tree.count = n;
        for (uint32_t i = 0; i < n; i++) {
            uint64_t sought = order[i];
            assert_int_equal(ki_avl_remove(&set->tree, &sought), order[i]);
            assert_int_equal(ki_avl_remove(&set->tree, &sought), KI_NO_NODE);
            numbers_check(set);
            assert_int_equal(set->tree.count, n - i - 1);
        }
        assert_holds(set, 0);
    } while (permute(order, n));
}

/* So many trees of 1 to 8 nodes have the balance of AVL (OEIS A006265), and inserts make them
 * all, so that no tree of the size is missing here. */
static const uint32_t trees_of[MOST + 1] = {1, 1, 2, 1, 4, 6, 4, 17, 32};

static void every_order(void **state)
{
    static shapes seen;
    numbers set;
    (void)state;
    numbers_open(&set, MOST + 1);
    for (uint32_t n = 1; n <= MOST; n++) {
        seen.count = 0;
        insert_in_every_order(&set, n, &seen);
        assert_int_equal(seen.count, trees_of[n]);
        for (uint32_t shape = 0; shape < seen.count; shape++)
            remove_in_every_order(&set, n, &seen, shape);
    }
    numbers_close(&set);
}

/* One thing wrong at a time in a good tree. */
static void validator_sees_damage(void **state)
{
    numbers set;
    (void)state;
    numbers_open(&set, MOST + 1);
    for (uint32_t key = 0; key < MOST; key++)
        numbers_insert(&set, key, key);
    for (uint32_t node = 0; node < MOST; node++) {
        set.tree.balance[node]++;
        assert_int_equal(ki_avl_check(&set.tree, numbers_before), KITH_ECORRUPT);
        set.tree.balance[node]--;
        for (int side = 0; side < 2; side++) {
            uint32_t link = set.tree.links[node].to[side];
            for (uint32_t wrong = 0; wrong < 2 * MOST; wrong++) {
                uint32_t to = wrong % MOST | (wrong < MOST ? 0 : UINT32_C(1) << 31);
                if (to == link)
                    continue;
                set.tree.links[node].to[side] = to;
                assert_int_equal(ki_avl_check(&set.tree, numbers_before), KITH_ECORRUPT);
            }
            set.tree.links[node].to[side] = link;
        }
        set.value[node] += 2;
        if (node + 1 < MOST)
            assert_int_equal(ki_avl_check(&set.tree, numbers_before), KITH_ECORRUPT);
        set.value[node] -= 2;
    }
    set.tree.count--;
    assert_int_equal(ki_avl_check(&set.tree, numbers_before), KITH_ECORRUPT);
    set.tree.count += 2;
    assert_int_equal(ki_avl_check(&set.tree, numbers_before), KITH_ECORRUPT);
    set.tree.count--;
    numbers_check(&set);
    numbers_close(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order),
        cmocka_unit_test(validator_sees_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

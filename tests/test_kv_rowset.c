/* Property: a row set names its lowest member and its words as a plain bitmap does, however far
 * apart the members lie and whenever it grows.
 */
#include "tests/check.h"
#include "kv/rowset.h"

#include <string.h>

enum { ROWS = 20000 };

static uint32_t lowest_of(const bool *in, uint32_t rows)
{
    uint32_t row = 0;
    while (row < rows && !in[row])
        row++;
    return row;
}

static void compare(const ki_rowset *set, const bool *in, uint32_t rows)
{
    uint32_t count = 0;
    for (uint32_t row = 0; row < rows; row++) {
        bool has = ki_rowset_word(set, row / 64) >> row % 64 & 1;
        count += in[row];
        if (has != in[row])
            fail_msg("row %u is %s", row, has ? "there" : "missing");
    }
    assert_int_equal(set->count, count);
    if (count > 0)
        assert_int_equal(ki_rowset_lowest(set), lowest_of(in, rows));
}

static void agrees_with_a_bitmap(void **state)
{
    static bool in[ROWS];
    uint64_t random = check_seed();
    ki_rowset set = {0};
    uint32_t rows = 1;
    (void)state;
    for (uint32_t i = 0; i < 300000; i++) {
        if (i % 10 == 0 && rows < ROWS)
            rows++;
        assert_int_equal(ki_rowset_reserve(&set, rows), KITH_OK);
        uint32_t row = check_below(&random, rows);
        if (i / 20000 % 2) /* a phase that empties from the front, as puts do */
            row = set.count ? ki_rowset_lowest(&set) : row;
        if (in[row])
            ki_rowset_remove(&set, row);
        else
            ki_rowset_add(&set, row);
        in[row] = !in[row];
        if (i % 5000 == 0)
            compare(&set, in, rows);
    }
    compare(&set, in, rows);
    ki_rowset_close(&set);
    ki_rowset_close(&set);
}

/* Members in single words of a large set: each level is passed on the way down. */
static void finds_members_far_apart(void **state)
{
    const uint32_t rows[] = {0,      63,      64,       4095,     4096,     262143,
                             262144, 1 << 20, 16777215, 16777216, 30000000, (1 << 25) - 1};
    const size_t n = sizeof rows / sizeof *rows;
    ki_rowset set = {0};
    (void)state;
    assert_int_equal(ki_rowset_reserve(&set, 1 << 25), KITH_OK);
    assert_in_range(ki_rowset_bytes(&set), 1 << 22, (1 << 22) / 63 * 64 + 100);
    for (size_t i = n; i-- > 0;) {
        ki_rowset_add(&set, rows[i]);
        assert_int_equal(ki_rowset_lowest(&set), rows[i]);
    }
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(ki_rowset_lowest(&set), rows[i]);
        ki_rowset_remove(&set, rows[i]);
    }
    assert_int_equal(set.count, 0);
    for (int level = 0; level < KI_ROWSET_LEVELS; level++)
        for (size_t word = 0; word < set.words[level]; word++)
            if (set.level[level][word] != 0)
                fail_msg("word %zu of level %d is not empty", word, level);
    ki_rowset_close(&set);
}

/* Each level's growth fails in turn. Nothing is lost, and what has grown is not grown again. */
static void failed_growth_changes_nothing(void **state)
{
    ki_rowset set = {0};
    (void)state;
    assert_int_equal(ki_rowset_reserve(&set, 100), KITH_OK);
    ki_rowset_add(&set, 77);
    uint32_t room = set.room;
    size_t first_words = set.words[0];
    for (uint64_t n = 1; n <= 3; n++) {
        ki_alloc_fail_at(n > 1 ? 2 : 1); /* from the second on, the level before has grown */
        assert_int_equal(ki_rowset_reserve(&set, 1 << 20), KITH_ENOMEM);
        assert_false(ki_alloc_should_fail());
        assert_int_equal(set.room, room);
        assert_int_equal(set.words[0], n > 1 ? 1 << 14 : first_words);
        assert_int_equal(ki_rowset_lowest(&set), 77);
    }
    assert_int_equal(ki_rowset_reserve(&set, 5000), KITH_OK); /* less than what has grown */
    assert_int_equal(ki_rowset_lowest(&set), 77);
    assert_int_equal(set.words[0], 1 << 14);
    assert_int_equal(ki_rowset_reserve(&set, 1 << 20), KITH_OK);
    assert_int_equal(set.room, 1 << 20);
    ki_rowset_add(&set, (1 << 20) - 1);
    assert_int_equal(ki_rowset_lowest(&set), 77);
    assert_int_equal(set.count, 2);
    ki_rowset_close(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_bitmap),
        cmocka_unit_test(finds_members_far_apart),
        cmocka_unit_test(failed_growth_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Property: whatever is set and removed, in any order and at any load, the directory finds what a
 * plain array holds, also when keys share their fingerprint; after a reserve, set cannot fail.
 */
#include "tests/check.h"
#include "kv/directory.h"

#include <string.h>

enum { KEYS = 3000 };

/* The model: the keys of the rows as the caller would hold them, and each key's row. */
typedef struct model {
    uint64_t key_of_row[2 * KEYS];
    uint32_t row_of_key[KEYS];
    size_t count;
    size_t compared;
} model;

static bool same(const void *user, uint32_t row, const void *key, size_t key_len)
{
    model *held = (model *)(uintptr_t)user;
    held->compared++;
    return key_len == 8 && memcmp(&held->key_of_row[row], key, 8) == 0;
}

static void compare_all(const ki_directory *directory, const model *held)
{
    assert_int_equal(ki_directory_count(directory), held->count);
    for (uint64_t key = 0; key < KEYS; key++)
        assert_int_equal(ki_directory_find(directory, &key, 8), held->row_of_key[key]);
}

static void one_step(ki_directory *directory, model *held, uint64_t key, bool put, uint32_t row)
{
    uint32_t old = held->row_of_key[key];
    if (!put) {
        assert_int_equal(ki_directory_remove(directory, &key, 8), old);
        held->row_of_key[key] = KI_NO_ROW;
        held->count -= old != KI_NO_ROW;
        return;
    }
    assert_int_equal(ki_directory_reserve(directory, 1), KITH_OK);
    held->key_of_row[row] = key;
    assert_int_equal(ki_directory_set(directory, &key, 8, row), old);
    held->row_of_key[key] = row;
    held->count += old == KI_NO_ROW;
}

static model *open_model(ki_directory **directory)
{
    model *held = calloc(1, sizeof *held);
    assert_non_null(held);
    memset(held->row_of_key, 0xff, sizeof held->row_of_key);
    assert_int_equal(ki_directory_open(same, held, directory), KITH_OK);
    return held;
}

/* Waves that fill, churn and empty, so that every load is met, growing and shrinking. A key has
 * two rows to alternate between, as it has when a put replaces. */
static void agrees_with_a_plain_array(void **state)
{
    uint64_t random = check_seed();
    ki_directory *directory;
    model *held = open_model(&directory);
    (void)state;
    for (uint32_t i = 0; i < 200000; i++) {
        uint32_t puts_percent = (i / 5000 % 4) * 33; /* 0, 33, 66, 99 */
        uint32_t key = check_below(&random, KEYS);
        uint32_t row = 2 * key + (held->row_of_key[key] == 2 * key);
        one_step(directory, held, key, check_below(&random, 100) < puts_percent, row);
        if (i % 2500 == 0)
            compare_all(directory, held);
    }
    compare_all(directory, held);
    for (uint64_t key = 0; key < KEYS; key++)
        one_step(directory, held, key, false, 0);
    compare_all(directory, held);
    ki_directory_close(directory);
    free(held);
}

/* One key in millions of lives: removed places must not pile up and slow the search down. */
static void removal_leaves_no_trace(void **state)
{
    ki_directory *directory;
    model *held = open_model(&directory);
    (void)state;
    assert_int_equal(ki_directory_reserve(directory, 64), KITH_OK);
    size_t bytes = ki_directory_bytes(directory);
    for (uint32_t i = 0; i < 2000000; i++) {
        uint64_t key = i % KEYS;
        one_step(directory, held, key, true, (uint32_t)key);
        one_step(directory, held, key, false, 0);
    }
    assert_int_equal(ki_directory_bytes(directory), bytes);
    assert_int_equal(ki_directory_count(directory), 0);
    held->compared = 0;
    uint64_t key = 5;
    assert_int_equal(ki_directory_find(directory, &key, 8), KI_NO_ROW);
    assert_int_equal(held->compared, 0);
    ki_directory_close(directory);
    free(held);
}

static void reserve_is_enough(void **state)
{
    (void)state;
    for (size_t n = 1; n <= KEYS; n = n * 3 / 2 + 1) {
        ki_directory *directory;
        model *held = open_model(&directory);
        assert_int_equal(ki_directory_reserve(directory, n), KITH_OK);
        size_t bytes = ki_directory_bytes(directory);
        assert_true(bytes >= n * 8);
        for (uint64_t key = 0; key < n; key++) {
            held->key_of_row[key] = key;
            assert_int_equal(ki_directory_set(directory, &key, 8, (uint32_t)key), KI_NO_ROW);
            held->row_of_key[key] = (uint32_t)key;
        }
        held->count = n;
        compare_all(directory, held);
        assert_int_equal(ki_directory_bytes(directory), bytes);
        assert_int_equal(ki_directory_reserve(directory, SIZE_MAX), KITH_ENOMEM);
        assert_int_equal(ki_directory_reserve(directory, SIZE_MAX / 2), KITH_ENOMEM);
        compare_all(directory, held);
        ki_directory_close(directory);
        free(held);
    }
    ki_directory_close(NULL);
}

/* A load of at most 0.7 in places of 8 bytes, and growth by doubling. */
static void memory_is_as_said(void **state)
{
    ki_directory *directory;
    model *held = open_model(&directory);
    (void)state;
    for (uint64_t key = 0; key < KEYS; key++) {
        one_step(directory, held, key, true, (uint32_t)key);
        if (held->count > 100)
            assert_in_range(ki_directory_bytes(directory), held->count * 114 / 10,
                            held->count * 235 / 10 + 100);
    }
    ki_directory_close(directory);
    free(held);
}

/* Half a million keys make about 29 pairs with the same 32-bit fingerprint, wherever the random
 * seed puts them. The keys are their row numbers. */
enum { MANY = 500000 };

static bool same_number(const void *strangers, uint32_t row, const void *key, size_t key_len)
{
    uint64_t held = row;
    bool equal = key_len == 8 && memcmp(&held, key, 8) == 0;
    *(size_t *)(uintptr_t)strangers += !equal;
    return equal;
}

static void equal_fingerprints_are_told_apart(void **state)
{
    ki_directory *directory;
    size_t strangers = 0;
    (void)state;
    assert_int_equal(ki_directory_open(same_number, &strangers, &directory), KITH_OK);
    for (uint64_t key = 0; key < MANY; key++) {
        assert_int_equal(ki_directory_reserve(directory, 1), KITH_OK);
        assert_int_equal(ki_directory_set(directory, &key, 8, (uint32_t)key), KI_NO_ROW);
    }
    for (uint64_t key = 0; key < MANY; key += 2)
        assert_int_equal(ki_directory_remove(directory, &key, 8), key);
    for (uint64_t key = 0; key < MANY; key++)
        assert_int_equal(ki_directory_find(directory, &key, 8), key % 2 ? key : KI_NO_ROW);
    assert_int_equal(ki_directory_count(directory), MANY / 2);
    assert_true(strangers > 0);
    ki_directory_close(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_plain_array),
        cmocka_unit_test(removal_leaves_no_trace),
        cmocka_unit_test(reserve_is_enough),
        cmocka_unit_test(memory_is_as_said),
        cmocka_unit_test(equal_fingerprints_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Property: a row's key is found whole, of any length from 1 to 512, is told apart from its own
 * prefixes and neighbours, passes from row to row, and its bytes go back when it dies.
 */
#include "tests/check.h"
#include "kv/key_column.h"

#include <string.h>

enum { LONGEST = 512 };

static void fill(unsigned char *key, size_t len, uint64_t random)
{
    for (size_t i = 0; i < len; i++)
        key[i] = (unsigned char)check_random(&random);
}

static void assert_key(const ki_key_column *column, uint32_t row, const void *key, size_t len)
{
    const void *found;
    size_t found_len;
    ki_key_column_get(column, row, &found, &found_len);
    assert_int_equal(found_len, len);
    assert_memory_equal(found, key, len);
    assert_true(ki_key_column_same(column, row, key, len));
}

static void keys_of_every_length(void **state)
{
    unsigned char key[LONGEST + 1];
    ki_key_column column;
    (void)state;
    assert_int_equal(ki_key_column_open(KITH_KEYS_BYTES, 10000, &column), KITH_OK);
    assert_int_equal(ki_key_column_bytes(&column), 0);
    assert_int_equal(ki_key_column_grow(&column, LONGEST + 1), KITH_OK);
    size_t empty = ki_key_column_bytes(&column), long_bytes = 0;
    for (uint32_t len = 1; len <= LONGEST; len++) {
        fill(key, sizeof key, check_seed());
        assert_int_equal(ki_key_column_set(&column, len, key, len), KITH_OK);
        long_bytes += len > KI_SHORT_KEY ? len : 0U;
    }
    assert_in_range(ki_key_column_bytes(&column), empty + long_bytes, empty + long_bytes * 11 / 10);
    for (uint32_t len = 1; len <= LONGEST; len++) { /* each is a prefix of the next */
        assert_key(&column, len, key, len);
        assert_false(ki_key_column_same(&column, len, key, len + 1));
        assert_false(ki_key_column_same(&column, len, key, len - 1));
        key[len - 1] ^= 1;
        assert_false(ki_key_column_same(&column, len, key, len));
        key[len - 1] ^= 1;
    }
    for (uint32_t len = 1; len <= LONGEST; len++)
        ki_key_column_drop(&column, len);
    assert_int_equal(ki_key_column_bytes(&column), empty);
    assert_false(ki_key_column_same(&column, 20, key, 20));
    ki_key_column_close(&column);
    ki_key_column_close(&column);
}

/* The last row's key moves on, to a row that no set has touched: closing must still find it (a
 * sanitizer sees the leak). */
static void key_passes_to_another_row(void **state)
{
    (void)state;
    for (size_t len = 8; len <= 200; len += 64) {
        for (int kind = KITH_KEYS_U64; kind <= KITH_KEYS_BYTES; kind++) {
            unsigned char key[LONGEST];
            ki_key_column column;
            size_t key_len = kind == KITH_KEYS_U64 ? 8 : len;
            fill(key, sizeof key, check_seed());
            assert_int_equal(ki_key_column_open((kith_key_kind)kind, 100, &column), KITH_OK);
            assert_int_equal(ki_key_column_grow(&column, 100), KITH_OK);
            assert_int_equal(ki_key_column_set(&column, 3, key, key_len), KITH_OK);
            size_t bytes = ki_key_column_bytes(&column);
            ki_key_column_share(&column, 3, 99);
            assert_key(&column, 3, key, key_len);
            assert_key(&column, 99, key, key_len);
            ki_key_column_disown(&column, 3);
            assert_key(&column, 99, key, key_len);
            assert_true(column.used == 100 || kind == KITH_KEYS_U64);
            assert_int_equal(ki_key_column_bytes(&column), bytes);
            ki_key_column_close(&column);
        }
    }
}

static void only_long_keys_can_fail(void **state)
{
    unsigned char key[LONGEST] = {1};
    ki_key_column column;
    (void)state;
    assert_int_equal(ki_key_column_open(KITH_KEYS_BYTES, 100, &column), KITH_OK);
    assert_int_equal(ki_key_column_grow(&column, 100), KITH_OK);
    size_t bytes = ki_key_column_bytes(&column);
    ki_alloc_fail_at(1);
    assert_int_equal(ki_key_column_set(&column, 0, key, KI_SHORT_KEY), KITH_OK);
    assert_int_equal(ki_key_column_set(&column, 1, key, KI_SHORT_KEY + 1), KITH_ENOMEM);
    assert_false(ki_key_column_same(&column, 1, key, KI_SHORT_KEY + 1));
    assert_int_equal(ki_key_column_bytes(&column), bytes);
    assert_int_equal(ki_key_column_set(&column, 1, key, KI_SHORT_KEY + 1), KITH_OK);
    assert_key(&column, 1, key, KI_SHORT_KEY + 1);
    ki_key_column_close(&column);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_every_length),
        cmocka_unit_test(key_passes_to_another_row),
        cmocka_unit_test(only_long_keys_can_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

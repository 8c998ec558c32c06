/* Property: after any sequence of put, replace, get, delete, pin and unpin, over numbers and over
 * keys of 1 to 512 bytes, the store holds what a naive model holds, in the same rows: the lowest
 * vacant row is used next, a row freed while pinned is not used before the last unpin, and no
 * live row or its side data is ever written over.
 */
#include "tests/check.h"
#include "kv/store.h"

#include <string.h>

enum { KEYS = 2000, ROWS = 8 * KEYS, STEPS = 100000, ROW_BYTES = 52, AUX = 16 };

typedef enum place { UNUSED, LIVE, VACANT, QUARANTINED } place;

typedef struct model {
    ki_store *store;
    kith_key_kind kind;
    unsigned char key[KEYS][KI_KEY_MAX];
    size_t key_len[KEYS];
    uint32_t row_of_key[KEYS];
    uint64_t stamp_of_key[KEYS]; /* what the row's bytes are made from */
    place place_of_row[ROWS];
    uint32_t rows, live, pins;
    uint64_t random;
} model;

/* Byte keys begin with their number, so that they differ; those too short for that are the first
 * 255, of one byte. Every fourth is of the lengths about the border of 14. */
static void make_key(model *m, uint32_t i)
{
    if (m->kind == KITH_KEYS_U64) {
        uint64_t number = i * UINT64_C(0x100000001);
        memcpy(m->key[i], &number, 8);
        m->key_len[i] = 8;
        return;
    }
    size_t len = i % 4 == 0 ? 13 + check_below(&m->random, 3) : 4 + check_below(&m->random, 509);
    for (size_t b = 0; b < len; b++)
        m->key[i][b] = (unsigned char)check_random(&m->random);
    memcpy(m->key[i], &i, i < 255 ? 1 : 4);
    m->key_len[i] = i < 255 ? 1 : i == 300 ? KI_KEY_MAX : len;
}

static void make_row(uint64_t stamp, unsigned char *bytes)
{
    for (size_t i = 0; i < ROW_BYTES + AUX; i++)
        bytes[i] = (unsigned char)(check_random(&stamp) >> 8);
}

static kith_status open_memory(kith_key_kind kind, ki_store **out)
{
    const ki_shape shape = {.row_bytes = ROW_BYTES, .keys = kind};
    const ki_store_config config = ki_store_defaults(&shape);
    return ki_store_open(NULL, &config, out);
}

static model *open_model(kith_key_kind kind)
{
    model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->kind = kind;
    m->random = check_seed();
    memset(m->row_of_key, 0xff, sizeof m->row_of_key);
    for (uint32_t i = 0; i < KEYS; i++)
        make_key(m, i);
    assert_int_equal(open_memory(kind, &m->store), KITH_OK);
    return m;
}

static void free_row(model *m, uint32_t row)
{
    m->place_of_row[row] = m->pins ? QUARANTINED : VACANT;
    m->live--;
}

static uint32_t expected_row(const model *m)
{
    for (uint32_t row = 0; row < m->rows && m->pins == 0; row++)
        if (m->place_of_row[row] == VACANT)
            return row;
    return m->rows;
}

static void put(model *m, uint32_t i)
{
    unsigned char bytes[ROW_BYTES + AUX];
    uint32_t row = KI_NO_ROW, expected = expected_row(m), old = m->row_of_key[i];
    if (expected == ROWS)
        return;
    uint64_t stamp = check_random(&m->random);
    make_row(stamp, bytes);
    assert_int_equal(ki_store_put(m->store, m->key[i], m->key_len[i], bytes, bytes + ROW_BYTES,
                                  check_below(&m->random, 9) ? &row : NULL),
                     KITH_OK);
    if (row != KI_NO_ROW)
        assert_int_equal(row, expected);
    if (expected == m->rows)
        m->rows++;
    m->place_of_row[expected] = LIVE;
    m->row_of_key[i] = expected;
    m->stamp_of_key[i] = stamp;
    m->live++;
    if (old != KI_NO_ROW)
        free_row(m, old);
}

static void del(model *m, uint32_t i)
{
    uint32_t old = m->row_of_key[i];
    kith_status status = ki_store_del(m->store, m->key[i], m->key_len[i]);
    assert_int_equal(status, old == KI_NO_ROW ? KITH_ENOTFOUND : KITH_OK);
    if (old != KI_NO_ROW)
        free_row(m, old);
    m->row_of_key[i] = KI_NO_ROW;
}

static void unpin(model *m)
{
    ki_store_unpin(m->store);
    if (--m->pins > 0)
        return;
    for (uint32_t row = 0; row < m->rows; row++)
        if (m->place_of_row[row] == QUARANTINED)
            m->place_of_row[row] = VACANT;
}

static void check_one_key(const model *m, uint32_t i)
{
    unsigned char bytes[ROW_BYTES + AUX];
    const ki_slab *slab = ki_store_slab(m->store);
    const void *key;
    size_t key_len;
    uint32_t row = ki_store_find(m->store, m->key[i], m->key_len[i]);
    assert_int_equal(row, m->row_of_key[i]);
    if (row == KI_NO_ROW)
        return;
    make_row(m->stamp_of_key[i], bytes);
    assert_memory_equal(ki_slab_row(slab, row), bytes, ROW_BYTES);
    assert_memory_equal(ki_slab_aux(slab, row), bytes + ROW_BYTES, AUX);
    assert_true(ki_store_key(m->store, row, &key, &key_len));
    assert_int_equal(key_len, m->key_len[i]);
    assert_memory_equal(key, m->key[i], key_len);
}

static void check_all(const model *m)
{
    const void *key;
    size_t key_len;
    assert_int_equal(ki_store_rows(m->store), m->rows);
    assert_int_equal(ki_store_live_count(m->store), m->live);
    assert_int_equal(ki_store_pins(m->store), m->pins);
    for (uint32_t i = 0; i < KEYS; i++)
        check_one_key(m, i);
    for (uint32_t row = 0; row < (m->rows + 63) / 64 * 64; row++) {
        bool live = row < m->rows && m->place_of_row[row] == LIVE;
        assert_int_equal(ki_store_live(m->store)[row / 64] >> row % 64 & 1, live);
        if (!live)
            assert_false(ki_store_key(m->store, row, &key, &key_len));
    }
    assert_false(ki_store_key(m->store, KI_NO_ROW, &key, &key_len));
}

/* The share of puts and the number of pins change from phase to phase. */
static void agrees_with_the_model(kith_key_kind kind)
{
    model *m = open_model(kind);
    for (uint32_t step = 0; step < STEPS; step++) {
        uint32_t key = check_below(&m->random, KEYS), chance = check_below(&m->random, 1000);
        uint32_t puts = 250 + step / 10000 % 3 * 200;
        if (chance < 2 && m->pins < 3)
            ki_store_pin(m->store), m->pins++;
        else if (chance < 6 && m->pins > 0)
            unpin(m);
        else if (chance < puts)
            put(m, key);
        else if (chance < 800)
            del(m, key);
        else
            check_one_key(m, key);
        if (step % 10000 == 1)
            check_all(m);
    }
    while (m->pins > 0)
        unpin(m);
    check_all(m);
    ki_store_close(m->store);
    free(m);
}

static void numbers(void **state)
{
    (void)state;
    agrees_with_the_model(KITH_KEYS_U64);
}

static void bytes(void **state)
{
    (void)state;
    agrees_with_the_model(KITH_KEYS_BYTES);
}

static void wrong_keys_are_refused(void **state)
{
    unsigned char key[KI_KEY_MAX + 1] = {0}, row[ROW_BYTES + AUX] = {0};
    (void)state;
    for (int kind = KITH_KEYS_U64; kind <= KITH_KEYS_BYTES; kind++) {
        ki_store *store;
        assert_int_equal(open_memory((kith_key_kind)kind, &store), KITH_OK);
        for (size_t len = 0; len <= sizeof key; len++) {
            uint32_t at = 77;
            bool right = kind == KITH_KEYS_U64 ? len == 8 : len >= 1 && len <= KI_KEY_MAX;
            kith_status want = right ? KITH_OK : KITH_EINVAL;
            assert_int_equal(ki_store_put(store, key, len, row, row + ROW_BYTES, &at), want);
            assert_true(right || at == 77);
            assert_int_equal(ki_store_find(store, key, len), right ? at : KI_NO_ROW);
            assert_int_equal(ki_store_del(store, key, len), want);
        }
        assert_int_equal(ki_store_keys(store), kind);
        ki_store_close(store);
    }
    ki_store_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(bytes),
        cmocka_unit_test(wrong_keys_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

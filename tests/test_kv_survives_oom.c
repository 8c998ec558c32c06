/* Property: when the n-th allocation fails, for every n, a call says ENOMEM with a sentence and
 * changes nothing: every key, row and bit is as before, the same call then succeeds, and nothing
 * is lost or freed twice (a sanitizer watches). After a reserve, puts allocate nothing at all.
 */
#include "tests/check.h"
#include "kv/store.h"

#include <string.h>

enum { KEYS = 600, ROW_BYTES = 128, AUX = 16 }; /* 128: side data in an array of its own */

/* A run of calls that is made again and again, with an allocation failing later each time. */
typedef struct run {
    ki_store *store;
    kith_key_kind kind;
    uint64_t value[KEYS]; /* what the row of a key holds; 0: the key is absent */
    uint64_t fail_at;     /* allocations left until the failing one */
    uint32_t failures;
} run;

static size_t key_of(const run *r, uint32_t i, unsigned char *key)
{
    size_t len = r->kind == KITH_KEYS_U64 ? 8 : 4 + i % 40;
    memset(key, 0xee, KI_KEY_MAX);
    memcpy(key, &i, 4);
    if (r->kind == KITH_KEYS_U64)
        memset(key + 4, 0, 4);
    return len;
}

static void check_contents(const run *r)
{
    unsigned char key[KI_KEY_MAX];
    uint64_t live = 0, bits = 0, held;
    for (uint32_t i = 0; i < KEYS; i++) {
        size_t len = key_of(r, i, key);
        uint32_t row = ki_store_find(r->store, key, len);
        assert_true((row == KI_NO_ROW) == (r->value[i] == 0));
        if (row == KI_NO_ROW)
            continue;
        const void *found;
        size_t found_len;
        assert_true(ki_store_key(r->store, row, &found, &found_len));
        assert_int_equal(found_len, len);
        assert_memory_equal(found, key, len);
        memcpy(&held, ki_slab_row(ki_store_slab(r->store), row), sizeof held);
        assert_int_equal(held, r->value[i]);
        memcpy(&held, ki_slab_aux(ki_store_slab(r->store), row), sizeof held);
        assert_int_equal(held, ~r->value[i]);
        live++;
    }
    assert_int_equal(ki_store_live_count(r->store), live);
    for (uint32_t row = 0; row < ki_store_rows(r->store); row++)
        bits += ki_store_live(r->store)[row / 64] >> row % 64 & 1;
    assert_int_equal(bits, live);
}

/* The failing allocation belongs to the run, not to a call: it is switched on for the call under
 * test and off while the contents are compared. True when the call failed as it should. */
static bool failed(run *r, kith_status status)
{
    if (status == KITH_OK)
        return false;
    assert_int_equal(status, KITH_ENOMEM);
    assert_true(strlen(kith_last_error()) > 10);
    ki_alloc_fail_at(0);
    r->failures++;
    return true;
}

static void put(run *r, uint32_t i, uint64_t value)
{
    unsigned char key[KI_KEY_MAX];
    uint64_t row[ROW_BYTES / 8] = {value}, aux[AUX / 8] = {~value};
    size_t len = key_of(r, i, key);
    uint32_t at = 12345, rows = ki_store_rows(r->store);
    if (failed(r, ki_store_put(r->store, key, len, row, aux, &at))) {
        assert_int_equal(at, 12345);
        assert_int_equal(ki_store_rows(r->store), rows);
        check_contents(r);
        assert_int_equal(ki_store_put(r->store, key, len, row, aux, &at), KITH_OK);
    }
    r->value[i] = value;
}

static void del(run *r, uint32_t i)
{
    unsigned char key[KI_KEY_MAX];
    size_t len = key_of(r, i, key);
    kith_status want = r->value[i] ? KITH_OK : KITH_ENOTFOUND;
    assert_int_equal(ki_store_del(r->store, key, len), want); /* never for want of memory */
    r->value[i] = 0;
}

static kith_status open_memory(kith_key_kind kind, ki_store **out)
{
    const ki_shape shape = {.row_bytes = ROW_BYTES, .keys = kind};
    const ki_store_config config = ki_store_defaults(&shape);
    return ki_store_open(NULL, &config, out);
}

static void open_store(run *r)
{
    ki_store *none = (ki_store *)(uintptr_t)64, *store = none;
    kith_status status = open_memory(r->kind, &store);
    if (failed(r, status)) {
        assert_ptr_equal(store, none);
        assert_int_equal(open_memory(r->kind, &store), KITH_OK);
    }
    r->store = store;
}

static void reserve(run *r, size_t n)
{
    if (failed(r, ki_store_reserve(r->store, n, 1))) {
        check_contents(r);
        assert_int_equal(ki_store_reserve(r->store, n, 1), KITH_OK);
    }
}

/* Puts, replacements and deletes, pinned and not, with a reserve among them: far enough for the
 * directory and the arrays to grow several times. */
static uint32_t run_with_failure(kith_key_kind kind, uint64_t n)
{
    run r = {.kind = kind};
    ki_alloc_fail_at(n);
    open_store(&r);
    for (uint32_t i = 0; i < KEYS / 2; i++)
        put(&r, i, i + 1);
    ki_store_pin(r.store);
    for (uint32_t i = 0; i < KEYS / 2; i += 3)
        del(&r, i);
    for (uint32_t i = 0; i < KEYS / 2; i += 2)
        put(&r, i, i + 1000);
    reserve(&r, 5000);
    ki_store_unpin(r.store);
    for (uint32_t i = KEYS / 4; i < KEYS; i++)
        put(&r, i, i + 2000);
    for (uint32_t i = 0; i < KEYS; i += 5)
        del(&r, i);
    ki_alloc_fail_at(0);
    check_contents(&r);
    ki_store_close(r.store);
    return r.failures;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (int kind = KITH_KEYS_U64; kind <= KITH_KEYS_BYTES; kind++) {
        uint64_t n = 1;
        while (run_with_failure((kith_key_kind)kind, n) > 0)
            n++;
        printf("%s: %llu allocations failed in turn\n", kind == KITH_KEYS_U64 ? "u64" : "bytes",
               (unsigned long long)n - 1);
        assert_true(n > 20);
    }
}

/* 8 bytes a key in either kind of store: from the reserve on the very next allocation fails. */
static void reserved_puts_allocate_nothing(void **state)
{
    uint64_t row[ROW_BYTES / 8] = {0}, aux[AUX / 8] = {0};
    (void)state;
    for (int kind = KITH_KEYS_U64; kind <= KITH_KEYS_BYTES; kind++) {
        ki_store *store;
        assert_int_equal(open_memory((kith_key_kind)kind, &store), KITH_OK);
        for (uint64_t key = 0; key < 100; key++)
            assert_int_equal(ki_store_put(store, &key, 8, row, aux, NULL), KITH_OK);
        for (uint64_t key = 0; key < 50; key++)
            assert_int_equal(ki_store_del(store, &key, 8), KITH_OK);
        assert_int_equal(ki_store_reserve(store, 40000, 1), KITH_OK);
        ki_alloc_fail_at(1);
        ki_store_pin(store);
        for (uint64_t key = 0; key < 40000; key++)
            assert_int_equal(ki_store_put(store, &key, 8, row, aux, NULL), KITH_OK);
        for (uint64_t key = 0; key < 40000; key++)
            assert_int_equal(ki_store_del(store, &key, 8), KITH_OK);
        ki_store_unpin(store);
        ki_alloc_fail_at(0);
        assert_int_equal(ki_store_reserve(store, (size_t)KI_MAX_ROWS + 1, 1), KITH_ENOMEM);
        assert_int_equal(ki_store_reserve(store, SIZE_MAX, 1), KITH_ENOMEM);
        ki_store_close(store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(reserved_puts_allocate_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

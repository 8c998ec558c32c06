/* Property: every refusal of a store that kith.h names comes with its status and a sentence that
 * holds the numbers, and changes neither the store nor the results.
 */
#include "tests/index_data.h"

#include <math.h>
#include <string.h>

enum { DIM = 4 };

static void store_refuses(const kith_store_options *options, kith_status status, const char *part)
{
    kith_store *const before = (kith_store *)(uintptr_t)0x1234;
    kith_store *store = before;
    must_fail(kith_store_open(NULL, options, &store), status, part);
    assert_ptr_equal(store, before);
}

static void stores(void **state)
{
    (void)state;
    kith_store_options good = kith_store_defaults(8, KITH_U8, KITH_IP), o = good;
    kith_store *store = NULL;
    o.dim = 0;
    store_refuses(&o, KITH_EINVAL, "dimension 0");
    store_refuses(NULL, KITH_EINVAL, "needs options");
    o.dim = 33026;
    store_refuses(&o, KITH_EINVAL, "33026");
    o.type = KITH_F32;
    o.dim = 65536;
    store_refuses(&o, KITH_EINVAL, "65536");
    o = good;
    o.type = (kith_type)6;
    store_refuses(&o, KITH_EINVAL, "6 is no row type");
    o = good;
    o.metric = (kith_metric)5;
    store_refuses(&o, KITH_EINVAL, "5 is no metric");
    o.metric = KITH_HAMMING;
    store_refuses(&o, KITH_EINVAL, "hamming is no metric of u8 rows");
    o.type = KITH_B1;
    o.metric = KITH_COSINE;
    store_refuses(&o, KITH_EINVAL, "cosine is no metric of b1 rows");
    o = good;
    o.keys = (kith_key_kind)5;
    store_refuses(&o, KITH_EINVAL, "5");
    o = good;
    o.size = 0;
    store_refuses(&o, KITH_EINVAL, "size field is 0");
    o.size = 1 << 20;
    store_refuses(&o, KITH_EINVAL, "1048576");
    o = good;
    o.open = (kith_open_mode)9;
    store_refuses(&o, KITH_EINVAL, "9");
    o.open = KITH_OPEN_READ_ONLY;
    store_refuses(&o, KITH_EINVAL, "always new");
    o = good;
    o.durability = KITH_DURABLE_INTERVAL;
    o.interval_ms = 0;
    store_refuses(&o, KITH_EINVAL, "0 ms");
    o.durability = (kith_durability)9;
    store_refuses(&o, KITH_EINVAL, "9");
    must_fail(kith_store_open("/nowhere/a.kith", &good, &store), KITH_EIO, "a.kith");
    assert_null(store);
    good.dim = 33025; /* the largest, and an options struct of an older header */
    good.size = offsetof(kith_store_options, keys);
    must(kith_store_open(NULL, &good, &store));
    kith_store_close(store);
    kith_store_close(NULL);
}

static void keys(void **state)
{
    (void)state;
    unsigned char key[513] = {1}, got[2] = {7, 7}, vector[2] = {1, 2};
    kith_store_options options = kith_store_defaults(2, KITH_U8, KITH_L2SQ);
    kith_store *numbers = NULL, *strings = NULL;
    const void *found = key;
    size_t length = 99;
    must(kith_store_open(NULL, &options, &numbers));
    options.keys = KITH_KEYS_BYTES;
    must(kith_store_open(NULL, &options, &strings));
    must_fail(kith_store_put(strings, key, 513, vector), KITH_EINVAL, "513");
    must_fail(kith_store_put(strings, key, 0, vector), KITH_EINVAL, "0 bytes");
    must(kith_store_put(strings, key, 512, vector));
    must_fail(kith_store_get(strings, key, 513, got), KITH_EINVAL, "513");
    must_fail(kith_store_get(strings, key, 511, got), KITH_ENOTFOUND, "511");
    must_fail(kith_store_del(strings, key, 511), KITH_ENOTFOUND, "");
    must_fail(kith_store_put_u64(strings, 1, vector), KITH_EINVAL, "byte-string");
    must_fail(kith_store_get_u64(strings, 1, got), KITH_EINVAL, "byte-string");
    must_fail(kith_store_del_u64(strings, 1), KITH_EINVAL, "byte-string");
    must_fail(kith_store_load(strings, NULL, vector, 1, NULL, NULL), KITH_EINVAL, "byte-string");
    must_fail(kith_store_put(numbers, key, 7, vector), KITH_EINVAL, "64-bit");
    must_fail(kith_store_get(numbers, key, 7, got), KITH_EINVAL, "64-bit");
    must_fail(kith_store_del(numbers, key, 9), KITH_EINVAL, "64-bit");
    must_fail(kith_store_get_u64(numbers, 5, got), KITH_ENOTFOUND, "");
    must_fail(kith_store_del_u64(numbers, 5), KITH_ENOTFOUND, "");
    must_fail(kith_store_key(numbers, 0, &found, &length), KITH_ENOTFOUND, "row 0");
    must_fail(kith_store_key(strings, UINT32_MAX, &found, &length), KITH_ENOTFOUND, "4294967295");
    assert_true(found == key && length == 99 && got[0] == 7 && got[1] == 7);
    kith_store_close(numbers);
    kith_store_close(strings);
}

static void vectors(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix rows = matrix_uniform(KITH_F32, DIM, 20, &random);
    kith_store *store = store_of(&rows, KITH_COSINE);
    kith_store_stats before = {.size = sizeof before}, after = before;
    float bad[3 * DIM] = {0}, got[DIM];
    must(kith_store_stat(store, &before));
    bad[2] = NAN;
    must_fail(kith_store_put_u64(store, 3, bad), KITH_EINVAL, "element 2");
    bad[2] = -INFINITY;
    must_fail(kith_store_put_u64(store, 99, bad), KITH_EINVAL, "infinite");
    bad[2] = 0;
    bad[2 * DIM + 3] = NAN;
    must_fail(kith_store_load(store, NULL, bad, 3, NULL, NULL), KITH_EINVAL,
              "element 3 of vector 2");
    bad[0] = bad[1] = 3e38f;
    must_fail(kith_store_put_u64(store, 3, bad), KITH_EINVAL, "norm");
    must(kith_store_stat(store, &after));
    assert_true(after.live == before.live && after.rows == before.rows);
    must(kith_store_get_u64(store, 0, got));
    assert_memory_equal(got, row_at(&rows, 0), sizeof got);
    before.size = 3;
    must_fail(kith_store_stat(store, &before), KITH_EINVAL, "3");
    kith_store_close(store);
    matrix_free(&rows);
}

static void refuses_vector(kith_type type, kith_metric metric, uint32_t dim, const void *vector,
                           const char *part)
{
    kith_store_options options = kith_store_defaults(dim, type, metric);
    kith_store_stats stats = {.size = sizeof stats};
    kith_store *store = NULL;
    must(kith_store_open(NULL, &options, &store));
    must_fail(kith_store_put_u64(store, 1, vector), KITH_EINVAL, part);
    must_fail(kith_store_load(store, NULL, vector, 1, NULL, NULL), KITH_EINVAL, part);
    must(kith_store_stat(store, &stats));
    assert_int_equal(stats.live, 0);
    kith_store_close(store);
}

/* Half floats that are no numbers, a norm that only bf16 can reach, and bits behind the last. */
static void vectors_of_the_small_types(void **state)
{
    (void)state;
    const uint16_t f16_nan[3] = {0x3c00, 0, 0xfe01}, f16_infinite[3] = {0, 0xfc00, 0x7bff};
    const uint16_t bf16_nan[3] = {0x7f81, 0, 0}, bf16_infinite[3] = {0x3f80, 0x7f80, 0};
    const uint16_t bf16_long[3] = {0x7f7f, 0x7f7f, 0x7f7f};
    const unsigned char stray[2] = {0xff, 0x06}, full[2] = {0xff, 0x01};
    refuses_vector(KITH_F16, KITH_IP, 3, f16_nan, "element 2 of vector 0 is not a number");
    refuses_vector(KITH_F16, KITH_L2SQ, 3, f16_infinite, "element 1 of vector 0 is infinite");
    refuses_vector(KITH_BF16, KITH_COSINE, 3, bf16_nan, "element 0 of vector 0 is not a number");
    refuses_vector(KITH_BF16, KITH_IP, 3, bf16_infinite, "element 1 of vector 0 is infinite");
    refuses_vector(KITH_BF16, KITH_COSINE, 3, bf16_long, "norm");
    refuses_vector(KITH_B1, KITH_HAMMING, 9, stray, "bit 9 of vector 0 is set, and it has 9 bits");
    refuses_vector(KITH_B1, KITH_JACCARD, 9, stray, "bit 9");
    kith_store_options options = kith_store_defaults(9, KITH_B1, KITH_HAMMING);
    kith_store *store = NULL;
    unsigned char got[2];
    must(kith_store_open(NULL, &options, &store));
    must(kith_store_put_u64(store, 1, full));
    must(kith_store_get_u64(store, 1, got));
    assert_memory_equal(got, full, sizeof got);
    kith_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stores),
        cmocka_unit_test(keys),
        cmocka_unit_test(vectors),
        cmocka_unit_test(vectors_of_the_small_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

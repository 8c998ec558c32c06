/* Where arithmetic has rules instead of a value, every kernel follows them, and so do order keys.
 *
 * NaN, infinities, zeros of both signs, denormals, tiny and huge norms in every slot of every
 * table (kernel_rules.c); side data of rows; order, round trip and ends of the keys of keys.h.
 */
#include "tests/check.h"
#include "tests/kernel_cases.h"
#include "kernels/keys.h"
#include <float.h>
#include <math.h>
#include <string.h>

static void every_slot_follows_the_rules(void **state)
{
    static const uint32_t dims[] = {1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 65, 129, 270};
    uint64_t random = check_seed();
    (void)state;
    for (int slots = 0; slots < KI_METRIC_COUNT * KI_PAIRING_COUNT; slots++) {
        const ki_pairing pairing = (ki_pairing)(slots % KI_PAIRING_COUNT);
        const kc_slot *variants;
        const size_t count =
            kc_variants((kith_metric)(slots / KI_PAIRING_COUNT), pairing, &variants);
        for (size_t v = 0; v < count; v++)
            for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
                const bool from_f32 = kc_takes_f32(pairing) && i % 2;
                const char *why = kc_check_rules(&variants[v], dims[i], from_f32, &random);
                if (why)
                    fail_msg("%s", why);
            }
    }
}

static void keys_keep_the_order_of_floats(void **state)
{
    uint64_t random = check_seed();
    (void)state;
    for (int i = 0; i < 2000000; i++) {
        uint32_t bits[2] = {(uint32_t)check_random(&random), (uint32_t)check_random(&random)};
        float x[2];
        if (i % 2) /* neighbours, and close to each other */
            bits[1] = bits[0] + check_below(&random, 3) - 1;
        memcpy(x, bits, sizeof x);
        uint32_t a = ki_key_from_float(x[0]), b = ki_key_from_float(x[1]);
        if (x[0] < x[1])
            assert_true(a < b);
        if (x[0] > x[1])
            assert_true(a > b);
        if (isnan(x[0]))
            assert_int_equal(a, KI_KEY_NAN);
        else if (!isnan(x[1]) && bits[0] == bits[1])
            assert_int_equal(a, b);
    }
}

static void keys_turn_back_into_floats(void **state)
{
    uint64_t random = check_seed();
    (void)state;
    for (int i = 0; i < 1000000; i++) {
        uint32_t bits = (uint32_t)check_random(&random), back_bits;
        float x, back;
        memcpy(&x, &bits, sizeof x);
        if (isnan(x))
            continue;
        back = ki_float_from_key(ki_key_from_float(x));
        memcpy(&back_bits, &back, sizeof back_bits);
        assert_int_equal(back_bits, bits);
        assert_true(ki_key_distance(KI_KEY_FLOAT, ki_key_from_float(x)) == (double)x);
    }
}

static void ends_of_the_order(void **state)
{
    static const float ascending[] = {-INFINITY, -FLT_MAX, -1.0f, -FLT_MIN, -0x1p-149f, 0.0f,
                                      0x1p-149f, FLT_MIN,  1.0f,  FLT_MAX,  INFINITY};
    (void)state;
    for (size_t i = 1; i < sizeof ascending / sizeof *ascending; i++)
        assert_true(ki_key_from_float(ascending[i - 1]) < ki_key_from_float(ascending[i]));
    assert_true(ki_key_from_float(INFINITY) < KI_KEY_NAN);
    assert_int_equal(ki_key_from_float(-NAN), KI_KEY_NAN);
    assert_true(isnan(ki_float_from_key(KI_KEY_NAN)));
    assert_int_equal(ki_key_from_float(0.0f), UINT32_C(0x80000000));
    assert_int_equal(ki_key_from_int(INT32_MIN), 0);
    assert_int_equal(ki_key_from_int(INT32_MAX), UINT32_MAX);
    assert_true(ki_key_distance(KI_KEY_INT, ki_key_from_int(-7)) == -7);
    assert_true(ki_key_distance(KI_KEY_UINT, UINT32_MAX) == 4294967295.0);
}

static ki_aux aux_of(float a, float b)
{
    float row[2] = {a, b};
    ki_aux aux;
    ki_aux_fill(KITH_F32, row, 2, &aux);
    return aux;
}

static void side_data_of_f32_rows(void **state)
{
    (void)state;
    assert_true(aux_of(3, 4).inv_norm == 0.2f && aux_of(3, 4).norm2 == 25);
    assert_true(aux_of(0, -0.0f).inv_norm == 0 && aux_of(0, 0).norm2 == 0);
    assert_true(aux_of(0x1p-126f, 0).inv_norm == 0x1p126f);
    assert_true(aux_of(0x1p-127f, 0).inv_norm == 0);
    assert_true(aux_of(0x1p-149f, 0).inv_norm == 0);
    assert_true(aux_of(0x1p100f, 0).inv_norm == 0x1p-100f);
    assert_true(aux_of(0x1p127f, 0).inv_norm == 0x1p-127f);
    assert_true(isinf(aux_of(0x1p100f, 0).norm2));
    assert_true(aux_of(1 + 0x1p-23f, 0).norm2 == 1 + 0x1p-22f);
}

static void side_data_of_large_integers(void **state)
{
    static unsigned char row[65535];
    ki_aux aux;
    (void)state;
    memset(row, 255, sizeof row);
    ki_aux_fill(KITH_U8, row, 33025, &aux);
    assert_int_equal(aux.inorm2, UINT32_C(33025) * 65025);
    assert_int_equal(aux.sum, 33025 * 255);
    assert_true(fabs((double)aux.inv_norm * sqrt(33025.0 * 65025) - 1) < 0x1p-23);
    memset(row, 0x80, sizeof row);
    ki_aux_fill(KITH_I8, row, 65535, &aux);
    assert_int_equal(aux.inorm2, UINT32_C(65535) * 16384);
    assert_int_equal(aux.sum, -65535 * 128);
    assert_true(fabs((double)aux.inv_norm * 128 * sqrt(65535.0) - 1) < 0x1p-23);
    memset(row, 0, sizeof row);
    ki_aux_fill(KITH_U8, row, 33025, &aux);
    assert_true(aux.inorm2 == 0 && aux.sum == 0 && aux.inv_norm == 0);
}

/* To the bit: norms are f64 sums in index order, rounded once, and a store may move from one
 * machine to another. */
static void side_data_of_every_type(void **state)
{
    uint64_t random = check_seed();
    (void)state;
    for (int trial = 0; trial < 3000; trial++) {
        const ki_pairing type = (ki_pairing)(trial % KI_TYPE_COUNT);
        const int fill = trial / KI_TYPE_COUNT % kc_fills(type);
        kc_set set;
        ki_aux aux;
        kc_open(&set, type, false, 1 + check_below(&random, 300), 1, fill, check_random(&random));
        ki_aux_fill((kith_type)type, set.rows, set.dim, &aux);
        bool right = type == KI_B1 || aux.inv_norm == set.aux->inv_norm;
        if (kc_is_float(set.row_kind))
            right &= aux.norm2 == set.aux->norm2;
        else
            right &= aux.inorm2 == set.aux->inorm2 && aux.sum == set.aux->sum;
        if (!right)
            fail_msg("%s, dim %u, fill %d: inv_norm %a, norm2 %a, inorm2 %u, sum %d, not %a, %a, "
                     "%u, %d",
                     ki_pairing_name(type), set.dim, fill, (double)aux.inv_norm, (double)aux.norm2,
                     aux.inorm2, aux.sum, (double)set.aux->inv_norm, (double)set.aux->norm2,
                     set.aux->inorm2, set.aux->sum);
        kc_close(&set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_slot_follows_the_rules),
        cmocka_unit_test(keys_keep_the_order_of_floats),
        cmocka_unit_test(keys_turn_back_into_floats),
        cmocka_unit_test(ends_of_the_order),
        cmocka_unit_test(side_data_of_f32_rows),
        cmocka_unit_test(side_data_of_large_integers),
        cmocka_unit_test(side_data_of_every_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

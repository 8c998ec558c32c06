/* f16 and bf16 are widened exactly and rounded to nearest even, denormals and ends included.
 *
 * convert.h against the tests' own arithmetic (kernel_values.c): every pattern of 16 bits is
 * widened; floats of all exponents, all ties between neighbours and their neighbours are rounded.
 */
#include "tests/check.h"
#include "tests/kernel_cases.h"
#include "kernels/convert.h"
#include <math.h>

static float widened(kc_kind kind, uint16_t bits)
{
    return kind == KC_F16 ? ki_f32_from_f16(bits) : ki_f32_from_bf16(bits);
}

static uint16_t rounded(kc_kind kind, float x)
{
    return kind == KC_F16 ? ki_f16_from_f32(x) : ki_bf16_from_f32(x);
}

/* NaN stays NaN, of which kind is not promised; everything else has one right pattern. */
static void check_rounding(kc_kind kind, float x)
{
    unsigned char right[2];
    kc_put(kind, right, 0, (double)x);
    const double wanted = kc_get(kind, right, 0);
    const float found = widened(kind, rounded(kind, x));
    const bool ok =
        isnan(x) ? isnan(found) : (double)found == wanted && !signbit(found) == !signbit(wanted);
    if (!ok)
        fail_msg("%s from %a: %a, not %a", kind == KC_F16 ? "f16" : "bf16", (double)x,
                 (double)found, wanted);
}

static void check_widening(kc_kind kind)
{
    for (uint32_t i = 0; i < 0x10000; i++) {
        const uint16_t bits = (uint16_t)i;
        const unsigned char bytes[2] = {(unsigned char)i, (unsigned char)(i >> 8)};
        const double wanted = kc_get(kind, bytes, 0);
        const float found = widened(kind, bits);
        if (isnan(wanted) ? !isnan(found)
                          : (double)found != wanted || !signbit(found) != !signbit(wanted))
            fail_msg("%s %#x is %a, not %a", kind == KC_F16 ? "f16" : "bf16", i, (double)found,
                     wanted);
        if (!isnan(wanted))
            assert_int_equal(rounded(kind, found), bits);
        else
            assert_true(isnan(widened(kind, rounded(kind, found))));
    }
}

static void every_pattern_is_widened(void **state)
{
    (void)state;
    check_widening(KC_F16);
    check_widening(KC_BF16);
}

static void ties_go_to_even(void **state)
{
    (void)state;
    for (int kind = KC_F16; kind <= KC_BF16; kind++)
        for (uint32_t i = 0; i + 1 < 0x8000; i++) {
            const float low = widened((kc_kind)kind, (uint16_t)i);
            const float high = widened((kc_kind)kind, (uint16_t)(i + 1));
            if (isnan(low) || isinf(low) || isnan(high))
                continue;
            const float top = kind == KC_F16 ? 65536.0f : INFINITY;
            const float middle = low / 2 + (isinf(high) ? top : high) / 2;
            check_rounding((kc_kind)kind, middle);
            check_rounding((kc_kind)kind, -middle);
            check_rounding((kc_kind)kind, nextafterf(middle, 0));
            check_rounding((kc_kind)kind, nextafterf(middle, INFINITY));
        }
}

static void floats_are_rounded(void **state)
{
    uint64_t random = check_seed();
    (void)state;
    for (int i = 0; i < 500000; i++) {
        union {
            uint32_t bits;
            float x;
        } any = {.bits = (uint32_t)check_random(&random)};
        check_rounding(KC_BF16, any.x);
        check_rounding(KC_F16, any.x);
        any.bits = (any.bits & 0x807fffff) | (95 + check_below(&random, 50)) << 23;
        check_rounding(KC_F16, any.x); /* from below its denormals to beyond its largest */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pattern_is_widened),
        cmocka_unit_test(ties_go_to_even),
        cmocka_unit_test(floats_are_rounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

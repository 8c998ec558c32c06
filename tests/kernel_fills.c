/* kernel_fills.c - how the elements of a vector are drawn.
 *
 * May include kernels/ headers and the C library. Floats are drawn as what f32 holds and rounded
 * to their type on the way in; sizes come from the type of the rows, so that a query meets rows of
 * its own magnitude. Integers go to both ends of their range, where sums overflow first.
 */
#include "tests/kernel_cases.h"
#include <float.h>
#include <math.h>
#include <string.h>

static double draw_normal(uint64_t *random)
{
    double u = (double)((check_random(random) >> 11) + 1) * 0x1p-53;
    double v = (double)(check_random(random) >> 11) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

static double draw_denormal(kc_kind kind, uint64_t *random)
{
    if (kind == KC_F16)
        return check_below(random, 1u << 10) * 0x1p-24;
    if (kind == KC_BF16)
        return check_below(random, 1u << 7) * 0x1p-133;
    return check_below(random, 1u << 20) * 0x1p-149;
}

static double draw_float(int fill, kc_kind kind, uint32_t dim, uint64_t *random)
{
    const double sign = check_random(random) & 1 ? 1 : -1;
    const double size = 0.75 + 0.25 * (double)check_unit(random);
    if (fill == KC_LOGNORMAL)
        return sign * exp(2 * draw_normal(random));
    if (fill == KC_LARGE && kind == KC_F16)
        return sign * (65504 - 32 * check_below(random, 64));
    if (fill == KC_HUGE && kind == KC_F16)
        return check_below(random, 4) ? sign * 65504 : sign * 0x1p-24;
    if (fill == KC_LARGE)
        return sign * size * sqrt((double)FLT_MAX / (8.0 * dim));
    if (fill == KC_HUGE)
        return sign * size * ((double)FLT_MAX / (2.0 * sqrt((double)dim)));
    if (fill == KC_DENORMAL)
        return sign * draw_denormal(kind, random);
    return draw_normal(random);
}

static void draw_floats(const kc_set *set, kc_kind kind, int fill, uint32_t number, double size,
                        unsigned char *out, uint64_t *random)
{
    const kc_kind range = kc_is_float(set->row_kind) ? set->row_kind : KC_F32;
    const double same = 0.1 * (1 + 0.125 * (number ? number - 1 : 0));
    for (uint32_t i = 0; i < set->dim; i++) {
        double x = size * draw_float(fill, range, set->dim, random);
        if (fill == KC_ONE_HOT)
            x = 0;
        else if (fill == KC_EQUAL)
            x = size * same;
        else if (fill == KC_NEAR && number)
            x = kc_get(set->query_kind, set->vectors, i) + 1e-3 * draw_normal(random);
        kc_put(kind, out, i, x);
    }
    if (fill == KC_ONE_HOT)
        kc_put(kind, out, check_below(random, set->dim), size * draw_normal(random));
}

static void draw_integers(const kc_set *set, kc_kind kind, uint32_t number, unsigned char *out,
                          uint64_t *random)
{
    const int low = kc_lowest(kind), high = kc_highest(kind), fill = set->fill;
    const bool any = fill == KC_ANY || (number % 4 == 3 && fill != KC_ZEROS);
    for (uint32_t i = 0; i < set->dim; i++) {
        int x = 0;
        if (any)
            x = low + (int)check_below(random, (uint32_t)(high - low + 1));
        else if (fill == KC_ALTERNATE)
            x = (i + number) % 2 ? high : low;
        else if (fill != KC_ZEROS && number % 4 != 2)
            x = fill == KC_HIGHEST ? high : low;
        kc_put(kind, out, i, x);
    }
}

/* An f32 query of integer rows: of their size, and drawn in another way for each of their fills. */
static void draw_mixed_query(const kc_set *set, uint32_t number, unsigned char *out,
                             uint64_t *random)
{
    static const int fills[KC_INTEGER_FILLS] = {KC_NORMAL, KC_EQUAL, KC_LOGNORMAL, KC_ONE_HOT,
                                                KC_DENORMAL};
    const int fill = fills[set->fill];
    const double size = fill == KC_DENORMAL || set->row_kind == KC_B1 ? 1 : 64;
    draw_floats(set, set->query_kind, fill, number, size, out, random);
}

void kc_draw_vector(const kc_set *set, kc_kind kind, uint32_t number, unsigned char *out,
                    uint64_t *random)
{
    memset(out, 0, kc_vector_bytes(kind, set->dim));
    if (!kc_is_float(kind))
        draw_integers(set, kind, number, out, random);
    else if (kc_is_float(set->row_kind))
        draw_floats(set, kind, set->fill, number, 1, out, random);
    else
        draw_mixed_query(set, number, out, random);
}

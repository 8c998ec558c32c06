/* kernel_values.c - the elements of vectors as doubles, by the tests' own arithmetic.
 *
 * May include the C library. Nothing of kernels/convert.h is used here: what the library believes
 * of half precision is compared with this file. The formats are read from their definition, sign,
 * exponent and fraction; rounding is nearbyint of a multiple of the spacing, which is to nearest,
 * ties to even, in the rounding mode that every program starts with.
 */
#include "tests/kernel_cases.h"
#include <math.h>
#include <string.h>

/* A format of 16 bits: bits of the fraction, and the exponent of the smallest normal number. */
typedef struct format {
    int fraction, lowest, highest;
} format;

static const format half = {10, -14, 15}, brain = {7, -126, 127};

static double value_of(format f, uint16_t bits)
{
    const int fraction = bits & ((1 << f.fraction) - 1);
    const int exponent = (bits & 0x7fff) >> f.fraction;
    const double sign = bits & 0x8000 ? -1 : 1;
    if (exponent == f.highest - f.lowest + 2)
        return fraction ? (double)NAN : sign * (double)INFINITY;
    if (exponent == 0)
        return sign * ldexp(fraction, f.lowest - f.fraction);
    return sign * ldexp((1 << f.fraction) + fraction, f.lowest - 1 + exponent - f.fraction);
}

static uint16_t bits_of(format f, double value)
{
    const uint16_t sign = signbit(value) ? 0x8000 : 0;
    const int infinity = (f.highest - f.lowest + 2) << f.fraction;
    if (isnan(value))
        return (uint16_t)(sign | infinity | 1 << (f.fraction - 1));
    const double size = fabs(value);
    if (size == 0)
        return sign;
    int exponent = isinf(size) ? f.highest + 1 : ilogb(size);
    if (exponent < f.lowest)
        exponent = f.lowest;
    if (exponent > f.highest)
        return (uint16_t)(sign | infinity);
    /* A fraction that rounds up into the next power of two carries into the exponent by itself,
     * and from the highest exponent into infinity. */
    const int units = (int)nearbyint(ldexp(size, f.fraction - exponent));
    const int normal = units >= 1 << f.fraction;
    const int bits = normal ? ((exponent - f.lowest) << f.fraction) + units : units;
    return (uint16_t)(sign | bits);
}

double kc_get(kc_kind kind, const unsigned char *vector, uint32_t i)
{
    uint16_t word;
    float x;
    switch (kind) {
    case KC_F32:
        memcpy(&x, vector + (size_t)i * sizeof x, sizeof x);
        return (double)x;
    case KC_F16:
    case KC_BF16:
        memcpy(&word, vector + (size_t)i * sizeof word, sizeof word);
        return value_of(kind == KC_F16 ? half : brain, word);
    case KC_U8:
        return vector[i];
    case KC_I8:
        return vector[i] < 128 ? vector[i] : vector[i] - 256;
    case KC_B1:
        return vector[i / 8] >> i % 8 & 1;
    default:
        return vector[i / 2] >> i % 2 * 4 & 15;
    }
}

void kc_put(kc_kind kind, unsigned char *vector, uint32_t i, double value)
{
    const unsigned int whole = kc_is_float(kind) ? 0 : (unsigned int)(int)value;
    uint16_t word;
    float x;
    switch (kind) {
    case KC_F32:
        x = (float)value;
        memcpy(vector + (size_t)i * sizeof x, &x, sizeof x);
        break;
    case KC_F16:
    case KC_BF16:
        word = bits_of(kind == KC_F16 ? half : brain, value);
        memcpy(vector + (size_t)i * sizeof word, &word, sizeof word);
        break;
    case KC_U8:
    case KC_I8:
        vector[i] = (unsigned char)whole;
        break;
    case KC_B1:
        vector[i / 8] = (unsigned char)((vector[i / 8] & ~(1u << i % 8)) | whole << i % 8);
        break;
    default:
        vector[i / 2] = (unsigned char)((vector[i / 2] & 0xf0u >> i % 2 * 4) | whole << i % 2 * 4);
    }
}

bool kc_is_float(kc_kind kind)
{
    return kind <= KC_BF16;
}

int kc_lowest(kc_kind kind)
{
    return kind == KC_I8 ? -128 : 0;
}

int kc_highest(kc_kind kind)
{
    static const int highest[] = {[KC_U8] = 255, [KC_I8] = 127, [KC_B1] = 1, [KC_U4] = 15};
    return highest[kind];
}

size_t kc_vector_bytes(kc_kind kind, uint32_t dim)
{
    static const size_t bits[] = {32, 16, 16, 8, 8, 1, 4};
    return ((size_t)dim * bits[kind] + 7) / 8;
}

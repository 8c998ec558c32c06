/* keys.h - order keys: uint32_t images of distances for which unsigned order is nearness.
 *
 * May include kernels.h only. Inline, because the scalar kernels and the end of every search use
 * it; the vector kernels do the same steps in registers and a test holds them together.
 */
#ifndef KI_KEYS_H
#define KI_KEYS_H

#include "kernels/kernels.h"
#include <string.h>

#define KI_KEY_NAN UINT32_MAX /* every NaN: after everything, infinities included */

/* Positive floats order as their bits; negative ones in reverse, below them. The caller makes
 * sure that a zero is +0 (0 - x for ip), so that equal distances are equal keys. */
static inline uint32_t ki_key_from_float(float x)
{
    uint32_t bits;
    if (x != x)
        return KI_KEY_NAN;
    memcpy(&bits, &x, sizeof bits);
    return bits & UINT32_C(0x80000000) ? ~bits : bits | UINT32_C(0x80000000);
}

static inline float ki_float_from_key(uint32_t key)
{
    uint32_t bits = key & UINT32_C(0x80000000) ? key & UINT32_C(0x7fffffff) : ~key;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t ki_key_from_int(int32_t x)
{
    return (uint32_t)x ^ UINT32_C(0x80000000);
}

/* The distance that a key stands for. */
static inline double ki_key_distance(ki_key_form form, uint32_t key)
{
    if (form == KI_KEY_UINT)
        return key;
    if (form == KI_KEY_INT)
        return (double)key - 2147483648.0;
    return (double)ki_float_from_key(key);
}

#endif

/* convert.h - the 16-bit floats: f16 (IEEE 754 binary16) and bf16 (the upper half of an f32).
 *
 * May include the C library only. Widening is exact. Narrowing rounds to nearest, ties to even,
 * in plain integer steps, so that every machine gives the same bits: values too large become
 * infinite, values too small denormal or zero, and NaN stays NaN (quiet).
 */
#ifndef KI_CONVERT_H
#define KI_CONVERT_H

#include <stdint.h>
#include <string.h>

static inline uint32_t ki_bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float ki_f32_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline float ki_f32_from_bf16(uint16_t half)
{
    return ki_f32_of_bits((uint32_t)half << 16);
}

/* Normal numbers change their exponent's bias from 15 to 127; a denormal is its fraction times
 * 2^-24, a normal number of f32. */
static inline float ki_f32_from_f16(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16, rest = half & 0x7fff;
    if (rest >= 0x7c00)
        return ki_f32_of_bits(sign | UINT32_C(0x7f800000) | (rest & 0x3ff) << 13);
    if (rest >= 0x400)
        return ki_f32_of_bits(sign | (rest + (112 << 10)) << 13);
    const float tiny = (float)rest * 0x1p-24f;
    return sign ? -tiny : tiny;
}

static inline uint16_t ki_bf16_from_f32(float x)
{
    const uint32_t bits = ki_bits_of(x);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* From 65520, half-way to the next power of two, the nearest is infinity. Below 2^-14 a sum with
 * 0.5, whose last place is 2^-24, rounds as a denormal f16 does. */
static inline uint16_t ki_f16_from_f32(float x)
{
    const uint32_t bits = ki_bits_of(x), size = bits & 0x7fffffff;
    const uint32_t sign = bits >> 16 & 0x8000;
    if (size > 0x7f800000)
        return (uint16_t)(sign | 0x7e00 | (size >> 13 & 0x3ff));
    if (size >= 0x477ff000)
        return (uint16_t)(sign | 0x7c00);
    if (size < 0x38800000)
        return (uint16_t)(sign | (ki_bits_of(ki_f32_of_bits(size) + 0.5f) - 0x3f000000));
    return (uint16_t)(sign | (size + 0xfff + (size >> 13 & 1) - (112 << 23)) >> 13);
}

#endif

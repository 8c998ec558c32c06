/* prepare_floats.h - queries for rows that are widened to f32: f16, bf16, u8, i8 and codes of i8.
 *
 * May include prepare.h and convert.h; shared by all of cpu/. A query of any type is widened here,
 * exactly and once, so that the loops widen rows alone. Norms are f64 sums in index order.
 *
 * bf16 is the upper half of an f32: a register of rows, shifted left and masked, gives even and
 * odd elements without a shuffle. The query lies in scratch in that order, which `lanes` says:
 * blocks of 2 * lanes elements, even ones first. 0 lanes leaves it as it is.
 */
#ifndef KI_CPU_PREPARE_FLOATS_H
#define KI_CPU_PREPARE_FLOATS_H

#include "cpu/prepare.h"
#include "kernels/convert.h"
#include <float.h>

/* One element of a vector, which may lie at any address. */
typedef float (*element_fn)(const unsigned char *vector, size_t i);

INLINE uint16_t half_bits(const unsigned char *vector, size_t i)
{
    uint16_t bits;
    memcpy(&bits, vector + i * sizeof bits, sizeof bits);
    return bits;
}

INLINE float f32_element(const unsigned char *vector, size_t i)
{
    float x;
    memcpy(&x, vector + i * sizeof x, sizeof x);
    return x;
}

INLINE float f16_element(const unsigned char *vector, size_t i)
{
    return ki_f32_from_f16(half_bits(vector, i));
}

INLINE float bf16_element(const unsigned char *vector, size_t i)
{
    return ki_f32_from_bf16(half_bits(vector, i));
}

INLINE float u8_element(const unsigned char *vector, size_t i)
{
    return (float)vector[i];
}

INLINE float i8_element(const unsigned char *vector, size_t i)
{
    return (float)(signed char)vector[i];
}

/* `lanes` is at most 16. Blocks of 64 elements are whole blocks of any layout. */
INLINE void split_even_odd(float *to, uint32_t dim, uint32_t lanes)
{
    for (size_t at = 0; lanes && at < whole_blocks(dim); at += 2 * (size_t)lanes) {
        float block[32];
        memcpy(block, to + at, 2 * (size_t)lanes * sizeof(float));
        for (size_t i = 0; i < lanes; i++) {
            to[at + i] = block[2 * i];
            to[at + lanes + i] = block[2 * i + 1];
        }
    }
}

INLINE void prepare_widened(const void *vector, uint32_t dim, void *scratch, ki_query *out,
                            element_fn element, int unit, uint32_t lanes)
{
    float *to = scratch;
    for (uint32_t i = 0; i < dim; i++)
        to[i] = element(vector, i);
    memset(to + dim, 0, (whole_blocks(dim) - dim) * sizeof(float));
    *out = (ki_query){.data = scratch, .dim = dim};
    if (unit)
        scale_to_unit(to, dim, out);
    split_even_odd(to, dim, lanes);
}

INLINE void prepare_float_code(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    const ki_code_query *code = vector;
    prepare_widened(code->elements, dim, scratch, out, f32_element, 0, 0);
    out->scale = code->scale;
    out->bias = code->bias;
}

/* bf16 that stays bf16, with the inverse norm beside it. In a vector of any finite bf16 the f64
 * sum of squares is finite; a norm below 2^-126 counts as zero, as it does for rows. */
INLINE void prepare_halves(const void *vector, uint32_t dim, void *scratch, ki_query *out,
                           element_fn element)
{
    uint16_t *to = scratch;
    double norm2 = 0.0;
    for (uint32_t i = 0; i < dim; i++) {
        to[i] = ki_bf16_from_f32(element(vector, i));
        norm2 += (double)ki_f32_from_bf16(to[i]) * (double)ki_f32_from_bf16(to[i]);
    }
    memset(to + dim, 0, (whole_blocks(dim) - dim) * sizeof *to);
    *out = (ki_query){.data = scratch, .dim = dim};
    out->inv_norm = sqrt(norm2) < (double)FLT_MIN ? 0.0f : (float)(1.0 / sqrt(norm2));
}

#endif

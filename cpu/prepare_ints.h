/* prepare_ints.h - integer, bit and code queries as the kernels want them, in plain C.
 *
 * May include prepare.h; shared by all of cpu/. Each layout is what one loop reads, with zeros up
 * to whole chunks. Sums and squared norms are exact: u8 to 33025 dimensions, the others to 65535.
 */
#ifndef KI_CPU_PREPARE_INTS_H
#define KI_CPU_PREPARE_INTS_H

#include "cpu/prepare.h"

/* What is known of an integer query, in any layout. */
INLINE void describe_ints(uint32_t norm2, int32_t sum, uint32_t dim, const void *scratch,
                          ki_query *out)
{
    *out = (ki_query){.data = scratch, .inorm2 = norm2, .sum = sum, .dim = dim};
    out->inv_norm = norm2 ? (float)(1.0 / sqrt((double)norm2)) : 0.0f;
}

INLINE void describe_u8(const unsigned char *vector, uint32_t dim, void *scratch, ki_query *out)
{
    uint32_t norm2 = 0;
    int32_t sum = 0;
    for (uint32_t i = 0; i < dim; i++) {
        norm2 += (uint32_t)vector[i] * vector[i];
        sum += vector[i];
    }
    describe_ints(norm2, sum, dim, scratch, out);
}

INLINE void describe_i8(const signed char *vector, uint32_t dim, void *scratch, ki_query *out)
{
    uint32_t norm2 = 0;
    int32_t sum = 0;
    for (uint32_t i = 0; i < dim; i++) {
        norm2 += (uint32_t)(vector[i] * vector[i]);
        sum += vector[i];
    }
    describe_ints(norm2, sum, dim, scratch, out);
}

/* The elements as they are. */
INLINE void lay_out_plain(const void *vector, uint32_t dim, void *scratch)
{
    memset(scratch, 0, whole_blocks(dim));
    memcpy(scratch, vector, dim);
}

/* u8 minus 128, or i8 plus 128: the same bits, and what VPDPBUSD wants of the side that meets a
 * row as it is. Padding meets zeros of the row, so it may be anything. */
INLINE void lay_out_biased(const unsigned char *vector, uint32_t dim, void *scratch)
{
    unsigned char *to = scratch;
    memset(to, 0, whole_blocks(dim));
    for (uint32_t i = 0; i < dim; i++)
        to[i] = vector[i] ^ 0x80;
}

INLINE void prepare_plain_u8(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    describe_u8(vector, dim, scratch, out);
    lay_out_plain(vector, dim, scratch);
}

INLINE void prepare_plain_i8(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    describe_i8(vector, dim, scratch, out);
    lay_out_plain(vector, dim, scratch);
}

INLINE void prepare_biased_u8(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    describe_u8(vector, dim, scratch, out);
    lay_out_biased(vector, dim, scratch);
}

INLINE void prepare_biased_i8(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    describe_i8(vector, dim, scratch, out);
    lay_out_biased(vector, dim, scratch);
}

/* Each block of 64 as 32 even elements and then 32 odd ones, 16 bits each: a row's bytes are
 * split by a mask and a shift, and the query must lie in the same order. */
INLINE void prepare_split_u8(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    const unsigned char *from = vector;
    uint16_t *to = scratch;
    describe_u8(from, dim, scratch, out);
    memset(to, 0, 2 * whole_blocks(dim));
    for (uint32_t i = 0; i < dim; i++)
        to[i / BLOCK * BLOCK + (i % 2) * (BLOCK / 2) + i % BLOCK / 2] = from[i];
}

/* Elements of 16 bits. */
INLINE void prepare_wide_i8(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    const signed char *from = vector;
    int16_t *to = scratch;
    describe_i8(from, dim, scratch, out);
    memset(to, 0, 2 * whole_blocks(dim));
    for (uint32_t i = 0; i < dim; i++)
        to[i] = from[i];
}

INLINE void describe_code(const ki_code_query *code, uint32_t dim, void *scratch, ki_query *out)
{
    describe_i8(code->elements, dim, scratch, out);
    out->scale = code->scale;
    out->bias = code->bias;
}

INLINE void prepare_plain_code(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    const ki_code_query *code = vector;
    describe_code(code, dim, scratch, out);
    lay_out_plain(code->elements, dim, scratch);
}

/* Each two `half`s of elements as the even ones and then the odd ones, which is how the halves of
 * the row's bytes come out of a register of `half` bytes: 32 or 64. */
INLINE void prepare_q4(const void *vector, uint32_t dim, size_t half, void *scratch, ki_query *out)
{
    const ki_code_query *code = vector;
    const signed char *from = code->elements;
    signed char *to = scratch;
    describe_code(code, dim, scratch, out);
    memset(to, 0, 2 * whole_blocks(dim));
    for (uint32_t i = 0; i < dim; i++)
        to[i / (2 * half) * (2 * half) + (i % 2) * half + i % (2 * half) / 2] = from[i];
}

INLINE uint32_t bits_of_byte(unsigned char byte)
{
    uint32_t bits = 0;
    for (; byte; byte = (unsigned char)(byte & (byte - 1)))
        bits++;
    return bits;
}

/* `bytes` in the scratch already, and zeros behind them. */
INLINE void describe_b1(uint32_t dim, const void *scratch, ki_query *out)
{
    const unsigned char *bytes = scratch;
    uint32_t bits = 0;
    for (size_t i = 0; i < ((size_t)dim + 7) / 8; i++)
        bits += bits_of_byte(bytes[i]);
    *out = (ki_query){.data = scratch, .inorm2 = bits, .sum = (int32_t)bits, .dim = dim};
}

/* Bits behind the last dimension are no part of the query, whatever they are. */
INLINE void prepare_plain_b1(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    const size_t bytes = ((size_t)dim + 7) / 8;
    unsigned char *to = scratch;
    memset(to, 0, (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES);
    memcpy(to, vector, bytes);
    if (dim % 8)
        to[bytes - 1] &= (unsigned char)((1u << dim % 8) - 1);
    describe_b1(dim, scratch, out);
}

/* A bit for each element above zero; NaN is not. The vector may lie at any address. */
INLINE void prepare_signs_b1(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    const unsigned char *from = vector;
    const size_t bytes = ((size_t)dim + 7) / 8;
    unsigned char *to = scratch;
    memset(to, 0, (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES);
    for (uint32_t i = 0; i < dim; i++) {
        float x;
        memcpy(&x, from + (size_t)i * sizeof x, sizeof x);
        to[i / 8] |= (unsigned char)((x > 0.0f) << i % 8);
    }
    describe_b1(dim, scratch, out);
}

#endif

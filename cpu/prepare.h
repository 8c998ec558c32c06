/* prepare.h - a query as the kernels want it, in plain C: shared by all of cpu/.
 *
 * May include addresses.h. Runs once a search, so nothing here is worth an intrinsic; each
 * instruction set compiles the layout that its loop reads. Scratch is padded with zeros to whole
 * chunks of 64 elements, which is why no kernel needs a tail for the query.
 *
 * Norms are f64 sums in index order, on every machine the same bits; so is all that follows.
 */
#ifndef KI_CPU_PREPARE_H
#define KI_CPU_PREPARE_H

#include "cpu/addresses.h"
#include <math.h>
#include <string.h>

enum { BLOCK = 64 }; /* elements; scratch holds whole blocks of u8, in one or two bytes each */

INLINE size_t whole_blocks(uint32_t dim)
{
    return ((size_t)dim + BLOCK - 1) / BLOCK * BLOCK;
}

/* What is known of a u8 query, in any layout. */
INLINE void describe_u8(const unsigned char *vector, uint32_t dim, void *scratch, ki_query *out)
{
    uint32_t norm2 = 0, sum = 0; /* exact: dim <= 33025 */
    for (uint32_t i = 0; i < dim; i++) {
        norm2 += (uint32_t)vector[i] * vector[i];
        sum += vector[i];
    }
    out->data = scratch;
    out->inv_norm = norm2 ? (float)(1.0 / sqrt((double)norm2)) : 0.0f;
    out->inorm2 = norm2;
    out->sum = (int32_t)sum;
    out->dim = dim;
}

/* The elements as they are. */
INLINE void prepare_plain_u8(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    describe_u8(vector, dim, scratch, out);
    memset(scratch, 0, whole_blocks(dim));
    memcpy(scratch, vector, dim);
}

/* Elements minus 128, so that they fit the signed side of VPDPBUSD. Padding meets zeros of the
 * row, so it may be anything. */
INLINE void prepare_biased_u8(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    const unsigned char *from = vector;
    unsigned char *to = scratch;
    describe_u8(from, dim, scratch, out);
    memset(to, 0, whole_blocks(dim));
    for (uint32_t i = 0; i < dim; i++)
        to[i] = from[i] ^ 0x80; /* the bits of from[i] - 128 */
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

/* f32 has one layout for all: the floats. */
INLINE void prepare_plain_f32(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    unsigned char *to = scratch;
    const size_t bytes = (size_t)dim * sizeof(float);
    memcpy(to, vector, bytes);
    memset(to + bytes, 0, (LINE_BYTES - bytes % LINE_BYTES) % LINE_BYTES);
    *out = (ki_query){.data = scratch, .dim = dim};
}

/* Scaled to unit length in f64, so that norms whose squares leave the range of f32 survive. */
INLINE void prepare_unit_f32(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    float *to = scratch;
    double norm2 = 0.0;
    prepare_plain_f32(vector, dim, scratch, out);
    for (uint32_t i = 0; i < dim; i++)
        norm2 += (double)to[i] * (double)to[i];
    const double norm = sqrt(norm2);
    if (norm2 > 0.0 || norm2 != norm2)
        for (uint32_t i = 0; i < dim; i++)
            to[i] = (float)((double)to[i] / norm);
    out->inv_norm = norm2 > 0.0 ? 1.0f : 0.0f;
}

#endif

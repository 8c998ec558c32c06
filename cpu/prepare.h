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

/* Scaled to unit length in f64, so that norms whose squares leave the range of f32 survive. */
INLINE void scale_to_unit(float *to, uint32_t dim, ki_query *out)
{
    double norm2 = 0.0;
    for (uint32_t i = 0; i < dim; i++)
        norm2 += (double)to[i] * (double)to[i];
    const double norm = sqrt(norm2);
    if (norm2 > 0.0 || norm2 != norm2)
        for (uint32_t i = 0; i < dim; i++)
            to[i] = (float)((double)to[i] / norm);
    out->inv_norm = norm2 > 0.0 ? 1.0f : 0.0f;
}

#endif

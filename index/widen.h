/* widen.h - rows of any type as f32, element by element and exact.
 *
 * May include kernels/. For what is not a kernel's work: matrix products of rows that are not
 * floats, and exact sums of a row of one type with a query of another.
 */
#ifndef KI_WIDEN_H
#define KI_WIDEN_H

#include "kernels/kernels.h"

/* Bits become 0 and 1. `vector` is aligned as its type asks. */
void ki_widen(kith_type type, const void *vector, uint32_t dim, float *out);

#endif

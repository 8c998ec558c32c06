/* reduce.h - an orthogonal projection learnt from rows: fewer dimensions that keep most of their
 * distances. May include workers.h. Principal component analysis (Pearson 1901; for graph search
 * LeanVec, Tepper et al., TMLR 2024).
 */
#ifndef KI_REDUCE_H
#define KI_REDUCE_H

#include "index/workers.h"
#include "kv/base.h"

/* From n >= 1 rows of dim floats that lie one after the other: the `reduced` <= dim orthonormal
 * directions in which they spread most, about their mean when `centred`, else about zero. To
 * projection[dim * reduced], the line of a dimension holding its share in each direction. The same
 * bytes on every machine and for every number of threads. Errors: ENOMEM. */
kith_status ki_reduce_learn(const float *rows, uint32_t n, uint32_t dim, uint32_t reduced,
                            bool centred, ki_workers *workers, float *projection);

/* The same in half the rounds: all but the least of the directions are then as good. */
kith_status ki_reduce_roughly(const float *rows, uint32_t n, uint32_t dim, uint32_t reduced,
                              bool centred, ki_workers *workers, float *projection);

#endif

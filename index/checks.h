/* checks.h - what the public calls ask before anything else; below them, facts are asserted.
 *
 * May include kernels/ and kv/base.h.
 */
#ifndef KI_CHECKS_H
#define KI_CHECKS_H

#include "kernels/kernels.h"
#include "kv/base.h"

/* Is this a dimension, type and metric that kernels exist for? */
kith_status ki_check_shape(uint32_t dim, kith_type type, kith_metric metric);

/* Refuses NaN and infinities, under cosine a norm beyond f32, in bits those behind the last
 * dimension. `type` is the vector's own. The sentence names the vector
 * ("query", "row", "vector") with its number and the position. */
kith_status ki_check_vector(kith_metric metric, kith_type type, uint32_t dim, const void *vector,
                            const char *name, size_t number);

/* EINVAL for more threads than a crew may have. */
kith_status ki_check_threads(uint32_t threads);

/* The features to use: detected, capped by KITH_CPU, capped by `level` (NULL: no further cap).
 * EINVAL for a level that does not exist or that this machine lacks. */
kith_status ki_choose_features(const char *level, uint64_t *out);

#endif

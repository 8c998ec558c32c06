/* prune.h - choosing the links of a node among candidates: diversity, not only nearness.
 *
 * May include walk.h. Algorithm 4 of Malkov and Yashunin (arXiv 1603.09320) with the slack alpha
 * of DiskANN (Subramanya et al., NeurIPS 2019): going outwards, a candidate is kept unless a kept
 * one is nearer to it than the node itself is, by the factor alpha.
 */
#ifndef KI_PRUNE_H
#define KI_PRUNE_H

#include "index/walk.h"

/* Scratch of one thread; its kernel is used with rows as queries. */
typedef struct ki_pruner {
    const ki_kernel *kernel;
    ki_query query;
    void *scratch;
    uint64_t *alive; /* candidates that nobody shadows yet, as pool entries */
    uint32_t *ids, *keys;
    uint32_t places; /* of each of the three arrays */
    float slack;     /* alpha in the units of the metric's keys; 1 compares keys as integers */
} ki_pruner;

typedef struct ki_pruner_options {
    const ki_kernel *kernel;
    kith_type type;
    kith_metric metric;
    uint32_t dim;
    uint32_t places; /* the most candidates of a call */
    float alpha;
} ki_pruner_options;

kith_status ki_pruner_open(const ki_pruner_options *options, ki_pruner *out);
void ki_pruner_close(ki_pruner *pruner); /* accepts a zeroed or half-open one */

/* From n candidates (pool entries by distance to the node, ascending, without the node itself)
 * keeps at most `most` into kept[], nearest first in each round (prune.c); the first `given` of
 * them (already in kept[]) are kept whatever happens and shadow others. Returns how many kept[]
 * then holds. */
uint32_t ki_prune(ki_pruner *pruner, const ki_layer *layer, const uint64_t *candidates, uint32_t n,
                  uint32_t most, uint64_t *kept, uint32_t given);

#endif

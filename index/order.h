/* order.h - numbered vectors in the order of the places that their walks go to.
 *
 * May include walk.h and workers.h. Walks to the same place read the same rows. Of many that are to
 * be done, those are best done one behind the other: what one has read, the next finds in the
 * second level of the caches. No walk depends on those before it, so results stay as they are.
 */
#ifndef KI_ORDER_H
#define KI_ORDER_H

#include "index/walk.h"
#include "index/workers.h"

typedef struct ki_place_of {
    uint64_t region;
    size_t number;
} ki_place_of;

/* ki_walk_region for vector `number` of the context, with a walker of this worker. */
typedef kith_status (*ki_region_fn)(void *context, uint32_t worker, size_t number, uint32_t layer,
                                    uint64_t *region);

/* The layer whose nodes are regions for so many walks; 0 where they do not meet often enough, or
 * read too little, for their order to matter. */
uint32_t ki_order_layer(const ki_graph *graph, size_t count);

/* Numbers 0..count-1 by region of that layer, where they are equal by number, in `out`. */
kith_status ki_order(uint32_t layer, ki_region_fn region, void *context, size_t count,
                     ki_workers *crew, ki_place_of *out);

#endif

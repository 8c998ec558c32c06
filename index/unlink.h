/* unlink.h - taking dead nodes out of a graph: see unlink.c. May include builder.h. */
#ifndef KI_UNLINK_H
#define KI_UNLINK_H

#include "index/builder.h"

/* Takes out every node whose row is dead, or holds another vector than the node was linked for:
 * those rows are then absent. Does nothing while such nodes are few and none is loose. After
 * ENOMEM or ECANCELLED the graph is whole, and its nodes are those it had. */
kith_status ki_build_unlink(ki_builder *builder);

/* Is it worth a build's time to take so many gone nodes out? They are let be while they are fewer
 * than one in KI_GONE_FEW, but where rows are loose. */
enum { KI_GONE_FEW = 32 };
static inline bool ki_unlink_pays(const ki_graph *graph, uint32_t gone)
{
    return gone && (graph->loose_count || gone >= graph->layer[0].nodes / KI_GONE_FEW);
}

/* What ki_ties_mend needs for layers of up to `ids` nodes. */
typedef struct ki_ties {
    uint32_t *leader;         /* of each node: the way to the lowest id of its part */
    uint32_t *first, *second; /* of each leader: two nodes of its part with room for a tree link */
} ki_ties;

kith_status ki_ties_open(uint32_t ids, ki_ties *out);
void ki_ties_close(ki_ties *ties); /* accepts a zeroed or half-open one */

/* Adds tree links until those of the layer span its nodes, and finds a root where it has none. The
 * tree links that there are lie in both lists and make no circle. `level` says which ids of layer 0
 * are there (not KI_ABSENT); NULL: all are. */
void ki_ties_mend(ki_ties *ties, ki_layer *layer, const uint8_t *level);

#endif

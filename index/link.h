/* link.h - a node's links: chosen, wished for in return, and lists that overflow.
 *
 * May include prune.h. A draft is what the first half found for one node in one layer, while the
 * graph stood still; see build.c for the whole story.
 */
#ifndef KI_LINK_H
#define KI_LINK_H

#include "index/prune.h"

enum {
    KI_NEAR = 16,   /* candidates remembered as possible parents */
    KI_HEADROOM = 8 /* an eighth of the slots is left free by pruning */
};

typedef struct ki_draft {
    uint32_t layer, id;
    bool again; /* the node is in the graph, and keeps its tree links */
    uint32_t link_count, near_count;
    uint64_t *links; /* pool entries, ascending; the node's own list holds the same ids already */
    uint32_t near[KI_NEAR];
} ki_draft;

/* One wish for a link back: `source` in the list of `target`. */
typedef struct ki_wish {
    uint32_t target, source, key;
    uint32_t tree; /* 1: a tree link, never pruned */
} ki_wish;

/* Memory for the wishes of a batch, and for sorting them. */
typedef struct ki_wishes {
    ki_wish *wish, *sorted;
    uint32_t *group; /* where each target's wishes begin, and the end */
    uint32_t count, groups, capacity;
} ki_wishes;

kith_status ki_wishes_open(uint32_t capacity, ki_wishes *out);
void ki_wishes_close(ki_wishes *wishes); /* accepts a zeroed or half-open one */

/* Chooses a parent for every draft of `layer`, in order, and gathers all wishes of that layer,
 * grouped by target. Changes only the counts of tree links. */
void ki_wishes_collect(ki_wishes *wishes, ki_graph *graph, uint32_t layer, const ki_draft *drafts,
                       uint32_t draft_count);

/* One thread's means to grant wishes. */
typedef struct ki_linker {
    ki_walker walker; /* measures from a target; its pool orders the candidates */
    ki_pruner pruner;
    uint64_t *kept; /* degree places */
} ki_linker;

/* Turns the pool of a walk into the draft's links, at most `most`, and its possible parents. A node
 * that is in the graph chooses among its own links as well, up to the headroom, and its tree links
 * come first and stay. */
void ki_draft_choose(ki_linker *linker, const ki_layer *layer, uint32_t most, ki_draft *draft);

/* Makes the draft's links the node's own. */
void ki_draft_write(ki_layer *layer, const ki_draft *draft);

/* Grants the wishes of group g: touches the link row of that one target only. */
void ki_wishes_grant(const ki_wishes *wishes, uint32_t g, ki_layer *layer, ki_linker *linker);

#endif

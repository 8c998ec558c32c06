/* builder.h - the inside of a build, shared by the files that do it: build.c, batch.c, again.c.
 *
 * May include build.h, link.h, mates.h and order.h. A batch is begun, rows are added to it, and it
 * is linked.
 */
#ifndef KI_BUILDER_H
#define KI_BUILDER_H

#include "index/build.h"
#include "index/link.h"
#include "index/mates.h"
#include "index/order.h"

enum { KI_BATCH_MOST = 1024, KI_MATES_ASKED = 256 /* at a time, where there is no tile */ };

typedef struct ki_builder {
    ki_graph *graph;
    const ki_build_options *options;
    ki_workers *workers;
    ki_linker *linkers;            /* one a worker */
    ki_mates *mates;               /* one a worker */
    uint32_t begin[KI_LAYERS_MAX]; /* of each layer: the first id of the batch */
    ki_draft *drafts;   /* of the batch: a row's drafts lie together, highest layer first */
    uint64_t *links;    /* where the drafts' links lie, degree of layer 0 each */
    uint32_t *first;    /* of row i of the batch: its first draft */
    ki_place_of *order; /* in which rows are drafted, by their numbers in the batch */
    uint32_t rows, draft_count, draft_capacity;
    uint32_t added[KI_LAYERS_MAX];   /* nodes that this batch adds to each layer */
    uint32_t drafted[KI_LAYERS_MAX]; /* nodes of each layer that it links */
    uint32_t highest, highest_id;    /* the node of the batch that rises highest */
    uint32_t layer;                  /* the one whose wishes are granted */
    ki_wishes wishes;
} ki_builder;

/* Around changes of what searches beside the build read. */
static inline void ki_build_shut(const ki_builder *builder)
{
    ki_turnstile_shut(builder->options->turnstile);
}

static inline void ki_build_open(const ki_builder *builder)
{
    ki_turnstile_open(builder->options->turnstile);
}

/* An empty batch, for nodes with ids from those that layers have now. */
void ki_batch_begin(ki_builder *builder);

/* Would a node of this level overfill a layer's share of the batch, or the drafts? */
bool ki_batch_has_room(const ki_builder *builder, uint32_t level);

/* Drafts for a row whose nodes were just added, and for one that has its nodes: `ids` of layers
 * 0..level. */
void ki_batch_add(ki_builder *builder, uint32_t row, uint32_t level);
void ki_batch_add_again(ki_builder *builder, uint32_t level, const uint32_t *ids);

/* Walks, and fills the drafts of rows of the batch: see batch.c. */
kith_status ki_batch_draft(ki_builder *builder);

/* Drafts, links, promotes: see build.c. */
kith_status ki_batch_link(ki_builder *builder);

/* Copies the key of a row that is to be linked, KI_KEY_MAX bytes at `key`, beside any writer.
 * Returns its length; 0 for a row that is dead, or that the build is to pass over. */
size_t ki_build_key(const ki_builder *builder, uint32_t row, void *key);

/* How many rows a batch may have now. */
uint32_t ki_batch_limit(const ki_graph *graph);

/* Links rows that the graph has seen: those that have nodes get new links beside the tree links
 * they keep, absent ones get nodes. Dead rows are passed over. *done counts the rows that are
 * through, also after a failure. */
kith_status ki_build_again(ki_builder *builder, const uint32_t *rows, uint32_t count,
                           uint32_t *done);

#endif

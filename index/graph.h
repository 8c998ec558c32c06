/* graph.h - the HNSW graph as data: layers of fixed-degree link rows.
 *
 * May include kernels/ and kv/. The one idea: every layer is the same thing, a fixed number of link
 * slots a node, so one loop walks them all. Layer 0 holds every node under its row number. A layer
 * above holds about one node in m, under ids of its own (0, 1, 2, ...), which keep its links
 * together; `down` leads from an id to the id of the same node one layer below, `row` to its row.
 *
 * The rows to measure are the store's, or codes that stand for them (codes.h). A graph that is
 * built may be walked over shorter codes still, the *brief* ones. Copies of the rows for the layers
 * above, side by side, were tried: they cost 57 bytes a vector of 832 at m = 16 and gave nothing
 * (0.96 to 1.00 of the speed without them, Fashion-MNIST).
 *
 * A link row has no count: ids first, KI_NO_LINK behind them up to the degree. Its first `kept`
 * links are tree links, which pruning never drops: they lie in both lists and span the layer as a
 * tree. So a layer is strongly connected by construction, whatever the data look like, and a walk
 * can reach every node from any start. A quarter of the slots is the most that tree links may take,
 * and at least two; n nodes have 2 (n - 1) of them in their lists, so some node always has room.
 */
#ifndef KI_GRAPH_H
#define KI_GRAPH_H

#include "index/codes.h"
#include "kernels/kernels.h"
#include "kv/store.h"

#define KI_NO_LINK UINT32_MAX

typedef struct ki_sketch ki_sketch;

enum {
    KI_LAYERS_MAX = 16, /* m >= 4, so layer 15 of 2^31 rows holds 2 of them */
    KI_M_MIN = 4,
    KI_M_MAX = 128,
    KI_EF_MAX = 1 << 16,
    KI_ABSENT = 255 /* the level of a row that is not in the graph */
};

typedef struct ki_layer {
    ki_rows rows;  /* what links were chosen by, by row number: a view of ki_graph_slab */
    ki_rows brief; /* shorter codes; base is NULL while there are none */
    ki_arena links_arena, kept_arena, down_arena, row_arena;
    uint32_t *links; /* degree slots a node */
    uint8_t *kept;   /* tree links of a node, at the front of its slots */
    uint32_t *down;  /* NULL in layer 0 */
    uint32_t *row;   /* what an id stands for; NULL in layer 0, where it is the id */
    uint32_t degree; /* a multiple of 16 in layer 0: whole 64-byte lines */
    uint32_t count;  /* ids in use are below this */
    uint32_t nodes;  /* of them in the graph: in layer 0, rows deleted before a build are not */
    uint32_t roomy;  /* every linked node below it has all the tree links it may have */
    uint32_t root;   /* the first node: all others hang below it */
} ki_layer;

typedef struct ki_graph {
    ki_layer layer[KI_LAYERS_MAX];
    uint32_t layers; /* in use; 0 while empty */
    uint32_t entry;  /* an id of the highest layer */
    ki_arena level_arena;
    uint8_t *level;  /* of each row that was seen: highest layer, or KI_ABSENT */
    uint32_t seen;   /* rows below this were offered to the graph */
    uint32_t linked; /* and below this every walk can reach them: behind `seen` only while a build
                        drafts the links of a batch */
    uint32_t m, ef_construction;
    float alpha;
    uint64_t seed;
    uint32_t *loose; /* rows below `seen` that live and are not linked as they are now: numbers that
                        were given to other vectors while the graph lay in its file; ascending.
                        Those that have a node are not usable, until a build takes it out */
    uint32_t loose_count;
    uint64_t *usable; /* a bit a row below `seen`: the node stands for what is in the store; NULL
                         when all do */
    const ki_store *engine;
    ki_codes *codes;   /* what is measured in place of rows; NULL: the rows are */
    bool lent;         /* those codes are another graph's */
    ki_codes *brief;   /* what searches may measure instead; NULL: nothing shorter */
    bool brief_ready;  /* brief codes are there for every id: false from a build's begin */
    uint32_t tried;    /* nodes there were when a trial judged codes of fewer dimensions */
    ki_sketch *sketch; /* of every row, see sketch.h; NULL: none */
    uint32_t dim;      /* of what is measured */
} ki_graph;

typedef struct ki_graph_options {
    uint32_t dim, m, ef_construction;
    float alpha;
    uint64_t seed;
} ki_graph_options;

/* An empty graph over the rows of `table`, which must outlive it. */
kith_status ki_graph_open(const ki_store *engine, const ki_graph_options *options, ki_graph **out);
void ki_graph_close(ki_graph *graph);

static inline uint32_t *ki_links(const ki_layer *layer, uint32_t id)
{
    return layer->links + (size_t)id * layer->degree;
}

/* How many tree links a node may have: its parent and some children. */
static inline uint32_t ki_tree_room(const ki_layer *layer)
{
    return layer->degree >= 8 ? layer->degree / 4 : 2;
}

/* The number of links in a row of slots. */
uint32_t ki_link_count(const ki_layer *layer, uint32_t id);

/* What layer 0 measures: the slab of the codes, else the store's. */
const ki_slab *ki_graph_slab(const ki_graph *graph);

/* Layer 0's rows follow that slab; call before rows beyond the last build are read. */
void ki_graph_follow_rows(ki_graph *graph);

/* From now on codes are measured, which the graph owns from here; it must have no node yet. */
void ki_graph_measure(ki_graph *graph, ki_codes *codes);

/* The same with the codes, if there are any, of a graph that outlives this one and keeps them. */
void ki_graph_borrow(ki_graph *graph, const ki_graph *lender);

/* Gives every live row of the store its code. What was learnt, and memory for new codes, may fail:
 * the graph is then as it was. */
kith_status ki_graph_encode(ki_graph *graph, ki_workers *workers);

/* The same for brief codes, which the graph owns from the first call on. When this succeeded after
 * the last build, searches may walk over them from ki_graph_walk_brief on. */
kith_status ki_graph_shorten(ki_graph *graph, ki_codes *brief, ki_workers *workers);
void ki_graph_walk_brief(ki_graph *graph);

/* Those that it has, or others that have a code for every row, for searches from now on; it owns
 * them, and what it had in their place is closed. NULL: it is without again. */
void ki_graph_take_brief(ki_graph *graph, ki_codes *brief);

/* Hangs the view of brief codes into the layers, and nothing else. NULL: none. */
void ki_graph_look(ki_graph *graph, const ki_codes *brief);

/* Is it walked over codes that a trial chose? They are made of the codes of its links. */
static inline bool ki_graph_is_brief(const ki_graph *graph)
{
    return graph->brief_ready && graph->brief->source;
}

/* The row that an id of a layer stands for. */
static inline uint32_t ki_layer_row(const ki_layer *layer, uint32_t id)
{
    return layer->row ? layer->row[id] : id;
}

/* The rows of n ids: the ids themselves, or in `rows`, which has room for them. */
static inline const uint32_t *ki_layer_rows(const ki_layer *layer, const uint32_t *ids, uint32_t n,
                                            uint32_t *rows)
{
    if (!layer->row)
        return ids;
    for (uint32_t i = 0; i < n; i++)
        rows[i] = layer->row[ids[i]];
    return rows;
}

/* The level of a key: how many layers its node rises above layer 0. A hash of key and seed, so
 * that it does not depend on the order of insertion: P(level >= l) = m^-l. */
uint32_t ki_graph_level(const ki_graph *graph, const void *key, size_t key_len);

/* Gives row `row` its nodes in layers 0..level, without links. Fails before it changes. The row is
 * the next that was not seen, or an absent one below. */
kith_status ki_graph_add_node(ki_graph *graph, uint32_t row, uint32_t level);

/* The ids that the last ki_graph_add_node gave its node, from layer 0 upwards. */
void ki_graph_newest(const ki_graph *graph, uint32_t row, uint32_t level, uint32_t *ids);

/* Marks a row as seen but absent (it was deleted before it was linked). */
kith_status ki_graph_skip_row(ki_graph *graph, uint32_t row);

size_t ki_graph_bytes(const ki_graph *graph);        /* memory beyond the store's */
uint64_t ki_graph_link_total(const ki_graph *graph); /* in layer 0 */
uint64_t ki_graph_digest(const ki_graph *graph);     /* of layers, links, levels and entry */

/* Every invariant, in O(nodes + links). ECORRUPT with the first violation. Trusts the sizes of the
 * arrays and nothing that is in them; check_shape does not look at `row`. */
kith_status ki_graph_check(const ki_graph *graph);
kith_status ki_graph_check_shape(const ki_graph *graph);

/* For who fills a graph from a file: memory for ids 0..count-1 of a layer, for the levels of rows
 * 0..count-1, and `row` of all layers from `down`. */
kith_status ki_graph_reserve(ki_graph *graph, uint32_t layer, uint32_t count);
kith_status ki_graph_reserve_levels(ki_graph *graph, uint32_t count);
void ki_graph_find_rows(ki_graph *graph);

#endif

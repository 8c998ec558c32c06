/* avl_check.c - whether a tree is what avl.h says.
 *
 * May touch avl.h. The one idea: believe nothing. Heights are counted from the leaves up and not
 * taken from the balances, and order and neighbours come from one walk over the children alone.
 * A link that leads in a circle ends the walk too, since no path may be longer than the highest
 * tree there can be, and no more nodes may be met than the tree counts.
 */
#include "kv/avl.h"

#define MARK (UINT32_C(1) << 31)

/* One node of the path the walk is on. */
typedef struct level {
    uint32_t node;
    uint32_t height[2]; /* of its two subtrees, as far as they have been walked */
    int walked;         /* subtrees done */
} level;

typedef struct walk {
    const ki_avl *tree;
    ki_avl_before_fn before;
    level path[KI_AVL_HEIGHT];
    uint32_t depth, met;
    uint32_t last; /* the node met last, in order */
} walk;

/* The fewest nodes of a tree so high. */
static uint64_t fewest_nodes(uint32_t height)
{
    uint64_t lower = 0, nodes = 0;
    for (uint32_t h = 0; h < height; h++) {
        uint64_t next = nodes + lower + 1;
        lower = nodes;
        nodes = next;
    }
    return nodes;
}

static kith_status go_down(walk *at, uint32_t node)
{
    if (node >= KI_AVL_NODES)
        return ki_fail(KITH_ECORRUPT, "a link leads to node %u, which cannot be", node);
    if (at->depth == KI_AVL_HEIGHT)
        return ki_fail(KITH_ECORRUPT, "a path of more than %d nodes ends at node %u", KI_AVL_HEIGHT,
                       node);
    at->path[at->depth++] = (level){.node = node};
    return KITH_OK;
}

/* The left subtree is done: the node itself is next in order. */
static kith_status meet(walk *at, uint32_t node)
{
    uint32_t left = at->tree->links[node].to[KI_LEFT], last = at->last;
    if (++at->met > at->tree->count)
        return ki_fail(KITH_ECORRUPT, "more nodes than the %u that are counted", at->tree->count);
    if ((left & MARK) && left != (last | MARK))
        return ki_fail(KITH_ECORRUPT, "before node %u comes %u, and its link says %u", node, last,
                       left & ~MARK);
    at->last = node;
    if (last == KI_NO_NODE)
        return KITH_OK;
    uint32_t right = at->tree->links[last].to[KI_RIGHT];
    if ((right & MARK) && right != (node | MARK))
        return ki_fail(KITH_ECORRUPT, "behind node %u comes %u, and its link says %u", last, node,
                       right & ~MARK);
    if (at->before != NULL && !at->before(at->tree->user, last, node))
        return ki_fail(KITH_ECORRUPT, "node %u stands before node %u and does not belong there",
                       last, node);
    return KITH_OK;
}

/* Both subtrees are done. */
static kith_status leave(walk *at)
{
    const level *top = &at->path[--at->depth];
    int64_t lean = (int64_t)top->height[KI_RIGHT] - top->height[KI_LEFT];
    int8_t stored = at->tree->balance[top->node];
    if (lean < -1 || lean > 1 || stored != lean)
        return ki_fail(KITH_ECORRUPT, "node %u has subtrees %u and %u high and a balance of %d",
                       top->node, top->height[KI_LEFT], top->height[KI_RIGHT], stored);
    if (at->depth > 0) {
        level *parent = &at->path[at->depth - 1];
        parent->height[parent->walked++] = 1 + top->height[lean > 0];
    }
    return KITH_OK;
}

/* From the lowest node of the path: down into its next subtree, or up. */
static kith_status go_on(walk *at)
{
    level *top = &at->path[at->depth - 1];
    kith_status status = KITH_OK;
    if (top->walked == 1)
        status = meet(at, top->node);
    if (status != KITH_OK)
        return status;
    if (top->walked == 2)
        return leave(at);
    uint32_t link = at->tree->links[top->node].to[top->walked];
    if ((link & MARK) == 0)
        return go_down(at, link);
    top->walked++;
    return KITH_OK;
}

kith_status ki_avl_check(const ki_avl *tree, ki_avl_before_fn before)
{
    walk at = {.tree = tree, .before = before, .last = KI_NO_NODE};
    kith_status status = tree->root == KI_NO_NODE ? KITH_OK : go_down(&at, tree->root);
    while (status == KITH_OK && at.depth > 0)
        status = go_on(&at);
    if (status != KITH_OK)
        return status;
    if (at.met != tree->count)
        return ki_fail(KITH_ECORRUPT, "%u nodes, and %u are counted", at.met, tree->count);
    if (at.last != KI_NO_NODE && tree->links[at.last].to[KI_RIGHT] != KI_NO_NODE)
        return ki_fail(KITH_ECORRUPT, "behind node %u, the last, its link says %u", at.last,
                       tree->links[at.last].to[KI_RIGHT] & ~MARK);
    uint32_t height = ki_avl_height(tree);
    if (tree->count < fewest_nodes(height))
        return ki_fail(KITH_ECORRUPT, "%u nodes stand %u high", tree->count, height);
    return KITH_OK;
}

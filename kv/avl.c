/* avl.c - the tree of Adelson-Velsky and Landis, written once for both sides.
 *
 * May touch avl.h. The one idea: growing and shrinking are the same climb. A path leads down to
 * where a subtree has become higher or lower by one; on the way back each balance is set right,
 * and a node that leans by 2 is restructured. The climb ends where the height no longer differs
 * from what it was, and one look at the balance tells: after growing, a balance of 0 means that
 * the lower side has been filled up; after shrinking, a balance other than 0 means that the other
 * side still holds the height. This covers rotations too, without a flag of their own. So an
 * insert restructures at most once, a remove at most once a level.
 *
 * A rotation keeps the sequence of nodes, and so all marked links but those of a subtree that
 * would change hands and is empty; `hand_over` is the one place that knows.
 *
 * Random keys make trees 15, 20 and 24 high at 10,000, 100,000 and 1,000,000 keys, where no tree
 * could be lower than 14, 17 and 20. An insert costs 0.23 single and 0.23 double rotations, a
 * removal 0.3 restructurings (tests/test_kv_avl_shapes.c prints them). What takes the time is
 * memory: asking for both children before the key is compared made a walk through a million keys
 * 1.5 times as fast, and one through 100,000 1.15 times.
 */
#include "kv/avl.h"

#include <assert.h>

#define MARK (UINT32_C(1) << 31)

_Static_assert(KI_AVL_NODES == MARK - 1, "KI_NO_NODE is the marked link of no node");

/* From the root down: the nodes passed, and on which side each was left. */
typedef struct trail {
    uint32_t node[KI_AVL_HEIGHT];
    ki_side side[KI_AVL_HEIGHT];
    uint32_t depth;
} trail;

static ki_side other(ki_side side)
{
    return side == KI_LEFT ? KI_RIGHT : KI_LEFT;
}

static bool is_child(uint32_t link)
{
    return (link & MARK) == 0;
}

/* The link to a node as a neighbour; KI_NO_NODE, having all bits, stays as it is. */
static uint32_t marked(uint32_t node)
{
    return node | MARK;
}

static uint32_t unmarked(uint32_t link)
{
    return link == KI_NO_NODE ? KI_NO_NODE : link & ~MARK;
}

void ki_avl_init(ki_avl *tree, ki_avl_order_fn order, const void *user)
{
    *tree = (ki_avl){.order = order, .user = user, .root = KI_NO_NODE};
}

/* ---- Finding and walking ------------------------------------------------------------------ */

/* On which side of a node to go on. Both links are asked for before the key is looked at, so that
 * the memory of either is on its way while the order is found out. */
static int look(const ki_avl *tree, const void *sought, uint32_t node)
{
    const ki_avl_links *links = &tree->links[node];
    __builtin_prefetch(&tree->links[links->to[KI_LEFT] & ~MARK]);
    __builtin_prefetch(&tree->links[links->to[KI_RIGHT] & ~MARK]);
    return tree->order(tree->user, sought, node);
}

uint32_t ki_avl_find(const ki_avl *tree, const void *sought)
{
    uint32_t link = tree->root;
    while (is_child(link)) {
        int order = look(tree, sought, link);
        if (order == 0)
            return link;
        link = tree->links[link].to[order > 0];
    }
    return KI_NO_NODE;
}

uint32_t ki_avl_at_or_behind(const ki_avl *tree, const void *sought)
{
    uint32_t link = tree->root, nearest = KI_NO_NODE;
    while (is_child(link)) {
        int order = look(tree, sought, link);
        if (order <= 0)
            nearest = link;
        if (order == 0)
            break;
        link = tree->links[link].to[order > 0];
    }
    return nearest;
}

/* The outermost node of the subtree at `node`. */
static uint32_t outermost(const ki_avl *tree, uint32_t node, ki_side side)
{
    for (uint32_t link = node; is_child(link); link = tree->links[node].to[side])
        node = link;
    return node;
}

uint32_t ki_avl_end(const ki_avl *tree, ki_side side)
{
    return outermost(tree, tree->root, side);
}

uint32_t ki_avl_step(const ki_avl *tree, uint32_t node, ki_side side)
{
    uint32_t link = tree->links[node].to[side];
    return is_child(link) ? outermost(tree, link, other(side)) : unmarked(link);
}

uint32_t ki_avl_height(const ki_avl *tree)
{
    uint32_t height = 0;
    for (uint32_t link = tree->root; is_child(link); height++)
        link = tree->links[link].to[tree->balance[link] > 0];
    return height;
}

/* ---- Restructuring ------------------------------------------------------------------------ */

/* What a neighbour of `from` gets when it takes over a link of it: the child it leads to, or, as no
 * child is there, `from` itself, the nearest on that side from now on. */
static uint32_t hand_over(const ki_avl *tree, uint32_t from, ki_side side)
{
    uint32_t link = tree->links[from].to[side];
    return is_child(link) ? link : marked(from);
}

/* The child on the heavy side comes up in the place of `top`. It may lean to neither side, but
 * only after a removal; the subtree then keeps its height. */
static uint32_t rotate_once(ki_avl *tree, uint32_t top, ki_side heavy)
{
    uint32_t child = tree->links[top].to[heavy];
    int8_t lean = heavy == KI_RIGHT ? 1 : -1;
    bool even = tree->balance[child] == 0;
    tree->links[top].to[heavy] = hand_over(tree, child, other(heavy));
    tree->links[child].to[other(heavy)] = top;
    tree->balance[top] = even ? lean : 0;
    tree->balance[child] = even ? (int8_t)-lean : 0;
    tree->singles++;
    return child;
}

/* The child leans to the inside: its inner child comes up between the two. */
static uint32_t rotate_twice(ki_avl *tree, uint32_t top, ki_side heavy)
{
    uint32_t child = tree->links[top].to[heavy];
    uint32_t inner = tree->links[child].to[other(heavy)];
    int8_t lean = heavy == KI_RIGHT ? 1 : -1, was = tree->balance[inner];
    tree->links[child].to[other(heavy)] = hand_over(tree, inner, heavy);
    tree->links[top].to[heavy] = hand_over(tree, inner, other(heavy));
    tree->links[inner].to[heavy] = child;
    tree->links[inner].to[other(heavy)] = top;
    tree->balance[top] = was == lean ? (int8_t)-lean : 0;
    tree->balance[child] = was == -lean ? lean : 0;
    tree->balance[inner] = 0;
    tree->doubles++;
    return inner;
}

static uint32_t restructure(ki_avl *tree, uint32_t top)
{
    ki_side heavy = tree->balance[top] > 0 ? KI_RIGHT : KI_LEFT;
    int8_t inward = heavy == KI_RIGHT ? -1 : 1;
    uint32_t child = tree->links[top].to[heavy];
    if (tree->balance[child] == inward)
        return rotate_twice(tree, top, heavy);
    return rotate_once(tree, top, heavy);
}

/* Makes `link` what the trail leads to at a depth. */
static void hang(ki_avl *tree, const trail *way, uint32_t depth, uint32_t link)
{
    if (depth == 0)
        tree->root = link;
    else
        tree->links[way->node[depth - 1]].to[way->side[depth - 1]] = link;
}

/* What hangs at the end of the trail has become higher (change 1) or lower (-1) by one. */
static void climb(ki_avl *tree, trail *way, int change)
{
    while (way->depth > 0) {
        uint32_t top = way->node[--way->depth];
        int lean = way->side[way->depth] == KI_RIGHT ? change : -change;
        tree->balance[top] = (int8_t)(tree->balance[top] + lean);
        if (tree->balance[top] == 2 || tree->balance[top] == -2) {
            top = restructure(tree, top);
            hang(tree, way, way->depth, top);
        }
        if ((tree->balance[top] == 0) == (change > 0))
            return;
    }
}

/* ---- Insert and remove -------------------------------------------------------------------- */

static void go(trail *way, uint32_t node, ki_side side)
{
    assert(way->depth < KI_AVL_HEIGHT);
    way->node[way->depth] = node;
    way->side[way->depth++] = side;
}

/* Walks to the node, keeping the trail; the marked link where it would be when it is absent. */
static uint32_t walk_to(const ki_avl *tree, const void *sought, trail *way)
{
    uint32_t link = tree->root;
    way->depth = 0;
    while (is_child(link)) {
        int order = look(tree, sought, link);
        if (order == 0)
            break;
        go(way, link, order > 0 ? KI_RIGHT : KI_LEFT);
        link = tree->links[link].to[order > 0];
    }
    return link;
}

uint32_t ki_avl_insert(ki_avl *tree, const void *sought, uint32_t node)
{
    trail way;
    assert(node < KI_AVL_NODES);
    uint32_t link = walk_to(tree, sought, &way);
    if (is_child(link))
        return link;
    ki_avl_links own = {{KI_NO_NODE, KI_NO_NODE}};
    if (way.depth > 0) { /* on that side the parent's neighbour, on the other the parent */
        ki_side side = way.side[way.depth - 1];
        own.to[side] = link;
        own.to[other(side)] = marked(way.node[way.depth - 1]);
    }
    tree->links[node] = own;
    tree->balance[node] = 0;
    hang(tree, &way, way.depth, node);
    tree->count++;
    climb(tree, &way, 1);
    return KI_NO_NODE;
}

/* What stands in the place of a node without a child on `side`. A child on the other side is a
 * leaf, or the node would lean by 2; it takes over the node's neighbour on this side. */
static uint32_t without(ki_avl *tree, const trail *way, uint32_t node, ki_side side)
{
    uint32_t child = tree->links[node].to[other(side)];
    if (is_child(child)) {
        tree->links[child].to[side] = tree->links[node].to[side];
        return child;
    }
    if (way->depth == 0)
        return KI_NO_NODE;
    return tree->links[node].to[way->side[way->depth - 1]];
}

/* A node with two children: the next one in order leaves its place, which the trail is led on to,
 * and takes over all that the node has. When it is the node's own child, the link behind it stays
 * its own and is not handed over. */
static void put_next_in_place(ki_avl *tree, trail *way, uint32_t node)
{
    uint32_t depth = way->depth, next = tree->links[node].to[KI_RIGHT];
    uint32_t previous = ki_avl_step(tree, node, KI_LEFT), behind = tree->links[next].to[KI_RIGHT];
    go(way, node, KI_RIGHT);
    for (uint32_t link; is_child(link = tree->links[next].to[KI_LEFT]); next = link)
        go(way, next, KI_LEFT);
    if (way->depth > depth + 1)
        behind = hand_over(tree, next, KI_RIGHT);
    hang(tree, way, way->depth, behind);
    tree->links[next] = tree->links[node];
    tree->balance[next] = tree->balance[node];
    tree->links[previous].to[KI_RIGHT] = marked(next);
    way->node[depth] = next;
    hang(tree, way, depth, next);
}

uint32_t ki_avl_remove(ki_avl *tree, const void *sought)
{
    trail way;
    uint32_t node = walk_to(tree, sought, &way);
    if (!is_child(node))
        return KI_NO_NODE;
    ki_avl_links own = tree->links[node];
    if (is_child(own.to[KI_LEFT]) && is_child(own.to[KI_RIGHT]))
        put_next_in_place(tree, &way, node);
    else
        hang(tree, &way, way.depth,
             without(tree, &way, node, is_child(own.to[KI_LEFT]) ? KI_RIGHT : KI_LEFT));
    tree->count--;
    climb(tree, &way, -1);
    return node;
}

/* ---- Building ----------------------------------------------------------------------------- */

/* A subtree still to be made of nodes[from..end), and the link that will lead to it. */
typedef struct span {
    uint32_t from, end;
    uint32_t *hook;
} span;

/* Levels of a tree of n nodes that is split in the middle at every level. */
static int levels(uint32_t n)
{
    return n == 0 ? 0 : 32 - __builtin_clz(n);
}

/* The middle one of a run becomes the top of its subtree, and so on down on either side. The left
 * half is the larger when they differ, by one node, so heights differ by one at most. */
void ki_avl_build(ki_avl *tree, const uint32_t *nodes, uint32_t n)
{
    span left_over[KI_AVL_HEIGHT];
    uint32_t waiting = 0;
    assert(n < KI_AVL_NODES);
    tree->count = n;
    tree->root = KI_NO_NODE;
    if (n > 0)
        left_over[waiting++] = (span){0, n, &tree->root};
    while (waiting > 0) {
        span run = left_over[--waiting];
        uint32_t middle = run.from + (run.end - run.from) / 2, node = nodes[middle];
        ki_avl_links *links = &tree->links[node];
        *run.hook = node;
        tree->balance[node] = (int8_t)(levels(run.end - middle - 1) - levels(middle - run.from));
        links->to[KI_LEFT] = middle > 0 ? marked(nodes[middle - 1]) : KI_NO_NODE;
        links->to[KI_RIGHT] = middle + 1 < n ? marked(nodes[middle + 1]) : KI_NO_NODE;
        if (middle + 1 < run.end)
            left_over[waiting++] = (span){middle + 1, run.end, &links->to[KI_RIGHT]};
        if (run.from < middle)
            left_over[waiting++] = (span){run.from, middle, &links->to[KI_LEFT]};
    }
}

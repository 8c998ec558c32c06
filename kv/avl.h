/* avl.h - an ordered tree of numbered nodes, for what must be found by order.
 *
 * May include base.h only. The nodes are numbers, and what a node stands for is the owner's: he
 * hands in two arrays, 9 bytes a node, and a function that says on which side of a node the thing
 * sought lies. Nothing here allocates, fails or moves a node, so an owner who has made room
 * beforehand can promise that an insert or a remove will succeed.
 *
 * A link that leads to no child leads to the neighbour in order instead, marked by its top bit.
 * So next and previous ask neither the order nor a path, whoever holds a node's number can go on
 * from there, and inserts do not disturb him. The price is a bit of each number: nodes are below
 * KI_AVL_NODES.
 *
 * What holds between any two calls; ki_avl_check looks at all of it:
 *   1. Order: all in the left subtree of a node come before it, all in the right one behind it.
 *   2. Balance: at every node the heights of its two subtrees differ by at most 1.
 *   3. The stored balance is the height of the right subtree less that of the left: -1, 0 or 1.
 *   4. A marked link is the neighbour in order, or KI_NO_NODE at the two ends.
 * From 2 the least number of nodes of a tree of height h is N(h) = N(h-1) + N(h-2) + 1, the
 * Fibonacci numbers less one, hence a height of at most 1.4405 log2(n + 2) - 0.328.
 */
#ifndef KI_AVL_H
#define KI_AVL_H

#include "kv/base.h"

#define KI_NO_NODE UINT32_MAX
#define KI_AVL_NODES (UINT32_C(0x7fffffff)) /* a node's number is below this */

/* 1.4405 * 31 - 0.328 is 44.3: no tree of 31-bit numbers is higher than this. */
enum { KI_AVL_HEIGHT = 44 };

typedef enum ki_side { KI_LEFT, KI_RIGHT } ki_side; /* before, behind */

typedef struct ki_avl_links {
    uint32_t to[2]; /* by ki_side: a child, or a neighbour marked by the top bit */
} ki_avl_links;

/* Below 0 when what is sought comes before `node`, above 0 when behind it, 0 when it is there. */
typedef int (*ki_avl_order_fn)(const void *user, const void *sought, uint32_t node);

typedef struct ki_avl {
    ki_avl_links *links; /* the owner's arrays, which may move between two calls */
    int8_t *balance;
    ki_avl_order_fn order;
    const void *user;
    uint32_t root; /* KI_NO_NODE while empty */
    uint32_t count;
    uint64_t singles, doubles; /* restructurings by one and by two rotations, ever */
} ki_avl;

/* The empty tree. It has no arrays yet; they may stay uninitialised. */
void ki_avl_init(ki_avl *tree, ki_avl_order_fn order, const void *user);

/* The node, or the nearest at or behind the thing sought; KI_NO_NODE when there is none. */
uint32_t ki_avl_find(const ki_avl *tree, const void *sought);
uint32_t ki_avl_at_or_behind(const ki_avl *tree, const void *sought);

/* Puts `node` where `sought` belongs; KI_NO_NODE. When a node is there already, that one is
 * returned and nothing changes. */
uint32_t ki_avl_insert(ki_avl *tree, const void *sought, uint32_t node);

/* Takes out the node that is sought and returns it; KI_NO_NODE when there is none. */
uint32_t ki_avl_remove(ki_avl *tree, const void *sought);

/* The outermost node of a side: the first, the last. KI_NO_NODE when empty. */
uint32_t ki_avl_end(const ki_avl *tree, ki_side side);

/* The next (KI_RIGHT) or previous (KI_LEFT) node in order; KI_NO_NODE behind the end. From end to
 * end each link is passed once, so a step is short on average and a walk of the height at most. */
uint32_t ki_avl_step(const ki_avl *tree, uint32_t node, ki_side side);

/* Makes the tree of n nodes that stand in order, as low as can be. What it held is forgotten. */
void ki_avl_build(ki_avl *tree, const uint32_t *nodes, uint32_t n);

uint32_t ki_avl_height(const ki_avl *tree); /* nodes from the root to the lowest; 0 when empty */

/* Walks the whole tree: ECORRUPT, with a sentence, when one of the four does not hold. `before`
 * says whether a comes before b; NULL leaves the first out. */
typedef bool (*ki_avl_before_fn)(const void *user, uint32_t a, uint32_t b);
kith_status ki_avl_check(const ki_avl *tree, ki_avl_before_fn before);

#endif

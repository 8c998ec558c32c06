/* extent.c - free runs in two trees: by start, to merge; by length, to fit.
 *
 * May touch extent.h. The one idea: a run is one number in both trees, 34 bytes in all, so that it
 * is found from either side and nothing has to be kept in step but the two.
 *
 * What is taken comes off the front of a run. The rest keeps its number and its place among the
 * starts, since nothing lies between; only its place among the lengths is new. The same holds when
 * what is given joins a run. So most calls leave the tree of starts as it is.
 */
#include "kv/extent.h"

#include <assert.h>
#include <string.h>

enum { FIRST_ROOM = 64 };

/* The arrays, one behind the other in one block; a node of either tree is an index to each. */
typedef struct arrays {
    ki_free_extent *run;
    ki_avl_links *start_links, *length_links;
    int8_t *start_balance, *length_balance;
} arrays;

struct ki_extents {
    ki_avl by_start, by_length;
    ki_free_extent *run;
    void *block;
    uint32_t room, used; /* nodes there are; nodes that were ever in use */
    uint32_t spare;      /* the first of those that no longer are, linked by run.start */
    uint64_t total;
};

enum { NODE_BYTES = sizeof(ki_free_extent) + 2 * sizeof(ki_avl_links) + 2 * sizeof(int8_t) };

/* ---- Two orders --------------------------------------------------------------------------- */

static int order_starts(const void *user, const void *sought, uint32_t node)
{
    const ki_free_extent *want = sought, *here = &((const ki_extents *)user)->run[node];
    return (want->start > here->start) - (want->start < here->start);
}

static int order_lengths(const void *user, const void *sought, uint32_t node)
{
    const ki_free_extent *want = sought, *here = &((const ki_extents *)user)->run[node];
    if (want->length != here->length)
        return want->length < here->length ? -1 : 1;
    return order_starts(user, sought, node);
}

/* ---- Memory ------------------------------------------------------------------------------- */

kith_status ki_extents_open(ki_extents **out)
{
    ki_extents *extents = ki_zalloc(sizeof *extents);
    if (extents == NULL)
        return ki_no_memory("a list of free space", sizeof *extents);
    ki_avl_init(&extents->by_start, order_starts, extents);
    ki_avl_init(&extents->by_length, order_lengths, extents);
    extents->spare = KI_NO_NODE;
    *out = extents;
    return KITH_OK;
}

void ki_extents_close(ki_extents *extents)
{
    if (extents == NULL)
        return;
    ki_free(extents->block);
    ki_free(extents);
}

/* The widest first, so that each begins on a multiple of its own size. */
static arrays lay_out(void *block, size_t room)
{
    arrays at = {.run = block};
    at.start_links = (ki_avl_links *)(void *)(at.run + room);
    at.length_links = at.start_links + room;
    at.start_balance = (int8_t *)(at.length_links + room);
    at.length_balance = at.start_balance + room;
    return at;
}

static void move_in(ki_extents *extents, void *block, uint32_t room)
{
    arrays at = lay_out(block, room);
    size_t used = extents->used;
    if (used > 0) {
        memcpy(at.run, extents->run, used * sizeof *at.run);
        memcpy(at.start_links, extents->by_start.links, used * sizeof *at.start_links);
        memcpy(at.length_links, extents->by_length.links, used * sizeof *at.length_links);
        memcpy(at.start_balance, extents->by_start.balance, used);
        memcpy(at.length_balance, extents->by_length.balance, used);
    }
    ki_free(extents->block);
    extents->block = block;
    extents->room = room;
    extents->run = at.run;
    extents->by_start.links = at.start_links;
    extents->by_start.balance = at.start_balance;
    extents->by_length.links = at.length_links;
    extents->by_length.balance = at.length_balance;
}

kith_status ki_extents_reserve(ki_extents *extents, size_t more)
{
    size_t room = extents->room ? extents->room : FIRST_ROOM, need;
    if (!ki_add(extents->by_start.count, more, &need) || need > KI_AVL_NODES)
        return ki_fail(KITH_ENOMEM,
                       "%u runs of free space and %zu more are beyond the %u there "
                       "can be",
                       extents->by_start.count, more, KI_AVL_NODES);
    if (need <= extents->room)
        return KITH_OK;
    while (room < need)
        room *= 2;
    if (room > KI_AVL_NODES)
        room = KI_AVL_NODES;
    void *block = ki_alloc(room * NODE_BYTES);
    if (block == NULL)
        return ki_no_memory("a list of free space", room * NODE_BYTES);
    move_in(extents, block, (uint32_t)room);
    return KITH_OK;
}

static uint32_t new_node(ki_extents *extents)
{
    uint32_t node = extents->spare;
    if (node == KI_NO_NODE) {
        assert(extents->used < extents->room);
        return extents->used++;
    }
    extents->spare = (uint32_t)extents->run[node].start;
    return node;
}

static void drop_node(ki_extents *extents, uint32_t node)
{
    extents->run[node].start = extents->spare;
    extents->spare = node;
}

/* ---- Giving and taking -------------------------------------------------------------------- */

/* The run at `node` becomes another, of which the start still stands between its neighbours. */
static void resize(ki_extents *extents, uint32_t node, ki_free_extent run)
{
    ki_avl_remove(&extents->by_length, &extents->run[node]);
    extents->run[node] = run;
    ki_avl_insert(&extents->by_length, &run, node);
}

static void add_run(ki_extents *extents, ki_free_extent run)
{
    uint32_t node = new_node(extents);
    extents->run[node] = run;
    ki_avl_insert(&extents->by_start, &run, node);
    ki_avl_insert(&extents->by_length, &run, node);
}

static void remove_run(ki_extents *extents, uint32_t node)
{
    ki_avl_remove(&extents->by_length, &extents->run[node]);
    ki_avl_remove(&extents->by_start, &extents->run[node]);
    drop_node(extents, node);
}

static uint64_t end_of(const ki_extents *extents, uint32_t node)
{
    return extents->run[node].start + extents->run[node].length;
}

bool ki_extents_give(ki_extents *extents, uint64_t start, uint64_t length)
{
    ki_free_extent run = {start, length};
    uint64_t end;
    if (length == 0 || __builtin_add_overflow(start, length, &end))
        return false;
    uint32_t next = ki_avl_at_or_behind(&extents->by_start, &run), last;
    last = next == KI_NO_NODE ? ki_avl_end(&extents->by_start, KI_RIGHT)
                              : ki_avl_step(&extents->by_start, next, KI_LEFT);
    if ((next != KI_NO_NODE && extents->run[next].start < end) ||
        (last != KI_NO_NODE && end_of(extents, last) > start))
        return false;
    bool joins_next = next != KI_NO_NODE && extents->run[next].start == end;
    bool joins_last = last != KI_NO_NODE && end_of(extents, last) == start;
    extents->total += length;
    if (joins_next)
        run.length += extents->run[next].length;
    if (joins_last) {
        run.start = extents->run[last].start;
        run.length += extents->run[last].length;
        if (joins_next)
            remove_run(extents, next);
        resize(extents, last, run);
    } else if (joins_next) {
        resize(extents, next, run);
    } else {
        add_run(extents, run);
    }
    return true;
}

bool ki_extents_take(ki_extents *extents, uint64_t length, uint64_t *start)
{
    ki_free_extent want = {0, length};
    assert(length > 0);
    uint32_t node = ki_avl_at_or_behind(&extents->by_length, &want);
    if (node == KI_NO_NODE)
        return false;
    ki_free_extent run = extents->run[node];
    *start = run.start;
    extents->total -= length;
    if (run.length == length)
        remove_run(extents, node);
    else
        resize(extents, node, (ki_free_extent){run.start + length, run.length - length});
    return true;
}

/* ---- What is there ------------------------------------------------------------------------ */

bool ki_extents_next(const ki_extents *extents, uint64_t from, ki_free_extent *out)
{
    ki_free_extent want = {from, 0};
    uint32_t node = ki_avl_at_or_behind(&extents->by_start, &want);
    if (node == KI_NO_NODE)
        return false;
    *out = extents->run[node];
    return true;
}

uint64_t ki_extents_free(const ki_extents *extents)
{
    return extents->total;
}

uint64_t ki_extents_longest(const ki_extents *extents)
{
    uint32_t node = ki_avl_end(&extents->by_length, KI_RIGHT);
    return node == KI_NO_NODE ? 0 : extents->run[node].length;
}

uint32_t ki_extents_count(const ki_extents *extents)
{
    return extents->by_start.count;
}

size_t ki_extents_bytes(const ki_extents *extents)
{
    return sizeof *extents + (size_t)extents->room * NODE_BYTES;
}

/* Before, with something used in between. */
static bool starts_before(const void *user, uint32_t a, uint32_t b)
{
    return end_of(user, a) < ((const ki_extents *)user)->run[b].start;
}

static bool length_before(const void *user, uint32_t a, uint32_t b)
{
    return order_lengths(user, &((const ki_extents *)user)->run[a], b) < 0;
}

kith_status ki_extents_check(const ki_extents *extents)
{
    uint64_t total = 0;
    kith_status status = ki_avl_check(&extents->by_start, starts_before);
    if (status == KITH_OK)
        status = ki_avl_check(&extents->by_length, length_before);
    if (status != KITH_OK)
        return status;
    if (extents->by_start.count != extents->by_length.count)
        return ki_fail(KITH_ECORRUPT, "%u runs by start and %u by length", extents->by_start.count,
                       extents->by_length.count);
    for (uint32_t node = ki_avl_end(&extents->by_start, KI_LEFT); node != KI_NO_NODE;
         node = ki_avl_step(&extents->by_start, node, KI_RIGHT)) {
        total += extents->run[node].length;
        if (ki_avl_find(&extents->by_length, &extents->run[node]) != node)
            return ki_fail(KITH_ECORRUPT, "run %u is not where its length would put it", node);
    }
    if (total != extents->total)
        return ki_fail(KITH_ECORRUPT, "%llu places are free, and %llu are counted",
                       (unsigned long long)total, (unsigned long long)extents->total);
    return KITH_OK;
}

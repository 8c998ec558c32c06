/* link.c - see link.h. Wishes are gathered by one thread in draft order and sorted by target with
 * a stable radix sort, so each list changes the same way for every number of threads. Lists are
 * then edited in parallel, each by one thread.
 *
 * A list that overflows is pruned a little below its limit (KI_HEADROOM), because a list that is
 * pruned to the brim overflows again at the next wish: hubs would be pruned in every batch.
 */
#include "index/link.h"
#include <assert.h>

kith_status ki_wishes_open(uint32_t capacity, ki_wishes *out)
{
    ki_wishes wishes = {.capacity = capacity};
    size_t bytes = (size_t)capacity * sizeof(ki_wish);
    wishes.wish = ki_alloc(bytes);
    wishes.sorted = ki_alloc(bytes);
    wishes.group = ki_alloc(((size_t)capacity + 1) * sizeof *wishes.group);
    if (!wishes.wish || !wishes.sorted || !wishes.group) {
        ki_wishes_close(&wishes);
        return ki_no_memory("the links of a batch", bytes * 2);
    }
    *out = wishes;
    return KITH_OK;
}

void ki_wishes_close(ki_wishes *wishes)
{
    ki_free(wishes->wish);
    ki_free(wishes->sorted);
    ki_free(wishes->group);
    *wishes = (ki_wishes){0};
}

/* A node that hangs in the tree already, and has room for a child. Those of the batch that had no
 * parent yet, and absent ones, have no tree link. */
static bool may_be_parent(const ki_layer *layer, uint32_t id)
{
    return layer->kept[id] < ki_tree_room(layer) && (layer->kept[id] > 0 || id == layer->root);
}

/* The nearest earlier candidate with room for a child, else the first node of the layer with room.
 * There always is one before the draft's: v nodes have 2(v - 1) tree links and room for 2v. */
static uint32_t choose_parent(ki_layer *layer, const ki_draft *draft)
{
    for (uint32_t i = 0; i < draft->near_count; i++)
        if (may_be_parent(layer, draft->near[i]))
            return draft->near[i];
    while (!may_be_parent(layer, layer->roomy)) {
        layer->roomy++;
        assert(layer->roomy < layer->count);
    }
    return layer->roomy;
}

/* The link to the parent leads the node's own list. When the parent is a stranger to the list it
 * takes a free slot, or in a full list that of the farthest link. */
static void lead_with_parent(ki_layer *layer, const ki_draft *draft, uint32_t parent)
{
    uint32_t *links = ki_links(layer, draft->id), at = 0;
    while (at < draft->link_count && links[at] != parent)
        at++;
    if (at == layer->degree)
        at--;
    memmove(links + 1, links, at * sizeof *links);
    links[0] = parent;
    layer->kept[draft->id]++;
}

/* `parent` is KI_NO_LINK for a node that has one. */
static void wish_all(ki_wishes *wishes, const ki_draft *draft, uint32_t parent)
{
    bool parent_linked = parent == KI_NO_LINK;
    for (uint32_t i = 0; i < draft->link_count; i++) {
        uint32_t target = ki_pool_id(draft->links[i]);
        parent_linked |= target == parent;
        wishes->wish[wishes->count++] = (ki_wish){.target = target,
                                                  .source = draft->id,
                                                  .key = ki_pool_key(draft->links[i]),
                                                  .tree = target == parent};
    }
    if (!parent_linked)
        wishes->wish[wishes->count++] = (ki_wish){.target = parent, .source = draft->id, .tree = 1};
}

/* One pass of a stable radix sort by 11 bits of the target. */
static void sort_pass(const ki_wish *from, ki_wish *to, uint32_t count, uint32_t shift)
{
    uint32_t place[2049] = {0};
    for (uint32_t i = 0; i < count; i++)
        place[(from[i].target >> shift & 2047) + 1]++;
    for (uint32_t i = 0; i < 2048; i++)
        place[i + 1] += place[i];
    for (uint32_t i = 0; i < count; i++)
        to[place[from[i].target >> shift & 2047]++] = from[i];
}

static void sort_by_target(ki_wishes *wishes, uint32_t target_count)
{
    for (uint32_t shift = 0; shift < 33 && target_count >> shift; shift += 11) {
        sort_pass(wishes->wish, wishes->sorted, wishes->count, shift);
        ki_wish *swap = wishes->wish;
        wishes->wish = wishes->sorted;
        wishes->sorted = swap;
    }
    wishes->groups = 0;
    for (uint32_t i = 0; i < wishes->count; i++)
        if (!i || wishes->wish[i].target != wishes->wish[i - 1].target)
            wishes->group[wishes->groups++] = i;
    wishes->group[wishes->groups] = wishes->count;
}

void ki_wishes_collect(ki_wishes *wishes, ki_graph *graph, uint32_t layer, const ki_draft *drafts,
                       uint32_t draft_count)
{
    ki_layer *the_layer = &graph->layer[layer];
    wishes->count = 0;
    for (uint32_t i = 0; i < draft_count; i++) {
        if (drafts[i].layer != layer || (drafts[i].id == the_layer->root && !drafts[i].again))
            continue;
        if (drafts[i].again) {
            wish_all(wishes, &drafts[i], KI_NO_LINK);
            continue;
        }
        uint32_t parent = choose_parent(the_layer, &drafts[i]);
        the_layer->kept[parent]++;
        lead_with_parent(the_layer, &drafts[i], parent);
        if (drafts[i].id < the_layer->roomy) /* a number that was given again: it has room now */
            the_layer->roomy = drafts[i].id;
        wish_all(wishes, &drafts[i], parent);
    }
    sort_by_target(wishes, the_layer->count);
}

static uint32_t find_link(const uint32_t *links, uint32_t count, uint32_t id)
{
    uint32_t at = 0;
    while (at < count && links[at] != id)
        at++;
    return at;
}

/* Grants a wish that fits: a tree link goes behind the tree links, any other to the end. Nodes of
 * one batch may have chosen each other; then the link is there, and at most moves to the front. */
static void grant_one(uint32_t *links, uint32_t *count, uint32_t *kept, const ki_wish *wish)
{
    uint32_t at = find_link(links, *count, wish->source);
    *count += at == *count;
    if (!wish->tree) {
        links[at] = wish->source;
        return;
    }
    assert(at >= *kept); /* a child has one parent, so it is no tree link yet */
    memmove(links + *kept + 1, links + *kept, (at - *kept) * sizeof *links);
    links[(*kept)++] = wish->source;
}

/* Measures the target's old links that are no tree links and offers them as candidates. */
static void offer_old_links(ki_linker *linker, const ki_layer *layer, uint32_t target,
                            uint32_t old_count, uint32_t old_kept)
{
    ki_walker *walker = &linker->walker;
    const uint32_t *links = ki_links(layer, target) + old_kept;
    uint32_t n = old_count - old_kept;
    ki_walker_aim(walker,
                  layer->rows.base + (size_t)ki_layer_row(layer, target) * layer->rows.stride);
    ki_walk_measure(walker, layer, links, n);
    for (uint32_t i = 0; i < n; i++)
        ki_pool_offer(&walker->pool, ki_pool_entry(walker->keys[i], links[i]));
}

/* Too many: tree links stay, the rest is pruned together with the newcomers. */
static void replace(ki_linker *linker, ki_layer *layer, uint32_t target, const ki_wish *wish,
                    uint32_t n, uint32_t old_count, uint32_t old_kept)
{
    uint32_t *links = ki_links(layer, target), given = 0;
    ki_pool *pool = &linker->walker.pool;
    for (uint32_t i = 0; i < old_kept; i++)
        linker->kept[given++] = ki_pool_entry(0, links[i]);
    for (uint32_t i = 0; i < n; i++)
        if (wish[i].tree)
            linker->kept[given++] = ki_pool_entry(0, wish[i].source);
    ki_pool_clear(pool);
    offer_old_links(linker, layer, target, old_count, old_kept);
    for (uint32_t i = 0; i < n; i++)
        if (!wish[i].tree && find_link(links, old_count, wish[i].source) == old_count)
            ki_pool_offer(pool, ki_pool_entry(wish[i].key, wish[i].source));
    uint32_t most = layer->degree - layer->degree / KI_HEADROOM;
    uint32_t count =
        ki_prune(&linker->pruner, layer, pool->entry, pool->size, most, linker->kept, given);
    for (uint32_t i = 0; i < layer->degree; i++)
        links[i] = i < count ? ki_pool_id(linker->kept[i]) : KI_NO_LINK;
}

void ki_wishes_grant(const ki_wishes *wishes, uint32_t g, ki_layer *layer, ki_linker *linker)
{
    const ki_wish *wish = wishes->wish + wishes->group[g];
    uint32_t n = wishes->group[g + 1] - wishes->group[g], trees = 0, strangers = 0;
    uint32_t target = wish->target, count = ki_link_count(layer, target);
    uint32_t *links = ki_links(layer, target);
    for (uint32_t i = 0; i < n; i++) {
        trees += wish[i].tree;
        strangers += find_link(links, count, wish[i].source) == count;
    }
    uint32_t kept = layer->kept[target] - trees; /* the new ones are counted there already */
    if (count + strangers > layer->degree) {
        replace(linker, layer, target, wish, n, count, kept);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        grant_one(links, &count, &kept, &wish[i]);
}

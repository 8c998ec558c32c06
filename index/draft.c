/* draft.c - the first half of an insertion, when the walk is done: see link.h.
 */
#include "index/link.h"

/* The node's own links beside those of the walk, which goes around their near ends only. */
static void offer_own_links(ki_linker *linker, const ki_layer *layer, uint32_t id)
{
    ki_walker *walker = &linker->walker;
    ki_pool *pool = &walker->pool;
    const uint32_t *links = ki_links(layer, id);
    const uint32_t n = ki_link_count(layer, id), found = pool->size;
    ki_walk_measure(walker, layer, links, n);
    pool->capacity = found + n;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = 0;
        while (at < pool->size && ki_pool_id(pool->entry[at]) != links[i])
            at++;
        if (at == pool->size)
            ki_pool_offer(pool, ki_pool_entry(walker->keys[i], links[i]));
    }
}

/* Takes the node itself out of what it found. */
static void forget_self(ki_pool *pool, uint32_t id)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < pool->size; i++)
        if (ki_pool_id(pool->entry[i]) != id)
            pool->entry[kept++] = pool->entry[i];
    pool->size = kept;
}

/* Turns the pool of a walk into the draft's links. Tree links of a node that has some come first
 * and stay. */
void ki_draft_choose(ki_linker *linker, const ki_layer *layer, uint32_t most, ki_draft *draft)
{
    ki_pool *pool = &linker->walker.pool;
    uint32_t given = 0;
    if (draft->again) {
        offer_own_links(linker, layer, draft->id);
        forget_self(pool, draft->id);
        for (; given < layer->kept[draft->id]; given++)
            draft->links[given] = ki_pool_entry(0, ki_links(layer, draft->id)[given]);
        most = layer->degree - layer->degree / KI_HEADROOM;
    }
    draft->link_count =
        ki_prune(&linker->pruner, layer, pool->entry, pool->size, most, draft->links, given);
    draft->near_count = pool->size < KI_NEAR ? pool->size : KI_NEAR;
    for (uint32_t i = 0; i < draft->near_count; i++)
        draft->near[i] = ki_pool_id(pool->entry[i]);
}

void ki_draft_write(ki_layer *layer, const ki_draft *draft)
{
    uint32_t *links = ki_links(layer, draft->id);
    for (uint32_t i = 0; i < layer->degree; i++)
        links[i] = i < draft->link_count ? ki_pool_id(draft->links[i]) : KI_NO_LINK;
}

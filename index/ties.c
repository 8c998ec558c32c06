/* ties.c - the spanning tree of a layer, when nodes have gone and it fell to parts: see unlink.h.
 *
 * May touch unlink.h. Parts are kept as Tarjan's disjoint sets. First, links that lead from one
 * part to another become tree links, in the order of ids and of lists, roughly the nearer first:
 * they cost a list nothing. That nearly always joins everything. What is still apart is tied by any
 * two nodes that have room, and there always are: a part of n nodes has n - 1 tree links, which lie
 * in 2 (n - 1) lists and have room for 2 n, so it can be tied to one part before it and one behind.
 */
#include "index/unlink.h"

kith_status ki_ties_open(uint32_t ids, ki_ties *out)
{
    const size_t bytes = (size_t)ids * sizeof(uint32_t) + 1;
    ki_ties ties = {ki_alloc(bytes), ki_alloc(bytes), ki_alloc(bytes)};
    if (!ties.leader || !ties.first || !ties.second) {
        ki_ties_close(&ties);
        return ki_no_memory("the tree of a graph", 3 * bytes);
    }
    *out = ties;
    return KITH_OK;
}

void ki_ties_close(ki_ties *ties)
{
    ki_free(ties->leader);
    ki_free(ties->first);
    ki_free(ties->second);
    *ties = (ki_ties){0};
}

static uint32_t leader_of(ki_ties *ties, uint32_t id)
{
    uint32_t *leader = ties->leader;
    while (leader[id] != id) {
        leader[id] = leader[leader[id]];
        id = leader[id];
    }
    return id;
}

/* The lower leads, so that a leader is the first of its part in the order of ids. */
static void unite(ki_ties *ties, uint32_t a, uint32_t b)
{
    a = leader_of(ties, a);
    b = leader_of(ties, b);
    ties->leader[a < b ? b : a] = a < b ? a : b;
}

static bool is_there(const uint8_t *level, uint32_t id)
{
    return !level || level[id] != KI_ABSENT;
}

static uint32_t room_of(const ki_layer *layer, uint32_t id)
{
    const uint32_t most = ki_tree_room(layer);
    return layer->kept[id] < most ? most - layer->kept[id] : 0;
}

/* The link comes behind the tree links; in a full list it takes the place of the last one. */
static void lead_to(ki_layer *layer, uint32_t from, uint32_t to)
{
    uint32_t *links = ki_links(layer, from), at = 0;
    while (at < layer->degree - 1 && links[at] != to && links[at] != KI_NO_LINK)
        at++;
    const uint32_t kept = layer->kept[from]++;
    memmove(links + kept + 1, links + kept, (at - kept) * sizeof *links);
    links[kept] = to;
}

static void tie(ki_layer *layer, uint32_t a, uint32_t b)
{
    lead_to(layer, a, b);
    lead_to(layer, b, a);
}

static void find_parts(ki_ties *ties, const ki_layer *layer, const uint8_t *level)
{
    for (uint32_t id = 0; id < layer->count; id++)
        ties->leader[id] = id;
    for (uint32_t id = 0; id < layer->count; id++)
        for (uint32_t i = 0; is_there(level, id) && i < layer->kept[id]; i++)
            unite(ties, id, ki_links(layer, id)[i]);
}

/* Tying a link moves it before those that were looked at, so the next is where it was. */
static void tie_by_links(ki_ties *ties, ki_layer *layer, uint32_t id)
{
    const uint32_t *links = ki_links(layer, id);
    for (uint32_t i = layer->kept[id]; i < layer->degree && links[i] != KI_NO_LINK; i++) {
        const uint32_t other = links[i];
        if (!room_of(layer, id))
            return;
        if (!room_of(layer, other) || leader_of(ties, id) == leader_of(ties, other))
            continue;
        tie(layer, id, other);
        unite(ties, id, other);
    }
}

static void find_room(ki_ties *ties, const ki_layer *layer, const uint8_t *level)
{
    for (uint32_t id = 0; id < layer->count; id++)
        ties->first[id] = ties->second[id] = KI_NO_LINK;
    for (uint32_t id = 0; id < layer->count; id++) {
        const uint32_t part = leader_of(ties, id);
        for (uint32_t room = is_there(level, id) ? room_of(layer, id) : 0; room; room--)
            if (ties->first[part] == KI_NO_LINK)
                ties->first[part] = id;
            else if (ties->second[part] == KI_NO_LINK)
                ties->second[part] = id;
    }
}

void ki_ties_mend(ki_ties *ties, ki_layer *layer, const uint8_t *level)
{
    uint32_t end = KI_NO_LINK; /* of what is tied so far: a node with room */
    find_parts(ties, layer, level);
    for (uint32_t id = 0; id < layer->count; id++)
        if (is_there(level, id))
            tie_by_links(ties, layer, id);
    find_room(ties, layer, level);
    layer->roomy = 0;
    for (uint32_t id = 0; id < layer->count; id++) {
        if (!is_there(level, id) || leader_of(ties, id) != id)
            continue;
        if (end != KI_NO_LINK)
            tie(layer, end, ties->first[id]);
        else if (layer->root == KI_NO_LINK)
            layer->root = id;
        end = ties->second[id];
    }
}

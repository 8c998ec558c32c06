/* validate.c - the invariants of a graph, as code: what graph.h says in prose is tested here.
 *
 * O(nodes + links). Used by kith_index_check and after every build in the tests; it trusts
 * nothing but the arrays' sizes, so that it can also judge a graph that came from a file.
 */
#include "index/graph.h"
#include <string.h>

static kith_status wrong(uint32_t l, uint32_t id, const char *what, uint32_t number)
{
    return ki_fail(KITH_ECORRUPT, "node %u of layer %u %s (%u)", id, l, what, number);
}

static bool is_present(const ki_graph *graph, uint32_t l, uint32_t id)
{
    return l || graph->level[id] != KI_ABSENT;
}

/* `mark` remembers per id the last node that linked to it: a second time is a double link. */
static kith_status check_links(const ki_graph *graph, uint32_t l, uint32_t id, uint32_t *mark)
{
    const ki_layer *layer = &graph->layer[l];
    const uint32_t *links = ki_links(layer, id);
    uint32_t count = ki_link_count(layer, id);
    for (uint32_t i = 0; i < count; i++) {
        if (links[i] >= layer->count || !is_present(graph, l, links[i]))
            return wrong(l, id, "links to a node that is not there", links[i]);
        if (links[i] == id)
            return wrong(l, id, "links to itself in slot", i);
        if (mark[links[i]] == id)
            return wrong(l, id, "links twice to a node", links[i]);
        mark[links[i]] = id;
    }
    for (uint32_t i = count; i < layer->degree; i++)
        if (links[i] != KI_NO_LINK)
            return wrong(l, id, "has a link behind the end, in slot", i);
    if (layer->kept[id] > count)
        return wrong(l, id, "has fewer links than tree links", layer->kept[id]);
    if (layer->kept[id] > ki_tree_room(layer))
        return wrong(l, id, "has more tree links than there is room for", layer->kept[id]);
    if (!is_present(graph, l, id) && count)
        return wrong(l, id, "is absent but has links", count);
    return KITH_OK;
}

/* Each tree link must lie in both lists. */
static kith_status check_tree(const ki_layer *layer, uint32_t l, uint32_t id)
{
    for (uint32_t i = 0; i < layer->kept[id]; i++) {
        uint32_t other = ki_links(layer, id)[i], j = 0;
        while (j < layer->kept[other] && ki_links(layer, other)[j] != id)
            j++;
        if (j == layer->kept[other])
            return wrong(l, id, "has a tree link that is not returned by node", other);
    }
    return KITH_OK;
}

/* Follows tree links from the root with an explicit queue; every node must be met. They lie in
 * both lists and are one fewer than the nodes, so they span the layer, and every node can be
 * reached from every other. */
static kith_status check_reach(const ki_graph *graph, uint32_t l, uint32_t *queue, uint32_t *mark)
{
    const ki_layer *layer = &graph->layer[l];
    uint32_t head = 0, tail = 0;
    if (layer->root >= layer->count || !is_present(graph, l, layer->root))
        return wrong(l, layer->root, "is the root but not there; nodes", layer->nodes);
    memset(mark, 0, (size_t)layer->count * sizeof *mark);
    queue[tail++] = layer->root;
    mark[layer->root] = 1;
    while (head < tail) {
        uint32_t id = queue[head++];
        for (uint32_t i = 0; i < layer->kept[id]; i++) {
            uint32_t next = ki_links(layer, id)[i];
            if (!mark[next]) {
                mark[next] = 1;
                queue[tail++] = next;
            }
        }
    }
    if (tail != layer->nodes)
        return ki_fail(KITH_ECORRUPT, "only %u of %u nodes of layer %u can be reached", tail,
                       layer->nodes, l);
    return KITH_OK;
}

/* A node of a layer above 0 stands, through `down`, for a row whose level is at least l, is
 * written down with that row, and no other node of the layer stands for it. */
static kith_status check_down(const ki_graph *graph, uint32_t l, uint32_t id, bool rows,
                              uint32_t *mark)
{
    uint32_t row = id;
    for (uint32_t i = l; i > 0; i--) {
        if (row >= graph->layer[i].count)
            return wrong(l, id, "leads down to a node that is not there", row);
        row = graph->layer[i].down[row];
    }
    if (row >= graph->seen || graph->level[row] == KI_ABSENT || graph->level[row] < l)
        return wrong(l, id, "stands for a row of a lower level, row", row);
    if (rows && graph->layer[l].row[id] != row)
        return wrong(l, id, "is written down with another row than", row);
    if (mark[row])
        return wrong(l, id, "stands for a row that another node stands for", row);
    mark[row] = 1;
    return KITH_OK;
}

static kith_status check_nodes(const ki_graph *graph, uint32_t l, bool rows, uint32_t *mark)
{
    const ki_layer *layer = &graph->layer[l];
    kith_status status = KITH_OK;
    memset(mark, 0xff, (size_t)layer->count * sizeof *mark);
    for (uint32_t id = 0; id < layer->count && !status; id++)
        status = check_links(graph, l, id, mark);
    for (uint32_t id = 0; id < layer->count && !status; id++)
        status = check_tree(layer, l, id);
    if (l)
        memset(mark, 0, (size_t)graph->seen * sizeof *mark);
    for (uint32_t id = 0; id < layer->count && l && !status; id++)
        status = check_down(graph, l, id, rows, mark);
    return status;
}

static kith_status check_layer(const ki_graph *graph, uint32_t l, bool rows, uint32_t *mark,
                               uint32_t *queue)
{
    const ki_layer *layer = &graph->layer[l];
    uint64_t tree = 0, nodes = 0;
    if (layer->count > graph->seen)
        return ki_fail(KITH_ECORRUPT, "layer %u has %u ids for %u rows", l, layer->count,
                       graph->seen);
    kith_status status = check_nodes(graph, l, rows, mark);
    if (status)
        return status;
    for (uint32_t id = 0; id < layer->count; id++) {
        tree += layer->kept[id];
        nodes += is_present(graph, l, id);
    }
    if (nodes != layer->nodes || tree != 2 * (nodes - 1))
        return ki_fail(KITH_ECORRUPT, "layer %u counts %u nodes, has %llu and %llu tree links", l,
                       layer->nodes, (unsigned long long)nodes, (unsigned long long)tree);
    return check_reach(graph, l, queue, mark);
}

/* How many rows rise to each level, against what the layers hold. */
static kith_status check_levels(const ki_graph *graph)
{
    for (uint32_t l = 0; l < graph->layers; l++) {
        uint32_t rising = 0;
        for (uint32_t row = 0; row < graph->seen; row++) {
            if (graph->level[row] != KI_ABSENT && graph->level[row] >= graph->layers)
                return wrong(0, row, "rises above the highest layer, to", graph->level[row]);
            rising += graph->level[row] != KI_ABSENT && graph->level[row] >= l;
        }
        if (rising != graph->layer[l].nodes)
            return ki_fail(KITH_ECORRUPT, "%u rows reach layer %u, which has %u nodes", rising, l,
                           graph->layer[l].nodes);
    }
    return KITH_OK;
}

/* A loose row has been seen and has no node that could be taken for it; a row whose node may be
 * taken for it has a node. */
static kith_status check_loose(const ki_graph *graph)
{
    const uint64_t *usable = graph->usable;
    for (uint32_t i = 0; i < graph->loose_count; i++) {
        const uint32_t row = graph->loose[i];
        if (row >= graph->seen || (i && row <= graph->loose[i - 1]))
            return ki_fail(KITH_ECORRUPT, "loose row %u is out of order or was never seen", row);
        if (graph->level[row] != KI_ABSENT && !(usable && !(usable[row / 64] >> (row % 64) & 1)))
            return ki_fail(KITH_ECORRUPT, "loose row %u has a node that is taken for it", row);
    }
    for (uint32_t row = 0; row < graph->seen && usable; row++)
        if (graph->level[row] == KI_ABSENT && usable[row / 64] >> (row % 64) & 1)
            return ki_fail(KITH_ECORRUPT, "row %u is absent but its node is to be used", row);
    return KITH_OK;
}

static kith_status check(const ki_graph *graph, bool rows)
{
    kith_status status = check_loose(graph);
    if (status)
        return status;
    if (!graph->layers)
        return graph->layer[0].nodes
                   ? ki_fail(KITH_ECORRUPT, "no entry to %u nodes", graph->layer[0].nodes)
                   : KITH_OK;
    if (graph->layers > KI_LAYERS_MAX || graph->entry >= graph->layer[graph->layers - 1].count)
        return ki_fail(KITH_ECORRUPT, "entry %u is not in layer %u", graph->entry,
                       graph->layers - 1);
    size_t bytes = (size_t)graph->seen * sizeof(uint32_t);
    uint32_t *mark = ki_alloc(bytes), *queue = ki_alloc(bytes);
    status = mark && queue ? check_levels(graph) : ki_no_memory("a check", 2 * bytes);
    for (uint32_t l = 0; l < graph->layers && !status; l++)
        status = check_layer(graph, l, rows, mark, queue);
    ki_free(mark);
    ki_free(queue);
    return status;
}

kith_status ki_graph_check(const ki_graph *graph)
{
    return check(graph, true);
}

kith_status ki_graph_check_shape(const ki_graph *graph)
{
    return check(graph, false);
}

/* unlink.c - dead nodes leave the graph, and those who linked to them find each other.
 *
 * May touch unlink.h. A node is *gone* when its row was deleted, or when its row number was given
 * to another vector while the graph lay in its file. Until a build such nodes lead the way; here
 * they are taken out:
 *   1. in parallel, whoever links to gone nodes looks at their links, and through those that are
 *      gone as well at theirs, and fills its list with what it finds there, pruned as every list is
 *      (FreshDiskANN, Singh et al., arXiv 2105.09613). Only its own list is written and only lists
 *      of gone nodes are read, which nobody writes: no batches, and the same lists for any number
 *      of threads. Searches beside the build wait for some thousand lists at a time. Tree links
 * stay, to gone nodes too, so that the graph is whole at any moment and a build may be stopped;
 *   2. gone nodes are cut off, layers above close their ranks under new ids, and the tree is tied
 *      together (ties.c). Nothing here can fail.
 * The row numbers are absent then. Those that live again are linked like new ones, in all layers
 * that their new key wants.
 *
 * When more than one node in MANY is gone, the graph is built anew instead: what is left costs less
 * to link than what went had cost, and of what holds a graph together too much went at once (half
 * of the rows deleted, under ip a walk measured 1.3 to 1.8 times as many to find as much).
 *
 * Before, dead nodes stayed for good, and the node of a loose row was linked anew where it was,
 * with the links of its old neighbours to it: half of 10,000 rows replaced, a walk of equal width
 * then measured 11 to 30 % more rows than in a new graph, and half of them deleted 38 to 75 % more,
 * or found less. Now, with one in ten to one in four gone and over all kinds of rows, it measures
 * as many for the same recall (0.9 to 1.2 times). Pruning the links that a node had together with
 * those that it finds, as FreshDiskANN does, lost 0.6 % of recall at ef 10 when one row in ten
 * went: the links that came back from others are more than a pruned list has.
 */
#include "index/unlink.h"
#include "index/scan.h"

enum {
    MANY = 3,       /* more than one in so many, and the graph is built anew */
    STEP = 1 << 12, /* ids between two reports, and while searches beside the build wait */
    GRAIN = 64,
    CHAIN = 2 * KI_M_MAX + 16 + 64, /* gone nodes whose links one node looks at */
    ENOUGH = 2                      /* times its degree: candidates that end the search for more */
};

typedef struct unlinking {
    ki_builder *b;
    uint64_t *gone; /* a bit a row */
    uint32_t gone_count;
    uint32_t *id[KI_LAYERS_MAX]; /* of each node of a layer above 0, its id to be */
    ki_ties ties;
    uint32_t layer, first; /* whose lists are being chosen, and from which id on */
    uint64_t done, all;    /* lists of all layers: looked at, and to be looked at */
} unlinking;

static bool is_gone_row(const ki_graph *graph, uint32_t row)
{
    if (graph->level[row] == KI_ABSENT)
        return false;
    return !ki_is_live(ki_store_live(graph->engine), row) ||
           (graph->usable && !ki_is_live(graph->usable, row));
}

static bool is_gone(const unlinking *u, uint32_t l, uint32_t id)
{
    return ki_is_live(u->gone, ki_layer_row(&u->b->graph->layer[l], id));
}

/* ---- before anything changes: memory ---- */

static void close_unlinking(unlinking *u)
{
    for (uint32_t l = 1; l < KI_LAYERS_MAX; l++)
        ki_free(u->id[l]);
    ki_free(u->gone);
    ki_ties_close(&u->ties);
}

/* Looks at each row once: beside a writer (a part of a replica set may have one) a second look
 * could find more of them dead, and what is decided by their number must be done to the same rows.
 */
static kith_status find_gone(ki_builder *b, unlinking *u)
{
    const ki_graph *graph = b->graph;
    const size_t bytes = ((size_t)graph->seen / 64 + 1) * sizeof *u->gone;
    *u = (unlinking){.b = b, .gone = ki_zalloc(bytes)};
    if (!u->gone)
        return ki_no_memory("the dead rows of a graph", bytes);
    for (uint32_t row = 0; row < graph->seen; row++) {
        const bool gone = is_gone_row(graph, row);
        u->gone[row / 64] |= (uint64_t)gone << (row % 64);
        u->gone_count += gone;
    }
    return KITH_OK;
}

static kith_status open_unlinking(unlinking *u)
{
    const ki_builder *b = u->b;
    const ki_graph *graph = b->graph;
    kith_status status = ki_ties_open(graph->layer[0].count, &u->ties);
    for (uint32_t l = 0; l < graph->layers; l++)
        u->all += graph->layer[l].count;
    for (uint32_t l = 1; l < graph->layers && !status; l++) {
        const size_t ids = graph->layer[l].count * sizeof *u->id[l];
        if (!(u->id[l] = ki_alloc(ids + 1)))
            status = ki_no_memory("the ids of a layer", ids);
    }
    for (uint32_t i = 0; i < ki_workers_count(b->workers) && !status; i++)
        status = ki_walker_reserve(&b->linkers[i].walker, graph->layer[0].count);
    return status;
}

/* ---- 1. lists without gone nodes ---- */

/* The gone nodes whose links one node looks at: its own first, tree links before the others. */
typedef struct gone_ones {
    uint32_t id[CHAIN];
    uint32_t size, own, trees;
} gone_ones;

/* The node's live links to linker->kept, tree links first; returns how many, *trees of them tree
 * links. All are marked as met, and so is the node. */
static uint32_t sort_own(const unlinking *u, ki_linker *linker, uint32_t id, gone_ones *gone,
                         uint32_t *trees)
{
    const ki_layer *layer = &u->b->graph->layer[u->layer];
    const uint32_t *links = ki_links(layer, id), count = ki_link_count(layer, id);
    ki_visited *visited = &linker->walker.visited;
    uint32_t given = 0;
    *trees = gone->size = gone->trees = 0;
    ki_visited_begin(visited);
    ki_visited_mark(visited, id);
    for (uint32_t i = 0; i < count; i++) {
        ki_visited_mark(visited, links[i]);
        if (is_gone(u, u->layer, links[i]))
            gone->id[gone->size++] = links[i];
        else
            linker->kept[given++] = ki_pool_entry(0, links[i]);
        if (i + 1 == layer->kept[id]) {
            *trees = given;
            gone->trees = gone->size;
        }
    }
    gone->own = gone->size;
    return given;
}

/* Offers to the pool those that a gone node links to and that were not met before; of the gone
 * among them, as many as there is room for, the links will be looked at too. */
static uint32_t look_behind(const unlinking *u, ki_linker *linker, uint32_t id, gone_ones *gone)
{
    const ki_layer *layer = &u->b->graph->layer[u->layer];
    const uint32_t *links = ki_links(layer, id);
    ki_walker *walker = &linker->walker;
    uint32_t n = 0;
    for (uint32_t i = 0; i < layer->degree && links[i] != KI_NO_LINK; i++) {
        if (!ki_visited_mark(&walker->visited, links[i]))
            continue;
        if (!is_gone(u, u->layer, links[i]))
            walker->ids[n++] = links[i];
        else if (gone->size < CHAIN)
            gone->id[gone->size++] = links[i];
    }
    ki_walk_measure(walker, layer, walker->ids, n);
    for (uint32_t i = 0; i < n; i++)
        ki_pool_offer(&walker->pool, ki_pool_entry(walker->keys[i], walker->ids[i]));
    return n;
}

/* To the pool: what lies behind the node's gone links, and behind the gone that it finds there as
 * long as it has not found enough. */
static void find_candidates(const unlinking *u, ki_linker *linker, uint32_t id, gone_ones *gone)
{
    const ki_layer *layer = &u->b->graph->layer[u->layer];
    const size_t row = ki_layer_row(layer, id);
    ki_pool *pool = &linker->walker.pool;
    uint32_t found = 0;
    ki_pool_clear(pool);
    pool->capacity = 4 * layer->degree;
    ki_walker_aim(&linker->walker, layer->rows.base + row * layer->rows.stride);
    for (uint32_t i = 0; i < gone->size; i++)
        if (i < gone->own || found < ENOUGH * layer->degree)
            found += look_behind(u, linker, gone->id[i], gone);
}

/* The list is then: live tree links, tree links to the gone, which will be cut off, the other live
 * links, the chosen. */
static void choose_anew(const unlinking *u, ki_linker *linker, uint32_t id)
{
    ki_layer *layer = &u->b->graph->layer[u->layer];
    const ki_pool *pool = &linker->walker.pool;
    const uint32_t most = layer->degree - layer->degree / KI_HEADROOM;
    uint32_t *links = ki_links(layer, id), trees;
    gone_ones gone;
    const uint32_t given = sort_own(u, linker, id, &gone, &trees);
    find_candidates(u, linker, id, &gone);
    const uint32_t count = ki_prune(&linker->pruner, layer, pool->entry, pool->size,
                                    most > gone.trees ? most - gone.trees : 0, linker->kept, given);
    for (uint32_t i = 0; i < count; i++)
        links[i < trees ? i : i + gone.trees] = ki_pool_id(linker->kept[i]);
    memcpy(links + trees, gone.id, gone.trees * sizeof *links);
    for (uint32_t i = count + gone.trees; i < layer->degree; i++)
        links[i] = KI_NO_LINK;
}

static kith_status choose_job(void *context, uint32_t worker, size_t first, size_t last)
{
    const unlinking *u = context;
    const ki_graph *graph = u->b->graph;
    const ki_layer *layer = &graph->layer[u->layer];
    for (uint32_t id = u->first + (uint32_t)first; id < u->first + last; id++) {
        const uint32_t *links = ki_links(layer, id);
        bool wants = false;
        if ((!u->layer && graph->level[id] == KI_ABSENT) || is_gone(u, u->layer, id))
            continue;
        for (uint32_t i = 0; i < layer->degree && links[i] != KI_NO_LINK && !wants; i++)
            wants = is_gone(u, u->layer, links[i]);
        if (wants)
            choose_anew(u, &u->b->linkers[worker], id);
    }
    return KITH_OK;
}

/* One total for all layers, so that what is done never falls back. */
static kith_status report(const unlinking *u)
{
    const ki_build_options *options = u->b->options;
    if (!options->progress || !options->progress(options->user, u->done, u->all))
        return KITH_OK;
    return ki_fail(KITH_ECANCELLED,
                   "the build was stopped before its %u dead rows were taken out, after %llu of "
                   "%llu lists",
                   u->gone_count, (unsigned long long)u->done, (unsigned long long)u->all);
}

static kith_status choose_all(unlinking *u)
{
    for (u->layer = 0; u->layer < u->b->graph->layers; u->layer++) {
        const uint32_t count = u->b->graph->layer[u->layer].count;
        for (u->first = 0; u->first < count; u->first += STEP) {
            const uint32_t n = count - u->first < STEP ? count - u->first : STEP;
            ki_build_shut(u->b);
            kith_status status = ki_workers_run(u->b->workers, n, GRAIN, choose_job, u);
            ki_build_open(u->b);
            u->done += n;
            if (!status)
                status = report(u);
            if (status)
                return status;
        }
    }
    return KITH_OK;
}

/* ---- 2. the cut ---- */

/* The list of a node that stays, without the gone, under the ids to be. */
static void cut_list(const unlinking *u, ki_layer *layer, uint32_t l, uint32_t id)
{
    uint32_t *links = ki_links(layer, id), stay = 0;
    const uint32_t count = ki_link_count(layer, id), kept = layer->kept[id];
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t other = links[i];
        if (is_gone(u, l, other))
            layer->kept[id] = (uint8_t)(layer->kept[id] - (i < kept));
        else
            links[stay++] = l ? u->id[l][other] : other;
    }
    for (uint32_t i = stay; i < count; i++)
        links[i] = KI_NO_LINK;
}

static void cut_lowest(const unlinking *u)
{
    ki_layer *layer = &u->b->graph->layer[0];
    for (uint32_t id = 0; id < layer->count; id++)
        if (!is_gone(u, 0, id)) {
            cut_list(u, layer, 0, id);
        } else {
            memset(ki_links(layer, id), 0xff, layer->degree * sizeof *layer->links);
            layer->kept[id] = 0;
            layer->nodes--;
        }
    if (is_gone(u, 0, layer->root))
        layer->root = KI_NO_LINK;
}

/* Gives the nodes that stay their ids to be, without gaps and in the old order. */
static uint32_t number_layer(const unlinking *u, uint32_t l)
{
    uint32_t stay = 0;
    for (uint32_t id = 0; id < u->b->graph->layer[l].count; id++)
        u->id[l][id] = is_gone(u, l, id) ? KI_NO_LINK : stay++;
    return stay;
}

static void cut_above(const unlinking *u, uint32_t l)
{
    ki_layer *layer = &u->b->graph->layer[l];
    const uint32_t stay = number_layer(u, l);
    for (uint32_t id = 0; id < layer->count; id++)
        if (!is_gone(u, l, id))
            cut_list(u, layer, l, id);
    /* To lower places, so none is overwritten early. */
    for (uint32_t id = 0; id < layer->count; id++) {
        const uint32_t to = u->id[l][id];
        if (to == KI_NO_LINK)
            continue;
        memmove(ki_links(layer, to), ki_links(layer, id), layer->degree * sizeof *layer->links);
        layer->kept[to] = layer->kept[id];
        layer->row[to] = layer->row[id];
        layer->down[to] = l > 1 ? u->id[l - 1][layer->down[id]] : layer->down[id];
    }
    layer->root = u->id[l][layer->root];
    layer->count = layer->nodes = stay;
}

static void cut(unlinking *u)
{
    ki_graph *graph = u->b->graph;
    const uint32_t top = graph->layers - 1;
    cut_lowest(u);
    for (uint32_t l = 1; l <= top; l++)
        cut_above(u, l);
    const bool entry_stays =
        top ? u->id[top][graph->entry] != KI_NO_LINK : !is_gone(u, 0, graph->entry);
    if (top && entry_stays)
        graph->entry = u->id[top][graph->entry];
    for (uint32_t row = 0; row < graph->seen; row++)
        if (ki_is_live(u->gone, row))
            graph->level[row] = KI_ABSENT;
    for (uint32_t l = 0; l <= top; l++)
        ki_ties_mend(&u->ties, &graph->layer[l], l ? NULL : graph->level);
    while (graph->layers && !graph->layer[graph->layers - 1].nodes)
        graph->layers--;
    if (!graph->layers)
        graph->entry = 0;
    if (graph->layers && !(entry_stays && graph->layers == top + 1))
        graph->entry = graph->layer[graph->layers - 1].root;
    ki_free(graph->usable); /* every node stands for its row */
    graph->usable = NULL;
}

/* An empty graph again, as if no row had been seen. */
static void start_anew(ki_builder *b)
{
    ki_graph *graph = b->graph;
    ki_build_shut(b);
    for (uint32_t l = 0; l < graph->layers; l++)
        graph->layer[l].count = graph->layer[l].nodes = 0;
    graph->layers = graph->seen = graph->linked = graph->loose_count = graph->entry = graph->tried =
        0;
    ki_free(graph->loose);
    ki_free(graph->usable);
    graph->loose = NULL;
    graph->usable = NULL;
    ki_build_open(b);
}

static kith_status take_out(unlinking *u)
{
    kith_status status = open_unlinking(u);
    if (!status)
        status = choose_all(u);
    if (!status) {
        ki_build_shut(u->b);
        cut(u);
        ki_build_open(u->b);
    }
    return status;
}

kith_status ki_build_unlink(ki_builder *b)
{
    ki_graph *graph = b->graph;
    const uint32_t nodes = graph->layer[0].nodes;
    unlinking u;
    kith_status status = find_gone(b, &u);
    if (status)
        return status;
    if (u.gone_count > nodes / MANY)
        start_anew(b);
    else if (ki_unlink_pays(graph, u.gone_count))
        status = take_out(&u);
    close_unlinking(&u);
    return status;
}

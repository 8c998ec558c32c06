/* build.c - the builder: batches against a graph that stands still, no locks, one result.
 *
 * Rows are linked in batches (the shape of ParlayANN, Manohar et al., PPoPP 2024). For a batch,
 *   1. every row gets its nodes, without links: nobody can reach them yet (add_rows);
 *   2. in parallel, every new node walks the graph of the batches before, looks at the other new
 *      nodes one by one, and drafts its links (batch.c);
 *   3. layer by layer, one thread collects the links back (link.c), then all edit lists, each
 *      list by one thread;
 *   4. a higher entry is promoted, last of all, when its node is linked.
 * So a node sees who came before and with it, never a half-written list, and the graph depends
 * on rows, keys and options alone: not on the number of threads, nor on who was faster. Since keys
 * of u8, i8 and b1 rows are exact integers, or one of them divided in a fixed order, not on the
 * instruction set either.
 *
 * Searches may go on meanwhile, at the turnstile: step 2, which takes most of the time, changes
 * nothing that they read, and for the others, a thousand rows' worth of links at most, they wait.
 *
 * Batches grow with the graph, up to a 64th of it: comparing with the whole batch then costs a
 * few percent of a walk. No batch adds more nodes to a layer than the layer has, and the first
 * node of a layer comes alone. Without a look at the batch, rows that came cluster by cluster
 * lost 3 % of themselves: the first of a cluster linked to strangers only.
 */
#include "index/build.h"
#include "index/builder.h"
#include "index/scan.h"
#include "index/unlink.h"

enum { BATCH_SHARE = 64, BATCH_SOON = 32 };

static kith_status open_linker(const ki_builder *b, ki_linker *linker)
{
    const ki_graph *graph = b->graph;
    uint32_t degree = graph->layer[0].degree;
    uint32_t pool =
        degree + (graph->ef_construction > 4 * degree ? graph->ef_construction : 4 * degree);
    ki_walker_options wo = {.kernel = b->options->kernel,
                            .sift = b->options->sift,
                            .pairing = (ki_pairing)b->options->type,
                            .dim = graph->dim,
                            .pool_capacity = pool,
                            .hop_places = degree > KI_MATES_ASKED ? degree : KI_MATES_ASKED};
    ki_pruner_options po = {.kernel = b->options->kernel,
                            .type = b->options->type,
                            .metric = b->options->metric,
                            .dim = graph->dim,
                            .places = pool,
                            .alpha = graph->alpha};
    kith_status status = ki_walker_open(&wo, &linker->walker);
    if (!status)
        status = ki_pruner_open(&po, &linker->pruner);
    if (!status && !(linker->kept = ki_alloc(degree * sizeof *linker->kept)))
        status = ki_no_memory("links", degree * sizeof *linker->kept);
    return status;
}

static void close_builder(ki_builder *b)
{
    for (uint32_t i = 0; b->mates && i < ki_workers_count(b->workers); i++)
        ki_mates_close(&b->mates[i]);
    for (uint32_t i = 0; b->linkers && i < ki_workers_count(b->workers); i++) {
        ki_walker_close(&b->linkers[i].walker);
        ki_pruner_close(&b->linkers[i].pruner);
        ki_free(b->linkers[i].kept);
    }
    ki_free(b->mates);
    ki_free(b->linkers);
    ki_free(b->drafts);
    ki_free(b->links);
    ki_free(b->first);
    ki_free(b->order);
    ki_wishes_close(&b->wishes);
    ki_workers_close(b->workers);
}

static kith_status open_builder(ki_graph *graph, const ki_build_options *options, ki_builder *b)
{
    *b = (ki_builder){.graph = graph, .options = options, .draft_capacity = 2 * KI_BATCH_MOST};
    uint32_t degree = graph->layer[0].degree;
    kith_status status = ki_workers_open(options->threads, &b->workers);
    if (status)
        return status;
    size_t crew = ki_workers_count(b->workers) * sizeof *b->linkers;
    size_t mates = ki_workers_count(b->workers) * sizeof *b->mates;
    size_t link_bytes = (size_t)b->draft_capacity * degree * sizeof *b->links;
    b->linkers = ki_zalloc(crew);
    b->mates = ki_zalloc(mates);
    b->drafts = ki_alloc(b->draft_capacity * sizeof *b->drafts);
    b->links = ki_alloc(link_bytes);
    b->first = ki_alloc((KI_BATCH_MOST + 1) * sizeof *b->first);
    b->order = ki_alloc(KI_BATCH_MOST * sizeof *b->order);
    if (!b->linkers || !b->mates || !b->drafts || !b->links || !b->first || !b->order)
        return ki_no_memory("a batch of the build", crew + mates + link_bytes);
    for (uint32_t i = 0; i < ki_workers_count(b->workers) && !status; i++) {
        status = open_linker(b, &b->linkers[i]);
        if (!status)
            status = ki_mates_open(options->kernel, (ki_pairing)options->type, graph->dim,
                                   KI_BATCH_MOST, &b->mates[i]);
    }
    return status ? status : ki_wishes_open(b->draft_capacity * (degree + 1), &b->wishes);
}

/* How many rows the next batch may have. */
uint32_t ki_batch_limit(const ki_graph *graph)
{
    uint32_t nodes = graph->layer[0].nodes;
    uint32_t limit = nodes / BATCH_SHARE;
    if (limit < BATCH_SOON)
        limit = nodes < BATCH_SOON ? nodes : BATCH_SOON;
    if (limit > KI_BATCH_MOST)
        limit = KI_BATCH_MOST;
    return limit ? limit : 1;
}

bool ki_batch_has_room(const ki_builder *b, uint32_t level)
{
    if (b->draft_count + level + 1 > b->draft_capacity)
        return false;
    for (uint32_t l = 0; l <= level; l++) {
        uint32_t before = b->graph->layer[l].nodes - b->added[l];
        if (b->added[l] && b->added[l] + 1 > before)
            return false;
    }
    return true;
}

static void add_drafts(ki_builder *b, uint32_t level, const uint32_t *ids, bool again)
{
    b->first[b->rows++] = b->draft_count;
    for (uint32_t l = level + 1; l-- > 0;) {
        ki_draft *draft = &b->drafts[b->draft_count];
        *draft = (ki_draft){.layer = l, .id = ids[l], .again = again};
        draft->links = b->links + (size_t)b->draft_count * b->graph->layer[0].degree;
        b->draft_count++;
        b->drafted[l]++;
        b->added[l] += !again;
    }
    b->first[b->rows] = b->draft_count;
}

void ki_batch_add(ki_builder *b, uint32_t row, uint32_t level)
{
    uint32_t ids[KI_LAYERS_MAX];
    ki_graph_newest(b->graph, row, level, ids);
    add_drafts(b, level, ids, false);
    if (level + 1 > b->highest) {
        b->highest = level + 1;
        b->highest_id = ids[level];
    }
}

void ki_batch_add_again(ki_builder *b, uint32_t level, const uint32_t *ids)
{
    add_drafts(b, level, ids, true);
}

void ki_batch_begin(ki_builder *b)
{
    b->rows = b->draft_count = 0;
    b->first[0] = 0;
    b->highest = b->graph->layers;
    memset(b->added, 0, sizeof b->added);
    memset(b->drafted, 0, sizeof b->drafted);
    for (uint32_t l = 0; l < KI_LAYERS_MAX; l++)
        b->begin[l] = b->graph->layer[l].count;
}

size_t ki_build_key(const ki_builder *b, uint32_t row, void *key)
{
    const uint64_t *only = b->options->only;
    return ki_is_live(only, row) ? ki_store_key_copy(b->graph->engine, row, key) : 0;
}

/* Step 1. A failure cuts the batch short; what was added before it will be linked. */
static kith_status add_rows(ki_builder *b, uint32_t table_rows)
{
    ki_graph *graph = b->graph;
    uint32_t limit = ki_batch_limit(graph);
    while (b->rows < limit && graph->seen < table_rows) {
        unsigned char key[KI_KEY_MAX];
        uint32_t row = graph->seen;
        const size_t key_len = ki_build_key(b, row, key);
        kith_status status;
        if (key_len) {
            uint32_t level = ki_graph_level(graph, key, key_len);
            if (!ki_batch_has_room(b, level))
                break;
            status = ki_graph_add_node(graph, row, level);
            if (!status)
                ki_batch_add(b, row, level);
        } else {
            status = ki_graph_skip_row(graph, row);
        }
        if (status)
            return status;
    }
    return KITH_OK;
}

static kith_status begin_batch(ki_builder *b, uint32_t table_rows)
{
    ki_batch_begin(b);
    ki_build_shut(b);
    const kith_status status = add_rows(b, table_rows);
    if (!b->rows) /* all of them dead: nothing waits to be linked */
        b->graph->linked = b->graph->seen;
    ki_build_open(b);
    return status;
}

static kith_status grant_job(void *context, uint32_t worker, size_t first, size_t last)
{
    ki_builder *b = context;
    ki_linker *linker = &b->linkers[worker];
    ki_layer *layer = &b->graph->layer[b->layer];
    linker->walker.pool.capacity = 4 * layer->degree;
    for (size_t g = first; g < last; g++)
        ki_wishes_grant(&b->wishes, (uint32_t)g, layer, linker);
    return KITH_OK;
}

/* Steps 3 and 4. Nodes that others walk over get their own links when all walks are done. */
static kith_status link_drafts(ki_builder *b, kith_status status)
{
    ki_graph *graph = b->graph;
    for (uint32_t i = 0; i < b->draft_count && !status; i++)
        if (b->drafts[i].again)
            ki_draft_write(&graph->layer[b->drafts[i].layer], &b->drafts[i]);
    for (uint32_t l = 0; l < KI_LAYERS_MAX && b->drafted[l]; l++) {
        b->layer = l;
        ki_wishes_collect(&b->wishes, graph, l, b->drafts, b->draft_count);
        kith_status granted = ki_workers_run(b->workers, b->wishes.groups, 16, grant_job, b);
        status = status ? status : granted;
    }
    if (b->highest > graph->layers) {
        graph->layers = b->highest;
        graph->entry = b->highest_id;
    }
    graph->linked = graph->seen;
    return status;
}

kith_status ki_batch_link(ki_builder *b)
{
    kith_status status = ki_batch_draft(b);
    ki_build_shut(b);
    status = link_drafts(b, status);
    ki_build_open(b);
    return status;
}

static kith_status report(const ki_build_options *options, uint64_t done, uint64_t all)
{
    if (options->progress && options->progress(options->user, done, all))
        return ki_fail(KITH_ECANCELLED, "the build was stopped after %llu of %llu rows",
                       (unsigned long long)done, (unsigned long long)all);
    return KITH_OK;
}

static kith_status link_new(ki_builder *b, uint32_t table_rows)
{
    ki_graph *graph = b->graph;
    const uint32_t start = graph->seen;
    kith_status status = KITH_OK;
    while (!status && graph->seen < table_rows) {
        status = begin_batch(b, table_rows);
        kith_status linked = b->rows ? ki_batch_link(b) : KITH_OK;
        status = status ? status : linked;
        if (!status)
            status = report(b->options, graph->seen - start, table_rows - start);
    }
    return status;
}

/* A walk beside the build may meet loose rows that were linked just now: they are compared as loose
 * ones until all are through, so their nodes must not count. */
static kith_status mark_loose(ki_graph *graph)
{
    const size_t words = (size_t)graph->seen / 64 + 1, bytes = words * sizeof *graph->usable;
    if (graph->usable)
        return KITH_OK;
    graph->usable = ki_zalloc(bytes); /* every node is usable: loose rows have none by now */
    if (!graph->usable)
        return ki_no_memory("the rows of a graph that changed", bytes);
    for (uint32_t row = 0; row < graph->seen; row++)
        graph->usable[row / 64] |= (uint64_t)(graph->level[row] != KI_ABSENT) << (row % 64);
    return KITH_OK;
}

/* Rows that are through are loose no more, also when others remain. One that died has no node. */
static void forget_loose(ki_graph *graph, uint32_t done)
{
    for (uint32_t i = 0; i < done && graph->usable; i++)
        if (graph->level[graph->loose[i]] != KI_ABSENT)
            graph->usable[graph->loose[i] / 64] |= UINT64_C(1) << (graph->loose[i] % 64);
    graph->loose_count -= done;
    memmove(graph->loose, graph->loose + done, graph->loose_count * sizeof *graph->loose);
    if (!graph->loose_count) { /* what is still unusable is dead */
        ki_free(graph->usable);
        ki_free(graph->loose);
        graph->usable = NULL;
        graph->loose = NULL;
    }
}

static kith_status link_loose(ki_builder *b)
{
    uint32_t done = 0;
    ki_build_shut(b);
    kith_status status = mark_loose(b->graph);
    ki_build_open(b);
    if (!status)
        status = ki_build_again(b, b->graph->loose, b->graph->loose_count, &done);
    ki_build_shut(b);
    forget_loose(b->graph, done);
    ki_build_open(b);
    return status;
}

/* The second pass: whoever came early could link to those before only. */
static kith_status link_twice(ki_builder *b, uint32_t start)
{
    const uint32_t count = b->graph->seen - start;
    uint32_t *rows = ki_alloc((size_t)count * sizeof *rows + 1), done;
    if (!rows)
        return ki_no_memory("the second pass of a build", (size_t)count * sizeof *rows);
    for (uint32_t i = 0; i < count; i++)
        rows[i] = start + i;
    kith_status status = ki_build_again(b, rows, count, &done);
    ki_free(rows);
    return status;
}

kith_status ki_graph_build(ki_graph *graph, const ki_build_options *options)
{
    const uint32_t table_rows = options->rows ? options->rows : ki_store_rows(graph->engine);
    uint32_t start;
    ki_builder b;
    kith_status status = open_builder(graph, options, &b);
    ki_build_shut(&b);
    ki_graph_follow_rows(graph);
    ki_build_open(&b);
    if (!status)
        status = ki_build_unlink(&b);
    start = graph->seen;
    if (!status && graph->loose_count)
        status = link_loose(&b);
    if (!status)
        status = link_new(&b, table_rows);
    if (!status && options->passes == 2 && graph->seen > start)
        status = link_twice(&b, start);
    close_builder(&b);
    return status;
}

/* api_saved.c - the public calls that keep a graph beside its store.
 *
 * May include everything of index/ and kv/. A graph is loaded into one of its own, which takes the
 * place of the index's empty one when it is whole; until then, and after any failure, the index
 * holds no node and answers by comparing every row.
 */
#include "index/build.h"
#include "index/graph_file.h"
#include "index/objects.h"

static kith_status check_index(const kith_index *index, const char *what)
{
    if (!index->graph)
        return ki_fail(KITH_EINVAL, "a flat index has no graph to %s", what);
    if (!ki_store_path(index->store->engine))
        return ki_fail(KITH_EINVAL, "a store in memory has no file to %s a graph beside", what);
    return KITH_OK;
}

static kith_status save(const ki_graph *graph, const ki_shape *shape, kith_progress_fn progress,
                        void *user)
{
    if (graph->loose_count)
        return ki_fail(KITH_EINVAL,
                       "%u rows have changed under the graph since it was saved; build the index "
                       "before it is saved again",
                       graph->loose_count);
    return ki_graph_save(graph, shape, progress, user);
}

kith_status kith_index_save(kith_index *index, kith_progress_fn progress, void *user)
{
    kith_status status = check_index(index, "save");
    if (!status && ki_store_is_read_only(index->store->engine))
        status =
            ki_fail(KITH_EINVAL, "the store was opened read-only: no graph is saved beside it");
    if (status)
        return status;
    status = ki_index_look_begin(index);
    if (status)
        return status;
    status = save(index->graph, ki_store_shape(index->store->engine), progress, user);
    ki_index_end(index);
    return status;
}

/* What codes that were just opened had learnt. */
static kith_status load_lesson(const ki_graph_reader *reader, ki_graph_part part, ki_codes *codes)
{
    const ki_graph_section *section = ki_graph_find(&reader->head, part, 0);
    void *learnt = ki_alloc((size_t)section->bytes + 1);
    kith_status status = learnt ? KITH_OK : ki_no_memory("codes", (size_t)section->bytes);
    if (!status)
        status = ki_graph_read_part(reader, section, learnt);
    if (!status)
        status = ki_codes_load(codes, learnt, (size_t)section->bytes);
    ki_free(learnt);
    return status;
}

static kith_status load_codes(const ki_graph_reader *reader, const kith_store_options *so,
                              ki_codes **out)
{
    const ki_codes_shape shape = {.type = so->type,
                                  .metric = so->metric,
                                  .dim = so->dim,
                                  .code = KITH_SQ8,
                                  .reduced = reader->head.reduced};
    ki_codes *codes = NULL;
    if (so->type != KITH_F32 && so->type != KITH_F16 && so->type != KITH_BF16)
        return ki_fail(KITH_ECORRUPT, "the graph file has codes of %s rows",
                       kith_type_name(so->type));
    kith_status status = ki_codes_open(&shape, &codes);
    if (!status)
        status = load_lesson(reader, KI_PART_CODES, codes);
    if (status)
        ki_codes_close(codes);
    else
        *out = codes;
    return status;
}

/* Those that a trial chose, unless others were asked for by name. No row has its code yet. */
static kith_status load_brief(const ki_graph_reader *reader, const kith_index *index,
                              ki_graph *graph)
{
    if (!reader->head.brief || !graph->codes || index->options.walk != KITH_WALK_AUTO)
        return KITH_OK;
    const kith_code code = (kith_code)reader->head.brief_code;
    kith_status status =
        ki_codes_open_brief(graph->codes, code, code == KITH_SQ4 ? 0 : reader->head.brief,
                            &index->kernels.at[KITH_IP][KI_I8], &graph->brief);
    return status ? status : load_lesson(reader, KI_PART_BRIEF, graph->brief);
}

/* A graph with the file's options, still without nodes. */
static kith_status open_like(const ki_graph_reader *reader, const kith_index *index, ki_graph **out)
{
    const ki_graph_head *head = &reader->head;
    const ki_graph_options options = {index->store->options.dim, head->m, head->ef_construction,
                                      head->alpha, head->seed};
    ki_codes *codes = NULL;
    kith_status status = KITH_OK;
    if (head->codes && head->layers)
        status = load_codes(reader, &index->store->options, &codes);
    if (!status)
        status = ki_graph_open(index->store->engine, &options, out);
    if (status)
        ki_codes_close(codes);
    else if (codes)
        ki_graph_measure(*out, codes);
    return status ? status : load_brief(reader, index, *out);
}

/* Another graph, with what the options say of it. */
static void exchange(kith_index *index, ki_graph *graph, const kith_index_options *options)
{
    ki_index_exchange_begin(index);
    index->graph = graph;
    index->options = *options;
    ki_index_exchange_end(index);
}

/* The loaded graph takes the place of the empty one, or neither changes. */
static kith_status adopt(kith_index *index, ki_graph *graph, ki_workers *workers)
{
    const kith_index_options before = index->options;
    kith_index_options next = before, *o = &next;
    const kith_walk asked = o->walk;
    ki_graph *empty = index->graph;
    o->m = graph->m;
    o->ef_construction = graph->ef_construction;
    o->alpha = graph->alpha;
    o->seed = graph->seed;
    if (graph->layers)
        o->reduce = graph->codes ? graph->codes->shape.reduced : 0;
    if (graph->layers && o->walk != KITH_WALK_SQ4 && o->walk != KITH_WALK_SQ1)
        o->walk = !graph->codes ? KITH_WALK_ROWS : asked == KITH_WALK_AUTO ? asked : KITH_WALK_SQ8;
    graph->tried = graph->layer[0].nodes;
    if (graph->codes)
        graph->codes->turnstile = &index->turnstile;
    exchange(index, graph, &next);
    kith_status status = ki_index_shorten(index, workers);
    if (status)
        exchange(index, empty, &before);
    ki_graph_close(status ? graph : empty);
    return status;
}

static kith_status load(kith_index *index, kith_progress_fn progress, void *user)
{
    ki_graph_reader reader;
    ki_workers *workers = NULL;
    ki_graph *graph = NULL;
    if (index->graph->seen)
        return ki_fail(KITH_EINVAL,
                       "the index holds %u rows already; a graph is loaded into an empty one",
                       index->graph->seen);
    kith_status status = ki_graph_reader_open(index->store->engine, &reader);
    if (status)
        return status;
    status = ki_workers_open(index->options.threads, &workers);
    if (!status)
        status = open_like(&reader, index, &graph);
    if (!status)
        status = ki_graph_fill(&reader, graph, workers, progress, user);
    ki_graph_reader_close(&reader);
    if (!status)
        status = adopt(index, graph, workers);
    else
        ki_graph_close(graph);
    ki_workers_close(workers);
    return status;
}

kith_status kith_index_load(kith_index *index, kith_progress_fn progress, void *user)
{
    kith_status status = check_index(index, "load");
    if (status)
        return status;
    status = ki_index_change_begin(index);
    if (status)
        return status;
    index->builds++;
    status = load(index, progress, user);
    ki_index_end(index);
    return status;
}

kith_status kith_index_check_file(kith_store *store, kith_progress_fn progress, void *user)
{
    ki_graph_reader reader;
    if (!ki_store_path(store->engine))
        return ki_fail(KITH_EINVAL, "a store in memory has no file to check a graph beside");
    kith_status status = ki_graph_reader_open(store->engine, &reader);
    if (status)
        return status;
    status = ki_graph_check_parts(&reader, progress, user);
    ki_graph_reader_close(&reader);
    return status;
}

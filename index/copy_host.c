/* copy_host.c - a copy on the host: searchers that walk the partition's graph where it lies.
 *
 * May touch copy_inside.h. The crew and its searchers stay from search to search, since both cost
 * more than a few walks; another width or another k makes new searchers.
 */
#include "index/copy_inside.h"
#include "index/host.h"

static void close_searchers(ki_copy *copy)
{
    const uint32_t all = copy->workers ? KI_LANES * ki_workers_count(copy->workers) : 0;
    for (uint32_t i = 0; copy->searchers && i < all; i++)
        kith_searcher_close(copy->searchers[i]);
    ki_free(copy->searchers);
    copy->searchers = NULL;
}

void ki_copy_drop_host(ki_copy *copy)
{
    close_searchers(copy);
}

kith_status ki_copy_make_host(ki_copy *copy)
{
    const kith_index *whole = ki_parts_whole(copy->parts);
    ki_packed packed;
    kith_status status = KITH_OK;
    close_searchers(copy);
    if (!whole->graph && !copy->rows && !copy->own)
        status = ki_host_open(&whole->kernels, copy->limits.threads, &copy->own);
    if (!status && copy->own)
        return ki_copy_make_device(copy);
    ki_pack_size(copy, copy->count, &packed);
    if (!status)
        status = ki_pack_graph(copy, false, &packed);
    if (!status)
        copy->digest = ki_pack_digest(copy, &packed);
    ki_pack_close(&packed);
    return status;
}

static kith_status open_searchers(ki_copy *copy, const kith_search_options *options)
{
    kith_index *index = ki_copy_index(copy);
    const uint32_t all = KI_LANES * ki_workers_count(copy->workers);
    kith_status status = KITH_OK;
    if (copy->searchers && ki_copy_same_search(&copy->searched, options))
        return KITH_OK;
    close_searchers(copy);
    copy->searchers = ki_zalloc(all * sizeof *copy->searchers);
    if (!copy->searchers)
        return ki_no_memory("the searchers of a copy", all * sizeof *copy->searchers);
    for (uint32_t i = 0; i < all && !status; i++)
        status =
            ki_searcher_open(index, options, index->kernels.features, true, &copy->searchers[i]);
    if (status)
        close_searchers(copy);
    else
        copy->searched = *options;
    return status;
}

/* What the searchers have counted so far. */
static ki_copy_counts counted(const ki_copy *copy)
{
    ki_copy_counts sum = {0};
    for (uint32_t i = 0; i < KI_LANES * ki_workers_count(copy->workers); i++) {
        const kith_searcher *s = copy->searchers[i];
        sum.distances += s->walker.distances;
        sum.hops += s->walker.hops;
        sum.reranks += s->ranker.reranks;
        sum.mode = s->mode;
    }
    return sum;
}

kith_status ki_copy_walk_host(ki_copy *copy, const ki_copy_request *request, uint64_t *answers,
                              ki_copy_counts *counts)
{
    kith_search_options options = request->options;
    options.slack = 0;
    options.f32_queries = request->f32;
    kith_status status = open_searchers(copy, &options);
    if (status)
        return status;
    const ki_copy_counts before = counted(copy);
    for (uint32_t i = 0; i < KI_LANES * ki_workers_count(copy->workers); i++)
        copy->searchers[i]->live = copy->all_live ? NULL : copy->live;
    ki_search_batch batch = {.queries = request->queries,
                             .query_bytes = request->query_bytes,
                             .k = options.k,
                             .answers = answers,
                             .searchers = copy->searchers};
    status = ki_search_all(&batch, request->count, copy->workers);
    const ki_copy_counts after = counted(copy);
    counts->distances += after.distances - before.distances;
    counts->hops += after.hops - before.hops;
    counts->reranks += after.reranks - before.reranks;
    counts->mode = after.mode;
    return status;
}

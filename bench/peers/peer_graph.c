/* peer_graph.c - Kith as graph.py asks it: one build, then loops of searches, timed in here.
 *
 * Sees kith.h alone; built as a module that Python loads, so that no struct of the header is
 * spelled a second time in Python, and that a query costs no call from there. hnswlib_graph.cc
 * gives hnswlib the same shape.
 *
 * Latencies are of the searches themselves; answers are copied between them.
 */
#include <stdlib.h>
#include <time.h>

#include "kith.h"

#define PEER_API __attribute__((visibility("default")))

typedef struct peer_graph {
    kith_store *store;
    kith_index *index;
} peer_graph;

/* What graph.py chooses, and what it is told: plain numbers in the order of graph_contenders.py. */
typedef struct peer_build {
    uint32_t type, metric, dim, rows, m;
    uint32_t ef_construction; /* 0: the default, which is then told */
    uint32_t walk, threads;
    uint32_t sketch;             /* make sketches of the rows, if they pay */
    double seconds, index_bytes; /* told */
    uint64_t digest;             /* told */
    uint32_t brief, brief_bits;  /* told: what a trial chose, see kith_index_stats */
} peer_build;

typedef struct peer_search {
    uint32_t count, k, ef, together; /* together: all queries in one call */
    uint32_t mode;                   /* told: a kith_search_mode */
    double rerank, slack;
    double seconds, distances; /* told: of the whole pass, of all its queries */
} peer_search;

PEER_API const char *peer_graph_error(void);
PEER_API const char *peer_graph_isa(void);
PEER_API peer_graph *peer_graph_build(peer_build *build, const void *vectors);
PEER_API void peer_graph_close(peer_graph *graph);
PEER_API int peer_graph_search(peer_graph *graph, peer_search *search, const void *queries,
                               size_t query_bytes, uint32_t *ids, double *latency_us);

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const char *peer_graph_error(void)
{
    return kith_last_error();
}

/* The highest level of this machine, as KITH_CPU caps it. */
const char *peer_graph_isa(void)
{
    const char *best = "";
    for (size_t i = 0; kith_cpu_level(i); i++)
        best = kith_cpu_level(i);
    return best;
}

void peer_graph_close(peer_graph *graph)
{
    if (!graph)
        return;
    kith_index_close(graph->index);
    kith_store_close(graph->store);
    free(graph);
}

static kith_status fill(peer_graph *graph, peer_build *build, const void *vectors)
{
    kith_store_options store =
        kith_store_defaults(build->dim, (kith_type)build->type, (kith_metric)build->metric);
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    options.m = build->m;
    if (build->ef_construction)
        options.ef_construction = build->ef_construction;
    build->ef_construction = options.ef_construction;
    options.walk = (kith_walk)build->walk;
    options.threads = build->threads;
    kith_status status = kith_store_open(NULL, &store, &graph->store);
    if (!status)
        status = kith_store_load(graph->store, NULL, vectors, build->rows, NULL, NULL);
    if (!status)
        status = kith_index_create(graph->store, &options, &graph->index);
    double begin = seconds_now();
    if (!status)
        status = kith_index_build(graph->index, NULL, NULL);
    if (!status && build->sketch)
        status = kith_index_sketch(graph->index, NULL);
    build->seconds = seconds_now() - begin;
    kith_index_stats stats = {.size = sizeof stats};
    if (!status)
        status = kith_index_stat(graph->index, &stats);
    build->index_bytes = (double)stats.bytes;
    build->digest = stats.digest;
    build->brief = stats.brief;
    build->brief_bits = stats.brief_bits;
    return status;
}

peer_graph *peer_graph_build(peer_build *build, const void *vectors)
{
    peer_graph *graph = calloc(1, sizeof *graph);
    if (graph && fill(graph, build, vectors)) {
        peer_graph_close(graph);
        graph = NULL;
    }
    return graph;
}

static kith_status one_by_one(peer_graph *graph, const kith_search_options *options,
                              peer_search *search, const char *queries, size_t query_bytes,
                              kith_hit *hits, double *latency_us)
{
    kith_searcher *searcher = NULL;
    kith_search_stats stats = {.size = sizeof stats};
    kith_status status = kith_searcher_create(graph->index, options, NULL, &searcher);
    const double pass = seconds_now();
    for (uint32_t i = 0; i < search->count && !status; i++) {
        double begin = seconds_now();
        status = kith_searcher_search(searcher, queries + i * query_bytes,
                                      hits + (size_t)i * search->k, NULL, &stats);
        latency_us[i] = 1e6 * (seconds_now() - begin);
        search->distances += (double)stats.distances;
    }
    search->seconds = seconds_now() - pass;
    search->mode = stats.mode;
    kith_searcher_close(searcher);
    return status;
}

static kith_status together(peer_graph *graph, const kith_search_options *options,
                            peer_search *search, const void *queries, kith_hit *hits)
{
    kith_search_stats stats = {.size = sizeof stats};
    const double pass = seconds_now();
    kith_status status =
        kith_index_search(graph->index, queries, search->count, options, hits, &stats);
    search->seconds = seconds_now() - pass;
    search->distances = (double)stats.distances;
    search->mode = stats.mode;
    return status;
}

int peer_graph_search(peer_graph *graph, peer_search *search, const void *queries,
                      size_t query_bytes, uint32_t *ids, double *latency_us)
{
    const size_t wanted = (size_t)search->count * search->k;
    kith_search_options options = kith_search_defaults(search->k);
    options.ef = search->ef;
    options.threads = 1;
    options.rerank = (float)search->rerank;
    options.slack = (float)search->slack;
    kith_hit *hits = calloc(wanted, sizeof *hits);
    if (!hits)
        return KITH_ENOMEM;
    search->distances = 0;
    kith_status status = search->together ? together(graph, &options, search, queries, hits)
                                          : one_by_one(graph, &options, search, queries,
                                                       query_bytes, hits, latency_us);
    for (size_t i = 0; i < wanted; i++)
        ids[i] = hits[i].row;
    free(hits);
    return status;
}

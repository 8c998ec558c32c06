/* gpu_measure.c - the searches of kith-bench-gpu, through kith.h as any program would ask.
 *
 * So every figure holds what a caller waits for: sending the queries, starting kernels, reading
 * answers, ranking them again. The first calls of a kind pay for compiling and are not counted. A
 * figure is the median of calls that take turns over the queries; percentiles are of the nearest
 * rank. No measurement takes longer than its seconds, however slow the device is.
 */
#include "bench/gpu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RECALL_WANTED 0.95
#define EXACT_SECONDS 10.0 /* at most, for each kind of call */
#define WALK_SECONDS 10.0
#define CALLS_LARGE 7
#define CALLS_SMALL 2000
#define WARM_CALLS 2

/* One search of `n` queries from `from` on; what answers is an index or a copy of one. */
struct target {
    kith_index *index;
    kith_replicas *replicas;
    kith_search_options options;
    uint64_t distances; /* so far */
};

static bool ask(const struct gpu *gpu, struct target *target, size_t from, size_t n)
{
    const size_t bytes = kith_vector_bytes(gpu->data.type, GPU_DIM);
    const char *const queries = (const char *)gpu->data.asked + from * bytes;
    kith_hit *const hits = gpu->hits + from * GPU_K;
    kith_search_stats stats = {.size = sizeof stats};
    kith_replicas_report report = {.size = sizeof report};
    const kith_status status =
        target->replicas
            ? kith_replicas_search(target->replicas, queries, n, &target->options, hits, &report)
            : kith_index_search(target->index, queries, n, &target->options, hits, &stats);
    target->distances += stats.distances + report.distances;
    return !status || gpu_fail("%s: %s", gpu->device, kith_last_error());
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double at_share(const double *sorted, size_t n, double share)
{
    const size_t rank = (size_t)ceil(share * (double)n);
    return sorted[rank ? rank - 1 : 0];
}

static void summarise(struct gpu_run *run, double *seconds, size_t n)
{
    qsort(seconds, n, sizeof *seconds, by_size);
    run->calls = (uint32_t)n;
    run->seconds = at_share(seconds, n, 0.5);
    run->p50 = 1e6 * run->seconds;
    run->p95 = 1e6 * at_share(seconds, n, 0.95);
    run->p99 = 1e6 * at_share(seconds, n, 0.99);
    run->p999 = 1e6 * at_share(seconds, n, 0.999);
}

/* Calls of `batch` queries, one after the other through all of them and again from the first. */
static bool time_calls(const struct gpu *gpu, struct target *target, struct gpu_run *run,
                       size_t most, double limit)
{
    const size_t turns = gpu->data.queries / run->batch;
    double *const seconds = gpu_memory(most, sizeof *seconds);
    bool good = true;
    size_t n = 0;
    for (size_t i = 0; i < WARM_CALLS && good; i++)
        good = ask(gpu, target, i % turns * run->batch, run->batch);
    target->distances = 0;
    const double begin = gpu_now();
    for (; n < most && good && (n < 3 || gpu_now() < begin + limit); n++) {
        const double start = gpu_now();
        good = ask(gpu, target, n % turns * run->batch, run->batch);
        seconds[n] = gpu_now() - start;
    }
    if (good)
        summarise(run, seconds, n);
    run->distances = (double)target->distances / ((double)n * run->batch);
    free(seconds);
    return good;
}

/* ---- right and wrong ----------------------------------------------------------------------- */

#define ROUNDING 1e-6f /* relative: two sums of f32 in different orders */

/* A hit counts when it is one of the true neighbours, or as near as the last of them. */
static bool is_true(const struct gpu *gpu, size_t query, const kith_hit *hit)
{
    const uint32_t *const truth = gpu->truth + query * GPU_K;
    if (hit->row == UINT32_MAX)
        return false;
    for (int i = 0; i < GPU_K; i++)
        if (truth[i] == hit->row)
            return true;
    return hit->distance <= gpu->truth_distances[query * GPU_K + GPU_K - 1] * (1 + ROUNDING);
}

static uint64_t count_true(const struct gpu *gpu)
{
    uint64_t found = 0;
    for (size_t i = 0; i < (size_t)gpu->data.judged * GPU_K; i++)
        found += is_true(gpu, i / GPU_K, &gpu->hits[i]);
    return found;
}

static double judge(const struct gpu *gpu)
{
    return (double)count_true(gpu) / ((double)gpu->data.judged * GPU_K);
}

bool gpu_prepare(struct gpu *gpu)
{
    const struct gpu_data *data = &gpu->data;
    const kith_store_options options = kith_store_defaults(GPU_DIM, data->type, KITH_L2SQ);
    gpu->truth = gpu_memory((size_t)data->judged * GPU_K, sizeof *gpu->truth);
    gpu->truth_distances = gpu_memory((size_t)data->judged * GPU_K, sizeof(float));
    gpu->hits = gpu_memory((size_t)data->queries * GPU_K, sizeof *gpu->hits);
    if (kith_exact(KITH_L2SQ, data->type, GPU_DIM, data->base, data->rows, data->asked,
                   data->judged, GPU_K, 0, gpu->truth, gpu->truth_distances, NULL, NULL) ||
        kith_store_open(NULL, &options, &gpu->store) ||
        kith_store_load(gpu->store, NULL, data->base, data->rows, NULL, NULL))
        return gpu_fail("%s", kith_last_error());
    return true;
}

void gpu_close(struct gpu *gpu)
{
    kith_store_close(gpu->store);
    gpu_data_free(&gpu->data);
    free(gpu->truth);
    free(gpu->truth_distances);
    free(gpu->hits);
}

static void keep(struct gpu *gpu, const struct gpu_run *run)
{
    if (gpu->runs < GPU_RUNS)
        gpu->run[gpu->runs++] = *run;
}

/* ---- exact --------------------------------------------------------------------------------- */

static bool exact_batches(struct gpu *gpu, struct target *target)
{
    const uint32_t large = gpu->data.judged;
    struct gpu_run run = {
        .index = "flat", .codes = kith_type_name(gpu->data.type), .batch = large, .recall = -1};
    if (!ask(gpu, target, 0, large))
        return false;
    gpu->exact_wrong = (uint64_t)large * GPU_K - count_true(gpu);
    const double recall = judge(gpu);
    for (int small = 1; small >= 0; small--) {
        run.batch = small ? 1 : large;
        run.recall = recall;
        if (!time_calls(gpu, target, &run, small ? CALLS_SMALL : CALLS_LARGE, EXACT_SECONDS))
            return false;
        keep(gpu, &run);
    }
    return true;
}

bool gpu_exact(struct gpu *gpu)
{
    kith_index_options options = kith_index_defaults(KITH_FLAT);
    struct target target = {.options = kith_search_defaults(GPU_K)};
    options.device = gpu->device;
    bool good = !kith_index_create(gpu->store, &options, &target.index) &&
                !kith_index_build(target.index, NULL, NULL);
    if (!good)
        gpu_fail("%s", kith_last_error());
    good = good && exact_batches(gpu, &target);
    kith_index_close(target.index);
    return good;
}

/* ---- the walk ------------------------------------------------------------------------------ */

/* How many of the judged answers on the device, which lie in gpu->hits, are not the host's. */
static bool compare_with_host(struct gpu *gpu, kith_index *graph, const struct target *target)
{
    const size_t n = gpu->data.judged;
    kith_hit *const host = gpu_memory(n * GPU_K, sizeof *host);
    const kith_status status =
        kith_index_search(graph, gpu->data.asked, n, &target->options, host, NULL);
    gpu->walk_apart = 0;
    for (size_t i = 0; i < n; i++) {
        bool same = true;
        for (size_t j = i * GPU_K; j < (i + 1) * GPU_K; j++)
            same = same && host[j].row == gpu->hits[j].row;
        gpu->walk_apart += !same;
    }
    free(host);
    return !status || gpu_fail("%s", kith_last_error());
}

/* Widths from narrow to wide until recall is enough; the last is then timed at batch 1 too. */
static bool sweep(struct gpu *gpu, kith_index *graph, struct target *target, const char *codes)
{
    static const uint32_t widths[] = {10, 12, 16, 20,  24,  32,  40,  48,
                                      64, 80, 96, 128, 192, 256, 384, 512};
    struct gpu_run run = {.index = "hnsw", .codes = codes, .batch = gpu->data.queries};
    for (size_t i = 0; i < sizeof widths / sizeof *widths && run.recall < RECALL_WANTED; i++) {
        run.ef = target->options.ef = widths[i];
        if (!time_calls(gpu, target, &run, CALLS_LARGE, WALK_SECONDS))
            return false;
        run.recall = judge(gpu);
        keep(gpu, &run);
    }
    if (!compare_with_host(gpu, graph, target))
        return false;
    run.batch = 1;
    if (!time_calls(gpu, target, &run, CALLS_SMALL, WALK_SECONDS))
        return false;
    keep(gpu, &run);
    return true;
}

static const char *codes_of(const struct gpu *gpu, kith_index *graph)
{
    const kith_search_options options = kith_search_defaults(1);
    kith_search_stats stats = {.size = sizeof stats};
    kith_hit hit;
    if (kith_index_search(graph, gpu->data.asked, 1, &options, &hit, &stats))
        return "unknown";
    return stats.mode == KITH_MODE_CODES ? "sq8" : kith_type_name(gpu->data.type);
}

bool gpu_walk(struct gpu *gpu)
{
    const kith_index_options options = kith_index_defaults(KITH_HNSW);
    kith_replicas_options alone = kith_replicas_defaults(1, 1);
    struct target target = {.options = kith_search_defaults(GPU_K)};
    kith_index *graph = NULL;
    alone.devices = &gpu->device;
    alone.device_count = 1;
    alone.host = 1; /* what the device cannot answer is a failure here */
    const double begin = gpu_now();
    bool good =
        !kith_index_create(gpu->store, &options, &graph) && !kith_index_build(graph, NULL, NULL);
    gpu->build_seconds = gpu_now() - begin;
    good = good && !kith_replicas_create(graph, &alone, NULL, NULL, &target.replicas);
    if (!good)
        gpu_fail("%s", kith_last_error());
    good = good && sweep(gpu, graph, &target, codes_of(gpu, graph));
    kith_replicas_close(target.replicas);
    kith_index_close(graph);
    return good;
}

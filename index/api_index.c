/* api_index.c - the public calls that make, build, judge and describe an index. */
#include "index/objects.h"
#include "index/checks.h"
#include "index/device_name.h"
#include "index/host.h"
#include "index/replicas.h"
#include <time.h>

kith_index_options kith_index_defaults(kith_index_kind kind)
{
    return (kith_index_options){.size = sizeof(kith_index_options),
                                .kind = kind,
                                .m = 16,
                                .ef_construction = 128,
                                .alpha = 1.1f,
                                .seed = 1,
                                .passes = 1};
}

static kith_status check_options(const kith_index_options *o)
{
    if (o->kind != KITH_FLAT && o->kind != KITH_HNSW)
        return ki_fail(KITH_EINVAL, "%d is no kind of index", (int)o->kind);
    kith_status status = ki_check_threads(o->threads);
    if (status || o->kind == KITH_FLAT)
        return status;
    if (o->m < KI_M_MIN || o->m > KI_M_MAX)
        return ki_fail(KITH_EINVAL, "m = %u is not in %d..%d", o->m, KI_M_MIN, KI_M_MAX);
    if (o->ef_construction < 1 || o->ef_construction > KI_EF_MAX)
        return ki_fail(KITH_EINVAL, "ef_construction = %u is not in 1..%d", o->ef_construction,
                       KI_EF_MAX);
    if (!(o->alpha >= 1 && o->alpha <= 2))
        return ki_fail(KITH_EINVAL, "alpha = %g is not in 1..2", (double)o->alpha);
    if (o->passes > 2)
        return ki_fail(KITH_EINVAL, "passes = %u is not in 0..2", o->passes);
    return KITH_OK;
}

static kith_status open_flat(kith_index *index, const ki_device_name *name)
{
    ki_device *device = NULL;
    const kith_store *store = index->store;
    kith_status status = name->host
                             ? ki_host_open(&index->kernels, index->options.threads, &device)
                             : ki_opencl_open(name->ordinal, name->part, name->parts, &device);
    if (status)
        return status;
    return ki_flat_open(device, name->host, &index->kernels, store->engine, &store->options,
                        index->options.threads, &index->flat);
}

static kith_status open_graph(kith_index *index, const ki_device_name *name)
{
    const kith_index_options *o = &index->options;
    kith_status status = ki_choose_walk(&index->store->options, &index->options);
    if (status)
        return status;
    if (!name->host)
        return ki_fail(KITH_EUNSUPPORTED,
                       "a graph cannot be walked on 'ocl%u'; OpenCL devices "
                       "take flat indexes",
                       (unsigned)name->ordinal);
    ki_graph_options options = {index->store->options.dim, o->m, o->ef_construction, o->alpha,
                                o->seed};
    return ki_graph_open(index->store->engine, &options, &index->graph);
}

kith_status kith_index_create(kith_store *store, const kith_index_options *options,
                              kith_index **out)
{
    kith_index_options defaults = kith_index_defaults(KITH_HNSW), chosen;
    uint64_t features = 0;
    ki_device_name device;
    kith_status status = ki_read_options(options, &defaults, sizeof defaults, &chosen);
    if (!status)
        status = check_options(&chosen);
    if (!status)
        status = ki_parse_device(chosen.device, &device);
    if (!status)
        status = ki_choose_features(chosen.cpu, &features);
    if (status)
        return status;
    kith_index *index = ki_zalloc(sizeof *index);
    if (!index)
        return ki_no_memory("an index", sizeof *index);
    chosen.device = chosen.cpu = NULL;
    index->store = store;
    index->options = chosen;
    pthread_rwlockattr_t attributes; /* many readers must not keep a build out */
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&index->gate, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    ki_turnstile_init(&index->turnstile);
    ki_kernels_fill(features, &index->kernels);
    index->kernel = &index->kernels.at[store->options.metric][store->options.type];
    ki_store_pin(store->engine);
    status = chosen.kind == KITH_FLAT ? open_flat(index, &device) : open_graph(index, &device);
    if (status)
        kith_index_close(index);
    else
        *out = index;
    return status;
}

void kith_index_close(kith_index *index)
{
    if (!index)
        return;
    ki_mender_close(index->mender);
    ki_replicas_close_left(index, true);
    ki_graph_close(index->graph);
    ki_flat_close(index->flat);
    ki_store_unpin(index->store->engine);
    ki_turnstile_destroy(&index->turnstile);
    pthread_rwlock_destroy(&index->gate);
    ki_free(index);
}

void ki_index_exchange_begin(kith_index *index)
{
    ki_turnstile_shut(&index->turnstile);
}

void ki_index_exchange_end(kith_index *index)
{
    index->exchanges++;
    ki_turnstile_open(&index->turnstile);
}

/* A progress callback that calls what waits for the call that it hears of would wait for ever. */
static kith_status not_from_inside(int refused)
{
    return refused ? ki_fail(KITH_EBUSY, "this index is being built, saved or loaded by the thread "
                                         "that asks")
                   : KITH_OK;
}

kith_status ki_index_change_begin(kith_index *index)
{
    return not_from_inside(pthread_rwlock_wrlock(&index->gate));
}

kith_status ki_index_look_begin(const kith_index *index)
{
    return not_from_inside(pthread_rwlock_rdlock((pthread_rwlock_t *)&index->gate));
}

void ki_index_end(const kith_index *index)
{
    pthread_rwlock_unlock((pthread_rwlock_t *)&index->gate);
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

kith_status kith_index_build(kith_index *index, kith_progress_fn progress, void *user)
{
    double start = seconds_now();
    kith_status status = ki_index_change_begin(index);
    if (status)
        return status;
    uint32_t threads = index->options.threads;
    index->builds++;
    status = index->graph ? ki_index_link(index, progress, user) : ki_flat_refresh(index->flat);
    ki_turnstile_shut(&index->turnstile);
    index->build_seconds += seconds_now() - start;
    index->build_threads = threads ? threads : ki_processor_count();
    ki_turnstile_open(&index->turnstile);
    ki_index_end(index);
    return status;
}

/* What can be told of a graph that is being built: the caller is inside, or nobody builds. */
static void stat_inside(const kith_index *index, kith_index_stats *stats)
{
    const ki_graph *graph = index->graph;
    stats->threads = index->build_threads;
    stats->build_seconds = index->build_seconds;
    if (!graph)
        return;
    stats->nodes = graph->layer[0].nodes;
    stats->layers = graph->layers;
    stats->brief = ki_graph_is_brief(graph) ? graph->brief->dim : 0;
    if (stats->brief)
        stats->brief_bits = graph->brief->shape.code == KITH_SQ4 ? 4 : 8;
}

static void stat_beside_a_build(const kith_index *index, kith_index_stats *stats)
{
    ki_turnstile *turnstile = (ki_turnstile *)&index->turnstile; /* no part of what is const */
    ki_pass pass = {0};
    ki_turnstile_join(turnstile, &pass);
    ki_turnstile_enter(turnstile, &pass);
    stat_inside(index, stats);
    ki_turnstile_exit(&pass);
    ki_turnstile_leave(turnstile, &pass);
}

/* All of it takes time in proportion to the graph, and the graph to stand still. */
kith_status kith_index_stat(const kith_index *index, kith_index_stats *out)
{
    kith_index_stats stats = {0};
    if (pthread_rwlock_tryrdlock((pthread_rwlock_t *)&index->gate)) {
        stat_beside_a_build(index, &stats);
    } else {
        stat_inside(index, &stats);
        if (index->graph) {
            stats.links = ki_graph_link_total(index->graph);
            stats.bytes = ki_graph_bytes(index->graph);
            stats.digest = ki_graph_digest(index->graph);
        }
        ki_index_end(index);
    }
    if (index->flat)
        ki_flat_stat(index->flat, &stats.nodes, &stats.bytes);
    return ki_write_result(&stats, sizeof stats, out);
}

/* Between two batches a graph has nodes that nobody links to yet: a build is waited for. */
kith_status kith_index_check(const kith_index *index)
{
    kith_status status = KITH_OK;
    if (!index->graph)
        return KITH_OK;
    status = ki_index_look_begin(index);
    if (status)
        return status;
    status = ki_graph_check(index->graph);
    ki_index_end(index);
    return status;
}

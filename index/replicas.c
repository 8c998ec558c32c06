/* replicas.c - a set of replicas: made, or given up before it is, and taken down.
 *
 * May touch replicas.h. A lane raises itself, at the start as after a failure; so to create is to
 * plan, to start the lanes, and to wait until each has tried once, or has been silent for too long.
 * One lane more, the last, has the host's own copies of all partitions, which it makes when nobody
 * else is left to answer.
 */
#include "index/replicas.h"

/* ---- closing ---- */

void ki_lane_retire(ki_lane *lane)
{
    lane->retired = true;
    pthread_cond_broadcast(&lane->wake);
}

static void retire_all(kith_replicas *r)
{
    for (uint32_t i = 0; i < r->lanes; i++)
        ki_lane_retire(r->lane[i]);
    if (r->last)
        ki_lane_retire(r->last);
}

static void end_threads(kith_replicas *r)
{
    pthread_mutex_lock(&r->mutex);
    while (r->pending)
        pthread_cond_wait(&r->changed, &r->mutex);
    retire_all(r);
    r->stopping = true;
    pthread_cond_broadcast(&r->watch);
    pthread_mutex_unlock(&r->mutex);
    if (r->monitor_started)
        pthread_join(r->monitor, NULL);
    for (uint32_t i = 0; i < r->lanes; i++)
        ki_lane_join(r->lane[i]);
    for (ki_lane *lane = r->orphans; lane; lane = lane->next)
        ki_lane_join(lane);
    ki_lane_join(r->last);
}

/* When all threads have ended: until then each may look at every lane. */
static void free_lanes(kith_replicas *r)
{
    while (r->orphans) {
        ki_lane *lane = r->orphans;
        r->orphans = lane->next;
        ki_lane_free(lane);
    }
    for (uint32_t i = 0; i < r->lanes; i++)
        ki_lane_free(r->lane[i]);
    ki_lane_free(r->last);
}

void kith_replicas_close(kith_replicas *r)
{
    if (!r)
        return;
    end_threads(r);
    free_lanes(r);
    ki_parts_close(r->parts);
    pthread_cond_destroy(&r->changed);
    pthread_cond_destroy(&r->watch);
    pthread_mutex_destroy(&r->mutex);
    pthread_mutex_destroy(&r->upkeep);
    pthread_rwlock_destroy(&r->links);
    ki_free(r);
}

/* ---- what could not be made ---- */

static pthread_mutex_t left_mutex = PTHREAD_MUTEX_INITIALIZER; /* over `left` of all indexes */

/* Have all threads that call devices ended? With `wait`, when no device hangs. */
static bool have_ended(kith_replicas *r, bool wait)
{
    bool ended = true;
    pthread_mutex_lock(&r->upkeep); /* who waits for a lane keeps the monitor from freeing it */
    pthread_mutex_lock(&r->mutex);
    retire_all(r);
    for (uint32_t i = 0; i < r->lanes; i++)
        ended = ki_lane_has_ended(r->lane[i], wait) && ended;
    for (ki_lane *lane = r->orphans; lane; lane = lane->next)
        ended = ki_lane_has_ended(lane, wait) && ended;
    pthread_mutex_unlock(&r->mutex);
    pthread_mutex_unlock(&r->upkeep);
    return ended;
}

static void leave(kith_replicas *r)
{
    pthread_mutex_lock(&left_mutex);
    r->next_left = r->index->left;
    r->index->left = r;
    pthread_mutex_unlock(&left_mutex);
}

void ki_replicas_close_left(kith_index *index, bool wait)
{
    pthread_mutex_lock(&left_mutex);
    kith_replicas *left = index->left;
    index->left = NULL;
    pthread_mutex_unlock(&left_mutex);
    while (left) {
        kith_replicas *r = left;
        left = r->next_left;
        if (wait || have_ended(r, false))
            kith_replicas_close(r);
        else
            leave(r);
    }
}

/* A device that hangs may still read rows of the store and write to memory of its lane. Who waits
 * for replicas is not to wait for that; the index, which is closed before its store, does. */
static void close_or_leave(kith_replicas *r)
{
    if (have_ended(r, true))
        kith_replicas_close(r);
    else
        leave(r);
}

/* ---- creating ---- */

static kith_status start_lanes(kith_replicas *r, const ki_plan *plan)
{
    const ki_device_name host = {.host = true, .parts = 1};
    kith_status status = KITH_OK;
    pthread_mutex_lock(&r->mutex); /* those that run already look at all of them */
    for (uint32_t i = 0; i < plan->count && !status; i++) {
        bool any = false;
        for (uint32_t p = 0; p < r->partitions; p++)
            any = any || plan->holds[i][p];
        if (!any)
            continue;
        status = ki_lane_new(r, &plan->name[i], plan->holds[i], false, &r->lane[r->lanes]);
        if (!status)
            status = ki_lane_start(r->lane[r->lanes++]);
    }
    if (!status && !r->options.host)
        status = ki_lane_new(r, &host, NULL, true, &r->last);
    if (!status && r->last)
        status = ki_lane_start(r->last);
    pthread_mutex_unlock(&r->mutex);
    return status;
}

static kith_status await_lanes(kith_replicas *r, kith_progress_fn progress, void *user)
{
    kith_status status = KITH_OK;
    pthread_mutex_lock(&r->upkeep); /* as in have_ended */
    for (uint32_t i = 0; i < r->lanes && !status; i++) {
        pthread_mutex_lock(&r->mutex);
        ki_lane *lane = r->lane[i];
        pthread_mutex_unlock(&r->mutex);
        status = ki_lane_await(lane);
        if (!status && progress && progress(user, i + 1, r->lanes))
            status = ki_fail(KITH_ECANCELLED, "stopped after %u of %u devices", i + 1, r->lanes);
    }
    pthread_mutex_unlock(&r->upkeep);
    return status;
}

static kith_status fill(kith_replicas *r, const ki_plan *plan, kith_progress_fn progress,
                        void *user)
{
    pthread_rwlock_rdlock(&r->index->gate);
    r->followed = r->index->builds;
    kith_status status = ki_parts_open(r->index, r->partitions, plan->shares, r->options.threads,
                                       progress, user, &r->parts);
    pthread_rwlock_unlock(&r->index->gate);
    if (!status && pthread_create(&r->monitor, NULL, ki_watch_main, r))
        status = ki_fail(KITH_ENOMEM, "the thread that watches replicas could not be started");
    else if (!status)
        r->monitor_started = true;
    if (!status)
        status = start_lanes(r, plan);
    return status ? status : await_lanes(r, progress, user);
}

kith_status ki_replicas_make(kith_index *index, const kith_replicas_options *options,
                             kith_progress_fn progress, void *user, kith_replicas **out)
{
    ki_replicas_close_left(index, false);
    ki_plan *plan = ki_zalloc(sizeof *plan);
    kith_replicas *r = ki_zalloc(sizeof *r);
    pthread_rwlockattr_t attributes;
    if (!plan || !r) {
        ki_free(plan);
        ki_free(r);
        return ki_no_memory("replicas", sizeof *plan + sizeof *r);
    }
    r->index = index;
    r->partitions = options->partitions;
    r->options = *options;
    r->options.devices = NULL;
    pthread_mutex_init(&r->mutex, NULL);
    pthread_mutex_init(&r->upkeep, NULL);
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&r->links, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    ki_cond_init(&r->changed);
    ki_cond_init(&r->watch);
    kith_status status = ki_replicas_plan(r, options, plan);
    if (!status)
        status = fill(r, plan, progress, user);
    ki_free(plan);
    if (status)
        close_or_leave(r);
    else
        *out = r;
    return status;
}

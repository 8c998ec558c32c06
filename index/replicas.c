/* replicas.c - a set of replicas: made, changed while it serves, taken down.
 *
 * May touch replicas.h. A lane raises itself, at the start as after a failure; so to create is to
 * plan, to start the lanes, and to wait until each has tried once. One lane more, the last, has the
 * host's own copies of all partitions, which it makes when nobody else is left to answer.
 */
#include "index/replicas.h"

#include <string.h>

/* ---- closing ---- */

static void retire(ki_lane *lane)
{
    lane->retired = true;
    pthread_cond_broadcast(&lane->wake);
}

static void end_threads(kith_replicas *r)
{
    pthread_mutex_lock(&r->mutex);
    while (r->pending)
        pthread_cond_wait(&r->changed, &r->mutex);
    for (uint32_t i = 0; i < r->lanes; i++)
        retire(r->lane[i]);
    if (r->last)
        retire(r->last);
    r->stopping = true;
    pthread_cond_broadcast(&r->watch);
    pthread_mutex_unlock(&r->mutex);
    if (r->monitor_started)
        pthread_join(r->monitor, NULL);
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
    ki_parts_close(r->parts);
    pthread_cond_destroy(&r->changed);
    pthread_cond_destroy(&r->watch);
    pthread_mutex_destroy(&r->mutex);
    pthread_mutex_destroy(&r->upkeep);
    pthread_rwlock_destroy(&r->links);
    ki_free(r);
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
        status =
            ki_lane_new(r, &plan->name[i], plan->id[i], plan->holds[i], false, &r->lane[r->lanes]);
        if (!status)
            status = ki_lane_start(r->lane[r->lanes++]);
    }
    if (!status && !r->options.host)
        status = ki_lane_new(r, &host, "host", NULL, true, &r->last);
    if (!status && r->last)
        status = ki_lane_start(r->last);
    pthread_mutex_unlock(&r->mutex);
    return status;
}

/* Waits until the lane has been tried once. */
static kith_status await_lane(kith_replicas *r, ki_lane *lane)
{
    pthread_mutex_lock(&r->mutex);
    while (!lane->attempts)
        pthread_cond_wait(&r->changed, &r->mutex);
    kith_status status = lane->status;
    if (status)
        ki_fail(status, "'%s': %.200s", lane->id, lane->sentence);
    pthread_mutex_unlock(&r->mutex);
    return status;
}

static kith_status await_lanes(kith_replicas *r, kith_progress_fn progress, void *user)
{
    kith_status status = KITH_OK;
    for (uint32_t i = 0; i < r->lanes && !status; i++) {
        status = await_lane(r, r->lane[i]);
        if (!status && progress && progress(user, i + 1, r->lanes))
            status = ki_fail(KITH_ECANCELLED, "stopped after %u of %u devices", i + 1, r->lanes);
    }
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
    kith_status status = ki_replicas_plan(index, options, plan);
    if (!status)
        status = fill(r, plan, progress, user);
    ki_free(plan);
    if (status)
        kith_replicas_close(r);
    else
        *out = r;
    return status;
}

/* ---- upkeep ---- */

/* Orphans that have ended leave; under the mutex. */
static void bury(kith_replicas *r)
{
    for (ki_lane **at = &r->orphans; *at;) {
        ki_lane *lane = *at;
        if (!lane->exited) {
            at = &lane->next;
            continue;
        }
        *at = lane->next;
        pthread_mutex_unlock(&r->mutex); /* its last act is to unlock */
        ki_lane_free(lane);
        pthread_mutex_lock(&r->mutex);
        at = &r->orphans;
    }
}

/* The lane in this place, unless another has taken it meanwhile, does what it is asked. */
static void refresh_lane(kith_replicas *r, ki_lane *lane)
{
    bool there = true;
    if (lane->down)
        return; /* it is made anew as things are then */
    const uint64_t asked = ++lane->refresh_asked;
    pthread_cond_broadcast(&lane->wake);
    while (there && !lane->down && !lane->stuck && lane->refresh_done < asked) {
        pthread_cond_wait(&r->changed, &r->mutex);
        there = false;
        for (uint32_t i = 0; i < r->lanes; i++)
            there = there || r->lane[i] == lane;
    }
}

kith_status kith_replicas_refresh(kith_replicas *r, kith_progress_fn progress, void *user)
{
    pthread_mutex_lock(&r->upkeep);
    kith_status status = ki_replicas_follow(r, true, progress, user);
    pthread_mutex_lock(&r->mutex);
    const uint32_t lanes = r->lanes;
    for (uint32_t i = 0; i < lanes && !status; i++) {
        refresh_lane(r, r->lane[i]);
        pthread_mutex_unlock(&r->mutex);
        if (progress && progress(user, i + 1, lanes))
            status = ki_fail(KITH_ECANCELLED, "stopped after %u of %u devices", i + 1, lanes);
        pthread_mutex_lock(&r->mutex);
    }
    bury(r);
    pthread_mutex_unlock(&r->mutex);
    pthread_mutex_unlock(&r->upkeep);
    return status;
}

/* The partition with the fewest copies that can be asked, of equals the one with most to do. */
static uint32_t neediest(kith_replicas *r)
{
    uint32_t best = 0, fewest = UINT32_MAX, most_rows = 0;
    for (uint32_t p = 0; p < r->partitions; p++) {
        uint32_t copies = 0, rows = 0;
        for (uint32_t i = 0; i < r->lanes; i++) {
            const ki_holder *h = ki_lane_holder(r->lane[i], p);
            copies += h && h->state == KITH_COPY_OK;
        }
        ki_part_rows(r->parts, p, &rows);
        if (copies < fewest || (copies == fewest && rows > most_rows)) {
            best = p;
            fewest = copies;
            most_rows = rows;
        }
    }
    return best;
}

static bool has_device(const kith_replicas *r, const char *id)
{
    for (uint32_t i = 0; i < r->lanes; i++)
        if (!strcmp(r->lane[i]->id, id))
            return true;
    return false;
}

static kith_status add_lane(kith_replicas *r, const ki_device_name *name, const char *id,
                            ki_lane **out)
{
    bool partitions[KI_PARTS_MOST] = {false};
    pthread_rwlock_rdlock(&r->links);
    pthread_mutex_lock(&r->mutex);
    const bool there = has_device(r, id), full = r->lanes == KI_LANES_MOST;
    partitions[neediest(r)] = true;
    pthread_mutex_unlock(&r->mutex);
    pthread_rwlock_unlock(&r->links);
    if (there || full)
        return there ? ki_fail(KITH_EINVAL, "'%s' has copies already", id)
                     : ki_fail(KITH_EINVAL, "%d devices have copies; there is no place for '%s'",
                               KI_LANES_MOST, id);
    kith_status status = ki_lane_new(r, name, id, partitions, false, out);
    return status ? status : ki_lane_start(*out);
}

kith_status kith_replicas_add(kith_replicas *r, const char *device)
{
    ki_device_name name;
    ki_lane *lane = NULL;
    kith_status status = ki_parse_device(device, &name);
    if (status)
        return status;
    pthread_mutex_lock(&r->upkeep);
    status = add_lane(r, &name, name.host ? "cpu" : device, &lane);
    if (!status)
        status = await_lane(r, lane);
    pthread_mutex_lock(&r->mutex);
    if (!status) {
        r->lane[r->lanes++] = lane;
        ki_queue_settle(r);
    } else if (lane) {
        retire(lane);
    }
    pthread_mutex_unlock(&r->mutex);
    if (status)
        ki_lane_free(lane);
    pthread_mutex_unlock(&r->upkeep);
    return status;
}

/* Takes the lane out; what it has in hand it finishes, or the monitor gives it to others. */
static void drop_lane(kith_replicas *r, uint32_t at)
{
    ki_lane *lane = r->lane[at];
    retire(lane);
    lane->next = r->orphans;
    r->orphans = lane;
    memmove(&r->lane[at], &r->lane[at + 1], (--r->lanes - at) * sizeof *r->lane);
    ki_queue_settle(r);
    while (!lane->exited && !lane->stuck && !lane->raising)
        pthread_cond_wait(&r->changed, &r->mutex);
}

kith_status kith_replicas_drop(kith_replicas *r, const char *device)
{
    ki_device_name name;
    uint32_t dropped = 0;
    kith_status status = ki_parse_device(device, &name);
    if (status)
        return status;
    const char *id = name.host ? "cpu" : device;
    pthread_mutex_lock(&r->upkeep);
    pthread_mutex_lock(&r->mutex);
    for (uint32_t i = 0; i < r->lanes;) {
        if (strcmp(r->lane[i]->id, id) != 0) {
            i++;
            continue;
        }
        drop_lane(r, i);
        dropped++;
        i = 0; /* others may have moved meanwhile */
    }
    bury(r);
    pthread_mutex_unlock(&r->mutex);
    pthread_mutex_unlock(&r->upkeep);
    return dropped ? KITH_OK : ki_fail(KITH_ENOTFOUND, "'%s' has no copies", id);
}

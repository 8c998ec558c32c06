/* replicas_gate.c - who may look at the graphs: lanes come in, and go before they call a device.
 *
 * May touch replicas.h. Who looks at the graphs, their codes or the lists of the partitions holds
 * the index's gate, which a build shuts, and `links`, which following shuts. A device is never
 * called with either of them: it may hang, and a build would wait for it, behind which all searches
 * wait. Where a build has come between, whoever comes in next has the parts follow it.
 */
#include "index/replicas.h"

kith_status ki_replicas_follow(kith_replicas *r, bool always, kith_progress_fn progress, void *user)
{
    kith_status status = KITH_OK;
    pthread_rwlock_rdlock(&r->index->gate);
    pthread_rwlock_wrlock(&r->links);
    if (always || r->followed != r->index->builds) {
        const uint64_t before = ki_parts_version(r->parts);
        status = ki_parts_follow(r->parts, progress, user);
        if (!status)
            r->followed = r->index->builds;
        else if (ki_parts_version(r->parts) != before)
            r->followed = UINT64_MAX; /* half done; else they are as they were */
    }
    pthread_rwlock_unlock(&r->links);
    pthread_rwlock_unlock(&r->index->gate);
    return status;
}

void ki_replicas_leave(kith_replicas *r, bool links)
{
    if (links)
        pthread_rwlock_unlock(&r->links);
    pthread_rwlock_unlock(&r->index->gate);
}

void ki_lane_let_go(void *argument)
{
    ki_lane *lane = argument;
    if (lane->entered)
        ki_replicas_leave(lane->replicas, lane->entered_links);
    lane->entered = false;
}

/* Waits for a build to end, and sees to it that the parts know of it. */
kith_status ki_replicas_enter(kith_replicas *r)
{
    for (;;) {
        pthread_rwlock_rdlock(&r->index->gate);
        pthread_rwlock_rdlock(&r->links);
        if (r->followed == r->index->builds)
            return KITH_OK;
        ki_replicas_leave(r, true);
        kith_status status = ki_replicas_follow(r, false, NULL, NULL);
        if (status)
            return status;
    }
}

uint32_t ki_replicas_lessons(const kith_replicas *r)
{
    const ki_graph *graph = r->index->graph;
    return graph && graph->codes ? graph->codes->lessons : 0;
}

/* Queries become codes by the lesson of now, so a device must not hold codes of another. */
bool ki_lane_is_behind(const ki_lane *lane)
{
    const uint32_t lessons = ki_replicas_lessons(lane->replicas);
    for (uint32_t i = 0; i < lane->count; i++)
        if (lane->holder[i].copy && !lane->name.host && lane->holder[i].lessons != lessons)
            return true;
    return false;
}

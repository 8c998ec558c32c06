/* replicas_watch.c - the monitor: sees that a deadline has passed, and gives up on who missed it.
 *
 * May touch replicas.h. A call into a driver cannot be ended from outside. So the first deadline
 * takes the piece away and makes the lane a suspect; at the second, as long again, its name and
 * its copies go to a new lane, and the old one is left to itself among the orphans until its call
 * returns. The monitor sleeps while nobody searches, and looks four times within the least deadline
 * else.
 */
#include "index/replicas.h"

#include <string.h>

static const uint64_t least_limit_ns = UINT64_C(2000000000);

/* Another lane of the same name takes its place; false when that cannot be made now. */
static bool replace(kith_replicas *r, uint32_t at)
{
    ki_lane *old = r->lane[at], *lane = NULL;
    bool partitions[KI_PARTS_MOST] = {false};
    for (uint32_t i = 0; i < old->count; i++)
        partitions[old->holder[i].partition] = true;
    if (ki_lane_new(r, &old->name, old->id, partitions, false, &lane))
        return false;
    for (uint32_t i = 0; i < old->count; i++) {
        lane->holder[i] = old->holder[i];
        lane->holder[i].copy = NULL;
    }
    lane->failures = old->failures;
    lane->attempts = old->attempts;
    lane->status = KITH_EDEVICE;
    if (ki_lane_start(lane)) {
        ki_lane_free(lane);
        return false;
    }
    old->retired = true;
    old->next = r->orphans;
    r->orphans = old;
    r->lane[at] = lane;
    ki_lane_break(lane, lane->holder[0].reason);
    return true;
}

static void suspect(ki_lane *lane, uint64_t now)
{
    char reason[KI_SENTENCE];
    snprintf(reason, sizeof reason, "%zu queries took longer than %llu ms", lane->taken,
             (unsigned long long)(lane->limit_ns / 1000000));
    lane->dead_at = now + lane->limit_ns;
    if (lane->holder[0].state == KITH_COPY_SUSPECT || lane->serving->state == KITH_COPY_SUSPECT)
        lane->dead_at = now;
    lane->stuck = true;
    ki_lane_mark(lane, KITH_COPY_SUSPECT, reason);
    ki_queue_give_back(lane);
    ki_queue_settle(lane->replicas);
    pthread_cond_broadcast(&lane->replicas->changed);
}

/* True while there is something to watch. */
static bool look_at(kith_replicas *r, uint32_t at, uint64_t now)
{
    ki_lane *lane = r->lane[at];
    if (lane->searching && !lane->stuck && now > atomic_load(&lane->deadline))
        suspect(lane, now);
    if (lane->searching && lane->stuck && now >= lane->dead_at)
        replace(r, at);
    return r->lane[at]->searching;
}

/* Lanes that were dropped may hang as well, with pieces that others could answer. */
static bool look_at_orphan(ki_lane *lane, uint64_t now)
{
    if (lane->searching && !lane->stuck && now > atomic_load(&lane->deadline))
        suspect(lane, now);
    return lane->searching && !lane->stuck;
}

void *ki_watch_main(void *replicas)
{
    kith_replicas *r = replicas;
    const uint64_t given = r->options.deadline_ms * UINT64_C(1000000);
    const uint64_t step = (given ? given : least_limit_ns) / 4 + 1;
    pthread_mutex_lock(&r->mutex);
    while (!r->stopping) {
        const uint64_t now = ki_now_ns();
        bool busy = false;
        for (uint32_t i = 0; i < r->lanes; i++)
            busy = look_at(r, i, now) || busy;
        for (ki_lane *lane = r->orphans; lane; lane = lane->next)
            busy = look_at_orphan(lane, now) || busy;
        r->monitor_idle = !busy;
        if (busy)
            ki_wait_until(&r->watch, &r->mutex, now + step);
        else
            pthread_cond_wait(&r->watch, &r->mutex);
        r->monitor_idle = false;
    }
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

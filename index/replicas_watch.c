/* replicas_watch.c - deadlines, who waits for them, and the monitor that gives up on who missed
 * one.
 *
 * May touch replicas.h. A call into a driver cannot be ended from outside. So the first deadline
 * takes the piece away and makes the lane a suspect; at the second, as long again, its name and
 * its copies go to a new lane, and the old one is left to itself among the orphans until its call
 * returns; then the monitor frees it. A lane that is refreshed has no piece to lose, and is
 * replaced at the first. The monitor sleeps while nobody searches and nothing is raised or
 * refreshed, and looks four times within the least deadline else.
 */
#include "index/replicas.h"

#include <string.h>
#include <time.h>

static const uint64_t second_ns = UINT64_C(1000000000), least_limit_ns = UINT64_C(2000000000);

uint64_t ki_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * second_ns + (uint64_t)now.tv_nsec;
}

void ki_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

void ki_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t ns)
{
    const struct timespec at = {(time_t)(ns / second_ns), (long)(ns % second_ns)};
    pthread_cond_timedwait(cond, mutex, &at);
}

/* ---- deadlines ---- */

void ki_lane_arm(ki_lane *lane, uint64_t limit_ns)
{
    if (limit_ns)
        atomic_store(&lane->limit_ns, limit_ns);
    atomic_store(&lane->deadline, limit_ns ? ki_now_ns() + limit_ns : UINT64_MAX);
}

static bool is_late(const ki_lane *lane)
{
    return ki_now_ns() > atomic_load(&lane->deadline);
}

/* What is said of a lane that is late. */
static void describe_late(const ki_lane *lane, const char *what, char *sentence)
{
    snprintf(sentence, KI_SENTENCE,
             "the device has not come back for %.1f s, in which it was to %s",
             (double)atomic_load(&lane->limit_ns) * 1e-9, what);
}

/* Until something has changed, or a deadline may have passed, which can be armed meanwhile. */
static void wait_a_little(const ki_lane *lane)
{
    kith_replicas *r = lane->replicas;
    const uint64_t now = ki_now_ns(), step = now + ki_replicas_patience_ns / 8 + 1;
    const uint64_t deadline = atomic_load(&lane->deadline);
    ki_wait_until(&r->changed, &r->mutex, deadline > now && deadline < step ? deadline + 1 : step);
}

kith_status ki_lane_await(ki_lane *lane)
{
    kith_replicas *r = lane->replicas;
    char sentence[KI_SENTENCE];
    pthread_mutex_lock(&r->mutex);
    while (!lane->attempts && !is_late(lane))
        wait_a_little(lane);
    kith_status status = lane->attempts ? lane->status : KITH_EDEVICE;
    if (lane->attempts)
        memcpy(sentence, lane->sentence, sizeof sentence);
    else
        describe_late(lane, "take its copies", sentence);
    pthread_mutex_unlock(&r->mutex);
    return status ? ki_fail(status, "'%s': %.200s", lane->id, sentence) : KITH_OK;
}

bool ki_lane_has_ended(ki_lane *lane, bool wait)
{
    while (wait && lane->started && !lane->exited && !is_late(lane))
        wait_a_little(lane);
    return !lane->started || lane->exited;
}

void ki_lane_await_hands(ki_lane *lane)
{
    while (!lane->stuck && !lane->raising && !lane->refreshing && !lane->exited && !is_late(lane))
        wait_a_little(lane);
}

/* ---- the monitor ---- */

void ki_watch_wake(kith_replicas *r)
{
    if (r->monitor_idle)
        pthread_cond_signal(&r->watch);
}

/* Another lane of the same name takes its place; false when that cannot be made now. */
static bool replace(kith_replicas *r, uint32_t at)
{
    ki_lane *old = r->lane[at], *lane = NULL;
    bool partitions[KI_PARTS_MOST] = {false};
    for (uint32_t i = 0; i < old->count; i++)
        partitions[old->holder[i].partition] = true;
    if (ki_lane_new(r, &old->name, partitions, false, &lane))
        return false;
    for (uint32_t i = 0; i < old->count; i++) {
        lane->holder[i] = old->holder[i];
        lane->holder[i].copy = NULL;
        lane->holder[i].held = 0; /* what the old one holds is still there, and its own */
    }
    lane->failures = old->failures;
    lane->attempts = old->attempts;
    lane->status = KITH_EDEVICE;
    memcpy(lane->sentence, old->holder[0].reason, sizeof lane->sentence);
    if (ki_lane_start(lane)) {
        ki_lane_free(lane);
        return false;
    }
    old->retired = true;
    old->next = r->orphans;
    r->orphans = old;
    r->lane[at] = lane;
    ki_lane_break(lane, old->holder[0].reason);
    return true;
}

static void suspect(ki_lane *lane, uint64_t now)
{
    char reason[KI_SENTENCE];
    snprintf(reason, sizeof reason, "%zu queries took longer than %llu ms", lane->taken,
             (unsigned long long)(atomic_load(&lane->limit_ns) / 1000000));
    lane->dead_at = now + atomic_load(&lane->limit_ns);
    if (lane->holder[0].state == KITH_COPY_SUSPECT || lane->serving->state == KITH_COPY_SUSPECT)
        lane->dead_at = now;
    lane->stuck = true;
    ki_lane_mark(lane, KITH_COPY_SUSPECT, reason);
    ki_queue_give_back(lane);
    ki_queue_settle(lane->replicas);
    pthread_cond_broadcast(&lane->replicas->changed);
}

/* It may have hung while a lane that was refreshed was sent something. */
static void give_up_refresh(kith_replicas *r, uint32_t at)
{
    char reason[KI_SENTENCE];
    describe_late(r->lane[at], "take what is new", reason);
    ki_lane_mark(r->lane[at], KITH_COPY_DEAD, reason);
    replace(r, at);
    pthread_cond_broadcast(&r->changed);
}

/* It has no piece to lose and no name to give away: its copies are told what it waits for. */
static void blame(ki_lane *lane)
{
    for (uint32_t i = 0; i < lane->count; i++)
        describe_late(lane, "take its copies", lane->holder[i].reason);
}

/* Lanes that are to end may hang as well, with pieces that others could answer. Nobody takes their
 * place: whoever ends them would have to wait for that one too. */
static bool look_at_retired(ki_lane *lane, uint64_t now)
{
    if (lane->searching && !lane->stuck && now > atomic_load(&lane->deadline))
        suspect(lane, now);
    return lane->searching && !lane->stuck;
}

/* True while there is something to watch. */
static bool look_at(kith_replicas *r, uint32_t at, uint64_t now)
{
    ki_lane *lane = r->lane[at];
    if (lane->retired)
        return look_at_retired(lane, now);
    if (lane->raising && now > atomic_load(&lane->deadline))
        blame(lane); /* its next call wakes who watches */
    else if (lane->raising)
        return true;
    if (lane->searching && !lane->stuck && now > atomic_load(&lane->deadline))
        suspect(lane, now);
    if (lane->searching && lane->stuck && now >= lane->dead_at)
        replace(r, at);
    else if (lane->refreshing && now > atomic_load(&lane->deadline))
        give_up_refresh(r, at);
    return r->lane[at]->searching || r->lane[at]->refreshing;
}

/* Frees the orphans that have ended, unless somebody is at upkeep, who may be waiting for one of
 * them. True when some are left for the next time. */
static bool bury_orphans(kith_replicas *r)
{
    bool ended = false;
    for (const ki_lane *lane = r->orphans; lane; lane = lane->next)
        ended = ended || lane->exited;
    if (!ended || pthread_mutex_trylock(&r->upkeep))
        return ended;
    ki_replicas_bury(r);
    pthread_mutex_unlock(&r->upkeep);
    return false;
}

void *ki_watch_main(void *replicas)
{
    kith_replicas *r = replicas;
    const uint64_t given = r->options.deadline_ms * UINT64_C(1000000);
    const uint64_t least = given ? given : least_limit_ns;
    pthread_mutex_lock(&r->mutex);
    for (;;) {
        bool busy = bury_orphans(r); /* which lets go of the mutex */
        const uint64_t now = ki_now_ns(), patience = ki_replicas_patience_ns;
        if (r->stopping)
            break;
        for (uint32_t i = 0; i < r->lanes; i++)
            busy = look_at(r, i, now) || busy;
        for (ki_lane *lane = r->orphans; lane; lane = lane->next)
            busy = look_at_retired(lane, now) || busy;
        r->monitor_idle = !busy;
        if (busy)
            ki_wait_until(&r->watch, &r->mutex,
                          now + (least < patience ? least : patience) / 4 + 1);
        else
            pthread_cond_wait(&r->watch, &r->mutex);
        r->monitor_idle = false;
    }
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

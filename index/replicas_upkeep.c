/* replicas_upkeep.c - a set of replicas is changed while it serves: refreshed, added to, dropped.
 *
 * May touch replicas.h. One call at a time, which holds `upkeep` and waits for lanes to do as they
 * are told; but not for a device that hangs. Lanes that are done with, or given up, are orphans
 * until their thread has ended.
 */
#include "index/replicas.h"

#include <string.h>

void ki_replicas_bury(kith_replicas *r)
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

/* The lane in this place does what it is asked, unless it is down: then it is made anew as things
 * are by then. One that hangs is replaced by another meanwhile. */
static kith_status refresh_lane(kith_replicas *r, uint32_t at)
{
    kith_status status = KITH_OK;
    pthread_mutex_lock(&r->mutex);
    ki_lane *lane = r->lane[at];
    const uint64_t asked = ++lane->refresh_asked;
    pthread_cond_broadcast(&lane->wake);
    while (r->lane[at] == lane && !lane->down && !lane->stuck && lane->refresh_done < asked)
        pthread_cond_wait(&r->changed, &r->mutex);
    if (r->lane[at] != lane)
        status = ki_fail(KITH_EDEVICE, "'%s': %.200s", r->lane[at]->id, r->lane[at]->sentence);
    pthread_mutex_unlock(&r->mutex);
    return status;
}

kith_status kith_replicas_refresh(kith_replicas *r, kith_progress_fn progress, void *user)
{
    char sentence[KI_SENTENCE];
    bool hangs = false;
    pthread_mutex_lock(&r->upkeep);
    kith_status status = ki_replicas_follow(r, true, progress, user);
    const uint32_t lanes = r->lanes; /* nobody adds or drops meanwhile */
    for (uint32_t i = 0; i < lanes && !status; i++) {
        if (refresh_lane(r, i) && !hangs) {
            hangs = true;
            snprintf(sentence, sizeof sentence, "%s", kith_last_error());
        }
        if (progress && progress(user, i + 1, lanes))
            status = ki_fail(KITH_ECANCELLED, "stopped after %u of %u devices", i + 1, lanes);
    }
    pthread_mutex_lock(&r->mutex);
    ki_replicas_bury(r);
    pthread_mutex_unlock(&r->mutex);
    pthread_mutex_unlock(&r->upkeep);
    return hangs && !status ? ki_fail(KITH_EDEVICE, "%s", sentence) : status;
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

static bool has_device(const kith_replicas *r, const ki_device_name *name)
{
    for (uint32_t i = 0; i < r->lanes; i++)
        if (ki_same_device(&r->lane[i]->name, name))
            return true;
    return false;
}

static kith_status new_lane(kith_replicas *r, const ki_device_name *name, ki_lane **out)
{
    bool partitions[KI_PARTS_MOST] = {false};
    char id[KI_DEVICE_ID];
    pthread_rwlock_rdlock(&r->links);
    pthread_mutex_lock(&r->mutex);
    const bool there = has_device(r, name), full = r->lanes == KI_LANES_MOST;
    partitions[neediest(r)] = true;
    pthread_mutex_unlock(&r->mutex);
    pthread_rwlock_unlock(&r->links);
    ki_device_id(name, id);
    if (there)
        return ki_fail(KITH_EINVAL, "'%s' has copies already", id);
    if (full)
        return ki_fail(KITH_EINVAL, "%d devices have copies; there is no place for '%s'",
                       KI_LANES_MOST, id);
    return ki_lane_new(r, name, partitions, false, out);
}

/* Raises the lane and puts it with the others. One that hangs is an orphan. */
static kith_status add_lane(kith_replicas *r, ki_lane *lane)
{
    bool ended = false;
    pthread_mutex_lock(&r->mutex);
    r->coming = lane;
    pthread_mutex_unlock(&r->mutex);
    kith_status status = ki_lane_start(lane);
    if (!status)
        status = ki_lane_await(lane);
    pthread_mutex_lock(&r->mutex);
    r->coming = NULL;
    if (!status) {
        r->lane[r->lanes++] = lane;
        ki_queue_settle(r);
    } else {
        ki_lane_retire(lane);
        lane->next = r->orphans;
        r->orphans = lane;
        ended = ki_lane_has_ended(lane, true);
    }
    if (ended)
        ki_replicas_bury(r);
    pthread_mutex_unlock(&r->mutex);
    return status;
}

kith_status kith_replicas_add(kith_replicas *r, const char *device)
{
    ki_device_name name;
    ki_lane *lane = NULL;
    kith_status status = ki_parse_device(device, &name);
    if (status)
        return status;
    pthread_mutex_lock(&r->upkeep);
    status = new_lane(r, &name, &lane);
    if (!status)
        status = add_lane(r, lane);
    pthread_mutex_unlock(&r->upkeep);
    return status;
}

/* Takes the lane out; what it has in hand it finishes, or the monitor gives it to others. One that
 * is busy with its copies has nothing in hand. */
static void drop_lane(kith_replicas *r, uint32_t at)
{
    ki_lane *lane = r->lane[at];
    ki_lane_retire(lane);
    lane->next = r->orphans;
    r->orphans = lane;
    memmove(&r->lane[at], &r->lane[at + 1], (--r->lanes - at) * sizeof *r->lane);
    ki_queue_settle(r);
    ki_lane_await_hands(lane);
}

kith_status kith_replicas_drop(kith_replicas *r, const char *device)
{
    ki_device_name name;
    uint32_t dropped = 0;
    kith_status status = ki_parse_device(device, &name);
    if (status)
        return status;
    pthread_mutex_lock(&r->upkeep);
    pthread_mutex_lock(&r->mutex);
    for (uint32_t i = 0; i < r->lanes;) {
        if (!ki_same_device(&r->lane[i]->name, &name)) {
            i++;
            continue;
        }
        drop_lane(r, i);
        dropped++;
        i = 0; /* others may have moved meanwhile */
    }
    ki_replicas_bury(r);
    pthread_mutex_unlock(&r->mutex);
    pthread_mutex_unlock(&r->upkeep);
    return dropped ? KITH_OK
                   : ki_fail(KITH_ENOTFOUND, "'%.20s' has no copies", device ? device : "cpu");
}

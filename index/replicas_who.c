/* replicas_who.c - who may answer for a partition, and how many queries it takes at a time.
 *
 * May touch replicas.h. Everything here is done under the mutex and changes nothing. A lane that is
 * OK may always take; a suspect when no other has its hands free, and the last one, the host, when
 * nobody is able.
 *
 * A lane takes from the fullest queue that it may, as many queries as it answers in 10 ms by its
 * own measured speed. While others hold the partition too, it takes no more than half of its share
 * of what waits: so pieces shrink towards the end, and a slow lane does not keep the rest waiting
 * with a last large piece. Fixed pieces of 3 ms were as even, and cost more calls in the middle.
 */
#include "index/replicas.h"

#include <math.h>

enum { UNKNOWN_PIECE = 32, PIECE_BYTES = 16 << 20 };

static const double piece_seconds = 0.010, least_seconds = 0.001;

ki_holder *ki_lane_holder(ki_lane *lane, uint32_t partition)
{
    for (uint32_t i = 0; i < lane->count; i++)
        if (lane->holder[i].partition == partition)
            return &lane->holder[i];
    return NULL;
}

/* A lane that may answer for the partition, if not at once. */
static ki_holder *hope_in(ki_lane *lane, uint32_t p, bool host_only)
{
    ki_holder *h = ki_lane_holder(lane, p);
    if (!h || lane->retired || (host_only && !lane->name.host))
        return NULL;
    return h->state == KITH_COPY_OK || h->state == KITH_COPY_SUSPECT ? h : NULL;
}

typedef struct prospects {
    bool hope;    /* some lane will answer in the end */
    bool able;    /* and is not kept from it now */
    bool good;    /* one that is OK has its hands free */
    double speed; /* of all that are able */
    uint32_t count;
} prospects;

static prospects look_around(kith_replicas *r, uint32_t p, bool host_only, const ki_lane *but)
{
    prospects seen = {0};
    for (uint32_t i = 0; i < r->lanes; i++) {
        ki_lane *lane = r->lane[i];
        const ki_holder *h = hope_in(lane, p, host_only);
        seen.hope = seen.hope || h;
        if (!h || lane->down || lane->refreshing || lane->stuck)
            continue;
        seen.able = true;
        seen.speed += h->speed;
        seen.count++;
        if (lane != but && h->state == KITH_COPY_OK && !lane->searching)
            seen.good = true;
    }
    return seen;
}

static bool may_take(ki_lane *lane, uint32_t p, bool host_only)
{
    const prospects others = look_around(lane->replicas, p, host_only, lane);
    if (lane->last)
        return !others.able;
    const ki_holder *h = hope_in(lane, p, host_only);
    return h && (h->state == KITH_COPY_OK || !others.good);
}

bool ki_who_may(ki_lane *lane, uint32_t p, bool may[2])
{
    may[0] = may_take(lane, p, false);
    may[1] = may_take(lane, p, true);
    return may[0] || may[1];
}

bool ki_who_hopes(kith_replicas *r, uint32_t p, bool host_only)
{
    return look_around(r, p, host_only, NULL).hope;
}

bool ki_who_has_work(const ki_lane *lane)
{
    for (uint32_t i = 0; i < lane->count; i++)
        if (lane->replicas->waiting[lane->holder[i].partition].queries)
            return true;
    return false;
}

size_t ki_who_takes(ki_lane *lane, const kith_ticket *t, uint32_t p)
{
    const kith_replicas *r = lane->replicas;
    const ki_holder *h = ki_lane_holder(lane, p);
    const size_t waiting = r->waiting[p].queries, bytes = t->query_bytes + 8 * t->options.k;
    const prospects all = look_around(lane->replicas, p, t->place[p].host_only, lane);
    double n = UNKNOWN_PIECE;
    if (h->speed > 0) {
        n = h->speed / t->cost * piece_seconds;
        if (!lane->last && all.count > 1)
            n = fmin(n, fmax((double)waiting / 2 * h->speed / all.speed,
                             h->speed / t->cost * least_seconds));
    }
    n = fmin(fmax(n, 1), fmax((double)PIECE_BYTES / (double)bytes, 1));
    return n < (double)waiting ? (size_t)n : waiting;
}

/* replicas_queue.c - the queues of the partitions, and the spans that lanes take from them.
 *
 * May touch replicas.h. Everything here is done under the mutex and allocates nothing: a ticket has
 * a place in the queue of each partition and a byte for each query there, so that queries which a
 * lane gives back need nothing but their bytes. Which lane may take, and how much, is decided in
 * replicas_who.c.
 */
#include "index/replicas.h"

#include <string.h>

static unsigned char *states_of(const kith_ticket *t, uint32_t p)
{
    return t->state + p * t->nq;
}

/* ---- places ---- */

static void unlink_place(kith_ticket *t, uint32_t p)
{
    ki_waiting *w = &t->replicas->waiting[p];
    ki_place *place = &t->place[p];
    if (place->before)
        place->before->place[p].after = place->after;
    else
        w->first = place->after;
    if (place->after)
        place->after->place[p].before = place->before;
    else
        w->last = place->before;
    place->before = place->after = NULL;
    place->queued = false;
}

static void link_place(kith_ticket *t, uint32_t p, bool in_front)
{
    ki_waiting *w = &t->replicas->waiting[p];
    ki_place *place = &t->place[p];
    place->queued = true;
    place->before = in_front ? NULL : w->last;
    place->after = in_front ? w->first : NULL;
    if (place->before)
        place->before->place[p].after = t;
    else
        w->first = t;
    if (place->after)
        place->after->place[p].before = t;
    else
        w->last = t;
}

static void change_waiting(kith_ticket *t, uint32_t p, size_t more, size_t less)
{
    t->place[p].waiting += more - less;
    t->replicas->waiting[p].queries += more - less;
}

static void finish_queries(kith_ticket *t, size_t n)
{
    t->pending -= n;
    t->replicas->pending -= n;
    if (!t->pending)
        pthread_cond_broadcast(&t->done);
    if (!t->replicas->pending)
        pthread_cond_broadcast(&t->replicas->changed);
}

/* ---- putting ---- */

static void wake(ki_lane *lane)
{
    if (!lane->searching)
        pthread_cond_signal(&lane->wake);
}

static void wake_all(kith_replicas *r)
{
    for (uint32_t i = 0; i < r->lanes; i++)
        wake(r->lane[i]);
    if (r->last)
        wake(r->last);
}

void ki_queue_put(kith_ticket *t)
{
    kith_replicas *r = t->replicas;
    t->pending = t->nq * r->partitions;
    r->pending += t->pending;
    memset(t->state, KI_WAITS, t->pending);
    for (uint32_t p = 0; p < r->partitions && t->nq; p++) {
        link_place(t, p, false);
        t->place[p].cursor = 0;
        change_waiting(t, p, t->nq, 0);
    }
    ki_queue_settle(r);
}

/* ---- taking ---- */

static bool alike(const kith_ticket *a, const kith_ticket *b)
{
    const kith_search_options *x = &a->options, *y = &b->options;
    return x->k == y->k && x->ef == y->ef && x->f32_queries == y->f32_queries &&
           x->prefetch_lines == y->prefetch_lines &&
           memcmp(&x->rerank, &y->rerank, sizeof x->rerank) == 0;
}

/* Up to `most` queries that wait in a row, as one span. */
static size_t take_span(ki_lane *lane, kith_ticket *t, uint32_t p, size_t most)
{
    ki_place *place = &t->place[p];
    unsigned char *state = states_of(t, p);
    while (state[place->cursor] != KI_WAITS)
        place->cursor++;
    const size_t first = place->cursor;
    size_t n = 0;
    for (; n < most && first + n < t->nq && state[first + n] == KI_WAITS; n++)
        state[first + n] = KI_GIVEN;
    place->cursor = first + n;
    change_waiting(t, p, 0, n);
    lane->span[lane->spans++] = (ki_span){t, first, n};
    if (!place->waiting)
        unlink_place(t, p);
    return n;
}

static size_t take_from(ki_lane *lane, uint32_t p, const bool may[2])
{
    const kith_ticket *model = NULL;
    kith_ticket *after;
    size_t room = 0;
    lane->taken = 0;
    lane->spans = 0;
    for (kith_ticket *t = lane->replicas->waiting[p].first; t; t = after) {
        after = t->place[p].after;
        if (!may[t->place[p].host_only] || (model && !alike(model, t)))
            continue;
        if (!model) {
            model = t;
            room = ki_who_takes(lane, t, p);
        }
        while (lane->spans < KI_SPANS_MOST && lane->taken < room && t->place[p].waiting)
            lane->taken += take_span(lane, t, p, room - lane->taken);
        if (lane->spans == KI_SPANS_MOST || lane->taken == room)
            break;
    }
    return lane->taken;
}

bool ki_queue_take(ki_lane *lane)
{
    const kith_replicas *r = lane->replicas;
    bool tried[KI_PARTS_MOST] = {false}, may[2];
    for (;;) {
        uint32_t best = UINT32_MAX;
        for (uint32_t i = 0; i < lane->count; i++) {
            const uint32_t p = lane->holder[i].partition;
            if (!tried[p] && r->waiting[p].queries &&
                (best == UINT32_MAX || r->waiting[p].queries > r->waiting[best].queries))
                best = p;
        }
        if (best == UINT32_MAX)
            return false;
        tried[best] = true;
        if (ki_who_may(lane, best, may) && take_from(lane, best, may)) {
            lane->serving = ki_lane_holder(lane, best);
            return true;
        }
    }
}

/* ---- what becomes of spans ---- */

/* The part of a sum that n of `all` queries have, so that the parts of all add up. */
static uint64_t part_of(uint64_t sum, size_t before, size_t n, size_t all)
{
    const double each = (double)sum / (double)all;
    const uint64_t end = before + n == all ? sum : (uint64_t)(each * (double)(before + n));
    return end - (uint64_t)(each * (double)before);
}

void ki_queue_deliver(ki_lane *lane, const ki_copy_counts *counts)
{
    const ki_holder *h = lane->serving;
    const size_t all = lane->taken;
    size_t before = 0;
    for (uint32_t i = 0; i < lane->spans; i++) {
        const ki_span *s = &lane->span[i];
        kith_ticket *t = s->ticket;
        const size_t k = t->options.k;
        memcpy(t->answers + (h->partition * t->nq + s->first) * k, lane->answers + before * k,
               s->count * k * sizeof *t->answers);
        memset(states_of(t, h->partition) + s->first, KI_ANSWERED, s->count);
        t->seen = h->facts.seen < t->seen ? h->facts.seen : t->seen;
        t->counts.distances += part_of(counts->distances, before, s->count, all);
        t->counts.hops += part_of(counts->hops, before, s->count, all);
        t->counts.reranks += part_of(counts->reranks, before, s->count, all);
        t->counts.mode = counts->mode;
        t->on_host += lane->last;
        before += s->count;
        finish_queries(t, s->count);
    }
    lane->spans = 0;
}

void ki_queue_give_back(ki_lane *lane)
{
    const uint32_t p = lane->serving->partition;
    for (uint32_t i = lane->spans; i-- > 0;) {
        const ki_span *s = &lane->span[i];
        kith_ticket *t = s->ticket;
        ki_place *place = &t->place[p];
        t->retries++;
        if (t->status) { /* it has failed otherwise */
            finish_queries(t, s->count);
            continue;
        }
        memset(states_of(t, p) + s->first, KI_WAITS, s->count);
        change_waiting(t, p, s->count, 0);
        place->cursor = s->first < place->cursor ? s->first : place->cursor;
        if (!place->queued)
            link_place(t, p, true);
    }
    lane->spans = 0;
}

/* What waits of a ticket in one queue will not be answered. */
static void refuse_waiting(kith_ticket *t, uint32_t p)
{
    ki_place *place = &t->place[p];
    const size_t n = place->waiting;
    unsigned char *state = states_of(t, p);
    for (size_t q = place->cursor; q < t->nq; q++)
        if (state[q] == KI_WAITS) {
            state[q] = KI_REFUSED;
            memset(t->answers + (p * t->nq + q) * t->options.k, 0xff,
                   t->options.k * sizeof *t->answers);
        }
    change_waiting(t, p, 0, n);
    unlink_place(t, p);
    place->missing = true;
    finish_queries(t, n);
}

static void fail_ticket(kith_ticket *t, kith_status status, const char *sentence)
{
    if (!t->status) {
        t->status = status;
        memcpy(t->sentence, sentence, strnlen(sentence, sizeof t->sentence - 1));
    }
    for (uint32_t p = 0; p < t->replicas->partitions; p++)
        if (t->place[p].queued)
            refuse_waiting(t, p);
}

static bool may_be_partial(const kith_ticket *t, kith_status status)
{
    return t->replicas->options.partial && (status == KITH_EDEVICE || status == KITH_ENOMEM);
}

void ki_queue_refuse(ki_lane *lane, kith_status status, const char *sentence)
{
    const uint32_t p = lane->serving->partition, spans = lane->spans;
    kith_ticket *tickets[KI_SPANS_MOST];
    for (uint32_t i = 0; i < spans; i++)
        tickets[i] = lane->span[i].ticket;
    ki_queue_give_back(lane);
    for (uint32_t i = 0; i < spans; i++) {
        const bool again = i && tickets[i] == tickets[i - 1]; /* it may be gone already */
        if (again || !tickets[i]->place[p].queued)
            continue;
        if (may_be_partial(tickets[i], status))
            refuse_waiting(tickets[i], p);
        else
            fail_ticket(tickets[i], status, sentence);
    }
}

/* ---- settling ---- */

static void despair(kith_ticket *t, uint32_t p)
{
    const bool host_only = t->place[p].host_only;
    char sentence[KI_SENTENCE];
    if (may_be_partial(t, KITH_EDEVICE)) {
        refuse_waiting(t, p);
        return;
    }
    snprintf(sentence, sizeof sentence,
             host_only ? "partition %u has no copy on the host, and no device takes such a search"
                       : "no copy of partition %u is left, and the host is not to answer",
             p);
    fail_ticket(t, host_only ? KITH_EUNSUPPORTED : KITH_EDEVICE, sentence);
}

void ki_queue_settle(kith_replicas *r)
{
    for (uint32_t p = 0; p < r->partitions; p++) {
        bool hope[2] = {true, true};
        if (!r->waiting[p].first)
            continue;
        for (int only = 0; only < 2 && !r->last; only++)
            hope[only] = ki_who_hopes(r, p, only);
        kith_ticket *after;
        for (kith_ticket *t = r->waiting[p].first; t && !(hope[0] && hope[1]); t = after) {
            after = t->place[p].after;
            if (!hope[t->place[p].host_only])
                despair(t, p);
        }
    }
    wake_all(r);
}

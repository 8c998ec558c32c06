/* replicas_lane.c - the one thread that calls a device: it serves, and is told when to do else.
 *
 * May touch replicas.h. The host's copies walk what ki_parts_follow changes, so they hold `links`
 * while they search. All hold the gate at first: even a device's queries become codes by what a
 * build may learn anew. But it is open again before the device is called: it may hang, and a build,
 * behind which all searches wait, would wait for it.
 */
#include "index/replicas.h"

#include <string.h>

enum { GATE_PAUSE_NS = 1000000, LIMIT_FACTOR = 8 };

static const uint64_t second_ns = UINT64_C(1000000000);

/* ---- serving ---- */

static void gather(ki_lane *lane)
{
    unsigned char *to = lane->queries;
    for (uint32_t i = 0; i < lane->spans; i++) {
        const ki_span *s = &lane->span[i];
        const size_t bytes = s->ticket->query_bytes;
        memcpy(to, s->ticket->queries + s->first * bytes, s->count * bytes);
        to += s->count * bytes;
    }
}

/* How long a piece may take, from what the holder's speed is. A search of another kind than the
 * last may have to be compiled first. */
static uint64_t limit_of(const ki_lane *lane, const ki_copy_request *request, double cost)
{
    const ki_holder *h = lane->serving;
    const kith_search_options *before = &h->answered, *now = &request->options;
    const bool known =
        before->k == now->k && before->ef == now->ef && before->f32_queries == now->f32_queries;
    const uint64_t least = known ? 2 * second_ns : 10 * second_ns;
    if (lane->last)
        return 0;
    if (lane->replicas->options.deadline_ms)
        return lane->replicas->options.deadline_ms * UINT64_C(1000000);
    if (h->speed <= 0)
        return 5 * least;
    const double expected = 1e9 * cost * (double)request->count / h->speed;
    const uint64_t limit = (uint64_t)(LIMIT_FACTOR * expected);
    return limit > least ? limit : least;
}

/* The piece, on the lane's own memory. The tickets are not looked at any more once the deadline is
 * armed: from then on they may be given to others, answered, and gone. A host copy that is behind
 * is refreshed before: how long that takes says nothing about how long a search may take. */
static kith_status search(ki_lane *lane, ki_copy_request *request, uint64_t limit,
                          ki_copy_counts *counts)
{
    ki_holder *h = lane->serving;
    const size_t n = request->count;
    ki_copy_facts facts;
    kith_status status = ki_lane_make_room(lane, n * request->query_bytes,
                                           n * request->options.k * sizeof *lane->answers);
    if (status)
        return status;
    gather(lane);
    request->queries = lane->queries;
    if (lane->name.host) /* it walks what has changed; the last lane's are made when needed */
        status = ki_lane_refresh_copy(lane, h, &facts);
    if (status)
        return status;
    request->let_go = ki_lane_let_go;
    request->user = lane;
    ki_lane_arm(lane, limit);
    status = ki_copy_search(h->copy, request, lane->answers, counts);
    ki_lane_arm(lane, 0);
    return status;
}

static void learn(ki_lane *lane, const ki_copy_request *request, double cost, uint64_t ns)
{
    ki_holder *h = lane->serving;
    const double each = (double)request->count * 1e9 / (double)(ns + 1), weight = 0.3;
    h->speed = h->speed > 0 ? (1 - weight) * h->speed + weight * cost * each : cost * each;
    h->queries_per_second =
        h->queries_per_second > 0 ? (1 - weight) * h->queries_per_second + weight * each : each;
    h->queries += request->count;
    h->answered = request->options;
    if (h->copy)
        ki_copy_stat(h->copy, &h->facts); /* a host copy follows the parts by itself */
}

/* A device does not take such a search: the host may. */
static void leave_to_host(ki_lane *lane)
{
    const uint32_t p = lane->serving->partition;
    for (uint32_t i = 0; i < lane->spans; i++)
        lane->span[i].ticket->place[p].host_only = true;
    ki_queue_give_back(lane);
    ki_queue_settle(lane->replicas);
}

static void fail_piece(ki_lane *lane, kith_status status)
{
    if (status == KITH_EUNSUPPORTED && !lane->name.host) {
        leave_to_host(lane);
    } else if (lane->last || (status != KITH_EDEVICE && status != KITH_ENOMEM)) {
        ki_queue_refuse(lane, status, kith_last_error());
        ki_queue_settle(lane->replicas);
    } else {
        ki_queue_give_back(lane);
        ki_lane_break(lane, kith_last_error());
    }
}

/* It was the device that was late, and it is not any more: none of its copies is a suspect. */
static void trust(ki_lane *lane)
{
    for (uint32_t i = 0; i < lane->count; i++)
        if (lane->holder[i].state == KITH_COPY_SUSPECT)
            lane->holder[i].state = KITH_COPY_OK;
    lane->serving->state = KITH_COPY_OK;
}

static void serve(ki_lane *lane)
{
    kith_replicas *r = lane->replicas;
    const kith_ticket *t = lane->span[0].ticket;
    const double cost = t->cost;
    ki_copy_request request = {.query_bytes = t->query_bytes,
                               .count = lane->taken,
                               .f32 = t->f32,
                               .options = t->part_options};
    ki_copy_counts counts = {0};
    const uint64_t limit = limit_of(lane, &request, cost);
    lane->entered = true;
    lane->entered_links = lane->name.host;
    lane->searching = true;
    ki_watch_wake(r);
    pthread_mutex_unlock(&r->mutex);
    const uint64_t start = ki_now_ns();
    kith_status status = search(lane, &request, limit, &counts);
    const uint64_t ns = ki_now_ns() - start;
    ki_lane_let_go(lane);
    pthread_mutex_lock(&r->mutex);
    lane->searching = false;
    if (lane->retired && lane->stuck) /* another lane has its name */
        return;
    if (status && lane->stuck && !lane->last)
        ki_lane_break(lane, kith_last_error());
    else if (status)
        fail_piece(lane, status);
    else if (!lane->stuck) {
        learn(lane, &request, cost, ns);
        ki_queue_deliver(lane, &counts);
        trust(lane);
        lane->failures = 0;
    }
    if (lane->stuck) {
        lane->stuck = false; /* late, but it lives: it may try again, as a suspect */
        ki_queue_settle(r);
        pthread_cond_broadcast(&r->changed);
    }
}

/* Without waiting. A lane that may not enter tries again a little later: others may take the piece
 * meanwhile. A device may search with parts that are behind, the host not. */
static bool try_enter(const ki_lane *lane)
{
    kith_replicas *r = lane->replicas;
    if (pthread_rwlock_tryrdlock(&r->index->gate))
        return false;
    if (!lane->name.host)
        return true;
    if (pthread_rwlock_tryrdlock(&r->links) == 0) {
        if (r->followed == r->index->builds)
            return true;
        pthread_rwlock_unlock(&r->links);
    }
    pthread_rwlock_unlock(&r->index->gate);
    return false;
}

/* Until there may be something to do: at the latest when a copy that failed is to be tried again.
 */
static void rest(ki_lane *lane)
{
    const uint64_t due = ki_lane_due(lane);
    if (due == UINT64_MAX)
        pthread_cond_wait(&lane->wake, &lane->replicas->mutex);
    else
        ki_wait_until(&lane->wake, &lane->replicas->mutex, due);
}

/* What waits goes into a piece when the gate is open. */
static void serve_or_wait(ki_lane *lane)
{
    kith_replicas *r = lane->replicas;
    if (!ki_who_has_work(lane)) {
        rest(lane);
        return;
    }
    if (!try_enter(lane)) {
        pthread_mutex_unlock(&r->mutex);
        kith_status status =
            ki_replicas_enter(r); /* where parts are behind it is this that follows */
        if (!status)
            ki_replicas_leave(r, true);
        pthread_mutex_lock(&r->mutex);
        if (status && lane->name.host && ki_queue_take(lane)) {
            ki_queue_refuse(lane, status, kith_last_error()); /* it cannot walk half-made graphs */
            ki_queue_settle(r);
        } else if (status) {
            ki_wait_until(&lane->wake, &r->mutex, ki_now_ns() + GATE_PAUSE_NS);
        }
        return;
    }
    if (ki_lane_is_behind(lane)) {
        ki_replicas_leave(r, lane->name.host);
        ki_lane_refresh(lane);
        return;
    }
    if (ki_queue_take(lane)) {
        serve(lane);
        return;
    }
    ki_replicas_leave(r, lane->name.host);
    rest(lane);
}

static void *lane_main(void *argument)
{
    ki_lane *lane = argument;
    kith_replicas *r = lane->replicas;
    pthread_mutex_lock(&r->mutex);
    while (!lane->retired) {
        if (lane->down && lane->retry_at > ki_now_ns())
            ki_wait_until(&lane->wake, &r->mutex, lane->retry_at);
        else if (lane->measures)
            ki_lane_measure(lane);
        else if (lane->down)
            ki_lane_raise(lane);
        else if (lane->refresh_asked != lane->refresh_done)
            ki_lane_refresh(lane);
        else if (ki_lane_due(lane) <= ki_now_ns())
            ki_lane_retry(lane);
        else
            serve_or_wait(lane);
    }
    pthread_mutex_unlock(&r->mutex);
    ki_lane_clean_up(lane);
    pthread_mutex_lock(&r->mutex);
    lane->exited = true;
    pthread_cond_broadcast(&r->changed);
    ki_watch_wake(r);
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

/* ---- making ---- */

kith_status ki_lane_new(kith_replicas *r, const ki_device_name *name, const bool *partitions,
                        bool last, ki_lane **out)
{
    const size_t bytes = sizeof(ki_lane) + r->partitions * sizeof(ki_holder);
    ki_lane *lane = ki_zalloc(bytes);
    if (!lane)
        return ki_no_memory("a lane", bytes);
    lane->replicas = r;
    lane->name = *name;
    lane->last = last;
    lane->down = !last;
    ki_device_id(name, lane->id);
    atomic_store(&lane->deadline, UINT64_MAX);
    ki_cond_init(&lane->wake);
    for (uint32_t p = 0; p < r->partitions; p++)
        if (!partitions || partitions[p]) {
            lane->holder[lane->count++] =
                (ki_holder){.partition = p, .state = last ? KITH_COPY_OK : KITH_COPY_PROBING};
        }
    *out = lane;
    return KITH_OK;
}

kith_status ki_lane_start(ki_lane *lane)
{
    lane->started = !pthread_create(&lane->thread, NULL, lane_main, lane);
    return lane->started
               ? KITH_OK
               : ki_fail(KITH_ENOMEM, "the thread of '%s' could not be started", lane->id);
}

void ki_lane_join(ki_lane *lane)
{
    if (lane && lane->started && !lane->joined)
        lane->joined = !pthread_join(lane->thread, NULL);
}

void ki_lane_free(ki_lane *lane)
{
    if (!lane)
        return;
    ki_lane_join(lane);
    pthread_cond_destroy(&lane->wake);
    ki_free(lane->queries);
    ki_free(lane->answers);
    ki_free(lane);
}

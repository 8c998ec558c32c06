/* replicas_raise.c - copies come up: a device is opened, its copies are made, tried, refreshed.
 *
 * May touch replicas.h. All of it is done by the lane's own thread. After an error a lane begins
 * anew: what a driver says after its first error is not worth asking, so nothing of the old device
 * is kept. The pause between attempts doubles. A copy that came up is asked a few queries, which
 * shows that it works, and how fast.
 */
#include "index/replicas.h"

#include <string.h>
#include <time.h>

enum { TRIAL_QUERIES = 8 };

static const uint64_t second_ns = UINT64_C(1000000000), first_pause_ns = UINT64_C(100000000);

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

/* ---- the parts ---- */

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

static uint32_t lessons_of(const kith_replicas *r)
{
    const ki_graph *graph = r->index->graph;
    return graph && graph->codes ? graph->codes->lessons : 0;
}

/* ---- copies ---- */

/* Queries become codes by the lesson of now, so a device must not hold codes of another. */
bool ki_lane_is_behind(const ki_lane *lane)
{
    const uint32_t lessons = lessons_of(lane->replicas);
    for (uint32_t i = 0; i < lane->count; i++)
        if (lane->holder[i].copy && !lane->name.host && lane->holder[i].lessons != lessons)
            return true;
    return false;
}

static ki_copy_limits limits_of(const ki_lane *lane)
{
    const kith_replicas_options *o = &lane->replicas->options;
    kith_device_info info = {.size = sizeof info};
    ki_copy_limits limits = {.threads = o->threads};
    if (!lane->device)
        return limits;
    lane->device->ops->info(lane->device, &info);
    limits.memory_bytes = o->memory_bytes ? o->memory_bytes : info.memory_bytes / 5 * 4;
    for (uint32_t i = 0; i < lane->count; i++) {
        ki_copy_facts facts = {0};
        if (lane->holder[i].copy)
            ki_copy_stat(lane->holder[i].copy, &facts);
        limits.used_bytes += facts.bytes;
    }
    return limits;
}

/* Opens what is not open and brings it up to the parts. Entered. */
kith_status ki_lane_refresh_copy(ki_lane *lane, ki_holder *h, ki_copy_facts *facts)
{
    kith_replicas *r = lane->replicas;
    kith_status status = KITH_OK;
    if (!h->copy)
        status = ki_copy_open(r->parts, h->partition, lane->device, &h->copy);
    if (status)
        return status;
    ki_copy_limits limits = limits_of(lane);
    ki_copy_stat(h->copy, facts);
    limits.used_bytes -= facts->bytes;
    status = ki_copy_refresh(h->copy, &limits);
    h->lessons = lessons_of(r);
    ki_copy_stat(h->copy, facts);
    return status;
}

void ki_lane_clean_up(ki_lane *lane)
{
    for (uint32_t i = 0; i < lane->count; i++) {
        ki_copy_close(lane->holder[i].copy);
        lane->holder[i].copy = NULL;
    }
    if (lane->device)
        lane->device->ops->close(lane->device);
    lane->device = NULL;
}

kith_status ki_lane_make_room(ki_lane *lane, size_t query_bytes, size_t answer_bytes)
{
    if (query_bytes > lane->query_room) {
        ki_free(lane->queries);
        lane->queries = ki_alloc_aligned(64, query_bytes);
        lane->query_room = lane->queries ? query_bytes : 0;
    }
    if (answer_bytes > lane->answer_room) {
        ki_free(lane->answers);
        lane->answers = ki_alloc(answer_bytes);
        lane->answer_room = lane->answers ? answer_bytes : 0;
    }
    return lane->queries && lane->answers
               ? KITH_OK
               : ki_no_memory("a piece of work", query_bytes + answer_bytes);
}

/* The index is entered for each search, and let go when the device is called. A build may have come
 * between; then nothing is measured, and the copy is refreshed before it serves. */
static kith_status ask(ki_lane *lane, const ki_holder *h, ki_copy_request *request,
                       double *per_second)
{
    ki_copy_counts counts = {0};
    kith_status status = ki_replicas_enter(lane->replicas);
    if (status)
        return status;
    lane->entered = lane->entered_links = true;
    request->let_go = ki_lane_let_go;
    request->user = lane;
    if (!ki_lane_is_behind(lane)) {
        const uint64_t start = ki_now_ns();
        status = ki_copy_search(h->copy, request, lane->answers, &counts);
        *per_second = 1e9 * (double)request->count / (double)(ki_now_ns() - start + 1);
    }
    ki_lane_let_go(lane);
    return status;
}

/* A few rows are asked for themselves, twice: the first time a device may have to be warmed. */
static kith_status try_out(ki_lane *lane, const ki_holder *h, double *per_second)
{
    kith_replicas *r = lane->replicas;
    const kith_store *store = r->index->store;
    const ki_row_set set = ki_store_row_set(store->engine, &store->options);
    const size_t bytes = kith_vector_bytes(store->options.type, store->options.dim);
    ki_copy_facts facts;
    ki_copy_request request = {.query_bytes = bytes, .options = kith_search_defaults(10)};
    uint32_t count;
    kith_status status = ki_replicas_enter(r);
    if (status)
        return status;
    const uint32_t *rows = ki_part_rows(r->parts, h->partition, &count);
    ki_copy_stat(h->copy, &facts);
    request.count = count < TRIAL_QUERIES ? count : TRIAL_QUERIES;
    request.options.ef = ki_part_ef(r->parts, request.options.ef, request.options.k);
    status = ki_lane_make_room(lane, (request.count + 1) * bytes, TRIAL_QUERIES * 10 * 8);
    for (uint32_t i = 0; i < request.count && !status; i++)
        memcpy(lane->queries + i * bytes,
               set.rows.base + (size_t)(rows ? rows[i] : i) * set.rows.stride, bytes);
    const double cost = r->index->graph ? (double)request.options.ef : 1;
    ki_replicas_leave(r, true);
    request.queries = lane->queries;
    *per_second = 0;
    for (int round = 0; round < 2 && request.count && !status; round++)
        status = ask(lane, h, &request, per_second);
    *per_second *= cost;
    return status == KITH_EUNSUPPORTED ? KITH_OK : status;
}

/* ---- raising and refreshing ---- */

void ki_lane_mark(ki_lane *lane, kith_copy_state state, const char *reason)
{
    for (uint32_t i = 0; i < lane->count; i++) {
        ki_holder *h = &lane->holder[i];
        h->state = state;
        if (reason)
            snprintf(h->reason, sizeof h->reason, "%s", reason);
    }
}

void ki_lane_break(ki_lane *lane, const char *reason)
{
    const uint32_t doublings = lane->failures < 9 ? lane->failures : 9;
    ki_lane_mark(lane, KITH_COPY_DEAD, reason);
    lane->down = true;
    lane->failures++;
    lane->retry_at = ki_now_ns() + (first_pause_ns << doublings);
    lane->refresh_done = lane->refresh_asked; /* whoever waits for it waits in vain */
    ki_queue_settle(lane->replicas);
    pthread_cond_broadcast(&lane->replicas->changed);
}

/* One copy, and what is known of it told. A device that has no room for one of its copies
 * keeps the others. */
static kith_status raise_copy(ki_lane *lane, ki_holder *h, bool trial)
{
    kith_replicas *r = lane->replicas;
    ki_copy_facts facts = {0};
    double speed = 0;
    kith_status status = ki_replicas_enter(r);
    if (!status) {
        status = ki_lane_refresh_copy(lane, h, &facts);
        ki_replicas_leave(r, true);
    }
    if (!status && trial)
        status = try_out(lane, h, &speed);
    pthread_mutex_lock(&r->mutex);
    if (status) {
        snprintf(h->reason, sizeof h->reason, "%s", kith_last_error());
        h->state = KITH_COPY_DEAD;
    } else {
        h->state = KITH_COPY_OK;
        h->facts = facts;
        h->speed = speed > 0 ? speed : h->speed;
    }
    pthread_mutex_unlock(&r->mutex);
    return status;
}

/* Makes or refreshes all copies; the first failure is reported. True when any can be asked. */
static bool raise_copies(ki_lane *lane, bool trial, kith_status *first, char *sentence)
{
    uint32_t well = 0;
    *first = KITH_OK;
    for (uint32_t i = 0; i < lane->count && *first != KITH_EDEVICE; i++) {
        kith_status status = raise_copy(lane, &lane->holder[i], trial);
        well += !status;
        if (status && !*first) {
            *first = status;
            snprintf(sentence, KI_SENTENCE, "%s", kith_last_error());
        }
    }
    return well && *first != KITH_EDEVICE;
}

void ki_lane_raise(ki_lane *lane)
{
    kith_replicas *r = lane->replicas;
    char sentence[KI_SENTENCE] = "";
    ki_lane_mark(lane, KITH_COPY_PROBING, NULL);
    lane->raising = true;
    pthread_mutex_unlock(&r->mutex);
    ki_lane_clean_up(lane);
    kith_status status = ki_replicas_open_device(&lane->name, &lane->device);
    bool well = !status;
    if (status)
        snprintf(sentence, sizeof sentence, "%s", kith_last_error());
    else
        well = raise_copies(lane, true, &status, sentence);
    pthread_mutex_lock(&r->mutex);
    lane->raising = false;
    lane->attempts++;
    lane->status = status;
    memcpy(lane->sentence, sentence, sizeof sentence);
    if (!well) {
        ki_lane_break(lane, sentence);
        return;
    }
    lane->down = false;
    lane->refresh_done = lane->refresh_asked;
    ki_queue_settle(r);
    pthread_cond_broadcast(&r->changed);
}

void ki_lane_refresh(ki_lane *lane)
{
    kith_replicas *r = lane->replicas;
    const uint64_t asked = lane->refresh_asked;
    char sentence[KI_SENTENCE] = "";
    kith_status status;
    lane->refreshing = true;
    ki_queue_settle(r); /* others may have to take over */
    pthread_mutex_unlock(&r->mutex);
    const bool well = raise_copies(lane, false, &status, sentence);
    pthread_mutex_lock(&r->mutex);
    lane->refreshing = false;
    lane->status = status;
    memcpy(lane->sentence, sentence, sizeof sentence);
    if (!well) {
        ki_lane_break(lane, sentence);
        return;
    }
    lane->refresh_done = asked;
    ki_queue_settle(r);
    pthread_cond_broadcast(&r->changed);
}

/* replicas_raise.c - copies come up: a device is opened, its copies are made, tried, refreshed.
 *
 * May touch replicas.h. All of it is done by the lane's own thread. After an error a lane begins
 * anew: what a driver says after its first error is not worth asking, so nothing of the old device
 * is kept. The pause between attempts doubles. A copy that came up is asked a few queries, which
 * shows that it works, and how fast.
 *
 * A device may hang in any call, so none is made under a lock, and each is made with a deadline
 * armed. Who waits for a lane, to create or to add, stops waiting when that has passed; the monitor
 * replaces a lane that hangs while it is refreshed. One that hangs while it is raised has nothing
 * that another could do in its place: its copies say why they are not there, and it is left alone.
 */
#include "index/replicas.h"

#include <string.h>

enum { TRIAL_QUERIES = 8, DOUBLINGS = 9, NS_PER_BYTE = 10 };

static const uint64_t first_pause_ns = UINT64_C(100000000);

_Atomic uint64_t ki_replicas_patience_ns = UINT64_C(60000000000);

/* ---- copies ---- */

/* At 100 MB a second. */
uint64_t ki_replicas_patience(const kith_replicas *r, uint64_t bytes)
{
    const uint64_t given = r->options.deadline_ms * UINT64_C(1000000);
    const uint64_t patience = ki_replicas_patience_ns;
    return (given > patience ? given : patience) + bytes * NS_PER_BYTE;
}

/* The let_go of what is sent and tried: the device is called from here on, and it may hang. */
static void turn_to_device(void *argument)
{
    ki_lane *lane = argument;
    kith_replicas *r = lane->replicas;
    ki_lane_let_go(lane);
    ki_lane_arm(lane, ki_replicas_patience(r, lane->sending));
    pthread_mutex_lock(&r->mutex);
    if (!lane->raising && !lane->refreshing) { /* a copy is tried again: others take over */
        lane->refreshing = true;
        ki_queue_settle(r);
        pthread_cond_broadcast(&r->changed); /* who drops it need not wait for its hands */
    }
    ki_watch_wake(r);
    pthread_mutex_unlock(&r->mutex);
}

/* What a lane, which may be NULL, holds of the memory of `of`'s device, but for one holder. */
static uint64_t held_by(const ki_lane *lane, const ki_lane *of, const ki_holder *but)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; lane && i < lane->count && ki_share_memory(&lane->name, &of->name); i++)
        sum += &lane->holder[i] != but ? lane->holder[i].held : 0;
    return sum;
}

/* Takes room for a copy on its device before it is sent, so that two lanes of one device, which
 * may be parts of it, do not both take the last there is; what a lane holds that hangs is not there
 * either. While it grows a copy has `old` bytes besides, if there is room for both: else it forgets
 * them first, see copy_device.c. Returns what all others on the device hold. */
static uint64_t reserve(ki_lane *lane, ki_holder *h, uint64_t bytes, uint64_t old)
{
    kith_replicas *r = lane->replicas;
    pthread_mutex_lock(&r->mutex);
    uint64_t others = held_by(lane, lane, h);
    for (uint32_t i = 0; i < r->lanes; i++)
        others += r->lane[i] != lane ? held_by(r->lane[i], lane, h) : 0;
    for (const ki_lane *orphan = r->orphans; orphan; orphan = orphan->next)
        others += orphan != lane ? held_by(orphan, lane, h) : 0;
    others += r->coming != lane ? held_by(r->coming, lane, h) : 0;
    const bool both = !lane->memory_bytes || others + old + bytes <= lane->memory_bytes;
    h->held = both ? old + bytes : bytes;
    pthread_mutex_unlock(&r->mutex);
    return others;
}

/* Opens what is not open and brings it up to the parts. Entered. */
kith_status ki_lane_refresh_copy(ki_lane *lane, ki_holder *h, ki_copy_facts *facts)
{
    kith_replicas *r = lane->replicas;
    ki_copy_limits limits = {.threads = r->options.threads};
    kith_status status = KITH_OK;
    if (!h->copy)
        status = ki_copy_open(r->parts, h->partition, lane->device, &h->copy);
    if (status)
        return status;
    h->lessons = ki_replicas_lessons(r); /* of now: a build may come before all is sent */
    if (lane->device) {
        ki_copy_stat(h->copy, facts);
        lane->sending = ki_copy_need(h->copy);
        limits.memory_bytes = lane->memory_bytes;
        limits.used_bytes = reserve(lane, h, lane->sending, facts->bytes);
        limits.let_go = turn_to_device;
        limits.user = lane;
    }
    status = ki_copy_refresh(h->copy, &limits);
    ki_copy_stat(h->copy, facts);
    if (lane->device)
        reserve(lane, h, facts->bytes, 0); /* what it is in the end; after a failure nothing */
    return status;
}

void ki_lane_clean_up(ki_lane *lane)
{
    ki_lane_arm(lane, ki_replicas_patience(lane->replicas, 0));
    for (uint32_t i = 0; i < lane->count; i++) {
        ki_copy_close(lane->holder[i].copy);
        lane->holder[i].copy = NULL;
    }
    if (lane->device)
        lane->device->ops->close(lane->device);
    lane->device = NULL;
    ki_lane_arm(lane, 0);
    pthread_mutex_lock(&lane->replicas->mutex);
    for (uint32_t i = 0; i < lane->count; i++)
        lane->holder[i].held = 0;
    pthread_mutex_unlock(&lane->replicas->mutex);
}

/* Of one device all parts have the same memory, which the option bounds for all of it. */
kith_status ki_lane_open_device(ki_lane *lane)
{
    const kith_replicas_options *o = &lane->replicas->options;
    kith_device_info info = {.size = sizeof info};
    ki_lane_arm(lane, ki_replicas_patience(lane->replicas, 0));
    kith_status status = ki_replicas_open_device(&lane->name, &lane->device);
    if (!status && lane->device) {
        lane->device->ops->info(lane->device, &info);
        lane->memory_bytes = o->memory_bytes ? o->memory_bytes : info.memory_bytes / 5 * 4;
    }
    ki_lane_arm(lane, 0);
    return status;
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
    request->let_go = turn_to_device;
    request->user = lane;
    lane->sending = 0;
    if (!ki_lane_is_behind(lane)) {
        const uint64_t start = ki_now_ns();
        status = ki_copy_search(h->copy, request, lane->answers, &counts);
        *per_second = 1e9 * (double)request->count / (double)(ki_now_ns() - start + 1);
    }
    ki_lane_let_go(lane);
    ki_lane_arm(lane, 0);
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

typedef enum which_copies { COPIES_NEW, COPIES_AGAIN, COPIES_DUE } which_copies;

static bool is_due(const ki_holder *h, uint64_t now)
{
    return h->state == KITH_COPY_DEAD && h->retry_at <= now;
}

uint64_t ki_lane_due(const ki_lane *lane)
{
    uint64_t first = UINT64_MAX;
    for (uint32_t i = 0; i < lane->count; i++)
        if (is_due(&lane->holder[i], UINT64_MAX) && lane->holder[i].retry_at < first)
            first = lane->holder[i].retry_at;
    return first;
}

void ki_lane_mark(ki_lane *lane, kith_copy_state state, const char *reason)
{
    for (uint32_t i = 0; i < lane->count; i++) {
        ki_holder *h = &lane->holder[i];
        if (state == KITH_COPY_SUSPECT && h->state == KITH_COPY_DEAD)
            continue; /* it holds nothing, and is not to be asked */
        h->state = state;
        if (reason)
            snprintf(h->reason, sizeof h->reason, "%s", reason);
    }
}

/* When to try again after so many failures in a row. */
static uint64_t try_at(uint32_t failures)
{
    return ki_now_ns() + (first_pause_ns << (failures < DOUBLINGS ? failures : DOUBLINGS));
}

void ki_lane_break(ki_lane *lane, const char *reason)
{
    ki_lane_mark(lane, KITH_COPY_DEAD, reason);
    lane->down = true;
    lane->retry_at = try_at(lane->failures++);
    lane->refresh_done = lane->refresh_asked; /* whoever waits for it waits in vain */
    ki_queue_settle(lane->replicas);
    pthread_cond_broadcast(&lane->replicas->changed);
}

/* One copy, and what is known of it told. A device that has no room for one of its copies
 * keeps the others, and tries that one again. */
static kith_status raise_copy(ki_lane *lane, ki_holder *h, bool trial)
{
    kith_replicas *r = lane->replicas;
    ki_copy_facts facts = {0};
    double speed = 0;
    kith_status status = ki_replicas_enter(r);
    if (!status) {
        lane->entered = lane->entered_links = true;
        status = ki_lane_refresh_copy(lane, h, &facts);
        ki_lane_let_go(lane);
        ki_lane_arm(lane, 0);
    }
    if (!status && trial)
        status = try_out(lane, h, &speed);
    pthread_mutex_lock(&r->mutex);
    if (status) {
        snprintf(h->reason, sizeof h->reason, "%s", kith_last_error());
        h->state = KITH_COPY_DEAD;
        h->retry_at = try_at(h->failures++);
    } else {
        h->state = lane->raising ? KITH_COPY_PROBING : KITH_COPY_OK; /* all of them together */
        h->facts = facts;
        h->speed = speed > 0 ? speed : h->speed;
        h->failures = 0;
    }
    pthread_mutex_unlock(&r->mutex);
    return status;
}

/* Nobody waits for the copies of a lane that is to end. */
static bool is_retired(ki_lane *lane)
{
    pthread_mutex_lock(&lane->replicas->mutex);
    const bool retired = lane->retired;
    pthread_mutex_unlock(&lane->replicas->mutex);
    return retired;
}

/* Makes or refreshes the copies that `which` names; the first failure is reported, but
 * that of the device before all. */
static kith_status raise_copies(ki_lane *lane, which_copies which, char *sentence)
{
    kith_status first = KITH_OK;
    for (uint32_t i = 0; i < lane->count && first != KITH_EDEVICE; i++) {
        ki_holder *h = &lane->holder[i];
        if (which == COPIES_DUE && !is_due(h, ki_now_ns()))
            continue;
        if (is_retired(lane)) {
            snprintf(sentence, KI_SENTENCE, "given up before copy %u of %u", i + 1, lane->count);
            return KITH_ECANCELLED;
        }
        kith_status status = raise_copy(lane, h, which != COPIES_AGAIN);
        if (status && (!first || status == KITH_EDEVICE)) {
            first = status;
            snprintf(sentence, KI_SENTENCE, "%s", kith_last_error());
        }
    }
    return first;
}

/* The end of both: a lane of which no copy can be asked is down. Under the mutex. */
static bool stands(ki_lane *lane, kith_status status, const char *sentence)
{
    bool any = false;
    for (uint32_t i = 0; i < lane->count; i++)
        any = any || lane->holder[i].state == KITH_COPY_OK ||
              lane->holder[i].state == KITH_COPY_SUSPECT;
    lane->status = status;
    snprintf(lane->sentence, sizeof lane->sentence, "%s", sentence);
    if (!any || status == KITH_EDEVICE)
        ki_lane_break(lane, sentence);
    return !lane->down;
}

static void tell_all(kith_replicas *r)
{
    ki_queue_settle(r);
    pthread_cond_broadcast(&r->changed);
}

/* A refresh that is asked for meanwhile does not wait for this lane: so that is done too before the
 * copies are said to be there. */
void ki_lane_raise(ki_lane *lane)
{
    kith_replicas *r = lane->replicas;
    char sentence[KI_SENTENCE] = "";
    uint64_t asked = lane->refresh_asked;
    ki_lane_mark(lane, KITH_COPY_PROBING, NULL);
    lane->raising = lane->down = true;
    ki_watch_wake(r);
    pthread_mutex_unlock(&r->mutex);
    ki_lane_clean_up(lane);
    kith_status status = ki_lane_open_device(lane);
    const bool opened = !status;
    if (opened)
        status = raise_copies(lane, COPIES_NEW, sentence);
    else
        snprintf(sentence, sizeof sentence, "%s", kith_last_error());
    pthread_mutex_lock(&r->mutex);
    while (opened && status != KITH_EDEVICE && asked != lane->refresh_asked && !lane->retired) {
        asked = lane->refresh_asked;
        pthread_mutex_unlock(&r->mutex);
        status = raise_copies(lane, COPIES_AGAIN, sentence);
        pthread_mutex_lock(&r->mutex);
    }
    lane->raising = lane->down = false;
    lane->attempts++;
    for (uint32_t i = 0; i < lane->count && opened; i++)
        if (lane->holder[i].state == KITH_COPY_PROBING)
            lane->holder[i].state = KITH_COPY_OK;
    if (!stands(lane, status, sentence))
        return;
    lane->refresh_done = asked;
    tell_all(r);
}

void ki_lane_refresh(ki_lane *lane)
{
    kith_replicas *r = lane->replicas;
    const uint64_t asked = lane->refresh_asked;
    char sentence[KI_SENTENCE] = "";
    lane->refreshing = true;
    ki_queue_settle(r); /* others may have to take over */
    pthread_mutex_unlock(&r->mutex);
    kith_status status = raise_copies(lane, COPIES_AGAIN, sentence);
    pthread_mutex_lock(&r->mutex);
    lane->refreshing = false;
    if (!stands(lane, status, sentence))
        return;
    lane->refresh_done = asked;
    tell_all(r);
}

void ki_lane_retry(ki_lane *lane)
{
    kith_replicas *r = lane->replicas;
    char sentence[KI_SENTENCE] = "";
    pthread_mutex_unlock(&r->mutex);
    kith_status status = raise_copies(lane, COPIES_DUE, sentence);
    pthread_mutex_lock(&r->mutex);
    lane->refreshing = false;
    if (stands(lane, status, sentence))
        tell_all(r);
}

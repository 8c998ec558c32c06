/* commit.c - who leads, and what makes a commit certain.
 *
 * May touch the inside of the store. The one idea: writers queue with their operations, and the
 * first in the queue *leads*: it takes those of all who wait, writes them, and syncs once for all
 * of them. While it does, the next queue gathers, so the slower the disk the more commits share a
 * sync. The lead is also the lock of everything that only writers touch.
 *
 * The protocol of one group, in a file that is still the store's own (ki_check_in_force):
 *   1. rows, side data, keys and metadata are written to places that nothing refers to;
 *   2. their records are appended to the log, the last of each commit marked;
 *   3. one sync. No order is needed between 1 and 2: a record that reached the disk without the
 *      bytes it vouches for does not count, since it carries their checksums;
 *   4. the operations become visible to readers, all at once;
 *   5. the writers are told.
 *
 * Two failures end all writing (ki_poison). After a failed sync the system may have dropped what
 * it could not write and will call the next sync a success. And after a failed write to the log
 * there may stand records of a commit that was refused: the next commit would be written over the
 * front of them only, and what is left could be taken for its continuation.
 *
 * The system tells a failed sync to one of those who call, and lets the next one succeed. So syncs
 * go one at a time, and who waited for a turn looks first whether the one before failed.
 */
#include "kv/store_inside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { GROUP_MOST = 1 << 16 }; /* operations of several commits that share a sync */

/* ---- The end of writing ------------------------------------------------------------------- */

/* With poison_lock. */
static kith_status poison(ki_store *store, kith_status status)
{
    if (ki_broken(store, KI_RULE_STICKY) || __atomic_load_n(&store->poisoned, __ATOMIC_RELAXED))
        return status;
    snprintf(store->poison, sizeof store->poison, "%s", kith_last_error());
    __atomic_store_n(&store->poisoned, 1, __ATOMIC_RELEASE);
    return status;
}

kith_status ki_poison(ki_store *store, kith_status status)
{
    pthread_mutex_lock(&store->poison_lock);
    poison(store, status);
    pthread_mutex_unlock(&store->poison_lock);
    return status;
}

/* A child of fork has the descriptor, and with it the lock, and would write what its parent knows
 * nothing of. */
static bool is_foreign(const ki_store *store)
{
    return ki_in_file(store) && store->space.owner != getpid();
}

kith_status ki_check_writable(const ki_store *store)
{
    if (store->config.read_only)
        return ki_fail(KITH_EINVAL, "the store was opened read-only");
    if (is_foreign(store))
        return ki_fail(KITH_EBUSY, "the store belongs to process %ld, which opened it",
                       (long)store->space.owner);
    if (__atomic_load_n(&store->poisoned, __ATOMIC_ACQUIRE))
        return ki_fail(KITH_EIO, "the store is read-only since this failed: %.180s", store->poison);
    return KITH_OK;
}

/* ---- The lead ----------------------------------------------------------------------------- */

void ki_lead_take(ki_store *store)
{
    pthread_mutex_lock(&store->queue_lock);
    while (store->led)
        pthread_cond_wait(&store->queue_moved, &store->queue_lock);
    store->led = true;
    pthread_mutex_unlock(&store->queue_lock);
}

void ki_lead_give(ki_store *store)
{
    pthread_mutex_lock(&store->queue_lock);
    store->led = false;
    pthread_cond_broadcast(&store->queue_moved);
    pthread_mutex_unlock(&store->queue_lock);
}

/* With queue_lock: takes requests from the front, one at least. */
static ki_request *take_group(ki_store *store, size_t *ops)
{
    ki_request *group = store->queue_head, **end = &store->queue_head;
    *ops = 0;
    do {
        *ops += (*end)->n;
        end = &(*end)->next;
    } while (*end && (*end)->n <= GROUP_MOST && *ops <= GROUP_MOST - (*end)->n);
    store->queue_head = *end;
    if (!*end)
        store->queue_tail = &store->queue_head;
    *end = NULL;
    return group;
}

/* ---- A group ------------------------------------------------------------------------------ */

static void raise_durable(ki_store *store, uint64_t lsn)
{
    uint64_t had = __atomic_load_n(&store->durable_lsn, __ATOMIC_RELAXED);
    while (had < lsn && !__atomic_compare_exchange_n(&store->durable_lsn, &had, lsn, true,
                                                     __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        continue;
}

/* With poison_lock. A file that somebody has cut short would take what is written next, and show
 * zeros where rows were. */
static kith_status sync_and_measure(ki_store *store)
{
    const ki_vfs *vfs = store->config.vfs;
    uint64_t bytes, least = __atomic_load_n(&store->space.end, __ATOMIC_RELAXED);
    int failed;
    do
        failed = vfs->sync(vfs->user, store->file);
    while (failed && errno == EINTR);
    if (failed)
        return ki_fail(KITH_EIO,
                       "a sync of the store failed: %s; what the disk holds is unknown until the "
                       "store is opened anew",
                       strerror(errno));
    if (vfs->size(vfs->user, store->file, &bytes) == 0 && bytes < least)
        return ki_fail(KITH_EIO, "the store's file was cut short to %llu bytes; it had %llu",
                       (unsigned long long)bytes, (unsigned long long)least);
    return KITH_OK;
}

static bool is_durable(const ki_store *store, uint64_t lsn)
{
    return lsn <= __atomic_load_n(&store->durable_lsn, __ATOMIC_ACQUIRE);
}

/* Who waited for his turn may find that the sync before was his as well. */
static kith_status sync_once(ki_store *store, uint64_t lsn)
{
    kith_status status = KITH_OK;
    pthread_mutex_lock(&store->poison_lock);
    if (__atomic_load_n(&store->poisoned, __ATOMIC_RELAXED))
        status = ki_check_writable(store);
    else if (!is_durable(store, lsn) && (status = sync_and_measure(store)) != KITH_OK)
        poison(store, status);
    pthread_mutex_unlock(&store->poison_lock);
    return status;
}

kith_status ki_sync_file(ki_store *store)
{
    return sync_once(store, UINT64_MAX);
}

kith_status ki_sync_to(ki_store *store, uint64_t lsn)
{
    if (!ki_in_file(store) || is_durable(store, lsn))
        return KITH_OK;
    kith_status status = sync_once(store, lsn);
    if (!status)
        raise_durable(store, lsn);
    return status;
}

static kith_status make_room(ki_store *store)
{
    size_t deaths = 0, changes = 0, keys = 0;
    for (size_t i = 0; i < store->staged_count; i++) {
        const ki_record *record = &store->staged[i];
        deaths += record->kind != KI_RECORD_PUT || record->old_row != KI_NO_ROW;
        changes += record->kind == KI_RECORD_META;
        keys += record->kind == KI_RECORD_PUT;
    }
    kith_status status = ki_grow_space(store, store->staged_rows, store->heap_used);
    if (!status && ki_in_file(store))
        status = ki_log_room(store, store->staged_count);
    if (!status)
        status = ki_state_reserve(store, store->staged_rows, keys, deaths, changes);
    if (!status && store->watch.reserve)
        status = store->watch.reserve(store->watch.user, store->staged_rows);
    return status;
}

static kith_status append_log(ki_store *store)
{
    uint64_t durable = __atomic_load_n(&store->durable_lsn, __ATOMIC_ACQUIRE);
    uint64_t at = (store->lsn + 1 - store->log_first) * sizeof(ki_record);
    for (size_t i = 0; i < store->staged_count; i++) {
        store->staged[i].durable_lsn = durable;
        store->staged[i].sum = ki_record_sum(&store->staged[i], store->log_seed);
    }
    kith_status status = ki_space_write(&store->space, KI_LOG, at, store->staged,
                                        store->staged_count * sizeof(ki_record));
    return status ? ki_poison(store, status) : KITH_OK;
}

/* INTERVAL without its thread, which a system at its limits may refuse after a compaction, is
 * COMMIT. */
static bool syncs_itself(const ki_store *store)
{
    ki_durability chosen = store->config.durability;
    return chosen == KI_DURABLE_COMMIT || (chosen == KI_DURABLE_INTERVAL && !store->syncer_runs);
}

/* Steps 1 to 3. */
static kith_status make_certain(ki_store *store)
{
    uint64_t last = store->lsn + store->staged_count;
    kith_status status = make_room(store);
    if (!status)
        status = ki_stage_write(store);
    if (status || !ki_in_file(store))
        return status;
    status = append_log(store);
    if (!status && syncs_itself(store) && !ki_broken(store, KI_RULE_SYNC_COMMIT))
        status = ki_sync_to(store, last);
    return status;
}

static void publish(ki_store *store)
{
    ki_gate_shut(store);
    for (size_t i = 0; i < store->staged_count; i++)
        ki_state_apply(store, &store->staged[i]);
    store->pending_deaths = 0;
    store->heap_bytes = store->heap_used;
    __atomic_store_n(&store->lsn, store->lsn + store->staged_count, __ATOMIC_RELEASE);
    ki_gate_open(store);
}

static void fail_request(ki_request *request, kith_status status)
{
    request->status = status;
    snprintf(request->sentence, sizeof request->sentence, "%s", kith_last_error());
}

static void answer(const ki_store *store, ki_request *request)
{
    for (size_t i = 0; i < request->n && request->rows; i++) {
        const ki_record *record = &store->staged[request->first + i];
        request->rows[i] = record->row != KI_NO_ROW ? record->row : record->old_row;
    }
    request->lsn = store->staged[request->first].lsn + request->n - 1;
}

static void run_group(ki_store *store, ki_request *group, size_t ops)
{
    kith_status status = ki_check_writable(store);
    ki_quarantine_release(store);
    store->overlaid = ops > 1;
    store->staged_rows = store->rows;
    if (!status)
        status = ki_stage_room(store, ops);
    if (!status && store->overlaid)
        status = ki_directory_reserve(store->overlay, ops);
    for (ki_request *r = group; r; r = r->next) {
        kith_status staged = status ? status : ki_stage_request(store, r);
        if (staged)
            fail_request(r, staged);
    }
    if (store->staged_count == 0)
        return;
    status = make_certain(store);
    for (ki_request *r = group; r; r = r->next) {
        if (status && !r->status)
            fail_request(r, status);
        else if (!r->status)
            answer(store, r);
    }
    if (status) {
        ki_stage_drop(store, 0);
    } else {
        ki_stage_forget(store);
        publish(store);
        store->staged_count = 0;
        ki_checkpoint_if_due(store);
    }
}

/* With queue_lock: leads one group, which need not be the caller's own. */
static void lead(ki_store *store)
{
    size_t ops;
    ki_request *group = take_group(store, &ops), *next;
    store->led = true;
    pthread_mutex_unlock(&store->queue_lock);
    run_group(store, group, ops);
    pthread_mutex_lock(&store->queue_lock);
    store->led = false;
    for (; group; group = next) {
        next = group->next; /* a request that is done may vanish with its thread's stack */
        group->done = true;
    }
    pthread_cond_broadcast(&store->queue_moved);
}

kith_status ki_store_commit(ki_store *store, const ki_op *ops, size_t n, uint32_t *rows,
                            uint64_t *lsn)
{
    ki_request request = {.ops = ops, .n = n, .rows = rows};
    if (n == 0)
        return ki_check_writable(store);
    pthread_mutex_lock(&store->queue_lock);
    *store->queue_tail = &request;
    store->queue_tail = &request.next;
    while (!request.done) {
        if (store->led)
            pthread_cond_wait(&store->queue_moved, &store->queue_lock);
        else
            lead(store);
    }
    pthread_mutex_unlock(&store->queue_lock);
    if (request.status)
        return ki_fail(request.status, "%s", request.sentence);
    if (lsn)
        *lsn = request.lsn;
    return KITH_OK;
}

kith_status ki_store_sync(ki_store *store)
{
    kith_status status = ki_check_writable(store);
    return status ? status : ki_sync_to(store, ki_store_lsn(store));
}

/* ---- INTERVAL: a thread that syncs -------------------------------------------------------- */

/* The interval counts from the start of a sync to the start of the next: on a slow disk the
 * commits of meanwhile have waited already. */
static void *sync_now_and_then(void *user)
{
    ki_store *store = user;
    uint64_t due = ki_now_ms() + store->config.interval_ms;
    pthread_mutex_lock(&store->queue_lock);
    while (!store->closing) {
        const struct timespec until = {.tv_sec = (time_t)(due / 1000),
                                       .tv_nsec = (long)(due % 1000 * 1000000)};
        pthread_cond_timedwait(&store->syncer_wake, &store->queue_lock, &until);
        if (ki_now_ms() < due)
            continue;
        due = ki_now_ms() + store->config.interval_ms;
        pthread_mutex_unlock(&store->queue_lock);
        if (!ki_check_writable(store))
            (void)ki_sync_to(store, ki_store_lsn(store)); /* a failure poisons; writers are told */
        pthread_mutex_lock(&store->queue_lock);
    }
    pthread_mutex_unlock(&store->queue_lock);
    return NULL;
}

/* Waits by the clock that nobody sets: an hour that is put back would be an hour without sync. */
static void wait_by_steady_clock(pthread_cond_t *cond)
{
    pthread_condattr_t kind;
    pthread_cond_destroy(cond);
    pthread_condattr_init(&kind);
    pthread_condattr_setclock(&kind, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &kind);
    pthread_condattr_destroy(&kind);
}

kith_status ki_syncer_start(ki_store *store)
{
    store->closing = false;
    wait_by_steady_clock(&store->syncer_wake);
    int error = pthread_create(&store->syncer, NULL, sync_now_and_then, store);
    if (error)
        return ki_fail(KITH_ENOMEM, "the thread that syncs would not start: %s", strerror(error));
    store->syncer_runs = true;
    return KITH_OK;
}

/* In a child of fork the thread is not there, but what it waited for says that it waits. */
void ki_syncer_stop(ki_store *store)
{
    if (!store->syncer_runs)
        return;
    if (is_foreign(store)) {
        store->syncer_runs = false;
        pthread_cond_init(&store->syncer_wake, NULL);
        return;
    }
    pthread_mutex_lock(&store->queue_lock);
    store->closing = true;
    pthread_cond_signal(&store->syncer_wake);
    pthread_mutex_unlock(&store->queue_lock);
    pthread_join(store->syncer, NULL);
    store->syncer_runs = false;
}

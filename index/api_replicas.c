/* api_replicas.c - the public calls that search replicas and describe them.
 *
 * May touch replicas.h and checks.h. A ticket is one piece of memory for the request, one for the
 * answers of all partitions. Whoever waits for it merges them, on its own thread.
 */
#include "index/checks.h"
#include "index/replicas.h"
#include "index/searcher.h"

#include <string.h>

enum { ASKED_AGAIN = 3 };

/* ---- creating ---- */

kith_replicas_options kith_replicas_defaults(uint32_t partitions, uint32_t copies)
{
    return (kith_replicas_options){
        .size = sizeof(kith_replicas_options), .partitions = partitions, .copies = copies};
}

static kith_status check_options(const kith_replicas_options *o)
{
    if (o->partitions < 1 || o->partitions > KI_PARTS_MOST)
        return ki_fail(KITH_EINVAL, "%u partitions are not in 1..%d", o->partitions, KI_PARTS_MOST);
    if (o->copies < 1 || o->copies > KI_COPIES_MOST)
        return ki_fail(KITH_EINVAL, "%u copies are not in 1..%d", o->copies, KI_COPIES_MOST);
    if (o->share > 1 || o->partial > 1 || o->host > 1)
        return ki_fail(KITH_EINVAL, "share = %u, partial = %u, host = %u; each is 0 or 1", o->share,
                       o->partial, o->host);
    return ki_check_threads(o->threads);
}

kith_status kith_replicas_create(kith_index *index, const kith_replicas_options *options,
                                 kith_progress_fn progress, void *user, kith_replicas **out)
{
    const kith_replicas_options defaults = kith_replicas_defaults(1, 1);
    kith_replicas_options chosen;
    kith_status status = ki_read_options(options, &defaults, sizeof defaults, &chosen);
    if (!status)
        status = check_options(&chosen);
    return status ? status : ki_replicas_make(index, &chosen, progress, user, out);
}

/* ---- tickets ---- */

static void free_ticket(kith_ticket *t)
{
    pthread_cond_destroy(&t->done);
    ki_free(t->answers);
    ki_free(t->state);
    ki_free(t);
}

static kith_status make_ticket(kith_replicas *r, size_t nq, const kith_search_options *options,
                               kith_ticket **out)
{
    size_t queries, answers, bytes;
    if (!ki_mul(nq, r->partitions, &queries) || !ki_mul(queries, options->k, &answers) ||
        !ki_mul(answers, sizeof(uint64_t), &bytes))
        return ki_fail(KITH_EINVAL, "%zu queries for %u hits of %u partitions are too many", nq,
                       options->k, r->partitions);
    const size_t size = sizeof(kith_ticket) + r->partitions * sizeof(ki_place);
    kith_ticket *t = ki_zalloc(size);
    if (!t)
        return ki_no_memory("a request", size);
    pthread_cond_init(&t->done, NULL);
    t->answers = ki_alloc(bytes);
    t->state = ki_alloc(queries);
    if (!t->answers || !t->state) {
        free_ticket(t);
        return ki_no_memory("a request", bytes + queries);
    }
    *out = t;
    return KITH_OK;
}

static void describe(kith_ticket *t, kith_replicas *r, const kith_search_options *options)
{
    const kith_index *index = r->index;
    const uint32_t wide = options->ef > options->k ? options->ef : options->k;
    t->replicas = r;
    t->options = t->part_options = *options;
    t->f32 = ki_is_mixed(index, options);
    t->query_bytes = kith_vector_bytes(ki_query_type(index, options), index->store->options.dim);
    t->part_options.ef = ki_part_ef(r->parts, wide, options->k);
    t->cost = index->graph ? t->part_options.ef : 1;
    t->seen = UINT32_MAX;
}

kith_status kith_replicas_submit(kith_replicas *r, const void *queries, size_t nq,
                                 const kith_search_options *options, kith_hit *hits,
                                 kith_ticket **out)
{
    const kith_store_options *so = &r->index->store->options;
    const kith_search_options defaults = kith_search_defaults(10);
    kith_search_options chosen;
    kith_ticket *t = NULL;
    kith_status status = ki_read_options(options, &defaults, sizeof defaults, &chosen);
    if (!status)
        status = ki_check_search(&chosen);
    if (status)
        return status;
    const kith_type type = ki_query_type(r->index, &chosen);
    const size_t bytes = kith_vector_bytes(type, so->dim);
    const unsigned char *vectors = queries;
    for (size_t i = 0; i < nq && !status; i++)
        status = ki_check_vector(so->metric, type, so->dim, vectors + i * bytes, "query", i);
    if (!status)
        status = make_ticket(r, nq, &chosen, &t);
    if (status)
        return status;
    describe(t, r, &chosen);
    t->queries = queries;
    t->nq = nq;
    t->hits = hits;
    *out = t;
    pthread_mutex_lock(&r->mutex);
    ki_queue_put(t);
    pthread_mutex_unlock(&r->mutex);
    return KITH_OK;
}

kith_status kith_replicas_poll(const kith_ticket *ticket, uint32_t *done)
{
    pthread_mutex_lock(&ticket->replicas->mutex);
    *done = ticket->pending == 0;
    pthread_mutex_unlock(&ticket->replicas->mutex);
    return KITH_OK;
}

static void await(kith_ticket *t)
{
    kith_replicas *r = t->replicas;
    pthread_mutex_lock(&r->mutex);
    while (t->pending)
        pthread_cond_wait(&t->done, &r->mutex);
    pthread_mutex_unlock(&r->mutex);
}

/* Live rows of a partition, of those that were dealt. */
static uint64_t live_rows_of(const kith_replicas *r, uint32_t p)
{
    const uint64_t *live = ki_store_live(r->index->store->engine);
    uint32_t count;
    uint64_t n = 0;
    const uint32_t *rows = ki_part_rows(r->parts, p, &count);
    for (uint32_t i = 0; i < count; i++)
        n += ki_is_live(live, rows ? rows[i] : i);
    return n;
}

static kith_status write_report(const kith_ticket *t, kith_replicas_report *out)
{
    kith_replicas *r = t->replicas;
    kith_replicas_report report = {.distances = t->counts.distances,
                                   .hops = t->counts.hops,
                                   .reranks = t->counts.reranks,
                                   .rows = ki_store_live_count(r->index->store->engine),
                                   .ef = r->index->graph ? t->part_options.ef : 0,
                                   .retries = t->retries,
                                   .on_host = t->on_host,
                                   .mode = r->index->graph ? t->counts.mode : KITH_MODE_EXACT};
    report.rows_searched = report.rows;
    pthread_rwlock_rdlock(&r->links);
    for (uint32_t p = 0; p < r->partitions; p++) {
        const uint64_t missing = t->place[p].missing ? live_rows_of(r, p) : 0;
        report.rows_searched -= missing < report.rows_searched ? missing : report.rows_searched;
    }
    pthread_rwlock_unlock(&r->links);
    return ki_write_result(&report, sizeof report, out);
}

/* Everything once more, for rows died while it was under way. */
static void ask_again(kith_ticket *t)
{
    pthread_mutex_lock(&t->replicas->mutex);
    for (uint32_t p = 0; p < t->replicas->partitions; p++)
        t->place[p].missing = false;
    t->seen = UINT32_MAX;
    ki_queue_put(t);
    pthread_mutex_unlock(&t->replicas->mutex);
}

kith_status kith_replicas_wait(kith_ticket *t, kith_replicas_report *report)
{
    kith_status status = report ? ki_check_result(report) : KITH_OK;
    bool again = !status;
    await(t);
    for (int round = 0; again; round++) {
        again = false;
        status = t->status ? ki_fail(t->status, "%s", t->sentence)
                           : ki_ticket_merge(t, round == ASKED_AGAIN, &again);
        if (again) {
            ask_again(t);
            await(t);
        }
    }
    if (!status && report)
        status = write_report(t, report);
    free_ticket(t);
    return status;
}

kith_status kith_replicas_search(kith_replicas *replicas, const void *queries, size_t nq,
                                 const kith_search_options *options, kith_hit *hits,
                                 kith_replicas_report *report)
{
    kith_ticket *ticket = NULL;
    kith_status status = report ? ki_check_result(report) : KITH_OK;
    if (!status)
        status = kith_replicas_submit(replicas, queries, nq, options, hits, &ticket);
    return status ? status : kith_replicas_wait(ticket, report);
}

/* ---- describing ---- */

static kith_copy_info describe_copy(const ki_lane *lane, const ki_holder *h)
{
    kith_copy_info info = {.partition = h->partition,
                           .state = h->state,
                           .rows = h->facts.rows,
                           .bytes = h->facts.bytes,
                           .lsn = h->facts.lsn,
                           .digest = h->facts.digest,
                           .queries = h->queries,
                           .queries_per_second = h->queries_per_second};
    snprintf(info.device, sizeof info.device, "%s", lane->id);
    snprintf(info.reason, sizeof info.reason, "%s", h->reason);
    return info;
}

kith_status kith_replicas_copy(const kith_replicas *replicas, size_t i, kith_copy_info *out)
{
    union {
        const kith_replicas *given;
        kith_replicas *ours;
    } handle = {replicas};
    kith_replicas *r = handle.ours; /* to lock it */
    kith_copy_info info;
    size_t seen = 0;
    bool found = false;
    kith_status status = ki_check_result(out);
    if (status)
        return status;
    pthread_mutex_lock(&r->mutex);
    for (uint32_t p = 0; p < r->partitions && !found; p++)
        for (uint32_t l = 0; l < r->lanes && !found; l++) {
            const ki_holder *h = ki_lane_holder(r->lane[l], p);
            found = h && seen++ == i;
            if (found)
                info = describe_copy(r->lane[l], h);
        }
    pthread_mutex_unlock(&r->mutex);
    if (!found)
        return ki_fail(KITH_ENOTFOUND, "copy %zu of %zu", i, seen);
    return ki_write_result(&info, sizeof info, out);
}

const char *kith_copy_state_name(kith_copy_state state)
{
    static const char *const names[] = {"ok", "suspect", "dead", "probing"};
    return (unsigned)state < sizeof names / sizeof *names ? names[state] : NULL;
}

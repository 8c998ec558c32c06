/* replicas_merge.c - from the answers of the partitions to hits, as the store is now.
 *
 * May touch replicas.h and the store. Copies know rows that were dealt when they were refreshed;
 * rows from there on are compared here, by the same kernels and in the same order of keys, and what
 * partitions say of them is not listened to. The last rows that came, and who is dead, is read
 * under the store's lock: so a key that was put again meanwhile is found as one row or as the
 * other, never as both and never as none.
 *
 * Deletions that fall between a copy's search and this leave fewer than k answers of a partition.
 * Asking for more than k each time would cost every search for the sake of few; so a query that
 * comes out short for this reason is asked again, a few times at most.
 */
#include "index/replicas.h"
#include "kernels/keys.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 64, LOOKS = 4, FEW_ROWS = 64, WORD = 64 };

/* One ticket on its way to hits. */
typedef struct merge {
    kith_ticket *ticket;
    const kith_store *store;
    const ki_kernel *kernel;
    ki_workers *workers; /* NULL until there are newer rows */
    uint64_t *newer;     /* of a block of queries the k nearest newer rows */
    uint64_t *fresh;     /* the same of a further run of rows */
    ki_ranked *ranked;   /* flat, float keys */
    unsigned char *bits; /* f32 queries as the b1 rows want them, or NULL */
    ki_queries queries;  /* all of them */
    kith_hit *hits;
    bool died; /* a row had to be left out, and its query came out short */
} merge;

/* ---- newer rows ---- */

static bool ranks(const merge *m)
{
    return !m->ticket->replicas->index->graph && m->kernel->form == KI_KEY_FLOAT;
}

static kith_status prepare_newer(merge *m, size_t block)
{
    const uint32_t k = m->ticket->options.k + WORD; /* see look_at */
    const uint32_t most = ranks(m) ? ki_rank_wanted(k) : k;
    const size_t bytes = block * most * sizeof *m->newer;
    if (m->workers)
        return KITH_OK;
    m->newer = ki_alloc(bytes);
    m->fresh = ki_alloc(bytes);
    m->ranked = ki_alloc(block * k * sizeof *m->ranked); /* k is the most that look_at asks for */
    if (!m->newer || !m->fresh || !m->ranked)
        return ki_no_memory("answers from new rows", 2 * bytes);
    const kith_store_options *so = &m->store->options;
    kith_status status = KITH_OK;
    if (ranks(m))
        status = ki_queries_to_bits(so->type, so->dim, &m->queries, &m->bits);
    if (status)
        return status;
    return ki_workers_open(1, &m->workers);
}

/* Rows of the store from a multiple of 64 on, as a set of their own. */
static ki_row_set rows_from(const merge *m, uint32_t first, uint32_t last)
{
    ki_row_set set = ki_store_row_set(m->store->engine, &m->store->options);
    set.rows.base += (size_t)first * set.rows.stride;
    set.rows.aux += (size_t)first * set.rows.aux_stride;
    set.live += first / 64;
    set.count = last - first;
    return set;
}

/* Ranks as a copy of a flat partition does, and makes keys of it. */
static kith_status rank_fresh(merge *m, const ki_row_set *set, const ki_queries *queries,
                              uint32_t k)
{
    const uint32_t want = ki_rank_wanted(k);
    const ki_rounding rounding = {m->kernel->form, ki_largest_norm(set, 0, 0), false};
    const ki_candidates candidates = {.answers = m->fresh, .have = want};
    kith_status status =
        ki_rank_all(set, &rounding, m->kernel, queries, &candidates, k, m->workers, m->ranked);
    for (size_t i = 0; i < queries->count * k && !status; i++)
        m->fresh[i] = ki_ranked_answer(&m->ranked[i]);
    return status;
}

/* The nearest of rows first..last-1 join `newer`. Live bits come in words, so some rows before the
 * first are looked at as well: so many more are asked for, and they are left out. */
static kith_status look_at(merge *m, const ki_queries *queries, uint32_t first, uint32_t last)
{
    const uint32_t k = m->ticket->options.k, base = first / WORD * WORD, asked = k + first - base;
    const ki_row_set set = rows_from(m, base, last);
    kith_status status = ki_scan(m->kernel, &set, 0, set.count, queries,
                                 ranks(m) ? ki_rank_wanted(asked) : asked, m->workers, m->fresh);
    if (!status && ranks(m))
        status = rank_fresh(m, &set, queries, asked);
    for (size_t i = 0; i < queries->count * asked && !status; i++) {
        ki_pool pool = {.entry = m->newer + i / asked * k, .size = k, .capacity = k};
        const uint64_t answer = m->fresh[i] == UINT64_MAX ? UINT64_MAX : m->fresh[i] + base;
        if (answer != UINT64_MAX && (uint32_t)answer >= first && answer < pool.entry[k - 1])
            ki_pool_offer(&pool, answer);
    }
    return status;
}

/* ---- hits ---- */

/* The caller holds the store's lock, and the row lives. */
static void fill_hit(const merge *m, uint64_t answer, kith_hit *out)
{
    const uint32_t row = (uint32_t)answer;
    const void *key;
    size_t key_len;
    *out = (kith_hit){
        .row = row, .distance = (float)ki_key_distance(m->kernel->form, (uint32_t)(answer >> 32))};
    if (m->store->options.keys != KITH_KEYS_U64)
        return;
    ki_store_present_key(m->store->engine, row, &key, &key_len);
    memcpy(&out->key, key, sizeof out->key);
}

/* The least of the heads, each an ascending list of k; UINT64_MAX when all are at their end. */
static uint32_t least_head(const uint64_t *const *head, const uint64_t *const *end, uint32_t lists)
{
    uint32_t best = lists;
    for (uint32_t i = 0; i < lists; i++)
        if (head[i] < end[i] && *head[i] != UINT64_MAX && (best == lists || *head[i] < *head[best]))
            best = i;
    return best;
}

/* Query q; `newer` is its list of newer rows or NULL. Under the store's lock. */
static void merge_query(merge *m, size_t q, const uint64_t *newer)
{
    const kith_ticket *t = m->ticket;
    const uint64_t *live = ki_store_live(m->store->engine);
    const uint32_t k = t->options.k, lists = t->replicas->partitions;
    const uint64_t *head[KI_PARTS_MOST + 1], *end[KI_PARTS_MOST + 1];
    bool lost[KI_PARTS_MOST + 1] = {false};
    uint32_t n = 0;
    for (uint32_t p = 0; p < lists; p++) {
        head[p] = t->answers + (p * t->nq + q) * k;
        end[p] = head[p] + k;
    }
    head[lists] = newer;
    end[lists] = newer ? newer + k : newer;
    while (n < k) {
        const uint32_t best = least_head(head, end, lists + 1);
        if (best > lists)
            break;
        const uint64_t answer = *head[best]++;
        if (best < lists && (uint32_t)answer >= t->seen)
            continue;
        if (ki_is_live(live, (uint32_t)answer))
            fill_hit(m, answer, &m->hits[q * k + n++]);
        else
            lost[best] = true;
    }
    for (uint32_t i = 0; i <= lists; i++) /* one more, that is near, may be behind its last */
        m->died = m->died || (lost[i] && head[i] == end[i]);
    for (; n < k; n++)
        m->hits[q * k + n] = (kith_hit){.row = UINT32_MAX, .distance = INFINITY};
}

/* Some queries: newer rows are compared without the lock until few are left, and these under it. */
static kith_status merge_block(merge *m, size_t q, size_t count)
{
    const ki_store *engine = m->store->engine;
    const uint32_t k = m->ticket->options.k;
    uint32_t first = m->ticket->seen, last = ki_store_rows(engine);
    kith_status status = KITH_OK;
    if (last > first || m->workers) {
        status = prepare_newer(m, count);
        if (!status)
            memset(m->newer, 0xff, count * k * sizeof *m->newer);
    }
    ki_queries queries = m->queries;
    queries.base = ki_query_at(&queries, q);
    queries.count = count;
    for (int look = 0; look < LOOKS && last > first + FEW_ROWS && !status; look++) {
        status = look_at(m, &queries, first, last);
        first = last;
        last = ki_store_rows(engine);
    }
    ki_store_read_lock(engine);
    last = ki_store_rows(engine);
    if (last > first && !status)
        status = prepare_newer(m, count);
    if (last > first && !status && first == m->ticket->seen)
        memset(m->newer, 0xff, count * k * sizeof *m->newer);
    queries = m->queries;
    queries.base = ki_query_at(&queries, q);
    queries.count = count;
    if (last > first && !status)
        status = look_at(m, &queries, first, last);
    for (size_t i = 0; i < count && !status; i++)
        merge_query(m, q + i, last > m->ticket->seen ? m->newer + i * k : NULL);
    ki_store_read_unlock(engine);
    return status;
}

/* When no partition answered, which is said in the report, none said which rows it knows. The rows
 * that were dealt are missing then; later ones are no partition's, and are compared as always. */
static void see_from(kith_ticket *t)
{
    kith_replicas *r = t->replicas;
    if (t->seen != UINT32_MAX)
        return;
    pthread_rwlock_rdlock(&r->links);
    t->seen = ki_parts_seen(r->parts);
    pthread_rwlock_unlock(&r->links);
}

kith_status ki_ticket_merge(kith_ticket *t, bool final, bool *again)
{
    const kith_index *index = t->replicas->index;
    const kith_type type = index->store->options.type;
    const size_t hits = t->nq * t->options.k;
    merge m = {.ticket = t, .store = index->store};
    see_from(t);
    m.queries =
        (ki_queries){t->queries, t->query_bytes, t->nq, ki_pairing_of(type, t->f32), t->f32};
    m.kernel = &index->kernels.at[index->store->options.metric][m.queries.pairing];
    m.hits = ki_alloc(hits * sizeof *m.hits);
    kith_status status = m.hits ? KITH_OK : ki_no_memory("hits", hits * sizeof *m.hits);
    const size_t block = t->options.k > 1024 ? 1 : BLOCK;
    for (size_t q = 0; q < t->nq && !status; q += block)
        status = merge_block(&m, q, t->nq - q < block ? t->nq - q : block);
    *again = !status && m.died && !final;
    if (!status && !*again && hits)
        memcpy(t->hits, m.hits, hits * sizeof *m.hits);
    ki_workers_close(m.workers);
    ki_free(m.newer);
    ki_free(m.fresh);
    ki_free(m.ranked);
    ki_free(m.bits);
    ki_free(m.hits);
    return status;
}

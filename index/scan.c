/* scan.c - exact search through range kernels. A block of rows is read from memory once for a
 * group of queries and stays in the second-level cache while each of them is compared with it.
 *
 * Work is shared out as (group of queries, strip of rows): with fewer groups than threads the
 * rows are cut into strips, so that a single query too uses every thread; the strips' answers are
 * merged at the end. The answers do not depend on the cut, since (key, row) is a total order.
 */
#include "index/scan.h"

enum {
    GROUP = 32, /* queries that share a pass over a block */
    STRIPS_MOST = 64,
    BLOCK_BYTES = 1 << 19 /* of rows; a quarter to a half of a second-level cache */
};

typedef struct scan {
    const ki_kernel *kernel;
    const ki_row_set *set;
    const ki_queries *queries;
    uint32_t first, last, k, strips, block_rows;
    size_t query_bytes;
    unsigned char *scratch; /* of each worker: GROUP prepared queries */
    uint32_t *keys;         /* of each worker: block_rows */
    uint64_t *answers;      /* of each strip: count * k */
} scan;

uint32_t ki_pool_answers(const ki_pool *pool, const uint64_t *live, uint32_t k, uint64_t *answers)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < pool->size && n < k; i++) {
        uint64_t entry = pool->entry[i];
        if (ki_is_live(live, ki_pool_id(entry)))
            answers[n++] = (uint64_t)ki_pool_key(entry) << 32 | ki_pool_id(entry);
    }
    for (uint32_t i = n; i < k; i++)
        answers[i] = UINT64_MAX;
    return n;
}

static void offer_block(ki_pool *pool, const uint64_t *live, const uint32_t *keys, uint32_t row,
                        uint32_t n)
{
    uint32_t bound = ki_pool_bound(pool);
    for (uint32_t i = 0; i < n; i++) {
        if (keys[i] > bound || !ki_is_live(live, row + i))
            continue;
        ki_pool_offer(pool, ki_pool_entry(keys[i], row + i));
        bound = ki_pool_bound(pool);
    }
}

/* One group of queries over one strip. The answers' own memory serves as the pools. */
static void scan_unit(const scan *s, uint32_t worker, size_t group, uint32_t strip)
{
    size_t begin = group * GROUP, n = s->queries->count - begin;
    uint64_t *answers = s->answers + (strip * s->queries->count + begin) * s->k;
    uint32_t share = (s->last - s->first + s->strips - 1) / s->strips;
    uint32_t row = s->first + strip * share, end = s->last - row > share ? row + share : s->last;
    uint32_t *keys = s->keys + (size_t)worker * s->block_rows;
    ki_query query[GROUP];
    ki_pool pool[GROUP];
    n = n < GROUP ? n : GROUP;
    for (size_t i = 0; i < n; i++) {
        unsigned char *scratch = s->scratch + (worker * GROUP + i) * s->query_bytes;
        s->kernel->prepare(ki_query_at(s->queries, begin + i), s->set->rows.dim, scratch,
                           &query[i]);
        pool[i] = (ki_pool){.entry = answers + i * s->k, .capacity = s->k};
    }
    for (; row < end; row += s->block_rows) {
        uint32_t rows = end - row < s->block_rows ? end - row : s->block_rows;
        for (size_t i = 0; i < n; i++) {
            s->kernel->range(&query[i], &s->set->rows, row, rows, keys);
            offer_block(&pool[i], s->set->live, keys, row, rows);
        }
    }
    for (size_t i = 0; i < n; i++)
        ki_pool_answers(&pool[i], NULL, s->k, pool[i].entry);
}

static kith_status scan_job(void *context, uint32_t worker, size_t first, size_t last)
{
    const scan *s = context;
    for (size_t unit = first; unit < last; unit++)
        scan_unit(s, worker, unit / s->strips, (uint32_t)(unit % s->strips));
    return KITH_OK;
}

/* Merges the strips' answers of every query into `answers`: the smallest head, k times. */
static void merge_strips(const scan *s, uint64_t *answers)
{
    size_t all = s->queries->count * s->k;
    for (size_t q = 0; q < s->queries->count; q++) {
        uint32_t at[STRIPS_MOST] = {0};
        for (uint32_t i = 0; i < s->k; i++) {
            uint32_t best = 0;
            uint64_t least = UINT64_MAX;
            for (uint32_t strip = 0; strip < s->strips; strip++) {
                uint64_t head =
                    at[strip] < s->k ? s->answers[strip * all + q * s->k + at[strip]] : UINT64_MAX;
                best = head < least ? strip : best;
                least = head < least ? head : least;
            }
            answers[q * s->k + i] = least;
            at[best]++;
        }
    }
}

/* As many as it takes to give every thread something to do. */
static uint32_t strips_for(size_t groups, uint32_t threads)
{
    size_t strips = groups ? (threads + groups - 1) / groups : 1;
    return strips < STRIPS_MOST ? (uint32_t)strips : STRIPS_MOST;
}

kith_status ki_scan(const ki_kernel *kernel, const ki_row_set *set, uint32_t first, uint32_t last,
                    const ki_queries *queries, uint32_t k, ki_workers *workers, uint64_t *answers)
{
    uint32_t threads = ki_workers_count(workers);
    size_t groups = (queries->count + GROUP - 1) / GROUP;
    uint32_t strips = last - first < 4096 ? 1 : strips_for(groups, threads);
    uint32_t block_rows = (uint32_t)(BLOCK_BYTES / (set->rows.stride ? set->rows.stride : 1)) + 16;
    scan s = {kernel, set,        queries,
              first,  last,       k,
              strips, block_rows, ki_query_bytes((ki_pairing)set->type, set->rows.dim),
              NULL,   NULL,       answers};
    size_t answer_bytes = strips > 1 ? strips * queries->count * k * sizeof *answers : 0;
    s.scratch = ki_alloc_aligned(64, threads * GROUP * s.query_bytes);
    s.keys = ki_alloc_aligned(64, (size_t)threads * block_rows * sizeof *s.keys);
    if (answer_bytes)
        s.answers = ki_alloc(answer_bytes);
    kith_status status = KITH_OK;
    if (!s.scratch || !s.keys || !s.answers)
        status = ki_no_memory("a scan", threads * GROUP * s.query_bytes + answer_bytes);
    if (!status)
        status = ki_workers_run(workers, groups * strips, 1, scan_job, &s);
    if (!status && answer_bytes)
        merge_strips(&s, answers);
    ki_free(s.scratch);
    ki_free(s.keys);
    if (answer_bytes)
        ki_free(s.answers);
    return status;
}

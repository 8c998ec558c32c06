/* scan.c - exact search through tile kernels. A block of rows is read from memory once for a group
 * of queries, and all of their keys are there before the first is offered to its pool. Up to three
 * queries go one by one through range kernels, which need no second query to be fast.
 *
 * Work is shared out as (group of queries, strip of rows): with fewer groups than threads the
 * rows are cut into strips, so that a single query too uses every thread; the strips' answers are
 * merged at the end. The answers do not depend on the cut, since (key, row) is a total order.
 */
#include "index/scan.h"

enum {
    GROUP = 32, /* queries that share a pass over a block */
    STRIPS_MOST = 64,
    TILE_QUERIES = 4,      /* from here on a tile is faster than a range for each */
    BLOCK_BYTES = 1 << 19, /* of rows; a quarter to a half of a second-level cache */
    BLOCK_ROWS = 1024      /* at most: keys of a group then take 128 KiB */
};

typedef struct scan {
    const ki_kernel *kernel;
    const ki_row_set *set;
    const uint32_t *ids; /* what is compared: ids[first..last-1]; NULL: rows first..last-1 */
    const ki_queries *queries;
    uint32_t first, last, k, strips, block_rows;
    size_t query_bytes, pack_bytes;
    unsigned char
        *scratch;      /* of each worker: GROUP prepared queries, and what pack makes of them */
    uint32_t *keys;    /* of each worker: GROUP * block_rows */
    uint64_t *answers; /* of each strip: count * k */
} scan;

uint32_t ki_pool_answers(const ki_pool *pool, const ki_alive *alive, uint32_t k, uint64_t *answers)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < pool->size && n < k; i++) {
        uint64_t entry = pool->entry[i];
        if (!alive || ki_is_alive(alive, ki_pool_id(entry)))
            answers[n++] = (uint64_t)ki_pool_key(entry) << 32 | ki_pool_id(entry);
    }
    for (uint32_t i = n; i < k; i++)
        answers[i] = UINT64_MAX;
    return n;
}

static void offer_block(const scan *s, ki_pool *pool, const uint32_t *keys, uint32_t row,
                        uint32_t n)
{
    uint32_t bound = ki_pool_bound(pool);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t id = s->ids ? s->ids[row + i] : row + i;
        if (keys[i] > bound || !ki_is_live(s->set->live, id))
            continue;
        ki_pool_offer(pool, ki_pool_entry(keys[i], id));
        bound = ki_pool_bound(pool);
    }
}

static unsigned char *scratch_of(const scan *s, uint32_t worker)
{
    return s->scratch + worker * (GROUP * s->query_bytes + s->pack_bytes);
}

static const void *pack_queries(const scan *s, uint32_t worker, const ki_query *query, size_t n)
{
    unsigned char *packed = scratch_of(s, worker) + GROUP * s->query_bytes;
    if (!s->kernel->pack || n < TILE_QUERIES)
        return NULL;
    s->kernel->pack(query, n, packed);
    return packed;
}

/* The keys of query i go to keys + i * block_rows. */
static void compare_block(const scan *s, const ki_query *query, size_t n, const void *packed,
                          uint32_t row, uint32_t rows, uint32_t *keys)
{
    for (size_t i = 0; i < n && s->ids; i++)
        s->kernel->gather(&query[i], &s->set->rows, s->ids + row, rows, keys + i * s->block_rows);
    if (s->ids)
        return;
    if (n >= TILE_QUERIES) {
        s->kernel->tile(query, n, packed, &s->set->rows, row, rows, keys, s->block_rows);
        return;
    }
    for (size_t i = 0; i < n; i++)
        s->kernel->range(&query[i], &s->set->rows, row, rows, keys + i * s->block_rows);
}

/* One group of queries over one strip. The answers' own memory serves as the pools. */
static void scan_unit(const scan *s, uint32_t worker, size_t group, uint32_t strip)
{
    size_t begin = group * GROUP, n = s->queries->count - begin;
    uint64_t *answers = s->answers + (strip * s->queries->count + begin) * s->k;
    uint32_t share = (s->last - s->first + s->strips - 1) / s->strips;
    uint32_t row = s->first + strip * share, end = s->last - row > share ? row + share : s->last;
    uint32_t *keys = s->keys + (size_t)worker * GROUP * s->block_rows;
    const ki_prepare_fn prepare = ki_prepare_of(s->kernel, s->queries->f32);
    ki_query query[GROUP];
    ki_pool pool[GROUP];
    n = n < GROUP ? n : GROUP;
    for (size_t i = 0; i < n; i++) {
        unsigned char *scratch = scratch_of(s, worker) + i * s->query_bytes;
        prepare(ki_query_at(s->queries, begin + i), s->set->rows.dim, scratch, &query[i]);
        pool[i] = (ki_pool){.entry = answers + i * s->k, .capacity = s->k};
    }
    const void *packed = pack_queries(s, worker, query, n);
    for (; row < end; row += s->block_rows) {
        uint32_t rows = end - row < s->block_rows ? end - row : s->block_rows;
        compare_block(s, query, n, packed, row, rows, keys);
        for (size_t i = 0; i < n; i++)
            offer_block(s, &pool[i], keys + i * s->block_rows, row, rows);
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

static kith_status run(scan s, ki_workers *workers, uint64_t *answers)
{
    const ki_row_set *set = s.set;
    const ki_queries *queries = s.queries;
    const uint32_t k = s.k;
    uint32_t threads = ki_workers_count(workers);
    size_t groups = (queries->count + GROUP - 1) / GROUP;
    uint32_t strips = s.last - s.first < 4096 ? 1 : strips_for(groups, threads);
    uint32_t block_rows = (uint32_t)(BLOCK_BYTES / (set->rows.stride ? set->rows.stride : 1));
    block_rows = block_rows < BLOCK_ROWS ? block_rows / 16 * 16 + 16 : BLOCK_ROWS;
    s.strips = strips;
    s.block_rows = block_rows;
    s.query_bytes = ki_query_bytes(queries->pairing, set->rows.dim);
    s.pack_bytes = ki_pack_bytes(queries->pairing, set->rows.dim, GROUP);
    s.answers = answers;
    size_t scratch_bytes = threads * (GROUP * s.query_bytes + s.pack_bytes);
    size_t key_bytes = (size_t)threads * GROUP * block_rows * sizeof *s.keys;
    size_t answer_bytes = strips > 1 ? strips * queries->count * k * sizeof *answers : 0;
    s.scratch = ki_alloc_aligned(64, scratch_bytes);
    s.keys = ki_alloc_aligned(64, key_bytes);
    if (answer_bytes)
        s.answers = ki_alloc(answer_bytes);
    kith_status status = KITH_OK;
    if (!s.scratch || !s.keys || !s.answers)
        status = ki_no_memory("a scan", scratch_bytes + key_bytes + answer_bytes);
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

kith_status ki_scan(const ki_kernel *kernel, const ki_row_set *set, uint32_t first, uint32_t last,
                    const ki_queries *queries, uint32_t k, ki_workers *workers, uint64_t *answers)
{
    const scan s = {
        .kernel = kernel, .set = set, .queries = queries, .first = first, .last = last, .k = k};
    return run(s, workers, answers);
}

kith_status ki_scan_list(const ki_kernel *kernel, const ki_row_set *set, const uint32_t *ids,
                         uint32_t count, const ki_queries *queries, uint32_t k, ki_workers *workers,
                         uint64_t *answers)
{
    const scan s = {
        .kernel = kernel, .set = set, .ids = ids, .queries = queries, .last = count, .k = k};
    return run(s, workers, answers);
}

/* rank.c - see rank.h. The candidates are known before the first is measured, so memory is asked
 * for all of their rows at once: the waits of a few dozen long rows then overlap.
 */
#include "index/rank.h"
#include "index/scan.h"

enum { LINE = 64, LINES_MOST = 48 }; /* of a row: beyond that the processor's own prefetcher runs */

kith_status ki_ranker_open(const ki_ranker_options *options, ki_ranker *out)
{
    const size_t query_bytes = ki_query_bytes(options->pairing, options->dim);
    const size_t pool_bytes = options->k * sizeof(uint64_t);
    const size_t hop_bytes = options->places * sizeof(uint32_t);
    ki_ranker ranker = {.kernel = options->kernel,
                        .prepare = ki_prepare_of(options->kernel, options->f32),
                        .places = options->places};
    ranker.query.dim = options->dim;
    ranker.pool.capacity = options->k;
    ranker.scratch = ki_alloc_aligned(LINE, query_bytes);
    ranker.pool.entry = ki_alloc_aligned(LINE, pool_bytes);
    ranker.ids = ki_alloc_aligned(LINE, hop_bytes);
    ranker.keys = ki_alloc_aligned(LINE, hop_bytes);
    if (!ranker.scratch || !ranker.pool.entry || !ranker.ids || !ranker.keys) {
        ki_ranker_close(&ranker);
        return ki_no_memory("ranking", query_bytes + pool_bytes + 2 * hop_bytes);
    }
    *out = ranker;
    return KITH_OK;
}

void ki_ranker_close(ki_ranker *ranker)
{
    ki_free(ranker->scratch);
    ki_free(ranker->pool.entry);
    ki_free(ranker->ids);
    ki_free(ranker->keys);
    *ranker = (ki_ranker){0};
}

void ki_ranker_aim(ki_ranker *ranker, const void *vector)
{
    ranker->prepare(vector, ranker->query.dim, ranker->scratch, &ranker->query);
    ki_pool_clear(&ranker->pool);
}

static void ask_for_row(const ki_rows *rows, uint32_t id)
{
    const unsigned char *row = rows->base + (size_t)id * rows->stride;
    const size_t most = (size_t)LINES_MOST * LINE;
    for (size_t at = 0; at < rows->stride && at < most; at += LINE)
        __builtin_prefetch(row + at);
}

void ki_ranker_rank(ki_ranker *ranker, const ki_rows *rows, const ki_pool *found,
                    const ki_alive *alive)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < found->size && n < ranker->places; i++) {
        const uint32_t id = ki_pool_id(found->entry[i]);
        if (alive && !ki_is_alive(alive, id))
            continue;
        ask_for_row(rows, id);
        ranker->ids[n++] = id;
    }
    ranker->kernel->gather(&ranker->query, rows, ranker->ids, n, ranker->keys);
    ranker->reranks += n;
    for (uint32_t i = 0; i < n; i++)
        ki_pool_offer(&ranker->pool, ki_pool_entry(ranker->keys[i], ranker->ids[i]));
}

/* trial.c - see trial.h. Codes of one scale lose rows that lie in tight clusters far apart: there a
 * step is wider than a cluster. No property of single dimensions shows that, so neighbours
 * themselves are looked at. The sums are exact ones in a fixed order, since the answer decides what
 * a graph is built on, and must be the same everywhere.
 */
#include "index/trial.h"
#include "index/pool.h"
#include <math.h>

enum { ROWS = 2048, QUERIES = 24, NEAR = 10, FOUND = 15, LINE = 64 };

typedef struct trial {
    const ki_codes *codes;
    const ki_store *engine;
    const ki_kernel *kernel;
    uint32_t n;
    uint32_t ids[ROWS], keys[ROWS];
    double distances[ROWS];
} trial;

static void choose_rows(trial *t)
{
    const uint32_t rows = t->codes->count; /* of which a writer may have put more by now */
    const uint64_t step = (ki_store_live_count(t->engine) + ROWS - 1) / ROWS;
    uint64_t met = 0;
    for (uint32_t row = 0; row < rows && t->n < ROWS; row++) {
        const void *key;
        size_t key_len;
        if (ki_store_key(t->engine, row, &key, &key_len) && met++ % step == 0)
            t->ids[t->n++] = row;
    }
}

/* The exact distance within which the NEAR nearest of row `self` lie, without itself. */
static double reach_of(trial *t, uint32_t self)
{
    const ki_codes_shape *shape = &t->codes->shape;
    const ki_slab *slab = ki_store_slab(t->engine);
    const void *query = ki_slab_row(slab, t->ids[self]);
    double nearest[NEAR];
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        const double d = ki_exact_distance(shape->metric, shape->type, query,
                                           ki_slab_row(slab, t->ids[i]), shape->dim);
        t->distances[i] = i == self ? INFINITY : d;
        uint32_t at = n < NEAR ? n++ : NEAR;
        for (; at > 0 && t->distances[i] < nearest[at - 1]; at--)
            if (at < NEAR)
                nearest[at] = nearest[at - 1];
        if (at < NEAR)
            nearest[at] = t->distances[i];
    }
    return nearest[n - 1];
}

/* How many of the nearest by codes lie within that distance; no more than NEAR. */
static uint32_t count_found(trial *t, uint32_t self, double reach, void *scratch)
{
    const ki_slab *slab = &t->codes->slab;
    const ki_rows rows = {slab->base, slab->stride, slab->aux, slab->aux_stride, t->codes->dim, 0};
    uint64_t entries[FOUND + 1];
    ki_pool pool = {.entry = entries, .capacity = FOUND};
    ki_query query;
    uint32_t found = 0;
    t->kernel->prepare(ki_slab_row(slab, t->ids[self]), t->codes->dim, scratch, &query);
    t->kernel->gather(&query, &rows, t->ids, t->n, t->keys);
    for (uint32_t i = 0; i < t->n; i++)
        if (i != self)
            ki_pool_offer(&pool, ki_pool_entry(t->keys[i], i));
    for (uint32_t i = 0; i < pool.size; i++)
        found += t->distances[ki_pool_id(entries[i])] <= reach;
    return found < NEAR ? found : NEAR;
}

kith_status ki_codes_try(const ki_codes *codes, const ki_store *engine, const ki_kernel *kernel,
                         double *share)
{
    const size_t query_bytes = ki_query_bytes(codes->pairing, codes->dim);
    trial *t = ki_zalloc(sizeof *t);
    void *scratch = ki_alloc_aligned(LINE, query_bytes);
    uint64_t found = 0, wanted = 0;
    if (!t || !scratch) {
        ki_free(t);
        ki_free(scratch);
        return ki_no_memory("a trial of codes", sizeof *t + query_bytes);
    }
    t->codes = codes;
    t->engine = engine;
    t->kernel = kernel;
    choose_rows(t);
    for (uint32_t q = 0; q < QUERIES && t->n > NEAR; q++) {
        const uint32_t self = (uint32_t)((uint64_t)q * t->n / QUERIES);
        const double reach = reach_of(t, self);
        found += count_found(t, self, reach, scratch);
        wanted += NEAR;
    }
    ki_free(t);
    ki_free(scratch);
    *share = wanted ? (double)found / (double)wanted : 1;
    return KITH_OK;
}

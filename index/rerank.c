/* rerank.c - from candidates with rounded keys to an order that is the same on every machine.
 *
 * f32 sums depend on the order of addition, hence on instruction set and device. Exact search
 * therefore asks a scan for some more answers than are wanted, ranks them by f64 sums in index
 * order, and then looks for a proof: if even the last candidate, taken as near as rounding
 * allows, is farther than the k-th, then every row that is no candidate is too. Without a proof
 * the caller asks for more; in the end all rows are candidates.
 *
 * The bound: any order of n additions and products is off by less than n * 2^-24 * sum |terms|
 * (Higham, Accuracy and Stability, 3.1), plus 2^-149 for each that falls below the normal range;
 * and sum |terms| is at most |q||x| for a product,
 * (|q|+|x|)^2 for squared L2 by norms (by differences it is less), 1 for a cosine.
 */
#include "index/scan.h"
#include "kernels/keys.h"
#include <math.h>

void ki_rounding_of(const ki_row_set *set, ki_key_form form, ki_rounding *out)
{
    double largest = 0;
    for (uint32_t row = 0; row < set->count; row++)
        largest = fmax(largest, sqrt((double)ki_norm2(set->type, ki_aux_at(set, row))));
    *out = (ki_rounding){form, ((double)set->rows.dim + 8) * 0x1p-24, largest};
}

uint32_t ki_rank_wanted(uint32_t k)
{
    return k + k / 4 + 8;
}

static bool comes_before(const ki_ranked *a, const ki_ranked *b)
{
    return a->distance < b->distance || (a->distance == b->distance && a->row < b->row);
}

/* Shell's sort with Ciura's gaps: in place, no recursion, and the list is short and almost in
 * order already. */
static void sort_ranked(ki_ranked *ranked, uint32_t n)
{
    static const uint32_t gaps[] = {3548, 1577, 701, 301, 132, 57, 23, 10, 4, 1};
    for (size_t g = 0; g < sizeof gaps / sizeof *gaps; g++)
        for (uint32_t i = gaps[g]; i < n; i++) {
            ki_ranked moved = ranked[i];
            uint32_t j = i;
            for (; j >= gaps[g] && comes_before(&moved, &ranked[j - gaps[g]]); j -= gaps[g])
                ranked[j] = ranked[j - gaps[g]];
            ranked[j] = moved;
        }
}

static double error_bound(const ki_row_set *set, const ki_rounding *rounding, const void *query)
{
    ki_aux aux;
    ki_aux_fill(set->type, query, set->rows.dim, &aux);
    double norm = sqrt((double)ki_norm2(set->type, &aux)), reach = norm + rounding->largest_norm;
    double tiny = rounding->relative * 0x1p-125; /* (dim + 8) * 2^-149 */
    if (set->metric == KITH_L2SQ)
        return rounding->relative * reach * reach + tiny;
    if (set->metric == KITH_IP)
        return rounding->relative * norm * rounding->largest_norm + tiny;
    return rounding->relative * 4; /* a row's norm is at least 2^-126: tiny / norm is 2 relative */
}

/* True when the first k are proven: every live row that is no candidate comes after the answer
 * `beyond`, which is UINT64_MAX when there is no such row. `ranked` has room for `have`. */
static bool rank_one(const ki_row_set *set, const ki_rounding *rounding, const void *query,
                     const uint64_t *answers, uint32_t have, uint64_t beyond, uint32_t k,
                     ki_ranked *ranked)
{
    uint32_t n = 0;
    for (; n < have && answers[n] != UINT64_MAX; n++) {
        uint32_t row = (uint32_t)answers[n];
        const void *vector = set->rows.base + (size_t)row * set->rows.stride;
        double distance = ki_exact_distance(set->metric, set->type, query, vector, set->rows.dim);
        ranked[n] = (ki_ranked){distance, row};
    }
    sort_ranked(ranked, n);
    for (uint32_t i = n; i < have; i++)
        ranked[i] = (ki_ranked){INFINITY, UINT32_MAX};
    if (beyond == UINT64_MAX)
        return true;
    double last = ki_key_distance(rounding->form, (uint32_t)(beyond >> 32));
    return ranked[k - 1].distance < last - error_bound(set, rounding, query);
}

typedef struct ranking {
    const ki_row_set *set;
    const ki_rounding *rounding;
    const ki_queries *queries;
    const ki_candidates *candidates;
    uint32_t k;
    ki_ranked *scratch; /* of each worker: have places */
    ki_ranked *ranked;
    unsigned char *proven; /* of each query */
} ranking;

static kith_status rank_job(void *context, uint32_t worker, size_t first, size_t last)
{
    const ranking *r = context;
    uint32_t have = r->candidates->have;
    const uint64_t *beyond = r->candidates->beyond;
    ki_ranked *scratch = r->scratch + (size_t)worker * have;
    for (size_t i = first; i < last; i++) {
        const uint64_t *answers = r->candidates->answers + i * have;
        r->proven[i] = rank_one(r->set, r->rounding, ki_query_at(r->queries, i), answers, have,
                                beyond ? beyond[i] : answers[have - 1], r->k, scratch);
        memcpy(r->ranked + i * r->k, scratch, r->k * sizeof *scratch);
    }
    return KITH_OK;
}

/* Four times as many candidates each time, until there is a proof or no row is left out. */
static kith_status widen_one(const ranking *r, const ki_kernel *kernel, size_t i,
                             ki_workers *workers)
{
    ki_queries one = {ki_query_at(r->queries, i), r->queries->stride, 1};
    ki_rounding rounding = *r->rounding;
    rounding.form = kernel->form;
    bool proven = false;
    kith_status status = KITH_OK;
    for (uint64_t want = r->candidates->have; !proven && !status;) {
        want = want * 4 <= r->set->count ? want * 4 : (uint64_t)r->set->count + 1;
        uint64_t *answers = ki_alloc(want * sizeof *answers);
        ki_ranked *ranked = ki_alloc(want * sizeof *ranked);
        if (!answers || !ranked)
            status = ki_no_memory("candidates of an exact search", want * 24);
        else
            status =
                ki_scan(kernel, r->set, 0, r->set->count, &one, (uint32_t)want, workers, answers);
        if (!status) {
            proven = rank_one(r->set, &rounding, one.base, answers, (uint32_t)want,
                              answers[want - 1], r->k, ranked);
            memcpy(r->ranked + i * r->k, ranked, r->k * sizeof *ranked);
        }
        ki_free(answers);
        ki_free(ranked);
    }
    return status;
}

kith_status ki_rank_all(const ki_row_set *set, const ki_rounding *rounding, const ki_kernel *kernel,
                        const ki_queries *queries, const ki_candidates *candidates, uint32_t k,
                        ki_workers *workers, ki_ranked *ranked)
{
    ranking r = {set, rounding, queries, candidates, k, NULL, ranked, NULL};
    size_t bytes = (size_t)ki_workers_count(workers) * candidates->have * sizeof *r.scratch;
    r.scratch = ki_alloc(bytes);
    r.proven = ki_zalloc(queries->count);
    kith_status status = KITH_OK;
    if (!r.scratch || !r.proven)
        status = ki_no_memory("ranking", bytes + queries->count);
    if (!status)
        status = ki_workers_run(workers, queries->count, 8, rank_job, &r);
    for (size_t i = 0; i < queries->count && !status; i++)
        if (!r.proven[i])
            status = widen_one(&r, kernel, i, workers);
    ki_free(r.scratch);
    ki_free(r.proven);
    return status;
}

void ki_rank_exact_keys(ki_key_form form, const uint64_t *answers, uint32_t have, uint32_t k,
                        ki_ranked *ranked)
{
    for (uint32_t i = 0; i < k; i++)
        ranked[i] = i < have && answers[i] != UINT64_MAX
                        ? (ki_ranked){ki_key_distance(form, (uint32_t)(answers[i] >> 32)),
                                      (uint32_t)answers[i]}
                        : (ki_ranked){INFINITY, UINT32_MAX};
}

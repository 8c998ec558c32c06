/* rerank.c - from candidates with rounded keys to an order that is the same on every machine.
 *
 * f32 sums depend on the order of addition, hence on instruction set and device. Exact search
 * therefore asks a scan for some more answers than are wanted, ranks them by f64 sums in index
 * order, and then looks for a proof: if even the last candidate, taken as near as rounding
 * allows, is farther than the k-th, then every row that is no candidate is too. Without a proof
 * the caller asks for more; in the end all rows are candidates.
 *
 * The bound: any order of n additions and products is off by less than n * 2^-24 * sum |terms|
 * (Higham, Accuracy and Stability, 3.1), plus 2^-126 for each that a device flushes to zero. The
 * sum of |terms| is the distance itself for squared L2 by differences, at most (|q|+|x|)^2 by
 * norms, |q||x| for a product, 1 for a cosine. Where rows are far from the origin the norms prove
 * nothing: then the query is scanned again by differences, then for more candidates; and when
 * these are no longer few, all rows are ranked, which needs no proof.
 */
#include "index/scan.h"
#include "index/widen.h"
#include "kernels/keys.h"
#include <math.h>

double ki_largest_norm(const ki_row_set *set, uint32_t first, double known)
{
    for (uint32_t row = first; row < set->count; row++)
        known = fmax(known, sqrt((double)ki_norm2(set->type, ki_aux_at(set, row))));
    return known;
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

/* One query, and what it takes to judge a row by it. */
typedef struct judge {
    const ki_row_set *set;
    const ki_rounding *rounding;
    const void *query;
    kith_type type; /* of the query: that of the rows, or f32 */
    float *wide;    /* then a row is widened to here */
} judge;

static double exact_distance(const judge *j, uint32_t row)
{
    const ki_row_set *set = j->set;
    const void *vector = set->rows.base + (size_t)row * set->rows.stride;
    if (j->type != set->type) {
        ki_widen(set->type, vector, set->rows.dim, j->wide);
        vector = j->wide;
    }
    return ki_exact_distance(set->metric, j->type, j->query, vector, set->rows.dim);
}

static bool is_integer(kith_type type)
{
    return type == KITH_U8 || type == KITH_I8 || type == KITH_B1;
}

/* By how much a key that reads `distance` may exceed the truth. */
static double error_bound(const judge *j, double distance)
{
    const ki_row_set *set = j->set;
    const ki_rounding *rounding = j->rounding;
    ki_aux aux;
    bool exact_sums = is_integer(j->type) && !rounding->by_norms; /* then only the end rounds */
    double terms = exact_sums ? 8 : (double)set->rows.dim + 8;
    double relative = terms * 0x1p-24, tiny = terms * 0x1p-126;
    if (set->metric == KITH_L2SQ && !rounding->by_norms)
        return relative * distance + tiny;
    ki_aux_fill(j->type, j->query, set->rows.dim, &aux);
    double norm = sqrt((double)ki_norm2(j->type, &aux)), reach = norm + rounding->largest_norm;
    if (set->metric == KITH_L2SQ)
        return relative * reach * reach + tiny;
    if (set->metric == KITH_IP)
        return relative * norm * rounding->largest_norm + tiny;
    return relative * 4; /* a row's norm is at least 2^-126: tiny / norm is 2 relative */
}

/* True when the first k are proven: every live row that is no candidate comes after the answer
 * `beyond`, which is UINT64_MAX when there is no such row. `ranked` has room for `have`. */
static bool rank_one(const judge *j, const uint64_t *answers, uint32_t have, uint64_t beyond,
                     uint32_t k, ki_ranked *ranked)
{
    uint32_t n = 0;
    for (; n < have && answers[n] != UINT64_MAX; n++)
        ranked[n] = (ki_ranked){exact_distance(j, (uint32_t)answers[n]), (uint32_t)answers[n]};
    sort_ranked(ranked, n);
    for (uint32_t i = n; i < have; i++)
        ranked[i] = (ki_ranked){INFINITY, UINT32_MAX};
    if (beyond == UINT64_MAX)
        return true;
    double last = ki_key_distance(j->rounding->form, (uint32_t)(beyond >> 32));
    return ranked[k - 1].distance < last - error_bound(j, last);
}

typedef struct ranking {
    const ki_row_set *set;
    const ki_rounding *rounding;
    const ki_queries *queries;
    const ki_candidates *candidates;
    uint32_t k;
    ki_ranked *scratch; /* of each worker: have places */
    float *wide;        /* of each worker: a row as f32 */
    ki_ranked *ranked;
    unsigned char *proven; /* of each query */
} ranking;

static judge judge_of(const ranking *r, const ki_rounding *rounding, uint32_t worker, size_t i)
{
    return (judge){.set = r->set,
                   .rounding = rounding,
                   .query = ki_query_at(r->queries, i),
                   .type = r->queries->f32 ? KITH_F32 : r->set->type,
                   .wide = r->wide + (size_t)worker * r->set->rows.dim};
}

static kith_status rank_job(void *context, uint32_t worker, size_t first, size_t last)
{
    const ranking *r = context;
    uint32_t have = r->candidates->have;
    const uint64_t *beyond = r->candidates->beyond;
    ki_ranked *scratch = r->scratch + (size_t)worker * have;
    for (size_t i = first; i < last; i++) {
        const uint64_t *answers = r->candidates->answers + i * have;
        const judge j = judge_of(r, r->rounding, worker, i);
        r->proven[i] =
            rank_one(&j, answers, have, beyond ? beyond[i] : answers[have - 1], r->k, scratch);
        memcpy(r->ranked + i * r->k, scratch, r->k * sizeof *scratch);
    }
    return KITH_OK;
}

/* Every live row by its exact distance: the k nearest, kept sorted by insertion. */
static void rank_everything(const judge *j, uint32_t k, ki_ranked *ranked)
{
    uint32_t n = 0;
    for (uint32_t row = 0; row < j->set->count; row++) {
        if (!ki_is_live(j->set->live, row))
            continue;
        ki_ranked one = {exact_distance(j, row), row};
        if (n == k && !comes_before(&one, &ranked[k - 1]))
            continue;
        uint32_t at = n < k ? n++ : k - 1;
        for (; at && comes_before(&one, &ranked[at - 1]); at--)
            ranked[at] = ranked[at - 1];
        ranked[at] = one;
    }
    for (; n < k; n++)
        ranked[n] = (ki_ranked){INFINITY, UINT32_MAX};
}

/* Scans again with range kernels for `want` answers; *proven as rank_one. */
static kith_status scan_again(const ranking *r, const ki_kernel *kernel, size_t i, uint32_t want,
                              ki_workers *workers, bool *proven)
{
    ki_queries one = *r->queries;
    one.base = ki_query_at(r->queries, i);
    one.count = 1;
    ki_rounding rounding = *r->rounding;
    rounding.form = kernel->form;
    rounding.by_norms = false;
    uint64_t *answers = ki_alloc(want * sizeof *answers);
    ki_ranked *ranked = ki_alloc(want * sizeof *ranked);
    kith_status status = KITH_OK;
    if (!answers || !ranked)
        status = ki_no_memory("candidates of an exact search", (size_t)want * 24);
    else
        status = ki_scan(kernel, r->set, 0, r->set->count, &one, want, workers, answers);
    if (!status) {
        const judge j = judge_of(r, &rounding, 0, i);
        *proven = rank_one(&j, answers, want, answers[want - 1], r->k, ranked);
        memcpy(r->ranked + i * r->k, ranked, r->k * sizeof *ranked);
    }
    ki_free(answers);
    ki_free(ranked);
    return status;
}

/* The first k of query i, whatever it takes. */
static kith_status settle_one(const ranking *r, const ki_kernel *kernel, size_t i,
                              ki_workers *workers)
{
    bool proven = false;
    kith_status status = KITH_OK;
    uint64_t want = r->candidates->have;
    for (; !proven && !status && want <= r->set->count / 16; want *= 4)
        status = scan_again(r, kernel, i, (uint32_t)want, workers, &proven);
    if (!proven && !status) {
        const judge j = judge_of(r, r->rounding, 0, i);
        rank_everything(&j, r->k, r->ranked + i * r->k);
    }
    return status;
}

kith_status ki_rank_all(const ki_row_set *set, const ki_rounding *rounding, const ki_kernel *kernel,
                        const ki_queries *queries, const ki_candidates *candidates, uint32_t k,
                        ki_workers *workers, ki_ranked *ranked)
{
    ranking r = {.set = set,
                 .rounding = rounding,
                 .queries = queries,
                 .candidates = candidates,
                 .k = k,
                 .ranked = ranked};
    size_t threads = ki_workers_count(workers);
    size_t bytes = threads * candidates->have * sizeof *r.scratch;
    size_t wide_bytes = queries->f32 ? threads * set->rows.dim * sizeof *r.wide : 0;
    r.scratch = ki_alloc(bytes);
    r.wide = ki_alloc(wide_bytes);
    r.proven = ki_zalloc(queries->count);
    kith_status status = KITH_OK;
    if (!r.scratch || !r.wide || !r.proven)
        status = ki_no_memory("ranking", bytes + wide_bytes + queries->count);
    if (!status)
        status = ki_workers_run(workers, queries->count, 8, rank_job, &r);
    for (size_t i = 0; i < queries->count && !status; i++)
        if (!r.proven[i])
            status = settle_one(&r, kernel, i, workers);
    ki_free(r.scratch);
    ki_free(r.wide);
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

uint64_t ki_ranked_answer(const ki_ranked *ranked)
{
    const float distance = (float)ranked->distance + 0.0F; /* keys know no -0 */
    return ranked->row == UINT32_MAX ? UINT64_MAX
                                     : (uint64_t)ki_key_from_float(distance) << 32 | ranked->row;
}

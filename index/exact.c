/* exact.c - kith_exact: the k nearest rows of a plain matrix, for ground truth.
 *
 * Candidates from matrix products, order from exact sums. For u8 rows that is another path than
 * that of a flat index, which never multiplies matrices of them: so one can judge the other.
 */
#include "index/checks.h"
#include "index/scan.h"
#include <math.h>

enum { CHUNK = 128 }; /* queries of one thread between two calls of the progress function */

typedef struct exact {
    ki_row_set set;
    ki_kernels kernels;
    ki_workers *workers;
    ki_aux *aux; /* of each row */
    ki_rounding rounding;
    uint32_t k, want;
    size_t chunk;
    uint64_t *answers;
    ki_ranked *ranked;
} exact;

static void close_exact(exact *e)
{
    ki_free(e->aux);
    ki_free(e->answers);
    ki_free(e->ranked);
    ki_workers_close(e->workers);
}

static kith_status aux_job(void *context, uint32_t worker, size_t first, size_t last)
{
    exact *e = context;
    (void)worker;
    for (size_t i = first; i < last; i++)
        ki_aux_fill(e->set.type, e->set.rows.base + i * e->set.rows.stride, e->set.rows.dim,
                    &e->aux[i]);
    return KITH_OK;
}

static kith_status open_exact(exact *e, uint64_t features, size_t nq, uint32_t threads)
{
    size_t n = e->set.count;
    ki_kernels_fill(features, &e->kernels);
    kith_status status = ki_workers_open(threads, &e->workers);
    if (status)
        return status;
    size_t chunk = (size_t)CHUNK * ki_workers_count(e->workers);
    chunk = nq < chunk ? nq : chunk;
    e->chunk = chunk;
    e->want = ki_rank_wanted(e->k);
    e->aux = ki_alloc(n * sizeof *e->aux);
    e->answers = ki_alloc(chunk * e->want * sizeof *e->answers);
    e->ranked = ki_alloc(chunk * e->k * sizeof *e->ranked);
    if (!e->aux || !e->answers || !e->ranked)
        return ki_no_memory("an exact search", n * sizeof *e->aux + chunk * e->want * 24);
    e->set.rows.aux = (const unsigned char *)e->aux;
    e->set.rows.aux_stride = sizeof *e->aux;
    status = ki_workers_run(e->workers, n, 256, aux_job, e);
    e->rounding = (ki_rounding){KI_KEY_FLOAT, ki_largest_norm(&e->set, 0, 0), true};
    return status;
}

static kith_status answer(exact *e, const ki_queries *queries)
{
    const ki_kernel *kernel = &e->kernels.at[e->set.metric][e->set.type];
    kith_status status;
    if (ki_gemm_available() && e->set.type != KITH_B1) {
        status = ki_gemm_scan(&e->set, queries, e->want, e->workers, e->answers);
    } else {
        e->rounding.form = kernel->form;
        e->rounding.by_norms = false;
        status =
            ki_scan(kernel, &e->set, 0, e->set.count, queries, e->want, e->workers, e->answers);
    }
    ki_candidates candidates = {e->answers, NULL, e->want};
    return status ? status
                  : ki_rank_all(&e->set, &e->rounding, kernel, queries, &candidates, e->k,
                                e->workers, e->ranked);
}

static kith_status check_arguments(const exact *e, const ki_queries *queries, size_t n,
                                   uint32_t threads)
{
    kith_status status = ki_check_shape(e->set.rows.dim, e->set.type, e->set.metric);
    if (!status)
        status = ki_check_threads(threads);
    if (!status && (n == 0 || n > KI_ROWS_MOST))
        status = ki_fail(KITH_EINVAL, "%zu rows; an exact search takes 1 to %u", n, KI_ROWS_MOST);
    if (!status && (e->k == 0 || e->k > n))
        status = ki_fail(KITH_EINVAL, "k = %u with %zu rows; k must be 1 to the number of rows",
                         e->k, n);
    for (size_t i = 0; i < n && !status; i++)
        status = ki_check_vector(e->set.metric, e->set.type, e->set.rows.dim,
                                 e->set.rows.base + i * e->set.rows.stride, "row", i);
    for (size_t i = 0; i < queries->count && !status; i++)
        status = ki_check_vector(e->set.metric, e->set.type, e->set.rows.dim,
                                 ki_query_at(queries, i), "query", i);
    return status;
}

kith_status kith_exact(kith_metric metric, kith_type type, uint32_t dim, const void *base, size_t n,
                       const void *queries, size_t nq, uint32_t k, uint32_t threads, uint32_t *rows,
                       float *distances, kith_progress_fn progress, void *user)
{
    size_t stride = kith_vector_bytes(type, dim);
    ki_queries all = {queries, stride, nq, (ki_pairing)type, false};
    exact e = {.set = {.rows = {.base = base, .stride = stride, .dim = dim},
                       .count = (uint32_t)n,
                       .type = type,
                       .metric = metric},
               .k = k};
    uint64_t features = 0;
    kith_status status = check_arguments(&e, &all, n, threads);
    if (!status)
        status = ki_choose_features(NULL, &features);
    if (!status && nq)
        status = open_exact(&e, features, nq, threads);
    for (size_t i = 0; i < nq && !status; i += e.chunk) {
        ki_queries part = all;
        part.base = ki_query_at(&all, i);
        part.count = nq - i < e.chunk ? nq - i : e.chunk;
        status = answer(&e, &part);
        for (size_t j = 0; j < part.count * k && !status; j++) {
            rows[i * k + j] = e.ranked[j].row;
            if (distances)
                distances[i * k + j] = (float)e.ranked[j].distance;
        }
        if (!status && progress && progress(user, i + part.count, nq))
            status =
                ki_fail(KITH_ECANCELLED, "stopped after %zu of %zu queries", i + part.count, nq);
    }
    close_exact(&e);
    return status;
}

/* gemm.c - exact search through matrix products: OpenBLAS gives dot products of a block of
 * queries with a block of rows, norms make distances of them, and the nearest survive.
 *
 * Squared L2 by norms loses digits where rows are near and norms are large, so these answers are
 * candidates only: rerank.c orders them again and says whether that is proof. What the products
 * buy is reuse of a row by hundreds of queries from registers, which a range kernel cannot have.
 *
 * Measured on an AVX-512 core with other work beside it, 30,000 f32 rows, one thread, milliseconds
 * a query, medians of six by tiles (scan.c) and by products: dim 64, 8 queries 0.14 and 0.98, 32
 * queries 0.50 and 0.53, 64 queries 0.62 and 0.46, 1024 queries 0.50 and 0.37; dim 784, 8 queries
 * 5.5 and 8.6, 32 queries 2.5 and 3.9, 64 queries 1.8 and 1.6, 256 queries 1.9 and 1.1, 1024
 * queries 1.7 and 1.0. So KI_GEMM_QUERIES is 64.
 *
 * Every worker calls sgemm for its own queries, so OpenBLAS is held to one thread meanwhile. That
 * setting belongs to the process: it is set by the first scan and restored by the last.
 */
#include "index/scan.h"
#include "index/widen.h"
#include "kernels/keys.h"

#ifndef KI_HAVE_BLAS

bool ki_gemm_available(void)
{
    return false;
}

kith_status ki_gemm_scan(const ki_row_set *set, const ki_queries *queries, uint32_t k,
                         ki_workers *workers, uint64_t *answers)
{
    (void)set, (void)queries, (void)k, (void)workers, (void)answers;
    return ki_fail(KITH_EUNSUPPORTED, "this build has no OpenBLAS");
}

#else

#include <cblas.h>
#include <math.h>
#include <pthread.h>

enum { GROUP = 256, BLOCK = 512 }; /* queries and rows of one product: C stays in a cache */

typedef struct gemm {
    const ki_row_set *set;
    const ki_queries *queries;
    uint32_t k, group;
    float *memory; /* of each worker: queries, rows, products, norms */
    size_t worker_floats;
    uint64_t *answers;
} gemm;

static pthread_mutex_t threads_mutex = PTHREAD_MUTEX_INITIALIZER;
static int scans_running, threads_before;

static void hold_to_one_thread(void)
{
    pthread_mutex_lock(&threads_mutex);
    if (!scans_running++) {
        threads_before = openblas_get_num_threads();
        openblas_set_num_threads(1);
    }
    pthread_mutex_unlock(&threads_mutex);
}

static void restore_threads(void)
{
    pthread_mutex_lock(&threads_mutex);
    if (!--scans_running)
        openblas_set_num_threads(threads_before);
    pthread_mutex_unlock(&threads_mutex);
}

bool ki_gemm_available(void)
{
    return true;
}

/* The rows of a block as floats: where they are, or widened into `out`. */
static const float *float_rows(const ki_row_set *set, uint32_t first, uint32_t n, float *out,
                               size_t *stride)
{
    uint32_t dim = set->rows.dim;
    const unsigned char *rows = set->rows.base + (size_t)first * set->rows.stride;
    if (set->type == KITH_F32 && set->rows.stride % sizeof *out == 0) {
        *stride = set->rows.stride / sizeof *out;
        return (const void *)rows;
    }
    for (uint32_t i = 0; i < n; i++)
        ki_widen(set->type, rows + i * set->rows.stride, dim, out + (size_t)i * dim);
    *stride = dim;
    return out;
}

/* To unit length in f64, so that the tiniest query has a direction too; a zero query stays. */
static void make_unit(float *query, uint32_t dim)
{
    double norm2 = 0;
    for (uint32_t i = 0; i < dim; i++)
        norm2 += (double)query[i] * (double)query[i];
    const double scale = norm2 > 0 ? 1 / sqrt(norm2) : 0;
    for (uint32_t i = 0; i < dim; i++)
        query[i] = (float)(scale * (double)query[i]);
}

/* Queries as floats; under cosine at unit length, so that the product is a cosine but for the
 * row's norm. */
static void widen_queries(const gemm *g, size_t begin, size_t n, float *out, float *norm2)
{
    const ki_row_set *set = g->set;
    for (size_t i = 0; i < n; i++) {
        const kith_type type = g->queries->f32 ? KITH_F32 : set->type;
        const void *query = ki_query_at(g->queries, begin + i);
        float *wide = out + i * set->rows.dim;
        ki_aux aux;
        ki_aux_fill(type, query, set->rows.dim, &aux);
        ki_widen(type, query, set->rows.dim, wide);
        if (set->metric == KITH_COSINE)
            make_unit(wide, set->rows.dim);
        norm2[i] = ki_norm2(type, &aux);
    }
}

/* From products to distances, in place. */
static void finish(const ki_row_set *set, uint32_t first, uint32_t n, float norm2, float *dot)
{
    for (uint32_t i = 0; i < n; i++) {
        const ki_aux *aux = ki_aux_at(set, first + i);
        float row_norm2 = ki_norm2(set->type, aux);
        if (set->metric == KITH_L2SQ)
            dot[i] = norm2 + row_norm2 - 2 * dot[i];
        else if (set->metric == KITH_IP)
            dot[i] = 0 - dot[i];
        else
            dot[i] = 1 - dot[i] * aux->inv_norm;
    }
}

static void offer_row(ki_pool *pool, const uint64_t *live, uint32_t first, uint32_t n,
                      const float *distance)
{
    uint32_t bound = ki_pool_bound(pool);
    float reach = bound == UINT32_MAX ? INFINITY : ki_float_from_key(bound);
    for (uint32_t i = 0; i < n; i++) {
        if (distance[i] > reach || !ki_is_live(live, first + i))
            continue;
        ki_pool_offer(pool, ki_pool_entry(ki_key_from_float(distance[i]), first + i));
        bound = ki_pool_bound(pool);
        reach = bound == UINT32_MAX ? INFINITY : ki_float_from_key(bound);
    }
}

static void scan_group(const gemm *g, float *memory, size_t begin, size_t n)
{
    const ki_row_set *set = g->set;
    int dim = (int)set->rows.dim;
    float *queries = memory, *wide = queries + g->group * (size_t)dim;
    float *products = wide + BLOCK * (size_t)dim, *norm2 = products + g->group * (size_t)BLOCK;
    ki_pool pool[GROUP];
    for (size_t i = 0; i < n; i++)
        pool[i] = (ki_pool){.entry = g->answers + (begin + i) * g->k, .capacity = g->k};
    widen_queries(g, begin, n, queries, norm2);
    for (uint32_t first = 0; first < set->count; first += BLOCK) {
        uint32_t rows_here = set->count - first < BLOCK ? set->count - first : BLOCK;
        size_t stride;
        const float *rows = float_rows(set, first, rows_here, wide, &stride);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)rows_here, dim, 1,
                    queries, dim, rows, (int)stride, 0, products, BLOCK);
        for (size_t i = 0; i < n; i++) {
            finish(set, first, rows_here, norm2[i], products + i * BLOCK);
            offer_row(&pool[i], set->live, first, rows_here, products + i * BLOCK);
        }
    }
    for (size_t i = 0; i < n; i++)
        ki_pool_answers(&pool[i], NULL, g->k, pool[i].entry);
}

static kith_status gemm_job(void *context, uint32_t worker, size_t first, size_t last)
{
    const gemm *g = context;
    for (size_t i = first; i < last; i++) {
        size_t begin = i * g->group, left = g->queries->count - begin;
        scan_group(g, g->memory + worker * g->worker_floats, begin,
                   left < g->group ? left : g->group);
    }
    return KITH_OK;
}

kith_status ki_gemm_scan(const ki_row_set *set, const ki_queries *queries, uint32_t k,
                         ki_workers *workers, uint64_t *answers)
{
    uint32_t threads = ki_workers_count(workers);
    size_t share = (queries->count + threads - 1) / threads;
    gemm g = {.set = set, .queries = queries, .k = k, .answers = answers};
    g.group = share < GROUP ? (uint32_t)share : GROUP;
    size_t dim = set->rows.dim;
    g.worker_floats = (g.group + BLOCK) * dim + (size_t)g.group * BLOCK + g.group;
    g.worker_floats = (g.worker_floats + 15) / 16 * 16;
    g.memory = ki_alloc_aligned(64, threads * g.worker_floats * sizeof *g.memory);
    if (!g.memory)
        return ki_no_memory("matrix products", threads * g.worker_floats * sizeof *g.memory);
    hold_to_one_thread();
    kith_status status =
        ki_workers_run(workers, (queries->count + g.group - 1) / g.group, 1, gemm_job, &g);
    restore_threads();
    ki_free(g.memory);
    return status;
}

#endif

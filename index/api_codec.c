/* api_codec.c - the training of a codec, and what it is.
 *
 * May include kernels/codec.h, kv/base.h and workers.h. Threads share out blocks of dimensions,
 * which do not know of each other; sizes are counted by each thread and the counts added up, so
 * the codec is the same whoever did what.
 */
#include "index/codec_object.h"
#include "index/checks.h"
#include "index/objects.h"
#include "index/workers.h"
#include <string.h>

enum { ROWS_AT_ONCE = 64 };

typedef struct training {
    ki_codec *codec;
    ki_codec_rows rows;
    size_t step; /* rows from one that is looked at to the next */
    double *factors;
    ki_codec_counts *counts; /* two a thread: the second is scratch */
    double ceiling;
    bool centred; /* rows are counted as their x' */
} training;

kith_codec_options kith_codec_defaults(uint32_t dim, kith_code code, kith_metric metric)
{
    return (kith_codec_options){
        .size = sizeof(kith_codec_options), .dim = dim, .code = code, .metric = metric};
}

kith_status ki_check_codec(uint32_t dim, kith_code code, kith_metric metric)
{
    if ((unsigned)code > KITH_SQ1)
        return ki_fail(KITH_EINVAL, "%d is no kind of codes", (int)code);
    if (!kith_metric_name(metric))
        return ki_fail(KITH_EINVAL, "%d is no metric", (int)metric);
    if (metric > KITH_COSINE)
        return ki_fail(KITH_EINVAL, "codes have no %s distance; they have l2sq, ip and cosine",
                       kith_metric_name(metric));
    return ki_check_shape(dim, KITH_F32, metric);
}

kith_status ki_codec_alloc(uint32_t dim, kith_code code, kith_metric metric, kith_codec **out)
{
    const size_t count = code == KITH_SQ8_DIM ? 2 * (size_t)dim : dim;
    const size_t bytes = sizeof(kith_codec) + count * sizeof(float);
    kith_codec *codec = ki_zalloc(bytes);
    if (!codec)
        return ki_no_memory("a codec", bytes);
    codec->codec = (ki_codec){.code = code,
                              .metric = metric,
                              .dim = dim,
                              .centre = codec->numbers,
                              .scales = code == KITH_SQ8_DIM ? codec->numbers + dim : NULL};
    *out = codec;
    return KITH_OK;
}

kith_status ki_check_f32_rows(const float *rows, uint32_t dim, size_t n, size_t *stride)
{
    const size_t bytes = dim * sizeof(float);
    if (n && !rows)
        return ki_fail(KITH_EINVAL, "rows is NULL");
    if ((uintptr_t)rows % sizeof(float) || *stride % sizeof(float))
        return ki_fail(KITH_EINVAL, "rows or their stride of %zu bytes is not aligned to %zu bytes",
                       *stride, sizeof(float));
    if (*stride && *stride < bytes)
        return ki_fail(KITH_EINVAL, "a stride of %zu bytes is less than a row, %zu bytes", *stride,
                       bytes);
    *stride = *stride ? *stride : bytes;
    return KITH_OK;
}

static kith_status check_job(void *context, uint32_t worker, size_t first, size_t last)
{
    const training *t = context;
    (void)worker;
    for (size_t r = first; r < last; r++) {
        const void *row = t->rows.base + r * t->rows.stride;
        kith_status status =
            ki_check_vector(t->codec->metric, KITH_F32, t->codec->dim, row, "row", r * t->step);
        if (status)
            return status;
        if (t->factors)
            t->factors[r] = ki_codec_factor(row, t->codec->dim);
    }
    return KITH_OK;
}

static kith_status count_job(void *context, uint32_t worker, size_t first, size_t last)
{
    const training *t = context;
    for (size_t r = first; r < last; r++)
        ki_codec_count_row(t->codec, &t->rows, t->centred, r, &t->counts[2 * worker]);
    return KITH_OK;
}

static uint32_t end_of(const training *t, size_t block)
{
    const size_t end = (block + 1) * KI_CODEC_BLOCK;
    return end < t->codec->dim ? (uint32_t)end : t->codec->dim;
}

static kith_status centre_job(void *context, uint32_t worker, size_t first, size_t last)
{
    const training *t = context;
    (void)worker;
    for (size_t b = first; b < last; b++)
        ki_codec_centre(t->codec, &t->rows, t->ceiling, (uint32_t)b * KI_CODEC_BLOCK, end_of(t, b));
    return KITH_OK;
}

static kith_status measure_job(void *context, uint32_t worker, size_t first, size_t last)
{
    const training *t = context;
    for (size_t b = first; b < last; b++)
        ki_codec_measure(t->codec, &t->rows, t->ceiling, (uint32_t)b * KI_CODEC_BLOCK, end_of(t, b),
                         &t->counts[2 * worker], &t->counts[2 * worker + 1]);
    return KITH_OK;
}

/* Runs a job that counts; the first thread's counts receive those of all. */
static kith_status run_counting(training *t, ki_workers *workers, size_t count, size_t grain,
                                ki_job_fn job)
{
    const uint32_t threads = ki_workers_count(workers);
    memset(t->counts, 0, 2 * threads * sizeof *t->counts);
    kith_status status = ki_workers_run(workers, count, grain, job, t);
    for (uint32_t w = 1; w < threads; w++)
        ki_codec_add_counts(&t->counts[0], &t->counts[2 * w]);
    return status;
}

static kith_status find_ceiling(training *t, ki_workers *workers, bool centred)
{
    t->centred = centred;
    kith_status status = run_counting(t, workers, t->rows.count, ROWS_AT_ONCE, count_job);
    t->ceiling = ki_codec_ceiling(&t->counts[0]);
    return status;
}

static kith_status run_training(training *t, ki_workers *workers)
{
    const size_t blocks = (t->codec->dim + (size_t)KI_CODEC_BLOCK - 1) / KI_CODEC_BLOCK;
    kith_status status = ki_workers_run(workers, t->rows.count, ROWS_AT_ONCE, check_job, t);
    if (!status)
        status = find_ceiling(t, workers, false);
    if (!status)
        status = ki_workers_run(workers, blocks, 1, centre_job, t);
    if (status || t->codec->code == KITH_SQ1)
        return status; /* signs have no steps */
    status = find_ceiling(t, workers, true);
    if (!status)
        status = run_counting(t, workers, blocks, 1, measure_job);
    if (!status)
        ki_codec_finish(t->codec, &t->counts[0]);
    return status;
}

static kith_status train(training *t, uint32_t threads)
{
    ki_workers *workers = NULL;
    kith_status status = ki_workers_open(threads, &workers);
    if (status)
        return status;
    const size_t counts = 2 * ki_workers_count(workers) * sizeof *t->counts;
    const size_t factors = t->rows.count * sizeof *t->factors;
    t->counts = ki_zalloc(counts);
    if (t->codec->metric == KITH_COSINE)
        t->factors = ki_alloc(factors);
    t->rows.factors = t->factors;
    if (!t->counts || (t->codec->metric == KITH_COSINE && !t->factors))
        status = ki_no_memory("the training of a codec", counts + factors);
    else
        status = run_training(t, workers);
    ki_free(t->counts);
    ki_free(t->factors);
    ki_workers_close(workers);
    return status;
}

kith_status kith_codec_train(const kith_codec_options *options, const float *rows, size_t stride,
                             size_t n, kith_codec **out)
{
    const kith_codec_options defaults = kith_codec_defaults(0, KITH_SQ8, KITH_L2SQ);
    kith_codec_options o;
    kith_codec *codec = NULL;
    kith_status status = ki_read_options(options, &defaults, sizeof defaults, &o);
    if (!status)
        status = ki_check_codec(o.dim, o.code, o.metric);
    if (!status)
        status = ki_check_threads(o.threads);
    if (!status && !n)
        status = ki_fail(KITH_EINVAL, "a codec learns from rows, and there are none");
    if (!status)
        status = ki_check_f32_rows(rows, o.dim, n, &stride);
    if (!status)
        status = ki_codec_alloc(o.dim, o.code, o.metric, &codec);
    if (status)
        return status;
    const size_t step = (n - 1) / KI_CODEC_SAMPLE + 1;
    training t = {.codec = &codec->codec,
                  .rows = {.base = (const unsigned char *)rows,
                           .stride = stride * step,
                           .count = (n - 1) / step + 1,
                           .dim = o.dim},
                  .step = step};
    status = train(&t, o.threads);
    if (status)
        kith_codec_close(codec);
    else
        *out = codec;
    return status;
}

void kith_codec_close(kith_codec *codec)
{
    ki_free(codec);
}

/* reduce.c - see reduce.h: the leading subspace of the rows by orthogonal iteration.
 *
 * May include reduce.h and the C library. A basis Q is multiplied by X^T X, which stretches what
 * the rows spread in most, and made orthonormal again, ROUNDS times. X^T X is never formed. Only
 * the subspace counts, not the order of the directions in it, so there is no eigenproblem to solve.
 *
 * Every number is a sum in one fixed order, unfused: the inner loops run over independent outputs,
 * which the compiler may compute side by side, and threads share out lines of outputs. LAPACK would
 * be shorter, but its last digits depend on the machine, and codes, hence graphs, with them.
 */
#include "index/reduce.h"
#include <math.h>
#include <string.h>

enum { SAMPLE = 2048, ROUNDS = 8, LANES = 8, GRAIN = 16, FEW_ROWS = 32 };

typedef struct reduction {
    uint32_t n, dim, reduced, rounds;
    float *x;    /* n lines of dim, moved to their mean */
    float *y;    /* n lines of reduced: X Q */
    float *q;    /* dim lines of reduced */
    float *base; /* reduced lines of dim: Q transposed, where it is made orthonormal */
} reduction;

/* A number in -1..1 that looks random; the same everywhere. */
static float noise(uint64_t i)
{
    i += UINT64_C(0x9e3779b97f4a7c15);
    i = (i ^ i >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    i = (i ^ i >> 27) * UINT64_C(0x94d049bb133111eb);
    return (float)((double)(int64_t)(i ^ i >> 31) * 0x1p-63);
}

static double dot(const float *a, const float *b, uint32_t dim)
{
    double sums[LANES] = {0}, sum = 0;
    uint32_t i = 0;
    for (; i + LANES <= dim; i += LANES)
        for (uint32_t j = 0; j < LANES; j++)
            sums[j] += (double)a[i + j] * (double)b[i + j];
    for (; i < dim; i++)
        sums[0] += (double)a[i] * (double)b[i];
    for (uint32_t j = 0; j < LANES; j++)
        sum += sums[j];
    return sum;
}

/* Takes out of line `j` what the lines before it hold; returns what is left of its length, as a
 * share. Twice, since one pass leaves rounding of the size of what it took. */
static double clear_line(const reduction *r, uint32_t j)
{
    float *line = r->base + (size_t)j * r->dim;
    const double before = sqrt(dot(line, line, r->dim));
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t k = 0; k < j; k++) {
            const float *other = r->base + (size_t)k * r->dim;
            const float share = (float)dot(line, other, r->dim);
            for (uint32_t i = 0; i < r->dim; i++)
                line[i] -= share * other[i];
        }
    const double after = sqrt(dot(line, line, r->dim));
    if (!(before > 0) || !(after > 1e-5 * before))
        return 0;
    for (uint32_t i = 0; i < r->dim; i++)
        line[i] = (float)((double)line[i] / after);
    return after / before;
}

/* Modified Gram-Schmidt. A direction that the rows do not have is replaced by noise: there are no
 * more lines than dimensions, so some of it is always left. */
static void make_orthonormal(const reduction *r)
{
    for (uint32_t j = 0; j < r->reduced; j++)
        for (uint64_t attempt = 1; clear_line(r, j) == 0; attempt++)
            for (uint32_t i = 0; i < r->dim; i++)
                r->base[(size_t)j * r->dim + i] = noise((attempt << 40) + ((uint64_t)j << 20) + i);
}

static void transpose_base(const reduction *r)
{
    for (uint32_t i = 0; i < r->dim; i++)
        for (uint32_t j = 0; j < r->reduced; j++)
            r->q[(size_t)i * r->reduced + j] = r->base[(size_t)j * r->dim + i];
}

/* Adds to `out` the sum of x[i * step] times line i, over n lines of `reduced` floats, in the order
 * of the lines; four at a time, which keeps an output in a register for as long. */
static void add_lines(float *restrict out, uint32_t reduced, const float *x, size_t step,
                      const float *lines, uint32_t n)
{
    const float *line = lines;
    uint32_t i = 0;
    for (; i + 4 <= n; i += 4, line += 4 * (size_t)reduced, x += 4 * step) {
        const float a = x[0], b = x[step], c = x[2 * step], d = x[3 * step];
        const float *l1 = line + reduced, *l2 = l1 + reduced, *l3 = l2 + reduced;
        for (uint32_t j = 0; j < reduced; j++)
            out[j] = (((out[j] + a * line[j]) + b * l1[j]) + c * l2[j]) + d * l3[j];
    }
    for (; i < n; i++, line += reduced, x += step)
        for (uint32_t j = 0; j < reduced; j++)
            out[j] += *x * line[j];
}

/* Lines first..last-1 of Y = X Q. */
static kith_status multiply_job(void *context, uint32_t worker, size_t first, size_t last)
{
    const reduction *r = context;
    (void)worker;
    for (size_t row = first; row < last; row++) {
        float *out = r->y + row * r->reduced;
        memset(out, 0, r->reduced * sizeof *out);
        add_lines(out, r->reduced, r->x + row * r->dim, 1, r->q, r->dim);
    }
    return KITH_OK;
}

/* Lines first..last-1 of Q = X^T Y, a few rows at a time, so that these stay in cache. */
static kith_status gather_job(void *context, uint32_t worker, size_t first, size_t last)
{
    const reduction *r = context;
    (void)worker;
    memset(r->q + first * r->reduced, 0, (last - first) * r->reduced * sizeof *r->q);
    for (uint32_t row = 0; row < r->n; row += FEW_ROWS) {
        const float *y = r->y + (size_t)row * r->reduced;
        const uint32_t n = r->n - row < FEW_ROWS ? r->n - row : FEW_ROWS;
        for (size_t i = first; i < last; i++)
            add_lines(r->q + i * r->reduced, r->reduced, r->x + (size_t)row * r->dim + i, r->dim, y,
                      n);
    }
    return KITH_OK;
}

/* Rows at even steps, moved so that their mean, or zero, lies at zero, and shrunk to elements of at
 * most 1, so that no product overflows. */
static void copy_rows(const reduction *r, const float *rows, uint32_t count, bool centred)
{
    float most = 0;
    for (uint32_t k = 0; k < r->n; k++) {
        const size_t from = (size_t)((uint64_t)k * count / r->n);
        memcpy(r->x + (size_t)k * r->dim, rows + from * r->dim, r->dim * sizeof *rows);
    }
    for (uint32_t i = 0; i < r->dim; i++) {
        double sum = 0;
        for (uint32_t k = 0; k < r->n; k++)
            sum += (double)r->x[(size_t)k * r->dim + i];
        const double mean = centred ? sum / r->n : 0;
        for (uint32_t k = 0; k < r->n; k++) {
            float *x = &r->x[(size_t)k * r->dim + i];
            *x = (float)((double)*x - mean);
            most = fabsf(*x) > most ? fabsf(*x) : most;
        }
    }
    for (size_t i = 0; i < (size_t)r->n * r->dim && most > 0; i++)
        r->x[i] /= most;
}

static kith_status iterate(reduction *r, ki_workers *workers)
{
    kith_status status = KITH_OK;
    for (size_t i = 0; i < (size_t)r->reduced * r->dim; i++)
        r->base[i] = noise(i);
    make_orthonormal(r);
    for (uint32_t round = 0; round < r->rounds && !status; round++) {
        transpose_base(r);
        status = ki_workers_run(workers, r->n, GRAIN, multiply_job, r);
        if (!status)
            status = ki_workers_run(workers, r->dim, GRAIN, gather_job, r);
        for (uint32_t j = 0; j < r->reduced; j++)
            for (uint32_t i = 0; i < r->dim; i++)
                r->base[(size_t)j * r->dim + i] = r->q[(size_t)i * r->reduced + j];
        make_orthonormal(r);
    }
    return status;
}

static kith_status learn(const float *rows, uint32_t n, uint32_t dim, uint32_t reduced,
                         uint32_t rounds, bool centred, ki_workers *workers, float *projection)
{
    reduction r = {.n = n < SAMPLE ? n : SAMPLE, .dim = dim, .reduced = reduced, .rounds = rounds};
    const size_t x = (size_t)r.n * dim, y = (size_t)r.n * reduced, q = (size_t)dim * reduced;
    const size_t bytes = (x + y + q) * sizeof(float);
    float *memory = ki_alloc_aligned(64, bytes);
    if (!memory)
        return ki_no_memory("a projection", bytes);
    r.x = memory;
    r.y = r.x + x;
    r.base = r.y + y;
    r.q = projection;
    copy_rows(&r, rows, n, centred);
    kith_status status = iterate(&r, workers);
    if (!status)
        transpose_base(&r);
    ki_free(memory);
    return status;
}

kith_status ki_reduce_learn(const float *rows, uint32_t n, uint32_t dim, uint32_t reduced,
                            bool centred, ki_workers *workers, float *projection)
{
    return learn(rows, n, dim, reduced, ROUNDS, centred, workers, projection);
}

kith_status ki_reduce_roughly(const float *rows, uint32_t n, uint32_t dim, uint32_t reduced,
                              bool centred, ki_workers *workers, float *projection)
{
    return learn(rows, n, dim, reduced, ROUNDS / 2, centred, workers, projection);
}

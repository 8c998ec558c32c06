/* recall.c - the judge of a search: distances computed again, each row counted once.
 *
 * It touches no index and no file. Integer sums fit: 33025 dimensions of 255 squared are below
 * 2^31, and so are 65535 of 128 squared. The loops are plain so that the compiler may make vectors
 * of them; the judge is never inside a timed region.
 */
#include "cli/recall.h"

#include <math.h>
#include <stdlib.h>

#include "cli/heap.h"
#include "cli/matrix.h"

#define ANNB_SLACK 1e-3 /* ann-benchmarks' epsilon, an absolute distance */

/* Both squared norms and the dot product: every metric is made of these three. */
struct sums {
    double aa, bb, ab;
};

static struct sums sums_u8(const uint8_t *a, const uint8_t *b, uint32_t dim)
{
    uint32_t aa = 0, bb = 0, ab = 0;
    for (uint32_t i = 0; i < dim; i++) {
        aa += (uint32_t)a[i] * a[i];
        bb += (uint32_t)b[i] * b[i];
        ab += (uint32_t)a[i] * b[i];
    }
    return (struct sums){aa, bb, ab};
}

static struct sums sums_f32(const float *a, const float *b, uint32_t dim)
{
    struct sums s = {0, 0, 0};
    for (uint32_t i = 0; i < dim; i++) {
        s.aa += (double)a[i] * a[i];
        s.bb += (double)b[i] * b[i];
        s.ab += (double)a[i] * b[i];
    }
    return s;
}

static struct sums sums_i8(const int8_t *a, const int8_t *b, uint32_t dim)
{
    int32_t aa = 0, bb = 0, ab = 0;
    for (uint32_t i = 0; i < dim; i++) {
        aa += a[i] * a[i];
        bb += b[i] * b[i];
        ab += a[i] * b[i];
    }
    return (struct sums){aa, bb, ab};
}

static struct sums sums_f16(const uint16_t *a, const uint16_t *b, uint32_t dim)
{
    struct sums s = {0, 0, 0};
    for (uint32_t i = 0; i < dim; i++) {
        const double x = element_half(a[i]), y = element_half(b[i]);
        s.aa += x * x;
        s.bb += y * y;
        s.ab += x * y;
    }
    return s;
}

static double squared_difference_f16(const uint16_t *a, const uint16_t *b, uint32_t dim)
{
    double sum = 0;
    for (uint32_t i = 0; i < dim; i++) {
        const double d = (double)element_half(a[i]) - (double)element_half(b[i]);
        sum += d * d;
    }
    return sum;
}

static struct sums sums_of(kith_type type, const void *a, const void *b, uint32_t dim)
{
    if (type == KITH_U8)
        return sums_u8(a, b, dim);
    if (type == KITH_I8)
        return sums_i8(a, b, dim);
    return type == KITH_F16 ? sums_f16(a, b, dim) : sums_f32(a, b, dim);
}

static double squared_difference_f32(const float *a, const float *b, uint32_t dim)
{
    double sum = 0;
    for (uint32_t i = 0; i < dim; i++) {
        double d = (double)a[i] - b[i];
        sum += d * d;
    }
    return sum;
}

double recall_distance(kith_metric metric, kith_type type, uint32_t dim, const void *a,
                       const void *b)
{
    /* aa + bb - 2ab is exact in integers but cancels in floating point. */
    if (metric == KITH_L2SQ && type == KITH_F32)
        return squared_difference_f32(a, b, dim);
    if (metric == KITH_L2SQ && type == KITH_F16)
        return squared_difference_f16(a, b, dim);
    struct sums s = sums_of(type, a, b, dim);
    if (metric == KITH_L2SQ)
        return s.aa + s.bb - 2 * s.ab;
    if (metric == KITH_IP)
        return -s.ab;
    return s.aa > 0 && s.bb > 0 ? 1 - s.ab / sqrt(s.aa * s.bb) : 1;
}

static double distance_to_row(const struct judge *judge, size_t query, uint64_t row)
{
    size_t bytes = kith_vector_bytes(judge->type, judge->dim);
    return recall_distance(judge->metric, judge->type, judge->dim,
                           (const char *)judge->queries + query * bytes,
                           (const char *)judge->base + row * bytes);
}

void judge_open(struct judge *judge, size_t nq)
{
    judge->kth = heap_alloc(nq, sizeof *judge->kth);
    for (size_t q = 0; q < nq; q++) {
        const uint32_t *truth = judge->truth + q * judge->k;
        double farthest = distance_to_row(judge, q, truth[0]);
        for (uint32_t i = 1; i < judge->k; i++)
            farthest = fmax(farthest, distance_to_row(judge, q, truth[i]));
        judge->kth[q] = farthest;
    }
}

void judge_close(struct judge *judge)
{
    free(judge->kth);
    judge->kth = NULL;
}

static int seen_before(const kith_hit *hits, uint32_t i)
{
    for (uint32_t j = 0; j < i; j++)
        if (hits[j].row != UINT32_MAX && hits[j].key == hits[i].key)
            return 1;
    return 0;
}

static int within_slack(const struct judge *judge, double distance, double kth)
{
    if (judge->metric == KITH_L2SQ)
        return sqrt(distance) <= sqrt(kth) + ANNB_SLACK;
    return distance <= kth + ANNB_SLACK;
}

void judge_query(const struct judge *judge, size_t query, const kith_hit *hits, uint32_t *strict,
                 uint32_t *annb)
{
    double kth = judge->kth[query];
    uint32_t exact = 0, near = 0;
    for (uint32_t i = 0; i < judge->k; i++) {
        if (hits[i].row == UINT32_MAX || hits[i].key >= judge->rows || seen_before(hits, i))
            continue;
        double distance = distance_to_row(judge, query, hits[i].key);
        exact += distance <= kth;
        near += within_slack(judge, distance, kth) != 0;
    }
    *strict = exact;
    *annb = near;
}

struct recall judge_all(const struct judge *judge, const uint32_t *which, size_t n,
                        const kith_hit *hits)
{
    uint64_t strict = 0, annb = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t s, a;
        judge_query(judge, which ? which[i] : i, hits + i * judge->k, &s, &a);
        strict += s;
        annb += a;
    }
    double wanted = n ? (double)n * judge->k : 1;
    return (struct recall){(double)strict / wanted, (double)annb / wanted};
}

/* scalar.c - the kernels in plain C: they run everywhere, and every other kernel replaces them.
 *
 * The build forbids the compiler to vectorise this file. With SSE2 behind its back the loops
 * would be about three times as fast, but "scalar" in a result would then mean another thing with
 * each compiler; a machine without AVX2 pays for a name that is true.
 *
 * The one idea: f32 sums go in steps of 16 elements, whose terms are added as a small tree before
 * they meet one of four running sums. So a chain of roundings is as short as with 16 lanes, which
 * is what the error bound of kernels.h asks for, and the four sums fit into any machine's
 * registers. A tail is copied into a step of its own, filled up with zeros.
 */
#include "kernels/isa.h"
#include "kernels/keys.h"
#include "cpu/prepare_floats.h"
#include "cpu/sift.h"
#include "cpu/scalar_ints.h"

enum { STEP_ELEMENTS = 16 };

typedef struct sums {
    float s0, s1, s2, s3;
} sums;

typedef float (*term_fn)(float q, float x);

INLINE float l2sq_term(float q, float x)
{
    const float difference = q - x;
    return difference * difference;
}

INLINE float dot_term(float q, float x)
{
    return q * x;
}

/* Terms i, i + 4, i + 8 and i + 12 of a step, as a tree. */
INLINE float lane(const float *q, const float *x, term_fn term)
{
    return (term(q[0], x[0]) + term(q[4], x[4])) + (term(q[8], x[8]) + term(q[12], x[12]));
}

INLINE sums step(sums sum, const float *q, const float *x, term_fn term)
{
    sum.s0 += lane(q, x, term);
    sum.s1 += lane(q + 1, x + 1, term);
    sum.s2 += lane(q + 2, x + 2, term);
    sum.s3 += lane(q + 3, x + 3, term);
    return sum;
}

/* Elements i to i + n - 1, n at most a step, zeros behind them. `vector` may lie at any address:
 * memcpy is how plain C reads from there, and costs no more than the read. */
INLINE void widen(float *to, const unsigned char *vector, uint32_t i, uint32_t n,
                  element_fn element)
{
    for (uint32_t j = 0; j < STEP_ELEMENTS; j++)
        to[j] = j < n ? element(vector, (size_t)i + j) : 0.0f;
}

/* The query is f32 in most pairings; its padding is zero, so that only rows need care. */
INLINE float sum_of(const ki_query *query, const unsigned char *row, element_fn query_element,
                    element_fn row_element, term_fn term)
{
    sums sum = {0, 0, 0, 0};
    float q[STEP_ELEMENTS], x[STEP_ELEMENTS];
    uint32_t i = 0;
    for (; query->dim - i >= STEP_ELEMENTS; i += STEP_ELEMENTS) {
        widen(q, query->data, i, STEP_ELEMENTS, query_element);
        widen(x, row, i, STEP_ELEMENTS, row_element);
        sum = step(sum, q, x, term);
    }
    if (i < query->dim) {
        widen(q, query->data, i, query->dim - i, query_element);
        widen(x, row, i, query->dim - i, row_element);
        sum = step(sum, q, x, term);
    }
    return (sum.s0 + sum.s1) + (sum.s2 + sum.s3);
}

#include "cpu/scalar_floats.h"

static uint32_t sift(uint32_t *words, uint32_t epoch, const uint32_t *links, uint32_t degree,
                     uint32_t *ids)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < degree && links[i] != UINT32_MAX; i++) {
        ids[n] = links[i];
        n += sift_mark(words, epoch, links[i]);
    }
    return n;
}

void ki_fill_scalar(ki_kernels *table)
{
    table->sift = sift;
    table->sift_from = KI_ISA_SCALAR;
    fill_floats(table);
    fill_ints(table);
}

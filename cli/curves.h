/* curves.h - the runs of a result, put together into the curves that a chart and a leaderboard
 * show.
 *
 * A curve is what one contender did: one device at one instruction set with one number of threads
 * and one batch size. Its points are ordered by recall. Runs of an exact index make curves of one
 * point at recall 1.
 */
#ifndef CURVES_H
#define CURVES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct point {
    double recall, qps;
    const json_t *run; /* borrowed from the result */
};

struct curve {
    char label[96]; /* "cpu avx2", "cpu avx512, 2 threads", "ocl0 exact" */
    const char *device, *isa, *index, *library;
    uint32_t threads, batch;
    bool exact; /* the index compares with every row */
    size_t count;
    struct point *points;
};

struct curves {
    size_t count;
    struct curve *items; /* in the order in which the result names them */
};

struct curves curves_collect(const json_t *result);
void curves_free(struct curves *curves);

/* Queries a second at a recall of at least `recall`: the best measured point that has it, or,
 * where the curve crosses that recall between two points and is faster there, the point between
 * them (straight in recall and in the logarithm of QPS). 0 when the curve does not reach it;
 * nothing is extrapolated. */
double curve_qps(const struct curve *curve, double recall);

#endif

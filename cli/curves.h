/* curves.h - the runs of a result, put together into the curves that a chart and a leaderboard
 * show.
 *
 * A curve is what one contender did: one device at one instruction set over one kind of codes with
 * one number of threads and one batch size. Its points are ordered by recall. Runs of an exact
 * index make curves of one point at recall 1. Of the points, those that no other beats in both
 * recall and speed make the line; a line through all of them would fall and rise with every
 * disturbance of the machine.
 */
#ifndef CURVES_H
#define CURVES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct point {
    double recall, qps;
    bool beaten;       /* another point of the curve is no worse in either and better in one */
    const json_t *run; /* borrowed from the result */
};

struct curve {
    char label[96]; /* "cpu avx2", "cpu avx512 sq8, 2 threads", "ocl0 exact" */
    char name[96];  /* the same without "exact", for where that is said already */
    const char *device, *isa, *index, *codes, *library;
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

/* Queries a second at a recall of at least `recall`, on the line through the points that are not
 * beaten, straight in recall and in the logarithm of QPS. Before the first of them it is the
 * first's; behind the last it is 0: nothing is extrapolated. */
double curve_qps(const struct curve *curve, double recall);

#endif

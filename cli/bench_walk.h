/* bench_walk.h - what the two parts of the walk's bench share: bench_walk.c measures, and
 * bench_walk_result.c writes down what was measured.
 */
#ifndef BENCH_WALK_H
#define BENCH_WALK_H

#include "cli/bench.h"
#include "cli/survey.h"

#define CONTENDERS_MOST 16

struct spot {
    const struct width *width;
    size_t passes;
    double seconds[PASSES_MOST];
    double *latency_us; /* passes * queries of the walk */
    struct recall recall;
    size_t judged;    /* queries that the recall is of */
    double distances; /* per query, of those that were judged */
};

struct contender {
    const char *isa;
    uint32_t threads;
    bool together;        /* all queries in one call */
    double query_seconds; /* the pilot's: one query at the narrowest ef */
    size_t compared;      /* answers held against the survey's */
    size_t differences;
    size_t first_query; /* of the first difference, with its ef */
    uint32_t first_ef;
    struct spot spot[U32_LIST_MOST]; /* one for each width, in its order */
};

struct walk {
    struct bench *bench;
    struct survey survey;
    double started, budget, deadline;
    size_t queries; /* of a pass */
    uint32_t *which;
    size_t count;
    struct contender contender[CONTENDERS_MOST];
    kith_hit *hits;
    struct progress progress;
};

/* How many latencies a pass of the contender leaves: one of each call. */
static inline size_t walk_calls(const struct walk *walk, const struct contender *contender)
{
    return contender->together ? 1 : walk->queries;
}

/* Adds everything to the result, and gives back what the spots hold. */
void walk_record(struct walk *walk);

/* Asks all queries once more at the narrowest width and at the first that finds nearly all. */
void walk_take_pictures(const struct walk *walk);

#endif

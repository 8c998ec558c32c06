/* pass.h - one timed pass: every query of a set answered once, by one thread or by several, one at
 * a time or all in one call.
 */
#ifndef PASS_H
#define PASS_H

#include <stdbool.h>

#include "kith.h"
#include "cli/sentence.h"

struct pass {
    kith_index *index;
    const char *cpu; /* the instruction set of the searchers */
    kith_search_options options;
    uint32_t threads;
    bool together; /* all queries in one call, on the index's own instruction set, not `cpu` */
    const void *queries;
    size_t query_bytes;
    const uint32_t *which; /* the numbers of the queries to ask; NULL for 0..count-1 */
    size_t count;
    kith_hit *hits;     /* count * k, in the order of `which` */
    double *latency_us; /* count; together: one, of the call */
    double seconds;     /* written by pass_run, as is the next */
    uint64_t distances;
};

/* Searchers are made, and asked one query each, before the clock starts. A single thread is kept
 * on one processor while it is timed, where the system allows that. */
bool pass_run(struct pass *pass, struct sentence *why);

/* The query that pass_run asks i-th. */
const void *pass_query(const struct pass *pass, size_t i);

#endif

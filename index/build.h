/* build.h - bringing a graph up to its table: see build.c. May include graph.h, turnstile.h
 * and workers.h. */
#ifndef KI_BUILD_H
#define KI_BUILD_H

#include "index/graph.h"
#include "index/turnstile.h"
#include "index/workers.h"

typedef struct ki_build_options {
    const ki_kernel *kernel; /* of what the graph measures: rows, or codes as rows of i8 */
    ki_sift_fn sift;
    kith_type type;
    kith_metric metric;
    uint32_t threads;        /* 0: all */
    uint32_t passes;         /* 2: rows that are new are linked once more in the end */
    const uint64_t *only;    /* a bit a row: the others are passed over; NULL: none is */
    uint32_t rows;           /* rows from here on are not looked at; 0: all that there are */
    ki_turnstile *turnstile; /* shut while what searches read is changed; NULL: nobody searches */
    kith_progress_fn progress;
    void *user;
} ki_build_options;

/* Links every live row of the table that the graph has not seen, of those it is to look at. After
 * ENOMEM or ECANCELLED the graph is whole and holds the rows that were linked until then;
 * graph->seen says how far. */
kith_status ki_graph_build(ki_graph *graph, const ki_build_options *options);

#endif

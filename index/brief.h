/* brief.h - codes of fewer dimensions than links were chosen by: are they worth walking over?
 *
 * May include walk.h, rank.h and workers.h. Vectors that were learned spread in few of their
 * directions, and there a walk finds its way by an eighth of the dimensions; what it finds is
 * ranked by the codes of the links, and the best of that by the rows (searcher_rank.c). A trial on
 * the finished graph decides. Links stay those that the longer codes chose, so graphs are the same
 * with and without.
 */
#ifndef KI_BRIEF_H
#define KI_BRIEF_H

#include "index/rank.h"
#include "index/walk.h"
#include "index/workers.h"

enum {
    KI_BRIEF_LEAST = 256,  /* dimensions of links; more than the most take too long to learn, */
    KI_BRIEF_MOST = 4096,  /* and */
    KI_BRIEF_ROWS = 16384, /* nodes of a graph: a trial takes a ninth of such a build, of one of
                              30,000 a sixteenth */
    KI_BRIEF_BETWEEN = 16  /* of what a walk for k finds, times k are ranked by longer codes */
};

/* How many dimensions are left of so many: an eighth, up to whole lines of memory, 256 at most. */
uint32_t ki_brief_dims(uint32_t dim);

/* By what a walk over `brief`, which every row has, is cheaper than one over the codes of the links
 * that finds as much: 1 or less when it is not. Made of counts, so the same on every machine and
 * for every number of threads. Errors: ENOMEM. */
kith_status ki_brief_try(ki_graph *graph, const ki_codes *brief, const ki_kernels *kernels,
                         ki_workers *workers, double *gain);

#endif

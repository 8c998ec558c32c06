/* brief.h - codes that are shorter than those links were chosen by: are they worth walking over?
 *
 * May include walk.h, rank.h and workers.h. Two kinds are tried. Vectors that were learned spread
 * in few of their directions, and there a walk finds its way by an eighth of the dimensions. Others
 * spread in all of them, but half of the bits of each say who is near. What a walk finds is ranked
 * by the codes of the links, and the best of that by the rows (searcher_rank.c). A trial on the
 * finished graph decides. Links stay those that the longer codes chose, so graphs are the same with
 * and without.
 */
#ifndef KI_BRIEF_H
#define KI_BRIEF_H

#include "index/rank.h"
#include "index/walk.h"
#include "index/workers.h"

enum {
    KI_BRIEF_LEAST = 256, /* dimensions of links that a trial is held for */
    KI_BRIEF_MOST = 4096, /* and to which fewer of them are learnt: more take too long */
    KI_BRIEF_ROWS = 16384 /* nodes of a graph: of 768 dimensions a trial takes a fifth to a ninth
                             of such a build, of 256 a seventeenth, of 768 and 30,000 a tenth */
};

/* How many dimensions are left of so many: an eighth, up to whole lines of memory, 256 at most. */
uint32_t ki_brief_dims(uint32_t dim);

/* Of what a walk for k over such codes finds, this times k are ranked by the codes of the links:
 * codes of all dimensions know the order better. */
uint32_t ki_brief_between(const ki_codes *brief);

/* Those of brief codes that a walk finds as much over for the least, among what the graph has and
 * others that are made for the trial; NULL where none is cheaper by enough than the codes of the
 * links. *best has a code for every row; it is the graph's own or the caller's. Searches may go on
 * beside it. Made of counts, so the same on every machine and for every number of threads. Errors:
 * ENOMEM. */
kith_status ki_brief_choose(const ki_graph *graph, const ki_kernels *kernels, ki_workers *workers,
                            ki_codes **best);

#endif

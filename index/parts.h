/* parts.h - the rows of an index dealt to partitions, and a graph for each.
 *
 * May include everything of index/, kernels/ and kv/. The one idea: a partition's graph is built by
 * the same code as any other, over the same store; rows of other partitions are simply not in it.
 * So it has the row numbers of the store, and an answer needs no translation. With one partition
 * the graph is the index's own, and nothing is built.
 *
 * Threads: follow may run beside writers of the store, and beside device copies that search; it
 * needs the parts, and host copies, to itself. So does kith_index_build of the whole, which must be
 * followed before anything else is asked of the parts. The rest is for any number of threads beside
 * writers of the store.
 */
#ifndef KI_PARTS_H
#define KI_PARTS_H

#include "index/objects.h"

enum { KI_PARTS_MOST = 64 };

typedef struct ki_parts ki_parts;

/* Deals the rows of `whole`, which must outlive the parts: partition p takes about the share
 * shares[p] of them (sums to 1; NULL: all alike), by a hash of the key that no later row changes.
 * Builds the graphs when `whole` is hnsw. Errors: as kith_index_build. */
kith_status ki_parts_open(kith_index *whole, uint32_t count, const double *shares, uint32_t threads,
                          kith_progress_fn progress, void *user, ki_parts **out);
void ki_parts_close(ki_parts *parts); /* accepts NULL */

/* Brings the graphs up to the graph of the whole: rows that it has seen, and no others. */
kith_status ki_parts_follow(ki_parts *parts, kith_progress_fn progress, void *user);

/* Counts the calls of follow: what was made from an earlier count is to be refreshed. */
uint64_t ki_parts_version(const ki_parts *parts);

uint32_t ki_parts_count(const ki_parts *parts);
kith_index *ki_parts_whole(const ki_parts *parts);

/* Rows below this have been dealt (and linked, when there are graphs). */
uint32_t ki_parts_seen(const ki_parts *parts);

/* The rows of partition p, ascending, those that died since they were dealt too. Later calls of
 * follow add to the end and move nothing. NULL when there is one partition: all rows below
 * ki_parts_seen. */
const uint32_t *ki_part_rows(const ki_parts *parts, uint32_t p, uint32_t *count);

/* An index over the rows of partition p, for searchers that look at the graph alone (searcher.h);
 * and its graph, NULL of a flat index. With one partition both are the whole's. */
kith_index *ki_part_index(const ki_parts *parts, uint32_t p);
const ki_graph *ki_part_graph(const ki_parts *parts, uint32_t p);

/* What the walk in each partition keeps to find together what a walk of the whole that keeps ef
 * would: it may be less than k. Measured; see parts.c. */
uint32_t ki_part_ef(const ki_parts *parts, uint32_t ef, uint32_t k);

#endif

/* mates.h - how near the nodes of a batch are to each other.
 *
 * May include graph.h and kernels/. The new nodes of layer 0 lie side by side, and a few of them
 * are compared with all of them at once, through a tile: each row is read from memory once for
 * the group. The keys are those that any other shape would give, so the graph is the same.
 */
#ifndef KI_MATES_H
#define KI_MATES_H

#include "index/graph.h"

enum { KI_MATES_GROUP = 16 }; /* rows that are compared with the batch at a time: a matrix tile */

typedef struct ki_mates {
    const ki_kernel *kernel;
    ki_query query[KI_MATES_GROUP];
    unsigned char *scratch; /* of the queries, then of pack */
    size_t query_bytes;
    uint32_t *keys; /* `room` a query */
    uint32_t room;  /* the largest batch */
} ki_mates;

kith_status ki_mates_open(const ki_kernel *kernel, ki_pairing pairing, uint32_t dim, uint32_t room,
                          ki_mates *out);
void ki_mates_close(ki_mates *mates); /* accepts a zeroed or half-open one */

/* Compares the n rows `ids` (at most KI_MATES_GROUP) with the `count` nodes of the layer from
 * `first` on. Row i's keys are at keys + i * room. */
void ki_mates_compare(ki_mates *mates, const ki_rows *rows, const uint32_t *ids, uint32_t n,
                      uint32_t first, uint32_t count);

#endif

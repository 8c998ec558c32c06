/* recall.h - how much of the truth a search found, by two definitions.
 *
 * strict: a hit counts when its exact distance is at most that of the k-th true neighbour. Ties at
 *         the k-th place are as good as the row that the truth happens to name.
 * annb:   ann-benchmarks' definition, which adds 0.001 to that distance, on the Euclidean (not the
 *         squared) distance or on 1 - cosine. On data whose neighbours are closer together than
 *         that, it credits rows that are not among the k nearest; so both are always shown.
 *
 * The judge trusts nothing that a search says but the numbers of the rows: it computes every
 * distance again, in integers for u8 and in double for f32, and counts no row twice.
 */
#ifndef RECALL_H
#define RECALL_H

#include "kith.h"

struct judge {
    kith_metric metric;
    kith_type type;
    uint32_t dim;
    uint32_t k;
    uint64_t rows;    /* in base; a hit beyond that is a miss */
    const void *base; /* borrowed, as are queries and truth */
    const void *queries;
    const uint32_t *truth; /* k row numbers a query */
    double *kth;           /* the distance of the k-th true neighbour of each query; owned */
};

struct recall {
    double strict;
    double annb;
};

/* The exact distance of two vectors, smaller is closer. */
double recall_distance(kith_metric metric, kith_type type, uint32_t dim, const void *a,
                       const void *b);

/* Fills judge->kth for nq queries. The other fields are the caller's to set. */
void judge_open(struct judge *judge, size_t nq);
void judge_close(struct judge *judge);

/* How many of the k hits of one query count, by each definition: 0..k. A hit whose row is
 * UINT32_MAX is empty; the key of any other is the row number in base. */
void judge_query(const struct judge *judge, size_t query, const kith_hit *hits, uint32_t *strict,
                 uint32_t *annb);

/* The same over n queries; which[i] is the number of the i-th (NULL: i itself), whose hits start
 * at hits + i*k. */
struct recall judge_all(const struct judge *judge, const uint32_t *which, size_t n,
                        const kith_hit *hits);

#endif

/* sketch.h - a line that stands for a row, to see which rows of a hop are worth measuring.
 *
 * May include graph.h and workers.h. A walk measures every neighbour that it has not seen, and
 * throws most of them away: of 320 distances of a query with ef = 16 on Fashion-MNIST, 56 enter the
 * pool. A long row costs as much to fetch as it takes to turn it down. So the rows are projected to
 * the few directions in which they spread most, kept with 4 bits each, and a distance is estimated
 * from below first; only a row whose estimate is within the bound of the pool is measured. What the
 * pool holds are distances of rows still, so nothing is ranked again.
 *
 * The one idea: an estimate from below is |P(q - x)|^2, which all sketches see, plus a share of
 * what they do not see, |q|^2 + |x|^2 outside of the directions. The share is learnt: so small that
 * MISSED of the graph's own links are estimated to be longer than they are, no more. Query and row
 * have their parts of it, so an estimate is one dot product and two constants: the kernel of 4-bit
 * codes as it stands, with side data that lie in the line of the code.
 *
 * Everything is sums of integers and f64 in a fixed order, so sketches, estimates and what a walk
 * finds by them are the same on every instruction set.
 *
 * Measured on Fashion-MNIST, one thread: 1.2 times the QPS at recall 0.98 and 0.99, with 136 rows
 * read for 318. A query's own sketch costs 1.5 us. Tried and lost: two lines of
 * 224 directions, which spare a third more rows and cost as much more to make; walking by estimates
 * alone. Nothing is to be had where all directions count alike: on wordnet-256 2 rows in 100 were
 * spared and walks took 1.15 times as long, hence the trial in api_sketch.c.
 */
#ifndef KI_SKETCH_H
#define KI_SKETCH_H

#include "index/graph.h"
#include "index/workers.h"

struct ki_sketch {
    ki_arena arena;     /* of the sketches: of each row its code, and its side data behind it */
    ki_rows rows;       /* a view of that */
    kith_type type;     /* of what is sketched: u8 or i8 */
    uint32_t dim;       /* and its length */
    uint32_t places;    /* directions, and elements of a sketch: KI_SKETCH_PLACES */
    ki_rows directions; /* rows of that type: the directions, then zero, then the centre */
    unsigned char *lines;
    ki_aux *sides;
    int32_t *origin; /* what the directions make of the centre */
    double centre2;  /* |centre|^2 */
    double length2;  /* of one step of a dot product with a direction, squared */
    double step;     /* of a code, 16 units; a unit is a step of a query */
    double unit2;    /* of an estimate, in distances of what is sketched */
    double share;    /* of what directions do not see */
    double factor;   /* at least 1: what estimates may exceed a distance by */
};

/* Scratch of one thread, and the query that it was aimed at. */
typedef struct ki_sketcher {
    const ki_sketch *sketch; /* NULL: no row is turned down */
    const ki_kernel *project, *estimate;
    void *whole, *brief;   /* of the queries of these kernels */
    uint32_t *keys;        /* of the directions */
    signed char *elements; /* of a query, in units */
    double *projected;
    ki_query query;
    double unseen; /* of the last aim: what its directions do not see, squared, in units */
} ki_sketcher;

/* Sketches every row of a graph that has nodes, as its links were chosen, by l2sq of u8 or i8 rows
 * or codes. Their rows must be of KI_SKETCH_LEAST bytes. Errors: ENOMEM. */
enum { KI_SKETCH_LEAST = 192, KI_SKETCH_PLACES = 96 };
kith_status ki_sketch_learn(const ki_graph *graph, const ki_kernels *kernels, kith_type type,
                            ki_workers *workers, ki_sketch **out);
void ki_sketch_close(ki_sketch *sketch);         /* accepts NULL */
size_t ki_sketch_bytes(const ki_sketch *sketch); /* memory; accepts NULL */

/* `kernels` must outlive the sketcher. */
kith_status ki_sketcher_open(const ki_sketch *sketch, const ki_kernels *kernels, ki_sketcher *out);
void ki_sketcher_close(ki_sketcher *sketcher); /* accepts a zeroed or half-open one */

/* Sets the query: a vector as it is prepared for the rows that are sketched. */
void ki_sketcher_aim(ki_sketcher *sketcher, const void *vector);

/* The same for row number `row`, whose sketch it writes, as yet without a share of what is unseen;
 * that is what the second adds. */
void ki_sketcher_code(ki_sketcher *sketcher, const void *vector, uint32_t row);
void ki_sketch_add_share(ki_sketch *sketch, uint32_t row);

/* Of a row: what the directions do not see, squared, in units. */
double ki_sketch_unseen(const ki_sketch *sketch, uint32_t row);

/* Estimates, for n rows, of the distance in units that is at least this much. */
static inline void ki_sketcher_estimate(const ki_sketcher *sketcher, const uint32_t *rows,
                                        uint32_t n, uint32_t *keys)
{
    sketcher->estimate->gather(&sketcher->query, &sketcher->sketch->rows, rows, n, keys);
}

/* The estimate of a row at this distance. */
uint32_t ki_sketch_limit(const ki_sketch *sketch, double distance);

#endif

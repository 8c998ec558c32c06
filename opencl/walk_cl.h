/* walk_cl.h - rows laid out for walks, their graph, and the walks themselves.
 *
 * May include device_cl.h.
 */
#ifndef KI_WALK_CL_H
#define KI_WALK_CL_H

#include "opencl/device_cl.h"

/* Numbers of one walk.cl launch that do not depend on the queries. */
typedef struct ki_cl_walk_plan {
    uint32_t group;     /* work-items a query */
    uint32_t room;      /* entries that the pool takes */
    uint32_t list_step; /* places of one of its two lists: sums lie there as well */
    uint32_t slots;     /* of the table of rows that were seen, a power of two */
    uint32_t widest;    /* degree of all layers */
} ki_cl_walk_plan;

/* walk_plan_cl.c; makes no OpenCL call. */
void ki_cl_walks_open(ki_cl_device *device);
uint32_t ki_cl_max_ef(const ki_device *device);

/* Local memory of a group. */
size_t ki_cl_walk_bytes(const ki_cl_walk_plan *plan);

/* Plans a walk that keeps ef, at most max_ef, for a batch of so many queries. */
void ki_cl_plan_walk(const ki_device_rows *rows, size_t queries, uint32_t ef, ki_cl_walk_plan *out);

/* Where `group` stands in ki_cl_walks. */
uint32_t ki_cl_group_slot(uint32_t group);

/* EUNSUPPORTED when no walk over links so wide fits into local memory. */
kith_status ki_cl_check_degree(const ki_cl_device *device, uint32_t degree);

/* Queries of the next launch: about 50 ms at the speed measured so far, and no more than `left` or
 * than fit into a buffer. */
size_t ki_cl_walk_batch(const ki_device_rows *rows, size_t left, uint32_t ef, uint32_t want);

/* Multiply-adds of one query, roughly. */
double ki_cl_walk_macs(const ki_device_rows *rows, uint32_t ef);

/* lines_cl.c. The caller holds the mutex of the device. */

/* Words from line to line. */
uint32_t ki_cl_stride(const ki_device_rows *rows);

/* Makes lines of the rows, in place of blocks. ENOMEM where they do not fit in one buffer. */
kith_status ki_cl_need_lines(ki_device_rows *rows);

/* Makes blocks of lines if there are none; the lines stay. */
kith_status ki_cl_need_blocks(ki_device_rows *rows);

/* graph_cl.c */
kith_status ki_cl_put_graph(ki_device_rows *rows, const ki_device_graph *graph);
kith_status ki_cl_put_graph_held(ki_device_rows *rows, const ki_device_graph *graph); /* mutex */
void ki_cl_drop_graph(ki_device_rows *rows);

/* walk_cl.c */
kith_status ki_cl_walk_graph(ki_device_rows *rows, const ki_device_queries *queries, uint32_t ef,
                             uint32_t want, uint64_t *answers, ki_walk_counts *counts);
void ki_cl_walks_close(ki_cl_device *device);

/* The same with groups of this size, proven or not; the caller holds the mutex. Queries that were
 * given up have given_up[i] 1 and no answers. */
kith_status ki_cl_walk_queries(ki_device_rows *rows, const ki_device_queries *queries, uint32_t ef,
                               uint32_t want, const ki_cl_walk_plan *plan, uint64_t *answers,
                               unsigned char *given_up, ki_walk_counts *counts);

/* walktest.c: EDEVICE and a sentence when a walk with groups of this size answers wrongly. The
 * caller holds the mutex. */
kith_status ki_cl_walk_test(ki_cl_device *device, uint32_t group);

#endif

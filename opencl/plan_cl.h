/* plan_cl.h - how the work of a batch of queries is cut into strips, passes and launches.
 *
 * May include device_cl.h. Makes no OpenCL call.
 */
#ifndef KI_PLAN_CL_H
#define KI_PLAN_CL_H

#include "opencl/device_cl.h"

/* How one batch is cut. */
typedef struct ki_cl_plan {
    size_t queries;     /* of the batch, real ones */
    uint32_t pass_log2; /* queries a pass, as a power of two */
    uint32_t pass;
    uint32_t groups;     /* passes */
    uint32_t strip_rows; /* a multiple of the unit */
    uint32_t lists;      /* strips of all chunks */
    uint32_t capacity;   /* keys a list has room for */
    uint32_t k;
    double cell_macs;   /* multiply-adds of one strip and one pass */
    double launch_macs; /* what one launch may hold */
} ki_cl_plan;

/* Plans a batch of at most nq queries; out->queries says how many. nq and the rows' count are
 * not 0, k is 1..KI_CL_LIST_K. Reads the measured speed: the caller holds the mutex. */
void ki_cl_plan_batch(const ki_device_rows *rows, size_t nq, uint32_t k, ki_cl_plan *out);

/* Multiply-adds that one launch may hold: a tenth of a second, at this speed. */
double ki_cl_launch_macs(double macs_per_second);

/* Bytes that the buffers of one batch may take together, of one kind each: as the device allows,
 * and half of what its budget still has. */
size_t ki_cl_batch_bytes(const ki_device_rows *rows);

/* Bytes of all the lists of a batch. */
size_t ki_cl_lists_bytes(const ki_cl_plan *plan);

/* How many strips a chunk of `count` rows has. */
uint32_t ki_cl_strips(uint32_t count, uint32_t strip_rows);

#endif

/* queries_cl.h - queries as scan.cl reads them.
 *
 * May include device_cl.h.
 */
#ifndef KI_QUERIES_CL_H
#define KI_QUERIES_CL_H

#include "opencl/device_cl.h"

/* Floats of one query as the device holds it: the elements, padded to whole words. */
size_t ki_cl_query_floats(const ki_device_rows *rows);

/* Lays out `count` queries in passes of `pass`: element e of word w of each of them together.
 * The last pass is filled up with zero queries. `floats` has room for whole passes and is zero. */
void ki_cl_queries_fill(const ki_device_rows *rows, const unsigned char *queries, size_t stride,
                        size_t count, uint32_t pass, float *floats, uint32_t *sides);

#endif

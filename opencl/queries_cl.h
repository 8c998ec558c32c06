/* queries_cl.h - queries as scan.cl reads them.
 *
 * May include device_cl.h.
 */
#ifndef KI_QUERIES_CL_H
#define KI_QUERIES_CL_H

#include "opencl/device_cl.h"

/* How these queries meet these rows; below KI_CL_PAIRINGS. */
ki_pairing ki_cl_pairing(const ki_device_rows *rows, const ki_device_queries *queries);

/* Floats of one query as the device holds it: the elements, padded to whole words; of bits a word
 * in the place of each float. */
size_t ki_cl_query_floats(const ki_device_rows *rows);

/* Fills rows->queries and rows->query_sides with a batch in passes of `pass`, the last one filled
 * up with zero queries. The caller holds the mutex. */
kith_status ki_cl_queries_send(ki_device_rows *rows, const ki_device_queries *queries,
                               uint32_t pass);

/* Lays out the queries in passes of `pass`: element e of word w of each of them together. The
 * last pass is filled up with zero queries. `floats` has room for whole passes and is zero. */
void ki_cl_queries_fill(const ki_device_rows *rows, const ki_device_queries *queries, uint32_t pass,
                        float *floats, uint32_t *sides);

#endif

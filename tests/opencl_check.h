/* opencl_check.h - what the OpenCL tests share: a cache directory of their own, rows, and a search.
 *
 * The device is whatever ocl0 is; on a machine without a GPU that is the CPU driver (PoCL).
 */
#ifndef OPENCL_CHECK_H
#define OPENCL_CHECK_H

#include "tests/check.h"
#include "opencl/device_cl.h"

/* Points KITH_CACHE to a new directory; opencl_cache_drop removes it with what is in it. */
const char *opencl_cache_new(void);
void opencl_cache_drop(void);

/* Opens ocl0 or fails the test with the sentence. */
ki_device *opencl_open(void);

/* Vectors of one type under one metric, and the row set that shows them to a device. */
typedef struct cloud {
    kith_type type;
    kith_metric metric;
    uint32_t dim;
    uint32_t count;
    uint32_t queries;
    unsigned char *rows; /* dense */
    unsigned char *asked;
    ki_aux *aux;
    ki_row_set set;
} cloud;

/* Random vectors; about one row in eight repeats an earlier one, so that there are ties. */
cloud cloud_new(kith_type type, kith_metric metric, uint32_t dim, uint32_t count, uint32_t queries,
                uint64_t seed);
void cloud_free(cloud *c);

/* The exact distance of a row to a query, in double; and for u8 the key that device.h asks for. */
double cloud_distance(const cloud *c, uint32_t query, uint32_t row);
uint32_t cloud_key_u8(const cloud *c, uint32_t query, uint32_t row);

/* Scans queries first .. first + nq of the cloud; free the answers with free. */
uint64_t *cloud_scan(ki_device *device, const cloud *c, uint32_t first, uint32_t nq, uint32_t k);

/* Puts the rows on a new device, scans all queries, closes. */
uint64_t *cloud_scan_once(const cloud *c, uint32_t k);

#endif

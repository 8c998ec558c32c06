/* replicas_model.h - a long random life of replicas, held against a flat index after every search.
 *
 * May include shaky_device.h. Puts, deletions, builds, refreshes, devices that come, go, fail, hang
 * and recover, in any order. An hnsw index is asked with an ef that keeps every row, so its answers
 * are exact as well, whoever gives them and however old its graph is.
 */
#ifndef REPLICAS_MODEL_H
#define REPLICAS_MODEL_H

#include "tests/shaky_device.h"

typedef struct model_case {
    kith_index_kind kind;
    kith_walk walk;
    kith_type type;
    uint32_t partitions, copies, devices; /* "ocl0" and so on; copies on all but the last */
    uint32_t keys, steps;
    bool on_opencl;
} model_case;

void model_run(const model_case *c, uint64_t *random);

#endif

/* copy.h - one partition as one device holds it.
 *
 * May include parts.h and kernels/device.h. The one idea: whatever the device, a copy answers with
 * row numbers of the store and the order keys of the rows themselves, as device.h orders them, so
 * answers of copies are merged as integers. A host copy walks the partition's graph where it lies;
 * a device copy holds the partition's rows (or codes) one after the other under numbers of its own,
 * ascending as the store's are, and what codes have found is ranked again on the host.
 *
 * A copy knows the rows that were dealt at its last refresh, those below `seen` of its facts, and
 * may know some that were dealt since. Searches see rows deleted since as dead; rows from `seen` on
 * are the caller's business, who may meet one twice.
 *
 * Threads: one call at a time per copy, beside writers of the store. A device copy searches beside
 * ki_parts_follow too, a host copy does not, since it walks what follow changes.
 */
#ifndef KI_COPY_H
#define KI_COPY_H

#include "index/parts.h"
#include "index/scan.h"
#include "kernels/device.h"

typedef struct ki_copy ki_copy;

typedef struct ki_copy_limits {
    uint64_t memory_bytes; /* most that an OpenCL device may hold, all copies on it together */
    uint64_t used_bytes;   /* by others on it already */
    uint32_t threads;      /* of a host copy; 0: all */

    /* Not NULL: a device copy calls it, once or more, when the parts and the codes are not looked
     * at any more, and before it waits for the device. A refresh that has nothing to do, or that
     * fails before, may not have called it. */
    void (*let_go)(void *user);
    void *user;
} ki_copy_limits;

/* What one partition is asked. */
typedef struct ki_copy_request {
    const unsigned char *queries; /* checked vectors, query_bytes apart */
    size_t query_bytes, count;
    bool f32;                    /* they are f32, not of the rows' type */
    kith_search_options options; /* ef already that of a partition */

    /* Not NULL: a device copy calls it once the graph and its codes are not looked at any more, and
     * before it waits for the device. A search that fails early may not have called it. */
    void (*let_go)(void *user);
    void *user;
} ki_copy_request;

typedef struct ki_copy_counts {
    uint64_t distances, hops, reranks;
    kith_search_mode mode;
} ki_copy_counts;

/* An empty copy of partition p on `device`, which is NULL for the host and stays the caller's. */
kith_status ki_copy_open(ki_parts *parts, uint32_t p, ki_device *device, ki_copy **out);
void ki_copy_close(ki_copy *copy); /* accepts NULL */

/* Brings it up to the parts, as of the store's LSN now: only new rows are sent, the graph whole;
 * all rows, where memory_bytes has no room for the old ones beside the new. After a failure it
 * holds nothing. Errors: ENOMEM, EDEVICE, EUNSUPPORTED. */
kith_status ki_copy_refresh(ki_copy *copy, const ki_copy_limits *limits);

/* What a refresh now would need on the device, an estimate from above; 0 on the host. */
uint64_t ki_copy_need(const ki_copy *copy);

/* The k nearest live rows of the partition for each query: request->options.k answers each, the
 * unused rest UINT64_MAX. `counts` is added to. `slack` of the options is not heeded: devices walk
 * to the end, and all copies answer alike. Answers of a flat partition are ranked by exact
 * distances, which then are rounded to f32. Errors: ENOMEM, EDEVICE, EUNSUPPORTED (k or ef above
 * what the device takes). */
kith_status ki_copy_search(ki_copy *copy, const ki_copy_request *request, uint64_t *answers,
                           ki_copy_counts *counts);

typedef struct ki_copy_facts {
    uint64_t rows, bytes, lsn, digest; /* bytes: on the device, an estimate; 0 on the host */
    uint32_t seen; /* rows of the store below this were dealt when it was made */
} ki_copy_facts;

void ki_copy_stat(const ki_copy *copy, ki_copy_facts *out);

#endif

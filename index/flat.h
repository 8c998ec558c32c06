/* flat.h - the exact index on one device: see flat.c. May include scan.h and kv/store.h. */
#ifndef KI_FLAT_H
#define KI_FLAT_H

#include "index/scan.h"
#include "kv/store.h"

typedef struct ki_flat ki_flat;

/* Takes over `device` in every case (closes it on failure). The table must outlive the index. */
kith_status ki_flat_open(ki_device *device, bool on_host, const ki_kernels *kernels,
                         const ki_store *engine, const kith_store_options *store, uint32_t threads,
                         ki_flat **out);
void ki_flat_close(ki_flat *flat);

/* Sends the rows as they are now to the device. Nothing to do on the host. */
kith_status ki_flat_refresh(ki_flat *flat);

/* The k nearest live rows of each query, exact as of now. */
kith_status ki_flat_search(ki_flat *flat, const ki_queries *queries, uint32_t k, ki_ranked *ranked);

/* Ranks what a scan found for each query, again by exact distances unless its keys are exact. */
kith_status ki_flat_rank(const ki_row_set *set, const ki_rounding *rounding,
                         const ki_kernel *kernel, const ki_queries *queries,
                         const ki_candidates *candidates, uint32_t k, ki_workers *workers,
                         ki_ranked *ranked);

/* Where rows are bits, f32 queries become rows of bits (x > 0), in *bits, which the caller frees:
 * exact ranking, and a device, want both sides as they are stored. Else *bits is NULL and the
 * queries stay as they are. */
kith_status ki_queries_to_bits(kith_type rows, uint32_t dim, ki_queries *queries,
                               unsigned char **bits);

/* What it holds: live rows, and memory on a device (an estimate: rows at the host's stride). */
void ki_flat_stat(const ki_flat *flat, uint64_t *rows, uint64_t *bytes);

/* The rows of a table as devices and scans want them. */
ki_row_set ki_store_row_set(const ki_store *engine, const kith_store_options *store);

#endif

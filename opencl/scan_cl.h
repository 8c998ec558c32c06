/* scan_cl.h - the ways to search rows exactly, which all give the same answers.
 *
 * May include device_cl.h. scan.cl reads the rows once for up to eight queries and keeps lists in
 * local memory; tile.cl multiplies tiles of rows and queries, for many queries on a GPU; select.cl
 * writes all keys and selects, for a large k.
 */
#ifndef KI_SCAN_CL_H
#define KI_SCAN_CL_H

#include "opencl/device_cl.h"

/* The way that is chosen for so many queries, unless KITH_OPENCL_PATH names one that can. */
ki_cl_path ki_cl_choose_path(const ki_device_rows *rows, const ki_device_queries *queries,
                             uint32_t k);

/* As ki_cl_scan, by the given path. selftest.c uses it to prove one. */
kith_status ki_cl_scan_by(ki_device_rows *rows, const ki_device_queries *queries, uint32_t k,
                          ki_cl_path path, uint64_t *answers);

/* The ways. The caller holds the mutex, has blocks made, and k is 1..count; to lists and tiles at
 * most KI_CL_LIST_K. Answers may be half written after a failure. */
kith_status ki_cl_scan_lists(ki_device_rows *rows, const ki_device_queries *queries, uint32_t k,
                             uint64_t *answers);
kith_status ki_cl_scan_tiles(ki_device_rows *rows, const ki_device_queries *queries, uint32_t k,
                             uint64_t *answers);
kith_status ki_cl_scan_select(ki_device_rows *rows, const ki_device_queries *queries, uint32_t k,
                              uint64_t *answers);

/* Can tiles be used for these at all? */
bool ki_cl_tiles_fit(const ki_device_rows *rows, const ki_device_queries *queries, uint32_t k);

/* Tile i of `count` in the visiting order of tile.cl is i * this modulo count. */
uint32_t ki_cl_tile_stride(uint32_t count);

/* Queries `first` .. of a batch, at most count of them. */
static inline ki_device_queries ki_cl_some_queries(const ki_device_queries *all, size_t first,
                                                   size_t count)
{
    ki_device_queries some = *all;
    some.base = (const unsigned char *)all->base + first * all->stride;
    some.count = all->count - first < count ? all->count - first : count;
    return some;
}

#endif

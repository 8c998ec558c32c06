/* upload_cl.h - rows on their way to a device.
 *
 * May include device_cl.h.
 */
#ifndef KI_UPLOAD_CL_H
#define KI_UPLOAD_CL_H

#include "opencl/device_cl.h"

/* Sends rows first .. stop of a chunk to wherever the chunk keeps rows: blocks, lines, or both; and
 * their side data. Rows before `first` must be there; they are not read from the set again. */
kith_status ki_cl_upload(ki_device_rows *rows, const ki_row_set *set, const ki_cl_chunk *chunk,
                         uint32_t first, uint32_t stop);

/* Sends a bit for each row of the chunk. */
kith_status ki_cl_upload_live(ki_device_rows *rows, const uint64_t *live, uint32_t first,
                              uint32_t count, cl_mem buffer);

#endif

/* sort_cl.h - what a device has selected, put in order on the host.
 *
 * May include kv/base.h.
 */
#ifndef KI_SORT_CL_H
#define KI_SORT_CL_H

#include "kv/base.h"

/* Sorts n entries ascending; `spare` has room for as many. */
void ki_sort_entries(uint64_t *entries, uint64_t *spare, size_t n);

/* The k first of two ascending lists, in `first`: it holds `have` entries and has room for k, as
 * `spare` has. Returns how many there are then. */
uint32_t ki_merge_entries(uint64_t *first, uint32_t have, const uint64_t *second, uint32_t more,
                          uint32_t k, uint64_t *spare);

#endif

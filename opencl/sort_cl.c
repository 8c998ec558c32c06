/* sort_cl.c - a radix sort of 64-bit entries, and a merge.
 *
 * May touch kv/base.h. The one idea: entries are sorted by the byte, from the lowest, and a byte
 * that is the same in all of them costs one pass of counting and no moving. Row numbers rarely
 * have four bytes that differ, so five or six passes do for a list of any length.
 */
#include "opencl/sort_cl.h"

#include <string.h>

enum { BINS = 256, BYTES = 8 };

/* Moves entries to `to` in the order of one byte. False, and nothing moved, when all have the same.
 */
static bool sort_by_byte(const uint64_t *from, uint64_t *to, size_t n, unsigned shift)
{
    size_t places[BINS] = {0}, next = 0;
    for (size_t i = 0; i < n; i++)
        places[from[i] >> shift & (BINS - 1)]++;
    if (places[from[0] >> shift & (BINS - 1)] == n)
        return false;
    for (size_t bin = 0; bin < BINS; bin++) {
        const size_t count = places[bin];
        places[bin] = next;
        next += count;
    }
    for (size_t i = 0; i < n; i++)
        to[places[from[i] >> shift & (BINS - 1)]++] = from[i];
    return true;
}

void ki_sort_entries(uint64_t *entries, uint64_t *spare, size_t n)
{
    uint64_t *from = entries, *to = spare;
    for (unsigned byte = 0; byte < BYTES && n > 1; byte++) {
        if (!sort_by_byte(from, to, n, 8 * byte))
            continue;
        uint64_t *sorted = to;
        to = from;
        from = sorted;
    }
    if (from != entries)
        memcpy(entries, from, n * sizeof *entries);
}

uint32_t ki_merge_entries(uint64_t *first, uint32_t have, const uint64_t *second, uint32_t more,
                          uint32_t k, uint64_t *spare)
{
    uint32_t a = 0, b = 0, n = 0;
    while (n < k && (a < have || b < more)) {
        const bool from_first = b == more || (a < have && first[a] < second[b]);
        spare[n++] = from_first ? first[a++] : second[b++];
    }
    memcpy(first, spare, n * sizeof *first);
    return n;
}

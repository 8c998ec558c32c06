/* sift.h - the marks of a walk's sift, for every file of cpu/ that has one: see ki_sift_fn.
 *
 * May include kernels.h. Which ids are new is found side by side; marking them is one by one, since
 * two of them may share a word. That is right because no id comes twice in a list.
 */
#ifndef KI_SIFT_H
#define KI_SIFT_H

#include "kernels/kernels.h"

/* Whether the id is new; marks it. No branch: the answer is as good as random. */
static inline uint32_t sift_mark(uint32_t *words, uint32_t epoch, uint32_t id)
{
    uint32_t word = words[id >> 4];
    const uint32_t stale = (uint32_t) - (int32_t)((word ^ epoch) >> 16 != 0);
    const uint32_t bit = UINT32_C(1) << (id & 15);
    word = (word & ~stale) | (epoch & stale);
    words[id >> 4] = word | bit;
    return (word & bit) == 0;
}

static inline void sift_mark_all(uint32_t *words, uint32_t epoch, const uint32_t *ids, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        sift_mark(words, epoch, ids[i]);
}

#endif

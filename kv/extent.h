/* extent.h - free space: which runs of places are free, and the one that fits best.
 *
 * May include avl.h. Places are numbers of whatever the owner divides into runs: bytes of a heap,
 * rows of a slab. Free runs never touch, because neighbours are merged; so the list is as short
 * as can be and the largest free run is in it whole. Best fit: the shortest run that is long
 * enough, of several the first.
 *
 * Giving space back may need memory for one more run, taking never does. An owner who must not
 * fail half-way makes room for what he will give before he begins.
 */
#ifndef KI_EXTENT_H
#define KI_EXTENT_H

#include "kv/avl.h"

typedef struct ki_free_extent {
    uint64_t start, length;
} ki_free_extent;

typedef struct ki_extents ki_extents;

kith_status ki_extents_open(ki_extents **out); /* nothing is free */
void ki_extents_close(ki_extents *extents);    /* accepts NULL */

/* Room for `more` further calls of give: they cannot fail. ENOMEM leaves what there was. */
kith_status ki_extents_reserve(ki_extents *extents, size_t more);

/* [start, start + length) is free from now on. Room was made. False, and nothing changes, when
 * some of it is free already, or it is empty or passes 2^64: a count that is taken from outside
 * may be wrong, and giving it twice would hand it out twice. */
bool ki_extents_give(ki_extents *extents, uint64_t start, uint64_t length);

/* Takes the front of the free run that fits best; false when none is long enough. length > 0. */
bool ki_extents_take(ki_extents *extents, uint64_t length, uint64_t *start);

/* The first free run that starts at `from` or behind; false when there is none. */
bool ki_extents_next(const ki_extents *extents, uint64_t from, ki_free_extent *out);

uint64_t ki_extents_free(const ki_extents *extents);     /* places, of all runs together */
uint64_t ki_extents_longest(const ki_extents *extents);  /* 0 when nothing is free */
uint32_t ki_extents_count(const ki_extents *extents);    /* runs */
size_t ki_extents_bytes(const ki_extents *extents);      /* memory */
kith_status ki_extents_check(const ki_extents *extents); /* ECORRUPT, with a sentence */

#endif

/* walk_device.h - a device in a test: it holds rows and a graph of its own and walks them naively.
 *
 * May include kernels/device.h and what the tests share. It follows device.h word by word and
 * shares with index/walk.c the kernels alone: a flag a node for what was seen, a list that is
 * sorted by insertion. Like a real device it copies what it is given, so that nobody can change it
 * from outside, and it counts what is sent.
 */
#ifndef WALK_DEVICE_H
#define WALK_DEVICE_H

#include "kernels/device.h"
#include "tests/check.h"

#include <stdatomic.h>

typedef struct walk_device_counts {
    atomic_uint rows_sent; /* in all calls of put_rows */
    atomic_uint held;      /* sets of rows that were not dropped */
} walk_device_counts;

/* `kernels` and `counts` must outlive it. max_ef is what it says of itself. */
ki_device *walk_device_open(const ki_kernels *kernels, uint32_t max_ef, walk_device_counts *counts);

#endif

/* device.h - what a device must do, for the host and for every OpenCL device alike.
 *
 * May include kernels.h only. A device is a const struct of functions and a handle. It sees rows
 * and row numbers, and links between them; it knows nothing of keys or stores.
 *
 * Answers are arrays of uint64_t: order key << 32 | row number, ascending, the unused rest
 * UINT64_MAX; so merging the answers of several devices is a merge of sorted integers.
 */
#ifndef KI_DEVICE_H
#define KI_DEVICE_H

#include "kernels/kernels.h"

/* The rows that a device is given. */
typedef struct ki_row_set {
    ki_rows rows;
    const uint64_t *live; /* bit i set: row i takes part; NULL when all do */
    uint32_t count;
    kith_type type;
    kith_metric metric;
} ki_row_set;

/* Queries `stride` bytes apart. */
typedef struct ki_device_queries {
    const void *base;
    size_t stride;
    size_t count;
    int f32; /* 1: they are f32, whatever the rows are; else of the rows' type */
} ki_device_queries;

/* A graph over the rows of a set, as layers of link rows with a fixed number of slots: ids first,
 * UINT32_MAX behind them. Ids of layer 0, which is the first, are row numbers; an id of a layer
 * above stands for the row `row[id]`, and for `down[id]` one layer below. */
typedef struct ki_device_layer {
    const uint32_t *links; /* degree slots a node */
    const uint32_t *down;  /* NULL in layer 0, and so is row */
    const uint32_t *row;
    uint32_t degree, count;
} ki_device_layer;

typedef struct ki_device_graph {
    const ki_device_layer *layer;
    uint32_t layers; /* from 1 */
    uint32_t entry;  /* an id of the highest layer */
} ki_device_graph;

/* What walks did, summed over queries: counted up, never reset. A device may measure a row more
 * than once in a walk and count it each time; hops are those of the host. */
typedef struct ki_walk_counts {
    uint64_t distances, hops;
} ki_walk_counts;

typedef struct ki_device ki_device;
typedef struct ki_device_rows ki_device_rows; /* each device defines its own */

typedef struct ki_device_ops {
    void (*info)(const ki_device *device, kith_device_info *out);

    /* Takes the rows to the device. The host keeps the view, so the memory must stay; an OpenCL
     * device copies. When *out is not NULL it holds the first rows of the same set from an earlier
     * call, unchanged since, and only the others are sent; its graph is gone then. EDEVICE or
     * ENOMEM leave *out as it was, or, if there is no room for old and new, drop it: NULL. */
    kith_status (*put_rows)(ki_device *device, const ki_row_set *set, ki_device_rows **out);
    void (*drop_rows)(ki_device_rows *rows);

    /* The k nearest rows of each query, queries->count * k answers. Keys are those of the host's
     * kernels: the same where sums are integers, cosines included, but for jaccard's division;
     * where they are floats they may differ by rounding, so the caller asks for more than it needs
     * and ranks again. One call at a time per rows. */
    kith_status (*scan)(ki_device_rows *rows, const ki_device_queries *queries, uint32_t k,
                        uint64_t *answers);

    /* The largest k that scan takes. */
    uint32_t (*max_k)(const ki_device *device);

    /* Which rows take part from now on: a bit a row, NULL when all do. The set's own array is not
     * read again, so this is how deletions reach a device. One call at a time per rows, with scan.
     * NULL where the device reads the host's memory anyway. */
    kith_status (*set_live)(ki_device_rows *rows, const uint64_t *live);

    /* Gives rows a graph to be walked by, in place of one they may have; the arrays are copied.
     * After a failure they have none. NULL, as walk and max_ef, where the host walks better. */
    kith_status (*put_graph)(ki_device_rows *rows, const ki_device_graph *graph);

    /* The `want` nearest live rows of each query among the `ef` that a walk keeps, want answers a
     * query; 1 <= want <= ef <= max_ef. The walk is that of index/walk.c: greedy from the entry
     * down to layer 0, there best first by (key, row), until every kept row is expanded. So where
     * keys are the host's, answers and hops are too, for any batch, group size and device. Rows
     * that are not live lead the way and do not count towards ef; where a query meets more of them
     * than a device has room for, it is answered by a scan, which needs rows laid out for that once
     * more: EDEVICE or ENOMEM if they do not fit. `counts` may be NULL. */
    kith_status (*walk)(ki_device_rows *rows, const ki_device_queries *queries, uint32_t ef,
                        uint32_t want, uint64_t *answers, ki_walk_counts *counts);
    uint32_t (*max_ef)(const ki_device *device);

    void (*close)(ki_device *device);
} ki_device_ops;

struct ki_device {
    const ki_device_ops *ops;
};

/* Reports every device of every OpenCL platform, in platform order; ids "ocl0", "ocl1", ... .
 * Without OpenCL it reports none and writes one sentence to `note` (note_size bytes). */
void ki_opencl_list(void (*report)(void *user, const kith_device_info *info), void *user,
                    char *note, size_t note_size);

/* Opens the device with this number, or the given one (from 0) of `parts` equal parts of its
 * compute units; parts is 1 for the whole. ENODEVICE with a sentence if it is absent, unusable, or
 * cannot be divided so. */
kith_status ki_opencl_open(uint32_t ordinal, uint32_t part, uint32_t parts, ki_device **out);

#endif

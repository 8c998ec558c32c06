/* device.h - what a device must do, for the host and for every OpenCL device alike.
 *
 * May include kernels.h only. A device is a const struct of functions and a handle. It sees rows
 * and row numbers; it knows nothing of graphs, keys or stores.
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

typedef struct ki_device ki_device;
typedef struct ki_device_rows ki_device_rows; /* each device defines its own */

typedef struct ki_device_ops {
    void (*info)(const ki_device *device, kith_device_info *out);

    /* Takes the rows to the device. The host keeps the view, so the memory must stay; an OpenCL
     * device copies. EDEVICE or ENOMEM leave nothing behind. */
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

    void (*close)(ki_device *device);
} ki_device_ops;

struct ki_device {
    const ki_device_ops *ops;
};

/* Reports every device of every OpenCL platform, in platform order; ids "ocl0", "ocl1", ... .
 * Without OpenCL it reports none and writes one sentence to `note` (note_size bytes). */
void ki_opencl_list(void (*report)(void *user, const kith_device_info *info), void *user,
                    char *note, size_t note_size);

/* Opens the device with this number. ENODEVICE with a sentence if it is absent or unusable. */
kith_status ki_opencl_open(uint32_t ordinal, ki_device **out);

#endif

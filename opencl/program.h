/* program.h - a program for one device, from the disk cache or from source.
 *
 * May include device_cl.h.
 */
#ifndef KI_PROGRAM_H
#define KI_PROGRAM_H

#include "opencl/device_cl.h"

/* elements.cl and one file more as bytes, one behind the other; made by embed.cmake. */
extern const unsigned char ki_scan_cl[], ki_select_cl[], ki_tile_cl[], ki_walk_cl[], ki_turn_cl[];
extern const size_t ki_scan_cl_bytes, ki_select_cl_bytes, ki_tile_cl_bytes, ki_walk_cl_bytes,
    ki_turn_cl_bytes;

/* Builds the source with these options. EDEVICE and the start of the compiler's log on failure.
 * device->counts tells which way it went. */
kith_status ki_program_open(ki_cl_device *device, const char *source, size_t source_bytes,
                            const char *options, cl_program *out);

/* One kernel of a program, into a slot; does nothing when the slot has it already. A failure leaves
 * the slot empty, so that the next call tries again. The caller holds the mutex. */
typedef struct ki_kernel_source {
    const unsigned char *source;
    size_t source_bytes;
    const char *options;
    const char *name;
} ki_kernel_source;

kith_status ki_kernel_open(ki_cl_device *device, const ki_kernel_source *from, ki_cl_variant *slot);

#endif

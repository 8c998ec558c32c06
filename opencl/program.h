/* program.h - a program for one device, from the disk cache or from source.
 *
 * May include device_cl.h.
 */
#ifndef KI_PROGRAM_H
#define KI_PROGRAM_H

#include "opencl/device_cl.h"

/* elements.cl and scan.cl as bytes, one behind the other; made by embed.cmake. */
extern const unsigned char ki_scan_cl[];
extern const size_t ki_scan_cl_bytes;

/* Builds the source with these options. EDEVICE and the start of the compiler's log on failure.
 * device->counts tells which way it went. */
kith_status ki_program_open(ki_cl_device *device, const char *source, size_t source_bytes,
                            const char *options, cl_program *out);

#endif

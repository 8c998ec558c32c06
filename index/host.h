/* host.h - the host as a device: the same promise as device.h, answered by the kernel table. */
#ifndef KI_HOST_H
#define KI_HOST_H

#include "kernels/device.h"
#include <stdbool.h>

/* `kernels` must outlive the device; threads 0 means all. */
kith_status ki_host_open(const ki_kernels *kernels, uint32_t threads, ki_device **out);

/* Would a scan of nq queries go through matrix products? Only when no instruction set is held
 * back: OpenBLAS has a dispatch of its own, which KITH_CPU does not reach. */
bool ki_host_multiplies(const ki_device *device, kith_type type, size_t nq);

/* The facts of the host: name of the processor, memory, processors, the ladder's top. */
void ki_host_info(uint64_t features, kith_device_info *out);

#endif

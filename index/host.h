/* host.h - the host as a device: the same promise as device.h, answered by the kernel table. */
#ifndef KI_HOST_H
#define KI_HOST_H

#include "kernels/device.h"

/* `kernels` must outlive the device; threads 0 means all. */
kith_status ki_host_open(const ki_kernels *kernels, uint32_t threads, ki_device **out);

/* The facts of the host: name of the processor, memory, processors, the ladder's top. */
void ki_host_info(uint64_t features, kith_device_info *out);

#endif

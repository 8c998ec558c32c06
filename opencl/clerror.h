/* clerror.h - from a code of OpenCL to a status and a sentence that a user can act on.
 *
 * May include loader.h.
 */
#ifndef KI_CLERROR_H
#define KI_CLERROR_H

#include "opencl/loader.h"

/* "CL_OUT_OF_RESOURCES"; "an unknown code" for what no specification up to 3.0 names. */
const char *ki_cl_error_name(cl_int code);

/* Writes "clX on DEVICE: NAME (code), WHAT" and returns ENOMEM when the host ran out of memory,
 * EDEVICE else. `what` is a format with the sizes in it. */
__attribute__((format(printf, 4, 5))) kith_status
ki_cl_fail(cl_int code, const char *call, const char *device, const char *what, ...);

#endif

/* trial.h - do codes know who is near? May include codes.h and kernels/. */
#ifndef KI_TRIAL_H
#define KI_TRIAL_H

#include "index/codes.h"

/* Of the nearest neighbours of a few rows among some thousand, by exact distances, the share that
 * is among the half as many again that are nearest by codes: 0..1, the same on every machine.
 * `kernel` measures codes, which all live rows must have. Errors: ENOMEM. */
kith_status ki_codes_try(const ki_codes *codes, const ki_store *engine, const ki_kernel *kernel,
                         double *share);

#endif

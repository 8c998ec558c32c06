/* kernel_mutants.h - broken kernels, to see the checks of kernel_cases.h catch them. */
#ifndef KERNEL_MUTANTS_H
#define KERNEL_MUTANTS_H

#include "tests/kernel_cases.h"

/* Mutant number `i` of a kernel, and what is wrong with it: "" where it would not show in this
 * slot, NULL beyond the last. One at a time: the next call changes what the last one wraps. */
const char *kc_mutant(size_t i, const kc_slot *slot, ki_kernel *broken);

#endif

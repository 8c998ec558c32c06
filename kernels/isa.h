/* isa.h - one fill function a file in cpu/; only dispatch.c calls them.
 *
 * Each overwrites the slots that it improves and writes its name into `from`. The KI_HAVE_
 * macros come from the build, which sets one for each file that the compiler can make; they are
 * seen by dispatch.c and features.c alone.
 */
#ifndef KI_ISA_H
#define KI_ISA_H

#include "kernels/kernels.h"

void ki_fill_scalar(ki_kernels *table);
void ki_fill_avx2(ki_kernels *table);
void ki_fill_avxvnni(ki_kernels *table);
void ki_fill_avx512(ki_kernels *table);
void ki_fill_avx512vnni(ki_kernels *table);
void ki_fill_avx512popcnt(ki_kernels *table);
void ki_fill_avx512bf16(ki_kernels *table);
void ki_fill_amx(ki_kernels *table);
void ki_fill_neon(ki_kernels *table);
void ki_fill_dotprod(ki_kernels *table);
void ki_fill_armbf16(ki_kernels *table);
void ki_fill_i8mm(ki_kernels *table);
void ki_fill_sve(ki_kernels *table);

#endif

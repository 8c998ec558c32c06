/* bench_kernel_peaks.h - what this machine can do at most: operations a second, and bytes a second.
 *
 * May include shim.h and kernels/ headers. Adds benchmarks
 *
 *     peak/fma/LEVEL      multiply-adds of f32          peak/bf16/LEVEL   of bf16 pairs
 *     peak/int8/LEVEL     multiply-adds of bytes        peak/bits/LEVEL   bits counted
 *     read/SET            bytes of a set, in order      rows/SIZE/SET     of rows of SIZE bytes,
 *                                                                         in random order
 *
 * with the counter `per_second`. LEVEL is a name of the ladder: the fastest instruction that a
 * kernel of that level has for the purpose. A slot's limit is then the larger of
 *
 *     elements * operations an element / peak        (squared L2 of floats takes two, a
 *                                                     subtraction and a multiply-add)
 *     bytes of a row / queries that share it / rows of about that size in that set
 */
#ifndef BENCH_KERNEL_PEAKS_H
#define BENCH_KERNEL_PEAKS_H

/* Registers those that this machine can run. */
void bench_peaks_add(void);

#endif

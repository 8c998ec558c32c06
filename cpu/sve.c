/* sve.c - f32 kernels for Arm with SVE, whatever the length of its registers.
 *
 * May include kernels/, keys.h, addresses.h, scalar_tmpl.h and intrinsics. Registers of unknown
 * length cannot be kept in the structs that the templates of neon.c are made of, so a row is
 * summed by itself: four accumulators, which hide the latency of a multiply-add and keep the
 * chains of roundings as short as the bound of kernels.h asks at the shortest length, 128 bits (16
 * lanes). A predicate ends the row, so there is no tail.
 *
 * Registers of 128 bits are those of neon.c, whose groups of four rows read the query once: there
 * this file fills nothing. What longer ones gain has not been measured: no such machine was at
 * hand; that they are right at 256 and 512 bits is tested under emulation.
 */
#include "kernels/isa.h"
#include "kernels/keys.h"
#include "cpu/addresses.h"
#include <arm_sve.h>

#if !defined(__aarch64__) || !defined(__ARM_FEATURE_SVE)
#error "sve.c must be compiled with -march=armv8.2-a+sve"
#endif

INLINE svfloat32_t l2sq_step(svbool_t live, svfloat32_t sum, svfloat32_t q, svfloat32_t x)
{
    const svfloat32_t difference = svsub_f32_z(live, q, x);
    return svmla_f32_m(live, sum, difference, difference);
}

INLINE svfloat32_t dot_step(svbool_t live, svfloat32_t sum, svfloat32_t q, svfloat32_t x)
{
    return svmla_f32_m(live, sum, q, x);
}

typedef svfloat32_t (*step_fn)(svbool_t, svfloat32_t, svfloat32_t, svfloat32_t);

INLINE svfloat32_t one_step(svfloat32_t sum, const float *q, const float *x, uint64_t at,
                            uint64_t dim, step_fn step)
{
    const svbool_t live = svwhilelt_b32_u64(at, dim);
    return step(live, sum, svld1_f32(live, q + at), svld1_f32(live, x + at));
}

/* Rows may lie at any address: SVE loads ask for no alignment. */
INLINE float f32_sum(const ki_query *query, const unsigned char *row, step_fn step)
{
    const float *q = query->data, *x = (const void *)row;
    const uint64_t dim = query->dim, lanes = svcntw();
    svfloat32_t s0 = svdup_n_f32(0.0f), s1 = s0, s2 = s0, s3 = s0;
    for (uint64_t at = 0; at < dim; at += 4 * lanes) {
        s0 = one_step(s0, q, x, at, dim, step);
        s1 = one_step(s1, q, x, at + lanes, dim, step);
        s2 = one_step(s2, q, x, at + 2 * lanes, dim, step);
        s3 = one_step(s3, q, x, at + 3 * lanes, dim, step);
    }
    const svbool_t all = svptrue_b32();
    const svfloat32_t sum = svadd_f32_z(all, svadd_f32_z(all, s0, s1), svadd_f32_z(all, s2, s3));
    return svaddv_f32(all, sum); /* pairs of neighbours, then pairs of those: one order a length */
}

INLINE uint32_t l2sq_f32_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    return ki_key_from_float(f32_sum(query, row_at(rows->base, rows->stride, id), l2sq_step));
}

INLINE uint32_t ip_f32_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    const float dot = f32_sum(query, row_at(rows->base, rows->stride, id), dot_step);
    return ki_key_from_float(0.0f - dot); /* so that no zero is negative */
}

INLINE uint32_t cosine_f32_key(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    const float dot = f32_sum(query, row_at(rows->base, rows->stride, id), dot_step);
    return ki_key_from_float(1.0f - dot * aux_at(rows, id).inv_norm);
}

#define KEY(x) l2sq_f32_##x
#include "cpu/scalar_tmpl.h"
#define KEY(x) ip_f32_##x
#include "cpu/scalar_tmpl.h"
#define KEY(x) cosine_f32_##x
#include "cpu/scalar_tmpl.h"

/* The shapes change hands; who prepares the query does not. */
static void take(ki_kernel *kernel, void (*fill)(ki_kernel *, ki_prepare_fn, ki_key_form))
{
    const ki_isa prepare = kernel->from[KI_PREPARE];
    fill(kernel, kernel->prepare, kernel->form);
    kernel->from[KI_PREPARE] = prepare;
    kernel->from[KI_PAIR] = kernel->from[KI_GATHER] = KI_ISA_SVE;
    kernel->from[KI_RANGE] = kernel->from[KI_TILE] = KI_ISA_SVE;
}

void ki_fill_sve(ki_kernels *table)
{
    if (svcntb() <= 16)
        return;
    take(&table->at[KITH_L2SQ][KI_F32], l2sq_f32_fill);
    take(&table->at[KITH_IP][KI_F32], ip_f32_fill);
    take(&table->at[KITH_COSINE][KI_F32], cosine_f32_fill);
}

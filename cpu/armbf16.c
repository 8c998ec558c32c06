/* armbf16.c - bf16 rows with bf16 queries for Arm with BF16: Neoverse V1 and N2, Cortex-A510,
 * later.
 *
 * May include kernels/, arm_keys.h, the templates and intrinsics. BFDOT multiplies two pairs a lane
 * and adds them to an f32. Without the extended rounding of later processors it rounds the sum of
 * a pair to odd and treats denormals as zeros, within what kernels.h allows this pairing. f32
 * queries stay with neon.c, which widens the row instead. What it gains has not been measured: no
 * such machine was at hand; it does in one instruction what takes eight.
 *
 * Rows are read as bytes and reinterpreted: GCC 12 folds vectors of bf16 constants as if they were
 * f16, so there is none here.
 */
#include "kernels/isa.h"
#include "cpu/arm_keys.h"

#if !defined(__aarch64__) || !defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
#error "armbf16.c must be compiled with -march=armv8.2-a+bf16"
#endif

/* A chunk is two registers, each with sums of its own, so that the chains are as short as with
 * eight lanes of f32. */
typedef struct f32_vec {
    float32x4_t lo, hi;
} f32_vec;

typedef float32x4_t f32_total;

INLINE f32_vec f32_zero(void)
{
    const f32_vec zero = {vdupq_n_f32(0.0f), vdupq_n_f32(0.0f)};
    return zero;
}

INLINE f32_vec f32_add(f32_vec a, f32_vec b)
{
    const f32_vec sum = {vaddq_f32(a.lo, b.lo), vaddq_f32(a.hi, b.hi)};
    return sum;
}

INLINE float32x4_t f32_total4(f32_vec a, f32_vec b, f32_vec c, f32_vec d)
{
    const float32x4_t ab = vpaddq_f32(vaddq_f32(a.lo, a.hi), vaddq_f32(b.lo, b.hi));
    const float32x4_t cd = vpaddq_f32(vaddq_f32(c.lo, c.hi), vaddq_f32(d.lo, d.hi));
    return vpaddq_f32(ab, cd);
}

INLINE float32x4_t f32_total1(f32_vec a)
{
    return f32_total4(a, a, a, a);
}

typedef struct bb_query {
    uint8x16_t lo, hi;
} bb_query;

enum { bb_chunk = 32, bb_bits_each = 16, bb_sums = 2 };

INLINE bb_query bb_load(const unsigned char *p)
{
    const bb_query x = {vld1q_u8(p), vld1q_u8(p + 16)};
    return x;
}

INLINE bb_query bb_tail(const unsigned char *p, size_t left)
{
    bb_query x = {vdupq_n_u8(0), vdupq_n_u8(0)};
    x.lo = left < 16 ? u8_tail(p, left) : vld1q_u8(p);
    if (left > 16)
        x.hi = u8_tail(p + 16, left - 16);
    return x;
}

INLINE bb_query bb_query_at(const unsigned char *data, size_t at)
{
    return bb_load(data + at);
}

INLINE f32_vec bb_dot_step(f32_vec sum, bb_query q, bb_query x)
{
    sum.lo = vbfdotq_f32(sum.lo, vreinterpretq_bf16_u8(q.lo), vreinterpretq_bf16_u8(x.lo));
    sum.hi = vbfdotq_f32(sum.hi, vreinterpretq_bf16_u8(q.hi), vreinterpretq_bf16_u8(x.hi));
    return sum;
}

#include "cpu/bf16bf16_tmpl.h"

void ki_fill_armbf16(ki_kernels *table)
{
    bb_fill(table, KI_ISA_ARMBF16);
}

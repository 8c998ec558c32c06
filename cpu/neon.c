/* neon.c - kernels for NEON, the vector unit that every 64-bit Arm has.
 *
 * May include kernels/, arm_keys.h, the templates and intrinsics. Registers hold four floats, so
 * a chunk of f32 is two of them: two accumulators of eight lanes a row make the chains of
 * roundings as short as the error bound of kernels.h asks (four lanes would break it beyond 128
 * dimensions), and four rows take sixteen of the thirty-two registers.
 *
 * Bytes are multiplied into 16 bits (UMULL, at most 65,025; SMULL, at most 16,384) and added in
 * pairs into 32 (UADALP, SADALP): u8 exact while dim <= 33025, i8 for every dimension. Two products
 * of a code, at most 15 * 128 each, fit into 16 bits together. Bits are counted by CNT.
 *
 * Half floats are widened by FCVTL, which the base architecture has; bf16 by shift and mask, in
 * integer registers: GCC 12 folds vectors of bf16 constants as if they were f16.
 */
#include "kernels/isa.h"
#include "cpu/arm_ints.h"
#include "cpu/prepare_floats.h"

#if !defined(__aarch64__) || !defined(__ARM_NEON)
#error "neon.c is for aarch64"
#endif

typedef struct f32_vec {
    float32x4_t lo, hi;
} f32_vec;

typedef f32_vec f32_query;
typedef float32x4_t f32_total;
enum { f32_chunk = 32, f32_bits_each = 32, f32_sums = 2 };

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

INLINE float32x4_t floats(uint8x16_t bytes)
{
    return vreinterpretq_f32_u8(bytes);
}

INLINE f32_vec f32_load(const unsigned char *p)
{
    const f32_vec x = {floats(vld1q_u8(p)), floats(vld1q_u8(p + 16))};
    return x;
}

INLINE f32_vec f32_tail(const unsigned char *p, size_t left)
{
    f32_vec x = f32_zero();
    if (left >= 16) {
        x.lo = floats(vld1q_u8(p));
        if (left > 16)
            x.hi = floats(u8_tail(p + 16, left - 16));
    } else {
        x.lo = floats(u8_tail(p, left));
    }
    return x;
}

INLINE f32_vec f32_query_at(const unsigned char *data, size_t at)
{
    return f32_load(data + at);
}

INLINE f32_vec f32_l2sq_step(f32_vec sum, f32_vec q, f32_vec x)
{
    const float32x4_t lo = vsubq_f32(q.lo, x.lo), hi = vsubq_f32(q.hi, x.hi);
    sum.lo = vfmaq_f32(sum.lo, lo, lo);
    sum.hi = vfmaq_f32(sum.hi, hi, hi);
    return sum;
}

INLINE f32_vec f32_dot_step(f32_vec sum, f32_vec q, f32_vec x)
{
    sum.lo = vfmaq_f32(sum.lo, q.lo, x.lo);
    sum.hi = vfmaq_f32(sum.hi, q.hi, x.hi);
    return sum;
}

/* Lane sums in one order for one row and for four: halves first, then (0 + 1) + (2 + 3). */
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

typedef uint8x16_t u8_query;

INLINE uint8x16_t u8_query_at(const unsigned char *data, size_t at)
{
    return vld1q_u8(data + at);
}

INLINE uint32x4_t u8_dot_step(uint32x4_t sum, uint8x16_t q, uint8x16_t x)
{
    sum = vpadalq_u16(sum, vmull_u8(vget_low_u8(q), vget_low_u8(x)));
    return vpadalq_u16(sum, vmull_high_u8(q, x));
}

INLINE void u8_lay_out(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_plain_u8(vector, dim, scratch, out);
}

INLINE int8x16_t signed_bytes(uint8x16_t x)
{
    return vreinterpretq_s8_u8(x);
}

INLINE uint32x4_t add_pairs(uint32x4_t sum, int16x8_t products)
{
    return vreinterpretq_u32_s32(vpadalq_s16(vreinterpretq_s32_u32(sum), products));
}

INLINE uint32x4_t i8_dot_step(uint32x4_t sum, uint8x16_t q, uint8x16_t x)
{
    const int8x16_t a = signed_bytes(q), b = signed_bytes(x);
    sum = add_pairs(sum, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    return add_pairs(sum, vmull_high_s8(a, b));
}

INLINE uint32x4_t int_codes_dot(uint32x4_t sum, uint8x16_t a0, uint8x16_t b0, uint8x16_t a1,
                                uint8x16_t b1)
{
    const int8x16_t x0 = signed_bytes(a0), q0 = signed_bytes(b0);
    const int8x16_t x1 = signed_bytes(a1), q1 = signed_bytes(b1);
    const int16x8_t low = vmull_s8(vget_low_s8(x0), vget_low_s8(q0));
    const int16x8_t high = vmull_high_s8(x0, q0);
    sum = add_pairs(sum, vmlal_s8(low, vget_low_s8(x1), vget_low_s8(q1)));
    return add_pairs(sum, vmlal_high_s8(high, x1, q1));
}

INLINE uint32x4_t int_popcount(uint8x16_t x)
{
    return vpaddlq_u16(vpaddlq_u8(vcntq_u8(x)));
}

/* Eight elements of 16 bits as eight floats. */
INLINE f32_vec widened_halves(uint8x16_t x)
{
    const float16x8_t halves = vreinterpretq_f16_u8(x);
    const f32_vec wide = {vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves)};
    return wide;
}

INLINE f32_vec f16_load(const unsigned char *p)
{
    return widened_halves(vld1q_u8(p));
}

INLINE f32_vec f16_tail(const unsigned char *p, size_t left)
{
    return widened_halves(u8_tail(p, left));
}

INLINE f32_vec widened_u8(uint8x8_t x)
{
    const uint16x8_t words = vmovl_u8(x);
    const f32_vec wide = {vcvtq_f32_u32(vmovl_u16(vget_low_u16(words))),
                          vcvtq_f32_u32(vmovl_high_u16(words))};
    return wide;
}

INLINE f32_vec widened_i8(uint8x8_t x)
{
    const int16x8_t words = vmovl_s8(vreinterpret_s8_u8(x));
    const f32_vec wide = {vcvtq_f32_s32(vmovl_s16(vget_low_s16(words))),
                          vcvtq_f32_s32(vmovl_high_s16(words))};
    return wide;
}

INLINE f32_vec f32u8_load(const unsigned char *p)
{
    return widened_u8(vld1_u8(p));
}

INLINE f32_vec f32u8_tail(const unsigned char *p, size_t left)
{
    return widened_u8(vcreate_u8(few_bytes(p, left)));
}

INLINE f32_vec f32i8_load(const unsigned char *p)
{
    return widened_i8(vld1_u8(p));
}

INLINE f32_vec f32i8_tail(const unsigned char *p, size_t left)
{
    return widened_i8(vcreate_u8(few_bytes(p, left)));
}

/* A chunk of bf16: 16 elements. */
typedef struct bf16_reg {
    uint32x4_t lo, hi;
} bf16_reg;

INLINE bf16_reg bf16_load(const unsigned char *p)
{
    const bf16_reg x = {vreinterpretq_u32_u8(vld1q_u8(p)), vreinterpretq_u32_u8(vld1q_u8(p + 16))};
    return x;
}

INLINE bf16_reg bf16_tail(const unsigned char *p, size_t left)
{
    bf16_reg x = {vdupq_n_u32(0), vdupq_n_u32(0)};
    if (left < 16) {
        x.lo = vreinterpretq_u32_u8(u8_tail(p, left));
    } else {
        x.lo = vreinterpretq_u32_u8(vld1q_u8(p));
        if (left > 16)
            x.hi = vreinterpretq_u32_u8(u8_tail(p + 16, left - 16));
    }
    return x;
}

INLINE f32_vec bf16_even(bf16_reg x)
{
    const f32_vec even = {vreinterpretq_f32_u32(vshlq_n_u32(x.lo, 16)),
                          vreinterpretq_f32_u32(vshlq_n_u32(x.hi, 16))};
    return even;
}

INLINE f32_vec bf16_odd(bf16_reg x)
{
    const uint32x4_t upper = vdupq_n_u32(UINT32_C(0xffff0000));
    const f32_vec odd = {vreinterpretq_f32_u32(vandq_u32(x.lo, upper)),
                         vreinterpretq_f32_u32(vandq_u32(x.hi, upper))};
    return odd;
}

#include "cpu/f32_tmpl.h"
#include "cpu/floats_tmpl.h"
#include "cpu/arm_ints_tmpl.h"
#include "cpu/bits_tmpl.h"

void ki_fill_neon(ki_kernels *table)
{
    fill_f32(table, KI_ISA_NEON);
    fill_floats(table, KI_ISA_NEON);
    fill_ints(table, KI_ISA_NEON);
    b1_fill(table, KI_ISA_NEON);
}

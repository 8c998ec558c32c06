/* neon.c - kernels for NEON, the vector unit that every 64-bit Arm has.
 *
 * May include kernels/, arm_keys.h, the templates and intrinsics. Registers hold four floats, so
 * a chunk of f32 is two of them: two accumulators of eight lanes a row make the chains of
 * roundings as short as the error bound of kernels.h asks (four lanes would break it beyond 128
 * dimensions), and four rows take sixteen of the thirty-two registers.
 *
 * u8: bytes are multiplied into 16 bits (UMULL, at most 65,025) and added in pairs into 32
 * (UADALP), exact while dim <= 33025.
 */
#include "kernels/isa.h"
#include "cpu/prepare_ints.h"
#include "cpu/arm_keys.h"

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

#include "cpu/f32_tmpl.h"
#define PAIRING KI_U8
#define V(x) u8_##x
#include "cpu/bytes_tmpl.h"

void ki_fill_neon(ki_kernels *table)
{
    fill_f32(table, KI_ISA_NEON);
    u8_fill(table, KI_ISA_NEON);
}

/* dotprod.c - byte and code kernels for Arm with dot products: Cortex-A55 and A76, Neoverse, Apple,
 * later.
 *
 * May include kernels/, arm_keys.h, the templates and intrinsics. UDOT multiplies four pairs of
 * unsigned bytes and adds them into 32 bits, SDOT signed ones, so nothing has to be biased or
 * split. It does not need the matrix instructions (I8MM), which came years later.
 */
#include "kernels/isa.h"
#include "cpu/arm_ints.h"

#if !defined(__aarch64__) || !defined(__ARM_FEATURE_DOTPROD)
#error "dotprod.c must be compiled with -march=armv8.2-a+dotprod"
#endif

typedef uint8x16_t u8_query;

INLINE uint8x16_t u8_query_at(const unsigned char *data, size_t at)
{
    return vld1q_u8(data + at);
}

INLINE uint32x4_t u8_dot_step(uint32x4_t sum, uint8x16_t q, uint8x16_t x)
{
    return vdotq_u32(sum, q, x);
}

INLINE void u8_lay_out(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_plain_u8(vector, dim, scratch, out);
}

INLINE uint32x4_t signed_dot(uint32x4_t sum, uint8x16_t a, uint8x16_t b)
{
    const int32x4_t before = vreinterpretq_s32_u32(sum);
    return vreinterpretq_u32_s32(vdotq_s32(before, vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b)));
}

INLINE uint32x4_t i8_dot_step(uint32x4_t sum, uint8x16_t q, uint8x16_t x)
{
    return signed_dot(sum, q, x);
}

/* Codes are small enough to be signed bytes too. */
INLINE uint32x4_t int_codes_dot(uint32x4_t sum, uint8x16_t a0, uint8x16_t b0, uint8x16_t a1,
                                uint8x16_t b1)
{
    return signed_dot(signed_dot(sum, a0, b0), a1, b1);
}

#include "cpu/arm_ints_tmpl.h"

void ki_fill_dotprod(ki_kernels *table)
{
    fill_ints(table, KI_ISA_DOTPROD);
}

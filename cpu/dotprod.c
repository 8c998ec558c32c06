/* dotprod.c - u8 kernels for Arm with dot products: Cortex-A55 and A76, Neoverse, Apple, later.
 *
 * May include kernels/, arm_keys.h, the templates and intrinsics. UDOT multiplies four pairs of
 * unsigned bytes and adds them into 32 bits, so nothing has to be biased or split. It does not
 * need the matrix instructions (I8MM), which came years later.
 */
#include "kernels/isa.h"
#include "cpu/prepare_ints.h"
#include "cpu/arm_keys.h"

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

#define PAIRING KI_U8
#define V(x) u8_##x
#include "cpu/bytes_tmpl.h"

void ki_fill_dotprod(ki_kernels *table)
{
    u8_fill(table, KI_ISA_DOTPROD);
}

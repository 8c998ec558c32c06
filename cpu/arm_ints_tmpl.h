/* arm_ints_tmpl.h - a template: u8, i8, 4-bit and 1-bit codes for Arm, out of two steps.
 *
 * Included once by neon.c and dotprod.c, which have arm_ints.h and have written u8_query and its
 * words, u8_dot_step, i8_dot_step and int_codes_dot. Makes fill_ints.
 */
INLINE q1_vec q1_dot_step(q1_vec sum, q1_query q, uint8x16_t x)
{
    const uint8x16_t one = vdupq_n_u8(1);
    sum = int_codes_dot(sum, vandq_u8(x, one), q.bit0, vandq_u8(vshrq_n_u8(x, 1), one), q.bit1);
    sum = int_codes_dot(sum, vandq_u8(vshrq_n_u8(x, 2), one), q.bit2,
                        vandq_u8(vshrq_n_u8(x, 3), one), q.bit3);
    sum = int_codes_dot(sum, vandq_u8(vshrq_n_u8(x, 4), one), q.bit4,
                        vandq_u8(vshrq_n_u8(x, 5), one), q.bit5);
    return int_codes_dot(sum, vandq_u8(vshrq_n_u8(x, 6), one), q.bit6, vshrq_n_u8(x, 7), q.bit7);
}

#define PAIRING KI_U8
#define V(x) u8_##x
#include "cpu/bytes_tmpl.h"

#define PAIRING KI_I8
#define V(x) i8_##x
#include "cpu/bytes_tmpl.h"

#include "cpu/codes_tmpl.h"

static void fill_ints(ki_kernels *table, ki_isa isa)
{
    u8_fill(table, isa);
    i8_fill(table, isa);
    q4_fill(table, isa);
    q1_fill(table, isa);
}

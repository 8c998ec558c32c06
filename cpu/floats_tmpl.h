/* floats_tmpl.h - a template: every kernel whose sums are f32 and whose rows are narrower.
 *
 * Included once by a file of cpu/ that has the f32_ words of sums_tmpl.h and has written
 *
 *   f16_load, f32u8_load, f32i8_load, and _tail of each   see widened_tmpl.h
 *   bf16_reg, bf16_load(p), bf16_tail(p, left)            a register of bf16, as it lies there
 *   bf16_even(x), bf16_odd(x)                             its elements as f32
 *
 * Makes fill_floats. 8-bit codes are the sums of i8 rows with other keys. Tested: avx2, avx512.
 */
#define V(x) f16_##x
#define PAIRING KI_F16
#define ROW_BITS 16
#include "cpu/widened_tmpl.h"

#define V(x) f32u8_##x
#define PAIRING KI_F32U8
#define ROW_BITS 8
#include "cpu/widened_tmpl.h"

#define V(x) f32i8_##x
#define PAIRING KI_F32I8
#define ROW_BITS 8
#include "cpu/widened_tmpl.h"

#define V(x) f32i8_##x
#define KERNEL(x) q8_l2sq_##x
#define SUM(x) f32i8_dot_##x
#define KEYS q8_l2sq_keys
#include "cpu/shapes_tmpl.h"

#define KERNEL(x) q8_ip_##x
#define SUM(x) f32i8_dot_##x
#define KEYS q8_ip_keys
#include "cpu/shapes_tmpl.h"
#undef V

/* bf16 comes in whole registers: two registers of f32 a chunk, both into one accumulator. */
typedef struct bf16_query {
    f32_vec even, odd;
} bf16_query;

enum { bf16_chunk = f32_chunk, bf16_bits_each = 16, bf16_sums = 2, bf16_lanes = f32_chunk / 4 };

INLINE bf16_query bf16_query_at(const unsigned char *data, size_t at)
{
    const bf16_query q = {f32_load(data + 2 * at), f32_load(data + 2 * at + f32_chunk)};
    return q;
}

INLINE f32_vec bf16_l2sq_step(f32_vec sum, bf16_query q, bf16_reg x)
{
    sum = f32_l2sq_step(sum, q.even, bf16_even(x));
    return f32_l2sq_step(sum, q.odd, bf16_odd(x));
}

INLINE f32_vec bf16_dot_step(f32_vec sum, bf16_query q, bf16_reg x)
{
    sum = f32_dot_step(sum, q.even, bf16_even(x));
    return f32_dot_step(sum, q.odd, bf16_odd(x));
}

#define V(x) bf16_##x
#define PAIRING KI_BF16
#include "cpu/float_words_tmpl.h"
#include "cpu/metrics_tmpl.h"
#undef V
#undef PAIRING

static void bf16_plain(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_widened(vector, dim, scratch, out, bf16_element, 0, bf16_lanes);
}

static void bf16_unit(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_widened(vector, dim, scratch, out, bf16_element, 1, bf16_lanes);
}

static void bf16_plain_f32(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_widened(vector, dim, scratch, out, f32_element, 0, bf16_lanes);
}

static void bf16_unit_f32(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_widened(vector, dim, scratch, out, f32_element, 1, bf16_lanes);
}

/* Queries of bf16 are split like rows, once for the rows of a group. */
typedef bf16_query bb_query;
enum { bb_chunk = bf16_chunk, bb_bits_each = 16, bb_sums = 2 };

INLINE bf16_reg bb_load(const unsigned char *p)
{
    return bf16_load(p);
}

INLINE bf16_reg bb_tail(const unsigned char *p, size_t left)
{
    return bf16_tail(p, left);
}

INLINE bb_query bb_query_at(const unsigned char *data, size_t at)
{
    const bf16_reg q = bf16_load(data + at);
    const bb_query split = {bf16_even(q), bf16_odd(q)};
    return split;
}

INLINE f32_vec bb_dot_step(f32_vec sum, bb_query q, bf16_reg x)
{
    return bf16_dot_step(sum, q, x);
}

#include "cpu/bf16bf16_tmpl.h"

static void fill_floats(ki_kernels *table, ki_isa isa)
{
    f16_fill(table, isa);
    f32u8_fill(table, isa);
    f32i8_fill(table, isa);
    q8_l2sq_fill(&table->at[KITH_L2SQ][KI_Q8], isa);
    q8_ip_fill(&table->at[KITH_IP][KI_Q8], isa);
    bb_fill(table, isa);
    bf16_fill(table, isa);
    for (int metric = KITH_L2SQ; metric <= KITH_COSINE; metric++) {
        ki_kernel *kernel = &table->at[metric][KI_BF16];
        kernel->prepare = metric == KITH_COSINE ? bf16_unit : bf16_plain;
        kernel->prepare_f32 = metric == KITH_COSINE ? bf16_unit_f32 : bf16_plain_f32;
        kernel->from[KI_PREPARE] = kernel->from[KI_PREPARE_F32] = isa;
    }
}

/* codes_tmpl.h - a template: the kernels of 4-bit and 1-bit codes.
 *
 * Included once by a file of cpu/ that has the words of ymm_ints.h, zmm_ints.h or arm_ints.h, and
 * has written int_codes_dot(sum, a0, b0, a1, b1): a0 * b0 + a1 * b1, with a unsigned and at most
 * 15, b signed, added to 32-bit lanes. Makes q4_fill and q1_fill. Tested: avx2, avxvnni, avx512,
 * avx512vnni, neon, dotprod.
 *
 * Both are dot products of the code itself and the query; what the code stands for is put right
 * in the keys. 4 bits: low halves of a register's bytes meet the even elements of the query, high
 * halves the odd ones. |sum| <= 15 * 128 * 65535 < 2^27. High halves left where they are, in
 * sums of their own that count 16 times, save a shift a step; with VNNI that gained 4 % at 768 and
 * 1536 dimensions, too little for a second vocabulary.
 *
 * 1 bit: the file of cpu/ has written the q1_ vocabulary with q1_dot_step and q1_prepare.
 */
#define V(x) q4_##x
#include "cpu/int_words_tmpl.h"

enum { q4_chunk = int_bytes, q4_bits_each = 4 };

typedef struct q4_query {
    int_reg even, odd;
} q4_query;

INLINE q4_query q4_query_at(const unsigned char *data, size_t at)
{
    const q4_query q = {int_aligned(data + 2 * at), int_aligned(data + 2 * at + int_bytes)};
    return q;
}

INLINE int_reg q4_load(const unsigned char *p)
{
    return int_load(p);
}

INLINE int_reg q4_tail(const unsigned char *p, size_t left)
{
    return int_tail(p, left);
}

INLINE q4_vec q4_dot_step(q4_vec sum, q4_query q, int_reg x)
{
    return int_codes_dot(sum, int_low_nibbles(x), q.even, int_high_nibbles(x), q.odd);
}

static void q4_prepare(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_q4(vector, dim, int_bytes, scratch, out);
}

#define V(x) q4_##x
#define SUMS(x) q4_dot_##x
#include "cpu/sums_tmpl.h"

#define KERNEL(x) q4_l2sq_##x
#define SUM(x) q4_dot_##x
#define KEYS(query, sum, aux) int_l2sq_keys(query, q4_dot(query, sum), aux)
#include "cpu/shapes_tmpl.h"

#define KERNEL(x) q4_ip_##x
#define SUM(x) q4_dot_##x
#define KEYS(query, sum, aux) int_ip_keys(query, q4_dot(query, sum), aux)
#include "cpu/shapes_tmpl.h"
#undef V

static void q4_fill(ki_kernels *table, ki_isa isa)
{
    q4_l2sq_fill(&table->at[KITH_L2SQ][KI_Q4], isa);
    q4_ip_fill(&table->at[KITH_IP][KI_Q4], isa);
    for (int metric = KITH_L2SQ; metric <= KITH_IP; metric++) {
        table->at[metric][KI_Q4].prepare = q4_prepare;
        table->at[metric][KI_Q4].from[KI_PREPARE] = isa;
    }
}

#define V(x) q1_##x
#define SUMS(x) q1_dot_##x
#include "cpu/sums_tmpl.h"

#define KERNEL(x) q1_l2sq_##x
#define SUM(x) q1_dot_##x
#define KEYS q1_l2sq_keys
#include "cpu/shapes_tmpl.h"

#define KERNEL(x) q1_ip_##x
#define SUM(x) q1_dot_##x
#define KEYS q1_ip_keys
#include "cpu/shapes_tmpl.h"
#undef V

static void q1_fill(ki_kernels *table, ki_isa isa)
{
    q1_l2sq_fill(&table->at[KITH_L2SQ][KI_Q1], isa);
    q1_ip_fill(&table->at[KITH_IP][KI_Q1], isa);
    for (int metric = KITH_L2SQ; metric <= KITH_IP; metric++) {
        table->at[metric][KI_Q1].prepare = q1_prepare;
        table->at[metric][KI_Q1].from[KI_PREPARE] = isa;
    }
}

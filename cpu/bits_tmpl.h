/* bits_tmpl.h - a template: the kernels of b1 rows.
 *
 * Included once by a file of cpu/ that has the words of ymm_ints.h, zmm_ints.h or arm_ints.h, and
 * has written int_popcount(x): the bits set in x, in lanes that may be added as 32 bits. Makes
 * b1_fill.
 * Tested: avx2, avx512, avx512popcnt, neon.
 *
 * Hamming counts q ^ x. Jaccard counts q & x alone: the bits of either side are known. Rows are
 * short (96 to 192 bytes), so what is paid once a row decides: eight rows share one tree of
 * additions. The query is plain bits for every instruction set, so both prepares stay with
 * scalar.c, and say so in their slots.
 */
#define V(x) b1_##x
#include "cpu/int_words_tmpl.h"

typedef int_reg b1_query;
enum { b1_chunk = int_bytes, b1_bits_each = 1 };

INLINE int_reg b1_query_at(const unsigned char *data, size_t at)
{
    return int_aligned(data + at);
}

INLINE int_reg b1_load(const unsigned char *p)
{
    return int_load(p);
}

INLINE int_reg b1_tail(const unsigned char *p, size_t left)
{
    return int_tail(p, left);
}

INLINE b1_vec b1_differ_step(b1_vec sum, int_reg q, int_reg x)
{
    return sum + int_popcount(q ^ x);
}

INLINE b1_vec b1_both_step(b1_vec sum, int_reg q, int_reg x)
{
    return sum + int_popcount(q & x);
}

#define V(x) b1_##x
#define SUMS(x) b1_differ_##x
#include "cpu/sums_tmpl.h"

#define SUMS(x) b1_both_##x
#include "cpu/sums_tmpl.h"

#define KERNEL(x) b1_hamming_##x
#define SUM(x) b1_differ_##x
#define KEYS b1_hamming_keys
#include "cpu/shapes_tmpl.h"

#define KERNEL(x) b1_jaccard_##x
#define SUM(x) b1_both_##x
#define KEYS b1_jaccard_keys
#include "cpu/shapes_tmpl.h"
#undef V

static void b1_fill(ki_kernels *table, ki_isa isa)
{
    b1_hamming_fill(&table->at[KITH_HAMMING][KI_B1], isa);
    b1_jaccard_fill(&table->at[KITH_JACCARD][KI_B1], isa);
}

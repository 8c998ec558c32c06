/* bf16bf16_tmpl.h - a template: bf16 rows and bf16 queries, neither widened in memory.
 *
 * Included once by a file of cpu/ that has the f32_ words of sums_tmpl.h and has written, with bb_
 * before them, query, query_at, load, tail, chunk, bits_each, sums and dot_step. Makes bb_fill.
 * The query is plain bf16, so prepare stays with scalar.c. Tested: avx2, avx512, avx512bf16.
 */
#define V(x) bb_##x
#include "cpu/float_words_tmpl.h"

#define SUMS(x) bb_dot_##x
#include "cpu/sums_tmpl.h"

#define KERNEL(x) bb_ip_##x
#define SUM(x) bb_dot_##x
#define KEYS f32_ip_keys
#include "cpu/shapes_tmpl.h"

#define KERNEL(x) bb_cosine_##x
#define SUM(x) bb_dot_##x
#define KEYS bb_cosine_keys
#include "cpu/shapes_tmpl.h"
#undef V

static void bb_fill(ki_kernels *table, ki_isa isa)
{
    bb_ip_fill(&table->at[KITH_IP][KI_BF16BF16], isa);
    bb_cosine_fill(&table->at[KITH_COSINE][KI_BF16BF16], isa);
}

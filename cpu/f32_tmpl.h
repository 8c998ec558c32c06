/* f32_tmpl.h - a template: all kernels of f32 rows out of one vocabulary.
 *
 * Included once by a file of cpu/ that has written the f32_ vocabulary of sums_tmpl.h, with the
 * steps f32_l2sq_step and f32_dot_step, and the keys f32_l2sq_keys, f32_ip_keys, f32_cosine_keys.
 * Makes fill_f32. The query is plain floats for every instruction set, so prepare stays with
 * scalar.c, and says so in its slot. Tested: avx2, avx512, neon.
 */
#define V(x) f32_##x

#define SUMS(x) f32_l2sq_##x
#include "cpu/sums_tmpl.h"

#define SUMS(x) f32_dot_##x
#include "cpu/sums_tmpl.h"

#define KERNEL(x) l2sq_f32_##x
#define SUM(x) f32_l2sq_##x
#define KEYS f32_l2sq_keys
#include "cpu/shapes_tmpl.h"

#define KERNEL(x) ip_f32_##x
#define SUM(x) f32_dot_##x
#define KEYS f32_ip_keys
#include "cpu/shapes_tmpl.h"

#define KERNEL(x) cosine_f32_##x
#define SUM(x) f32_dot_##x
#define KEYS f32_cosine_keys
#include "cpu/shapes_tmpl.h"

#undef V

static void fill_f32(ki_kernels *table, ki_isa isa)
{
    l2sq_f32_fill(&table->at[KITH_L2SQ][KITH_F32], isa);
    ip_f32_fill(&table->at[KITH_IP][KITH_F32], isa);
    cosine_f32_fill(&table->at[KITH_COSINE][KITH_F32], isa);
}

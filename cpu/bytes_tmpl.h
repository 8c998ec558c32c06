/* bytes_tmpl.h - a template: all kernels of u8 or of i8 rows out of one vocabulary.
 *
 * Included once a type by a file of cpu/, which first defines V(x), the vocabulary of sums_tmpl.h
 * with u8_ or i8_ before it, and PAIRING. Besides the vocabulary it has written the step
 * V(dot_step), V(dot)(sum, aux) that makes dot products of its sums, V(lay_out) that lays out the
 * query, and the keys int_l2sq_keys, int_ip_keys, int_cosine_keys. Makes V(fill); V and PAIRING
 * are undefined again at the end.
 *
 * There is one sum for all three metrics: with the squared norms known, squared L2 is a dot
 * product too, exact in integers. Tested: avx2, avxvnni, avx512, avx512vnni; u8 also neon and
 * dotprod.
 */
#define SUMS(x) V(dot_##x)
#include "cpu/sums_tmpl.h"

#define KERNEL(x) V(l2sq_##x)
#define SUM(x) V(dot_##x)
#define KEYS(query, sum, aux) int_l2sq_keys(query, V(dot)(sum, aux), aux)
#include "cpu/shapes_tmpl.h"

#define KERNEL(x) V(ip_##x)
#define SUM(x) V(dot_##x)
#define KEYS(query, sum, aux) int_ip_keys(query, V(dot)(sum, aux), aux)
#include "cpu/shapes_tmpl.h"

#define KERNEL(x) V(cosine_##x)
#define SUM(x) V(dot_##x)
#define KEYS(query, sum, aux) int_cosine_keys(query, V(dot)(sum, aux), aux)
#include "cpu/shapes_tmpl.h"

static void V(prepare)(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    V(lay_out)(vector, dim, scratch, out);
}

static void V(fill)(ki_kernels *table, ki_isa isa)
{
    V(l2sq_fill)(&table->at[KITH_L2SQ][PAIRING], isa);
    V(ip_fill)(&table->at[KITH_IP][PAIRING], isa);
    V(cosine_fill)(&table->at[KITH_COSINE][PAIRING], isa);
    for (int metric = KITH_L2SQ; metric <= KITH_COSINE; metric++) {
        table->at[metric][PAIRING].prepare = V(prepare);
        table->at[metric][PAIRING].from[KI_PREPARE] = isa;
    }
}

#undef V
#undef PAIRING

/* u8_tmpl.h - a template: all kernels of u8 rows out of one vocabulary.
 *
 * Included once by a file of cpu/ that has written the u8_ vocabulary of sums_tmpl.h, with the
 * step u8_dot_step, u8_dot(sum, aux) that makes dot products of its sums, u8_prepare that lays
 * out the query, and the keys u8_l2sq_keys, u8_ip_keys, u8_cosine_keys. Makes fill_u8.
 *
 * There is one sum for all three metrics: with the squared norms known, squared L2 is a dot
 * product too, exact in integers. Tested: avx2, avx512, avx512vnni, neon, dotprod.
 */
#define V(x) u8_##x

#define SUMS(x) u8_dot_##x
#include "cpu/sums_tmpl.h"

#define KERNEL(x) l2sq_u8_##x
#define SUM(x) u8_dot_##x
#define KEYS(query, sum, aux) u8_l2sq_keys(query, u8_dot(sum, aux), aux)
#include "cpu/shapes_tmpl.h"

#define KERNEL(x) ip_u8_##x
#define SUM(x) u8_dot_##x
#define KEYS(query, sum, aux) u8_ip_keys(query, u8_dot(sum, aux), aux)
#include "cpu/shapes_tmpl.h"

#define KERNEL(x) cosine_u8_##x
#define SUM(x) u8_dot_##x
#define KEYS(query, sum, aux) u8_cosine_keys(query, u8_dot(sum, aux), aux)
#include "cpu/shapes_tmpl.h"

#undef V

static void prepare_u8(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    u8_prepare(vector, dim, scratch, out);
}

static void fill_u8(ki_kernels *table, ki_isa isa)
{
    l2sq_u8_fill(&table->at[KITH_L2SQ][KITH_U8], isa);
    ip_u8_fill(&table->at[KITH_IP][KITH_U8], isa);
    cosine_u8_fill(&table->at[KITH_COSINE][KITH_U8], isa);
    for (int metric = 0; metric < KI_METRIC_COUNT; metric++) {
        table->at[metric][KITH_U8].prepare = prepare_u8;
        table->at[metric][KITH_U8].from[KI_PREPARE] = isa;
    }
}

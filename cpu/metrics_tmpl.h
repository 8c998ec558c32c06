/* metrics_tmpl.h - a template: squared L2, inner product and cosine of one widened pairing.
 *
 * Included once a pairing, with V(x) and PAIRING defined and the whole vocabulary of sums_tmpl.h
 * written, V(l2sq_step) and V(dot_step) included. The keys are those of f32. Makes V(fill).
 */
#define SUMS(x) V(l2sq_##x)
#include "cpu/sums_tmpl.h"

#define SUMS(x) V(dot_##x)
#include "cpu/sums_tmpl.h"

#define KERNEL(x) V(by_l2sq_##x)
#define SUM(x) V(l2sq_##x)
#define KEYS f32_l2sq_keys
#include "cpu/shapes_tmpl.h"

#define KERNEL(x) V(by_ip_##x)
#define SUM(x) V(dot_##x)
#define KEYS f32_ip_keys
#include "cpu/shapes_tmpl.h"

#define KERNEL(x) V(by_cosine_##x)
#define SUM(x) V(dot_##x)
#define KEYS f32_cosine_keys
#include "cpu/shapes_tmpl.h"

static void V(fill)(ki_kernels *table, ki_isa isa)
{
    V(by_l2sq_fill)(&table->at[KITH_L2SQ][PAIRING], isa);
    V(by_ip_fill)(&table->at[KITH_IP][PAIRING], isa);
    V(by_cosine_fill)(&table->at[KITH_COSINE][PAIRING], isa);
}

/* scalar_floats_tmpl.h - a template: squared L2, inner product and cosine of one pairing whose
 * queries are f32.
 *
 * Included once a pairing by scalar_floats.h, which first defines V(x), ELEMENT, the element of a
 * row, and PAIRING. Makes V(fill); all three are
 * undefined again at the end.
 */
INLINE uint32_t V(l2sq_key)(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    const unsigned char *row = row_at(rows->base, rows->stride, id);
    return ki_key_from_float(sum_of(query, row, f32_element, ELEMENT, l2sq_term));
}

INLINE uint32_t V(ip_key)(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    const unsigned char *row = row_at(rows->base, rows->stride, id);
    const float dot = sum_of(query, row, f32_element, ELEMENT, dot_term);
    return ki_key_from_float(0.0f - dot); /* so that no zero is negative */
}

INLINE uint32_t V(cosine_key)(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    const unsigned char *row = row_at(rows->base, rows->stride, id);
    const float dot = sum_of(query, row, f32_element, ELEMENT, dot_term);
    return ki_key_from_float(1.0f - dot * aux_at(rows, id).inv_norm);
}

#define KEY(x) V(l2sq_##x)
#include "cpu/scalar_tmpl.h"
#define KEY(x) V(ip_##x)
#include "cpu/scalar_tmpl.h"
#define KEY(x) V(cosine_##x)
#include "cpu/scalar_tmpl.h"

static void V(plain)(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_widened(vector, dim, scratch, out, ELEMENT, 0, 0);
}

static void V(unit)(const void *vector, uint32_t dim, void *scratch, ki_query *out)
{
    prepare_widened(vector, dim, scratch, out, ELEMENT, 1, 0);
}

static void V(fill)(ki_kernels *table)
{
    V(l2sq_fill)(&table->at[KITH_L2SQ][PAIRING], V(plain), KI_KEY_FLOAT);
    V(ip_fill)(&table->at[KITH_IP][PAIRING], V(plain), KI_KEY_FLOAT);
    V(cosine_fill)(&table->at[KITH_COSINE][PAIRING], V(unit), KI_KEY_FLOAT);
    for (int metric = KITH_L2SQ; metric <= KITH_COSINE; metric++) {
        ki_kernel *kernel = &table->at[metric][PAIRING];
        kernel->prepare_f32 = metric == KITH_COSINE ? f32_unit : f32_plain;
        kernel->from[KI_PREPARE_F32] = KI_ISA_SCALAR;
    }
}

#undef V
#undef ELEMENT
#undef PAIRING

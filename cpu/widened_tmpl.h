/* widened_tmpl.h - a template: rows of f16, u8 or i8, widened a register at a time, f32 queries.
 *
 * Included once a pairing by floats_tmpl.h, which first defines V(x), PAIRING and ROW_BITS. The
 * file of cpu/ has written V(load)(p) and V(tail)(p, left), which read f32_chunk / 4 elements and
 * widen them. The query is plain floats, so prepare stays with scalar.c. Makes V(fill); V, PAIRING
 * and ROW_BITS are undefined again at the end.
 */
#include "cpu/float_words_tmpl.h"

typedef f32_vec V(query);
enum { V(chunk) = f32_chunk * ROW_BITS / 32, V(bits_each) = ROW_BITS, V(sums) = 2 };

INLINE f32_vec V(query_at)(const unsigned char *data, size_t at)
{
    return f32_load(data + at * (32 / ROW_BITS));
}

INLINE f32_vec V(l2sq_step)(f32_vec sum, f32_vec q, f32_vec x)
{
    return f32_l2sq_step(sum, q, x);
}

INLINE f32_vec V(dot_step)(f32_vec sum, f32_vec q, f32_vec x)
{
    return f32_dot_step(sum, q, x);
}

#include "cpu/metrics_tmpl.h"

#undef V
#undef PAIRING
#undef ROW_BITS

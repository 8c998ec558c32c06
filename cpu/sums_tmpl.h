/* sums_tmpl.h - a template: the sum over the elements of one row, of four and of eight.
 *
 * Included once for each kind of sum by the template of a family, which first defines
 *
 *   SUMS(x)  the names made: one, four, with EIGHT_ROWS also eight, and helpers; the file of cpu/
 *            has written SUMS(step)(sum, q, x), which adds one chunk
 *   V(x)     the vocabulary of the type, functions and types that the file of cpu/ has written:
 *     vec, zero(), add(a, b)      one accumulator, lane by lane
 *     chunk, bits_each            bytes of a row in one chunk; bits of an element
 *     sums                        accumulators a row in a group: 2, or 1 where sums are integers,
 *                                 whose order cannot be seen (a row alone always has 2)
 *     query, query_at(data, at)   the query's side of the chunk at byte `at` of the row; reads
 *                                 the padded scratch, so it needs no tail
 *     load(p)                     one chunk of a row
 *     tail(p, left)               the same, when only `left` bytes, 1..chunk-1, may be read
 *     total                       four sums side by side
 *     total1(v), total4(a, ...)   totals of one accumulator (in lane 0), and of four
 *     totals, total8(a, ...)      of eight, as a struct {total lo, hi}; with EIGHT_ROWS
 *
 * SUMS is undefined again at the end. Tested combinations: each family's template names its own,
 * with EIGHT_ROWS in files of 512 bits and without it elsewhere.
 *
 * The promise that pair, gather and range give the same bits is kept here: chunk 0, 2, 4... go
 * to `even`, chunk 1, 3, 5... to `odd`, a tail goes where its number says, and total1, total4
 * and total8 add the lanes in one order. How many rows are in flight cannot be seen in a sum.
 */

typedef struct SUMS(two) {
    V(vec) even, odd;
} SUMS(two);

INLINE SUMS(two) SUMS(both)(SUMS(two) sum, V(query) even, V(query) odd, const unsigned char *x)
{
    sum.even = SUMS(step)(sum.even, even, V(load)(x));
    if (V(sums) == 2)
        sum.odd = SUMS(step)(sum.odd, odd, V(load)(x + V(chunk)));
    else
        sum.even = SUMS(step)(sum.even, odd, V(load)(x + V(chunk)));
    return sum;
}

/* What is left after the last whole pair of chunks: `left` < 2 * V(chunk) bytes, perhaps none. */
INLINE V(vec) SUMS(rest)(SUMS(two) sum, const unsigned char *query, const unsigned char *x,
                         size_t at, size_t left)
{
    if (left >= V(chunk)) {
        sum.even = SUMS(step)(sum.even, V(query_at)(query, at), V(load)(x + at));
        if (left > V(chunk))
            sum.odd = SUMS(step)(sum.odd, V(query_at)(query, at + V(chunk)),
                                 V(tail)(x + at + V(chunk), left - V(chunk)));
    } else if (left > 0) {
        sum.even = SUMS(step)(sum.even, V(query_at)(query, at), V(tail)(x + at, left));
    }
    return V(add)(sum.even, sum.odd);
}

INLINE V(total) SUMS(one)(const ki_query *q, const unsigned char *x)
{
    const unsigned char *query = q->data;
    const size_t bytes = ((size_t)q->dim * V(bits_each) + 7) / 8;
    SUMS(two) sum = {V(zero)(), V(zero)()};
    size_t at = 0;
    for (; at + 2 * V(chunk) <= bytes; at += 2 * V(chunk)) {
        sum.even = SUMS(step)(sum.even, V(query_at)(query, at), V(load)(x + at));
        sum.odd =
            SUMS(step)(sum.odd, V(query_at)(query, at + V(chunk)), V(load)(x + at + V(chunk)));
    }
    return V(total1)(SUMS(rest)(sum, query, x, at, bytes - at));
}

INLINE V(total) SUMS(four)(const ki_query *q, four x)
{
    const unsigned char *query = q->data;
    const size_t bytes = ((size_t)q->dim * V(bits_each) + 7) / 8;
    SUMS(two) s0 = {V(zero)(), V(zero)()}, s1 = s0, s2 = s0, s3 = s0;
    size_t at = 0;
    for (; at + 2 * V(chunk) <= bytes; at += 2 * V(chunk)) {
        const V(query) even = V(query_at)(query, at), odd = V(query_at)(query, at + V(chunk));
        s0 = SUMS(both)(s0, even, odd, x.r0 + at);
        s1 = SUMS(both)(s1, even, odd, x.r1 + at);
        s2 = SUMS(both)(s2, even, odd, x.r2 + at);
        s3 = SUMS(both)(s3, even, odd, x.r3 + at);
    }
    const size_t left = bytes - at;
    return V(total4)(SUMS(rest)(s0, query, x.r0, at, left), SUMS(rest)(s1, query, x.r1, at, left),
                     SUMS(rest)(s2, query, x.r2, at, left), SUMS(rest)(s3, query, x.r3, at, left));
}

#ifdef EIGHT_ROWS
INLINE V(totals) SUMS(eight)(const ki_query *q, four x, four y)
{
    const unsigned char *query = q->data;
    const size_t bytes = ((size_t)q->dim * V(bits_each) + 7) / 8;
    SUMS(two)
    s0 = {V(zero)(), V(zero)()}, s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
    size_t at = 0;
    for (; at + 2 * V(chunk) <= bytes; at += 2 * V(chunk)) {
        const V(query) even = V(query_at)(query, at), odd = V(query_at)(query, at + V(chunk));
        s0 = SUMS(both)(s0, even, odd, x.r0 + at);
        s1 = SUMS(both)(s1, even, odd, x.r1 + at);
        s2 = SUMS(both)(s2, even, odd, x.r2 + at);
        s3 = SUMS(both)(s3, even, odd, x.r3 + at);
        s4 = SUMS(both)(s4, even, odd, y.r0 + at);
        s5 = SUMS(both)(s5, even, odd, y.r1 + at);
        s6 = SUMS(both)(s6, even, odd, y.r2 + at);
        s7 = SUMS(both)(s7, even, odd, y.r3 + at);
    }
    const size_t left = bytes - at;
    return V(total8)(SUMS(rest)(s0, query, x.r0, at, left), SUMS(rest)(s1, query, x.r1, at, left),
                     SUMS(rest)(s2, query, x.r2, at, left), SUMS(rest)(s3, query, x.r3, at, left),
                     SUMS(rest)(s4, query, y.r0, at, left), SUMS(rest)(s5, query, y.r1, at, left),
                     SUMS(rest)(s6, query, y.r2, at, left), SUMS(rest)(s7, query, y.r3, at, left));
}
#endif

#include "cpu/tile_tmpl.h"

#undef SUMS

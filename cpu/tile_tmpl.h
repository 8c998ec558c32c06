/* tile_tmpl.h - a template: the sums of a few queries with four rows, out of the same vocabulary.
 *
 * Included by sums_tmpl.h for each kind of sum, while SUMS and V are defined; knows no more than
 * they do. shapes_tmpl.h walks a tile in blocks of SUMS(tile_queries) queries and four rows.
 *
 * The one idea: a row alone waits for memory and a query alone for the load ports, but a block of
 * 4 x 4 in registers makes sixteen steps out of eight loads. To keep the bits of the other shapes
 * there must be two accumulators a row, and 4 x 4 x 2 would be every register there is. So the
 * dimension is walked twice: even chunks first, then odd ones, each into sixteen accumulators,
 * which meet at the end exactly as in SUMS(rest). Sums of integers need one walk.
 *
 * Rows come from memory once, so while four are added up the next four, `ahead` bytes on, are asked
 * for. With 4 queries and 24 MB of f32 rows that took a seventh off, and with 256 it cost nothing.
 *
 * Half of sixteen registers of 256 bits hold 2 x 4. Accumulators, rows and queries have names, not
 * indices: GCC 12 leaves arrays of registers in memory.
 */

/* As many queries as fill half of the registers with accumulators for four rows. */
enum { SUMS(tile_queries) = TILE_BYTES / (4 * sizeof(V(vec))) };

typedef __typeof__(V(load)((const unsigned char *)0)) SUMS(row);

/* One query with four rows. */
typedef struct SUMS(quad) {
    V(vec) a, b, c, d;
} SUMS(quad);

typedef struct SUMS(block) {
    SUMS(quad) q0, q1, q2, q3;
} SUMS(block);

typedef struct SUMS(rows) {
    SUMS(row) a, b, c, d;
} SUMS(rows);

INLINE SUMS(quad) SUMS(quad_step)(SUMS(quad) sum, V(query) q, SUMS(rows) x)
{
    sum.a = SUMS(step)(sum.a, q, x.a);
    sum.b = SUMS(step)(sum.b, q, x.b);
    sum.c = SUMS(step)(sum.c, q, x.c);
    sum.d = SUMS(step)(sum.d, q, x.d);
    return sum;
}

INLINE SUMS(block) SUMS(block_step)(SUMS(block) sum, const ki_query *q, size_t at, SUMS(rows) x)
{
    sum.q0 = SUMS(quad_step)(sum.q0, V(query_at)(q[0].data, at), x);
    if (SUMS(tile_queries) >= 2)
        sum.q1 = SUMS(quad_step)(sum.q1, V(query_at)(q[1].data, at), x);
    if (SUMS(tile_queries) >= 4) {
        sum.q2 = SUMS(quad_step)(sum.q2, V(query_at)(q[2].data, at), x);
        sum.q3 = SUMS(quad_step)(sum.q3, V(query_at)(q[3].data, at), x);
    }
    return sum;
}

INLINE void SUMS(ask_ahead)(four x, size_t at)
{
    __builtin_prefetch(x.r0 + at);
    __builtin_prefetch(x.r1 + at);
    __builtin_prefetch(x.r2 + at);
    __builtin_prefetch(x.r3 + at);
}

/* One walk: every `step` bytes from `at` on a chunk, and the tail if the walk comes to it. */
INLINE SUMS(block) SUMS(walk)(const ki_query *q, four x, size_t at, size_t step, size_t ahead)
{
    const size_t bytes = ((size_t)q->dim * V(bits_each) + 7) / 8;
    const SUMS(quad) none = {V(zero)(), V(zero)(), V(zero)(), V(zero)()};
    SUMS(block) sum = {none, none, none, none};
    for (; at + V(chunk) <= bytes; at += step) {
        const SUMS(rows)
            here = {V(load)(x.r0 + at), V(load)(x.r1 + at), V(load)(x.r2 + at), V(load)(x.r3 + at)};
        sum = SUMS(block_step)(sum, q, at, here);
        SUMS(ask_ahead)(x, at + ahead);
    }
    if (at < bytes) {
        const size_t left = bytes - at;
        const SUMS(rows) here = {V(tail)(x.r0 + at, left), V(tail)(x.r1 + at, left),
                                 V(tail)(x.r2 + at, left), V(tail)(x.r3 + at, left)};
        sum = SUMS(block_step)(sum, q, at, here);
    }
    return sum;
}

INLINE V(total) SUMS(quad_total)(SUMS(quad) even, SUMS(quad) odd)
{
    return V(total4)(V(add)(even.a, odd.a), V(add)(even.b, odd.b), V(add)(even.c, odd.c),
                     V(add)(even.d, odd.d));
}

/* The totals of SUMS(tile_queries) queries with four rows; the next four are `ahead` bytes on. */
INLINE void SUMS(tile)(const ki_query *q, four x, size_t ahead, V(total) * totals)
{
    const SUMS(quad) none = {V(zero)(), V(zero)(), V(zero)(), V(zero)()};
    const size_t step = V(sums) == 2 ? 2 * V(chunk) : V(chunk);
    SUMS(block) even, odd = {none, none, none, none};
    even = SUMS(walk)(q, x, 0, step, ahead);
    if (V(sums) == 2)
        odd = SUMS(walk)(q, x, V(chunk), step, ahead);
    totals[0] = SUMS(quad_total)(even.q0, odd.q0);
    if (SUMS(tile_queries) >= 2)
        totals[1] = SUMS(quad_total)(even.q1, odd.q1);
    if (SUMS(tile_queries) >= 4) {
        totals[2] = SUMS(quad_total)(even.q2, odd.q2);
        totals[3] = SUMS(quad_total)(even.q3, odd.q3);
    }
}

/* shapes_tmpl.h - a template: pair, gather and range of one kernel, out of the sums of its rows.
 *
 * Included once for each metric by f32_tmpl.h and u8_tmpl.h, which first define
 *
 *   KERNEL(x)             the names made: pair, gather, range, fill, and helpers
 *   SUM(x)                the sums to use: one, four and, with EIGHT_ROWS, eight (sums_tmpl.h)
 *   KEYS(query, sum, aux) the order keys of four rows from their sums and side data
 *   V(x)                  the vocabulary of the type (sums_tmpl.h)
 *
 * KERNEL, SUM and KEYS are undefined again at the end. STORE(keys, v) writes four keys, FIRST(v)
 * is the key in lane 0; both come with the keys of the architecture.
 *
 * Gather asks for the rows of the whole call (if the caller wants it), then takes groups. Of what
 * is left of a call, four go as a group, then two or three as a group that repeats the last row,
 * then one goes alone. The graph asks for about twelve rows at a time, so this matters: filling
 * up a group of eight instead cost 3.5 against 3.0 ns a row for 13 rows of 128 u8, and taking
 * each of the last rows alone 3.4 against 3.0 for 11. Range is gather over numbers that it writes
 * down, so that the big loops are in the object once.
 *
 * Prefetching is the caller's to ask for. Rows in the second level do not need it: there two lines
 * a row cost up to a quarter (128 u8). Rows that come from farther away gain about a tenth when
 * the first four lines of all rows of the call are asked for at once; a group ahead, as this file
 * did first, gained nothing that could be told from noise.
 */

static uint32_t KERNEL(pair)(const ki_query *query, const ki_rows *rows, uint32_t id)
{
    const unsigned char *aux = row_at(rows->aux, rows->aux_stride, id);
    const V(total) sum = SUM(one)(query, row_at(rows->base, rows->stride, id));
    return FIRST(KEYS(query, sum, four_times(aux)));
}

INLINE void KERNEL(group4)(const ki_query *query, const ki_rows *rows, const uint32_t *ids,
                           uint32_t *keys)
{
    const V(total) sum = SUM(four)(query, four_at(rows->base, rows->stride, ids));
    STORE(keys, KEYS(query, sum, four_at(rows->aux, rows->aux_stride, ids)));
}

#ifdef EIGHT_ROWS
INLINE void KERNEL(group8)(const ki_query *query, const ki_rows *rows, const uint32_t *ids,
                           uint32_t *keys)
{
    const four x = four_at(rows->base, rows->stride, ids);
    const four y = four_at(rows->base, rows->stride, ids + 4);
    const V(totals) sum = SUM(eight)(query, x, y);
    STORE(keys, KEYS(query, sum.lo, four_at(rows->aux, rows->aux_stride, ids)));
    STORE(keys + 4, KEYS(query, sum.hi, four_at(rows->aux, rows->aux_stride, ids + 4)));
}
#endif

/* Two or three rows: empty places of the group repeat the last row, which costs no miss. */
INLINE void KERNEL(last)(const ki_query *query, const ki_rows *rows, const uint32_t *ids, size_t n,
                         uint32_t *keys)
{
    const uint32_t group[4] = {ids[0], ids[1], ids[n - 1], ids[n - 1]};
    uint32_t out[4];
    KERNEL(group4)(query, rows, group, out);
    for (size_t i = 0; i < n; i++)
        keys[i] = out[i];
}

static void KERNEL(gather)(const ki_query *query, const ki_rows *rows, const uint32_t *ids,
                           size_t n, uint32_t *keys)
{
    size_t i = 0;
    prefetch_rows(rows, ids, n);
#ifdef EIGHT_ROWS
    for (; i + 8 <= n; i += 8) {
        KERNEL(group8)(query, rows, ids + i, keys + i);
    }
#endif
    for (; i + 4 <= n; i += 4) {
        KERNEL(group4)(query, rows, ids + i, keys + i);
    }
    if (i + 1 == n)
        keys[i] = KERNEL(pair)(query, rows, ids[i]);
    else if (i < n)
        KERNEL(last)(query, rows, ids + i, n - i, keys + i);
}

static void KERNEL(range)(const ki_query *query, const ki_rows *rows, uint32_t first, size_t n,
                          uint32_t *keys)
{
    uint32_t ids[RANGE_BLOCK];
    for (size_t done = 0; done < n; done += RANGE_BLOCK) {
        const size_t count = n - done < RANGE_BLOCK ? n - done : RANGE_BLOCK;
        for (uint32_t j = 0; j < RANGE_BLOCK; j++)
            ids[j] = first + (uint32_t)done + j;
        KERNEL(gather)(query, rows, ids, count, keys + done);
    }
}

static void KERNEL(fill)(ki_kernel *kernel, ki_isa isa)
{
    kernel->pair = KERNEL(pair);
    kernel->gather = KERNEL(gather);
    kernel->range = KERNEL(range);
    kernel->from[KI_PAIR] = kernel->from[KI_GATHER] = kernel->from[KI_RANGE] = isa;
}

#undef KERNEL
#undef SUM
#undef KEYS

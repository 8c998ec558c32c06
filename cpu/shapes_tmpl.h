/* shapes_tmpl.h - a template: pair, gather, range and tile of one kernel, out of its sums.
 *
 * Included once for each metric by the template of a family, which first defines
 *
 *   KERNEL(x)             the names made: pair, gather, range, tile, fill, and helpers
 *   SUM(x)                the sums to use: one, four, tile and, with EIGHT_ROWS, eight
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
 * Eight long rows are more streams than the prefetchers of the processor follow: against groups of
 * four, f32 rows in 1 MB gain 2 to 4 % to 384 dimensions and lose 2 to 3 % from 512, and
 * at 768 in 50 MB they lose 8 %. So rows of more than EIGHT_MOST_BYTES go by four.
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
    const size_t eights = rows->stride <= EIGHT_MOST_BYTES ? n : 0;
    for (; i + 8 <= eights; i += 8) {
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

/* Four rows with all queries: whole blocks, then query by query. */
INLINE void KERNEL(tile_rows)(const ki_query *queries, size_t m, const ki_rows *rows,
                              const uint32_t *ids, uint32_t *keys, size_t stride)
{
    size_t i = 0;
    for (; i + SUM(tile_queries) <= m; i += SUM(tile_queries)) {
        V(total) sum[SUM(tile_queries)];
        const four aux = four_at(rows->aux, rows->aux_stride, ids);
        SUM(tile)(queries + i, four_at(rows->base, rows->stride, ids), 4 * rows->stride, sum);
        for (size_t j = 0; j < SUM(tile_queries); j++)
            STORE(keys + (i + j) * stride, KEYS(&queries[i + j], sum[j], aux));
    }
    for (; i < m; i++)
        KERNEL(group4)(&queries[i], rows, ids, keys + i * stride);
}

/* Queries that fit into the first level, rows that fit into the second. */
static void KERNEL(tile_part)(const ki_query *queries, size_t m, const ki_rows *rows,
                              uint32_t first, size_t n, uint32_t *keys, size_t stride)
{
    size_t j = 0;
    for (; j + 4 <= n; j += 4) {
        const uint32_t id = first + (uint32_t)j, ids[4] = {id, id + 1, id + 2, id + 3};
        KERNEL(tile_rows)(queries, m, rows, ids, keys + j, stride);
    }
    for (size_t i = 0; i < m && j < n; i++)
        KERNEL(range)(&queries[i], rows, first + (uint32_t)j, n - j, keys + i * stride + j);
}

static void KERNEL(tile)(const ki_query *queries, size_t m, const void *packed, const ki_rows *rows,
                         uint32_t first, size_t n, uint32_t *keys, size_t stride)
{
    const size_t some = tile_queries_at_once(rows, V(bits_each), sizeof(V(query)) / V(chunk));
    const size_t block = tile_rows_at_once(rows);
    (void)packed;
    for (size_t j = 0; j < n; j += block)
        for (size_t i = 0; i < m; i += some)
            KERNEL(tile_part)
    (queries + i, m - i < some ? m - i : some, rows, first + (uint32_t)j,
     n - j < block ? n - j : block, keys + i * stride + j, stride);
}

static void KERNEL(fill)(ki_kernel *kernel, ki_isa isa)
{
    kernel->pair = KERNEL(pair);
    kernel->gather = KERNEL(gather);
    kernel->range = KERNEL(range);
    kernel->pack = NULL;
    kernel->tile = KERNEL(tile);
    kernel->from[KI_PAIR] = kernel->from[KI_GATHER] = kernel->from[KI_RANGE] = isa;
    kernel->from[KI_PACK] = KI_ISA_NONE;
    kernel->from[KI_TILE] = isa;
}

#undef KERNEL
#undef SUM
#undef KEYS

/* tile.cl - exact search for many queries at once: tiles of rows meet tiles of queries.
 *
 * OpenCL C 1.2 core, behind elements.cl with LANES 4. May use 32-bit atomics in global memory; no
 * sub-groups, no 64-bit atomics, at most 25 KiB of local memory, which comes as an argument;
 * barriers only at the top level or in loops whose trip count is the same for the whole group: see
 * scan.cl.
 *
 * The one idea: a group of 256 computes 128 rows by 64 queries, so that a float once in local
 * memory is used 64 or 128 times, and an item 8 rows by 4 queries, so that one in a register is
 * used 4 or 8 times: 32 multiply-adds for 3 loads of 16 bytes. A result that comes before its
 * query's limit is appended to the query's list; kith_cut in scan.cl makes answers and a new limit
 * of the lists between launches. A list that is too short for what one launch finds says so, and
 * the query is given to scan.cl.
 *
 * The elements of a row are added in the order of scan.cl, in its runs, so that the sums are the
 * same bits, and an answer does not depend on how many queries came with it. Squared distances of
 * floats are therefore sums of squared differences here as well. Norms and products would halve the
 * arithmetic; they cancel where rows are far from the origin, and such a query is scanned again on
 * the host.
 *
 * On a CPU driver this is ten times slower than scan.cl, 2 against 23 billion products a second on
 * two cores (f32, 128 elements, 128 queries), where a group is a loop and local memory only more of
 * the same cache; there it is used in tests alone.
 *
 * Tiles are taken in strides over the whole buffer, not one after the other: the first ones are
 * then a sample of all rows, and the limits hold where rows come sorted or in clusters.
 */
#define TILE_ROWS 128u
#define TILE_QUERIES 64u
#define ITEMS 256u
#define ROW_QUADS (TILE_ROWS / 4u)

/* Words of a row that are in local memory at a time; a divisor of RUN_WORDS. */
#if ELEMENTS == 1
#define STEP 16u
#else
#define STEP 8u
#endif
#define STEP_FLOATS (STEP * ELEMENTS)

/* Words first .. first + STEP of the rows of one tile, as floats, element by element; zeros behind
 * the last word. */
static void load_rows(uint item, __global const uint *rows, uint first_row, uint first, uint words,
                      __local float *to)
{
#pragma unroll
    for (uint i = item; i < STEP * ROW_QUADS; i += ITEMS) {
        const uint w = i / ROW_QUADS;
        const uint quad = i % ROW_QUADS * 4u;
        const uint row = first_row + quad;
        __global const uint *from =
            rows + ((size_t)(row / BLOCK) * words + first + w) * BLOCK + row % BLOCK;
        wfloat x[ELEMENTS];
        widen(first + w < words ? vload4(0, from) : (wuint)(0), x);
#pragma unroll
        for (uint e = 0; e < ELEMENTS; e++)
            vstore4(x[e], 0, to + (w * ELEMENTS + e) * TILE_ROWS + quad);
    }
}

/* The same of the queries of one tile, which lie word by word, and in a word query by query. */
static void load_queries(uint item, __global const float *queries, uint first, uint words,
                         __local float *to)
{
    const uint there = min(STEP, words - first) * TILE_QUERIES * ELEMENTS;
    queries += (size_t)first * (TILE_QUERIES * ELEMENTS);
#pragma unroll
    for (uint i = item; i < STEP_FLOATS * TILE_QUERIES; i += ITEMS) {
        const uint w = i / (TILE_QUERIES * ELEMENTS);
        const uint query = i / ELEMENTS % TILE_QUERIES;
        to[(w * ELEMENTS + i % ELEMENTS) * TILE_QUERIES + query] = i < there ? queries[i] : 0.0f;
    }
}

/* Adds what is in local memory to the sums of 8 rows by 4 queries: rows 4x .. and 64 + 4x .., so
 * that neighbouring items read neighbouring words. */
static void add_step(__local const float *rows, __local const float *queries, wpart part[4][2])
{
#pragma unroll
    for (uint f = 0; f < STEP_FLOATS; f++) {
        const wfloat low = vload4(0, rows + f * TILE_ROWS);
        const wfloat high = vload4(0, rows + f * TILE_ROWS + TILE_ROWS / 2u);
        float y[4];
        vstore4(vload4(0, queries + f * TILE_QUERIES), 0, y);
#pragma unroll
        for (uint q = 0; q < 4u; q++) {
#if METRIC == 0 && !WHOLE
            const wfloat a = low - y[q];
            const wfloat b = high - y[q];
            part[q][0] = MULTIPLY_ADD(a, a, part[q][0]);
            part[q][1] = MULTIPLY_ADD(b, b, part[q][1]);
#else
            part[q][0] = MULTIPLY_ADD(low, (wfloat)(y[q]), part[q][0]);
            part[q][1] = MULTIPLY_ADD(high, (wfloat)(y[q]), part[q][1]);
#endif
        }
    }
}

/* Ends a run of words: see add_rows in elements.cl. */
static void end_run(wpart part[4][2], wsum sum[4][2])
{
#pragma unroll
    for (uint i = 0; i < 8u; i++) {
        sum[i / 2u][i % 2u] += SUM_OF(part[i / 2u][i % 2u]);
        part[i / 2u][i % 2u] = (wpart)(0);
    }
}

/* Appends those of four rows that come before the limit, are live and are no padding. Not inlined:
 * it is rare. */
__attribute__((noinline)) static void
append(wuint keys, uint row, uint count, uint first_row, __global const uint *live, uint all_live,
       ulong limit, volatile __global uint *held, uint capacity, __global ulong *list)
{
    uint key[4];
    vstore4(keys, 0, key);
    for (uint i = 0; i < 4u; i++) {
        const uint r = row + i;
        const ulong entry = (ulong)key[i] << 32 | (first_row + r);
        if (entry < limit && r < count && (all_live || (live[r / 32] >> (r % 32) & 1u))) {
            const uint place = atomic_inc(held);
            if (place < capacity)
                list[place] = entry;
        }
    }
}

/* Dimension 0: tiles of rows, numbers first_tile .. of the visiting order, in which tile i of
 * tile_count is i * stride modulo tile_count. Dimension 1: tiles of queries. The buffer is padded
 * to whole tiles, and so are the queries, with a limit of 0. counts as in kith_cut. */
__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void
kith_tile(__global const uint *restrict rows, __global const uint *restrict sides,
          __global const uint *restrict live, uint all_live, uint count, uint first_row, uint words,
          __global const float *restrict queries, __global const uint *restrict query_sides,
          uint first_tile, uint tile_count, uint stride, __global const ulong *restrict limits,
          volatile __global uint *counts, uint capacity, __global ulong *lists,
          __local float *row_part, __local float *query_part)
{
    const uint item = (uint)get_local_id(0);
    const uint x = item % 16u * 4u;
    const uint y = item / 16u * 4u;
    const uint order = first_tile + (uint)get_group_id(0);
    const uint tile = (uint)((ulong)order * stride % tile_count) * TILE_ROWS;
    const uint first_query = (uint)get_group_id(1) * TILE_QUERIES;
    wpart part[4][2];
    wsum sum[4][2];
#pragma unroll
    for (uint i = 0; i < 8u; i++) {
        part[i / 2u][i % 2u] = (wpart)(0);
        sum[i / 2u][i % 2u] = (wsum)(0);
    }
    queries += (size_t)first_query * words * ELEMENTS;
    for (uint first = 0; first < words; first += STEP) {
        load_rows(item, rows, tile, first, words, row_part);
        load_queries(item, queries, first, words, query_part);
        barrier(CLK_LOCAL_MEM_FENCE);
        add_step(row_part + x, query_part + y, part);
        if ((first + STEP) % RUN_WORDS == 0u)
            end_run(part, sum);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    end_run(part, sum);
#pragma unroll
    for (uint i = 0; i < 8u; i++) {
        const uint row = tile + x + i % 2u * (TILE_ROWS / 2u);
        const uint query = first_query + y + i / 2u;
        const ulong limit = limits[query];
        const wuint keys =
            key_of(sum[i / 2u][i % 2u], vload4(0, sides + row), query_sides[query]);
        if (any(keys <= (wuint)((uint)(limit >> 32))))
            append(keys, row, count, first_row, live, all_live, limit, counts + 2u * query,
                   capacity, lists + (size_t)query * capacity);
    }
}

/* select.cl - the k smallest of many order keys, for a k that no local list holds.
 *
 * OpenCL C 1.2 core, behind elements.cl. May use 32-bit atomics in local and global memory; no
 * sub-groups, no 64-bit atomics, 1 KiB of local memory, which comes as an argument; barriers only
 * at the top level or in loops whose trip count is the same for the whole group: see scan.cl.
 *
 * The one idea: the k-th smallest (key, row) is found digit by digit, eight bits at a time, from
 * the top: count how often each digit occurs among the entries that share the digits found so
 * far, and the counts say which digit is next. With the last digit there is exactly one entry at
 * the limit, so that ties need no thought, and everything up to it is the answer, unsorted. Most
 * searches know the limit after three or four digits: the counts show when all of a digit's
 * entries are wanted, and what is left of the eight rounds then does nothing.
 */
#ifndef GROUP
#define GROUP 64 /* work-items of a group */
#endif
#define BINS 256

#if GROUP == 1
#define SYNC() /* a group of one has nobody to wait for */
#define COUNT(p) (++*(p))
#else
#define SYNC() barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)
#define COUNT(p) atomic_inc(p)
#endif

#if PART < 8

#define TILE (GROUP * LANES)

/* The order keys of `strip_rows` rows a group, from first_row of one buffer, for the queries of one
 * pass: keys[q * step + row - first_row]. All numbers of rows are multiples of TILE but count, the
 * rows there are. Rows that are dead have keys like any other. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
kith_keys(__global const uint *restrict rows, __global const uint *restrict sides, uint count,
          uint words, __global const float *restrict queries,
          __global const uint *restrict query_sides, uint first_row, uint first_strip,
          uint strip_rows, uint step, __global uint *keys)
{
    const uint item = (uint)get_local_id(0);
    const uint begin = first_row + (first_strip + (uint)get_group_id(0)) * strip_rows;
    const uint end = min(begin + strip_rows, first_row + step);
    for (uint row = begin + item * LANES; row < min(end, count); row += TILE) {
        wsum sum[Q];
        add_rows(rows + (size_t)(row / BLOCK) * words * BLOCK + row % BLOCK, queries, words, sum);
        const wuint side = LOAD(sides + row);
#pragma unroll
        for (uint q = 0; q < Q; q++) {
            const wuint key = key_of(sum[q], side, query_sides[q]);
            __global uint *to = keys + (size_t)q * step + (row - first_row);
#if LANES == 1
            *to = key;
#else
            JOIN(vstore, LANES)(key, 0, to);
#endif
        }
    }
}

#endif

#if PART == 0 || PART >= 8

/* What is known of a query's limit. An entry shares the digits found so far when it equals
 * `limit` above the lowest `shift` bits; with shift 0 the limit is final. */
typedef struct {
    ulong limit;
    uint want; /* the limit is the want-th smallest of those that share its digits */
    uint shift;
    uint taken; /* entries gathered */
    uint unused;
} pick;

#if PART != 9
/* Row i of the slice as an entry, when it takes part. */
static bool takes_part(uint i, uint count, __global const uint *live, uint first_bit, uint all_live)
{
    const uint bit = first_bit + i;
    return i < count && (all_live || (live[bit / 32] >> (bit % 32) & 1u));
}
#endif

#if PART == 0 || PART == 8
/* The counts of the next digit, of `strip_rows` rows a group; dimension 1 is the query. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
kith_count(__global const uint *restrict keys, uint step, uint count, uint strip_rows,
           __global const uint *restrict live, uint first_bit, uint all_live, uint first_row,
           __global const pick *picks, __global uint *digits, __local uint *bins)
{
    const uint item = (uint)get_local_id(0);
    const uint query = (uint)get_group_id(1);
    const uint begin = (uint)get_group_id(0) * strip_rows;
    const uint shift = picks[query].shift;
    const ulong limit = picks[query].limit;
    const uint end = shift > 0 ? begin + strip_rows : begin;
    keys += (size_t)query * step;
    digits += (size_t)query * BINS;
    for (uint i = item; i < BINS; i += GROUP)
        bins[i] = 0;
    SYNC();
    for (uint i = begin + item; i < min(end, step); i += GROUP) {
        const ulong entry = (ulong)keys[i] << 32 | (first_row + i);
        const bool shares = shift == 64 || (entry ^ limit) >> (shift & 63u) == 0;
        if (shares && takes_part(i, count, live, first_bit, all_live))
            COUNT(&bins[(uint)(entry >> ((shift - 8u) & 63u)) & (BINS - 1u)]);
    }
    SYNC();
    for (uint i = item; i < BINS; i += GROUP)
        if (bins[i] > 0)
            atomic_add(&digits[i], bins[i]);
}
#endif

#if PART == 0 || PART == 9
/* The digit that the want-th smallest has, from the counts. Fewer entries than are wanted: all. */
static void choose(__global pick *p, __global const uint *digits)
{
    uint digit = 0, before = 0;
    while (digit < BINS && before + digits[digit] < p->want)
        before += digits[digit++];
    if (p->shift == 0)
        return;
    if (digit == BINS) {
        p->limit = 0xfffffffffffffffful;
        p->shift = 0;
        return;
    }
    p->shift -= 8;
    p->limit |= (ulong)digit << p->shift;
    p->want -= before;
    if (digits[digit] == p->want) {
        p->limit |= (1ul << p->shift) - 1;
        p->shift = 0;
    }
}

/* One group a query. The counts are zeros afterwards. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
kith_choose(__global pick *picks, __global uint *digits)
{
    const uint item = (uint)get_local_id(0);
    const uint query = (uint)get_group_id(0);
    digits += (size_t)query * BINS;
    if (item == 0)
        choose(&picks[query], digits);
    SYNC();
    for (uint i = item; i < BINS; i += GROUP)
        digits[i] = 0;
}
#endif

#if PART == 0 || PART == 10
/* Every entry up to the limit, in no order; there are at most k. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
kith_gather(__global const uint *restrict keys, uint step, uint count, uint strip_rows,
            __global const uint *restrict live, uint first_bit, uint all_live, uint first_row,
            __global pick *picks, uint k, __global ulong *chosen)
{
    const uint query = (uint)get_group_id(1);
    const uint begin = (uint)get_group_id(0) * strip_rows;
    const ulong limit = picks[query].limit;
    keys += (size_t)query * step;
    chosen += (size_t)query * k;
    for (uint i = begin + (uint)get_local_id(0); i < min(begin + strip_rows, step); i += GROUP) {
        const ulong entry = (ulong)keys[i] << 32 | (first_row + i);
        if (entry <= limit && takes_part(i, count, live, first_bit, all_live)) {
            const uint place = atomic_inc(&picks[query].taken);
            if (place < k)
                chosen[place] = entry;
        }
    }
}
#endif

#endif

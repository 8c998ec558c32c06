/* scan.cl - exact search: every row against Q queries, and the k best of each kept on the way.
 *
 * OpenCL C 1.2 core, behind elements.cl. May use 32-bit atomics in local and global memory; no
 * sub-groups, no 64-bit atomics, at most 32 KiB of local memory.
 *
 * The one idea: almost no row is near, so the common path of a row is one comparison. A work-group
 * walks a strip of rows for Q queries; a row whose key beats the query's bound is appended to a
 * list in global memory, and only when a list has no room for one more tile is it sorted, cut to
 * k, and the bound lowered. Bounds are shared between strips through atomic_min: they only fall,
 * so a stale one, read without an atomic, costs work and never an answer. kith_merge makes one
 * list of the strips' lists. Whatever the split, a query's answer is the same. kith_cut does for
 * tile.cl what cut_lists does here.
 *
 * A barrier stands at the top level or in a loop whose trip count is the same for the whole
 * group, never under an if: a CPU driver in wide use returns wrong neighbours otherwise, without
 * an error. Conditions are loops of zero trips. For the same driver, local memory comes as an
 * argument of the kernel: an array declared in the kernel is a different one in a function that
 * was not inlined.
 */
#ifndef GROUP
#define GROUP 64 /* work-items of a group */
#endif
#define TILE (GROUP * LANES) /* rows of one step of a group; a multiple or divisor of BLOCK */
#define SORT 2048            /* the longest list; 16 KiB */
#define NONE 0xfffffffffffffffful

#if GROUP == 1
#define SYNC() /* a group of one has nobody to wait for */
#else
#define SYNC() barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)
#endif

/* Sorts scratch[0 .. size), a power of two or 0, ascending. `size` is the same in the group. */
static void sort_scratch(uint item, __local ulong *scratch, uint size)
{
    for (uint width = 2; width <= size; width <<= 1) {
        for (uint stride = width >> 1; stride > 0; stride >>= 1) {
            for (uint i = item; i < size / 2; i += GROUP) {
                const uint low = (i / stride) * stride * 2 + i % stride;
                const ulong a = scratch[low];
                const ulong b = scratch[low + stride];
                const bool swap = (a > b) != ((low & width) != 0);
                scratch[low] = swap ? b : a;
                scratch[low + stride] = swap ? a : b;
            }
            SYNC();
        }
    }
}

/* The power of two that holds n keys, at least 16. */
static uint sort_size(uint n)
{
    return n <= 16 ? 16 : 1u << (32 - clz(n - 1));
}

/* One query's state in its group: how many keys its list holds and what a key must beat. */
typedef struct {
    ulong bound;    /* the k-th key of this strip so far */
    uint bound_key; /* the lowest k-th distance that any strip has seen; ties still enter */
    uint held;
} best;

#if PART < 2

/* Sorts the lists of all queries that hold at least full_at keys and cuts them to k. The whole
 * group calls it, with the same arguments, after a SYNC; it ends with one. */
static void cut_lists(uint item, __local best *state, __local ulong *scratch,
                      __global ulong *lists, size_t list_step, uint full_at, uint k,
                      volatile __global uint *bounds)
{
    for (uint q = 0; q < Q; q++) {
        __global ulong *list = lists + q * list_step;
        const uint held = state[q].held;
        const uint size = held >= full_at ? sort_size(max(held, k)) : 0;
        for (uint i = item; i < size; i += GROUP)
            scratch[i] = i < held ? list[i] : NONE;
        SYNC();
        sort_scratch(item, scratch, size);
        for (uint i = item; i < min(size, k); i += GROUP)
            list[i] = scratch[i];
        if (item == 0 && size > 0) {
            state[q].held = min(held, k);
            state[q].bound = scratch[k - 1];
            atomic_min(&bounds[q], (uint)(scratch[k - 1] >> 32));
        }
        SYNC();
    }
}

/* How many times the group must cut its lists now: 1 if any is too full for a further tile. */
static uint cuts_due(__local const best *state, uint full_at)
{
    uint due = 0;
#pragma unroll
    for (uint q = 0; q < Q; q++)
        due |= (uint)(state[q].held >= full_at);
    return due;
}

/* Appends those of LANES rows that beat the bound, are live and are no padding. Not inlined: it is
 * rare, and Q copies of it cost more time to compile than all the rest. */
__attribute__((noinline)) static void
offer(wuint keys, uint row, uint count, uint first_row, __global const uint *live, uint all_live,
      __local best *state, __global ulong *list)
{
    uint key[LANES];
#if LANES == 1
    key[0] = keys;
#else
    JOIN(vstore, LANES)(keys, 0, key);
#endif
    for (uint i = 0; i < LANES; i++) {
        const uint r = row + i;
        const ulong entry = (ulong)key[i] << 32 | (first_row + r);
        if (key[i] <= state->bound_key && r < count && entry < state->bound) {
            if (all_live || (live[r / 32] >> (r % 32) & 1u))
                list[atomic_inc(&state->held)] = entry;
        }
    }
}

/* Rows strip * strip_rows .. of one buffer against the queries of one pass; passes are dimension
 * 0, so that neighbours in time read the same rows while a cache holds them. strip_rows is a
 * multiple of TILE and the buffer is padded to whole tiles. List s of query n starts at
 * lists + (n * list_count + s) * capacity and ends sorted, k keys, NONE behind the last. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
kith_scan(__global const uint *restrict rows, __global const uint *restrict sides,
          __global const uint *restrict live, uint all_live, uint count, uint first_row, uint words,
          __global const float *restrict queries, __global const uint *restrict query_sides,
          uint first_group, uint first_strip, uint strip_rows, uint first_list, uint list_count,
          uint k, uint capacity, __global ulong *lists, volatile __global uint *bounds,
          __local ulong *scratch, __local best *state)
{
    const uint item = (uint)get_local_id(0);
    const uint strip = first_strip + (uint)get_group_id(1);
    const size_t first_query = (size_t)(first_group + (uint)get_group_id(0)) * Q;
    const uint begin = strip * strip_rows;
    const uint end = begin + min(count - begin, strip_rows);
    const size_t list_step = (size_t)list_count * capacity;
    queries += first_query * words * ELEMENTS;
    query_sides += first_query;
    bounds += first_query;
    lists += first_query * list_step + (size_t)(first_list + strip) * capacity;

    for (uint q = item; q < Q; q += GROUP) {
        state[q].bound = NONE;
        state[q].bound_key = bounds[q];
        state[q].held = 0;
    }
    SYNC();
    /* One round more than there are tiles: the last computes nothing and sorts every list, an empty
     * one too, which then holds k times NONE. */
    for (uint tile = begin; tile < end + TILE; tile += TILE) {
        const uint row = tile + item * LANES;
        if (tile < end) {
            wsum sum[Q];
            add_rows(rows + (size_t)(row / BLOCK) * words * BLOCK + row % BLOCK, queries, words,
                     sum);
            const wuint side = LOAD(sides + row);
#pragma unroll
            for (uint q = 0; q < Q; q++) {
                const wuint keys = key_of(sum[q], side, query_sides[q]);
                if (ANY(keys <= (wuint)(state[q].bound_key)))
                    offer(keys, row, count, first_row, live, all_live, &state[q],
                          lists + q * list_step);
            }
        }
        SYNC();
        const uint full_at = tile < end ? capacity - TILE + 1 : 0;
        for (uint due = cuts_due(state, full_at); due > 0; due--)
            cut_lists(item, state, scratch, lists, list_step, full_at, k, bounds);
        for (uint q = item; q < Q; q += GROUP)
            state[q].bound_key = min((uint)(state[q].bound >> 32), bounds[q]);
        SYNC();
    }
}

#endif

#if PART == 0 || PART == 2

/* The k best of list_count sorted lists, one group a query, through the same bound and sort. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
kith_merge(__global const ulong *restrict lists, uint first_query, uint list_count, uint k,
           uint capacity, __global ulong *answers, __local ulong *scratch, __local best *state)
{
    const uint item = (uint)get_local_id(0);
    const uint query = first_query + (uint)get_group_id(0);
    const uint entries = list_count * k;
    const uint full_at = SORT - GROUP + 1;
    lists += (size_t)query * list_count * capacity;
    answers += (size_t)query * k;
    if (item == 0) {
        state->held = 0;
        state->bound = NONE;
    }
    SYNC();
    for (uint first = 0; first < entries + GROUP; first += GROUP) {
        const uint entry = first + item;
        if (entry < entries) {
            const ulong key = lists[(size_t)(entry / k) * capacity + entry % k];
            if (key < state->bound)
                scratch[atomic_inc(&state->held)] = key;
        }
        SYNC();
        /* The last round reads nothing and sorts whatever there is. */
        const uint n = state->held;
        const uint size = n >= full_at || first >= entries ? sort_size(max(n, k)) : 0;
        for (uint i = n + item; i < size; i += GROUP)
            scratch[i] = NONE;
        SYNC();
        sort_scratch(item, scratch, size);
        if (item == 0 && size > 0) {
            state->held = min(n, k);
            state->bound = scratch[k - 1];
        }
        SYNC();
    }
    for (uint i = item; i < k; i += GROUP)
        answers[i] = scratch[i];
}

#endif

#if PART == 0 || PART == 5

/* Merges what tile.cl has appended to the lists with the answers so far, one group a query. counts
 * holds two words a query: the keys of its list, which is empty afterwards, and 1 when it once got
 * more keys than it has room for; such a query wants nothing further. `held` is k, or 0 when there
 * are no answers yet. limits gets what a further key must be below. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
kith_cut(__global const ulong *restrict lists, __global uint *counts, __global ulong *limits,
         uint first_query, uint k, uint capacity, uint held, __global ulong *answers,
         __local ulong *scratch, __local best *state)
{
    const uint item = (uint)get_local_id(0);
    const uint query = first_query + (uint)get_group_id(0);
    const uint given = counts[2 * query];
    const uint entries = held + min(given, capacity);
    const uint full_at = SORT - GROUP + 1;
    lists += (size_t)query * capacity;
    answers += (size_t)query * k;
    if (item == 0) {
        state->held = 0;
        state->bound = NONE;
    }
    SYNC();
    for (uint first = 0; first < entries + GROUP; first += GROUP) {
        const uint entry = first + item;
        if (entry < entries) {
            const ulong key = entry < held ? answers[entry] : lists[entry - held];
            if (key < state->bound)
                scratch[atomic_inc(&state->held)] = key;
        }
        SYNC();
        /* The last round reads nothing and sorts whatever there is. */
        const uint n = state->held;
        const uint size = n >= full_at || first >= entries ? sort_size(max(n, k)) : 0;
        for (uint i = n + item; i < size; i += GROUP)
            scratch[i] = NONE;
        SYNC();
        sort_scratch(item, scratch, size);
        if (item == 0 && size > 0) {
            state->held = min(n, k);
            state->bound = scratch[k - 1];
        }
        SYNC();
    }
    for (uint i = item; i < k; i += GROUP)
        answers[i] = scratch[i];
    if (item == 0) {
        const uint lost = counts[2 * query + 1] | (uint)(given > capacity);
        counts[2 * query] = 0;
        counts[2 * query + 1] = lost;
        limits[query] = lost ? 0 : scratch[k - 1];
    }
}

#endif

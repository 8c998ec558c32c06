/* walk.cl - a walk over a graph, one work-group a query, from the entry to the nearest rows.
 *
 * OpenCL C 1.2 core, behind elements.cl, lines.cl and pool.cl, PART=3. May use 32-bit atomics in
 * local memory; no sub-groups, no 64-bit atomics, at most 32 KiB of local memory, all of it
 * arguments of the kernel, barriers only at the top level or in loops whose trip count is the same
 * for the whole group: see scan.cl. It is the walk of index/walk.c, step by step, so answers and
 * hops are its.
 *
 * The one idea: a group keeps all that a query has in local memory: its pool (pool.cl), the links
 * of a hop, and which rows were seen. A hop has six barriers: behind the links, those that are new,
 * their sums, those that are near, these side by side, and the pool.
 *
 * Which rows were seen is remembered in a table that forgets: a row has two places in it, and when
 * both are taken it takes the second. Answers and hops are those of an exact set all the same.
 * Whoever finds itself in the table was seen. A row that was forgotten is measured again, and
 * either is in the pool, where a search by (key, id) finds it and drops it; or was once refused by
 * a full pool, or pushed out of one. Then the last entry of the pool was nearer, and since the
 * last of a full pool only comes nearer, it is refused again, without any effect. In the layers
 * above a row seen before is no nearer than the nearest one so far. With a single place a row
 * measured a third more rows (20,000 clustered rows, ef 64, 1024 places): two rows of one place
 * turn each other out again and again. Tried on paper and lost: an exact hash that is cleared when
 * half full wants probing, a count and a refill.
 *
 * Several groups a query would shorten the walk of a single query, but what they find depends on
 * who is first. So one query is one group, and for few queries the group is larger.
 */
#if PART == 3

#define NOWHERE 0xffffffffu
#define MASK_WORDS 8 /* a bit for each of 256 links */

/* What a walk reads, and its local memory. */
typedef struct {
    __global const uint *lines;  /* rows, `stride` words each, padded with zeros */
    __global const uint *sides;  /* of rows */
    __global const uint *live;   /* a bit a row; not read when all are */
    __global const float *query; /* LANES elements side by side, as add_words wants them */
    uint query_side, stride, all_live;
    __local uint *sums;  /* TEAM for each link */
    __local uint *ids;   /* of the hop, and as many links before they are sifted */
    __local ulong *near; /* entries of a hop: those that matter, and all */
    __local uint *table; /* who was here last, plus 1; 0: nobody */
    __local uint *mask;  /* a bit a link; zeros between uses */
    __local uint *state;
    uint slots, shift, widest, distances, hops;
} walk;

/* One layer. */
typedef struct {
    __global const uint *links;
    __global const uint *row; /* what an id stands for; not read in layer 0 */
    uint degree, count, bottom;
} layer;

static uint slot_of(const walk *w, uint id)
{
    return (id * 2654435761u) >> w->shift;
}

/* Where a row that is met goes in the table: to its first place if that is empty, else to its
 * second; NOWHERE if it is in either. */
static uint place_to_go(const walk *w, uint id)
{
    const uint first = slot_of(w, id), second = (id * 2246822519u) >> w->shift;
    const uint there = w->table[first];
    const bool seen = there == id + 1 || w->table[second] == id + 1;
    return seen ? NOWHERE : there == 0 ? first : second;
}

#if GROUP > 1
/* The bits of the mask, and those before bit d. */
static uint rank_of(__local const uint *mask, uint d)
{
    uint rank = popcount(mask[d / 32] & ((1u << d % 32) - 1u));
    for (uint i = 0; i < d / 32; i++)
        rank += popcount(mask[i]);
    return rank;
}

static uint bits_of(__local const uint *mask)
{
    uint bits = 0;
    for (uint i = 0; i < MASK_WORDS; i++)
        bits += popcount(mask[i]);
    return bits;
}
#endif

/* Nobody was seen but one, if `slots` is all there are; if it is 0, nothing changes. */
static void forget(uint item, const walk *w, uint slots, uint id)
{
    for (uint i = item; i < slots; i += GROUP)
        w->table[i] = i == slot_of(w, id) ? id + 1 : 0;
    SYNC();
}

/* Writes those links of a node that are not known to be seen to ids, in their order, and marks
 * them. Links end at a number that no node has. Of two that go to one place in the table the higher
 * one takes it, so that what is forgotten does not depend on which item was first. */
#if GROUP == 1
static void sift(uint item, const walk *w, const layer *in, uint node, uint *n)
{
    __global const uint *links = in->links + (size_t)node * in->degree;
    __local uint *goal = (__local uint *)w->near; /* nobody's until rows are measured */
    uint held = 0;
    for (uint d = 0; d < in->degree && links[d] < in->count; d++) {
        w->ids[held] = links[d];
        goal[held] = place_to_go(w, links[d]);
        held += goal[held] != NOWHERE;
    }
    for (uint i = 0; i < held; i++)
        w->table[goal[i]] = 0;
    for (uint i = 0; i < held; i++)
        w->table[goal[i]] = max(w->table[goal[i]], w->ids[i] + 1);
    *n = held;
}
#else
static void sift(uint item, const walk *w, const layer *in, uint node, uint *n)
{
    __global const uint *links = in->links + (size_t)node * in->degree;
    __local uint *goal = (__local uint *)w->near; /* nobody's until rows are measured */
    __local uint *all = w->ids + w->widest;
    for (uint d = item; d < in->degree; d += GROUP) {
        const uint id = links[d];
        all[d] = id;
        goal[d] = id < in->count ? place_to_go(w, id) : NOWHERE;
        if (goal[d] != NOWHERE)
            atomic_or(&w->mask[d / 32], 1u << d % 32);
    }
    SYNC();
    for (uint d = item; d < in->degree; d += GROUP) {
        if (goal[d] != NOWHERE) {
            w->ids[rank_of(w->mask, d)] = all[d];
            w->table[goal[d]] = 0;
        }
    }
    *n = bits_of(w->mask);
    SYNC();
    for (uint d = item; d < in->degree; d += GROUP)
        if (goal[d] != NOWHERE)
            atomic_max(&w->table[goal[d]], all[d] + 1);
    for (uint i = item; i < MASK_WORDS; i += GROUP)
        w->mask[i] = 0;
    if (item == 0)
        w->state[NEXT] = 0xffffffffu;
}
#endif

/* Measures the first n of ids: TEAM parts of a sum for each. */
static void measure(uint item, const walk *w, const layer *in, uint n)
{
    for (uint i = item / TEAM; i < n; i += GROUP / TEAM) {
        const uint id = w->ids[i];
        const uint row = in->bottom ? id : in->row[id];
        wsum sum[OWN];
        add_line(w->lines + (size_t)row * w->stride, w->query, w->stride, item % TEAM, sum);
        w->sums[i * TEAM + item % TEAM] = fold(sum);
    }
    SYNC();
}

/* The entry of number i of those that were measured. */
static ulong entry_of(const walk *w, const layer *in, uint i)
{
    const total sum = add_team(w->sums + i * TEAM);
    const uint id = w->ids[i];
    const uint row = in->bottom ? id : in->row[id];
    const uint key = key_of((wsum)(sum), (wuint)(w->sides[row]), w->query_side).s0;
    const uint alive = !in->bottom || w->all_live || (w->live[row / 32] >> row % 32 & 1u);
    return (ulong)key << 32 | (ulong)id << 2 | (alive ? 0u : DEAD);
}

/* Layer l of the graph. `upper` starts with five numbers for each layer above the lowest: where
 * in `upper` its links, `down` and `row` begin, its degree, how many ids it has. */
static layer upper_layer(__global const uint *upper, uint l)
{
    __global const uint *head = upper + 5 * (l - 1);
    const layer in = {upper + head[0], upper + head[2], head[3], head[4], 0};
    return in;
}

/* From layer to layer, in each to the nearest neighbour as long as that is nearer. One loop for
 * all: a driver took 1.6 times as long to compile one in another. Every item keeps `best` for
 * itself; in the end it is an entry of layer 0. */
static void descend(uint item, walk *w, __global const uint *upper, uint layers, ulong *best)
{
    bool arrived = true;
    for (uint l = layers - 1; l > 0;) {
        const layer in = upper_layer(upper, l);
        const ulong before = *best;
        uint n;
        forget(item, w, arrived ? w->slots : 0, ID_OF(before));
        sift(item, w, &in, ID_OF(before), &n);
        measure(item, w, &in, n);
        for (uint i = item; i < n; i += GROUP)
            w->near[i] = entry_of(w, &in, i);
        SYNC();
        for (uint i = 0; i < n; i++)
            *best = min(*best, w->near[i]);
        w->distances += n;
        w->hops++;
        arrived = *best == before;
        if (arrived) {
            __global const uint *down = upper + upper[5 * (l - 1) + 1];
            *best = before >> 32 << 32 | (ulong)down[ID_OF(before)] << 2;
            l--;
        }
    }
}

/* Of the n that were measured, those that the pool wants and does not have, in the order of the
 * links, to the front of near. */
#if GROUP == 1
static void choose(uint item, const walk *w, const layer *in, __local const ulong *pool, uint size,
                   bool full, uint n, uint *chosen)
{
    const ulong last = full ? pool[size - 1] : NONE;
    uint held = 0;
    for (uint i = 0; i < n; i++) {
        const ulong entry = entry_of(w, in, i);
        const uint place = entry < last ? place_of(pool, size, entry) : 0;
        w->near[held] = entry;
        held += entry < last && (place == size || pool[place] >> 2 != entry >> 2);
    }
    *chosen = held;
}
#else
static void choose(uint item, const walk *w, const layer *in, __local const ulong *pool, uint size,
                   bool full, uint n, uint *chosen)
{
    __local ulong *all = w->near + w->widest;
    const ulong last = full ? pool[size - 1] : NONE;
    for (uint i = item; i < n; i += GROUP) {
        const ulong entry = entry_of(w, in, i);
        all[i] = entry;
        if (entry < last) {
            const uint place = place_of(pool, size, entry);
            if (place == size || pool[place] >> 2 != entry >> 2)
                atomic_or(&w->mask[i / 32], 1u << i % 32);
        }
    }
    SYNC();
    for (uint i = item; i < n; i += GROUP)
        if (w->mask[i / 32] >> i % 32 & 1u)
            w->near[rank_of(w->mask, i)] = all[i];
    *chosen = bits_of(w->mask);
    SYNC();
}
#endif

/* Best first, from an entry of layer 0. The pool ends in *at, with *size entries; more than `room`
 * if the query was given up. */
static void search(uint item, walk *w, const layer *in, ulong start, uint ef, uint room,
                   uint list_step, __local ulong **at, uint *size)
{
    __local ulong *pool = *at, *to = pool + (LISTS - 1) * list_step;
    uint live = !((uint)start & DEAD);
    if (item == 0)
        pool[0] = start;
    forget(item, w, w->slots, ID_OF(start));
    *size = 1;
    for (uint parent = 0; parent < *size && *size <= room; parent = w->state[NEXT]) {
        uint n, chosen;
#if LISTS == 2
        w->sums = (__local uint *)to; /* nobody's until the merge */
#endif
        sift(item, w, in, ID_OF(pool[parent]), &n);
        measure(item, w, in, n);
        choose(item, w, in, pool, *size, live == ef, n, &chosen);
        uint limit = min(*size + chosen, ef);
        uint live_then = min(live + chosen, ef);
        for (uint some_dead = !w->all_live; some_dead > 0; some_dead--) {
            if (item == 0)
                settle(pool, *size, w->near, chosen, live, ef, w->state);
            SYNC();
            limit = w->state[LIMIT];
            live_then = w->state[LIVE];
        }
        for (uint i = item; i < MASK_WORDS; i += GROUP)
            w->mask[i] = 0;
        merge(item, pool, to, *size, w->near, chosen, min(limit, room), parent, w->state);
        w->distances += n;
        w->hops++;
        live = live_then;
        *size = limit;
        __local ulong *other = pool;
        pool = to;
        to = other;
    }
    *at = pool;
}

/* The live entries of the pool as answers, the first `want`. */
static void answer(uint item, const walk *w, __local const ulong *pool, uint size, uint want,
                   __global ulong *answers)
{
    uint found = 0;
    for (uint i = item; i < size; i += GROUP) {
        uint rank = i;
        for (uint j = 0; !w->all_live && j < i; j++)
            rank -= ((uint)pool[j] & DEAD) != 0;
        if (rank < want && !((uint)pool[i] & DEAD))
            answers[rank] = (pool[i] >> 32 << 32) | ID_OF(pool[i]);
    }
    for (uint i = 0; i < size; i++)
        found += !((uint)pool[i] & DEAD);
    for (uint i = found + item; i < want; i += GROUP)
        answers[i] = NONE;
}

/* Query i of group i: its `want` nearest among `ef`, NONE behind them, and in counts[3 * i]
 * distances, hops, and 1 if there were more dead rows than the pool has room for. A list of
 * the pool has list_step places, `room` of them for entries. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
kith_walk(__global const uint *restrict lines, uint stride, __global const uint *restrict sides,
          __global const uint *restrict live, uint all_live, __global const uint *restrict links,
          uint degree, uint count, __global const uint *restrict upper, uint layers, uint entry,
          __global const float *restrict queries, __global const uint *restrict query_sides,
          uint ef, uint want, uint room, uint list_step, uint slots, uint shift, uint widest,
          __global ulong *answers, __global uint *counts, __local ulong *pool, __local ulong *near,
          __local uint *ids, __local uint *table, __local uint *state)
{
    const uint item = (uint)get_local_id(0);
    const size_t query = get_group_id(0);
    const layer lowest = {links, links, degree, count, 1};
    uint size;
    walk w = {.lines = lines, .sides = sides, .live = live, .stride = stride, .all_live = all_live,
              .ids = ids, .near = near, .table = table, .state = state, .mask = state + 3,
              .slots = slots, .shift = shift, .widest = widest, .distances = 1, .hops = 0};
    w.query = queries + query * stride * ELEMENTS;
    w.query_side = query_sides[query];
#if LISTS == 2
    w.sums = (__local uint *)(pool + list_step);
#else
    w.sums = ids + widest;
#endif
    for (uint i = item; i < MASK_WORDS; i += GROUP)
        w.mask[i] = 0;
    if (item == 0)
        ids[0] = entry;
    SYNC();
    const layer top = layers > 1 ? upper_layer(upper, layers - 1) : lowest;
    measure(item, &w, &top, 1);
    ulong best = entry_of(&w, &top, 0);
    descend(item, &w, upper, layers, &best);
    if (!all_live && !(live[ID_OF(best) / 32] >> ID_OF(best) % 32 & 1u))
        best |= DEAD;
    search(item, &w, &lowest, best, ef, room, list_step, &pool, &size);
    answer(item, &w, pool, min(size, room), want, answers + query * want);
    if (item == 0) {
        counts[3 * query] = w.distances;
        counts[3 * query + 1] = w.hops;
        counts[3 * query + 2] = size > room;
    }
}

#endif

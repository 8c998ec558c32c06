/* pool.cl - the pool of a walk: one sorted list in local memory, frontier and results together.
 *
 * OpenCL C 1.2 core, between lines.cl and walk.cl; empty but for PART=3. It is the pool of
 * index/pool.h, and its rules are those of index/walk.c, so answers and hops are the host's.
 *
 * The one idea: nothing is sorted. The pool is a sorted list in local memory; of the rows that a
 * hop measures three or four beat its last, and each item counts how many of those come before
 * its own entries: that is where they go, in a second list. So a hop has six barriers, where a
 * bitonic sort of 32 has fifteen before it merges anything.
 *
 * Rows that are not live lead the way and do not count. The pool holds ef live ones and, before
 * and behind the last of them, dead ones by the rule of offer_among_dead in index/walk.c. That
 * rule takes rows one by one, but what it leaves is simple: of all rows offered those up to some
 * last one. settle() finds that one as the host would, in the order of the links, and everybody
 * else counts places. If there is no room for so many dead rows, the query is given up and says
 * so; the host then has it scanned.
 */
#if PART == 3

#if GROUP == 1
#define SYNC() /* a group of one has nobody to wait for */
#define LISTS 1
#else
#define SYNC() barrier(CLK_LOCAL_MEM_FENCE)
#define LISTS 2 /* the pool, and where it is merged to */
#endif

#define NONE 0xfffffffffffffffful

/* An entry: order key << 32 | id << 2 | dead << 1 | expanded. */
#define EXPANDED 1u
#define DEAD 2u
#define ID_OF(entry) ((uint)(entry) >> 2)

/* The words of `state`. */
#define NEXT 0  /* place of the nearest entry that is not expanded */
#define LIMIT 1 /* entries of the pool after a hop */
#define LIVE 2  /* of them live */

/* Where the entry belongs among n that are sorted. */
static uint place_of(__local const ulong *list, uint n, ulong entry)
{
    uint low = 0;
    for (uint length = n; length > 0;) {
        const uint middle = length / 2;
        const bool beyond = list[low + middle] < entry;
        low += beyond ? middle + 1 : 0;
        length = beyond ? length - middle - 1 : middle;
    }
    return low;
}

/* The farthest entry before `beyond`, of those in the pool and the first n of near; only live ones
 * if `passed` is DEAD. 0 if there is none. */
static ulong last_before(__local const ulong *pool, uint size, __local const ulong *near, uint n,
                         ulong beyond, uint passed)
{
    uint place = place_of(pool, size, beyond);
    for (; place > 0 && ((uint)pool[place - 1] & passed); place--)
        ;
    ulong last = place > 0 ? pool[place - 1] : 0;
    for (uint i = 0; i < n; i++)
        if (near[i] < beyond && near[i] > last && !((uint)near[i] & passed))
            last = near[i];
    return last;
}

/* How many entries stay when the first n of near were offered in their order, and how many of
 * those are live, as offer_among_dead in index/walk.c has it: until ef are live everyone enters;
 * then whoever comes before the last one; and a live one that does sends the dead rows behind the
 * last live one away. `size` is not 0. */
static void settle(__local const ulong *pool, uint size, __local const ulong *near, uint n,
                   uint live, uint ef, __local uint *state)
{
    ulong last = pool[size - 1];
    ulong edge = live == ef ? last_before(pool, size, near, 0, NONE, DEAD) : 0;
    for (uint i = 0; i < n; i++) {
        const ulong entry = near[i];
        const bool dead = (uint)entry & DEAD;
        if (live < ef) {
            last = max(last, entry);
            live += !dead;
            if (live == ef)
                edge = last_before(pool, size, near, i + 1, NONE, DEAD);
        } else if (entry < last && !dead) {
            last = edge;
            if (entry < edge) {
                last = last_before(pool, size, near, i + 1, edge, 0);
                edge = last_before(pool, size, near, i + 1, edge, DEAD);
            }
        }
    }
    uint limit = place_of(pool, size, last + 1);
    for (uint i = 0; i < n; i++)
        limit += near[i] <= last;
    state[LIMIT] = limit;
    state[LIVE] = live;
}

#if GROUP == 1
/* Merges near into the pool, keeps the first `limit`, marks the parent and finds the next one. */
static void merge(uint item, __local ulong *pool, __local ulong *to, uint size,
                  __local ulong *near, uint n, uint limit, uint parent, __local uint *state)
{
    uint left = size, next = parent;
    pool[parent] |= EXPANDED;
    for (uint i = 1; i < n; i++) {
        const ulong moved = near[i];
        uint at = i;
        for (; at > 0 && near[at - 1] > moved; at--)
            near[at] = near[at - 1];
        near[at] = moved;
    }
    while (left + n > limit) {
        if (n > 0 && (left == 0 || pool[left - 1] < near[n - 1]))
            n--;
        else
            left--;
    }
    for (uint place = limit; n > 0;) {
        const bool mine = left > 0 && pool[left - 1] > near[n - 1];
        const ulong entry = mine ? pool[left - 1] : near[n - 1];
        left -= mine;
        n -= !mine;
        pool[--place] = entry;
        next = min(next, place);
    }
    while (next < limit && (pool[next] & EXPANDED))
        next++;
    state[NEXT] = next;
}
#else
/* The same into `to`: everybody counts who comes before. */
static void merge(uint item, __local const ulong *pool, __local ulong *to, uint size,
                  __local const ulong *near, uint n, uint limit, uint parent, __local uint *state)
{
    uint next = limit;
    for (uint i = item; i < size + n; i += GROUP) {
        const ulong entry = i < size ? pool[i] | (i == parent ? EXPANDED : 0u) : near[i - size];
        uint place = i < size ? i : place_of(pool, size, entry);
        for (uint j = 0; j < n; j++)
            place += near[j] < entry;
        if (place < limit) {
            to[place] = entry;
            next = entry & EXPANDED ? next : min(next, place);
        }
    }
    if (next < limit)
        atomic_min(&state[NEXT], next);
    SYNC();
}
#endif

#endif

/* heap_space.c - where in the heap keys and metadata go, and where dead ones make room.
 *
 * May touch the inside of the store and extent.h, as the leader. An *entry* is what one REC has in
 * the heap. The one idea: a dead entry is a freed row of another shape, so the same rule keeps it:
 * its bytes are written over only when nothing can ask for them, no snapshot, no other process and
 * no recovery. The entry of a dead row goes when the row does, that of replaced metadata when its
 * aside does (quarantine.c); both wait for a checkpoint on disk that no longer refers to them.
 *
 * So the records of a log never point at bytes that were used twice. From a checkpoint on entries
 * are freed, and none of them is used again before the next; by then the log has begun anew, and
 * what it held earlier is told apart by its seed. Should a rule be broken after all, the checksum
 * that each record carries is wrong, and what a power cut must not do is reported as damage.
 *
 * Free places are kept in memory alone and found again at open, as what no live record refers to.
 * A map with a bit for 8 bytes of heap finds them in one pass over the records, needs a 64th of
 * the heap for that moment, and shows entries that overlap, which a sort by offset would do too,
 * at sixteen bytes an entry and a sort. A heap without gaps is known by its sum and costs nothing.
 *
 * Best fit, from the front of a run. Taking needs no memory. What is given back after a failed
 * commit is given in the opposite order, so each step is a state that there was room for; and what
 * comes out of quarantine waits in it when there is no memory for one more run.
 */
#include "kv/store_inside.h"

#include <string.h>

enum { GRAIN = 8 }; /* entries begin and end on multiples */

kith_status ki_heap_open(ki_store *store)
{
    return ki_extents_open(&store->heap_free);
}

void ki_heap_close(ki_store *store)
{
    ki_extents_close(store->heap_free);
    store->heap_free = NULL;
}

uint64_t ki_heap_take(ki_store *store, uint64_t bytes)
{
    uint64_t at = store->heap_used;
    if (ki_may_reuse(store) && ki_extents_take(store->heap_free, bytes, &at))
        return at;
    store->heap_used += bytes;
    return at;
}

void ki_heap_untake(ki_store *store, const ki_rec *rec)
{
    uint64_t bytes = ki_rec_heap_bytes(rec), at = rec->key.away.offset;
    if (bytes == 0)
        return;
    if (at + bytes == store->heap_used)
        store->heap_used = at;
    else
        ki_extents_give(store->heap_free, at, bytes);
}

bool ki_heap_give(ki_store *store, const ki_rec *rec)
{
    uint64_t bytes = ki_rec_heap_bytes(rec);
    if (bytes == 0)
        return true;
    if (ki_extents_reserve(store->heap_free, 1))
        return false;
    ki_extents_give(store->heap_free, rec->key.away.offset, bytes);
    return true;
}

/* ---- At open ------------------------------------------------------------------------------ */

/* Sets the bits from first to end; false when one of them is set. */
static bool mark(uint64_t *map, uint64_t first, uint64_t end)
{
    while (first < end) {
        uint64_t low = first % 64, n = ki_min(64 - low, end - first);
        uint64_t bits = (n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1) << low;
        if (map[first / 64] & bits)
            return false;
        map[first / 64] |= bits;
        first += n;
    }
    return true;
}

static kith_status mark_live(const ki_store *store, uint64_t *map)
{
    for (uint32_t row = 0; row < store->rows; row++) {
        const ki_rec *rec = &store->recs[row];
        if (!ki_is_live(store, row) || !ki_rec_away(rec))
            continue;
        uint64_t first = rec->key.away.offset / GRAIN;
        if (!mark(map, first, first + ki_rec_heap_bytes(rec) / GRAIN))
            return ki_fail(KITH_ECORRUPT, "the record of row %u has heap bytes of another", row);
    }
    return KITH_OK;
}

/* The first bit from `at` on that is or is not set; `end` when there is none. */
static uint64_t next_bit(const uint64_t *map, uint64_t at, uint64_t end, bool set)
{
    while (at < end) {
        uint64_t word = (set ? map[at / 64] : ~map[at / 64]) >> at % 64;
        if (word)
            return ki_min(end, at + (uint64_t)__builtin_ctzll(word));
        at += 64 - at % 64;
    }
    return end;
}

static kith_status give_gaps(ki_store *store, const uint64_t *map)
{
    uint64_t end = store->heap_used / GRAIN, first = next_bit(map, 0, end, false);
    while (first < end) {
        uint64_t last = next_bit(map, first, end, true);
        kith_status status = ki_extents_reserve(store->heap_free, 1);
        if (status)
            return status;
        ki_extents_give(store->heap_free, first * GRAIN, (last - first) * GRAIN);
        first = next_bit(map, last, end, false);
    }
    return KITH_OK;
}

kith_status ki_heap_find_gaps(ki_store *store)
{
    size_t words = (size_t)(store->heap_used / GRAIN / 64 + 1);
    if (store->heap_live == store->heap_used)
        return KITH_OK;
    uint64_t *map = ki_zalloc(words * sizeof *map);
    if (!map)
        return ki_no_memory("finding the gaps of the heap", words * sizeof *map);
    kith_status status = mark_live(store, map);
    if (!status)
        status = give_gaps(store, map);
    ki_free(map);
    return status;
}

/* ---- Is every byte somewhere? ------------------------------------------------------------- */

static uint64_t queued_rows(const ki_store *store, const ki_fifo *fifo)
{
    uint64_t bytes = 0;
    uint32_t row = fifo->first;
    for (uint32_t i = 0; i < fifo->count; i++, row = store->grave[row].next)
        bytes += ki_rec_heap_bytes(&store->recs[row]);
    return bytes;
}

static uint64_t queued_asides(const ki_store *store, const ki_fifo *fifo)
{
    uint64_t bytes = 0;
    uint32_t aside = fifo->first;
    for (uint32_t i = 0; i < fifo->count; i++, aside = store->asides[aside].next)
        bytes += ki_rec_heap_bytes(&store->asides[aside].rec);
    return bytes;
}

kith_status ki_heap_check(const ki_store *store)
{
    uint64_t live = 0, waits = 0, free = ki_extents_free(store->heap_free);
    for (uint32_t row = 0; row < store->rows; row++)
        live += ki_is_live(store, row) ? ki_rec_heap_bytes(&store->recs[row]) : 0;
    waits += queued_rows(store, &store->unseen) + queued_rows(store, &store->seen);
    waits += queued_asides(store, &store->aside_unseen) + queued_asides(store, &store->aside_seen);
    if (live != store->heap_live ||
        (!store->config.read_only && live + waits + free != store->heap_used))
        return ki_fail(KITH_ECORRUPT,
                       "of %llu bytes of the heap %llu live (%llu were counted), %llu wait and "
                       "%llu are free",
                       (unsigned long long)store->heap_used, (unsigned long long)live,
                       (unsigned long long)store->heap_live, (unsigned long long)waits,
                       (unsigned long long)free);
    return ki_extents_check(store->heap_free);
}

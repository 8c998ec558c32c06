/* quarantine.c - rows that died, and the snapshots for whose sake they are kept.
 *
 * May touch the inside of the store; opens no file. The one rule: a freed row is written again
 * only when nothing can ask for what it held. Four may ask:
 *
 *   a snapshot    taken before the row died;
 *   recovery      which starts from the last checkpoint, where the row may live, and replays a
 *                 log of which any tail may be lost: only a checkpoint on disk at which the row
 *                 was dead releases it (store->released_lsn). Without this rule the simulator
 *                 of power cuts finds rows of other keys in its first life;
 *   a reader in   another process, which stands at some older checkpoint: while there is one,
 *                 released_lsn stands still;
 *   an index      that points at rows: while pinned, nothing is released.
 *
 * Rows die in the order of LSNs, so what may be released is always the front of a queue. There are
 * two: rows that a snapshot saw die wait for it, and must not hold up the others behind them.
 * Metadata that were replaced wait likewise, in two queues of their own, for what they have in the
 * heap is written again by the same rule; but for indexes, which know no metadata.
 *
 * A dead row that a snapshot sees is found by its key in `graves`, which leads to the newest such
 * row and from there to older ones. At most one row of a key lives at any LSN, so a chain is no
 * longer than there are snapshots.
 */
#include "kv/store_inside.h"

#include <assert.h>
#include <string.h>

/* ---- Queues of row numbers ---------------------------------------------------------------- */

/* `link` is that of the last in the queue. */
static void fifo_push(ki_fifo *fifo, uint32_t item, uint32_t *link)
{
    *(fifo->count++ == 0 ? &fifo->first : link) = item;
    fifo->last = item;
}

static void fifo_pop(ki_fifo *fifo, uint32_t next)
{
    fifo->first = next;
    fifo->count--;
}

/* ---- Death and release -------------------------------------------------------------------- */

static kith_status reserve_asides(ki_store *store, size_t n)
{
    size_t need = (size_t)store->aside_unseen.count + store->aside_seen.count + n;
    size_t room = need < KI_NO_ROW / 2 ? need * 2 : KI_NO_ROW;
    if (need <= store->aside_room)
        return KITH_OK;
    if (need > room)
        return ki_fail(KITH_ENOMEM, "%zu changes of metadata are more than can wait", need);
    ki_aside *asides = ki_realloc(store->asides, room * sizeof *asides);
    if (!asides)
        return ki_no_memory("metadata that were replaced", room * sizeof *asides);
    store->asides = asides;
    store->aside_room = (uint32_t)room;
    return KITH_OK;
}

/* Room for n rows that a snapshot sees die, or metadata that it sees change. */
static kith_status reserve_seen(ki_store *store, size_t n)
{
    kith_status status = ki_directory_reserve(store->graves, n);
    if (!status && !store->aside_rows)
        status = ki_directory_open(ki_aside_has_row, store, &store->aside_rows);
    if (!status)
        status = ki_directory_reserve(store->aside_rows, n);
    return status;
}

/* Without a snapshot a death needs no memory, so that a delete cannot fail for want of it. A
 * snapshot that is opened between here and the death makes the room itself. */
kith_status ki_quarantine_reserve(ki_store *store, size_t deaths, size_t changes)
{
    store->pending_deaths = deaths;
    kith_status status = reserve_asides(store, changes);
    return !status && store->newest && deaths > 0 ? reserve_seen(store, deaths) : status;
}

static bool is_seen(const ki_store *store, uint64_t birth)
{
    return store->newest && birth <= store->newest->lsn;
}

void ki_quarantine_bury(ki_store *store, uint32_t row, uint64_t lsn)
{
    bool seen = is_seen(store, ki_store_birth(store, row));
    __atomic_store_n(&store->grave[row].death, lsn << 1 | seen, __ATOMIC_RELAXED);
    ki_state_clear_live(store, row); /* who sees this without a lock sees when it died */
    store->deaths++;
    ki_fifo *fifo = seen ? &store->seen : &store->unseen;
    fifo_push(fifo, row, &store->grave[fifo->last].next);
    if (!seen) {
        if (store->watch.gone)
            store->watch.gone(store->watch.user, row);
        return;
    }
    const void *key;
    size_t key_len;
    ki_store_present_key(store, row, &key, &key_len);
    store->grave[row].older = ki_directory_set(store->graves, key, key_len, row);
}

/* Takes the row, the oldest of its chain, out of `graves`. */
static void leave_grave(ki_store *store, uint32_t row)
{
    const void *key;
    size_t key_len;
    ki_store_present_key(store, row, &key, &key_len);
    uint32_t at = ki_directory_find(store->graves, key, key_len);
    if (at == row) {
        ki_directory_remove(store->graves, key, key_len);
    } else {
        while (store->grave[at].older != row)
            at = store->grave[at].older;
        store->grave[at].older = KI_NO_ROW;
    }
    if (store->watch.gone)
        store->watch.gone(store->watch.user, row);
}

static void release(ki_store *store, ki_fifo *fifo, uint64_t horizon)
{
    while (fifo->count > 0) {
        uint32_t row = fifo->first;
        if (store->grave[row].death >> 1 > horizon)
            break;
        if (!ki_heap_give(store, &store->recs[row])) /* its bytes stay until the row leaves */
            break;
        if (store->grave[row].death & 1)
            leave_grave(store, row);
        store->grave[row].death = 0;
        ki_rowset_add(&store->vacant, row);
        fifo_pop(fifo, store->grave[row].next);
    }
}

/* Takes the aside, the oldest of its row, from where snapshots look. */
static void leave_aside_rows(ki_store *store, uint32_t aside)
{
    const uint32_t *row = &store->asides[aside].row;
    uint32_t at = ki_directory_find(store->aside_rows, row, sizeof *row);
    if (at == aside) {
        ki_directory_remove(store->aside_rows, row, sizeof *row);
        return;
    }
    while (store->asides[at].older != aside)
        at = store->asides[at].older;
    store->asides[at].older = KI_NO_ROW;
}

static void release_asides(ki_store *store, ki_fifo *fifo, uint64_t horizon)
{
    while (fifo->count > 0) {
        uint32_t index = fifo->first;
        ki_aside *aside = &store->asides[index];
        if (aside->until > horizon || !ki_heap_give(store, &aside->rec))
            break;
        if (fifo == &store->aside_seen)
            leave_aside_rows(store, index);
        fifo_pop(fifo, aside->next);
        aside->next = store->aside_spare;
        store->aside_spare = index;
    }
}

static void release_ripe(ki_store *store)
{
    uint64_t disk = ki_in_file(store) ? store->released_lsn : store->lsn;
    uint64_t snapshots = store->oldest ? store->oldest->lsn : store->lsn;
    uint64_t heap = ki_broken(store, KI_RULE_HEAP_QUARANTINE) ? store->lsn : disk;
    release_asides(store, &store->aside_unseen, heap);
    release_asides(store, &store->aside_seen, ki_min(heap, snapshots));
    if (store->pins > 0)
        return;
    if (ki_broken(store, KI_RULE_QUARANTINE))
        disk = store->lsn;
    release(store, &store->unseen, disk);
    release(store, &store->seen, ki_min(disk, snapshots));
}

void ki_quarantine_release(ki_store *store)
{
    if (store->unseen.count == 0 && store->seen.count == 0 && store->aside_unseen.count == 0 &&
        store->aside_seen.count == 0)
        return;
    ki_gate_shut(store);
    release_ripe(store);
    ki_gate_open(store);
}

void ki_quarantine_close(ki_store *store)
{
    store->unseen = store->seen = store->aside_unseen = store->aside_seen = (ki_fifo){0};
    ki_free(store->asides);
    ki_directory_close(store->aside_rows);
    store->asides = NULL;
    store->aside_rows = NULL;
    store->aside_used = store->aside_room = 0;
    store->aside_spare = KI_NO_ROW;
}

/* Not while a commit is on its way: it may have taken a vacant row already. */
void ki_store_pin(ki_store *store)
{
    ki_lead_take(store);
    ki_gate_shut(store);
    __atomic_store_n(&store->pins, store->pins + 1, __ATOMIC_RELAXED);
    ki_gate_open(store);
    ki_lead_give(store);
}

/* What may be released now is released by the next writer, before it looks for vacant rows. */
void ki_store_unpin(ki_store *store)
{
    ki_gate_shut(store);
    assert(store->pins > 0);
    __atomic_store_n(&store->pins, store->pins - 1, __ATOMIC_RELAXED);
    ki_gate_open(store);
}

uint32_t ki_store_pins(const ki_store *store)
{
    return __atomic_load_n(&store->pins, __ATOMIC_RELAXED);
}

/* ---- Snapshots ---------------------------------------------------------------------------- */

kith_status ki_snapshot_open(ki_store *store, ki_snapshot **out)
{
    ki_snapshot *snapshot = ki_zalloc(sizeof *snapshot);
    if (!snapshot)
        return ki_no_memory("a snapshot", sizeof *snapshot);
    ki_gate_shut(store);
    if (!store->newest && store->pending_deaths > 0) {
        kith_status status = reserve_seen(store, store->pending_deaths);
        if (status) {
            ki_gate_open(store);
            ki_free(snapshot);
            return status;
        }
    }
    snapshot->store = store;
    snapshot->lsn = store->lsn;
    snapshot->older = store->newest;
    if (store->newest)
        store->newest->newer = snapshot;
    else
        store->oldest = snapshot;
    store->newest = snapshot;
    ki_gate_open(store);
    *out = snapshot;
    return KITH_OK;
}

void ki_snapshot_close(ki_snapshot *snapshot)
{
    if (!snapshot)
        return;
    ki_store *store = snapshot->store;
    ki_gate_shut(store);
    *(snapshot->newer ? &snapshot->newer->older : &store->newest) = snapshot->older;
    *(snapshot->older ? &snapshot->older->newer : &store->oldest) = snapshot->newer;
    ki_gate_open(store);
    ki_free(snapshot);
}

uint64_t ki_snapshot_lsn(const ki_snapshot *snapshot)
{
    return snapshot->lsn;
}

bool ki_store_present(const ki_store *store, uint32_t row)
{
    return row < store->rows && (ki_is_live(store, row) || (store->grave[row].death & 1));
}

bool ki_store_died_after(const ki_store *store, uint32_t row, uint64_t lsn)
{
    return __atomic_load_n(&store->grave[row].death, __ATOMIC_RELAXED) >> 1 > lsn;
}

bool ki_store_visible(const ki_store *store, uint32_t row, uint64_t lsn)
{
    if (row >= store->rows)
        return false;
    if (ki_is_live(store, row))
        return ki_store_birth(store, row) <= lsn;
    return (store->grave[row].death & 1) && ki_store_birth(store, row) <= lsn &&
           store->grave[row].death >> 1 > lsn;
}

uint32_t ki_row_as_of(const ki_store *store, const void *key, size_t key_len, uint64_t lsn)
{
    uint32_t row = ki_directory_find(store->directory, key, key_len);
    if (row != KI_NO_ROW && ki_store_birth(store, row) <= lsn)
        return row;
    if (lsn == KI_NEWEST)
        return KI_NO_ROW;
    row = ki_directory_find(store->graves, key, key_len);
    while (row != KI_NO_ROW && !ki_store_visible(store, row, lsn))
        row = store->grave[row].older;
    return row;
}

/* ---- Metadata that changed under a snapshot ----------------------------------------------- */

/* The asides that a snapshot sees are found by their row's number: those for which some snapshot
 * saw the row since the change before, so that a chain is no longer than there are snapshots. */
bool ki_aside_has_row(const void *user, uint32_t index, const void *key, size_t key_len)
{
    const ki_store *store = user;
    return memcmp(&store->asides[index].row, key, key_len) == 0;
}

static uint32_t new_aside(ki_store *store)
{
    uint32_t index = store->aside_spare;
    if (index == KI_NO_ROW)
        return store->aside_used++;
    store->aside_spare = store->asides[index].next;
    return index;
}

void ki_aside_keep(ki_store *store, uint32_t row, uint64_t lsn)
{
    uint64_t since = ki_store_birth(store, row);
    uint32_t older = KI_NO_ROW;
    if (store->newest)
        older = ki_directory_find(store->aside_rows, &row, sizeof row);
    if (older != KI_NO_ROW && store->asides[older].until > since)
        since = store->asides[older].until;
    bool seen = is_seen(store, since);
    if (!seen && !ki_rec_away(&store->recs[row]))
        return;
    ki_fifo *fifo = seen ? &store->aside_seen : &store->aside_unseen;
    uint32_t index = new_aside(store);
    store->asides[index] =
        (ki_aside){.rec = store->recs[row], .until = lsn, .row = row, .older = older};
    fifo_push(fifo, index, &store->asides[fifo->last].next);
    if (seen)
        ki_directory_set(store->aside_rows, &row, sizeof row, index);
}

/* The oldest change after `lsn` tells what the record was; without one it is as it was. A row's
 * number may have been used before, by a row that died earlier: LSNs tell those asides apart. */
const ki_rec *ki_rec_as_of(const ki_store *store, uint32_t row, uint64_t lsn)
{
    const ki_rec *rec = &store->recs[row];
    if (store->aside_seen.count == 0 || lsn == KI_NEWEST)
        return rec;
    uint32_t at = ki_directory_find(store->aside_rows, &row, sizeof row);
    for (; at != KI_NO_ROW && store->asides[at].until > lsn; at = store->asides[at].older)
        rec = &store->asides[at].rec;
    return rec;
}

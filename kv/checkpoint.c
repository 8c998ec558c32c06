/* checkpoint.c - heads, what they name, and the room that the file makes.
 *
 * May touch the inside of the store, as the leader. A checkpoint saves what the log has told since
 * the last one, so that the log can begin anew. In order, each step on disk before the next:
 *
 *   1. the log, if commits were not synced: a REC that is changed in its place (new metadata) must
 *      not outlive the record that says so, or a power cut shows the future of a lost commit;
 *   2. the RECs that changed, in their places; the liveness of all rows, on the side that the last
 *      checkpoint does not name. A power cut between here and 3 costs nothing: the last checkpoint
 *      is untouched but for RECs of rows that it calls dead, or that the log tells again;
 *   3. the head, on the side that the last head is not on. It carries a checksum, so a torn one is
 *      none, and it names nothing that is not on disk.
 *
 * Only then does the log begin anew, over its old records, and only then are rows released that
 * the last checkpoint called live.
 *
 * It runs in the thread of the writer that fills the log, and commits wait for it: then one log is
 * enough, since it is never written while it is still needed. Two logs in turn would let commits
 * go on, at the price of a thread and of a second kind of recovery, to save three syncs in a
 * million operations. The old head stays good until the next commit: should the new one be lost to
 * the disk, the log still tells all.
 *
 * The file grows here as well. A new extent is in a head on disk before any record relies on it,
 * and so a right record that points beyond the extents is damage and nothing else.
 */
#include "kv/store_inside.h"

#include <string.h>
#include <time.h>

uint64_t ki_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t head_side(const ki_store *store, const ki_head *head)
{
    return ki_broken(store, KI_RULE_HEADS_IN_TURN) ? 0 : head->generation & 1;
}

/* Who copies another file over that of an open store has two in one, and shall keep his: it is not
 * given a head of this one, nor rows, nor another length, and no copy takes its place. So every
 * commit looks before it touches the file, and everything else that changes it. The front of the
 * head tells, since no other store has its uuid, and no other state of this one its generation.
 * What somebody copies between the look and the write that follows, nobody can see. The look costs
 * 0.3 us: nothing beside a sync, and a sixth of a commit of one row that waits for none. */
kith_status ki_check_in_force(ki_store *store)
{
    unsigned char front[offsetof(ki_head, extents)];
    if (!ki_in_file(store) || store->head.generation == 0)
        return KITH_OK;
    kith_status status =
        ki_file_read(store->config.vfs, store->file, head_side(store, &store->head) * KI_HEAD_BYTES,
                     front, sizeof front);
    if (!status && memcmp(front, &store->head, sizeof front) != 0)
        status = ki_poison(store, ki_fail(KITH_EIO,
                                          "something else was written to the store's "
                                          "file: its head of generation %llu is gone",
                                          (unsigned long long)store->head.generation));
    return status;
}

/* The head before last is written over; a failure leaves the last one in force. */
kith_status ki_head_write(ki_store *store, const ki_head *next)
{
    ki_head head = *next;
    head.generation = store->head.generation + 1;
    ki_space_describe(&store->space, &head);
    head.sum = ki_head_sum(&head);
    kith_status status = ki_file_write(store->config.vfs, store->file,
                                       head_side(store, &head) * KI_HEAD_BYTES, &head, sizeof head);
    if (!status && !ki_broken(store, KI_RULE_SYNC_HEAD))
        status = ki_sync_file(store);
    if (status)
        return status;
    store->head = head;
    store->space.unsaved = false;
    return KITH_OK;
}

/* ---- Growing ------------------------------------------------------------------------------ */

kith_status ki_dirty_room(ki_store *store, uint32_t rows)
{
    size_t need = rows / KI_RECS_A_BLOCK + 1, room = store->dirty_room ? store->dirty_room : 16;
    if (need <= store->dirty_room)
        return KITH_OK;
    while (room < need)
        room *= 2;
    unsigned char *dirty = ki_realloc(store->dirty, room);
    if (!dirty)
        return ki_no_memory("the list of changed records", room);
    memset(dirty + store->dirty_room, 0, room - store->dirty_room);
    store->dirty = dirty;
    store->dirty_room = room;
    return KITH_OK;
}

/* What so many rows need of each section. */
static void measure(const ki_store *store, uint64_t rows, uint64_t *bytes)
{
    bool file = ki_in_file(store);
    uint64_t live = (rows + 63) / 64 * sizeof(uint64_t);
    bytes[KI_ROWS] = rows * store->slab.stride + (file ? KI_LINE : 0);
    bytes[KI_AUX] = file && ki_aux_apart(store) ? rows * KI_AUX_BYTES : 0;
    bytes[KI_RECS] = file ? (rows * sizeof(ki_rec) + 4095) & ~UINT64_C(4095) : 0;
    bytes[KI_LIVE_A] = bytes[KI_LIVE_B] = file ? live : 0;
}

static kith_status extend_all(ki_store *store, uint64_t rows)
{
    static const ki_section_kind kinds[] = {KI_ROWS, KI_AUX, KI_RECS, KI_LIVE_A, KI_LIVE_B};
    uint64_t bytes[KI_SECTIONS] = {0};
    kith_status status = KITH_OK;
    measure(store, rows, bytes);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !status; i++)
        status = ki_space_extend(&store->space, kinds[i], bytes[kinds[i]]);
    return status;
}

/* When one section of the rows is at its end, all of them get extents for the same number of rows:
 * so they come to their ends together, and one head names all the new ones. Near a limit, of
 * addresses or of the file's length, there may be room for what is needed and not for more. */
static kith_status extend_sections(ki_store *store, uint32_t rows)
{
    ki_space *space = &store->space;
    uint64_t bytes[KI_SECTIONS] = {0};
    bool enough = true;
    measure(store, rows, bytes);
    for (int kind = 0; kind < KI_SECTIONS; kind++)
        enough = enough && bytes[kind] <= space->section[kind].bytes;
    if (enough || !extend_all(store, ki_space_ahead(space, bytes[KI_ROWS]) / store->slab.stride))
        return KITH_OK;
    return extend_all(store, rows);
}

static kith_status grow_sections(ki_store *store, uint32_t rows, uint64_t heap)
{
    ki_space *space = &store->space;
    uint64_t bytes[KI_SECTIONS] = {0};
    kith_status status = ki_in_file(store) ? extend_sections(store, rows) : KITH_OK;
    measure(store, rows, bytes);
    bytes[KI_HEAP] = heap;
    if (!status && heap > space->section[KI_HEAP].bytes &&
        ki_space_extend(space, KI_HEAP, ki_space_ahead(space, heap)))
        status = ki_space_extend(space, KI_HEAP, heap);
    for (int kind = 0; kind < KI_SECTIONS && !status; kind++)
        if (bytes[kind] > 0)
            status = ki_space_grow(space, (ki_section_kind)kind, bytes[kind]);
    if (!status && ki_in_file(store))
        status = ki_dirty_room(store, rows);
    return status;
}

kith_status ki_grow_space(ki_store *store, uint32_t rows, uint64_t heap)
{
    kith_status status = ki_check_in_force(store);
    if (!status)
        status = grow_sections(store, rows, heap);
    if (status || !store->space.unsaved || ki_broken(store, KI_RULE_EXTENTS_FIRST))
        return status;
    if (!ki_broken(store, KI_RULE_SYNC_BEFORE_HEAD))
        status = ki_sync_file(store); /* the file's new length, before a head that relies on it */
    if (!status)
        status = ki_check_in_force(store);
    return status ? status : ki_head_write(store, &store->head);
}

/* The log grows at checkpoints alone. So if the head that named its new end is lost to the disk,
 * its first record, which cannot belong to the log of the head before, tells. A disk that is too
 * full for a longer log does not refuse what this one holds when it begins anew. */
kith_status ki_log_room(ki_store *store, size_t records)
{
    uint64_t need = records * sizeof(ki_record), had = store->space.section[KI_LOG].bytes;
    uint64_t used = (store->lsn + 1 - store->log_first) * sizeof(ki_record);
    if (need <= had && used <= had - need)
        return KITH_OK;
    uint64_t want = had < store->config.log_bytes / 4 ? had * 4 : store->config.log_bytes;
    if (want < need)
        want = need;
    kith_status status = ki_space_grow(&store->space, KI_LOG, want);
    return status && need > had ? status : ki_checkpoint(store, true, false);
}

/* ---- The checkpoint ----------------------------------------------------------------------- */

static kith_status write_recs(ki_store *store)
{
    uint32_t blocks = (store->rows + KI_RECS_A_BLOCK - 1) / KI_RECS_A_BLOCK;
    kith_status status = KITH_OK;
    for (uint32_t first = 0, end; first < blocks && !status; first = end + 1) {
        for (end = first; end < blocks && store->dirty[end]; end++)
            continue;
        if (end > first)
            status = ki_space_write(&store->space, KI_RECS, (uint64_t)first * 4096,
                                    &store->recs[(size_t)first * KI_RECS_A_BLOCK],
                                    (size_t)(end - first) * 4096);
    }
    return status;
}

static kith_status write_live(ki_store *store, ki_head *head)
{
    size_t bytes = ((size_t)store->rows + 63) / 64 * sizeof(uint64_t);
    head->live_side = ki_broken(store, KI_RULE_LIVE_IN_TURN) ? 0 : 1 - store->head.live_side;
    head->live_sum = ki_sum64(store->live_arena.base, bytes, 0);
    head->rows = store->rows;
    head->live = (uint32_t)store->live_count;
    ki_section_kind kind = head->live_side ? KI_LIVE_B : KI_LIVE_A;
    return ki_space_write(&store->space, kind, 0, store->live_arena.base, bytes);
}

void ki_log_begin(ki_store *store)
{
    bool placed = !ki_broken(store, KI_RULE_LOG_PLACE);
    store->log_first = store->head.checkpoint_lsn + 1;
    store->log_seed = ki_log_seed(store->head.salt, placed ? store->log_first : 0);
}

/* A reader in another process took its lock before it read the head, so either it is seen here,
 * or it read the head that was just written. When the lock cannot be asked, one is assumed. */
void ki_let_go(ki_store *store)
{
    const ki_vfs *vfs = store->config.vfs;
    if (vfs->held_by_other(vfs->user, store->file, KI_LOCK_READERS) == 0 ||
        ki_broken(store, KI_RULE_READERS))
        store->released_lsn = store->head.checkpoint_lsn;
}

kith_status ki_checkpoint(ki_store *store, bool even_if_same, bool new_salt)
{
    ki_head head = store->head;
    kith_status status = KITH_OK;
    if (store->lsn == store->head.checkpoint_lsn && !even_if_same)
        return KITH_OK;
    status = ki_check_in_force(store);
    if (!status && !ki_broken(store, KI_RULE_LOG_FIRST))
        status = ki_sync_to(store, store->lsn);
    if (!status)
        status = write_recs(store);
    if (!status)
        status = write_live(store, &head);
    if (!status && !ki_broken(store, KI_RULE_SYNC_BEFORE_HEAD))
        status = ki_sync_file(store);
    head.checkpoint_lsn = store->lsn;
    head.heap_used = store->heap_used;
    head.salt += new_salt && !ki_broken(store, KI_RULE_NEW_SALT);
    if (!status)
        status = ki_head_write(store, &head);
    if (status)
        return status;
    memset(store->dirty, 0, store->rows / KI_RECS_A_BLOCK + 1);
    ki_log_begin(store);
    store->checkpoint_time_ms = ki_now_ms();
    ki_let_go(store);
    return KITH_OK;
}

void ki_checkpoint_if_due(ki_store *store)
{
    uint64_t interval = store->config.checkpoint_ms;
    if (!ki_in_file(store) || interval == 0 || ki_now_ms() - store->checkpoint_time_ms < interval)
        return;
    /* The commit it follows is done; a failure that matters poisons, and the next one says so. */
    (void)ki_checkpoint(store, false, false);
    store->checkpoint_time_ms = ki_now_ms();
}

kith_status ki_store_checkpoint(ki_store *store)
{
    ki_lead_take(store);
    kith_status status = ki_check_writable(store);
    if (!status && ki_in_file(store))
        status = ki_checkpoint(store, false, false);
    ki_lead_give(store);
    return status;
}

/* recover.c - from the bytes of a file to the state after its last whole commit.
 *
 * May touch the inside of the store while nobody else can. The better head gives the last
 * checkpoint: which rows live, and their RECs. Then the log is replayed (replay.c), and what is
 * not in the file is made anew (reindex.c).
 *
 * A writer first has the system put on disk what it may hold in memory alone. A process that was
 * killed leaves such bytes behind, as right as any, and a name without its place in the folder;
 * but the next commit is written over the log, and over rows, that only an older state on the disk
 * still needs. If power then went before that commit was synced, the disk would have neither.
 *
 * Nothing is written here. The caller makes a checkpoint with a new salt if the log held anything
 * at all: otherwise the next commits would be written in front of stale records that fit them.
 * So a recovery that is interrupted is simply done again.
 */
#include "kv/store_inside.h"

#include <errno.h>
#include <string.h>

/* ---- What a process left that was killed --------------------------------------------------- */

/* A folder that cannot be opened for it, or knows no sync, is no reason to refuse what is there. */
static kith_status settle_name(const ki_store *store)
{
    const ki_vfs *vfs = store->config.vfs;
    if (ki_broken(store, KI_RULE_SYNC_FOLDER) || vfs->sync_dir(vfs->user, store->path) == 0 ||
        errno == EACCES || errno == EINVAL)
        return KITH_OK;
    return ki_fail(KITH_EIO, "the folder of %s cannot be synced: %s", store->path, strerror(errno));
}

static kith_status settle(ki_store *store)
{
    if (store->config.read_only)
        return KITH_OK;
    kith_status status = ki_broken(store, KI_RULE_SYNC_FOUND) ? KITH_OK : ki_sync_file(store);
    return status ? status : settle_name(store);
}

/* ---- Heads -------------------------------------------------------------------------------- */

static bool read_head(ki_store *store, unsigned side, ki_head *head, kith_status *status)
{
    if (*status)
        return false;
    *status = ki_file_read(store->config.vfs, store->file, (uint64_t)side * KI_HEAD_BYTES, head,
                           sizeof *head);
    if (*status || memcmp(head->magic, KI_MAGIC, sizeof head->magic) != 0)
        return false;
    return ki_head_sum(head) == head->sum || ki_broken(store, KI_RULE_HEAD_SUM);
}

/* Does the first record of the log belong to a checkpoint after this head's? Then that one was on
 * disk, and its head has been lost since: no power cut does that. */
static kith_status check_successor(const ki_store *store)
{
    ki_record record;
    if (store->space.section[KI_LOG].bytes < sizeof record)
        return KITH_OK;
    kith_status status = ki_space_read(&store->space, KI_LOG, 0, &record, sizeof record);
    if (status || record.lsn <= store->head.checkpoint_lsn)
        return status;
    for (uint64_t salt = store->head.salt; salt <= store->head.salt + 1; salt++) {
        bool same = salt == store->head.salt && record.lsn == store->log_first;
        if (!same && record.sum == ki_record_sum(&record, ki_log_seed(salt, record.lsn)))
            return ki_fail(KITH_ECORRUPT,
                           "the head of the last checkpoint, of LSN %llu, is damaged; the head "
                           "before it, of LSN %llu, is older than the log",
                           (unsigned long long)record.lsn - 1,
                           (unsigned long long)store->head.checkpoint_lsn);
    }
    return KITH_OK;
}

static kith_status choose_head(ki_store *store)
{
    ki_head other;
    uint64_t bytes;
    kith_status status = KITH_OK;
    if (store->config.vfs->size(store->config.vfs->user, store->file, &bytes) != 0)
        return ki_fail(KITH_EIO, "the length of the store's file cannot be told");
    if (bytes < KI_HEADS_BYTES)
        return ki_fail(KITH_ECORRUPT, "a file of %llu bytes is no store",
                       (unsigned long long)bytes);
    bool a = read_head(store, 0, &store->head, &status), b = read_head(store, 1, &other, &status);
    if (status)
        return status;
    if (!a && !b)
        return ki_fail(KITH_ECORRUPT,
                       memcmp(other.magic, KI_MAGIC, sizeof other.magic) == 0 ||
                               memcmp(store->head.magic, KI_MAGIC, sizeof other.magic) == 0
                           ? "both heads of the store are damaged"
                           : "the file is no store of this library");
    if (!a || (b && other.generation > store->head.generation))
        store->head = other;
    return ki_head_check(&store->head, bytes, !store->config.read_only);
}

/* Only beside a writer can there be one. A newer head of another store, whose file was copied over
 * this one, is none. */
kith_status ki_find_newer_head(const ki_store *store, bool *newer)
{
    ki_head head;
    kith_status status = KITH_OK;
    bool found = false;
    for (uint64_t side = 0; side < 2 && !status && !found && store->config.read_only; side++) {
        status =
            ki_file_read(store->config.vfs, store->file, side * KI_HEAD_BYTES, &head, sizeof head);
        found = !status && head.generation > store->head.generation &&
                head.sum == ki_head_sum(&head) &&
                memcmp(head.uuid, store->head.uuid, sizeof head.uuid) == 0;
    }
    if (!status)
        *newer = found;
    return status;
}

/* Beside a writer, which may have saved its state while this one was read: then RECs of two times
 * may have come together, or what looks like damage. */
static kith_status still_stands(const ki_store *store)
{
    bool newer = false;
    kith_status status = ki_find_newer_head(store, &newer);
    if (!status && newer)
        status = ki_fail(KITH_EBUSY, "another process saves the store faster than it is read");
    return status;
}

/* ---- The checkpoint ----------------------------------------------------------------------- */

static kith_status read_liveness(ki_store *store)
{
    const ki_head *head = &store->head;
    size_t bytes = ((size_t)head->rows + 63) / 64 * sizeof(uint64_t);
    uint64_t live = 0, *words = (uint64_t *)(void *)store->live_arena.base;
    kith_status status =
        ki_space_read(&store->space, head->live_side ? KI_LIVE_B : KI_LIVE_A, 0, words, bytes);
    if (status)
        return status;
    if (ki_sum64(words, bytes, 0) != head->live_sum)
        return ki_fail(KITH_ECORRUPT, "the liveness of %u rows is damaged", head->rows);
    for (size_t i = 0; i < bytes / 8; i++)
        live += (uint64_t)__builtin_popcountll(words[i]);
    if (head->rows % 64 && words[head->rows / 64] >> head->rows % 64)
        live = UINT64_MAX;
    if (live != head->live)
        return ki_fail(KITH_ECORRUPT, "the liveness of the rows does not add up to %u", head->live);
    return KITH_OK;
}

static kith_status read_checkpoint(ki_store *store)
{
    const ki_head *head = &store->head;
    kith_status status = ki_space_adopt(&store->space, head);
    if (!status)
        status = ki_state_reserve(store, head->rows, 0, 0, 0);
    if (!status)
        status = ki_dirty_room(store, head->rows);
    if (!status)
        status = read_liveness(store);
    if (!status)
        status = ki_space_read(&store->space, KI_RECS, 0, store->recs, head->rows * sizeof(ki_rec));
    if (!status && ki_aux_apart(store))
        status = ki_space_read(&store->space, KI_AUX, 0, store->slab.aux,
                               head->rows * (size_t)KI_AUX_BYTES);
    store->rows = head->rows;
    store->live_count = head->live;
    store->lsn = store->durable_lsn = store->released_lsn = head->checkpoint_lsn;
    store->heap_used = head->heap_used;
    ki_log_begin(store);
    return status;
}

/* What lies behind the last row is free: it is zeroed again before it is used. */
static void tell_used(ki_store *store)
{
    uint64_t rows = store->rows, words = (rows + 63) / 64;
    ki_space *space = &store->space;
    ki_space_used(space, KI_ROWS, rows * store->slab.stride);
    ki_space_used(space, KI_AUX, ki_aux_apart(store) ? rows * KI_AUX_BYTES : 0);
    ki_space_used(space, KI_RECS, rows * sizeof(ki_rec));
    ki_space_used(space, KI_HEAP, store->heap_used);
    ki_space_used(space, KI_LIVE_A, words * sizeof(uint64_t));
    ki_space_used(space, KI_LIVE_B, words * sizeof(uint64_t));
    ki_space_used(space, KI_LOG, space->section[KI_LOG].bytes);
}

kith_status ki_recover(ki_store *store, bool *log_was_used)
{
    kith_status status = settle(store);
    if (!status)
        status = choose_head(store);
    if (!status && store->config.any_shape)
        ki_head_shape(&store->head, &store->shape);
    if (!status)
        status = ki_head_matches(&store->head, &store->shape);
    if (!status)
        status = ki_state_open(store);
    if (!status)
        status = read_checkpoint(store);
    if (!status)
        status = check_successor(store);
    if (!status)
        status = ki_replay(store, log_was_used);
    if (!status)
        tell_used(store);
    if (!status)
        status = ki_index_rows(store);
    if (!status || status == KITH_ECORRUPT) {
        kith_status stands = still_stands(store);
        status = stands ? stands : status;
    }
    return status;
}

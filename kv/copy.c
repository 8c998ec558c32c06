/* copy.c - the same rows in another file: backup and compaction.
 *
 * May touch the inside of the store. A copy is a store like any other, filled by commits and
 * closed by a checkpoint; there is no second way to write the format. It is made under a passing
 * name, which becomes its own when it is whole and on disk, so a power cut leaves the copy or no
 * copy, never half of one.
 *
 * A backup reads as of a snapshot and keeps no writer waiting. A compaction holds the lead from
 * beginning to end, then renames its copy over the old file and takes the copy's place in memory:
 * the two stores exchange everything but their locks. So the writer's lock on the new file is held
 * from before it has the name, and nothing that could fail comes after the rename.
 *
 * A process that is killed leaves the passing file behind. Only the holder of the writer's lock
 * compacts, so that name is fixed, and the next writer to open the store takes the file away: a
 * name that nobody gives a file of his own, as somebody might call a backup X.compact. A backup
 * may be made by anybody who reads: its passing name is random, and stays.
 *
 * Every row is held against its checksum on the way, since the copy's are made anew: they would
 * call damage right, and a compaction would take away the last that shows it.
 */
#include "kv/store_inside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { BATCH = 256, PASSING = 24 };

static const char compacting[] = ".kith-compacting";

typedef struct copying {
    ki_store *from, *to;
    uint64_t lsn; /* of the rows to copy */
    ki_op op[BATCH];
    unsigned char key[BATCH][KI_KEY_MAX];
    size_t count;
} copying;

static kith_status check_item(const ki_store *store, const ki_op *op, const ki_view *view,
                              uint64_t lsn)
{
    const ki_rec *rec = ki_rec_as_of(store, view->row, lsn);
    if (!ki_in_file(store))
        return KITH_OK;
    if (ki_row_sum(op->elements, store->shape.row_bytes, op->aux) != rec->row_sum)
        return ki_fail(KITH_ECORRUPT, "row %u is damaged on disk, and was not copied", view->row);
    if (ki_rec_away(rec) &&
        ki_sum32(store->space.section[KI_HEAP].base + rec->key.away.offset,
                 ki_rec_key_len(rec) + rec->key.away.meta_len, 0) != rec->key.away.sum)
        return ki_fail(KITH_ECORRUPT,
                       "key or metadata of row %u are damaged on disk, and were not copied",
                       view->row);
    return KITH_OK;
}

/* Adds a few rows to the batch. The key is copied, for a REC may change; row and metadata lie
 * where nothing is written over them as long as the snapshot, or the lead, is held. */
static uint32_t gather(copying *c, uint32_t row, uint32_t rows, kith_status *status)
{
    c->count = 0;
    ki_store_read_lock(c->from);
    for (; row < rows && c->count < BATCH && !*status; row++) {
        ki_view view;
        const void *key;
        size_t key_len, i = c->count;
        if (!ki_store_visible(c->from, row, c->lsn))
            continue;
        ki_store_show(c->from, row, c->lsn, &view);
        ki_store_present_key(c->from, row, &key, &key_len);
        memcpy(c->key[i], key, key_len);
        c->op[i] = (ki_op){.kind = KI_PUT_NEW,
                           .key_len = (uint16_t)key_len,
                           .meta_len = view.meta_len,
                           .key = c->key[i],
                           .elements = view.elements,
                           .aux = ki_slab_aux(&c->from->slab, row),
                           .meta = view.meta};
        *status = check_item(c->from, &c->op[i], &view, c->lsn);
        c->count++;
    }
    ki_store_read_unlock(c->from);
    return row;
}

static kith_status copy_rows(copying *c, kith_progress_fn progress, void *user)
{
    uint32_t rows = ki_store_rows(c->from);
    kith_status status = KITH_OK;
    for (uint32_t row = 0; row < rows && !status;) {
        row = gather(c, row, rows, &status);
        if (!status)
            status = ki_store_commit(c->to, c->op, c->count, NULL, NULL);
        if (!status && progress && progress(user, row, rows))
            status =
                ki_fail(KITH_ECANCELLED, "the copy was stopped after %u of %u rows", row, rows);
    }
    if (status || ki_broken(c->to, KI_RULE_COPY_FIRST))
        return status;
    return ki_store_checkpoint(c->to);
}

/* The passing name of a compaction, in memory of the caller's; NULL when there is none. */
static char *compaction_name(const char *path)
{
    size_t room = strlen(path) + PASSING;
    char *name = ki_alloc(room);
    if (name)
        snprintf(name, room, "%s%s", path, compacting);
    return name;
}

void ki_copy_clear(const ki_store *store)
{
    char *name = compaction_name(store->path);
    if (name)
        store->config.vfs->unlink(store->config.vfs->user, name); /* there seldom is one */
    ki_free(name);
}

static kith_status backup_name(const char *path, char **out)
{
    size_t room = strlen(path) + PASSING;
    uint32_t random = 0;
    char *name = ki_alloc(room);
    if (!name)
        return ki_no_memory("a copy", room);
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) {
        ki_free(name);
        return ki_fail(KITH_EIO, "the system gave no random bytes: %s", strerror(errno));
    }
    snprintf(name, room, "%s.part-%08x", path, (unsigned)random);
    *out = name;
    return KITH_OK;
}

/* A store at a passing name with the rows as of `lsn`. On failure nothing stays. */
static kith_status make_copy(ki_store *store, uint64_t lsn, const char *name, ki_store **out,
                             kith_progress_fn progress, void *user)
{
    ki_store_config config = store->config;
    copying *c = ki_alloc(sizeof *c);
    kith_status status = c ? KITH_OK : ki_no_memory("a copy", sizeof *c);
    config.shape = store->shape;
    config.durability = KI_DURABLE_NONE; /* the checkpoint at the end makes all of it durable */
    config.read_only = config.any_shape = config.must_exist = false;
    config.must_create = true;
    if (!status) {
        *c = (copying){.from = store, .lsn = lsn};
        status = ki_store_open(name, &config, &c->to);
    }
    if (!status) {
        status = copy_rows(c, progress, user);
        if (status) {
            ki_store_close(c->to);
            config.vfs->unlink(config.vfs->user, name);
        }
    }
    if (!status)
        *out = c->to;
    ki_free(c);
    return status;
}

kith_status ki_store_backup(ki_store *store, const char *path, kith_progress_fn progress,
                            void *user)
{
    const ki_vfs *vfs = store->config.vfs;
    ki_snapshot *snapshot = NULL;
    ki_store *copy = NULL;
    char *name = NULL;
    kith_status status = backup_name(path, &name);
    if (!status)
        status = ki_snapshot_open(store, &snapshot);
    if (!status)
        status = make_copy(store, snapshot->lsn, name, &copy, progress, user);
    ki_snapshot_close(snapshot);
    if (status) {
        ki_free(name);
        return status;
    }
    ki_store_close(copy);
    if (vfs->link_new(vfs->user, name, path) != 0) {
        status = ki_fail(errno == EEXIST ? KITH_EEXISTS : KITH_EIO,
                         "the backup cannot be given the name %s: %s", path, strerror(errno));
        vfs->unlink(vfs->user, name);
    } else if (vfs->sync_dir(vfs->user, path) != 0) {
        status = ki_fail(KITH_EIO, "the folder of %s cannot be synced: %s", path, strerror(errno));
    }
    ki_free(name);
    return status;
}

/* ---- Compaction --------------------------------------------------------------------------- */

/* Whoever moved the file, or put another in its place or over it, or changed the folder that a
 * relative path counts from, does not expect the copy under the old name. */
static kith_status check_place(ki_store *store)
{
    if (store->config.vfs->is_at(store->config.vfs->user, store->file, store->path))
        return ki_check_in_force(store);
    return ki_fail(KITH_EBUSY, "the store's file is no longer at %s, where its copy would go",
                   store->path);
}

/* The last step that may fail. Whoever was let into the old file is let into the new one. */
static kith_status give_name(ki_store *store, const ki_store *copy, const char *name)
{
    const ki_vfs *vfs = store->config.vfs;
    int refused;
    do
        refused = vfs->same_access(vfs->user, copy->file, store->file);
    while (refused != 0 && errno == EINTR);
    if (refused)
        return ki_fail(KITH_EIO, "the compacted store cannot have the mode of %s: %s", store->path,
                       strerror(errno));
    kith_status status = check_place(store);
    if (!status && vfs->rename(vfs->user, name, store->path) != 0)
        status = ki_fail(KITH_EIO, "the compacted store cannot take the name %s: %s", store->path,
                         strerror(errno));
    return status;
}

/* Everything before the locks changes sides, but for what the caller chose at open. */
static void exchange(ki_store *a, ki_store *b)
{
    unsigned char *left = (unsigned char *)a, *right = (unsigned char *)b;
    ki_store_config config = a->config;
    char *path = a->path;
    for (size_t i = 0; i < offsetof(struct ki_store, gate); i++) {
        unsigned char byte = left[i];
        left[i] = right[i];
        right[i] = byte;
    }
    b->path = a->path;
    a->path = path;
    a->config = config;
    a->watch = (ki_row_watch){0};
    ki_directory_rebind(a->directory, a);
    ki_directory_rebind(a->graves, a);
    ki_directory_rebind(a->overlay, a);
    ki_directory_rebind(a->aside_rows, a);
    a->rows_run.space = a->aux_run.space = a->heap_run.space = &a->space;
}

static kith_status compact(ki_store *store, kith_progress_fn progress, void *user)
{
    const ki_vfs *vfs = store->config.vfs;
    ki_store *copy = NULL;
    char *name = NULL;
    kith_status status = ki_check_writable(store);
    if (!status && (store->newest || ki_store_pins(store) > 0))
        status = ki_fail(KITH_EBUSY, "a store is compacted when no snapshot and no index is open");
    if (!status && ki_in_file(store))
        status = check_place(store);
    if (status || !ki_in_file(store))
        return status;
    ki_copy_clear(store);
    name = compaction_name(store->path);
    status = name ? make_copy(store, KI_NEWEST, name, &copy, progress, user)
                  : ki_no_memory("a copy", PASSING);
    if (status) {
        ki_free(name);
        return status;
    }
    status = give_name(store, copy, name);
    if (status) {
        vfs->unlink(vfs->user, name);
    } else {
        ki_gate_shut(store);
        exchange(store, copy);
        ki_gate_open(store);
        /* Until the folder is on disk a power cut may bring the old file back; what is committed
         * into the new one would be lost with it. */
        if (!ki_broken(store, KI_RULE_SYNC_FOLDER) && vfs->sync_dir(vfs->user, store->path) != 0)
            status = ki_poison(store, ki_fail(KITH_EIO, "the folder of %s cannot be synced: %s",
                                              store->path, strerror(errno)));
    }
    copy->ready = false; /* the old file, or a copy that nobody will open: not worth saving */
    ki_store_close(copy);
    ki_free(name);
    return status;
}

/* The thread that syncs looks at the file without the lead, so it stops; what it would have synced
 * meanwhile is synced before. When it cannot start again each commit syncs (commit.c). */
kith_status ki_store_compact(ki_store *store, kith_progress_fn progress, void *user)
{
    kith_status status = ki_check_writable(store);
    bool syncs = store->syncer_runs;
    if (status)
        return status;
    ki_syncer_stop(store);
    if (syncs)
        status = ki_sync_to(store, ki_store_lsn(store));
    ki_lead_take(store);
    if (!status)
        status = compact(store, progress, user);
    ki_lead_give(store);
    if (syncs)
        (void)ki_syncer_start(store);
    return status;
}

/* store.c - opening and closing a store, in memory or in a file.
 *
 * May touch the inside of the store. The one idea: a file comes into being whole. A new store is
 * made under a name of its own, with a first checkpoint on disk, and only then given the name that
 * was asked for; so whoever finds a file under that name finds a store.
 *
 * One process writes, by a lock on the file that ends with the descriptor. Others may open it
 * read-only: they take a shared lock that keeps the writer from using freed rows again, and see
 * what the file tells at that moment. The writer may save a checkpoint while they read the last
 * one; then head, RECs and log do not fit together, or the head has changed when they are done,
 * and they begin again.
 */
#include "kv/store_inside.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { OPEN_TRIES = 16, MAX_PATH = 4000 };

ki_store_config ki_store_defaults(const ki_shape *shape)
{
    return (ki_store_config){.shape = *shape,
                             .interval_ms = 100,
                             .log_bytes = 64 << 20,
                             .checkpoint_ms = 60000,
                             .unit_bytes = 65536,
                             .grow_units = 64};
}

static kith_status check_config(const ki_store_config *config, const char *path)
{
    uint32_t unit = config->unit_bytes;
    if (config->shape.row_bytes == 0 && !(path && config->any_shape))
        return ki_fail(KITH_EINVAL, "rows of 0 bytes");
    if (config->shape.keys != KITH_KEYS_U64 && config->shape.keys != KITH_KEYS_BYTES)
        return ki_fail(KITH_EINVAL, "%d is no kind of key", (int)config->shape.keys);
    if (unit < 4096 || (unit & (unit - 1)) || config->grow_units == 0)
        return ki_fail(KITH_EINVAL, "extents in units of %u bytes, %u at a time", unit,
                       config->grow_units);
    if (config->durability == KI_DURABLE_INTERVAL && config->interval_ms == 0)
        return ki_fail(KITH_EINVAL, "an interval of 0 ms");
    if (path && strlen(path) > MAX_PATH)
        return ki_fail(KITH_EINVAL, "a path of %zu bytes; at most %d", strlen(path), MAX_PATH);
    return KITH_OK;
}

/* ---- Heads and shapes --------------------------------------------------------------------- */

void ki_head_shape(const ki_head *head, ki_shape *out)
{
    *out = (ki_shape){.row_bytes = head->row_bytes,
                      .dim = head->dim,
                      .type = head->type,
                      .metric = head->metric,
                      .keys = (kith_key_kind)head->keys};
}

/* A newer file may have types and metrics that have no name here yet. */
static void describe(const ki_shape *shape, char *to, size_t room)
{
    const char *type = kith_type_name((kith_type)shape->type);
    const char *metric = kith_metric_name((kith_metric)shape->metric);
    const char *keys = shape->keys == KITH_KEYS_U64 ? "64-bit" : "byte";
    char type_number[16], metric_number[16];
    snprintf(type_number, sizeof type_number, "%u", shape->type);
    snprintf(metric_number, sizeof metric_number, "%u", shape->metric);
    snprintf(to, room, "dimension %u, type %s, metric %s, %s keys and rows of %u bytes", shape->dim,
             type ? type : type_number, metric ? metric : metric_number, keys, shape->row_bytes);
}

kith_status ki_head_matches(const ki_head *head, const ki_shape *shape)
{
    ki_shape found;
    char has[120], wanted[120];
    ki_head_shape(head, &found);
    if (found.row_bytes == shape->row_bytes && found.dim == shape->dim &&
        found.type == shape->type && found.metric == shape->metric && found.keys == shape->keys)
        return KITH_OK;
    describe(&found, has, sizeof has);
    describe(shape, wanted, sizeof wanted);
    return ki_fail(KITH_EINVAL, "the store has %s, not %s", has, wanted);
}

static kith_status fill_random(void *to, size_t bytes)
{
    ssize_t got;
    do
        got = getrandom(to, bytes, 0);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)bytes
               ? KITH_OK
               : ki_fail(KITH_EIO, "the system gave no random bytes: %s", strerror(errno));
}

static kith_status first_head(ki_store *store)
{
    ki_head *head = &store->head;
    *head = (ki_head){.endian = KI_ENDIAN_MARK,
                      .major = KI_MAJOR,
                      .minor = KI_MINOR,
                      .row_bytes = store->shape.row_bytes,
                      .stride = (uint32_t)store->slab.stride,
                      .dim = store->shape.dim,
                      .type = store->shape.type,
                      .metric = store->shape.metric,
                      .keys = (uint32_t)store->shape.keys,
                      .unit_bytes = store->config.unit_bytes,
                      .grow_units = store->config.grow_units};
    memcpy(head->magic, KI_MAGIC, sizeof head->magic);
    kith_status status = fill_random(head->uuid, sizeof head->uuid);
    return status ? status : fill_random(&head->salt, sizeof head->salt);
}

/* ---- A new file --------------------------------------------------------------------------- */

/* Everything that an empty store has, then both heads: the second write leaves no side blank. */
static kith_status format_file(ki_store *store)
{
    uint32_t unit = store->config.unit_bytes;
    kith_status status = ki_state_open(store);
    if (!status)
        status = ki_dirty_room(store, 0);
    if (!status)
        status = first_head(store);
    store->space.unit_bytes = unit;
    store->space.grow_units = store->config.grow_units;
    store->space.end = (KI_HEADS_BYTES + unit - 1) / unit * unit;
    if (!status)
        status = ki_space_grow(&store->space, KI_LOG, 1);
    store->log_first = 1;
    if (!status)
        status = ki_checkpoint(store, true, false);
    return status ? status : ki_checkpoint(store, true, false);
}

/* A name that is not on disk may go with the power, and what is committed under it as well. So the
 * empty store goes now: our lock on it has kept every other writer out. */
static kith_status settle_new_name(ki_store *store)
{
    const ki_vfs *vfs = store->config.vfs;
    if (vfs->sync_dir(vfs->user, store->path) == 0)
        return KITH_OK;
    kith_status status =
        ki_fail(KITH_EIO, "the folder of %s cannot be synced: %s", store->path, strerror(errno));
    if (vfs->is_at(vfs->user, store->file, store->path))
        vfs->unlink(vfs->user, store->path);
    return status;
}

/* Makes the store under a passing name, locks it there, and gives it its own. */
static kith_status create_file(ki_store *store)
{
    const ki_vfs *vfs = store->config.vfs;
    char name[MAX_PATH + 32];
    uint64_t random;
    kith_status status = fill_random(&random, sizeof random);
    if (status)
        return status;
    snprintf(name, sizeof name, "%s.new-%016llx", store->path, (unsigned long long)random);
    do
        store->file = vfs->open(vfs->user, name, KI_VFS_CREATE | KI_VFS_EXCLUSIVE);
    while (store->file < 0 && errno == EINTR);
    if (store->file < 0)
        return ki_fail(KITH_EIO, "%s cannot be created: %s", store->path, strerror(errno));
    if (vfs->lock(vfs->user, store->file, KI_LOCK_WRITER, true) != 0)
        status = ki_fail(KITH_EIO, "%s cannot be locked: %s", store->path, strerror(errno));
    if (!status)
        status = format_file(store);
    if (!status && vfs->link_new(vfs->user, name, store->path) != 0)
        status = ki_fail(errno == EEXIST ? KITH_EEXISTS : KITH_EIO, "%s cannot be created: %s",
                         store->path, strerror(errno));
    if (!status)
        return settle_new_name(store);
    vfs->unlink(vfs->user, name);
    return status;
}

/* ---- A file that is there ----------------------------------------------------------------- */

/* What is shorter than two heads never was a store, or is one no more. */
static kith_status long_enough(ki_store *store)
{
    uint64_t bytes;
    if (store->config.vfs->size(store->config.vfs->user, store->file, &bytes) != 0)
        return ki_fail(KITH_EIO, "%s cannot be measured: %s", store->path, strerror(errno));
    if (bytes < KI_HEADS_BYTES)
        return ki_fail(KITH_ECORRUPT, "%s is no store, or was cut short: it has %llu bytes",
                       store->path, (unsigned long long)bytes);
    return KITH_OK;
}

/* ENOTFOUND when there is none. A compaction may put another file in its place between open and
 * lock: then the lock is one on a file that nobody will see again. */
static kith_status open_and_lock(ki_store *store)
{
    const ki_vfs *vfs = store->config.vfs;
    bool write = !store->config.read_only;
    for (int i = 0; i < OPEN_TRIES; i++) {
        store->file = vfs->open(vfs->user, store->path, write ? 0 : KI_VFS_READ_ONLY);
        if (store->file < 0 && errno == EINTR)
            continue;
        if (store->file < 0)
            return ki_fail(errno == ENOENT   ? KITH_ENOTFOUND
                           : errno == EINVAL ? KITH_EINVAL
                                             : KITH_EIO,
                           "%s cannot be opened: %s", store->path,
                           errno == EINVAL ? "it is no regular file" : strerror(errno));
        if (vfs->lock(vfs->user, store->file, write ? KI_LOCK_WRITER : KI_LOCK_READERS, write))
            return ki_fail(errno == EAGAIN ? KITH_EBUSY : KITH_EIO, "%s cannot be locked: %s",
                           store->path,
                           errno == EAGAIN ? "another process writes to it" : strerror(errno));
        if (vfs->is_at(vfs->user, store->file, store->path))
            return long_enough(store);
        vfs->close(vfs->user, store->file);
        store->file = -1;
    }
    return ki_fail(KITH_EBUSY, "%s changes places with another file all the time", store->path);
}

static kith_status recover_for_writing(ki_store *store)
{
    bool log_was_used = false;
    ki_copy_clear(store);
    kith_status status = ki_recover(store, &log_was_used);
    store->opened_lsn = store->lsn;
    store->released_lsn = 0;
    if (status)
        return status;
    if (log_was_used)
        return ki_checkpoint(store, true, true);
    ki_let_go(store);
    return KITH_OK;
}

static void forget_state(ki_store *store)
{
    ki_state_close(store);
    ki_free(store->dirty);
    store->dirty = NULL;
    store->dirty_room = 0;
}

static kith_status recover_for_reading(ki_store *store)
{
    kith_status status = KITH_OK;
    for (int i = 0; i < OPEN_TRIES; i++) {
        ki_head before[2], after[2];
        bool used;
        status = ki_file_read(store->config.vfs, store->file, 0, before, sizeof before);
        if (!status)
            status = ki_recover(store, &used);
        kith_status again = ki_file_read(store->config.vfs, store->file, 0, after, sizeof after);
        bool steady = !again && memcmp(before, after, sizeof before) == 0;
        int writer =
            store->config.vfs->held_by_other(store->config.vfs->user, store->file, KI_LOCK_WRITER);
        if (!again && steady && (!status || writer == 0))
            break;
        if (i + 1 < OPEN_TRIES)
            forget_state(store);
    }
    return status;
}

static kith_status open_file(ki_store *store)
{
    kith_status status = store->config.must_create ? KITH_ENOTFOUND : open_and_lock(store);
    bool create = status == KITH_ENOTFOUND && !store->config.must_exist &&
                  !store->config.read_only && !store->config.any_shape;
    if (create || store->config.must_create)
        return create_file(store);
    if (status)
        return status;
    return store->config.read_only ? recover_for_reading(store) : recover_for_writing(store);
}

/* ---- Open and close ----------------------------------------------------------------------- */

static kith_status make_locks(ki_store *store)
{
    pthread_rwlockattr_t kind;
    pthread_rwlockattr_init(&kind);
#ifdef __GLIBC__
    /* Readers that follow each other closely would keep the writer out for good. */
    pthread_rwlockattr_setkind_np(&kind, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
#endif
    int error = pthread_rwlock_init(&store->gate, &kind);
    pthread_rwlockattr_destroy(&kind);
    if (error)
        return ki_no_memory("a lock", sizeof store->gate);
    pthread_mutex_init(&store->queue_lock, NULL); /* without attributes these cannot fail */
    pthread_mutex_init(&store->poison_lock, NULL);
    pthread_cond_init(&store->queue_moved, NULL);
    pthread_cond_init(&store->syncer_wake, NULL);
    store->locks_made = true;
    return KITH_OK;
}

static kith_status open_parts(ki_store *store, const char *path)
{
    kith_status status = make_locks(store);
    if (!status && path) {
        store->path = ki_alloc(strlen(path) + 1);
        if (!store->path)
            return ki_no_memory("a path", strlen(path) + 1);
        memcpy(store->path, path, strlen(path) + 1);
    }
    if (!status && path)
        status = open_file(store);
    else if (!status)
        status = ki_state_open(store);
    if (!status && !store->config.read_only)
        status = ki_stage_open(store);
    store->checkpoint_time_ms = ki_now_ms();
    if (!status && ki_in_file(store) && !store->config.read_only &&
        store->config.durability == KI_DURABLE_INTERVAL)
        status = ki_syncer_start(store);
    return status;
}

kith_status ki_store_open(const char *path, const ki_store_config *config, ki_store **out)
{
    kith_status status = check_config(config, path);
    if (status)
        return status;
    ki_store *store = ki_zalloc(sizeof *store);
    if (!store)
        return ki_no_memory("a store", sizeof *store);
    store->config = *config;
    store->shape = config->shape;
    store->file = store->space.file = -1;
    store->queue_tail = &store->queue_head;
    if (!store->config.vfs)
        store->config.vfs = &ki_vfs_system;
    status = open_parts(store, path);
    if (status) {
        ki_store_close(store);
        return status;
    }
    store->ready = true;
    *out = store;
    return KITH_OK;
}

void ki_store_close(ki_store *store)
{
    if (!store)
        return;
    assert(!store->newest && store->pins == 0); /* snapshots and indexes go first */
    ki_syncer_stop(store);
    if (store->ready && ki_in_file(store) && !ki_check_writable(store))
        (void)ki_checkpoint(store, false, false); /* the log has what this could not save */
    ki_stage_close(store);
    forget_state(store);
    /* After a failed sync the system may show bytes that the disk does not have, as if they had
     * been written; nobody shall recover from those. */
    if (store->file >= 0 && store->poisoned)
        store->config.vfs->forget(store->config.vfs->user, store->file);
    if (store->file >= 0)
        store->config.vfs->close(store->config.vfs->user, store->file);
    if (store->locks_made) {
        pthread_rwlock_destroy(&store->gate);
        pthread_mutex_destroy(&store->queue_lock);
        pthread_mutex_destroy(&store->poison_lock);
        pthread_cond_destroy(&store->queue_moved);
        pthread_cond_destroy(&store->syncer_wake);
    }
    ki_free(store->path);
    ki_free(store);
}

/* api_snapshot.c - the store as it was at one moment, by key and in key order.
 *
 * May include everything of index/, kernels/ and kv/. A snapshot is a pin and an LSN; what it shows
 * are the rows where they lie. A cursor moves with the readers' lock held, so a writer's changes
 * to the ordered directory are whole to it. The directory is made by the first cursor and kept by
 * the store: two that come first together wait for one building.
 */
#include "index/objects.h"
#include "index/checks.h"

struct kith_snapshot {
    kith_store *store;
    ki_snapshot *pin;
    uint64_t lsn;
};

struct kith_cursor {
    const kith_snapshot *snapshot;
    ki_cursor at;
};

kith_status kith_snapshot_open(kith_store *store, kith_snapshot **out)
{
    kith_snapshot *snapshot = ki_zalloc(sizeof *snapshot);
    if (!snapshot)
        return ki_no_memory("a snapshot", sizeof *snapshot);
    snapshot->store = store;
    kith_status status = ki_snapshot_open(store->engine, &snapshot->pin);
    if (status) {
        ki_free(snapshot);
        return status;
    }
    snapshot->lsn = ki_snapshot_lsn(snapshot->pin);
    atomic_fetch_add(&store->snapshots, 1);
    *out = snapshot;
    return KITH_OK;
}

void kith_snapshot_close(kith_snapshot *snapshot)
{
    if (!snapshot)
        return;
    ki_snapshot_close(snapshot->pin);
    atomic_fetch_sub(&snapshot->store->snapshots, 1);
    ki_free(snapshot);
}

/* The key as it lies with its row: the caller's own may be gone tomorrow. */
static kith_status show(const ki_view *view, kith_item *out)
{
    const kith_item item = {.key = view->key,
                            .key_len = view->key_len,
                            .vector = view->elements,
                            .meta = view->meta,
                            .meta_len = view->meta_len,
                            .row = view->row};
    return ki_write_result(&item, sizeof item, out);
}

static kith_status look(const kith_snapshot *snapshot, const void *key, size_t key_len,
                        kith_item *out)
{
    ki_view view;
    kith_status status = ki_check_result(out);
    if (!status)
        status = ki_check_key(snapshot->store, key, key_len);
    if (!status)
        status = ki_store_look(snapshot->store->engine, snapshot->pin, key, key_len, &view);
    return status ? status : show(&view, out);
}

/* What most gets are comes first, and in few instructions: a core that waits for one row begins
 * with the next get only if both are short enough for it to see them together. No key that look
 * would refuse is ever found here. */
kith_status kith_snapshot_get(const kith_snapshot *snapshot, const void *key, size_t key_len,
                              kith_item *out)
{
    const ki_store *engine = snapshot->store->engine;
    uint32_t row = KI_NO_ROW;
    if (key && out->size == sizeof *out)
        row = ki_store_peek(engine, snapshot->pin, key, key_len);
    if (row == KI_NO_ROW)
        return look(snapshot, key, key_len, out);
    *out = (kith_item){.size = sizeof *out,
                       .key = ki_store_short_key(engine, row),
                       .key_len = key_len,
                       .vector = ki_slab_row(ki_store_slab(engine), row),
                       .row = row};
    return KITH_OK;
}

/* ---- Cursors ---- */

static kith_status order_of(kith_store *store, const ki_ordered **out)
{
    kith_status status = KITH_OK;
    pthread_mutex_lock(&store->order_mutex);
    if (!store->ordered)
        status = ki_ordered_attach(store->engine, &store->ordered);
    *out = store->ordered;
    pthread_mutex_unlock(&store->order_mutex);
    return status;
}

kith_status kith_cursor_open(const kith_snapshot *snapshot, const void *prefix, size_t prefix_len,
                             kith_cursor **out)
{
    const ki_ordered *ordered;
    if (prefix_len && snapshot->store->options.keys == KITH_KEYS_U64)
        return ki_fail(KITH_EINVAL, "keys of this store are numbers: they have no prefix");
    if (prefix_len > KI_KEY_MAX || (prefix_len && !prefix))
        return ki_fail(KITH_EINVAL, "a prefix of %zu bytes; a key has at most %d", prefix_len,
                       KI_KEY_MAX);
    kith_status status = order_of(snapshot->store, &ordered);
    if (status)
        return status;
    kith_cursor *cursor = ki_zalloc(sizeof *cursor);
    if (!cursor)
        return ki_no_memory("a cursor", sizeof *cursor);
    cursor->snapshot = snapshot;
    ki_cursor_init(&cursor->at, ordered, snapshot->lsn, prefix, prefix_len);
    *out = cursor;
    return KITH_OK;
}

void kith_cursor_close(kith_cursor *cursor)
{
    ki_free(cursor);
}

/* Moves, and shows where the cursor came to. */
static kith_status step(kith_cursor *cursor, uint32_t (*move)(ki_cursor *), kith_item *out)
{
    const ki_store *engine = cursor->snapshot->store->engine;
    ki_view view;
    kith_status status = ki_check_result(out);
    if (status)
        return status;
    ki_store_read_lock(engine);
    const uint32_t row = move(&cursor->at);
    if (row == KI_NO_ROW) {
        status = ki_fail(KITH_ENOTFOUND, "no further key");
    } else {
        ki_store_show(engine, row, cursor->snapshot->lsn, &view);
        status = show(&view, out);
    }
    ki_store_read_unlock(engine);
    return status;
}

kith_status kith_cursor_first(kith_cursor *cursor, kith_item *out)
{
    return step(cursor, ki_cursor_first, out);
}

kith_status kith_cursor_last(kith_cursor *cursor, kith_item *out)
{
    return step(cursor, ki_cursor_last, out);
}

kith_status kith_cursor_next(kith_cursor *cursor, kith_item *out)
{
    return step(cursor, ki_cursor_next, out);
}

kith_status kith_cursor_prev(kith_cursor *cursor, kith_item *out)
{
    return step(cursor, ki_cursor_previous, out);
}

kith_status kith_cursor_seek(kith_cursor *cursor, const void *key, size_t key_len, kith_item *out)
{
    const ki_store *engine = cursor->snapshot->store->engine;
    ki_view view;
    kith_status status = ki_check_result(out);
    if (!status)
        status = ki_check_key(cursor->snapshot->store, key, key_len);
    if (status)
        return status;
    ki_store_read_lock(engine);
    const uint32_t row = ki_cursor_seek(&cursor->at, key, key_len);
    if (row == KI_NO_ROW) {
        status = ki_fail(KITH_ENOTFOUND, "no key from there on");
    } else {
        ki_store_show(engine, row, cursor->snapshot->lsn, &view);
        status = show(&view, out);
    }
    ki_store_read_unlock(engine);
    return status;
}

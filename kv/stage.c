/* stage.c - the operations of a commit become records, places of rows and bytes of the heap.
 *
 * May touch the inside of the store, as the leader. The one idea: everything new is written where
 * nothing old can be read. Rows go to vacant places, keys and metadata to free ones, so until
 * a record says otherwise all of it is waste paper; a failure on the way needs no undoing on disk,
 * and rows, heap and log may reach the disk in any order, because a record carries the checksums
 * of what it vouches for.
 *
 * First every operation gets its record, with places but without checksums, and nothing is
 * written; then the caller makes room; then the bytes are written and the checksums filled in.
 * Operations of one commit, and of the commits that share its sync, follow each other before any
 * is visible: so keys are looked up in an overlay of staged records first.
 */
#include "kv/store_inside.h"

#include <assert.h>
#include <string.h>

static bool op_has_key(const void *user, uint32_t index, const void *key, size_t key_len)
{
    const ki_store *store = user;
    const ki_op *op = store->staged_ops[index];
    return op->key_len == key_len && memcmp(op->key, key, key_len) == 0;
}

kith_status ki_stage_open(ki_store *store)
{
    size_t stride = store->slab.stride, run = (size_t)4 * store->config.unit_bytes;
    size_t rows_room = run > stride ? run : stride, heap_room = KI_KEY_MAX + KI_META_MAX + 8;
    if (heap_room < run)
        heap_room = run;
    kith_status status = ki_directory_open(op_has_key, store, &store->overlay);
    if (!status)
        status = ki_stage_room(store, 1);
    if (status || !ki_in_file(store))
        return status;
    store->run_memory = ki_alloc(rows_room + run + heap_room);
    if (!store->run_memory)
        return ki_no_memory("collecting writes", rows_room + run + heap_room);
    unsigned char *aux = store->run_memory + rows_room, *heap = aux + run;
    store->rows_run = (ki_run){&store->space, KI_ROWS, store->run_memory, rows_room, 0, 0};
    store->aux_run = (ki_run){&store->space, KI_AUX, aux, run, 0, 0};
    store->heap_run = (ki_run){&store->space, KI_HEAP, heap, heap_room, 0, 0};
    return KITH_OK;
}

void ki_stage_close(ki_store *store)
{
    ki_directory_close(store->overlay);
    ki_free(store->run_memory);
    ki_free(store->staged);
    ki_free(store->staged_ops);
    ki_free(store->undo);
    store->overlay = NULL;
    store->run_memory = NULL;
    store->staged = NULL;
    store->staged_ops = NULL;
    store->undo = NULL;
    store->staged_room = store->staged_count = 0;
}

kith_status ki_stage_room(ki_store *store, size_t records)
{
    size_t room = store->staged_room ? store->staged_room : 16;
    if (records > KI_MAX_ROWS)
        return ki_fail(KITH_EINVAL, "a commit of %zu operations; at most %u go together", records,
                       KI_MAX_ROWS);
    if (records <= store->staged_room)
        return KITH_OK;
    while (room < records)
        room *= 2;
    ki_record *staged = ki_realloc(store->staged, room * sizeof *staged);
    if (staged)
        store->staged = staged;
    const ki_op **ops = ki_realloc((void *)store->staged_ops, room * sizeof *ops);
    if (ops)
        store->staged_ops = ops;
    uint32_t *undo = ki_realloc(store->undo, room * sizeof *undo);
    if (undo)
        store->undo = undo;
    if (!staged || !ops || !undo)
        return ki_no_memory("the operations of a commit",
                            room * (sizeof *staged + sizeof *ops + sizeof *undo));
    store->staged_room = room;
    return KITH_OK;
}

/* ---- First: places ------------------------------------------------------------------------ */

/* What a key stands for before an operation. */
typedef struct prior {
    uint32_t staged;   /* the record that put or deleted it, or KI_NO_ROW */
    uint32_t row;      /* KI_NO_ROW when absent */
    const ki_rec *rec; /* of that row */
} prior;

static prior look_up(const ki_store *store, const ki_op *op, bool overlaid)
{
    prior found = {KI_NO_ROW, KI_NO_ROW, NULL};
    if (overlaid)
        found.staged = ki_directory_find(store->overlay, op->key, op->key_len);
    if (found.staged == KI_NO_ROW) {
        found.row = ki_directory_find(store->directory, op->key, op->key_len);
        if (found.row != KI_NO_ROW)
            found.rec = &store->recs[found.row];
        return found;
    }
    const ki_record *record = &store->staged[found.staged];
    found.row = record->row;
    found.rec = &record->rec;
    return found;
}

static kith_status check_op(const ki_store *store, const ki_op *op, const prior *before, size_t i)
{
    bool present = before->row != KI_NO_ROW, number = store->shape.keys == KITH_KEYS_U64;
    if (number && op->key_len != sizeof(uint64_t))
        return ki_fail(KITH_EINVAL, "operation %zu has a key of %u bytes; this store has keys of 8",
                       i, op->key_len);
    if (op->key_len < 1 || op->key_len > KI_KEY_MAX)
        return ki_fail(KITH_EINVAL, "operation %zu has a key of %u bytes; keys have 1 to %d", i,
                       op->key_len, KI_KEY_MAX);
    if (op->meta_len > KI_META_MAX)
        return ki_fail(KITH_EINVAL, "operation %zu has %u bytes of metadata; at most %d are kept",
                       i, op->meta_len, KI_META_MAX);
    if (op->kind == KI_PUT_NEW && present)
        return ki_fail(KITH_EEXISTS, "operation %zu puts a key that is there already", i);
    if (op->kind != KI_PUT && op->kind != KI_PUT_NEW && !present)
        return ki_fail(KITH_ENOTFOUND, "operation %zu: no such key among %llu", i,
                       (unsigned long long)store->live_count);
    return KITH_OK;
}

/* The row for the next put. While pinned it is a new one: an index knows the rows below a number
 * of its own as seen, and would never look at a vacant one again. */
static kith_status take_row(ki_store *store, uint32_t *row)
{
    if (ki_store_pins(store) == 0 && store->vacant.count > 0 && ki_may_reuse(store)) {
        *row = ki_rowset_lowest(&store->vacant);
        ki_rowset_remove(&store->vacant, *row);
        return KITH_OK;
    }
    if (store->staged_rows >= KI_MAX_ROWS)
        return ki_fail(KITH_ENOMEM, "%u rows are all that a store can number", KI_MAX_ROWS);
    *row = store->staged_rows++;
    return KITH_OK;
}

/* Key and metadata: in the REC when they fit, else a place in the heap. */
static void place_key(ki_store *store, const ki_op *op, uint64_t birth, uint32_t meta_len,
                      ki_rec *rec)
{
    bool away = op->key_len > KI_HERE_MAX || meta_len > 0;
    *rec = (ki_rec){.word = ki_rec_word(birth, away, op->key_len)};
    if (!away) {
        memcpy(rec->key.here, op->key, op->key_len);
        return;
    }
    rec->key.away.meta_len = meta_len;
    rec->key.away.offset = ki_heap_take(store, ki_rec_heap_bytes(rec));
}

static kith_status stage_op(ki_store *store, const ki_op *op, size_t i, bool overlaid)
{
    uint32_t index = (uint32_t)store->staged_count;
    ki_record *record = &store->staged[index];
    prior before = look_up(store, op, overlaid);
    kith_status status = check_op(store, op, &before, i);
    if (status)
        return status;
    bool keep = op->keep_meta && before.row != KI_NO_ROW;
    uint32_t meta_len = op->meta_len;
    if (keep)
        meta_len = ki_rec_away(before.rec) ? before.rec->key.away.meta_len : 0;
    uint64_t lsn = store->lsn + 1 + index, birth = lsn;
    *record = (ki_record){.lsn = lsn, .row = KI_NO_ROW, .old_row = before.row};
    if (op->kind == KI_DEL) {
        record->kind = KI_RECORD_DEL;
    } else if (op->kind == KI_SET_META) {
        record->kind = KI_RECORD_META;
        record->row = before.row;
        record->old_row = KI_NO_ROW;
        birth = ki_rec_lsn(before.rec);
    } else {
        record->kind = KI_RECORD_PUT;
        status = take_row(store, &record->row);
    }
    if (status)
        return status;
    if (op->kind != KI_DEL)
        place_key(store, op, birth, meta_len, &record->rec);
    store->staged_ops[index] = op;
    store->undo[index] = before.staged;
    store->staged_count++;
    if (overlaid)
        ki_directory_set(store->overlay, op->key, op->key_len, index);
    return KITH_OK;
}

kith_status ki_stage_request(ki_store *store, ki_request *request)
{
    bool overlaid = store->staged_room > 1 && store->overlaid;
    kith_status status = KITH_OK;
    request->first = store->staged_count;
    if (store->lsn + store->staged_count + request->n > KI_LSN_MOST)
        return ki_fail(KITH_ENOMEM, "the store has used up all its %llu operations",
                       (unsigned long long)KI_LSN_MOST);
    for (size_t i = 0; i < request->n && !status; i++)
        status = stage_op(store, &request->ops[i], i, overlaid);
    if (status)
        ki_stage_drop(store, request->first);
    else
        store->staged[store->staged_count - 1].flags = KI_RECORD_LAST;
    return status;
}

void ki_stage_drop(ki_store *store, size_t first)
{
    while (store->staged_count > first) {
        size_t i = --store->staged_count;
        const ki_record *record = &store->staged[i];
        const ki_op *op = store->staged_ops[i];
        ki_heap_untake(store, &record->rec);
        if (record->kind == KI_RECORD_PUT && record->row >= store->rows)
            store->staged_rows--;
        else if (record->kind == KI_RECORD_PUT)
            ki_rowset_add(&store->vacant, record->row);
        if (!store->overlaid)
            continue;
        if (store->undo[i] == KI_NO_ROW)
            ki_directory_remove(store->overlay, op->key, op->key_len);
        else
            ki_directory_set(store->overlay, op->key, op->key_len, store->undo[i]);
    }
}

/* Nothing will be looked up among them any more. Now, since an operation's key may be bytes that a
 * reader was shown, in a REC that is about to be written. */
void ki_stage_forget(ki_store *store)
{
    for (size_t i = 0; i < store->staged_count && store->overlaid; i++)
        ki_directory_remove(store->overlay, store->staged_ops[i]->key,
                            store->staged_ops[i]->key_len);
}

/* ---- Then: bytes -------------------------------------------------------------------------- */

static kith_status write_row_in_memory(ki_store *store, uint32_t row, const ki_op *op)
{
    memcpy(ki_slab_row(&store->slab, row), op->elements, store->shape.row_bytes);
    memcpy(ki_slab_aux(&store->slab, row), op->aux, KI_AUX_BYTES);
    return KITH_OK;
}

static kith_status write_row(ki_store *store, uint32_t row, const ki_op *op)
{
    size_t stride = store->slab.stride, bytes = store->shape.row_bytes;
    kith_status status = KITH_OK;
    if (!ki_in_file(store))
        return write_row_in_memory(store, row, op);
    unsigned char *to = ki_run_place(&store->rows_run, row * (uint64_t)stride, stride, &status);
    if (status)
        return status;
    memcpy(to, op->elements, bytes);
    memset(to + bytes, 0, stride - bytes);
    if (!ki_aux_apart(store)) {
        memcpy(to + stride - KI_AUX_BYTES, op->aux, KI_AUX_BYTES);
        return KITH_OK;
    }
    memcpy(ki_slab_aux(&store->slab, row), op->aux, KI_AUX_BYTES);
    to = ki_run_place(&store->aux_run, row * (uint64_t)KI_AUX_BYTES, KI_AUX_BYTES, &status);
    if (!status)
        memcpy(to, op->aux, KI_AUX_BYTES);
    return status;
}

/* The metadata that a put keeps may have been written by a record just before it. */
static kith_status kept_meta(ki_store *store, size_t i, const void **meta)
{
    const ki_record *record = &store->staged[i];
    uint32_t staged = store->undo[i], meta_len;
    kith_status status = ki_run_flush(&store->heap_run);
    const ki_rec *rec =
        staged != KI_NO_ROW ? &store->staged[staged].rec : &store->recs[record->old_row];
    *meta = ki_rec_meta(store, rec, &meta_len);
    return status;
}

static kith_status write_heap(ki_store *store, size_t i)
{
    const ki_op *op = store->staged_ops[i];
    ki_record *record = &store->staged[i];
    size_t bytes = (size_t)ki_rec_heap_bytes(&record->rec), key_len = op->key_len;
    size_t meta_len = record->rec.key.away.meta_len;
    const void *meta = op->meta;
    uint64_t at = record->rec.key.away.offset;
    kith_status status = KITH_OK;
    if (op->keep_meta && record->old_row != KI_NO_ROW)
        status = kept_meta(store, i, &meta);
    if (status)
        return status;
    unsigned char *to = ki_in_file(store) ? ki_run_place(&store->heap_run, at, bytes, &status)
                                          : store->space.section[KI_HEAP].base + at;
    if (status)
        return status;
    memset(to + bytes - 8, 0, 8);
    memcpy(to, op->key, key_len);
    if (meta_len > 0)
        memcpy(to + key_len, meta, meta_len);
    record->rec.key.away.sum = ki_sum32(to, key_len + meta_len, 0);
    return KITH_OK;
}

static kith_status write_one(ki_store *store, size_t i)
{
    const ki_op *op = store->staged_ops[i];
    ki_record *record = &store->staged[i];
    kith_status status = KITH_OK;
    if (record->kind == KI_RECORD_DEL)
        return KITH_OK;
    if (record->kind == KI_RECORD_PUT)
        status = write_row(store, record->row, op);
    if (!status && ki_rec_away(&record->rec))
        status = write_heap(store, i);
    if (!ki_in_file(store))
        return status;
    if (record->kind == KI_RECORD_PUT)
        record->rec.row_sum = ki_row_sum(op->elements, store->shape.row_bytes, op->aux);
    else if (store->undo[i] != KI_NO_ROW)
        record->rec.row_sum = store->staged[store->undo[i]].rec.row_sum;
    else
        record->rec.row_sum = store->recs[record->row].row_sum;
    record->rec.sum = ki_rec_sum(&record->rec, record->row, store->head.uuid);
    return status;
}

kith_status ki_stage_write(ki_store *store)
{
    kith_status status = KITH_OK;
    store->rows_run.used = store->aux_run.used = store->heap_run.used = 0;
    for (size_t i = 0; i < store->staged_count && !status; i++)
        status = write_one(store, i);
    if (!status && ki_in_file(store))
        status = ki_run_flush(&store->rows_run);
    if (!status && ki_in_file(store))
        status = ki_run_flush(&store->aux_run);
    if (!status && ki_in_file(store))
        status = ki_run_flush(&store->heap_run);
    return status;
}

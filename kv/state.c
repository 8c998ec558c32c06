/* state.c - what readers see: rows, records, keys and liveness, in memory and always up to date.
 *
 * May touch the inside of the store; opens no file. The one idea: a commit is first made certain
 * (staged, written, synced) and then made visible, here, by changes that cannot fail: whatever
 * they may need in memory was reserved before. So a failure never has to be undone where readers
 * could watch, and readers wait for the length of these few stores only.
 *
 * The REC of a row is read from memory even in a file's store: 32 bytes a row, taken in at open.
 * A get then touches a place of the directory, the REC and the row. In the file RECs are written
 * at checkpoints alone, since the log has them until then.
 */
#include "kv/store_inside.h"

#include <assert.h>
#include <string.h>

kith_status ki_state_open(ki_store *store)
{
    uint64_t stride = ((uint64_t)store->shape.row_bytes + KI_LINE - 1) & ~(uint64_t)(KI_LINE - 1);
    kith_status status = ki_space_open(store->config.vfs, store->file, stride * KI_MAX_ROWS,
                                       KI_HEAP_MOST, &store->space);
    if (!status)
        status = ki_slab_over(store->shape.row_bytes, KI_MAX_ROWS,
                              store->space.section[KI_ROWS].base, &store->slab);
    if (!status)
        status = ki_arena_open(KI_MAX_ROWS * sizeof(ki_rec), &store->recs_arena);
    if (!status)
        status = ki_arena_open(KI_MAX_ROWS / 8, &store->live_arena);
    if (!status)
        status = ki_arena_open(KI_MAX_ROWS * sizeof(ki_grave), &store->graves_arena);
    if (!status)
        status = ki_directory_open(ki_row_has_key, store, &store->directory);
    if (!status)
        status = ki_directory_open(ki_row_has_key, store, &store->graves);
    if (!status)
        status = ki_heap_open(store);
    if (!status)
        ki_directory_share(store->directory);
    store->aside_spare = KI_NO_ROW;
    store->recs = (ki_rec *)(void *)store->recs_arena.base;
    store->grave = (ki_grave *)(void *)store->graves_arena.base;
    return status;
}

void ki_state_close(ki_store *store)
{
    ki_quarantine_close(store);
    ki_heap_close(store);
    ki_directory_close(store->directory);
    ki_directory_close(store->graves);
    store->directory = store->graves = NULL;
    ki_rowset_close(&store->vacant);
    ki_arena_close(&store->recs_arena);
    ki_arena_close(&store->live_arena);
    ki_arena_close(&store->graves_arena);
    ki_slab_close(&store->slab);
    ki_space_close(&store->space);
}

void ki_gate_shut(ki_store *store)
{
    pthread_rwlock_wrlock(&store->gate);
    __atomic_store_n(&store->turns, store->turns + 1, __ATOMIC_RELAXED);
}

void ki_gate_open(ki_store *store)
{
    __atomic_store_n(&store->meta_past, store->aside_seen.count > 0, __ATOMIC_RELEASE);
    __atomic_store_n(&store->turns, store->turns + 1, __ATOMIC_RELEASE);
    pthread_rwlock_unlock(&store->gate);
}

/* The lock is no part of what a reader may not change. */
void ki_store_read_lock(const ki_store *store)
{
    pthread_rwlock_rdlock((pthread_rwlock_t *)&store->gate);
}

void ki_store_read_unlock(const ki_store *store)
{
    pthread_rwlock_unlock((pthread_rwlock_t *)&store->gate);
}

static kith_status reserve_rows(ki_store *store, uint32_t rows)
{
    size_t words = ((size_t)rows + 63) / 64, recs = (size_t)rows * sizeof(ki_rec);
    kith_status status = ki_slab_grow(&store->slab, rows);
    if (!status)
        status = ki_arena_grow(&store->recs_arena, (recs + 4095) & ~(size_t)4095);
    if (!status)
        status = ki_arena_grow(&store->live_arena, words * sizeof(uint64_t));
    if (!status)
        status = ki_arena_grow(&store->graves_arena, rows * sizeof(ki_grave));
    if (!status)
        status = ki_rowset_reserve(&store->vacant, rows);
    return status;
}

kith_status ki_state_reserve(ki_store *store, uint32_t rows, size_t keys, size_t deaths,
                             size_t changes)
{
    ki_gate_shut(store);
    kith_status status = reserve_rows(store, rows);
    if (!status)
        status = ki_directory_reserve(store->directory, keys);
    if (!status)
        status = ki_quarantine_reserve(store, deaths, changes);
    ki_gate_open(store);
    return status;
}

/* ---- Making an operation visible ---------------------------------------------------------- */

/* Release: who sees the bit also sees the row that was written before it. */
void ki_state_set_live(ki_store *store, uint32_t row)
{
    uint64_t *word = ki_live_word(store, row);
    const ki_rec *rec = &store->recs[row];
    uint32_t meta_len;
    ki_rec_meta(store, rec, &meta_len);
    __atomic_store_n(word, *word | UINT64_C(1) << row % 64, __ATOMIC_RELEASE);
    __atomic_store_n(&store->live_count, store->live_count + 1, __ATOMIC_RELEASE);
    store->live_key_bytes += ki_rec_key_len(rec) + meta_len;
    store->heap_live += ki_rec_heap_bytes(rec);
}

void ki_state_clear_live(ki_store *store, uint32_t row)
{
    uint64_t *word = ki_live_word(store, row);
    const ki_rec *rec = &store->recs[row];
    uint32_t meta_len;
    ki_rec_meta(store, rec, &meta_len);
    __atomic_store_n(word, *word & ~(UINT64_C(1) << row % 64), __ATOMIC_RELEASE);
    __atomic_store_n(&store->live_count, store->live_count - 1, __ATOMIC_RELEASE);
    store->live_key_bytes -= ki_rec_key_len(rec) + meta_len;
    store->heap_live -= ki_rec_heap_bytes(rec);
}

/* Word by word, with release: see look.c. */
static void set_rec(ki_rec *rec, const ki_rec *to)
{
    const ki_rec_part *from = (const ki_rec_part *)to;
    ki_rec_part *word = (ki_rec_part *)rec;
    for (size_t i = 0; i < sizeof *rec / sizeof *word; i++)
        __atomic_store_n(&word[i], from[i], __ATOMIC_RELEASE);
}

static void apply_put(ki_store *store, const ki_record *record)
{
    uint32_t row = record->row;
    const void *key;
    size_t key_len;
    set_rec(&store->recs[row], &record->rec);
    if (row >= store->rows)
        __atomic_store_n(&store->rows, row + 1, __ATOMIC_RELEASE);
    ki_state_set_live(store, row);
    ki_rec_key(store, &store->recs[row], &key, &key_len);
    ki_directory_set(store->directory, key, key_len, row);
    if (store->watch.born)
        store->watch.born(store->watch.user, row);
    if (record->old_row != KI_NO_ROW)
        ki_quarantine_bury(store, record->old_row, record->lsn);
}

static void apply_del(ki_store *store, const ki_record *record)
{
    const void *key;
    size_t key_len;
    ki_rec_key(store, &store->recs[record->old_row], &key, &key_len);
    ki_directory_remove(store->directory, key, key_len);
    ki_quarantine_bury(store, record->old_row, record->lsn);
}

static void apply_meta(ki_store *store, const ki_record *record)
{
    ki_rec *rec = &store->recs[record->row];
    uint32_t before, after;
    ki_aside_keep(store, record->row, record->lsn);
    ki_rec_meta(store, rec, &before);
    ki_rec_meta(store, &record->rec, &after);
    store->heap_live += ki_rec_heap_bytes(&record->rec);
    store->heap_live -= ki_rec_heap_bytes(rec);
    store->live_key_bytes += after;
    store->live_key_bytes -= before;
    set_rec(rec, &record->rec);
}

void ki_state_apply(ki_store *store, const ki_record *record)
{
    if (record->kind == KI_RECORD_PUT)
        apply_put(store, record);
    else if (record->kind == KI_RECORD_DEL)
        apply_del(store, record);
    else
        apply_meta(store, record);
    if (record->row != KI_NO_ROW && ki_in_file(store))
        store->dirty[record->row / KI_RECS_A_BLOCK] = 1;
}

/* ---- What is there ------------------------------------------------------------------------ */

void ki_store_present_key(const ki_store *store, uint32_t row, const void **key, size_t *key_len)
{
    ki_rec_key(store, &store->recs[row], key, key_len);
}

uint64_t ki_store_birth(const ki_store *store, uint32_t row)
{
    return ki_rec_lsn(&store->recs[row]);
}

kith_status ki_store_watch(ki_store *store, const ki_row_watch *watch)
{
    kith_status status = KITH_OK;
    ki_lead_take(store);
    ki_gate_shut(store);
    if (watch && watch->fill)
        status = watch->fill(watch->user, store);
    if (!status)
        store->watch = watch ? *watch : (ki_row_watch){0};
    ki_gate_open(store);
    ki_lead_give(store);
    return status;
}

const ki_slab *ki_store_slab(const ki_store *store)
{
    return &store->slab;
}

const uint64_t *ki_store_live(const ki_store *store)
{
    return (const uint64_t *)(const void *)store->live_arena.base;
}

uint32_t ki_store_rows(const ki_store *store)
{
    return __atomic_load_n(&store->rows, __ATOMIC_ACQUIRE);
}

uint64_t ki_store_live_count(const ki_store *store)
{
    return __atomic_load_n(&store->live_count, __ATOMIC_ACQUIRE);
}

/* A reader who sees any number of a commit that is being applied sees an odd turn behind it, or
 * another than before: what is stored after a turn is stored with release. */
ki_moment ki_store_moment(const ki_store *store)
{
    ki_moment moment;
    const uint32_t turn = __atomic_load_n(&store->turns, __ATOMIC_ACQUIRE);
    moment.lsn = ki_store_lsn(store);
    moment.rows = ki_store_rows(store);
    moment.live = ki_store_live_count(store);
    if (turn % 2 == 0 && __atomic_load_n(&store->turns, __ATOMIC_RELAXED) == turn)
        return moment;
    ki_store_read_lock(store);
    moment = (ki_moment){store->lsn, store->live_count, store->rows};
    ki_store_read_unlock(store);
    return moment;
}

/* replay.c - the log, replayed commit by commit for as long as it is right.
 *
 * May touch the inside of the store while nobody else can. A record counts while all of this holds
 * of it and of every one before it:
 *
 *   its own checksum, under the seed of this log, so that what an earlier log left behind in the
 *   same place is not taken for a continuation;
 *   its LSN is the one that its place says;
 *   the row and the heap bytes it vouches for have the checksums it carries;
 *   the record that ends its commit is there too.
 *
 * The first miss is the end: what comes after it was never acknowledged, or the miss would not be
 * there. Unless something says otherwise: each record tells up to which LSN the log was known to
 * be on disk when it was written, so a later record, or one before the miss, may prove that the
 * missing one was on disk. Then this is damage. It is reported and nothing is changed; a recovery
 * that cut the log there would turn one bad sector into silent loss of all that followed.
 */
#include "kv/store_inside.h"

#include <string.h>

enum { WINDOW = 1 << 18 };

typedef struct replay {
    ki_store *store;
    ki_record *records;   /* as many as fit in the log; right ones up to `count` */
    size_t count;         /* in a row from the front */
    uint64_t durable;     /* some record says that all up to here was on disk */
    bool used;            /* any right record anywhere */
    unsigned char *rows;  /* a window of the rows section */
    uint32_t first, last; /* rows in it: first..last-1 */
} replay;

static bool is_right(const ki_store *store, const ki_record *record, uint64_t lsn)
{
    if (record->lsn != lsn && !ki_broken(store, KI_RULE_LOG_PLACE))
        return false;
    if (ki_broken(store, KI_RULE_RECORD_SUMS))
        return record->kind >= KI_RECORD_PUT && record->kind <= KI_RECORD_META;
    return record->sum == ki_record_sum(record, store->log_seed);
}

static void scan(replay *r, const ki_record *records, size_t n, uint64_t lsn, bool *unbroken)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_right(r->store, &records[i], lsn + i)) {
            *unbroken = false;
            continue;
        }
        r->used = true;
        if (records[i].durable_lsn > r->durable)
            r->durable = records[i].durable_lsn;
        r->count += *unbroken;
    }
}

/* Reads all of the log, for what the records behind a miss have to say. A run of zeros is what a
 * young log mostly is; nothing of it is right, and it costs a comparison. */
static kith_status read_log(replay *r)
{
    const ki_store *store = r->store;
    size_t bytes = (size_t)store->space.section[KI_LOG].bytes;
    bool unbroken = true;
    r->records = ki_alloc(bytes);
    if (!r->records)
        return ki_no_memory("the log", bytes);
    for (size_t at = 0; at < bytes; at += WINDOW) {
        size_t part = bytes - at < WINDOW ? bytes - at : WINDOW;
        ki_record *records = r->records + at / sizeof(ki_record);
        kith_status status = ki_space_read(&store->space, KI_LOG, at, records, part);
        if (status)
            return status;
        scan(r, records, part / sizeof(ki_record), store->log_first + at / sizeof(ki_record),
             &unbroken);
    }
    return KITH_OK;
}

/* A row as it lies in the file. Rows of a log mostly follow each other: then many are read at
 * once. NULL with *status on an error. */
static const unsigned char *row_in_file(replay *r, uint32_t row, kith_status *status)
{
    const ki_store *store = r->store;
    size_t stride = store->slab.stride, most = WINDOW / stride ? WINDOW / stride : 1;
    if (row >= r->first && row < r->last)
        return r->rows + (row - r->first) * stride;
    uint64_t there = store->space.section[KI_ROWS].bytes / stride - row;
    size_t n = row == r->last && row > 0 ? most : 1;
    if (n > there)
        n = (size_t)there;
    *status = ki_space_read(&store->space, KI_ROWS, row * (uint64_t)stride, r->rows, n * stride);
    if (*status)
        return NULL;
    r->first = row;
    r->last = row + (uint32_t)n;
    return r->rows;
}

static bool row_is_right(replay *r, const ki_record *record, kith_status *status)
{
    const ki_store *store = r->store;
    unsigned char aux_bytes[KI_AUX_BYTES];
    const unsigned char *row = row_in_file(r, record->row, status), *aux = aux_bytes;
    if (row && !ki_aux_apart(store))
        aux = row + store->slab.stride - KI_AUX_BYTES;
    else if (row)
        *status = ki_space_read(&store->space, KI_AUX, record->row * (uint64_t)KI_AUX_BYTES,
                                aux_bytes, KI_AUX_BYTES);
    if (*status)
        return false;
    if (ki_aux_apart(store))
        memcpy(ki_slab_aux(&store->slab, record->row), aux, KI_AUX_BYTES);
    return ki_broken(store, KI_RULE_ROW_SUMS) ||
           ki_row_sum(row, store->shape.row_bytes, aux) == record->rec.row_sum;
}

static bool heap_is_right(const ki_store *store, const ki_rec *rec, kith_status *status)
{
    unsigned char *bytes = NULL;
    size_t n = ki_rec_key_len(rec) + rec->key.away.meta_len;
    unsigned char here[1024];
    if (n > sizeof here && !(bytes = ki_alloc(n)))
        *status = ki_no_memory("metadata", n);
    unsigned char *at = bytes ? bytes : here;
    if (!*status)
        *status = ki_space_read(&store->space, KI_HEAP, rec->key.away.offset, at, n);
    bool right = !*status && ki_sum32(at, n, 0) == rec->key.away.sum;
    ki_free(bytes);
    return right || (!*status && ki_broken(store, KI_RULE_HEAP_SUMS));
}

/* Does a right record fit the file and the state it is to change? If not, then whoever wrote it
 * knew a head that is gone, or meant harm. */
static bool record_fits(const ki_store *store, const ki_record *record)
{
    const ki_section *section = store->space.section;
    uint64_t rows_most = section[KI_ROWS].bytes / store->slab.stride, row = record->row;
    if (rows_most > section[KI_RECS].bytes / sizeof(ki_rec))
        rows_most = section[KI_RECS].bytes / sizeof(ki_rec);
    rows_most = ki_min(rows_most, ki_min(section[KI_LIVE_A].bytes, section[KI_LIVE_B].bytes) * 8);
    if (ki_aux_apart(store) && rows_most > section[KI_AUX].bytes / KI_AUX_BYTES)
        rows_most = section[KI_AUX].bytes / KI_AUX_BYTES;
    if (record->kind != KI_RECORD_DEL &&
        (row >= rows_most || row >= KI_MAX_ROWS ||
         !ki_rec_sane(&record->rec, store->shape.keys, section[KI_HEAP].bytes)))
        return false;
    if (record->kind == KI_RECORD_PUT)
        return record->old_row == KI_NO_ROW || record->old_row < rows_most;
    if (record->kind == KI_RECORD_DEL)
        return record->old_row < rows_most;
    return record->kind == KI_RECORD_META;
}

static kith_status contradiction(const ki_record *record)
{
    return ki_fail(KITH_ECORRUPT, "the log's record of LSN %llu contradicts the rows it changes",
                   (unsigned long long)record->lsn);
}

/* All records of one commit: right in what they vouch for? */
static bool commit_is_right(replay *r, size_t first, size_t end, kith_status *status)
{
    ki_store *store = r->store;
    for (size_t i = first; i < end; i++) {
        const ki_record *record = &r->records[i];
        if (!record_fits(store, record)) {
            *status = contradiction(record);
            return false;
        }
        if (record->kind != KI_RECORD_DEL)
            *status = ki_state_reserve(store, record->row + 1, 0, 0, 0);
        if (*status)
            return false;
        if (record->kind == KI_RECORD_PUT && !row_is_right(r, record, status))
            return false;
        if (ki_rec_away(&record->rec) && !heap_is_right(store, &record->rec, status))
            return false;
    }
    return true;
}

/* One operation takes effect on RECs and liveness; directory and quarantine come later. */
static kith_status redo(ki_store *store, const ki_record *record)
{
    uint32_t row = record->row, old = record->old_row;
    if (record->kind == KI_RECORD_PUT) {
        if (ki_is_live(store, row))
            return contradiction(record);
        store->recs[row] = record->rec;
        if (row >= store->rows)
            store->rows = row + 1;
        *ki_live_word(store, row) |= UINT64_C(1) << row % 64;
        store->live_count++;
    } else if (record->kind == KI_RECORD_META) {
        if (!ki_is_live(store, row))
            return contradiction(record);
        store->recs[row] = record->rec;
    }
    if (old != KI_NO_ROW) {
        if (!ki_is_live(store, old))
            return contradiction(record);
        *ki_live_word(store, old) &= ~(UINT64_C(1) << old % 64);
        store->live_count--;
    }
    uint64_t end = ki_rec_away(&record->rec) && record->kind != KI_RECORD_DEL
                       ? record->rec.key.away.offset + ki_rec_heap_bytes(&record->rec)
                       : 0;
    if (end > store->heap_used)
        store->heap_used = end;
    store->lsn = record->lsn;
    return KITH_OK;
}

static kith_status mark_dirty(ki_store *store, const ki_record *record)
{
    if (record->row == KI_NO_ROW)
        return KITH_OK;
    kith_status status = ki_dirty_room(store, record->row);
    if (!status)
        store->dirty[record->row / KI_RECS_A_BLOCK] = 1;
    return status;
}

static kith_status replay_commits(replay *r)
{
    ki_store *store = r->store;
    kith_status status = KITH_OK;
    size_t first = 0, end;
    for (; first < r->count; first = end) {
        for (end = first; end < r->count && !(r->records[end].flags & KI_RECORD_LAST); end++)
            continue;
        if (end == r->count && !ki_broken(store, KI_RULE_WHOLE_COMMITS))
            break;
        end += end < r->count;
        if (!commit_is_right(r, first, end, &status))
            break;
        for (size_t i = first; i < end && !status; i++) {
            status = redo(store, &r->records[i]);
            if (!status)
                status = mark_dirty(store, &r->records[i]);
        }
        if (status)
            break;
    }
    if (!status && store->lsn < r->durable)
        status = ki_fail(KITH_ECORRUPT,
                         "the log is damaged behind LSN %llu, and was on disk up to LSN %llu",
                         (unsigned long long)store->lsn, (unsigned long long)r->durable);
    return status;
}

kith_status ki_replay(ki_store *store, bool *log_was_used)
{
    size_t stride = store->slab.stride;
    replay r = {.store = store};
    r.rows = ki_alloc(stride > WINDOW ? stride : WINDOW);
    kith_status status = r.rows ? KITH_OK : ki_no_memory("reading rows", WINDOW);
    if (!status)
        status = read_log(&r);
    if (!status)
        status = replay_commits(&r);
    *log_was_used = r.used;
    ki_free(r.records);
    ki_free(r.rows);
    return status;
}

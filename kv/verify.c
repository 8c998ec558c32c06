/* verify.c - is what lies on disk what was put there?
 *
 * May touch the inside of the store. Bytes are read through the system and not through the
 * mapping, so that a bad disk is an error code; and piece by piece under the lead, so that nothing
 * changes beneath and writers wait for no longer than a piece takes. A row that is checked while it
 * lives may be gone when the check ends; that is no concern of its.
 */
#include "kv/store_inside.h"

#include <string.h>

enum { PIECE = 1 << 18 };

/* The directory leads to every live row and to no other; the counts agree. */
static kith_status check_directory(const ki_store *store)
{
    uint64_t live = 0;
    for (uint32_t row = 0; row < store->rows; row++) {
        const void *key;
        size_t key_len;
        if (!ki_is_live(store, row))
            continue;
        live++;
        ki_rec_key(store, &store->recs[row], &key, &key_len);
        if (ki_directory_find(store->directory, key, key_len) != row)
            return ki_fail(KITH_ECORRUPT, "the directory does not lead to row %u", row);
    }
    if (live != store->live_count || live != ki_directory_count(store->directory))
        return ki_fail(KITH_ECORRUPT, "%llu rows live, %llu were counted, the directory has %zu",
                       (unsigned long long)live, (unsigned long long)store->live_count,
                       ki_directory_count(store->directory));
    uint64_t idle = store->vacant.count + (uint64_t)store->unseen.count + store->seen.count;
    if (live + idle != store->rows)
        return ki_fail(KITH_ECORRUPT, "of %u rows %llu live and %llu do not", store->rows,
                       (unsigned long long)live, (unsigned long long)idle);
    return KITH_OK;
}

static kith_status check_head(const ki_store *store)
{
    ki_head head;
    uint64_t side = store->head.generation & 1, bytes;
    const ki_vfs *vfs = store->config.vfs;
    kith_status status = ki_file_read(vfs, store->file, side * KI_HEAD_BYTES, &head, sizeof head);
    if (status)
        return status;
    if (vfs->size(vfs->user, store->file, &bytes) != 0)
        return ki_fail(KITH_EIO, "the length of the store's file cannot be told");
    if (head.sum != ki_head_sum(&head) || memcmp(&head, &store->head, sizeof head) != 0)
        return ki_fail(KITH_ECORRUPT, "the head of generation %llu is damaged on disk",
                       (unsigned long long)store->head.generation);
    return ki_head_check(&head, bytes, false);
}

/* Liveness on disk, by its checksum. */
static kith_status check_liveness(const ki_store *store)
{
    size_t bytes = ((size_t)store->head.rows + 63) / 64 * sizeof(uint64_t);
    unsigned char *words = ki_alloc(bytes);
    if (!words)
        return ki_no_memory("the liveness of rows", bytes);
    kith_status status = ki_space_read(&store->space, store->head.live_side ? KI_LIVE_B : KI_LIVE_A,
                                       0, words, bytes);
    if (!status && ki_sum64(words, bytes, 0) != store->head.live_sum)
        status =
            ki_fail(KITH_ECORRUPT, "the liveness of %u rows is damaged on disk", store->head.rows);
    ki_free(words);
    return status;
}

/* A checkpoint that another followed may be written over, and then it is no damage. Its rows are
 * kept for the readers that stand there. */
static kith_status check_checkpoint(const ki_store *store)
{
    bool newer = false;
    kith_status status = check_head(store);
    if (!status)
        status = check_liveness(store);
    if (status != KITH_ECORRUPT)
        return status;
    kith_status looked = ki_find_newer_head(store, &newer);
    return looked || newer ? looked : status;
}

/* RECs on disk are those in memory: all of a store that was just saved. A store that reads beside
 * a writer, or that replayed a log it may not save, has newer ones than its checkpoint. */
static kith_status check_recs(const ki_store *store, unsigned char *piece)
{
    uint32_t each = PIECE / sizeof(ki_rec);
    bool saved = store->lsn == store->head.checkpoint_lsn && !store->config.read_only;
    for (uint32_t first = 0; first < store->rows && saved; first += each) {
        uint32_t n = store->rows - first < each ? store->rows - first : each;
        kith_status status = ki_space_read(&store->space, KI_RECS, first * sizeof(ki_rec), piece,
                                           n * sizeof(ki_rec));
        if (status)
            return status;
        for (uint32_t i = 0; i < n; i++)
            if (ki_is_live(store, first + i) &&
                memcmp(piece + i * sizeof(ki_rec), &store->recs[first + i], sizeof(ki_rec)) != 0)
                return ki_fail(KITH_ECORRUPT, "the record of row %u is damaged on disk", first + i);
    }
    return KITH_OK;
}

static kith_status check_quickly(ki_store *store, unsigned char *piece)
{
    kith_status status = KITH_OK;
    ki_lead_take(store);
    if (ki_in_file(store) && !store->config.read_only)
        status = ki_check_writable(store);
    if (!status && ki_in_file(store) && !store->config.read_only)
        status = ki_checkpoint(store, false, false);
    if (!status)
        status = check_directory(store);
    if (!status)
        status = ki_heap_check(store);
    if (!status && ki_in_file(store))
        status = check_checkpoint(store);
    if (!status && ki_in_file(store))
        status = check_recs(store, piece);
    ki_lead_give(store);
    return status;
}

static bool is_blank(const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static kith_status check_row(const ki_store *store, uint32_t row, const unsigned char *bytes,
                             unsigned char *heap)
{
    const ki_rec *rec = &store->recs[row];
    size_t row_bytes = store->shape.row_bytes, stride = store->slab.stride, n;
    bool apart = ki_aux_apart(store);
    const unsigned char *aux =
        apart ? ki_slab_aux(&store->slab, row) : bytes + stride - KI_AUX_BYTES;
    if (rec->row_sum != ki_row_sum(bytes, row_bytes, aux) ||
        !is_blank(bytes + row_bytes, stride - row_bytes - (apart ? 0 : KI_AUX_BYTES)))
        return ki_fail(KITH_ECORRUPT, "row %u is damaged on disk", row);
    if (!ki_rec_away(rec))
        return KITH_OK;
    n = ki_rec_key_len(rec) + rec->key.away.meta_len;
    kith_status status = ki_space_read(&store->space, KI_HEAP, rec->key.away.offset, heap, n);
    if (!status && ki_sum32(heap, n, 0) != rec->key.away.sum)
        status = ki_fail(KITH_ECORRUPT, "key or metadata of row %u are damaged on disk", row);
    return status;
}

/* A few rows from `first` on; *next is where to go on. */
static kith_status check_piece(ki_store *store, uint32_t first, unsigned char *piece,
                               unsigned char *heap, uint32_t *next)
{
    size_t stride = store->slab.stride, each = PIECE / stride ? PIECE / stride : 1;
    uint32_t n = store->rows - first < each ? store->rows - first : (uint32_t)each;
    kith_status status =
        ki_space_read(&store->space, KI_ROWS, first * (uint64_t)stride, piece, n * stride);
    for (uint32_t i = 0; i < n && !status; i++)
        if (ki_is_live(store, first + i))
            status = check_row(store, first + i, piece + i * stride, heap);
    *next = first + n;
    return status;
}

static kith_status check_fully(ki_store *store, unsigned char *piece, unsigned char *heap,
                               kith_progress_fn progress, void *user)
{
    kith_status status = KITH_OK;
    for (uint32_t row = 0, rows = 1; row < rows && !status;) {
        ki_lead_take(store);
        rows = store->rows;
        if (row < rows)
            status = check_piece(store, row, piece, heap, &row);
        ki_lead_give(store);
        if (!status && progress && progress(user, row, rows))
            status =
                ki_fail(KITH_ECANCELLED, "the check was stopped after %u of %u rows", row, rows);
    }
    return status;
}

kith_status ki_store_check(ki_store *store, bool full, kith_progress_fn progress, void *user)
{
    size_t piece_bytes = PIECE > store->slab.stride ? PIECE : store->slab.stride;
    unsigned char *piece = ki_alloc(piece_bytes), *heap = ki_alloc(KI_KEY_MAX + KI_META_MAX);
    kith_status status = KITH_OK;
    if (!piece || !heap)
        status = ki_no_memory("checking a store", piece_bytes + KI_KEY_MAX + KI_META_MAX);
    if (!status)
        status = check_quickly(store, piece);
    if (!status && full && ki_in_file(store))
        status = check_fully(store, piece, heap, progress, user);
    ki_free(piece);
    ki_free(heap);
    return status;
}

/* look.c - finding a key and showing what lies under it, with the readers' lock or without.
 *
 * May touch the inside of the store, to read. The one idea: most keys that are asked for are there,
 * are short and have no metadata, and a get of such a one needs no lock. It looks between two
 * glances at the turns of the gate, and what it saw is true if the gate stood open all the while;
 * all else, and all doubt, goes the way of the lock.
 *
 * A get of 3072 bytes waits for memory three times: for its place in the directory, for the row's
 * page in the page tables, for the row (its REC arrives meanwhile). A core can begin with the next
 * get while it waits, if nothing between them holds it up. A lock does: no later read overtakes
 * it. And so does length, for a core sees some hundreds of instructions ahead, and a caller who
 * touches 48 lines needs half of them. So peek is short, and what it finds comes in a register.
 * Without locks alone a get and touch took 0.98 of the time, with the directory on huge pages 0.91,
 * and in 220 instructions in place of 375, 0.82.
 *
 * Who gets a key usually reads its row, and for it a row sets out as soon as its number is known:
 * with 12 lines a get took 0.98 of the time that it takes with 4. Tried and lost: 24 lines or all
 * 48; the first of the row's second page (the walk for that page begins no earlier).
 */
#include "kv/store_inside.h"

#include <string.h>

enum { LINES_AHEAD = 12 }; /* of 64 bytes, of a row */

/* ---- Records ------------------------------------------------------------------------------ */

void ki_rec_key(const ki_store *store, const ki_rec *rec, const void **key, size_t *key_len)
{
    *key_len = ki_rec_key_len(rec);
    *key = ki_rec_away(rec) ? store->space.section[KI_HEAP].base + rec->key.away.offset
                            : rec->key.here;
}

const void *ki_rec_meta(const ki_store *store, const ki_rec *rec, uint32_t *meta_len)
{
    *meta_len = ki_rec_away(rec) ? rec->key.away.meta_len : 0;
    if (*meta_len == 0)
        return NULL;
    return store->space.section[KI_HEAP].base + rec->key.away.offset + ki_rec_key_len(rec);
}

/* Whoever asks for a key usually goes on to read its row, so the row sets out while the REC is
 * still being waited for. */
static void send_for(const ki_store *store, uint32_t row)
{
    const unsigned char *elements = ki_slab_row(&store->slab, row);
    const size_t bytes = store->slab.stride, most = LINES_AHEAD * KI_LINE;
    if (bytes < most) {
        for (size_t i = 0; i < bytes; i += KI_LINE)
            __builtin_prefetch(elements + i);
        return;
    }
    for (size_t i = 0; i < most; i += KI_LINE) /* a known number: unrolled, without a branch */
        __builtin_prefetch(elements + i);
}

bool ki_row_has_key(const void *user, uint32_t row, const void *key, size_t key_len)
{
    const ki_store *store = user;
    const void *own;
    size_t own_len;
    send_for(store, row);
    ki_rec_key(store, &store->recs[row], &own, &own_len);
    return own_len == key_len && memcmp(own, key, key_len) == 0;
}

/* ---- Keys --------------------------------------------------------------------------------- */

uint32_t ki_store_find(const ki_store *store, const void *key, size_t key_len)
{
    ki_store_read_lock(store);
    uint32_t row = ki_directory_find(store->directory, key, key_len);
    ki_store_read_unlock(store);
    return row;
}

void ki_store_show(const ki_store *store, uint32_t row, uint64_t lsn, ki_view *out)
{
    const ki_rec *rec = ki_rec_as_of(store, row, lsn);
    *out = (ki_view){.row = row, .elements = ki_slab_row(&store->slab, row)};
    out->meta = ki_rec_meta(store, rec, &out->meta_len);
    ki_rec_key(store, &store->recs[row], &out->key, &out->key_len);
    out->lsn = ki_rec_lsn(rec);
}

static kith_status find_as_of(const ki_store *store, const ki_snapshot *snapshot, const void *key,
                              size_t key_len, ki_view *out)
{
    uint64_t lsn = snapshot ? snapshot->lsn : KI_NEWEST;
    uint32_t row = ki_row_as_of(store, key, key_len, lsn);
    if (row == KI_NO_ROW)
        return ki_fail(KITH_ENOTFOUND, "no vector has this key of %zu bytes", key_len);
    ki_store_show(store, row, lsn, out);
    return KITH_OK;
}

/* The key that a REC holds itself, without metadata, as its word and its two words of key. */
static void short_key(const void *key, size_t key_len, uint64_t *words)
{
    words[0] = words[1] = 0;
    if (key_len == KI_HERE_MAX)
        memcpy(words, key, KI_HERE_MAX);
    else if (key_len == sizeof *words)
        memcpy(words, key, sizeof *words);
    else
        memcpy(words, key, key_len);
}

/* What `rec` says of its key, by words that may change meanwhile: false when it has another one, or
 * keeps it in the heap. */
static bool rec_has(const ki_rec *rec, const uint64_t *key, size_t key_len, uint64_t *birth)
{
    const ki_rec_part *part = (const ki_rec_part *)rec;
    uint64_t word = __atomic_load_n(&part[1], __ATOMIC_ACQUIRE);
    uint64_t first = __atomic_load_n(&part[2], __ATOMIC_ACQUIRE);
    uint64_t second = __atomic_load_n(&part[3], __ATOMIC_ACQUIRE);
    *birth = word >> 11;
    return word == ki_rec_word(*birth, false, key_len) &&
           ((first ^ key[0]) | (second ^ key[1])) == 0;
}

/* All that is read here is stored by whole words, with release, after the turn of the gate; so who
 * sees one of them sees that turn too, and two glances at it tell whether they were all there at
 * one time. A key that is not found, or was born after the snapshot, may have been another row. */
uint32_t ki_store_peek(const ki_store *store, const ki_snapshot *snapshot, const void *key,
                       size_t key_len)
{
    const uint32_t turn = __atomic_load_n(&store->turns, __ATOMIC_ACQUIRE);
    uint64_t words[2], birth;
    uint32_t row;
    if (key_len > KI_HERE_MAX || turn % 2 != 0)
        return KI_NO_ROW;
    short_key(key, key_len, words);
    ki_peek peek = ki_peek_at(ki_directory_places(store->directory, key, key_len));
    do {
        row = ki_peek_next(&peek);
        if (row == KI_NO_ROW)
            return KI_NO_ROW;
        send_for(store, row);
    } while (!rec_has(&store->recs[row], words, key_len, &birth));
    if ((snapshot && birth > snapshot->lsn) ||
        __atomic_load_n(&store->meta_past, __ATOMIC_ACQUIRE) ||
        __atomic_load_n(&store->turns, __ATOMIC_RELAXED) != turn)
        return KI_NO_ROW;
    return row;
}

const void *ki_store_short_key(const ki_store *store, uint32_t row)
{
    return store->recs[row].key.here;
}

kith_status ki_store_look(const ki_store *store, const ki_snapshot *snapshot, const void *key,
                          size_t key_len, ki_view *out)
{
    ki_store_read_lock(store);
    kith_status status = find_as_of(store, snapshot, key, key_len, out);
    ki_store_read_unlock(store);
    return status;
}

kith_status ki_store_get(const ki_store *store, const ki_snapshot *snapshot, const void *key,
                         size_t key_len, void *elements, void *meta, size_t meta_room,
                         size_t *meta_len)
{
    ki_view view = {0};
    ki_store_read_lock(store);
    kith_status status = find_as_of(store, snapshot, key, key_len, &view);
    if (!status && meta_room > 0 && view.meta_len > meta_room)
        status = ki_fail(KITH_EINVAL, "the metadata have %u bytes, and there is room for %zu",
                         view.meta_len, meta_room);
    if (!status && elements)
        memcpy(elements, view.elements, store->shape.row_bytes);
    if (!status && meta && meta_room > 0 && view.meta_len > 0)
        memcpy(meta, view.meta, view.meta_len);
    if (!status && meta_len)
        *meta_len = view.meta_len;
    ki_store_read_unlock(store);
    return status;
}

bool ki_store_key(const ki_store *store, uint32_t row, const void **key, size_t *key_len)
{
    ki_store_read_lock(store);
    bool live = ki_is_live(store, row);
    if (live)
        ki_rec_key(store, &store->recs[row], key, key_len);
    ki_store_read_unlock(store);
    return live;
}

size_t ki_store_key_copy(const ki_store *store, uint32_t row, void *key)
{
    const void *own;
    size_t key_len = 0;
    ki_store_read_lock(store);
    if (ki_is_live(store, row)) {
        ki_rec_key(store, &store->recs[row], &own, &key_len);
        memcpy(key, own, key_len);
    }
    ki_store_read_unlock(store);
    return key_len;
}

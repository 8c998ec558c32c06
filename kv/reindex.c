/* reindex.c - what is not in the file is made from what is: the directory, and what is free.
 *
 * May touch the inside of the store while nobody else can. A million keys are spread over many
 * megabytes of directory in random order, so nearly each one waits for memory; asking for sixteen
 * places before the first is written lets those waits overlap. Every live record is checked here
 * on the way, as every later reader will believe it.
 */
#include "kv/store_inside.h"

#include <string.h>

enum { GROUP = 16 };

typedef struct group {
    uint32_t row[GROUP], hash[GROUP];
    uint32_t count;
} group;

static kith_status check_rec(const ki_store *store, uint32_t row)
{
    const ki_rec *rec = &store->recs[row];
    bool file = ki_in_file(store);
    if (file && rec->sum != ki_rec_sum(rec, row, store->head.uuid) &&
        !ki_broken(store, KI_RULE_RECORD_SUMS))
        return ki_fail(KITH_ECORRUPT, "the record of row %u is damaged", row);
    if (!ki_rec_sane(rec, store->shape.keys, store->heap_used) || ki_rec_lsn(rec) > store->lsn)
        return ki_fail(KITH_ECORRUPT, "the record of row %u cannot be right", row);
    return KITH_OK;
}

static kith_status add_group(ki_store *store, group *g)
{
    const void *key;
    size_t key_len;
    for (uint32_t i = 0; i < g->count; i++) {
        uint32_t row = g->row[i];
        ki_rec_key(store, &store->recs[row], &key, &key_len);
        uint32_t other = ki_directory_set_hashed(store->directory, g->hash[i], key, key_len, row);
        if (other != KI_NO_ROW)
            return ki_fail(KITH_ECORRUPT, "rows %u and %u have the same key", other, row);
    }
    g->count = 0;
    return KITH_OK;
}

static kith_status add_live(ki_store *store, group *g, uint32_t row)
{
    const ki_rec *rec = &store->recs[row];
    kith_status status = check_rec(store, row);
    const void *key;
    size_t key_len;
    uint32_t meta_len;
    if (status)
        return status;
    ki_rec_key(store, rec, &key, &key_len);
    ki_rec_meta(store, rec, &meta_len);
    store->live_key_bytes += key_len + meta_len;
    store->heap_live += ki_rec_heap_bytes(rec);
    g->row[g->count] = row;
    g->hash[g->count] = ki_directory_hash(store->directory, key, key_len);
    ki_directory_hint(store->directory, g->hash[g->count]);
    return ++g->count == GROUP ? add_group(store, g) : KITH_OK;
}

kith_status ki_index_rows(ki_store *store)
{
    group g = {.count = 0};
    kith_status status = ki_directory_reserve(store->directory, (size_t)store->live_count);
    if (!status)
        status = ki_rowset_reserve(&store->vacant, store->rows);
    store->heap_bytes = store->heap_used;
    store->heap_live = store->live_key_bytes = 0;
    for (uint32_t row = 0; row < store->rows && !status; row++) {
        if (ki_is_live(store, row))
            status = add_live(store, &g, row);
        else
            ki_rowset_add(&store->vacant, row);
    }
    if (!status)
        status = add_group(store, &g);
    if (!status && store->heap_live > store->heap_used)
        status =
            ki_fail(KITH_ECORRUPT, "the records have %llu bytes in a heap of %llu",
                    (unsigned long long)store->heap_live, (unsigned long long)store->heap_used);
    return status || store->config.read_only ? status : ki_heap_find_gaps(store);
}

/* store_facts.c - the short calls: single operations, and what a store says of itself.
 *
 * May touch the inside of the store. Nothing here decides anything.
 */
#include "kv/store_inside.h"

kith_status ki_store_put(ki_store *store, const void *key, size_t key_len, const void *elements,
                         const void *aux, uint32_t *row)
{
    if (key_len > KI_KEY_MAX)
        return ki_fail(KITH_EINVAL, "a key of %zu bytes; keys have 1 to %d", key_len, KI_KEY_MAX);
    const ki_op op = {
        .kind = KI_PUT, .key_len = (uint16_t)key_len, .key = key, .elements = elements, .aux = aux};
    return ki_store_commit(store, &op, 1, row, NULL);
}

kith_status ki_store_del(ki_store *store, const void *key, size_t key_len)
{
    if (key_len > KI_KEY_MAX)
        return ki_fail(KITH_EINVAL, "a key of %zu bytes; keys have 1 to %d", key_len, KI_KEY_MAX);
    const ki_op op = {.kind = KI_DEL, .key_len = (uint16_t)key_len, .key = key};
    return ki_store_commit(store, &op, 1, NULL, NULL);
}

/* Vacant rows do not count: the store may be pinned before the puts come. Rights to memory that is
 * never touched cost nothing. */
kith_status ki_store_reserve(ki_store *store, size_t n, size_t batch)
{
    size_t more = n > KI_MAX_ROWS ? KI_MAX_ROWS : n;
    ki_lead_take(store);
    kith_status status = ki_check_writable(store);
    uint64_t rows = store->rows + (uint64_t)more;
    if (!status && (n > KI_MAX_ROWS || rows > KI_MAX_ROWS))
        status = ki_fail(KITH_ENOMEM, "%zu more rows than %u are beyond the %u a store can number",
                         n, store->rows, KI_MAX_ROWS);
    if (!status)
        status = ki_stage_room(store, batch);
    if (!status && batch > 1)
        status = ki_directory_reserve(store->overlay, batch);
    if (!status)
        status = ki_grow_space(store, (uint32_t)rows, store->heap_used);
    if (!status)
        status = ki_state_reserve(store, (uint32_t)rows, more, batch, 0);
    ki_lead_give(store);
    return status;
}

kith_key_kind ki_store_keys(const ki_store *store)
{
    return store->shape.keys;
}

const ki_shape *ki_store_shape(const ki_store *store)
{
    return &store->shape;
}

uint64_t ki_store_lsn(const ki_store *store)
{
    return __atomic_load_n(&store->lsn, __ATOMIC_ACQUIRE);
}

uint64_t ki_store_durable_lsn(const ki_store *store)
{
    return ki_in_file(store) ? __atomic_load_n(&store->durable_lsn, __ATOMIC_ACQUIRE)
                             : ki_store_lsn(store);
}

const unsigned char *ki_store_uuid(const ki_store *store)
{
    return store->head.uuid;
}

const char *ki_store_path(const ki_store *store)
{
    return store->path;
}

const ki_vfs *ki_store_vfs(const ki_store *store)
{
    return store->config.vfs;
}

bool ki_store_is_read_only(const ki_store *store)
{
    return store->config.read_only;
}

uint64_t ki_store_stamp(const ki_store *store, uint32_t row)
{
    const void *key;
    size_t key_len;
    uint64_t stamp = 0;
    ki_store_read_lock(store);
    if (row < store->rows && ki_is_live(store, row)) {
        const uint64_t facts[] = {ki_store_birth(store, row), store->recs[row].row_sum};
        ki_store_present_key(store, row, &key, &key_len);
        stamp = ki_sum64(key, key_len, ki_sum64(facts, sizeof facts, row)) | 1;
    }
    ki_store_read_unlock(store);
    return stamp;
}

static uint64_t resident_bytes(const ki_store *store)
{
    size_t rows = ki_in_file(store) ? 0
                                    : store->space.section[KI_ROWS].arena.committed +
                                          store->space.section[KI_HEAP].arena.committed;
    size_t dead = store->deaths == 0 ? 0 : store->graves_arena.committed;
    return sizeof *store + rows + ki_slab_bytes(&store->slab) + store->recs_arena.committed +
           store->live_arena.committed + dead + ki_rowset_bytes(&store->vacant) +
           ki_directory_bytes(store->directory) + ki_directory_bytes(store->graves) +
           store->aside_room * sizeof(ki_aside);
}

void ki_store_count(const ki_store *store, ki_store_numbers *out)
{
    ki_store_read_lock(store);
    *out = (ki_store_numbers){
        .live = store->live_count,
        .rows = store->rows,
        .quarantined = store->unseen.count + store->seen.count,
        .lsn = store->lsn,
        .checkpoint_lsn = store->head.checkpoint_lsn,
        .file_bytes = ki_space_bytes(&store->space),
        .log_bytes = store->space.section[KI_LOG].bytes,
        .heap_bytes = store->heap_bytes,
        .heap_dead_bytes = store->heap_bytes - store->heap_live,
        .live_bytes = store->live_count * store->shape.row_bytes + store->live_key_bytes,
        .resident_bytes = resident_bytes(store),
    };
    ki_store_read_unlock(store);
}

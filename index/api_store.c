/* api_store.c - the store's public calls: check what comes in, add the side data, hand it to kv/.
 *
 * The only place where vectors are judged (finite, dimension by contract) and where their norms
 * and sums are computed, so that kv/ stays free of numbers and kernels never meet a bad row.
 */
#include "index/objects.h"
#include "index/checks.h"
#include <assert.h>

static size_t row_bytes(const kith_store *store)
{
    return kith_vector_bytes(store->options.type, store->options.dim);
}

kith_status ki_read_options(const void *given, const void *defaults, size_t bytes, void *out)
{
    size_t size;
    memcpy(out, defaults, bytes);
    if (!given)
        return KITH_OK;
    memcpy(&size, given, sizeof size);
    if (size < sizeof size || size > 4096)
        return ki_fail(KITH_EINVAL,
                       "the options' size field is %zu; fill options by their "
                       "_defaults() call",
                       size);
    memcpy(out, given, size < bytes ? size : bytes);
    memcpy(out, &bytes, sizeof bytes);
    return KITH_OK;
}

kith_status ki_check_result(const void *result)
{
    size_t size;
    memcpy(&size, result, sizeof size);
    if (size < sizeof size || size > 4096)
        return ki_fail(KITH_EINVAL, "the result's size field is %zu; set it to sizeof the struct",
                       size);
    return KITH_OK;
}

kith_status ki_write_result(const void *result, size_t bytes, void *out)
{
    size_t size;
    kith_status status = ki_check_result(out);
    if (status)
        return status;
    memcpy(&size, out, sizeof size);
    memcpy(out, result, size < bytes ? size : bytes);
    memcpy(out, &size, sizeof size);
    return KITH_OK;
}

kith_store_options kith_store_defaults(uint32_t dim, kith_type type, kith_metric metric)
{
    return (kith_store_options){.size = sizeof(kith_store_options),
                                .dim = dim,
                                .type = type,
                                .metric = metric,
                                .keys = KITH_KEYS_U64};
}

kith_status kith_store_open(const char *path, const kith_store_options *options, kith_store **out)
{
    kith_store_options defaults = kith_store_defaults(0, KITH_F32, KITH_L2SQ), chosen;
    if (path)
        return ki_fail(KITH_EUNSUPPORTED,
                       "'%.100s': stores in files are not in this version; "
                       "pass NULL for a store in memory",
                       path);
    kith_status status = ki_read_options(options, &defaults, sizeof defaults, &chosen);
    if (!status)
        status = ki_check_shape(chosen.dim, chosen.type, chosen.metric);
    if (!status && chosen.keys != KITH_KEYS_U64 && chosen.keys != KITH_KEYS_BYTES)
        status = ki_fail(KITH_EINVAL, "%d is no kind of key", (int)chosen.keys);
    if (status)
        return status;
    kith_store *store = ki_zalloc(sizeof *store);
    if (!store)
        return ki_no_memory("a store", sizeof *store);
    store->options = chosen;
    status = ki_table_open(row_bytes(store), chosen.keys, &store->table);
    if (status)
        kith_store_close(store);
    else
        *out = store;
    return status;
}

void kith_store_close(kith_store *store)
{
    if (!store)
        return;
    assert(!store->table || ki_table_pins(store->table) == 0); /* indexes are closed first */
    ki_table_close(store->table);
    ki_free(store);
}

static kith_status check_key(const kith_store *store, kith_key_kind kind, const void *key,
                             size_t key_len)
{
    if (store->options.keys != kind)
        return ki_fail(KITH_EINVAL, "this store has %s keys",
                       kind == KITH_KEYS_U64 ? "byte-string" : "64-bit");
    if (!key || key_len < 1 || key_len > KI_KEY_MAX)
        return ki_fail(KITH_EINVAL, "the key has %zu bytes; a key has 1 to %d", key_len,
                       KI_KEY_MAX);
    return KITH_OK;
}

/* The vector is known to be good. */
static kith_status put(kith_store *store, const void *key, size_t key_len, const void *vector)
{
    ki_aux aux;
    ki_aux_fill(store->options.type, vector, store->options.dim, &aux);
    return ki_table_put(store->table, key, key_len, vector, &aux, NULL);
}

static kith_status check_and_put(kith_store *store, kith_key_kind kind, const void *key,
                                 size_t key_len, const void *vector)
{
    const kith_store_options *o = &store->options;
    kith_status status = check_key(store, kind, key, key_len);
    if (!status)
        status = ki_check_vector(o->metric, o->type, o->dim, vector, "vector", 0);
    return status ? status : put(store, key, key_len, vector);
}

kith_status kith_store_put(kith_store *store, const void *key, size_t key_len, const void *vector)
{
    return check_and_put(store, KITH_KEYS_BYTES, key, key_len, vector);
}

kith_status kith_store_put_u64(kith_store *store, uint64_t key, const void *vector)
{
    return check_and_put(store, KITH_KEYS_U64, &key, sizeof key, vector);
}

kith_status kith_store_load(kith_store *store, const uint64_t *keys, const void *vectors, size_t n,
                            kith_progress_fn progress, void *user)
{
    enum { BETWEEN_REPORTS = 4096 };
    const kith_store_options *o = &store->options;
    const unsigned char *vector = vectors;
    uint64_t first = 0;
    kith_status status = check_key(store, KITH_KEYS_U64, &first, sizeof first);
    for (size_t i = 0; i < n && !status; i++)
        status =
            ki_check_vector(o->metric, o->type, o->dim, vector + i * row_bytes(store), "vector", i);
    if (!status)
        status = ki_table_reserve(store->table, n);
    for (size_t i = 0; i < n && !status; i++) {
        uint64_t key = keys ? keys[i] : i;
        status = put(store, &key, sizeof key, vector + i * row_bytes(store));
        bool report = (i + 1) % BETWEEN_REPORTS == 0 || i + 1 == n;
        if (!status && report && progress && progress(user, i + 1, n))
            status =
                ki_fail(KITH_ECANCELLED, "loading was stopped after %zu of %zu vectors", i + 1, n);
    }
    return status;
}

static kith_status get(const kith_store *store, const void *key, size_t key_len, void *vector)
{
    uint32_t row = ki_table_find(store->table, key, key_len);
    if (row == KI_NO_ROW)
        return ki_fail(KITH_ENOTFOUND, "no vector has this key of %zu bytes", key_len);
    memcpy(vector, ki_slab_row(ki_table_slab(store->table), row), row_bytes(store));
    return KITH_OK;
}

kith_status kith_store_get(const kith_store *store, const void *key, size_t key_len, void *vector)
{
    kith_status status = check_key(store, KITH_KEYS_BYTES, key, key_len);
    return status ? status : get(store, key, key_len, vector);
}

kith_status kith_store_get_u64(const kith_store *store, uint64_t key, void *vector)
{
    kith_status status = check_key(store, KITH_KEYS_U64, &key, sizeof key);
    return status ? status : get(store, &key, sizeof key, vector);
}

kith_status kith_store_del(kith_store *store, const void *key, size_t key_len)
{
    kith_status status = check_key(store, KITH_KEYS_BYTES, key, key_len);
    return status ? status : ki_table_del(store->table, key, key_len);
}

kith_status kith_store_del_u64(kith_store *store, uint64_t key)
{
    kith_status status = check_key(store, KITH_KEYS_U64, &key, sizeof key);
    return status ? status : ki_table_del(store->table, &key, sizeof key);
}

kith_status kith_store_key(const kith_store *store, uint32_t row, const void **key, size_t *key_len)
{
    if (!ki_table_key(store->table, row, key, key_len))
        return ki_fail(KITH_ENOTFOUND, "row %u holds no vector", row);
    return KITH_OK;
}

kith_status kith_store_stat(const kith_store *store, kith_store_stats *out)
{
    const ki_slab *slab = ki_table_slab(store->table);
    kith_store_stats stats = {.live = ki_table_live_count(store->table),
                              .rows = ki_table_rows(store->table),
                              .row_bytes = slab->row_bytes,
                              .stride = slab->stride,
                              .resident_bytes = sizeof *store + ki_table_bytes(store->table)};
    return ki_write_result(&stats, sizeof stats, out);
}

/* api_store.c - a store as a whole: open, describe, count, save, check, copy, close.
 *
 * May include everything of index/, kernels/ and kv/. What is stored is api_items.c's, snapshots
 * and cursors are api_snapshot.c's. Also here: how sized structs are read and written, which every
 * api_ file uses.
 */
#include "index/objects.h"
#include "index/checks.h"
#include <assert.h>

enum { INTERVAL_MOST_MS = 3600000 };

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
                                .keys = KITH_KEYS_U64,
                                .open = KITH_OPEN_OR_CREATE,
                                .durability = KITH_DURABLE_COMMIT,
                                .interval_ms = 1000};
}

/* Dimension 0 takes an existing file as it is. */
static bool any_shape(const char *path, const kith_store_options *o)
{
    return path && o->dim == 0 && (o->open == KITH_OPEN_EXISTING || o->open == KITH_OPEN_READ_ONLY);
}

static kith_status check_options(const char *path, const kith_store_options *o)
{
    kith_status status = any_shape(path, o) ? KITH_OK : ki_check_shape(o->dim, o->type, o->metric);
    if (status)
        return status;
    if (o->keys != KITH_KEYS_U64 && o->keys != KITH_KEYS_BYTES)
        return ki_fail(KITH_EINVAL, "%d is no kind of key", (int)o->keys);
    if ((unsigned)o->open > KITH_OPEN_READ_ONLY)
        return ki_fail(KITH_EINVAL, "%d is no way to open a store", (int)o->open);
    if ((unsigned)o->durability > KITH_DURABLE_NONE)
        return ki_fail(KITH_EINVAL, "%d is no durability", (int)o->durability);
    if (o->durability == KITH_DURABLE_INTERVAL &&
        (o->interval_ms < 1 || o->interval_ms > INTERVAL_MOST_MS))
        return ki_fail(KITH_EINVAL, "an interval of %u ms; it must be 1 to %d", o->interval_ms,
                       INTERVAL_MOST_MS);
    if (!path && (o->open == KITH_OPEN_EXISTING || o->open == KITH_OPEN_READ_ONLY))
        return ki_fail(KITH_EINVAL, "a store in memory (no path) is always new");
    return KITH_OK;
}

static ki_store_config config_of(const kith_store_options *o)
{
    const ki_shape shape = {.row_bytes = (uint32_t)kith_vector_bytes(o->type, o->dim),
                            .dim = o->dim,
                            .type = (uint32_t)o->type,
                            .metric = (uint32_t)o->metric,
                            .keys = o->keys};
    ki_store_config config = ki_store_defaults(&shape);
    config.durability = (ki_durability)o->durability;
    config.interval_ms = o->interval_ms;
    config.read_only = o->open == KITH_OPEN_READ_ONLY;
    config.must_exist = o->open == KITH_OPEN_EXISTING || config.read_only;
    config.must_create = o->open == KITH_OPEN_NEW;
    return config;
}

/* The numbers of a file's shape are the file's: they are judged as a caller's would be. */
static kith_status take_shape(kith_store *store)
{
    const ki_shape *shape = ki_store_shape(store->engine);
    kith_store_options *o = &store->options;
    o->dim = shape->dim;
    o->type = (kith_type)shape->type;
    o->metric = (kith_metric)shape->metric;
    o->keys = shape->keys;
    if (ki_check_shape(o->dim, o->type, o->metric) ||
        shape->row_bytes != kith_vector_bytes(o->type, o->dim))
        return ki_fail(KITH_EUNSUPPORTED,
                       "'%.100s' holds rows of %u bytes, dimension %u, type %u, metric %u, which "
                       "this version does not know",
                       ki_store_path(store->engine), shape->row_bytes, shape->dim, shape->type,
                       shape->metric);
    return KITH_OK;
}

kith_status kith_store_open(const char *path, const kith_store_options *options, kith_store **out)
{
    kith_store_options defaults = kith_store_defaults(0, KITH_F32, KITH_L2SQ), chosen;
    if (!path && !options)
        return ki_fail(KITH_EINVAL, "a store in memory needs options");
    defaults.open = options ? defaults.open : KITH_OPEN_EXISTING;
    kith_status status = ki_read_options(options, &defaults, sizeof defaults, &chosen);
    if (!status)
        status = check_options(path, &chosen);
    if (status)
        return status;
    kith_store *store = ki_zalloc(sizeof *store);
    if (!store)
        return ki_no_memory("a store", sizeof *store);
    pthread_mutex_init(&store->order_mutex, NULL);
    store->options = chosen;
    ki_store_config config = config_of(&chosen);
    config.any_shape = any_shape(path, &chosen);
    status = ki_store_open(path, &config, &store->engine);
    if (!status)
        status = take_shape(store);
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
    assert(!store->engine || ki_store_pins(store->engine) == 0); /* indexes are closed first */
    if (store->ordered)
        ki_ordered_detach(store->engine, store->ordered);
    ki_store_close(store->engine);
    pthread_mutex_destroy(&store->order_mutex);
    ki_free(store);
}

kith_status kith_store_describe(const kith_store *store, kith_store_options *out)
{
    return ki_write_result(&store->options, sizeof store->options, out);
}

kith_status kith_store_stat(const kith_store *store, kith_store_stats *out)
{
    const ki_slab *slab = ki_store_slab(store->engine);
    ki_store_numbers numbers;
    ki_store_count(store->engine, &numbers);
    uint64_t dead_rows = numbers.rows - numbers.live;
    kith_store_stats stats = {.live = numbers.live,
                              .rows = numbers.rows,
                              .row_bytes = slab->row_bytes,
                              .stride = slab->stride,
                              .resident_bytes = sizeof *store + numbers.resident_bytes,
                              .live_bytes = numbers.live_bytes,
                              .dead_bytes = dead_rows * slab->row_bytes + numbers.heap_dead_bytes,
                              .file_bytes = numbers.file_bytes,
                              .log_bytes = numbers.log_bytes,
                              .lsn = numbers.lsn,
                              .durable_lsn = ki_store_durable_lsn(store->engine)};
    return ki_write_result(&stats, sizeof stats, out);
}

kith_status kith_store_sync(kith_store *store)
{
    return ki_store_sync(store->engine);
}

kith_status kith_store_checkpoint(kith_store *store)
{
    return ki_store_checkpoint(store->engine);
}

kith_status kith_store_check(kith_store *store, int full, kith_progress_fn progress, void *user)
{
    return ki_store_check(store->engine, full != 0, progress, user);
}

kith_status kith_store_backup(kith_store *store, const char *path, kith_progress_fn progress,
                              void *user)
{
    return ki_store_backup(store->engine, path, progress, user);
}

/* Rows get new numbers, and the ordered directory is made of numbers: the next cursor builds a
 * new one. */
kith_status kith_store_compact(kith_store *store, kith_progress_fn progress, void *user)
{
    pthread_mutex_lock(&store->order_mutex);
    if (store->ordered && !atomic_load(&store->snapshots)) {
        ki_ordered_detach(store->engine, store->ordered);
        store->ordered = NULL;
    }
    kith_status status = ki_store_compact(store->engine, progress, user);
    pthread_mutex_unlock(&store->order_mutex);
    return status;
}

/* store_kith.c - Kith behind the table of stores.h.
 *
 * May include kith.h. A vector of n bytes is a row of n/4 f32 under squared L2, so that a put pays
 * for what a put costs: every element is looked at before it is taken.
 */
#include "bench/stores.h"
#include "kith.h"

#include <stdlib.h>
#include <unistd.h>

enum { BATCH_MOST = 1000 };

typedef struct store_of_kith {
    kith_store *store;
    kith_snapshot *snapshot;
    uint32_t vector_bytes;
    kith_op op[BATCH_MOST];
} store_of_kith;

static void close_store(void *store)
{
    store_of_kith *s = store;
    if (!s)
        return;
    kith_snapshot_close(s->snapshot);
    kith_store_close(s->store);
    free(s);
}

static int open_store(const char *path, uint32_t vector_bytes, void **out)
{
    store_of_kith *s = calloc(1, sizeof *s);
    kith_store_options options = kith_store_defaults(vector_bytes / 4, KITH_F32, KITH_L2SQ);
    options.keys = KITH_KEYS_BYTES;
    if (!s)
        return -1;
    s->vector_bytes = vector_bytes;
    if (kith_store_open(path, &options, &s->store)) {
        close_store(s);
        return -1;
    }
    *out = s;
    return 0;
}

static int put_items(void *store, const unsigned char *keys, const void *vectors, size_t n)
{
    store_of_kith *s = store;
    if (n > BATCH_MOST)
        return -1;
    for (size_t i = 0; i < n; i++)
        s->op[i] = (kith_op){.kind = KITH_PUT,
                             .key = keys + i * KEY_BYTES,
                             .key_len = KEY_BYTES,
                             .vector = (const char *)vectors + i * s->vector_bytes};
    return kith_store_commit(s->store, s->op, n, NULL) ? -1 : 0;
}

static int begin_gets(void *store)
{
    store_of_kith *s = store;
    return kith_snapshot_open(s->store, &s->snapshot) ? -1 : 0;
}

static const void *get_item(void *store, const unsigned char *key)
{
    const store_of_kith *s = store;
    kith_item item = {.size = sizeof item};
    return kith_snapshot_get(s->snapshot, key, KEY_BYTES, &item) ? NULL : item.vector;
}

static void end_gets(void *store)
{
    store_of_kith *s = store;
    kith_snapshot_close(s->snapshot);
    s->snapshot = NULL;
}

static void remove_files(const char *path)
{
    unlink(path);
}

static uint64_t log_bytes_of(const char *path)
{
    kith_store *store = NULL;
    kith_store_stats stats = {.size = sizeof stats};
    if (kith_store_open(path, NULL, &store) || kith_store_stat(store, &stats))
        stats.log_bytes = 0;
    kith_store_close(store);
    return stats.log_bytes;
}

const contender contender_kith = {
    .name = "kith",
    .open = open_store,
    .put = put_items,
    .get_begin = begin_gets,
    .get = get_item,
    .get_end = end_gets,
    .close = close_store,
    .remove = remove_files,
    .log_bytes = log_bytes_of,
    .trouble = kith_last_error,
};

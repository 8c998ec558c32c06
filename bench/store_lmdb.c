/* store_lmdb.c - LMDB behind the table of stores.h: defaults, so every commit is synced.
 *
 * May include lmdb.h. The map is larger than any file here will be, since it cannot grow while it
 * is in use; only what is written takes disk space.
 */
#include "bench/stores.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct store_of_lmdb {
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *reading;
    uint32_t vector_bytes;
} store_of_lmdb;

static int last_error;

static int note(int error)
{
    if (error)
        last_error = error;
    return error ? -1 : 0;
}

static const char *what_failed(void)
{
    return mdb_strerror(last_error);
}

static void close_store(void *store)
{
    store_of_lmdb *s = store;
    if (!s)
        return;
    if (s->reading)
        mdb_txn_abort(s->reading);
    mdb_env_close(s->env);
    free(s);
}

static int open_parts(store_of_lmdb *s, const char *path)
{
    MDB_txn *txn;
    if (note(mdb_env_create(&s->env)) || note(mdb_env_set_mapsize(s->env, (size_t)16 << 30)) ||
        note(mdb_env_open(s->env, path, MDB_NOSUBDIR, 0600)) ||
        note(mdb_txn_begin(s->env, NULL, 0, &txn)))
        return -1;
    if (note(mdb_dbi_open(txn, NULL, 0, &s->dbi))) {
        mdb_txn_abort(txn);
        return -1;
    }
    return note(mdb_txn_commit(txn));
}

static int open_store(const char *path, uint32_t vector_bytes, void **out)
{
    store_of_lmdb *s = calloc(1, sizeof *s);
    if (!s)
        return -1;
    s->vector_bytes = vector_bytes;
    if (open_parts(s, path)) {
        close_store(s);
        return -1;
    }
    *out = s;
    return 0;
}

static int put_items(void *store, const unsigned char *keys, const void *vectors, size_t n)
{
    store_of_lmdb *s = store;
    MDB_txn *txn;
    if (note(mdb_txn_begin(s->env, NULL, 0, &txn)))
        return -1;
    for (size_t i = 0; i < n; i++) {
        MDB_val key = {KEY_BYTES, (void *)(uintptr_t)(keys + i * KEY_BYTES)};
        MDB_val value = {s->vector_bytes,
                         (void *)(uintptr_t)((const char *)vectors + i * s->vector_bytes)};
        if (note(mdb_put(txn, s->dbi, &key, &value, 0))) {
            mdb_txn_abort(txn);
            return -1;
        }
    }
    return note(mdb_txn_commit(txn));
}

static int begin_gets(void *store)
{
    store_of_lmdb *s = store;
    return note(mdb_txn_begin(s->env, NULL, MDB_RDONLY, &s->reading));
}

static const void *get_item(void *store, const unsigned char *key)
{
    store_of_lmdb *s = store;
    MDB_val name = {KEY_BYTES, (void *)(uintptr_t)key}, value;
    return note(mdb_get(s->reading, s->dbi, &name, &value)) ? NULL : value.mv_data;
}

static void end_gets(void *store)
{
    store_of_lmdb *s = store;
    mdb_txn_abort(s->reading);
    s->reading = NULL;
}

static void remove_files(const char *path)
{
    char lock[PATH_ROOM];
    snprintf(lock, sizeof lock, "%s-lock", path);
    unlink(path);
    unlink(lock);
}

static uint64_t log_bytes_of(const char *path)
{
    (void)path;
    return 0; /* there is none */
}

const contender contender_lmdb = {
    .name = "lmdb",
    .open = open_store,
    .put = put_items,
    .get_begin = begin_gets,
    .get = get_item,
    .get_end = end_gets,
    .close = close_store,
    .remove = remove_files,
    .log_bytes = log_bytes_of,
    .trouble = what_failed,
};

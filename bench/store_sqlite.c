/* store_sqlite.c - SQLite behind the table of stores.h: a write-ahead log, synced at every commit.
 *
 * May include sqlite3.h. One table with the key as its primary key, statements prepared once. The
 * default page cache of 2 MiB is raised to 256 MiB, and reads go through a mapping, so that gets
 * are not measured as system calls.
 */
#include "bench/stores.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct store_of_sqlite {
    sqlite3 *db;
    sqlite3_stmt *put, *get;
    uint32_t vector_bytes;
} store_of_sqlite;

static char last_error[256];

static int note(const store_of_sqlite *s, int code)
{
    if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW)
        return 0;
    snprintf(last_error, sizeof last_error, "%s", sqlite3_errmsg(s->db));
    return -1;
}

static const char *what_failed(void)
{
    return last_error;
}

static int run(const store_of_sqlite *s, const char *text)
{
    return note(s, sqlite3_exec(s->db, text, NULL, NULL, NULL));
}

static void close_store(void *store)
{
    store_of_sqlite *s = store;
    if (!s)
        return;
    sqlite3_finalize(s->put);
    sqlite3_finalize(s->get);
    sqlite3_close(s->db);
    free(s);
}

static int open_parts(store_of_sqlite *s, const char *path)
{
    if (note(s, sqlite3_open(path, &s->db)) ||
        run(s, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-262144;"
               "PRAGMA mmap_size=17179869184;"
               "CREATE TABLE IF NOT EXISTS item(key BLOB PRIMARY KEY, vector BLOB)"))
        return -1;
    if (note(s, sqlite3_prepare_v2(s->db, "INSERT OR REPLACE INTO item VALUES(?,?)", -1, &s->put,
                                   NULL)))
        return -1;
    return note(
        s, sqlite3_prepare_v2(s->db, "SELECT vector FROM item WHERE key=?", -1, &s->get, NULL));
}

static int open_store(const char *path, uint32_t vector_bytes, void **out)
{
    store_of_sqlite *s = calloc(1, sizeof *s);
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
    store_of_sqlite *s = store;
    if (n > 1 && run(s, "BEGIN IMMEDIATE"))
        return -1;
    for (size_t i = 0; i < n; i++) {
        const char *vector = (const char *)vectors + i * s->vector_bytes;
        sqlite3_bind_blob(s->put, 1, keys + i * KEY_BYTES, KEY_BYTES, SQLITE_STATIC);
        sqlite3_bind_blob(s->put, 2, vector, (int)s->vector_bytes, SQLITE_STATIC);
        if (note(s, sqlite3_step(s->put)) || note(s, sqlite3_reset(s->put)))
            return -1;
    }
    return n > 1 ? run(s, "COMMIT") : 0;
}

static int begin_gets(void *store)
{
    return run(store, "BEGIN");
}

/* The blob is valid until the next get. */
static const void *get_item(void *store, const unsigned char *key)
{
    store_of_sqlite *s = store;
    sqlite3_reset(s->get);
    sqlite3_bind_blob(s->get, 1, key, KEY_BYTES, SQLITE_STATIC);
    if (sqlite3_step(s->get) != SQLITE_ROW)
        return NULL;
    return sqlite3_column_blob(s->get, 0);
}

static void end_gets(void *store)
{
    store_of_sqlite *s = store;
    sqlite3_reset(s->get);
    run(s, "COMMIT");
}

static void remove_files(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (int i = 0; i < 3; i++) {
        char name[PATH_ROOM];
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
}

static uint64_t log_bytes_of(const char *path)
{
    (void)path;
    return 0; /* the write-ahead log is a file of its own, gone after close */
}

const contender contender_sqlite = {
    .name = "sqlite",
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

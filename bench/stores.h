/* stores.h - what bench_store.c asks of every store it compares, as a table of functions.
 *
 * May include the C library only. Keys have KEY_BYTES bytes, vectors a length that is fixed at
 * open. Each store is used as its manual says it is fastest while a commit that has returned
 * survives a power cut: batches in one transaction, gets without a copy where there is such a call,
 * inside one read transaction or snapshot. A function that returns int returns 0, or -1 when
 * the store failed; `trouble` then says why.
 */
#ifndef BENCH_STORES_H
#define BENCH_STORES_H

#include <stddef.h>
#include <stdint.h>

enum { KEY_BYTES = 16, PATH_ROOM = 512 };

typedef struct contender {
    const char *name;

    /* Opens the file at `path`, or makes it. */
    int (*open)(const char *path, uint32_t vector_bytes, void **out);

    /* One durable commit of n items: keys one after the other, vectors one after the other. */
    int (*put)(void *store, const unsigned char *keys, const void *vectors, size_t n);

    /* What gets see from here on, until get_end. */
    int (*get_begin)(void *store);
    const void *(*get)(void *store, const unsigned char *key); /* NULL: not there, or failed */
    void (*get_end)(void *store);

    void (*close)(void *store);              /* accepts NULL */
    void (*remove)(const char *path);        /* the file, and those beside it */
    uint64_t (*log_bytes)(const char *path); /* of the closed file's disk space, the log's part */
    const char *(*trouble)(void);
} contender;

extern const contender contender_kith, contender_lmdb, contender_sqlite;

#endif

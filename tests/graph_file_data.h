/* graph_file_data.h - what the tests of graph files share: a store in a file of its own, a graph
 * beside it, and rows that the test knows.
 *
 * May include index_data.h. Included by one file of a program only.
 */
#ifndef GRAPH_FILE_DATA_H
#define GRAPH_FILE_DATA_H

#include "tests/index_data.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIM = 24, PATH_ROOM = 128 };

typedef struct place {
    char store[PATH_ROOM], graph[PATH_ROOM], other[PATH_ROOM];
} place;

static inline place place_of(const char *test)
{
    place p;
    snprintf(p.store, sizeof p.store, "/tmp/kith-%s-%d", test, (int)getpid());
    snprintf(p.graph, sizeof p.graph, "/tmp/kith-%s-%d.graph", test, (int)getpid());
    snprintf(p.other, sizeof p.other, "/tmp/kith-%s-%d-other", test, (int)getpid());
    return p;
}

static inline void clear_place(const place *p)
{
    unlink(p->store);
    unlink(p->graph);
    unlink(p->other);
}

static inline kith_store *open_at(const char *path, kith_type type, kith_metric metric)
{
    kith_store_options options = kith_store_defaults(DIM, type, metric);
    kith_store *store = NULL;
    options.durability = KITH_DURABLE_NONE; /* nobody cuts the power here */
    must(kith_store_open(path, &options, &store));
    return store;
}

static inline kith_index *small_index(kith_store *store)
{
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    options.m = 8;
    options.ef_construction = 60;
    options.threads = 1;
    return index_on(store, &options);
}

/* The whole file, in memory of the caller's. */
static inline unsigned char *read_file(const char *path, size_t *bytes)
{
    struct stat s;
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &s), 0);
    *bytes = (size_t)s.st_size;
    unsigned char *content = malloc(*bytes + 1);
    assert_int_equal(fread(content, 1, *bytes, file), *bytes);
    fclose(file);
    return content;
}

static inline void write_file(const char *path, const unsigned char *content, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

/* The hits of hnsw against those of a flat index on the same store, for some of the queries: the
 * share that is right. */
static inline double agreement(kith_store *store, kith_index *hnsw, const matrix *queries)
{
    enum { K = 10, MOST = 200 };
    const size_t nq = queries->n < MOST ? queries->n : MOST;
    kith_index_options flat_options = kith_index_defaults(KITH_FLAT);
    kith_search_options options = kith_search_defaults(K);
    kith_index *flat = index_on(store, &flat_options);
    kith_hit *a = malloc(nq * K * sizeof *a), *b = malloc(nq * K * sizeof *b);
    size_t right = 0;
    options.ef = 200;
    options.threads = 1;
    must(kith_index_search(flat, queries->bytes, nq, &options, a, NULL));
    must(kith_index_search(hnsw, queries->bytes, nq, &options, b, NULL));
    for (size_t i = 0; i < nq * K; i++)
        for (size_t j = 0; j < K; j++)
            if (b[i].row != UINT32_MAX && b[i].row == a[i / K * K + j].row)
                right++;
    for (size_t i = 0; i < nq; i++) /* no row twice */
        for (size_t j = 0; j < K; j++)
            for (size_t l = 0; l < j; l++)
                assert_true(b[i * K + j].row == UINT32_MAX || b[i * K + j].row != b[i * K + l].row);
    free(a);
    free(b);
    kith_index_close(flat);
    return (double)right / (double)(nq * K);
}

#endif

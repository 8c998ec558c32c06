/* peer_loops.c - the timed loops of distances.py: one per way of calling, ours and the peers'.
 *
 * May include kernels/ headers; built as a module that Python loads. A peer's function comes in
 * as an address that Python took from the peer's own shared object, so nothing of a peer is
 * linked, and every contender runs in a loop compiled here, by one compiler with one set of
 * flags. All get the same rows, the same row numbers and the same query; each is called in the
 * best way it has: a pair at a time, four at a time, or a list of row numbers.
 *
 * What a loop measures is a whole pass over the row numbers, results stored, in nanoseconds.
 */
#include "kernels/keys.h"
#include <stdlib.h>
#include <time.h>

enum { CALL_ROWS = 32 };

typedef struct peer_case {
    const unsigned char *base;
    size_t stride;
    const unsigned char *query; /* as the contender takes it */
    const uint32_t *ids;
    uint64_t count; /* of ids: a multiple of CALL_ROWS */
    uint64_t dim;
    double *out; /* a distance for each id; may be NULL */
} peer_case;

typedef void (*numkong_fn)(const void *a, const void *b, uint64_t n, void *result);
typedef float (*hnswlib_fn)(const void *a, const void *b, const void *dim);
typedef float (*faiss_fn)(const float *a, const float *b, size_t dim);
typedef void (*faiss_four_fn)(const float *q, const float *a, const float *b, const float *c,
                              const float *d, size_t dim, float *w, float *x, float *y, float *z);

/* The result of a NumKong function has 4 or 8 bytes. */
enum { RESULT_F32, RESULT_F64, RESULT_U32, RESULT_I32 };

#define PEER_API __attribute__((visibility("default")))

/* Python calls these by name. */
PEER_API double peer_numkong(const peer_case *c, numkong_fn function, int result);
PEER_API double peer_hnswlib(const peer_case *c, hnswlib_fn function);
PEER_API double peer_faiss(const peer_case *c, faiss_fn function);
PEER_API double peer_faiss_four(const peer_case *c, faiss_four_fn function);
PEER_API void *peer_kith_open(const char *level);
PEER_API const char *peer_kith_name(const void *table, int metric, int pairing, int slot);
PEER_API void peer_kith_aux(int type, const void *row, uint32_t dim, void *out);
PEER_API double peer_kith_gather(const void *table, int metric, int pairing, int query_is_f32,
                                 const peer_case *c, const void *aux);
PEER_API double peer_kith_tile(const void *table, int metric, int pairing, const peer_case *c,
                               const void *aux, size_t query_bytes, size_t m);

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static const unsigned char *row(const peer_case *c, uint64_t i)
{
    return c->base + c->ids[i] * c->stride;
}

static double number(const uint64_t *bits, int result)
{
    float f;
    double d;
    memcpy(&f, bits, sizeof f);
    memcpy(&d, bits, sizeof d);
    if (result == RESULT_F32)
        return (double)f;
    if (result == RESULT_F64)
        return d;
    return result == RESULT_U32 ? (double)(uint32_t)*bits : (double)(int32_t)(uint32_t)*bits;
}

double peer_numkong(const peer_case *c, numkong_fn function, int result)
{
    uint64_t bits[CALL_ROWS] = {0};
    double begin = now_ns();
    for (uint64_t i = 0; i < c->count; i += CALL_ROWS)
        for (uint64_t j = 0; j < CALL_ROWS; j++)
            function(c->query, row(c, i + j), c->dim, &bits[j]);
    double elapsed = now_ns() - begin;
    for (uint64_t i = 0; c->out && i < c->count; i++) {
        function(c->query, row(c, i), c->dim, &bits[0]);
        c->out[i] = number(&bits[0], result);
    }
    return elapsed;
}

double peer_hnswlib(const peer_case *c, hnswlib_fn function)
{
    float values[CALL_ROWS];
    size_t dim = c->dim;
    double begin = now_ns();
    for (uint64_t i = 0; i < c->count; i += CALL_ROWS)
        for (uint64_t j = 0; j < CALL_ROWS; j++)
            values[j] = function(c->query, row(c, i + j), &dim);
    double elapsed = now_ns() - begin;
    __asm__ volatile("" : : "r"(values) : "memory");
    for (uint64_t i = 0; c->out && i < c->count; i++)
        c->out[i] = (double)function(c->query, row(c, i), &dim);
    return elapsed;
}

double peer_faiss(const peer_case *c, faiss_fn function)
{
    const float *query = (const void *)c->query;
    float values[CALL_ROWS];
    double begin = now_ns();
    for (uint64_t i = 0; i < c->count; i += CALL_ROWS)
        for (uint64_t j = 0; j < CALL_ROWS; j++)
            values[j] = function(query, (const void *)row(c, i + j), c->dim);
    double elapsed = now_ns() - begin;
    __asm__ volatile("" : : "r"(values) : "memory");
    for (uint64_t i = 0; c->out && i < c->count; i++)
        c->out[i] = (double)function(query, (const void *)row(c, i), c->dim);
    return elapsed;
}

static void faiss_call(const peer_case *c, faiss_four_fn function, uint64_t i, float *values)
{
    function((const void *)c->query, (const void *)row(c, i), (const void *)row(c, i + 1),
             (const void *)row(c, i + 2), (const void *)row(c, i + 3), c->dim, values, values + 1,
             values + 2, values + 3);
}

double peer_faiss_four(const peer_case *c, faiss_four_fn function)
{
    float values[CALL_ROWS];
    double begin = now_ns();
    for (uint64_t i = 0; i < c->count; i += CALL_ROWS)
        for (uint64_t j = 0; j < CALL_ROWS; j += 4)
            faiss_call(c, function, i + j, values + j);
    double elapsed = now_ns() - begin;
    __asm__ volatile("" : : "r"(values) : "memory");
    for (uint64_t i = 0; c->out && i < c->count; i += 4) {
        faiss_call(c, function, i, values);
        for (uint64_t j = 0; j < 4; j++)
            c->out[i + j] = (double)values[j];
    }
    return elapsed;
}

/* NULL when this machine does not have the level; "" is the best there is. */
void *peer_kith_open(const char *level)
{
    uint64_t mask = UINT64_MAX, have = ki_cpu_features();
    if (*level && (!ki_cpu_mask(level, &mask) || (mask & ~have)))
        return NULL;
    ki_kernels *table = malloc(sizeof *table);
    if (table)
        ki_kernels_fill(have & mask, table);
    return table;
}

static const ki_kernel *kernel_at(const void *table, int metric, int pairing)
{
    return &((const ki_kernels *)table)->at[metric][pairing];
}

const char *peer_kith_name(const void *table, int metric, int pairing, int slot)
{
    return ki_isa_name(kernel_at(table, metric, pairing)->from[slot]);
}

void peer_kith_aux(int type, const void *vector, uint32_t dim, void *out)
{
    ki_aux aux;
    ki_aux_fill((kith_type)type, vector, dim, &aux);
    memcpy(out, &aux, sizeof aux);
}

static ki_rows view(const peer_case *c, const void *aux)
{
    return (ki_rows){.base = c->base,
                     .stride = c->stride,
                     .aux = aux,
                     .aux_stride = sizeof(ki_aux),
                     .dim = (uint32_t)c->dim};
}

double peer_kith_gather(const void *table, int metric, int pairing, int query_is_f32,
                        const peer_case *c, const void *aux)
{
    const ki_kernel *kernel = kernel_at(table, metric, pairing);
    ki_prepare_fn prepare = query_is_f32 ? kernel->prepare_f32 : kernel->prepare;
    size_t bytes = ki_query_bytes((ki_pairing)pairing, (uint32_t)c->dim);
    void *scratch = aligned_alloc(64, (bytes + 63) / 64 * 64);
    ki_rows rows = view(c, aux);
    uint32_t keys[CALL_ROWS];
    ki_query query;
    if (!scratch)
        return -1;
    prepare(c->query, (uint32_t)c->dim, scratch, &query);
    double begin = now_ns();
    for (uint64_t i = 0; i < c->count; i += CALL_ROWS)
        kernel->gather(&query, &rows, c->ids + i, CALL_ROWS, keys);
    double elapsed = now_ns() - begin;
    for (uint64_t i = 0; c->out && i < c->count; i += CALL_ROWS) {
        kernel->gather(&query, &rows, c->ids + i, CALL_ROWS, keys);
        for (uint64_t j = 0; j < CALL_ROWS; j++)
            c->out[i + j] = ki_key_distance(kernel->form, keys[j]);
    }
    free(scratch);
    return elapsed;
}

/* m queries that lie query_bytes apart against rows 0..count-1, in blocks of rows as a search
 * would take them; preparing and packing the queries is part of the time. */
double peer_kith_tile(const void *table, int metric, int pairing, const peer_case *c,
                      const void *aux, size_t query_bytes, size_t m)
{
    enum { BLOCK = 512 };
    const ki_kernel *kernel = kernel_at(table, metric, pairing);
    uint32_t dim = (uint32_t)c->dim;
    size_t bytes = (ki_query_bytes((ki_pairing)pairing, dim) + 63) / 64 * 64;
    size_t pack_bytes = (ki_pack_bytes((ki_pairing)pairing, dim, m) + 63) / 64 * 64;
    unsigned char *scratch = aligned_alloc(64, m * bytes), *packed = aligned_alloc(64, pack_bytes);
    uint32_t *keys = malloc(m * BLOCK * sizeof *keys);
    ki_query *queries = malloc(m * sizeof *queries);
    ki_rows rows = view(c, aux);
    double elapsed = -1;
    if (scratch && packed && keys && queries) {
        double begin = now_ns();
        for (size_t i = 0; i < m; i++)
            kernel->prepare(c->query + i * query_bytes, dim, scratch + i * bytes, &queries[i]);
        if (kernel->pack)
            kernel->pack(queries, m, packed);
        for (uint32_t first = 0; first < c->count; first += BLOCK) {
            size_t left = c->count - first, n = left < BLOCK ? left : BLOCK;
            kernel->tile(queries, m, packed, &rows, first, n, keys, BLOCK);
        }
        elapsed = now_ns() - begin;
    }
    free(scratch);
    free(packed);
    free(keys);
    free(queries);
    return elapsed;
}

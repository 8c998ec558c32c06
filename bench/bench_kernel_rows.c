/* bench_kernel_rows.c - see bench_kernel_rows.h.
 *
 * The elements of a type are drawn once into the largest set that is asked for, and every
 * dimension cuts its rows out of the same bytes: what a kernel takes does not depend on values,
 * as long as no float is denormal. Floats are in [1, 2) with either sign, in every width.
 */
#include "bench/bench_kernel_rows.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

const uint32_t bench_dims[BENCH_DIMS] = {128, 768, 1536};

const bench_set bench_sets[BENCH_SETS] = {{"L1", (size_t)24 << 10},
                                          {"L2", (size_t)1 << 20},
                                          {"L3", (size_t)48 << 20},
                                          {"DRAM", (size_t)512 << 20}};

typedef struct cut {
    unsigned char *base, *aux;
    size_t aux_stride;
} cut;

static cut cuts[BENCH_SETS][KI_PAIRING_COUNT][BENCH_DIMS]; /* made when first used */

static uint64_t random_bits(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

void *bench_pages(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        fprintf(stderr, "the benchmark needs %zu bytes more than the system gives\n", bytes);
        exit(1);
    }
    madvise(p, bytes, MADV_HUGEPAGE);
    return p;
}

static kith_type row_type(ki_pairing pairing)
{
    if (pairing == KI_F32U8)
        return KITH_U8;
    if (pairing == KI_F32I8 || pairing == KI_Q8)
        return KITH_I8;
    if (pairing == KI_BF16BF16)
        return KITH_BF16;
    return pairing == KI_Q4 || pairing == KI_Q1 ? KITH_B1 : (kith_type)pairing;
}

static uint64_t eight_bytes(kith_type type, uint64_t bits)
{
    if (type == KITH_F32)
        return (bits & UINT64_C(0x807fffff807fffff)) | UINT64_C(0x3f8000003f800000);
    if (type == KITH_F16)
        return (bits & UINT64_C(0x83ff83ff83ff83ff)) | UINT64_C(0x3c003c003c003c00);
    if (type == KITH_BF16)
        return (bits & UINT64_C(0x807f807f807f807f)) | UINT64_C(0x3f803f803f803f80);
    return bits;
}

/* Bytes of a type are shared by all dimensions; a smaller set is the front of a larger one. */
static unsigned char *elements(int set, kith_type type)
{
    static unsigned char *made[BENCH_SETS][KI_TYPE_COUNT];
    uint64_t state = 88172645463325252u;
    unsigned char *bytes = made[set][type];
    if (bytes)
        return bytes;
    bytes = made[set][type] = bench_pages(bench_sets[set].bytes);
    for (size_t i = 0; i + 8 <= bench_sets[set].bytes; i += 8) {
        uint64_t x = eight_bytes(type, random_bits(&state));
        memcpy(bytes + i, &x, sizeof x);
    }
    return bytes;
}

/* The codec fills the side data of codes; any numbers do for a measurement. */
static void fill_side(ki_pairing pairing, const void *row, uint32_t dim, unsigned char *out)
{
    ki_aux aux = {.inv_norm = 1.0f, .norm2 = 1.0f, .inorm2 = 1, .sum = 1};
    if (pairing < KI_Q8)
        ki_aux_fill(row_type(pairing), row, dim, &aux);
    memcpy(out, &aux, sizeof aux);
}

ki_rows bench_rows_of(int set, ki_pairing pairing, int dim_number, uint32_t *count)
{
    uint32_t dim = bench_dims[dim_number];
    size_t row_bytes = ki_row_bytes(pairing, dim);
    size_t stride = (row_bytes + BENCH_LINE - 1) / BENCH_LINE * BENCH_LINE;
    cut *c = &cuts[set][pairing][dim_number];
    *count = (uint32_t)(bench_sets[set].bytes / stride);
    if (!c->base) {
        c->base = elements(set, row_type(pairing));
        c->aux_stride = sizeof(ki_aux);
        c->aux = bench_pages((size_t)*count * sizeof(ki_aux));
        for (uint32_t i = 0; i < *count; i++)
            fill_side(pairing, c->base + i * stride, dim, c->aux + i * sizeof(ki_aux));
    }
    return (ki_rows){
        .base = c->base, .stride = stride, .aux = c->aux, .aux_stride = c->aux_stride, .dim = dim};
}

const uint32_t *bench_ids(uint32_t count, uint32_t spare)
{
    static uint32_t ids[BENCH_IDS];
    static uint32_t below;
    uint64_t state = 2463534242u;
    uint32_t bound = count > spare ? count - spare : 1;
    if (below == bound)
        return ids;
    below = bound;
    for (size_t i = 0; i < BENCH_IDS; i++)
        ids[i] = (uint32_t)((random_bits(&state) >> 32) * bound >> 32);
    return ids;
}

/* Codes take a query of their own form: f32 for q8, i8 for the others, from the same bytes. */
static void prepare(const ki_kernel *kernel, ki_pairing pairing, uint32_t dim, const void *vector,
                    void *scratch, ki_query *out)
{
    ki_code_query code = {.elements = vector, .scale = 0.5f, .bias = 1.0f};
    kernel->prepare(pairing >= KI_Q8 ? (const void *)&code : vector, dim, scratch, out);
}

void bench_queries_open(const ki_kernel *kernel, ki_pairing pairing, int dim_number, size_t m,
                        bench_queries *out)
{
    uint32_t dim = bench_dims[dim_number];
    size_t bytes = (ki_query_bytes(pairing, dim) + BENCH_LINE - 1) / BENCH_LINE * BENCH_LINE;
    size_t pack = (ki_pack_bytes(pairing, dim, m) + BENCH_LINE - 1) / BENCH_LINE * BENCH_LINE;
    kith_type type = pairing == KI_Q8                       ? KITH_F32
                     : pairing == KI_Q4 || pairing == KI_Q1 ? KITH_I8
                                                            : row_type(pairing);
    const unsigned char *vectors = elements(1, type); /* the L2 set holds a hundred of any */
    size_t vector_bytes = ki_row_bytes((ki_pairing)type, dim);
    out->query = calloc(m, sizeof *out->query);
    out->memory = aligned_alloc(BENCH_LINE, m * bytes + pack);
    if (!out->query || !out->memory) {
        fprintf(stderr, "the benchmark needs %zu bytes for queries\n", m * bytes + pack);
        exit(1);
    }
    out->packed = out->memory + m * bytes;
    for (size_t i = 0; i < m; i++)
        prepare(kernel, pairing, dim, vectors + i % 64 * vector_bytes, out->memory + i * bytes,
                &out->query[i]);
    if (kernel->pack)
        kernel->pack(out->query, m, out->packed);
}

void bench_queries_close(bench_queries *queries)
{
    free(queries->query);
    free(queries->memory);
    *queries = (bench_queries){0};
}

/* bench_kernels.c - nanoseconds a distance of every kernel, side by side.
 *
 * May include kernels/ headers and shim.h: the one benchmark that sees more than kith.h. Names are
 * shape/metric/type/isa/dim/set, so that --benchmark_filter can pick a row or a column:
 *
 *     pairloop           one call of the pair kernel a row: what a library without gather does
 *     gather             one call for 32 rows, no prefetching
 *     gather_prefetch2   the same, fetching the first two lines of every row beforehand
 *     gather_hop12       one call for 12 rows, about what is left of a graph node's 32 links
 *     range              one call for 32 consecutive rows
 *
 * Sets: L2 is 1 MiB of rows, DRAM 512 MiB on huge pages where the system gives them. Rows are
 * drawn at random and lie as the store lays them: 64-byte lines, side data behind the row where it
 * fits and in an array of its own where not. A slot appears under the name of the file that fills
 * it, once, not again at higher levels that inherit it.
 *
 * Compare shapes within one run only, with --benchmark_enable_random_interleaving=true, as
 * kernels.sh does: the machine's clock and neighbours change from run to run.
 */
#include "bench/shim.h"
#include "kernels/kernels.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { BATCH = 32, HOP = 12, DIMS = 2, SETS = 2, SHAPES = 5, IDS = 1 << 20, LINE = 64 };

static const uint32_t dims[DIMS] = {128, 784};

typedef struct working_set {
    const char *name;
    size_t bytes;
    unsigned char *base[KI_TYPE_COUNT]; /* made when first used */
    unsigned char *aux[KI_TYPE_COUNT][DIMS];
} working_set;

static working_set sets[SETS] = {{.name = "L2", .bytes = (size_t)1 << 20},
                                 {.name = "DRAM", .bytes = (size_t)512 << 20}};

static const struct shape {
    const char *name;
    uint32_t n, prefetch_lines;
    ki_slot slot;
} shapes[SHAPES] = {{"pairloop", BATCH, 0, KI_PAIR},
                    {"gather", BATCH, 0, KI_GATHER},
                    {"gather_prefetch2", BATCH, 2, KI_GATHER},
                    {"gather_hop12", HOP, 0, KI_GATHER},
                    {"range", BATCH, 0, KI_RANGE}};

typedef struct job {
    ki_kernel kernel;
    const struct shape *shape;
    working_set *set;
    kith_type type;
    uint32_t dim_number;
    int absent; /* this machine does not have the instruction set */
} job;

static uint32_t ids[IDS]; /* random; each call takes the next few, below the count of rows */

static uint64_t random_bits(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static void *pages(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        fprintf(stderr, "bench_kernels needs %zu bytes more than the system gives\n", bytes);
        exit(1);
    }
    madvise(p, bytes, MADV_HUGEPAGE);
    return p;
}

/* The same bytes for every dimension of a type: floats in [1, 2) with either sign, or any byte. */
static unsigned char *elements(working_set *set, kith_type type)
{
    uint64_t state = 88172645463325252u;
    if (set->base[type])
        return set->base[type];
    set->base[type] = pages(set->bytes);
    for (size_t i = 0; i + 8 <= set->bytes; i += 8) {
        uint64_t x = random_bits(&state);
        if (type == KITH_F32)
            x = (x & UINT64_C(0x807fffff807fffff)) | UINT64_C(0x3f8000003f800000);
        memcpy(set->base[type] + i, &x, sizeof x);
    }
    return set->base[type];
}

/* The rows of a job, with their side data, as the store would lay them. */
static ki_rows rows_of(const job *j, uint32_t *count)
{
    uint32_t dim = dims[j->dim_number];
    size_t row_bytes = kith_vector_bytes(j->type, dim);
    size_t stride = (row_bytes + LINE - 1) / LINE * LINE;
    unsigned char *base = elements(j->set, j->type), **aux = &j->set->aux[j->type][j->dim_number];
    int behind = stride - row_bytes >= sizeof(ki_aux);
    size_t aux_stride = behind ? stride : sizeof(ki_aux);
    *count = (uint32_t)(j->set->bytes / stride);
    if (!*aux) {
        *aux = behind ? base + row_bytes : pages(*count * sizeof(ki_aux));
        for (uint32_t i = 0; i < *count; i++) {
            ki_aux side;
            ki_aux_fill(j->type, base + i * stride, dim, &side);
            memcpy(*aux + i * aux_stride, &side, sizeof side);
        }
    }
    return (ki_rows){base, stride, *aux, aux_stride, dim, j->shape->prefetch_lines};
}

static void draw_ids(uint32_t count)
{
    static uint32_t drawn_for;
    uint64_t state = 2463534242u;
    if (drawn_for == count)
        return;
    drawn_for = count;
    for (size_t i = 0; i < IDS; i++)
        ids[i] = (uint32_t)((random_bits(&state) >> 32) * (count - BATCH) >> 32);
}

static void work_pairs(bench_state *state, const ki_kernel *kernel, const ki_query *query,
                       const ki_rows *rows, uint32_t n)
{
    uint32_t keys[BATCH];
    for (size_t at = 0; bench_next(state); at = (at + BATCH) % IDS)
        for (uint32_t i = 0; i < n; i++)
            keys[i % BATCH] = kernel->pair(query, rows, ids[at + i]);
    __asm__ volatile("" : : "r"(keys) : "memory");
}

static void work_batches(bench_state *state, const ki_kernel *kernel, const ki_query *query,
                         const ki_rows *rows, const struct shape *shape)
{
    uint32_t keys[BATCH];
    for (size_t at = 0; bench_next(state); at = (at + BATCH) % IDS)
        if (shape->slot == KI_RANGE)
            kernel->range(query, rows, ids[at], shape->n, keys);
        else
            kernel->gather(query, rows, ids + at, shape->n, keys);
}

static void work(bench_state *state, void *user)
{
    const job *j = user;
    uint32_t count, dim = dims[j->dim_number];
    ki_query query;
    if (j->absent) {
        bench_skip(state, "this machine does not have the instruction set");
        return;
    }
    ki_rows rows = rows_of(j, &count);
    draw_ids(count);
    size_t bytes = (ki_query_bytes((ki_pairing)j->type, dim) + LINE - 1) / LINE * LINE;
    void *scratch = aligned_alloc(LINE, bytes);
    if (!scratch) {
        bench_skip(state, "out of memory");
        return;
    }
    j->kernel.prepare(rows.base, dim, scratch, &query);
    if (j->shape->slot == KI_PAIR)
        work_pairs(state, &j->kernel, &query, &rows, j->shape->n);
    else
        work_batches(state, &j->kernel, &query, &rows, j->shape);
    double n = j->shape->n;
    bench_distances(state, n, n * (double)kith_vector_bytes(j->type, dim));
    free(scratch);
}

/* Every shape, dimension and set of one slot. The jobs live as long as the program. */
static void add_slot(const ki_kernels *table, kith_metric metric, kith_type type, ki_isa isa,
                     int absent)
{
    for (int variant = 0; variant < SHAPES * DIMS * SETS; variant++) {
        job *j = malloc(sizeof *j);
        char name[128];
        if (!j)
            exit(1);
        *j = (job){.kernel = table->at[metric][type],
                   .shape = &shapes[variant % SHAPES],
                   .dim_number = (uint32_t)(variant / SHAPES % DIMS),
                   .set = &sets[variant / SHAPES / DIMS],
                   .type = type,
                   .absent = absent};
        snprintf(name, sizeof name, "%s/%s/%s/%s/%u/%s", j->shape->name, kith_metric_name(metric),
                 kith_type_name(type), ki_isa_name(isa), dims[j->dim_number], j->set->name);
        bench_add(name, work, j);
    }
}

#if defined(__x86_64__)
static const ki_isa ladder[] = {KI_ISA_SCALAR, KI_ISA_AVX2, KI_ISA_AVX512, KI_ISA_AVX512VNNI};
#elif defined(__aarch64__)
static const ki_isa ladder[] = {KI_ISA_SCALAR, KI_ISA_NEON, KI_ISA_DOTPROD};
#else
static const ki_isa ladder[] = {KI_ISA_SCALAR};
#endif

int main(int argc, char **argv)
{
    uint64_t have = ki_cpu_features(), mask;
    if (!bench_start(&argc, argv))
        return 2;
    bench_context("kith", kith_version());
    for (size_t i = 0; i < sizeof ladder / sizeof *ladder; i++) {
        ki_kernels table;
        int absent = i && !(have & KI_BIT(ladder[i]));
        if (!ki_cpu_mask(ki_isa_name(ladder[i]), &mask))
            continue;
        ki_kernels_fill(have & mask, &table);
        for (int metric = 0; metric < KI_METRIC_COUNT; metric++)
            for (int type = 0; type < KI_TYPE_COUNT; type++)
                if (absent || table.at[metric][type].from[KI_GATHER] == ladder[i])
                    add_slot(&table, (kith_metric)metric, (kith_type)type, ladder[i], absent);
    }
    return bench_run() ? 0 : 1;
}

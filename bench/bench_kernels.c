/* bench_kernels.c - nanoseconds a distance of every kernel, side by side, and this machine's
 * limits.
 *
 * May include kernels/ headers, bench_*.h and shim.h: the one benchmark that sees more than
 * kith.h. Names are shape/metric/pairing/isa/dim/set, so that --benchmark_filter can pick a row or
 * a column:
 *
 *     pairloop           one call of the pair kernel a row: what a library without gather does
 *     gather             one call for 32 rows, no prefetching
 *     gather_prefetch2   the same, fetching the first two lines of every row beforehand
 *     gather_hop12       one call for 12 rows, about what is left of a graph node's 32 links
 *     range              one call for 32 consecutive rows
 *     tile8, tile64      8 or 64 queries and 128 consecutive rows
 *
 * Sets are those of bench_kernel_rows.c, L1, L2, L3 and DRAM by size; rows are drawn at random. A
 * slot appears under the name of the file that fills it, once, not again at higher levels that
 * inherit it. Beside them stand peak/... (bench_kernel_peaks.c): what the machine can do at most.
 *
 * Compare shapes within one run only, with --benchmark_enable_random_interleaving=true, as
 * kernels.sh does: the machine's clock and neighbours change from run to run.
 */
#include "bench/bench_kernel_peaks.h"
#include "bench/bench_kernel_rows.h"
#include "bench/shim.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 32, HOP = 12, TILE_ROWS = 128, SHAPES = 7 };

static const struct shape {
    const char *name;
    uint32_t n, queries, prefetch_lines;
    ki_slot slot;
} shapes[SHAPES] = {{"pairloop", BATCH, 1, 0, KI_PAIR},
                    {"gather", BATCH, 1, 0, KI_GATHER},
                    {"gather_prefetch2", BATCH, 1, 2, KI_GATHER},
                    {"gather_hop12", HOP, 1, 0, KI_GATHER},
                    {"range", BATCH, 1, 0, KI_RANGE},
                    {"tile8", TILE_ROWS, 8, 0, KI_TILE},
                    {"tile64", TILE_ROWS, 64, 0, KI_TILE}};

typedef struct job {
    ki_kernel kernel;
    const struct shape *shape;
    ki_pairing pairing;
    int dim_number, set;
} job;

static uint32_t keys[64 * TILE_ROWS]; /* of the largest call */

static void call(const job *j, const bench_queries *queries, const ki_rows *rows,
                 const uint32_t *ids)
{
    const struct shape *shape = j->shape;
    if (shape->slot == KI_GATHER)
        j->kernel.gather(queries->query, rows, ids, shape->n, keys);
    else if (shape->slot == KI_RANGE)
        j->kernel.range(queries->query, rows, ids[0], shape->n, keys);
    else if (shape->slot == KI_TILE)
        j->kernel.tile(queries->query, shape->queries, queries->packed, rows, ids[0], shape->n,
                       keys, TILE_ROWS);
    else
        for (uint32_t i = 0; i < shape->n; i++)
            keys[i] = j->kernel.pair(queries->query, rows, ids[i]);
}

static void work(bench_state *state, void *user)
{
    const job *j = user;
    const struct shape *shape = j->shape;
    uint32_t count, dim = bench_dims[j->dim_number];
    bench_queries queries;
    ki_rows rows = bench_rows_of(j->set, j->pairing, j->dim_number, &count);
    uint32_t run = shape->slot == KI_TILE || shape->slot == KI_RANGE ? shape->n : 1;
    if (count < run) {
        bench_skip(state, "the set has fewer rows than one call takes");
        return;
    }
    rows.prefetch_lines = shape->prefetch_lines;
    const uint32_t *ids = bench_ids(count, run - 1);
    bench_queries_open(&j->kernel, j->pairing, j->dim_number, shape->queries, &queries);
    for (size_t at = 0; bench_next(state); at = (at + BATCH) % BENCH_IDS)
        call(j, &queries, &rows, ids + at);
    bench_queries_close(&queries);
    double distances = (double)shape->n * shape->queries;
    bench_distances(state, distances, (double)shape->n * (double)ki_row_bytes(j->pairing, dim));
}

/* Every shape, dimension and set of one slot. The jobs live as long as the program. */
static void add_slot(const ki_kernels *table, kith_metric metric, ki_pairing pairing, ki_isa isa,
                     const struct shape *shape)
{
    for (int variant = 0; variant < BENCH_DIMS * BENCH_SETS; variant++) {
        job *j = malloc(sizeof *j);
        char name[128];
        if (!j)
            exit(1);
        *j = (job){.kernel = table->at[metric][pairing],
                   .shape = shape,
                   .pairing = pairing,
                   .dim_number = variant % BENCH_DIMS,
                   .set = variant / BENCH_DIMS};
        snprintf(name, sizeof name, "%s/%s/%s/%s/%u/%s", shape->name, kith_metric_name(metric),
                 ki_pairing_name(pairing), ki_isa_name(isa), bench_dims[j->dim_number],
                 bench_sets[j->set].name);
        bench_add(name, work, j);
    }
}

/* What one level fills itself. At a level that the machine lacks nothing is known of its table,
 * so it is left out. */
static void add_level(ki_isa isa, uint64_t features)
{
    ki_kernels table;
    ki_kernels_fill(features, &table);
    for (int metric = 0; metric < KI_METRIC_COUNT; metric++)
        for (int pairing = 0; pairing < KI_PAIRING_COUNT; pairing++)
            for (int i = 0; i < SHAPES; i++)
                if (table.at[metric][pairing].from[shapes[i].slot] == isa)
                    add_slot(&table, (kith_metric)metric, (ki_pairing)pairing, isa, &shapes[i]);
}

int main(int argc, char **argv)
{
    uint64_t have = ki_cpu_features(), mask;
    if (!bench_start(&argc, argv))
        return 2;
    bench_context("kith", kith_version());
    bench_peaks_add();
    for (int isa = KI_ISA_SCALAR; isa < KI_ISA_COUNT; isa++) {
        if (isa != KI_ISA_SCALAR && !(have & KI_BIT(isa)))
            continue;
        if (ki_cpu_mask(ki_isa_name((ki_isa)isa), &mask))
            add_level((ki_isa)isa, have & mask);
    }
    return bench_run() ? 0 : 1;
}

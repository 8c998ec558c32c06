/* bench_exact.c - exact search on every instruction set and every device, held against the truth.
 *
 * Exact search has one right answer, so this is the proof that all devices compute the same, and
 * the baseline that a graph has to beat. Queries go in batches, as they would be sent to a device.
 *
 * All queries are compared with the truth on the best instruction set of the host, and on whatever
 * else does that within its share of the time; the rest is compared on the sample that is timed.
 * Both numbers are in the result.
 *
 * Sums of u8 rows are integers and must give the true ids place by place. Distances that are
 * rounded (f32 rows, and cosine) may come out equal or swapped where the exact ones differ by less
 * than the rounding; such a place is counted apart and is no difference.
 */
#include "cli/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/heap.h"
#include "cli/result.h"
#include "cli/terminal.h"

#define BATCH_MOST 256u
#define PILOT_QUERIES 8u
#define QUERIES_LEAST 16u
#define CHECKING_SHARE 0.5 /* of a target's time that all queries may cost, untimed */
#define ROUNDING 4e-6 /* relative: sums of f32 in any order, twice the bound at 784 dimensions */

struct target {
    const char *device; /* as options take it */
    const char *isa;    /* as the result names it */
    const char *cpu;    /* cap of the instruction set; NULL on a device */
    bool best;          /* of the host's instruction sets */
};

/* How the answers of all queries, or of the sample, compare with the truth. */
struct finding {
    struct recall recall;
    size_t queries, differences, rounding;
    json_t *first; /* the first difference, NULL when there is none; owned */
    double distances_per_query;
};

struct scan {
    struct bench *bench;
    const struct target *target;
    kith_index *index;
    uint32_t *which;
    size_t queries;
    uint32_t batch;
    char *asked; /* the sample's queries, one after the other */
    kith_hit *hits;
    struct finding finding;
    double seconds[PASSES_MOST];
    size_t passes, calls;
    double *latency_us;
    uint64_t distances;
    struct progress *progress;
    double budget; /* seconds, of all targets */
};

static double exact_distance(const struct bench *b, size_t query, uint64_t row)
{
    size_t bytes = kith_vector_bytes(b->data.type, b->data.base.dim);
    return recall_distance(b->data.metric, b->data.type, b->data.base.dim,
                           (const char *)b->data.queries.data + query * bytes,
                           (const char *)b->data.base.data + row * bytes);
}

static bool only_rounding(const struct bench *b, size_t query, uint64_t found, uint64_t expected)
{
    if (bench_in_integers(b) || found >= b->data.base.rows)
        return false;
    double x = exact_distance(b, query, found), y = exact_distance(b, query, expected);
    return fabs(x - y) <= ROUNDING * fmax(fmax(fabs(x), fabs(y)), 1);
}

/* Compares place by place and keeps the first real difference. */
static void examine(struct scan *scan)
{
    const struct bench *b = scan->bench;
    struct finding *f = &scan->finding;
    uint32_t k = b->wishes.k;
    *f = (struct finding){.recall = judge_all(&b->judge, scan->which, scan->queries, scan->hits),
                          .queries = scan->queries,
                          .distances_per_query = (double)scan->distances / (double)scan->queries};
    for (size_t i = 0; i < scan->queries * k; i++) {
        size_t query = scan->which[i / k];
        uint64_t expected = b->truth[query * k + i % k], found = scan->hits[i].key;
        bool empty = scan->hits[i].row == UINT32_MAX;
        if (!empty && found == expected)
            continue;
        if (!empty && only_rounding(b, query, found, expected)) {
            f->rounding++;
            continue;
        }
        if (f->differences++ == 0)
            f->first = json_pack("{s:I, s:I, s:I, s:I}", "query", (json_int_t)query, "rank",
                                 (json_int_t)(i % k + 1), "found",
                                 empty ? (json_int_t)-1 : (json_int_t)found, "expected",
                                 (json_int_t)expected);
    }
}

static void record_agreement(const struct scan *scan)
{
    struct bench *b = scan->bench;
    const struct finding *f = &scan->finding;
    b->differences += f->differences > 0;
    result_append(b->result, "agreement",
                  json_pack("{s:s, s:s, s:s, s:I, s:I, s:b, s:I, s:I, s:O?}", "device",
                            scan->target->device, "isa", scan->target->isa, "index", "flat",
                            "queries", (json_int_t)f->queries, "k", (json_int_t)b->wishes.k,
                            "equal", f->differences == 0, "rounding", (json_int_t)f->rounding,
                            "differences", (json_int_t)f->differences, "first", f->first));
}

static void record_run(struct scan *scan)
{
    struct bench *b = scan->bench;
    const struct finding *f = &scan->finding;
    kith_index_stats index = {.size = sizeof index};
    kith_index_stat(scan->index, &index);
    struct measured run = {
        .device = scan->target->device,
        .isa = scan->target->isa,
        .index = "flat",
        .codes = kith_type_name(b->data.type),
        .params = json_pack("{s:I, s:I, s:I}", "queries", (json_int_t)scan->queries, "passes",
                            (json_int_t)scan->passes, "recall_queries", (json_int_t)f->queries),
        .threads = scan->target->cpu ? b->threads : 1,
        .batch = scan->batch,
        .k = b->wishes.k,
        .recall = f->recall.strict,
        .recall_annb = f->recall.annb,
        .seconds = scan->seconds,
        .passes = scan->passes,
        .queries = scan->queries,
        .latency_us = scan->latency_us,
        .calls = scan->calls,
        .distances_per_query = f->distances_per_query,
        .bytes_per_vector = (double)(b->store_bytes + index.bytes) / (double)b->data.base.rows};
    result_run(b->result, &run);
}

/* One call for `n` queries of the sample from `from` on. */
static bool ask(struct scan *scan, size_t from, size_t n)
{
    const struct bench *b = scan->bench;
    kith_search_options options = kith_search_defaults(b->wishes.k);
    kith_search_stats stats = {.size = sizeof stats};
    size_t bytes = kith_vector_bytes(b->data.type, b->data.queries.dim);
    options.threads = b->threads;
    if (kith_index_search(scan->index, scan->asked + from * bytes, n, &options,
                          scan->hits + from * b->wishes.k, &stats)) {
        bench_failed(scan->bench, scan->target->device, scan->target->isa, kith_last_error());
        return false;
    }
    scan->distances += stats.distances;
    return true;
}

static void choose_sample(struct scan *scan, size_t queries)
{
    const struct bench *b = scan->bench;
    size_t all = b->data.queries.rows;
    free(scan->asked);
    free(scan->hits);
    free(scan->which);
    scan->queries = queries < all ? queries : all;
    scan->which = bench_sample(b, scan->queries);
    scan->asked = bench_gather(b, scan->which, scan->queries);
    scan->hits = heap_alloc(scan->queries * b->wishes.k, sizeof *scan->hits);
}

/* Batches as even as they can be, so that their times can be compared. False when a call failed
 * or ^C came in between. */
static bool ask_all(struct scan *scan, double *latency_us)
{
    size_t calls = (scan->queries + BATCH_MOST - 1) / BATCH_MOST;
    scan->batch = (uint32_t)((scan->queries + calls - 1) / calls);
    scan->distances = 0;
    for (size_t from = 0, call = 0; from < scan->queries; from += scan->batch, call++) {
        size_t left = scan->queries - from, n = left < scan->batch ? left : scan->batch;
        double begin = seconds_now();
        if (interrupt_pending() || !ask(scan, from, n))
            return false;
        if (latency_us)
            latency_us[call] = (seconds_now() - begin) * 1e6;
        bench_progress(scan->progress, scan->budget);
    }
    return true;
}

/* The first call pays for compiling and for memory that is touched for the first time; the second
 * says how long a query takes. */
static bool pilot(struct scan *scan, double *query_seconds)
{
    choose_sample(scan, PILOT_QUERIES);
    if (!ask(scan, 0, 1))
        return false;
    double begin = seconds_now();
    if (!ask(scan, 0, scan->queries))
        return false;
    *query_seconds = (seconds_now() - begin) / (double)scan->queries;
    return true;
}

/* Compares the answers of all queries with the truth where that is wanted or cheap. */
static bool check_all(struct scan *scan, double query_seconds, double seconds)
{
    size_t all = scan->bench->data.queries.rows;
    if (!scan->target->best && query_seconds * (double)all > CHECKING_SHARE * seconds)
        return true;
    choose_sample(scan, all);
    if (!ask_all(scan, NULL))
        return false;
    examine(scan);
    return true;
}

/* Three passes, fewer only when they take much longer than the pilot promised. A pass that failed
 * or that ^C cut short leaves those before it. */
static void time_sample(struct scan *scan, double query_seconds, double deadline)
{
    double left = fmax(deadline - seconds_now(), 0), late = deadline + left;
    double fits = fmax(left / PASSES_WANTED / query_seconds, QUERIES_LEAST);
    choose_sample(scan, fits < 1e9 ? (size_t)fits : 1000000000u);
    size_t calls = (scan->queries + BATCH_MOST - 1) / BATCH_MOST;
    scan->latency_us = heap_alloc(calls * PASSES_WANTED, sizeof *scan->latency_us);
    while (scan->passes < PASSES_WANTED && (!scan->passes || seconds_now() < late)) {
        double begin = seconds_now();
        if (!ask_all(scan, scan->latency_us + scan->calls))
            break;
        scan->seconds[scan->passes++] = seconds_now() - begin;
        scan->calls += calls;
        if (!scan->finding.queries)
            examine(scan);
    }
}

static void measure(struct scan *scan, double seconds)
{
    double query_seconds, deadline = seconds_now() + seconds;
    if (pilot(scan, &query_seconds) && check_all(scan, query_seconds, seconds))
        time_sample(scan, query_seconds, deadline);
    if (scan->passes)
        record_run(scan);
    if (scan->finding.queries)
        record_agreement(scan);
}

static kith_index *open_index(struct bench *b, const struct target *target)
{
    kith_index_options options = kith_index_defaults(KITH_FLAT);
    kith_index *index = NULL;
    options.device = target->device;
    options.cpu = target->cpu;
    options.threads = b->threads;
    if (kith_index_create(b->store, &options, &index) || kith_index_build(index, NULL, NULL)) {
        bench_failed(b, target->device, target->isa, kith_last_error());
        kith_index_close(index);
        return NULL;
    }
    kith_index_stats stats = {.size = sizeof stats};
    kith_store_stats store = {.size = sizeof store};
    if (!target->cpu && !kith_index_stat(index, &stats) && !kith_store_stat(b->store, &store))
        result_build(b->result, target->device, &options, kith_type_name(b->data.type), &stats,
                     &store);
    return index;
}

static void run_target(struct scan scan, double seconds)
{
    scan.index = open_index(scan.bench, scan.target);
    if (scan.index)
        measure(&scan, seconds);
    kith_index_close(scan.index);
    json_decref(scan.finding.first);
    free(scan.latency_us);
    free(scan.asked);
    free(scan.hits);
    free(scan.which);
}

static size_t list_targets(const struct bench *b, struct target *targets)
{
    size_t n = 0;
    const char *isa;
    for (size_t i = 0; bench_wants(b, "cpu") && (isa = kith_cpu_level(i)); i++)
        if (bench_level_adds(b, isa, true))
            targets[n++] = (struct target){"cpu", isa, isa, false};
    if (n)
        targets[n - 1].best = true;
    for (size_t i = 0; i < b->chosen.count; i++)
        if (strcmp(b->chosen.id[i], "cpu"))
            targets[n++] = (struct target){b->chosen.id[i], "opencl", NULL, false};
    return n;
}

void bench_exact(struct bench *bench, double seconds)
{
    size_t levels = 0;
    while (kith_cpu_level(levels))
        levels++;
    struct target *targets = heap_alloc(bench->chosen.count + levels, sizeof *targets);
    size_t n = list_targets(bench, targets);
    double deadline = seconds_now() + seconds;
    struct progress progress;
    progress_begin(&progress, "exact search");
    for (size_t i = 0; i < n && !interrupt_pending(); i++) {
        struct scan scan = {
            .bench = bench, .target = &targets[i], .progress = &progress, .budget = seconds};
        run_target(scan, fmax(deadline - seconds_now(), 0) / (double)(n - i));
    }
    progress_end(&progress);
    free(targets);
}

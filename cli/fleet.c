/* fleet.c - see fleet.h.
 *
 * A device is asked as it likes to be asked: thousands of queries in a call. So the times of calls
 * are those of whole batches, and the pilot asks for more and more until a call takes long enough
 * to tell the speed of a full device; eight queries would measure what starting one costs.
 *
 * Walks of a device have a widest ef, which its local memory sets; wider ones are left out with a
 * note. Hits must be those of the host, row by row, wherever distances are integers: u8 and i8
 * rows, and codes, whose candidates the rows rank again on the host. A walk over floats rounds on a
 * device as the device does, and may now and then turn off elsewhere; such answers are counted.
 */
#include "cli/fleet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/heap.h"
#include "cli/copies.h"
#include "cli/result.h"

#define BATCH_MOST 4096u
#define PILOT_QUERIES 64u
#define PILOT_STEP 8u
#define PILOT_SHARE 0.02 /* of the time: a call that takes so long is no longer all overhead */
#define QUERIES_LEAST 100u

kith_status fleet_open(struct fleet *fleet)
{
    const double begin = seconds_now();
    const kith_status status =
        layout_open(fleet->graph, fleet->layout, fleet->devices, fleet->count,
                    fleet->bench->threads, true, &fleet->replicas);
    fleet->open_seconds = seconds_now() - begin;
    return status;
}

static void drop_sample(struct fleet *fleet)
{
    free(fleet->which);
    free(fleet->asked);
    free(fleet->hits);
    free(fleet->expected);
}

void fleet_close(struct fleet *fleet)
{
    kith_replicas_close(fleet->replicas);
    kith_replicas_close(fleet->host);
    drop_sample(fleet);
    *fleet = (struct fleet){0};
}

static void choose_sample(struct fleet *fleet, double queries)
{
    const struct bench *b = fleet->bench;
    const size_t all = b->data.queries.rows;
    drop_sample(fleet);
    fleet->queries = queries < (double)all ? (size_t)queries : all;
    fleet->which = bench_sample(b, fleet->queries);
    fleet->asked = bench_gather(b, fleet->which, fleet->queries);
    fleet->hits = heap_alloc(fleet->queries * b->wishes.k, sizeof *fleet->hits);
    fleet->expected = heap_alloc(fleet->queries * b->wishes.k, sizeof *fleet->expected);
    const size_t calls = (fleet->queries + BATCH_MOST - 1) / BATCH_MOST;
    fleet->batch = (uint32_t)((fleet->queries + calls - 1) / calls);
}

static kith_search_options options_at(const struct fleet *fleet, uint32_t ef)
{
    const struct bench *b = fleet->bench;
    kith_search_options options = kith_search_defaults(b->wishes.k);
    options.ef = ef;
    options.threads = b->threads;
    options.rerank = (float)b->wishes.rerank;
    return options;
}

/* One pass over the sample, `latency_us` of each call (or NULL). False when a call failed, which
 * is recorded, or when ^C came in between. */
static bool pass(struct fleet *fleet, uint32_t ef, double *latency_us)
{
    const struct bench *b = fleet->bench;
    const kith_search_options options = options_at(fleet, ef);
    const size_t bytes = kith_vector_bytes(b->data.type, b->data.queries.dim);
    fleet->distances = 0;
    for (size_t from = 0, call = 0; from < fleet->queries; from += fleet->batch, call++) {
        const size_t left = fleet->queries - from, n = left < fleet->batch ? left : fleet->batch;
        kith_replicas_report report = {.size = sizeof report};
        const double begin = seconds_now();
        if (interrupt_pending())
            return false;
        const kith_status status =
            kith_replicas_search(fleet->replicas, fleet->asked + from * bytes, n, &options,
                                 fleet->hits + from * b->wishes.k, &report);
        fleet->too_wide = status == KITH_EUNSUPPORTED;
        if (status && !fleet->too_wide)
            bench_failed(fleet->bench, fleet->device, fleet->isa, kith_last_error());
        if (status)
            return false;
        if (latency_us)
            latency_us[call] = (seconds_now() - begin) * 1e6;
        fleet->distances += report.distances;
        fleet->retries += report.retries;
        fleet->on_host += report.on_host;
        bench_progress(fleet->progress, fleet->budget);
    }
    return true;
}

/* Seconds that a query takes at the widest walk; 0 when the fleet failed. */
static double pilot(struct fleet *fleet, uint32_t ef, double seconds)
{
    choose_sample(fleet, 1);
    if (!pass(fleet, ef, NULL)) /* pays for compiling and for memory that is touched first */
        return 0;
    for (double n = PILOT_QUERIES;; n *= PILOT_STEP) {
        choose_sample(fleet, n);
        const double begin = seconds_now();
        if (!pass(fleet, ef, NULL))
            return 0;
        const double took = seconds_now() - begin;
        if (took > PILOT_SHARE * seconds || fleet->queries == fleet->bench->data.queries.rows)
            return took / (double)fleet->queries;
    }
}

/* ---- what the host finds ------------------------------------------------------------------- */

static bool must_agree(const struct bench *b)
{
    return b->data.type == KITH_U8 || b->data.type == KITH_I8 || b->data.type == KITH_B1 ||
           !strncmp(b->walked, "sq", 2);
}

static bool same_rows(const kith_hit *a, const kith_hit *b, uint32_t k)
{
    for (uint32_t i = 0; i < k; i++)
        if (a[i].row != b[i].row)
            return false;
    return true;
}

static void differs(struct fleet *fleet, size_t i, uint32_t ef)
{
    if (!must_agree(fleet->bench)) {
        fleet->apart++;
    } else if (fleet->differences++ == 0) {
        fleet->first_query = fleet->which[i];
        fleet->first_ef = ef;
    }
}

/* What the host finds by the walk that a device makes. That is the index's own, unless a trial has
 * chosen shorter codes for it: copies walk over those of the links, and so another way. Then a copy
 * on the host is asked. */
static kith_status expect(struct fleet *fleet, const kith_search_options *options)
{
    static const uint32_t one[2] = {1, 1};
    static const struct device_list cpu = {.count = 1, .id = {"cpu"}};
    const struct bench *b = fleet->bench;
    kith_status status = KITH_OK;
    if (!b->brief)
        return kith_index_search(fleet->graph, fleet->asked, fleet->queries, options,
                                 fleet->expected, NULL);
    if (!fleet->host)
        status = layout_open(fleet->graph, one, &cpu, cpu.count, b->threads, true, &fleet->host);
    return status ? status
                  : kith_replicas_search(fleet->host, fleet->asked, fleet->queries, options,
                                         fleet->expected, NULL);
}

/* Only one partition has the graph of the host; several have graphs of their own. */
static void compare(struct fleet *fleet, uint32_t ef)
{
    const kith_search_options options = options_at(fleet, ef);
    const uint32_t k = options.k;
    if (fleet->layout[0] != 1)
        return;
    if (expect(fleet, &options)) {
        bench_failed(fleet->bench, "cpu", "host", kith_last_error());
        return;
    }
    for (size_t i = 0; i < fleet->queries; i++)
        if (!same_rows(fleet->hits + i * k, fleet->expected + i * k, k))
            differs(fleet, i, ef);
    fleet->compared += fleet->queries;
}

void fleet_record_agreement(struct fleet *fleet)
{
    struct bench *b = fleet->bench;
    json_t *first = fleet->differences
                        ? json_pack("{s:I, s:I}", "query", (json_int_t)fleet->first_query, "ef",
                                    (json_int_t)fleet->first_ef)
                        : json_null();
    if (!fleet->compared) {
        json_decref(first);
        return;
    }
    b->differences += fleet->differences > 0;
    result_append(b->result, "agreement",
                  json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:b, s:I, s:I, s:o}", "device",
                            fleet->device, "isa", fleet->isa, "index", "hnsw", "threads",
                            (json_int_t)1, "queries", (json_int_t)fleet->compared, "k",
                            (json_int_t)b->wishes.k, "compared_with", "cpu", "equal",
                            fleet->differences == 0, "differences", (json_int_t)fleet->differences,
                            "apart", (json_int_t)fleet->apart, "first", first));
}

/* ---- one width ----------------------------------------------------------------------------- */

struct timing {
    double seconds[PASSES_WANTED];
    size_t passes, calls;
    double *latency_us;
    struct recall recall;
};

static json_t *ids_json(const struct fleet *fleet)
{
    json_t *const ids = json_array();
    for (size_t i = 0; i < fleet->count; i++)
        json_array_append_new(ids, json_string(fleet->devices->id[i]));
    return ids;
}

/* The threads of a device are its own business; those of the host are a choice. */
static uint32_t threads_of(const struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->count; i++)
        if (!strcmp(fleet->devices->id[i], "cpu"))
            return fleet->bench->threads;
    return 1;
}

static void record(struct fleet *fleet, uint32_t ef, struct timing *timing)
{
    struct bench *b = fleet->bench;
    struct measured run = {
        .device = fleet->device,
        .isa = fleet->isa,
        .index = "hnsw",
        .codes = b->walked,
        .params = json_pack("{s:I, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:o}", "ef", (json_int_t)ef,
                            "rerank", b->wishes.rerank, "slack", 0.0, "queries",
                            (json_int_t)fleet->queries, "passes", (json_int_t)timing->passes,
                            "recall_queries", (json_int_t)fleet->queries, "partitions",
                            (json_int_t)fleet->layout[0], "copies", (json_int_t)fleet->layout[1],
                            "devices", ids_json(fleet)),
        .threads = threads_of(fleet),
        .batch = fleet->batch,
        .k = b->wishes.k,
        .recall = timing->recall.strict,
        .recall_annb = timing->recall.annb,
        .seconds = timing->seconds,
        .passes = timing->passes,
        .queries = fleet->queries,
        .latency_us = timing->latency_us,
        .calls = timing->calls,
        .distances_per_query = (double)fleet->distances / (double)fleet->queries,
        .bytes_per_vector =
            (double)(b->store_bytes + copies_bytes(fleet->replicas)) / (double)b->data.base.rows};
    result_run(b->result, &run);
    b->best_recall = fmax(b->best_recall, run.recall);
    fleet->point[fleet->points].ef = ef;
    fleet->point[fleet->points].recall = run.recall;
    fleet->point[fleet->points++].qps =
        (double)fleet->queries / result_median(timing->seconds, timing->passes);
}

/* Three passes, fewer when they take much longer than the pilot promised. */
static bool measure(struct fleet *fleet, uint32_t ef, double late)
{
    const size_t calls = (fleet->queries + fleet->batch - 1) / fleet->batch;
    struct timing timing = {.latency_us =
                                heap_alloc(calls * PASSES_WANTED, sizeof *timing.latency_us)};
    bool good = true;
    while (timing.passes < PASSES_WANTED && (!timing.passes || seconds_now() < late)) {
        const double begin = seconds_now();
        good = pass(fleet, ef, timing.latency_us + timing.calls);
        if (!good)
            break;
        timing.seconds[timing.passes++] = seconds_now() - begin;
        timing.calls += calls;
    }
    if (timing.passes) {
        timing.recall = judge_all(&fleet->bench->judge, fleet->which, fleet->queries, fleet->hits);
        compare(fleet, ef);
        record(fleet, ef, &timing);
    }
    free(timing.latency_us);
    return good;
}

void fleet_measure(struct fleet *fleet, const struct u32_list *widths, double seconds)
{
    const double deadline = seconds_now() + seconds;
    size_t count = widths->count;
    double query = 0;
    while (count && !(query > 0)) {
        query = pilot(fleet, widths->item[count - 1], seconds);
        if (!(query > 0) && !fleet->too_wide)
            return;
        if (!(query > 0))
            terminal_note("%s at ef %u: %s", fleet->device, widths->item[--count],
                          kith_last_error());
    }
    const double left = fmax(deadline - seconds_now(), 0);
    const double passes = (PASSES_WANTED + 1) * (double)count; /* one more for the host */
    if (count)
        choose_sample(fleet, fmax(left / passes / query, QUERIES_LEAST));
    for (size_t i = 0; i < count && !interrupt_pending(); i++)
        if (!measure(fleet, widths->item[i], deadline + left))
            break;
}

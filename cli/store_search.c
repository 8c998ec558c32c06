/* store_search.c - `kith search`: many queries against a store, to a file of row numbers.
 *
 * With a graph beside the store its walk answers, on the host or on the devices that were asked
 * for; without one every row is compared. Queries come in any type that a file can hold; those of
 * another type than the rows are asked as f32. On the host each thread has a searcher and asks one
 * query after the other; whatever else there is gets them in calls of --batch, and a latency is
 * then that of a call. The file of answers appears whole, and only when every query was answered.
 * A single query can be typed; its answers are printed, by key.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/copies.h"
#include "cli/hardware.h"
#include "cli/heap.h"
#include "cli/matrix.h"
#include "cli/options.h"
#include "cli/pass.h"
#include "cli/result.h"
#include "cli/store_layout.h"
#include "cli/store_part.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

struct search {
    const char *queries, *vector, *part, *out;
    struct layout_wish wish;
    uint64_t limit;
    double rerank, slack;
    uint32_t k, ef, batch;
    kith_store *store;
    kith_store_options shape;
    struct layout layout;
    size_t calls; /* latencies: of queries, or of batches */
    struct matrix matrix;
    struct pass pass;
};

/* The query that was typed: f32, whatever the rows are. */
static bool read_vector(struct search *s)
{
    struct sentence why;
    kith_store_options shape = s->shape;
    shape.type = KITH_F32;
    void *const vector = store_vector_read(&shape, s->vector, &why);
    if (!vector)
        return terminal_fail(TOOL_USAGE, "%s", why.text), false;
    s->matrix =
        (struct matrix){.element = ELEMENT_F32, .dim = shape.dim, .rows = 1, .data = vector};
    return true;
}

static bool read_file(struct search *s)
{
    struct sentence why;
    if (!matrix_read(s->queries, s->part, s->limit, &s->matrix, &why))
        return terminal_fail(TOOL_FAILED, "%s", why.text), false;
    if (s->matrix.dim != s->shape.dim)
        return terminal_fail(TOOL_FAILED, "%s has %u dimensions and the store has %u", s->queries,
                             s->matrix.dim, s->shape.dim),
               false;
    return true;
}

static bool read_queries(struct search *s)
{
    struct sentence why;
    kith_type type;
    if (!(s->vector ? read_vector(s) : read_file(s)))
        return false;
    const bool same = element_type(s->matrix.element, &type) && type == s->shape.type;
    if (!same && !matrix_convert(&s->matrix, ELEMENT_F32, s->queries, &why))
        return terminal_fail(TOOL_FAILED, "%s", why.text), false;
    s->pass.options.f32_queries = !same && s->shape.type != KITH_F32;
    s->pass.queries = s->matrix.data;
    s->pass.query_bytes = element_bytes(s->matrix.element) * s->matrix.dim;
    s->pass.count = s->matrix.rows;
    return true;
}

/* Calls of up to `batch` queries, to an index or to its copies. */
static bool ask(const struct search *s, size_t from, size_t n, uint64_t *distances)
{
    const struct pass *pass = &s->pass;
    kith_hit *const hits = pass->hits + from * s->k;
    const void *const queries = pass_query(pass, from);
    kith_search_stats stats = {.size = sizeof stats};
    kith_replicas_report report = {.size = sizeof report};
    const kith_status status =
        s->layout.replicas
            ? kith_replicas_search(s->layout.replicas, queries, n, &pass->options, hits, &report)
            : kith_index_search(s->layout.index, queries, n, &pass->options, hits, &stats);
    *distances += stats.distances + report.distances;
    return !status;
}

static bool ask_in_batches(struct search *s, struct sentence *why)
{
    const double start = seconds_now();
    for (size_t from = 0; from < s->pass.count; from += s->batch) {
        const size_t left = s->pass.count - from, n = left < s->batch ? left : s->batch;
        const double begin = seconds_now();
        if (!ask(s, from, n, &s->pass.distances))
            return sentence_fail(why, "%s", kith_last_error());
        s->pass.latency_us[s->calls++] = (seconds_now() - begin) * 1e6;
        if (interrupt_pending())
            return sentence_fail(why, "interrupted after %zu of %zu queries", from + n,
                                 s->pass.count);
    }
    s->pass.seconds = seconds_now() - start;
    return true;
}

/* Searchers of the host where its own graph is walked and nobody wants batches. */
static bool ask_all(struct search *s, struct sentence *why)
{
    const bool searchers = s->layout.graph && !s->layout.replicas && s->batch == 1;
    s->calls = searchers ? s->pass.count : 0;
    return searchers ? pass_run(&s->pass, why) : ask_in_batches(s, why);
}

static bool write_rows(const struct search *s, struct sentence *why)
{
    const size_t count = s->pass.count * s->k;
    struct matrix rows = {.element = ELEMENT_I32,
                          .dim = s->k,
                          .rows = s->pass.count,
                          .data = heap_alloc(count, sizeof(int32_t))};
    int32_t *const to = rows.data;
    for (size_t i = 0; i < count; i++)
        to[i] = (int32_t)s->pass.hits[i].row; /* UINT32_MAX, no further row, is -1 */
    const bool written = matrix_write(s->out, &rows, why);
    matrix_free(&rows);
    return written;
}

static void show(const struct search *s, bool json)
{
    char text[HUMAN_SIZE];
    const double queries = (double)s->pass.count, qps = queries / s->pass.seconds;
    json_t *latency = result_percentiles(s->pass.latency_us, s->calls);
    json_t *copies = s->layout.replicas ? copies_json(s->layout.replicas) : json_array();
    if (json) {
        const char *const device = s->wish.devices        ? s->wish.devices
                                   : s->wish.layout.count ? "all"
                                                          : "cpu";
        terminal_json(json_pack("{s:I, s:I, s:I, s:s, s:s, s:I, s:I, s:f, s:o, s:f, s:o}",
                                "queries", (json_int_t)s->pass.count, "k", (json_int_t)s->k, "ef",
                                (json_int_t)(s->layout.graph ? s->pass.options.ef : 0), "index",
                                s->layout.graph ? "hnsw" : "flat", "device", device, "threads",
                                (json_int_t)s->pass.threads, "batch", (json_int_t)s->batch, "qps",
                                qps, "latency_us", latency, "distances_per_query",
                                (double)s->pass.distances / queries, "copies", copies));
        return;
    }
    printf("%s queries, %.0f a second, p50 %.0f us, p99 %.0f us, %.0f distances each\n",
           human_count(text, s->pass.count), qps, json_real_value(json_object_get(latency, "p50")),
           json_real_value(json_object_get(latency, "p99")), (double)s->pass.distances / queries);
    if (json_array_size(copies))
        copies_print(stdout, copies);
    json_decref(copies);
    json_decref(latency);
}

/* The answers to the query that was typed, nearest first. */
static int show_hits(const struct search *s, bool json)
{
    json_t *const list = json_array();
    for (uint32_t i = 0; i < s->k && s->pass.hits[i].row != UINT32_MAX; i++) {
        const kith_hit *const hit = &s->pass.hits[i];
        const void *key = NULL;
        size_t length = 0;
        if (kith_store_key(s->store, hit->row, &key, &length)) {
            json_decref(list);
            return store_failed();
        }
        char *const text = store_key_text(s->shape.keys, key, length);
        if (json)
            json_array_append_new(list, json_pack("{s:s, s:I, s:f}", "key", text, "row",
                                                  (json_int_t)hit->row, "distance",
                                                  (double)hit->distance));
        else
            printf("%s\t%.7g\n", text, (double)hit->distance);
        free(text);
    }
    if (json)
        terminal_json(list);
    else
        json_decref(list);
    return TOOL_OK;
}

static int run(struct search *s, bool json)
{
    struct hardware hardware;
    struct sentence why;
    hardware_read(&hardware);
    s->pass.index = s->layout.index;
    s->pass.threads = s->wish.threads ? s->wish.threads : hardware.threads_allowed;
    s->pass.threads = s->pass.threads ? s->pass.threads : 1;
    s->pass.hits = heap_alloc(s->pass.count * s->k, sizeof *s->pass.hits);
    s->pass.latency_us = heap_alloc(s->pass.count, sizeof *s->pass.latency_us);
    if (!ask_all(s, &why))
        return terminal_fail(interrupt_pending() ? TOOL_INTERRUPTED : TOOL_FAILED, "%s", why.text);
    if (s->out && !write_rows(s, &why))
        return terminal_fail(TOOL_FAILED, "%s", why.text);
    if (s->vector)
        return show_hits(s, json);
    show(s, json);
    return TOOL_OK;
}

static int search(const char *path, struct search *s, bool json)
{
    struct sentence why;
    if (s->out && !matrix_write_check(s->out, &why))
        return terminal_fail(TOOL_FAILED, "%s", why.text);
    s->pass.options = kith_search_defaults(s->k);
    s->pass.options.ef = s->ef ? s->ef : s->pass.options.ef;
    s->pass.options.threads = s->wish.threads;
    s->pass.options.rerank = (float)s->rerank;
    s->pass.options.slack = (float)s->slack;
    int code = store_open(path, KITH_OPEN_READ_ONLY, &s->store);
    if (code != TOOL_OK)
        return code;
    s->shape.size = sizeof s->shape;
    kith_store_describe(s->store, &s->shape);
    code = s->vector ? TOOL_USAGE : TOOL_FAILED; /* of what cannot be read */
    code = read_queries(s) ? layout_of_store(s->store, &s->wish, &s->layout) : code;
    if (code == TOOL_OK && s->slack > 0 && s->layout.graph && s->layout.replicas)
        terminal_note("--slack is not heeded: a walk of a copy, or on a device, goes to its end");
    if (code == TOOL_OK)
        code = run(s, json);
    layout_close(&s->layout);
    kith_store_close(s->store);
    matrix_free(&s->matrix);
    free(s->pass.hits);
    free(s->pass.latency_us);
    return code;
}

int search_main(int argc, char **argv)
{
    struct search s = {.k = 10, .batch = 1};
    const struct option_spec options[] = {
        {"queries", 'q', OPTION_TEXT, &s.queries, "FILE", "of vectors, in any format of `import`",
         0, 0, NULL},
        {"vector", 'v', OPTION_TEXT, &s.vector, "V",
         "one query, as `kith put` takes it; prints keys and distances", 0, 0, NULL},
        {"part", 0, OPTION_TEXT, &s.part, "NAME", "of an HDF5 file: train (default) or test", 0, 0,
         NULL},
        {"limit", 'n', OPTION_U64, &s.limit, "N", "the first N queries only", 1, 4e9, NULL},
        {"k", 'k', OPTION_U32, &s.k, "K", "neighbours wanted; default 10", 1, 65536, NULL},
        {"ef", 0, OPTION_U32, &s.ef, "N", "width of the walk; default 100, or 2 k", 1, 65536, NULL},
        {"rerank", 0, OPTION_F64, &s.rerank, "R", "rank R k of the nearest codes again by rows", 1,
         1000, NULL},
        {"slack", 0, OPTION_F64, &s.slack, "S",
         "end a walk whose next row is farther than the k-th by S", 0, 1000, NULL},
        {"device", 'd', OPTION_TEXT, &s.wish.devices, "D",
         "an id of `kith devices`, or several with --replicas; default cpu", 0, 0, NULL},
        {"replicas", 0, OPTION_U32_LIST, &s.wish.layout, "P,C",
         "P partitions, C copies of each, on the devices; default of all", 1, 65536, NULL},
        {"batch", 'b', OPTION_U32, &s.batch, "N", "queries in a call; default 1", 1, 1e9, NULL},
        {"threads", 't', OPTION_U32, &s.wish.threads, "N", "default all", 1, 1024, NULL},
        {"out", 'o', OPTION_TEXT, &s.out, "FILE.ibin", "row numbers, k a query; -1: no further row",
         0, 0, NULL},
    };
    const struct syntax syntax = {
        .verb = "search",
        .operands = "STORE",
        .about =
            "Finds the nearest rows of a store for every vector of a file, or for one that is\n"
            "typed.",
        .examples = "kith search my.kith --queries q.fvecs -k 10 --ef 50 --out found.ibin\n"
                    "kith search my.kith --queries q.npy --json\n"
                    "kith search my.kith --vector 0.1,0.2,0.9 -k 3\n"
                    "kith search my.kith --queries q.npy --device ocl0 --batch 1000\n"
                    "kith search my.kith --queries q.npy --replicas 1,2 --device cpu,ocl0",
        .options = options,
        .option_count = COUNT_OF(options),
        .operands_least = 1,
        .operands_most = 1,
    };
    struct arguments arguments;
    const int code = options_parse(&syntax, argc, argv, &arguments);
    if (code != OPTIONS_GO)
        return code;
    if (!s.queries && !s.vector)
        return terminal_fail(TOOL_USAGE, "--queries or --vector is missing; see kith search "
                                         "--help");
    if (s.vector && (s.queries || s.part || s.out || s.limit))
        return terminal_fail(TOOL_USAGE, "--vector takes no --queries, --part, --limit or --out");
    return search(arguments.operand[0], &s, arguments.json);
}

/* bench.c - `kith bench`: the order of the work.
 *
 * Whatever can be refused is refused before the first second of work is spent: options, outputs,
 * devices, data. Then rows are loaded, the graph is built once, and the kinds of measurement share
 * the time that was given. The result is written at the end, or at the first ^C with what is
 * finished by then; a run that measured nothing replaces nothing.
 */
#include "cli/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/hardware.h"
#include "cli/heap.h"
#include "cli/leaderboard.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/result.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

/* Of the time; the host has the rest: its curves have many more points to measure. */
#define EXACT_SHARE 0.3
#define DEVICES_SHARE 0.15
#define REPLICAS_SHARE 0.25

bool bench_wants(const struct bench *bench, const char *id)
{
    return !bench->wishes.devices || device_list_has(&bench->chosen, id);
}

void bench_failed(struct bench *bench, const char *device, const char *isa, const char *sentence)
{
    bench->failures++;
    terminal_fail(TOOL_FAILED, "%s %s: %s", device, isa, sentence);
    json_t *text = json_string(sentence);
    result_append(bench->result, "failures",
                  json_pack("{s:s, s:s, s:o}", "device", device, "isa", isa, "sentence",
                            text ? text : json_null()));
}

bool bench_in_integers(const struct bench *bench)
{
    return (bench->data.type == KITH_U8 || bench->data.type == KITH_I8) &&
           bench->data.metric != KITH_COSINE;
}

void bench_progress(struct progress *progress, double budget)
{
    double done = seconds_now() - progress->started;
    progress_step(progress, (uint64_t)(1000 * fmin(done, budget)), (uint64_t)(1000 * budget));
}

uint32_t *bench_sample(const struct bench *bench, size_t count)
{
    uint32_t *which = heap_alloc(count, sizeof *which);
    uint64_t all = bench->data.queries.rows;
    for (size_t i = 0; i < count; i++)
        which[i] = (uint32_t)(i * all / count);
    return which;
}

char *bench_gather(const struct bench *bench, const uint32_t *which, size_t count)
{
    const struct matrix *queries = &bench->data.queries;
    const size_t bytes = kith_vector_bytes(bench->data.type, queries->dim);
    char *gathered = heap_alloc(count, bytes);
    for (size_t i = 0; i < count; i++)
        memcpy(gathered + i * bytes, (const char *)queries->data + which[i] * bytes, bytes);
    return gathered;
}

/* ---- before any work ----------------------------------------------------------------------- */

static int check_outputs(const struct wishes *w)
{
    struct sentence why;
    if (!strcmp(w->result_path, w->report_path))
        return terminal_fail(TOOL_USAGE, "--result and --report both name %s", w->result_path);
    if (!output_check(w->result_path, &why) || !output_check(w->report_path, &why))
        return terminal_fail(TOOL_FAILED, "%s", why.text);
    return TOOL_OK;
}

static int check_devices(struct bench *b)
{
    if (kith_devices_open(&b->devices))
        return terminal_fail(TOOL_FAILED, "%s", kith_last_error());
    int code = device_list_read(b->devices, b->wishes.devices, &b->chosen);
    if (!code && b->wishes.replicas.count)
        code = layout_check(&b->wishes.replicas, b->chosen.count);
    return code;
}

int bench_open_data(struct bench *b)
{
    struct sentence why;
    if (!dataset_open(&b->wishes.data, &b->data, &why))
        return terminal_fail(TOOL_FAILED, "%s", why.text);
    if (b->wishes.k > b->data.base.rows)
        return terminal_fail(TOOL_USAGE, "-k %u is more than the %llu rows of %s", b->wishes.k,
                             (unsigned long long)b->data.base.rows, b->data.name);
    return TOOL_OK;
}

/* ---- the work ------------------------------------------------------------------------------ */

int bench_find_truth(struct bench *b)
{
    struct sentence why;
    int code = dataset_truth(&b->data, b->wishes.k, b->threads, &b->truth, NULL, &why);
    if (code)
        return terminal_fail(code, "%s", why.text);
    b->judge = (struct judge){.metric = b->data.metric,
                              .type = b->data.type,
                              .dim = b->data.base.dim,
                              .k = b->wishes.k,
                              .rows = b->data.base.rows,
                              .base = b->data.base.data,
                              .queries = b->data.queries.data,
                              .truth = b->truth};
    judge_open(&b->judge, b->data.queries.rows);
    return TOOL_OK;
}

static int stopped(kith_status status)
{
    if (status == KITH_ECANCELLED)
        return terminal_fail(TOOL_INTERRUPTED, "interrupted before anything was measured; no file "
                                               "was written");
    return terminal_fail(TOOL_FAILED, "%s", kith_last_error());
}

int bench_load_rows(struct bench *b)
{
    kith_store_options options =
        kith_store_defaults(b->data.base.dim, b->data.type, b->data.metric);
    kith_store_stats stats = {.size = sizeof stats};
    struct progress progress;
    if (kith_store_open(NULL, &options, &b->store))
        return terminal_fail(TOOL_FAILED, "%s", kith_last_error());
    progress_begin(&progress, "loading rows");
    kith_status status = kith_store_load(b->store, NULL, b->data.base.data, b->data.base.rows,
                                         progress_step, &progress);
    progress_end(&progress);
    if (status || (status = kith_store_stat(b->store, &stats)))
        return stopped(status);
    b->store_bytes = stats.resident_bytes;
    return TOOL_OK;
}

int bench_build_graph(struct bench *b, kith_index **out)
{
    const kith_index_options options = bench_graph_options(b);
    kith_index_stats index = {.size = sizeof index};
    kith_store_stats store = {.size = sizeof store};
    struct progress progress;
    if (kith_index_create(b->store, &options, out))
        return terminal_fail(TOOL_FAILED, "%s", kith_last_error());
    progress_begin(&progress, "building the graph");
    kith_status status = kith_index_build(*out, progress_step, &progress);
    progress_end(&progress);
    if (status || (status = kith_index_stat(*out, &index)) ||
        (status = kith_store_stat(b->store, &store)))
        return stopped(status);
    if (!bench_learn_codes(b, *out))
        return terminal_fail(TOOL_FAILED, "%s", kith_last_error());
    result_build(b->result, "cpu", &options, b->linked, &index, &store);
    char seconds[HUMAN_SIZE];
    human_seconds(seconds, index.build_seconds);
    terminal_note("built the graph in %s", seconds);
    return TOOL_OK;
}

static int measure(struct bench *b, kith_index **out)
{
    const double seconds = b->wishes.seconds;
    const double devices = bench_walkers(b) ? seconds * DEVICES_SHARE : 0;
    const double replicas = b->wishes.replicas.count ? seconds * REPLICAS_SHARE : 0;
    int code = bench_build_graph(b, out);
    kith_index *const graph = *out;
    if (!code) {
        terminal_note("measuring for %.0f s", seconds);
        if (bench_wants(b, "cpu"))
            bench_walk(b, graph, seconds * (1 - EXACT_SHARE) - devices - replicas);
        if (devices > 0 && !interrupt_pending())
            bench_device_walks(b, graph, devices);
        if (replicas > 0 && !interrupt_pending())
            bench_replicas(b, graph, replicas);
    }
    if (!code && !interrupt_pending())
        bench_exact(b, seconds * EXACT_SHARE);
    return code;
}

/* ---- afterwards ---------------------------------------------------------------------------- */

static int write_files(struct bench *b)
{
    struct sentence why;
    if (interrupt_pending())
        json_object_set_new(b->result, "interrupted", json_true());
    if (json_array_size(json_object_get(b->result, "runs")) == 0)
        return interrupt_pending() ? stopped(KITH_ECANCELLED)
                                   : terminal_fail(TOOL_FAILED, "nothing could be measured; no "
                                                                "file was written");
    b->result = result_as_written(b->result);
    if (!result_write(b->result, b->wishes.result_path, &why) ||
        !report_write(b->result, &b->data, b->wishes.report_path, &why))
        return terminal_fail(TOOL_FAILED, "%s", why.text);
    return TOOL_OK;
}

static int verdict(const struct bench *b)
{
    char text[600];
    if (b->differences) {
        leaderboard_agreement(b->result, text, sizeof text);
        return terminal_fail(TOOL_DISAGREE, "%s", text);
    }
    if (interrupt_pending())
        return terminal_fail(TOOL_INTERRUPTED, "interrupted; the files hold what was finished");
    if (b->failures)
        return TOOL_FAILED;
    if (b->wishes.min_recall > 0 && b->best_recall < b->wishes.min_recall)
        return terminal_fail(TOOL_DISAGREE, "the best recall is %.4f, below --min-recall %.4f",
                             b->best_recall, b->wishes.min_recall);
    return TOOL_OK;
}

static int finish(struct bench *b, bool json)
{
    int code = write_files(b);
    if (code)
        return code;
    if (json) {
        terminal_json(json_incref(b->result));
        terminal_note("wrote %s and %s", b->wishes.result_path, b->wishes.report_path);
    } else {
        leaderboard_print(stdout, b->result);
        printf("\n wrote %s and %s\n", b->wishes.result_path, b->wishes.report_path);
    }
    return verdict(b);
}

void bench_close(struct bench *b)
{
    json_decref(b->result);
    kith_store_close(b->store);
    judge_close(&b->judge);
    free(b->truth);
    dataset_close(&b->data);
    kith_devices_close(b->devices);
}

static int run(struct bench *b, int argc, char **argv, bool json)
{
    struct hardware hardware;
    int code;
    hardware_read(&hardware);
    b->threads = b->wishes.threads ? b->wishes.threads : hardware.threads_allowed;
    b->threads = b->threads ? b->threads : 1;
    if ((code = check_outputs(&b->wishes)) || (code = check_devices(b)) ||
        (code = bench_open_data(b)) || (code = bench_check_graph(b)))
        return code;
    if (*b->data.note)
        terminal_note("%s", b->data.note);
    if (*kith_devices_note(b->devices))
        terminal_note("%s", kith_devices_note(b->devices));
    b->result = result_new(&b->data, argc, argv);
    result_devices(b->result, b->devices);
    kith_index *graph = NULL;
    if (!(code = bench_find_truth(b)) && !(code = bench_load_rows(b)) &&
        !(code = measure(b, &graph)))
        code = finish(b, json);
    kith_index_close(graph); /* waits for a device that hangs: when the files are written */
    return code;
}

int bench_main(int argc, char **argv)
{
    struct bench b = {.wishes = {.k = 10,
                                 .seconds = 100,
                                 .result_path = "kith-result.json",
                                 .report_path = "kith-report.html"}};
    struct wishes *w = &b.wishes;
    const struct option_spec options[] = {
        {"device", 'd', OPTION_TEXT, &w->devices, "LIST",
         "ids from `kith devices`, as cpu,ocl0; default all", 0, 0, NULL},
        {"replicas", 0, OPTION_U32_LIST, &w->replicas, "P,C",
         "also P partitions of the graph, C copies of each, on these devices", 1, 65536, NULL},
        {"queries", 0, OPTION_TEXT, &w->data.queries, "FILE",
         "queries, where DATA has none; default some rows held out", 0, 0, NULL},
        {"metric", 0, OPTION_CHOICE, &w->data.metric, "M",
         "l2sq, ip or cosine; default what DATA says, else l2sq", 0, 0, "l2sq|ip|cosine"},
        {"rows", 0, OPTION_U64, &w->data.rows, "N", "use the first N rows only", 1, 4294967294.0,
         NULL},
        {"nq", 0, OPTION_U64, &w->data.query_rows, "N", "use the first N queries only", 1,
         4294967294.0, NULL},
        {"k", 'k', OPTION_U32, &w->k, "K", "neighbours wanted; default 10", 1, 65536, NULL},
        {"ef", 0, OPTION_U32_LIST, &w->ef, "LIST", "widths of the walk; default chosen by recall",
         1, EF_MOST, NULL},
        {"m", 'M', OPTION_U32, &w->m, "N", "links of a node; default 16", 4, 128, NULL},
        {"ef-construction", 0, OPTION_U32, &w->ef_construction, "N",
         "width of the walk that looks for links; default 128", 1, 1000000, NULL},
        {"walk", 0, OPTION_CHOICE, &w->walk, "W",
         "what is walked: rows, or codes of 8, 4 or 1 bits; default auto", 0, 0,
         "auto|rows|sq8|sq4|sq1"},
        {"rerank", 0, OPTION_F64, &w->rerank, "R",
         "rank R k of the nearest codes again by rows; default by code", 1, 1000, NULL},
        {"slack", 0, OPTION_F64, &w->slack, "S",
         "end a walk at the k-th hit's distance and this share more; default not", 0, 1000, NULL},
        {"threads", 't', OPTION_U32, &w->threads, "N", "of the build and of searches; default all",
         1, 1024, NULL},
        {"time", 0, OPTION_F64, &w->seconds, "S",
         "seconds to measure, after the build; default 100", 0.1, 1e6, NULL},
        {"min-recall", 0, OPTION_F64, &w->min_recall, "R",
         "exit 4 when no walk reaches this recall", 0, 1, NULL},
        {"result", 'o', OPTION_TEXT, &w->result_path, "FILE", "default kith-result.json", 0, 0,
         NULL},
        {"report", 0, OPTION_TEXT, &w->report_path, "FILE", "default kith-report.html", 0, 0, NULL},
    };
    const struct syntax syntax = {
        .verb = "bench",
        .operands = "[DATA]",
        .about =
            "Measures recall against speed on every device, prints a leaderboard, and writes a\n"
            "result file and a report. DATA is a name from `kith data ls` or a file; the default\n"
            "is " DATASET_DEFAULT ". ^C once ends it and keeps what is finished.",
        .examples =
            "kith bench                                  everything, about two minutes\n"
            "kith bench --device cpu,ocl0 -k 100         two devices, 100 neighbours\n"
            "kith bench --device cpu,ocl0 --replicas 1,2 a copy on each, and what that gives\n"
            "kith bench base.fbin --queries q.fbin --metric cosine\n"
            "kith bench --walk sq4 --rerank 4            codes of 4 bits, ranked again\n"
            "kith bench --min-recall 0.95 --json         for scripts: JSON, and exit 4\n",
        .options = options,
        .option_count = COUNT_OF(options),
        .operands_most = 1};
    struct arguments arguments;
    int code = options_parse(&syntax, argc, argv, &arguments);
    if (code != OPTIONS_GO)
        return code;
    w->data.data = arguments.operand[0];
    code = run(&b, argc, argv, arguments.json);
    bench_close(&b);
    return code;
}

/* result.c - makes, reads and writes the result file.
 *
 * Every number that is derived from measurements (medians, percentiles) is derived here, so that
 * all runs mean the same by them. Percentiles are of the nearest rank: the smallest latency that
 * at least that share of the calls did not exceed; no value is shown that was not measured.
 */
#include "cli/result.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/hardware.h"
#include "cli/heap.h"
#include "cli/output.h"

/* JSON has to be UTF-8; a path or a device's name need not be. */
static json_t *text_json(const char *text)
{
    json_t *value = json_string(text);
    return value ? value : json_string("(not UTF-8)");
}

static json_t *command_line(int argc, char **argv)
{
    char *line = heap_copy("kith");
    for (int i = 0; i < argc; i++) {
        char *longer = heap_format("%s %s", line, argv[i]);
        free(line);
        line = longer;
    }
    json_t *text = text_json(line);
    free(line);
    return text;
}

static json_t *date_now(void)
{
    char text[32] = "";
    time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc))
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return json_string(text);
}

static json_t *dataset_json(const struct dataset *dataset)
{
    return json_pack("{s:o, s:I, s:I, s:I, s:s, s:s, s:s, s:o}", "name", text_json(dataset->name),
                     "rows", (json_int_t)dataset->base.rows, "queries",
                     (json_int_t)dataset->queries.rows, "dim", (json_int_t)dataset->base.dim,
                     "type", kith_type_name(dataset->type), "metric",
                     kith_metric_name(dataset->metric), "sha256", dataset->sha256, "note",
                     text_json(dataset->note));
}

json_t *result_new(const struct dataset *dataset, int argc, char **argv)
{
    struct hardware hardware;
    hardware_read(&hardware);
    json_t *result =
        json_pack("{s:s, s:s, s:o, s:o, s:b, s:o, s:[], s:o, s:[], s:[], s:[]}", "schema",
                  RESULT_SCHEMA, "kith", kith_version(), "created", date_now(), "command",
                  command_line(argc, argv), "interrupted", 0, "hardware", hardware_json(&hardware),
                  "devices", "dataset", dataset_json(dataset), "builds", "runs", "agreement");
    return result ? result : json_object();
}

void result_append(json_t *result, const char *name, json_t *value)
{
    json_t *array = json_object_get(result, name);
    if (!array) {
        array = json_array();
        json_object_set_new(result, name, array);
    }
    json_array_append_new(array, value);
}

void result_devices(json_t *result, const kith_devices *devices)
{
    for (size_t i = 0; i < kith_devices_count(devices); i++) {
        kith_device_info info = {.size = sizeof info};
        if (kith_devices_get(devices, i, &info))
            continue;
        result_append(result, "devices",
                      json_pack("{s:s, s:o, s:o, s:o, s:I, s:I, s:b, s:o}", "id", info.id, "name",
                                text_json(info.name), "platform", text_json(info.platform),
                                "driver", text_json(info.driver), "memory_bytes",
                                (json_int_t)info.memory_bytes, "compute_units",
                                (json_int_t)info.compute_units, "usable", (int)info.usable,
                                "reason", text_json(info.reason)));
    }
}

static json_t *build_params(const kith_index_options *options)
{
    if (options->kind != KITH_HNSW)
        return json_object();
    return json_pack("{s:I, s:I, s:f, s:I}", "m", (json_int_t)options->m, "ef_construction",
                     (json_int_t)options->ef_construction, "alpha", (double)options->alpha, "seed",
                     (json_int_t)options->seed);
}

void result_build(json_t *result, const char *device, const kith_index_options *options,
                  const char *codes, const kith_index_stats *index, const kith_store_stats *store)
{
    char digest[17];
    snprintf(digest, sizeof digest, "%016" PRIx64, index->digest);
    bool graph = options->kind == KITH_HNSW;
    uint64_t bytes = index->bytes + store->resident_bytes;
    json_t *build =
        json_pack("{s:s, s:s, s:s, s:o, s:I, s:f, s:I, s:I, s:f}", "device", device, "index",
                  graph ? "hnsw" : "flat", "codes", codes, "params", build_params(options),
                  "threads", (json_int_t)index->threads, "seconds", index->build_seconds, "nodes",
                  (json_int_t)index->nodes, "bytes", (json_int_t)index->bytes, "bytes_per_vector",
                  store->live ? (double)bytes / (double)store->live : 0.0);
    if (graph) {
        json_object_set_new(build, "digest", json_string(digest));
        json_object_set_new(build, "brief", json_integer((json_int_t)index->brief));
        json_object_set_new(build, "links", json_integer((json_int_t)index->links));
        json_object_set_new(build, "layers", json_integer((json_int_t)index->layers));
    }
    result_append(result, "builds", build);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double result_median(const double *values, size_t n)
{
    double *sorted = heap_alloc(n, sizeof *sorted);
    memcpy(sorted, values, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare_doubles);
    double middle = n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
    free(sorted);
    return middle;
}

static double percentile(const double *sorted, size_t n, double share)
{
    size_t rank = (size_t)ceil(share * (double)n);
    return sorted[rank ? rank - 1 : 0];
}

json_t *result_percentiles(double *latency, size_t n)
{
    qsort(latency, n, sizeof *latency, compare_doubles);
    return json_pack("{s:f, s:f, s:f, s:f}", "p50", percentile(latency, n, 0.5), "p95",
                     percentile(latency, n, 0.95), "p99", percentile(latency, n, 0.99), "p999",
                     percentile(latency, n, 0.999));
}

void result_run(json_t *result, const struct measured *run)
{
    json_t *times = json_array();
    for (size_t i = 0; i < run->passes; i++)
        json_array_append_new(times, json_real(run->seconds[i]));
    result_append(result, "runs",
                  json_pack("{s:s, s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:f, s:f, s:f, s:o, s:o, s:f,"
                            " s:f}",
                            "device", run->device, "isa", run->isa, "index", run->index, "codes",
                            run->codes, "params", run->params, "threads", (json_int_t)run->threads,
                            "batch", (json_int_t)run->batch, "k", (json_int_t)run->k, "recall",
                            run->recall, "recall_annb", run->recall_annb, "qps",
                            (double)run->queries / result_median(run->seconds, run->passes),
                            "times", times, "latency_us",
                            result_percentiles(run->latency_us, run->calls), "distances_per_query",
                            run->distances_per_query, "bytes_per_vector", run->bytes_per_vector));
}

const json_t *result_field(const json_t *value, const char *path)
{
    const char *dot;
    while (value && (dot = strchr(path, '.'))) {
        char name[64] = "";
        if ((size_t)(dot - path) >= sizeof name)
            return NULL;
        memcpy(name, path, (size_t)(dot - path));
        value = json_object_get(value, name);
        path = dot + 1;
    }
    return json_object_get(value, path);
}

const char *result_text(const json_t *value, const char *path)
{
    const char *text = json_string_value(result_field(value, path));
    return text ? text : "";
}

double result_number(const json_t *value, const char *path)
{
    return json_number_value(result_field(value, path));
}

uint64_t result_count(const json_t *value, const char *path)
{
    double number = result_number(value, path);
    return number > 0 && number < 1e18 ? (uint64_t)llround(number) : 0;
}

struct spread result_spread(const json_t *run)
{
    const json_t *times = json_object_get(run, "times");
    struct spread spread = {.passes = json_array_size(times), .quickest = INFINITY};
    for (size_t i = 0; i < json_array_size(times); i++) {
        double seconds = json_number_value(json_array_get(times, i));
        spread.slowest = fmax(spread.slowest, seconds);
        spread.quickest = fmin(spread.quickest, seconds);
    }
    return spread.quickest > 0 ? spread : (struct spread){0};
}

#define RESULT_NUMBERS JSON_REAL_PRECISION(9) /* more digits than a stopwatch has */

json_t *result_read(const char *path, struct sentence *why)
{
    json_error_t error;
    json_t *result = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!result) {
        sentence_fail(why, "%s: %s (line %d)", path, error.text, error.line);
        return NULL;
    }
    if (strcmp(result_text(result, "schema"), RESULT_SCHEMA)) {
        sentence_fail(why, "%s: no result file: its \"schema\" is \"%.40s\", not \"%s\"", path,
                      result_text(result, "schema"), RESULT_SCHEMA);
        json_decref(result);
        return NULL;
    }
    return result;
}

json_t *result_as_written(json_t *result)
{
    char *text = json_dumps(result, RESULT_NUMBERS);
    json_t *written = text ? json_loads(text, 0, NULL) : NULL;
    free(text);
    if (!written)
        return result;
    json_decref(result);
    return written;
}

bool result_write(const json_t *result, const char *path, struct sentence *why)
{
    struct output output;
    if (!output_open(path, &output, why))
        return false;
    if (json_dumpf(result, output.file, JSON_INDENT(1) | RESULT_NUMBERS) ||
        putc('\n', output.file) == EOF) {
        output_discard(&output);
        return sentence_fail(why, "%s: cannot write", path);
    }
    return output_commit(&output, why);
}

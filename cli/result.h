/* result.h - the result file, schema "kith-result/1": what was measured, on what, as JSON.
 *
 * The JSON value is the only model of a result. The bench adds to it as steps finish, the
 * leaderboard and the report read it back, and a file made on another machine, or holding the
 * runs of another library, is drawn by the same code. Fields may be added, none is renamed:
 *
 *   schema, kith, created, command, interrupted
 *   hardware{...}                              see hardware.h
 *   devices[{id, name, platform, driver, memory_bytes, compute_units, usable, reason}]
 *   dataset{name, rows, queries, dim, type, metric, sha256}
 *   builds[{device, index, codes, params{m, ef_construction, alpha, seed}, threads, seconds,
 *           digest, brief, nodes, links, layers, bytes, bytes_per_vector}]
 *   runs[{device, isa, index, codes, params{...}, threads, batch, k, recall, recall_annb, qps,
 *         times[seconds a pass], latency_us{p50, p95, p99, p999}, distances_per_query,
 *         bytes_per_vector}]
 *   agreement[{device, isa, index, queries, k, equal, rounding, apart, first{query, rank, found,
 *              expected}}]
 *   replicas{partitions, copies, devices, seconds, retries, on_host, held[see copies.h],
 *            scaling[{devices, partitions, copies, ef, recall, qps, ratio}]}
 *   pictures{width, height, rows[{query, truth[], found[{ef, rows[]}]}]}
 *
 * "codes" of a build is what links were chosen by, of a run what was walked: the type of the rows,
 * or sq8, sq4, sq1 for codes; "sq8/128" where a trial chose codes of 128 dimensions for the index's
 * own walk ("brief" of the build, else 0), or sq4 of all of them. A walk's params carry rerank and
 * slack, 0 where not asked for. The runs of --replicas have "replicas P,C" for a device and the
 * devices for an isa. "apart" counts answers of a walk over floats that rounding led elsewhere. A
 * run may also carry "library", the name of what ran it when that is not Kith.
 */
#ifndef RESULT_H
#define RESULT_H

#include <jansson.h>

#include "cli/sentence.h"
#include "cli/datasets.h"

#define RESULT_SCHEMA "kith-result/1"

/* A result with nothing in it but the machine, the data and the command. New reference. */
json_t *result_new(const struct dataset *dataset, int argc, char **argv);

/* Adds an entry for every device that was found. */
void result_devices(json_t *result, const kith_devices *devices);

/* What a build left: the index's and the store's figures under "builds". */
void result_build(json_t *result, const char *device, const kith_index_options *options,
                  const char *codes, const kith_index_stats *index, const kith_store_stats *store);

/* One measured point, before it is JSON. */
struct measured {
    const char *device, *isa, *index, *codes;
    json_t *params; /* the reference is taken */
    uint32_t threads, batch, k;
    double recall, recall_annb;
    const double *seconds; /* of each pass over the queries */
    size_t passes;
    uint64_t queries;   /* in a pass */
    double *latency_us; /* of every call in every pass; result_run sorts it */
    size_t calls;
    double distances_per_query, bytes_per_vector;
};
void result_run(json_t *result, const struct measured *run);

/* Adds `value` (reference taken) to the array `name`, making the array when it is the first. */
void result_append(json_t *result, const char *name, json_t *value);

/* Reading back, forgiving: "" and 0 where a field is missing or of another kind. `path` walks
 * into objects by dots: "latency_us.p50". */
const json_t *result_field(const json_t *value, const char *path);
const char *result_text(const json_t *value, const char *path);
double result_number(const json_t *value, const char *path);

/* The number as a count: rounded, and 0 where it is negative or beyond 10^18. */
uint64_t result_count(const json_t *value, const char *path);

/* How long the quickest and the slowest pass of a run took. Of times that cannot be, no passes. */
struct spread {
    size_t passes;
    double quickest, slowest; /* seconds */
};
struct spread result_spread(const json_t *run);

/* Of n numbers, n not 0. */
double result_median(const double *values, size_t n);

/* Reads a result file and checks its schema. New reference, or NULL with a sentence. */
json_t *result_read(const char *path, struct sentence *why);
/* The result with its numbers as a file holds them, so that a page drawn now and a page drawn from
 * the file are the same. Takes the reference and gives one. */
json_t *result_as_written(json_t *result);
bool result_write(const json_t *result, const char *path, struct sentence *why);

/* p50, p95, p99 and p999 of n >= 1 latencies, which are sorted by the way. */
json_t *result_percentiles(double *latency, size_t n);

#endif

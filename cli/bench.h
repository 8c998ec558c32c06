/* bench.h - what the parts of `kith bench` share: the wishes, the data and the growing result.
 *
 * bench.c owns everything here and decides the order; bench_walk.c measures the graph and
 * bench_exact.c the exact searches. They add to the result as soon as something is finished, so
 * that ^C loses nothing but the step it came in.
 */
#ifndef BENCH_H
#define BENCH_H

#include <jansson.h>

#include "kith.h"
#include "cli/datasets.h"
#include "cli/options.h"
#include "cli/recall.h"

/* At a nearly perfect recall, a wider walk only gets slower. */
#define RECALL_ENOUGH 0.9995

#define PASSES_WANTED 3
#define PASSES_MOST 25

struct wishes {
    struct dataset_wish data;
    const char *devices; /* comma-separated ids; NULL for every usable one */
    uint32_t k, m, ef_construction, threads;
    struct u32_list ef; /* empty: chosen from k */
    double seconds;     /* for everything after the build */
    double min_recall;
    const char *result_path, *report_path;
};

struct bench {
    struct wishes wishes;
    struct dataset data;
    uint32_t *truth; /* queries * k row numbers */
    struct judge judge;
    kith_devices *devices;
    kith_store *store;
    uint64_t store_bytes;
    uint32_t threads; /* as wished, or what the machine has */
    json_t *result;
    double best_recall;   /* of any walk */
    uint32_t failures;    /* devices that failed while working */
    uint32_t differences; /* exact searches that did not give the truth */
};

/* True when --device asks for this id, or asks for nothing in particular. */
bool bench_wants(const struct bench *bench, const char *id);

/* Records that a device failed, with the sentence, and says so. The others go on. */
void bench_failed(struct bench *bench, const char *device, const char *isa, const char *sentence);

/* `count` query numbers at even steps through all of them; to be freed. */
uint32_t *bench_sample(const struct bench *bench, size_t count);

/* Measures the walk for every level of the ladder and every ef within `seconds`. */
void bench_walk(struct bench *bench, kith_index *graph, double seconds);

/* Exact search on every level and device within `seconds`, compared with the truth. */
void bench_exact(struct bench *bench, double seconds);

#endif

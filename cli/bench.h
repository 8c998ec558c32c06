/* bench.h - what the parts of `kith bench` share: the wishes, the data and the growing result.
 *
 * bench.c owns everything here and decides the order; bench_codes.c knows what a walk measures;
 * survey.c and bench_walk.c measure the graph, bench_fleet.c the graph on devices and bench_exact.c
 * the exact searches. They add to the result as soon as something is finished, so that ^C loses
 * nothing but the step it came in.
 */
#ifndef BENCH_H
#define BENCH_H

#include <jansson.h>

#include "kith.h"
#include "cli/datasets.h"
#include "cli/device_list.h"
#include "cli/options.h"
#include "cli/recall.h"
#include "cli/terminal.h"

#define EF_MOST 65536u /* the library's limit */

#define PASSES_WANTED 3
#define PASSES_MOST 25

struct wishes {
    struct dataset_wish data;
    const char *devices;      /* comma-separated ids; NULL for every usable one */
    struct u32_list replicas; /* partitions and copies; empty: none are measured */
    uint32_t k, m, ef_construction, threads;
    struct u32_list ef; /* empty: chosen from k */
    double seconds;     /* for everything after the build */
    double min_recall;
    const char *walk;     /* "auto", "rows", "sq8", "sq4" or "sq1"; NULL for auto */
    double rerank, slack; /* 0: as the library chooses, and none */
    const char *result_path, *report_path;
};

struct bench {
    struct wishes wishes;
    struct dataset data;
    bool f32_queries; /* queries are f32 and rows are not; see tune_store.c */
    uint32_t *truth;  /* queries * k row numbers */
    struct judge judge;
    kith_devices *devices;
    struct device_list chosen; /* of them, by --device */
    struct u32_list widths;    /* that the host was measured at, ef growing */
    kith_store *store;
    uint64_t store_bytes;
    uint32_t threads;            /* as wished, or what the machine has */
    const char *walked, *linked; /* what copies of the graph are walked over and it was linked by:
                                    "u8", "sq8" */
    char own[16];                /* what the index walks over: the same, "sq8/128" or "sq4" */
    uint32_t brief;              /* what a trial chose: the 128, of "sq4" all dimensions, or 0 */
    json_t *result;
    double best_recall;   /* of any walk */
    uint32_t failures;    /* devices that failed while working */
    uint32_t differences; /* searches that did not give the hits that they must */
};

/* The steps before anything is measured, in this order, which `kith tune` takes too. Each returns a
 * tool_exit after a sentence, or TOOL_OK. bench_close accepts what was never opened. */
int bench_open_data(struct bench *bench);
int bench_find_truth(struct bench *bench);
int bench_load_rows(struct bench *bench);
int bench_build_graph(struct bench *bench, kith_index **out);
void bench_close(struct bench *bench);

/* True when --device asks for this id, or asks for nothing in particular. */
bool bench_wants(const struct bench *bench, const char *id);

/* Records that a device failed, with the sentence, and says so. The others go on. */
void bench_failed(struct bench *bench, const char *device, const char *isa, const char *sentence);

/* Whether every distance is a sum of integers, so that every machine must find the same bits. */
bool bench_in_integers(const struct bench *bench);

/* The graph as it was wished for. */
kith_index_options bench_graph_options(const struct bench *bench);

/* An exit code, with a sentence, when no such graph can be had of these rows. */
int bench_check_graph(const struct bench *bench);

/* Asks a finished graph what it walks. False when it cannot be searched. */
bool bench_learn_codes(struct bench *bench, kith_index *graph);

/* Does this level of the ladder do the walk's work (or, `exact`, that of exact search) itself, or
 * does a lower one still do it, so that there is nothing new to measure? */
bool bench_level_adds(const struct bench *bench, const char *level, bool exact);

/* Shows how much of `budget` seconds has gone since the bar was begun. */
void bench_progress(struct progress *progress, double budget);

/* `count` query numbers at even steps through all of them; to be freed. */
uint32_t *bench_sample(const struct bench *bench, size_t count);

/* The queries of a sample, one after the other; to be freed. */
char *bench_gather(const struct bench *bench, const uint32_t *which, size_t count);

/* Measures the walk for every level of the ladder and every ef within `seconds`. */
void bench_walk(struct bench *bench, kith_index *graph, double seconds);

/* How many devices beside the host were chosen; the graph on each of them within `seconds`; and on
 * all that were chosen, as --replicas says. */
size_t bench_walkers(const struct bench *bench);
void bench_device_walks(struct bench *bench, kith_index *graph, double seconds);
void bench_replicas(struct bench *bench, kith_index *graph, double seconds);

/* Exact search on every level and device within `seconds`, compared with the truth. */
void bench_exact(struct bench *bench, double seconds);

#endif

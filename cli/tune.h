/* tune.h - what the parts of `kith tune` share. tune.c owns the data, tune_store.c takes them from
 * a store, tune_choose.c finds and times settings.
 */
#ifndef TUNE_H
#define TUNE_H

#include "cli/bench.h"

#define TUNE_ROUNDS 5
#define TUNE_KINDS_MOST 16

/* A way to search, and what the first half said of it. */
struct kind {
    kith_search_options options;
    double recall; /* less its standard error twice */
    double seconds[TUNE_ROUNDS];
};

struct half {
    size_t count;
    uint32_t *which;
    kith_hit *hits;
    double *latency_us;
};

struct tune {
    struct bench bench;
    double wanted;
    kith_index *graph;
    bool by_row; /* the judge knows rows by their numbers in the store, not by keys */
    struct half chooses, reports;
    struct kind kinds[TUNE_KINDS_MOST];
    size_t count;
    double best; /* recall of any try */
};

/* What the second half says. */
struct promise {
    struct recall recall;
    double seconds, p50_us, p99_us, distances;
};

/* TOOL_USAGE, after a sentence, when there are too few queries to divide. */
int tune_check_queries(const struct bench *bench);

/* The store that is at `path`, open for reading; NULL when what is named there is data, or nothing.
 * Returns a tool_exit after a sentence, of a file that is neither, or TOOL_OK. */
int tune_find_store(const char *path, kith_store **out);

/* In place of the steps of bench.h: bench.store is open, its graph is loaded, and all else that
 * settings are judged by is made of both. Returns a tool_exit after a sentence, or TOOL_OK. */
int tune_open_store(struct tune *tune, const char *path);

/* Divides the queries; afterwards tune_close_halves in any case. */
void tune_open_halves(struct tune *tune);
void tune_close_halves(struct tune *tune);

/* Fills `kinds` with what reaches the recall on the first half, none when nothing does. False after
 * a sentence, or after ^C. */
bool tune_find(struct tune *tune);

/* Puts the quickest of them first. False as above. */
bool tune_choose(struct tune *tune);

/* Measures the first of them on the second half. False as above. */
bool tune_measure(const struct tune *tune, struct promise *out);

#endif

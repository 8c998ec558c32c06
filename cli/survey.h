/* survey.h - which widths of the walk are worth timing, and the recall at each.
 *
 * Recall is a property of graph, data and ef, and it has to be that of every query; speed is known
 * well from a sample. So one pass over all queries, with all threads, settles the recall at each
 * ef before anything is timed.
 */
#ifndef SURVEY_H
#define SURVEY_H

#include "cli/bench.h"

/* What a pass over all queries at one ef found. */
struct width {
    uint32_t ef;
    struct recall recall;
    double distances;   /* per query */
    double seconds;     /* of the pass, with all threads */
    double *latency_us; /* of each query */
    uint64_t *answers;  /* a fingerprint of each query's hits; equal hits, equal fingerprints */
};

struct survey {
    const struct bench *bench;
    kith_index *graph;
    const char *isa; /* the instruction set that searches */
    double deadline; /* when to stop adding widths, in the seconds of seconds_now */
    struct progress *progress;
    double budget;
    size_t count;
    struct width width[U32_LIST_MOST]; /* ef and recall grow */
};

/* Chooses the widths: those of --ef, or else from k upwards until nearly everything is found, and
 * between them where recall leaps. False with a sentence when the graph cannot be searched. ^C or
 * the deadline end it early, with at least one width. */
bool survey_run(struct survey *survey, struct sentence *why);
void survey_free(struct survey *survey);

/* Those that it chose, ef growing. */
struct u32_list survey_widths(const struct survey *survey);

/* One pass over all queries at `ef` on any instruction set; the caller gives back the arrays. */
bool survey_width(const struct survey *survey, const char *isa, uint32_t ef, struct width *out,
                  struct sentence *why);

/* Of k hits: rows and distances, in their order. */
uint64_t survey_fingerprint(const kith_hit *hits, uint32_t k);

/* The pass that asks query which[0..count-1] (NULL: 0..count-1) at `ef`; the caller adds where
 * hits and latencies go. */
struct pass survey_pass(const struct survey *survey, const char *isa, uint32_t threads,
                        uint32_t ef);

#endif

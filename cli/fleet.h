/* fleet.h - a graph on one device or several, measured: recall against speed, in batches.
 *
 * May include cli/bench.h. A fleet is replicas and the name under which a result shows them. The
 * queries of a pass are an even sample of all, the same at every width.
 */
#ifndef FLEET_H
#define FLEET_H

#include "cli/bench.h"

struct fleet {
    struct bench *bench; /* these are the caller's to set */
    kith_index *graph;
    const struct device_list *devices; /* the first `count` of them */
    size_t count;
    uint32_t layout[2];        /* partitions and copies */
    char device[32], isa[32];  /* as the result names them */
    struct progress *progress; /* of what they are a part of, and its seconds */
    double budget;
    bool too_wide;           /* the last pass asked for more than a device can do */
    kith_replicas *replicas; /* from here on: fleet_open and fleet_measure */
    double open_seconds;     /* building and sending */
    kith_replicas *host;     /* a copy there to compare with, or NULL: not wanted so far */
    uint32_t *which;         /* the sample */
    size_t queries;
    uint32_t batch;
    char *asked;
    kith_hit *hits, *expected;
    uint64_t distances;                  /* of the last pass */
    uint64_t retries, on_host;           /* of all */
    size_t compared, differences, apart; /* answers held against the host's; that had to be the
                                            same; that rounding may have led elsewhere */
    size_t first_query;                  /* of the first difference, with its ef */
    uint32_t first_ef;
    size_t points; /* measured: one a width */
    struct {
        uint32_t ef;
        double recall, qps;
    } point[U32_LIST_MOST];
};

kith_status fleet_open(struct fleet *fleet);

/* Times a pass at every width within `seconds`, and holds the hits of a single graph against those
 * of the host. Adds to the result as it goes; a device that fails ends it. */
void fleet_measure(struct fleet *fleet, const struct u32_list *widths, double seconds);

/* Adds what was compared to the result. */
void fleet_record_agreement(struct fleet *fleet);

void fleet_close(struct fleet *fleet);

#endif

/* opencl_walk.h - what the tests of walks share: a graph over a cloud, and a walk of its own.
 *
 * The graphs are no good graphs: near links, far links, gaps, in random order. The walk here is
 * written apart from index/walk.c and from walk.cl, with an exact set of what was seen and plain
 * arrays, so that a test compares two things that share nothing but the keys.
 */
#ifndef OPENCL_WALK_H
#define OPENCL_WALK_H

#include "tests/opencl_check.h"
#include "opencl/walk_cl.h"

enum { WEB_LAYERS = 3 };

typedef struct web {
    ki_device_layer layer[WEB_LAYERS];
    ki_device_graph graph;
    uint32_t *memory[3 * WEB_LAYERS];
    uint32_t held;
} web;

/* Links of `degree` slots, some of them empty; a layer above has about an eighth of the nodes. */
web web_new(const cloud *c, uint32_t degree, uint64_t seed);
void web_free(web *w);

/* The order keys of all rows for each query, by the host's kernels; free it with free. */
uint32_t *host_keys(const cloud *c, const ki_device_queries *queries);

/* The queries of a cloud as they are. */
ki_device_queries cloud_queries(const cloud *c);

/* One walk by the rules of index/walk.c over keys of all rows. Returns its hops. */
uint64_t twin_walk(const web *w, uint32_t rows, const uint32_t *keys, const uint64_t *live,
                   uint32_t ef, uint32_t want, uint64_t *answers);

/* Puts rows and graph on a device or fails the test with the sentence. */
ki_device_rows *put_web(ki_device *device, const cloud *c, const web *w);

/* Walks all queries on the device, or with the twin; free the answers with free. */
uint64_t *device_walk(ki_device_rows *rows, const ki_device_queries *queries, uint32_t ef,
                      uint32_t want, ki_walk_counts *counts);
uint64_t *host_walk(const cloud *c, const web *w, const ki_device_queries *queries, uint32_t ef,
                    uint32_t want, uint64_t *hops);

/* Fails with `what` where they differ. */
void expect_answers(const uint64_t *right, const uint64_t *got, size_t n, const char *what);

/* Puts rows and graph on the device: answers and hops are those of the host's walk. */
void expect_host_walk(ki_device *device, const cloud *c, const web *w, uint32_t ef, uint32_t want,
                      const char *what);

/* Rows and graph are there: a walk finds what the host's walk does, a scan what it finds in rows
 * that were sent just now. */
void expect_walk_and_scan(ki_device *device, ki_device_rows *rows, const cloud *c, const web *w);

/* Bits for `count` rows, each set with a chance of percent in a hundred; free it with free. */
uint64_t *random_live(uint32_t count, uint32_t percent, uint64_t *state);

#endif

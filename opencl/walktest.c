/* walktest.c - a walk whose answers are known, run on a device before its walks are believed.
 *
 * May touch walk_cl.h. The one idea: rows on a line, each linked to its neighbours on both sides,
 * with every sixteenth in a layer above. From anywhere a walk goes straight to the query, so what
 * it must find is what a loop over all rows finds, to the last tie. Once with all rows live, once
 * with every third one dead, so that the two ways to merge are both looked at.
 */
#include "opencl/walk_cl.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS = 241, DIM = 5, QUERIES = 3, EF = 24, DEGREE = 16, STEP = 16 };
enum { NODES = (ROWS - 1) / STEP + 1 };

typedef struct sample {
    unsigned char rows[ROWS][DIM];
    unsigned char queries[QUERIES][DIM];
    ki_aux aux[ROWS];
    uint32_t links[ROWS][DEGREE];
    uint32_t upper[NODES][DEGREE], down[NODES];
    uint64_t live[ROWS / 64 + 1];
    uint64_t answers[QUERIES][EF];
    unsigned char given_up[QUERIES];
} sample;

/* Node i of n to the nearest on either side. */
static void link_line(uint32_t i, uint32_t n, uint32_t *links)
{
    uint32_t held = 0;
    for (uint32_t far = 1; far <= DEGREE / 2; far++) {
        if (far <= i)
            links[held++] = i - far;
        if (i + far < n)
            links[held++] = i + far;
    }
    while (held < DEGREE)
        links[held++] = UINT32_MAX;
}

static void fill(sample *s)
{
    for (uint32_t row = 0; row < ROWS; row++) {
        memset(s->rows[row], (int)row, DIM);
        ki_aux_fill(KITH_U8, s->rows[row], DIM, &s->aux[row]);
        link_line(row, ROWS, s->links[row]);
        if (row % 3 != 1)
            s->live[row / 64] |= UINT64_C(1) << row % 64;
    }
    for (uint32_t node = 0; node < NODES; node++) {
        link_line(node, NODES, s->upper[node]);
        s->down[node] = node * STEP;
    }
    for (uint32_t query = 0; query < QUERIES; query++)
        memset(s->queries[query], (int)(query * 101 + 7), DIM);
}

static int by_entry(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static kith_status compare(const ki_cl_device *device, const sample *s, const uint64_t *live)
{
    for (uint32_t query = 0; query < QUERIES; query++) {
        uint64_t right[ROWS];
        uint32_t n = 0;
        for (uint32_t row = 0; row < ROWS; row++) {
            const int d = s->rows[row][0] - s->queries[query][0];
            if (!live || live[row / 64] >> row % 64 & 1)
                right[n++] = (uint64_t)(DIM * d * d) << 32 | row;
        }
        qsort(right, n, sizeof right[0], by_entry);
        for (uint32_t i = 0; i < EF; i++)
            if (s->given_up[query] || s->answers[query][i] != right[i])
                return ki_fail(KITH_EDEVICE,
                               "self-test of walks on %s: neighbour %u of query %u is row %u, "
                               "not %u",
                               device->found.info.id, (unsigned)i, (unsigned)query,
                               (unsigned)(uint32_t)s->answers[query][i],
                               (unsigned)(uint32_t)right[i]);
    }
    return KITH_OK;
}

static kith_status walk_once(ki_device_rows *rows, sample *s, uint32_t group, const uint64_t *live)
{
    const ki_device_queries queries = {.base = s->queries, .stride = DIM, .count = QUERIES};
    ki_walk_counts counts = {0};
    ki_cl_walk_plan plan;
    kith_status status = ki_cl_set_live(rows, live);
    if (status)
        return status;
    ki_cl_plan_walk(rows, QUERIES, EF, &plan);
    plan.group = group;
    status = ki_cl_walk_queries(rows, &queries, EF, EF, &plan, s->answers[0], s->given_up, &counts);
    return status ? status : compare(rows->device, s, live);
}

/* Rows and graph of the sample, under a mutex that the caller holds. */
static kith_status run(ki_cl_device *device, sample *s, uint32_t group)
{
    const ki_row_set set = {
        .rows = {.base = s->rows[0],
                 .stride = DIM,
                 .aux = (const unsigned char *)s->aux,
                 .aux_stride = sizeof s->aux[0],
                 .dim = DIM},
        .count = ROWS,
        .type = KITH_U8,
        .metric = KITH_L2SQ,
    };
    const ki_device_layer layers[] = {
        {.links = s->links[0], .degree = DEGREE, .count = ROWS},
        {.links = s->upper[0], .down = s->down, .row = s->down, .degree = DEGREE, .count = NODES}};
    const ki_device_graph graph = {.layer = layers, .layers = 2, .entry = NODES - 1};
    ki_device_rows *rows = NULL;
    kith_status status = ki_cl_put_rows(&device->base, &set, &rows);
    if (!status)
        status = ki_cl_put_graph_held(rows, &graph);
    if (!status)
        status = walk_once(rows, s, group, NULL);
    if (!status)
        status = walk_once(rows, s, group, s->live);
    ki_cl_drop_rows(rows);
    return status;
}

kith_status ki_cl_walk_test(ki_cl_device *device, uint32_t group)
{
    sample *s = ki_zalloc(sizeof *s);
    if (!s)
        return ki_no_memory("the self-test of walks", sizeof *s);
    fill(s);
    const kith_status status = run(device, s, group);
    ki_free(s);
    return status;
}

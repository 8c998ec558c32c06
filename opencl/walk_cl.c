/* walk_cl.c - walks on a device: lays out queries, runs walk.cl launch by launch, reads answers.
 *
 * May touch walk_cl.h and queries_cl.h. The one idea: a query is a group and knows no other, so a
 * batch is cut anywhere: where the time of a launch says, so that no watchdog fires and a failure
 * is seen early. Answers go to memory of our own first: the caller's stay untouched if a later
 * launch fails.
 *
 * A query that meets more dead rows than its pool has room for comes back without an answer. It is
 * answered by a scan of all rows: that is the better way among so many dead ones, and exact.
 */
#include "opencl/walk_cl.h"
#include "opencl/queries_cl.h"

#include <string.h>
#include <time.h>

enum { COUNTS = 3, HASH_BITS = 32, FULL_GROUPS_A_UNIT = 16 };

void ki_cl_walks_close(ki_cl_device *device)
{
    const ki_cl *cl = device->found.cl;
    for (size_t pairing = 0; pairing < KI_CL_PAIRINGS; pairing++)
        for (size_t metric = 0; metric < KI_METRIC_COUNT; metric++)
            for (size_t group = 0; group < KI_CL_WALK_GROUPS; group++)
                ki_cl_variant_close(cl, &device->walks.walk[pairing][metric][group]);
    ki_cl_variant_close(cl, &device->walks.turn);
}

/* ---- queries ---- */

/* Floats of one query as walk.cl reads them: whole vectors of LANES words. */
static size_t line_floats(const ki_device_rows *rows)
{
    return ki_cl_query_floats(rows) / rows->words * ki_cl_stride(rows);
}

/* One query with the elements of LANES words side by side: first element 0 of each word, then
 * element 1. `flat` has them word by word. */
static void lay_out(const ki_device_rows *rows, const float *flat, float *to)
{
    const size_t lanes = rows->device->shape.lanes;
    const size_t each = ki_cl_query_floats(rows) / rows->words;
    for (size_t w = 0; w < rows->words; w++)
        for (size_t e = 0; e < each; e++)
            memcpy(&to[w / lanes * lanes * each + e * lanes + w % lanes], &flat[w * each + e],
                   sizeof *to); /* as bytes: it may be bits, which are no float */
}

static void fill_queries(const ki_device_rows *rows, const ki_device_queries *queries, float *flat,
                         float *floats, uint32_t *sides)
{
    const size_t flat_bytes = ki_cl_query_floats(rows) * sizeof *flat;
    for (size_t i = 0; i < queries->count; i++) {
        ki_device_queries one = *queries;
        one.base = (const unsigned char *)queries->base + i * queries->stride;
        one.count = 1;
        memset(flat, 0, flat_bytes);
        ki_cl_queries_fill(rows, &one, 1, flat, &sides[i]);
        lay_out(rows, flat, floats + i * line_floats(rows));
    }
}

static kith_status write_queries(ki_device_rows *rows, const ki_device_queries *queries)
{
    ki_cl_device *device = rows->device;
    const size_t bytes = queries->count * line_floats(rows) * sizeof(float);
    float *floats = ki_zalloc(bytes);
    float *flat = ki_alloc(ki_cl_query_floats(rows) * sizeof *flat);
    uint32_t *sides = ki_zalloc(queries->count * sizeof *sides);
    kith_status status = KITH_OK;
    if (floats && flat && sides) {
        fill_queries(rows, queries, flat, floats, sides);
        status = ki_cl_write(device, "queries", rows->queries.buffer, 0, floats, bytes);
        if (!status)
            status = ki_cl_write(device, "query data", rows->query_sides.buffer, 0, sides,
                                 queries->count * sizeof *sides);
    } else {
        status = ki_no_memory("queries on their way to a device", bytes);
    }
    ki_free(floats);
    ki_free(flat);
    ki_free(sides);
    return status;
}

static kith_status reserve(ki_device_rows *rows, size_t queries, uint32_t want)
{
    ki_cl_device *device = rows->device;
    kith_status status = ki_cl_reserve(
        device, "queries", queries * line_floats(rows) * sizeof(cl_float), &rows->queries);
    if (!status)
        status = ki_cl_reserve(device, "query data", queries * sizeof(cl_uint), &rows->query_sides);
    if (!status)
        status =
            ki_cl_reserve(device, "answers", queries * want * sizeof(cl_ulong), &rows->answers);
    if (!status)
        status =
            ki_cl_reserve(device, "counts", queries * COUNTS * sizeof(cl_uint), &rows->walk_counts);
    return status;
}

/* ---- a launch ---- */

/* Bits of a hash that do not choose a slot. */
static cl_uint shift_of(uint32_t slots)
{
    return HASH_BITS - (cl_uint)__builtin_ctz(slots);
}

static kith_status launch(ki_device_rows *rows, cl_kernel kernel, size_t queries, cl_uint ef,
                          cl_uint want, const ki_cl_walk_plan *plan)
{
    const ki_cl_graph *graph = &rows->graph;
    const ki_cl_chunk *chunk = &rows->chunks[0];
    const cl_uint stride = ki_cl_stride(rows), all_live = rows->all_live;
    const cl_uint shift = shift_of(plan->slots);
    const ki_cl_argument arguments[] = {
        {sizeof(cl_mem), &rows->lines},
        {sizeof(cl_uint), &stride},
        {sizeof(cl_mem), &chunk->sides},
        {sizeof(cl_mem), &chunk->live},
        {sizeof(cl_uint), &all_live},
        {sizeof(cl_mem), &graph->links},
        {sizeof(cl_uint), &graph->degree},
        {sizeof(cl_uint), &graph->count},
        {sizeof(cl_mem), &graph->upper},
        {sizeof(cl_uint), &graph->layers},
        {sizeof(cl_uint), &graph->entry},
        {sizeof(cl_mem), &rows->queries.buffer},
        {sizeof(cl_mem), &rows->query_sides.buffer},
        {sizeof(cl_uint), &ef},
        {sizeof(cl_uint), &want},
        {sizeof(cl_uint), &plan->room},
        {sizeof(cl_uint), &plan->list_step},
        {sizeof(cl_uint), &plan->slots},
        {sizeof(cl_uint), &shift},
        {sizeof(cl_uint), &plan->widest},
        {sizeof(cl_mem), &rows->answers.buffer},
        {sizeof(cl_mem), &rows->walk_counts.buffer},
        {2 * (size_t)plan->list_step * sizeof(cl_ulong), NULL},
        {2 * (size_t)plan->widest * sizeof(cl_ulong), NULL},
        {2 * (size_t)plan->widest * sizeof(cl_uint), NULL},
        {plan->slots * sizeof(cl_uint), NULL},
        {KI_CL_WALK_STATE * sizeof(cl_uint), NULL},
    };
    const ki_cl_launch run = {.name = "kith_walk",
                              .kernel = kernel,
                              .width = queries,
                              .height = 1,
                              .group = plan->group,
                              .seconds = (double)queries * ki_cl_walk_macs(rows, ef) /
                                         rows->device->walks.macs_per_second};
    return ki_cl_run(rows->device, &run, arguments, sizeof arguments / sizeof arguments[0]);
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A launch moves the estimate half-way. One that leaves compute units idle says how long a walk
 * takes, not how many the device does at a time: it may only raise it. */
static void learn_speed(ki_device_rows *rows, size_t queries, bool cut, double macs, double seconds)
{
    ki_cl_device *device = rows->device;
    const bool full =
        cut || queries >= (size_t)FULL_GROUPS_A_UNIT * device->found.info.compute_units;
    if (seconds > 0 && (full || macs / seconds > device->walks.macs_per_second))
        device->walks.macs_per_second = (device->walks.macs_per_second + macs / seconds) / 2;
}

static void add_counts(const uint32_t *counts, size_t queries, unsigned char *given_up,
                       ki_walk_counts *out)
{
    for (size_t i = 0; i < queries; i++) {
        out->distances += counts[COUNTS * i];
        out->hops += counts[COUNTS * i + 1];
        given_up[i] = counts[COUNTS * i + 2] != 0;
    }
}

static kith_status walk_batch(ki_device_rows *rows, const ki_device_queries *queries, uint32_t ef,
                              uint32_t want, const ki_cl_walk_plan *plan, uint64_t *answers,
                              uint32_t *counts)
{
    cl_kernel kernel = NULL;
    const size_t n = queries->count;
    kith_status status = ki_cl_walk_kernel(rows->device, ki_cl_pairing(rows, queries), rows->metric,
                                           plan->group, &kernel);
    if (!status)
        status = reserve(rows, n, want);
    if (!status)
        status = write_queries(rows, queries);
    if (!status)
        status = launch(rows, kernel, n, ef, want, plan);
    if (!status)
        status = ki_cl_read(rows->device, "answers", rows->answers.buffer, answers,
                            n * want * sizeof *answers);
    if (!status)
        status = ki_cl_read(rows->device, "counts", rows->walk_counts.buffer, counts,
                            n * COUNTS * sizeof *counts);
    return status;
}

kith_status ki_cl_walk_queries(ki_device_rows *rows, const ki_device_queries *queries, uint32_t ef,
                               uint32_t want, const ki_cl_walk_plan *plan, uint64_t *answers,
                               unsigned char *given_up, ki_walk_counts *counts)
{
    size_t most = 0;
    uint32_t *each = NULL;
    kith_status status = KITH_OK;
    for (size_t done = 0; done < queries->count && !status;) {
        const size_t left = queries->count - done;
        ki_device_queries batch = *queries;
        batch.base = (const unsigned char *)queries->base + done * queries->stride;
        batch.count = ki_cl_walk_batch(rows, left, ef, want);
        if (batch.count > most) {
            ki_free(each);
            most = batch.count;
            each = ki_alloc(most * COUNTS * sizeof *each);
        }
        if (!each)
            return ki_no_memory("counts of walks", most * COUNTS * sizeof *each);
        const double begin = seconds_now();
        status = walk_batch(rows, &batch, ef, want, plan, answers + done * want, each);
        if (status)
            break;
        learn_speed(rows, batch.count, batch.count < left,
                    (double)batch.count * ki_cl_walk_macs(rows, ef), seconds_now() - begin);
        add_counts(each, batch.count, given_up + done, counts);
        done += batch.count;
    }
    ki_free(each);
    return status;
}

/* ---- the whole ---- */

/* A compiler that is wrong about walks may be right about scans, and needs no test for them. */
static kith_status prove(ki_cl_device *device, uint32_t group)
{
    const uint32_t bit = 1u << ki_cl_group_slot(group);
    if (device->walks.proven & bit)
        return KITH_OK;
    const kith_status status = ki_cl_walk_test(device, group);
    if (!status)
        device->walks.proven |= bit;
    return status;
}

static kith_status scan_given_up(ki_device_rows *rows, const ki_device_queries *queries,
                                 uint32_t want, const unsigned char *given_up, uint64_t *answers)
{
    kith_status status = KITH_OK;
    for (size_t i = 0; i < queries->count && !status;) {
        size_t run = 0;
        while (i + run < queries->count && given_up[i + run])
            run++;
        ki_device_queries some = *queries;
        some.base = (const unsigned char *)queries->base + i * queries->stride;
        some.count = run;
        if (run > 0)
            status = ki_cl_scan(rows, &some, want, answers + i * want);
        i += run > 0 ? run : 1;
    }
    return status;
}

static kith_status check(const ki_device_rows *rows, uint32_t ef, uint32_t want)
{
    const char *id = rows->device->found.info.id;
    const uint32_t most = ki_cl_max_ef(&rows->device->base);
    if (rows->graph.layers == 0)
        return ki_fail(KITH_EINVAL, "%u rows on %s have no graph to walk", (unsigned)rows->count,
                       id);
    if (want < 1 || want > ef)
        return ki_fail(KITH_EINVAL, "a walk that keeps %u has no %u answers", (unsigned)ef,
                       (unsigned)want);
    if (ef > most)
        return ki_fail(KITH_EUNSUPPORTED, "a walk that keeps %u, %s keeps %u at most", (unsigned)ef,
                       id, (unsigned)most);
    return KITH_OK;
}

static kith_status walk_all(ki_device_rows *rows, const ki_device_queries *queries, uint32_t ef,
                            uint32_t want, uint64_t *answers, unsigned char *given_up,
                            ki_walk_counts *counts)
{
    ki_cl_walk_plan plan;
    pthread_mutex_lock(&rows->device->mutex);
    ki_cl_plan_walk(rows, queries->count, ef, &plan);
    kith_status status = prove(rows->device, plan.group);
    if (!status)
        status = ki_cl_walk_queries(rows, queries, ef, want, &plan, answers, given_up, counts);
    pthread_mutex_unlock(&rows->device->mutex);
    return status ? status : scan_given_up(rows, queries, want, given_up, answers);
}

kith_status ki_cl_walk_graph(ki_device_rows *rows, const ki_device_queries *queries, uint32_t ef,
                             uint32_t want, uint64_t *answers, ki_walk_counts *counts)
{
    size_t bytes = 0;
    ki_walk_counts sums = {0};
    kith_status status = check(rows, ef, want);
    if (status || queries->count == 0)
        return status;
    if (!ki_mul(queries->count, want * sizeof *answers, &bytes))
        return ki_fail(KITH_EINVAL, "%zu queries of %u answers do not fit in memory",
                       queries->count, (unsigned)want);
    uint64_t *own = ki_alloc(bytes);
    unsigned char *given_up = ki_zalloc(queries->count);
    if (own && given_up)
        status = walk_all(rows, queries, ef, want, own, given_up, &sums);
    else
        status = ki_no_memory("answers of a device", bytes);
    if (!status)
        memcpy(answers, own, bytes);
    if (!status && counts) {
        counts->distances += sums.distances;
        counts->hops += sums.hops;
    }
    ki_free(own);
    ki_free(given_up);
    return status;
}

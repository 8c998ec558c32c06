/* scan_cl.c - exact search by scan.cl: lays out queries, runs it by plan, merges, reads.
 *
 * May touch scan_cl.h, plan_cl.h and queries_cl.h. The one idea: nothing is decided here. The
 * plan says which cells a launch holds, the kernels find the answers, and this file only keeps
 * the order: queries and bounds up, scans of every chunk, one merge, answers down.
 */
#include "opencl/plan_cl.h"
#include "opencl/queries_cl.h"
#include "opencl/scan_cl.h"

#include <string.h>
#include <time.h>

enum { MERGE_QUERIES = 128 }; /* of one launch: a merge is short, a thousand may not be */

/* The cells of one launch: `strips` x `groups` from these firsts. */
typedef struct cells {
    uint32_t first_strip, strips;
    uint32_t first_group, groups;
    uint32_t first_list; /* of the chunk */
} cells;

static kith_status launch_scan(ki_device_rows *rows, const ki_cl_chunk *chunk, const ki_cl_plan *p,
                               cl_kernel kernel, const cells *c)
{
    const cl_uint all_live = rows->all_live;
    const ki_cl_argument arguments[] = {
        {sizeof(cl_mem), &chunk->rows},
        {sizeof(cl_mem), &chunk->sides},
        {sizeof(cl_mem), &chunk->live},
        {sizeof(cl_uint), &all_live},
        {sizeof(cl_uint), &chunk->count},
        {sizeof(cl_uint), &chunk->first},
        {sizeof(cl_uint), &rows->words},
        {sizeof(cl_mem), &rows->queries.buffer},
        {sizeof(cl_mem), &rows->query_sides.buffer},
        {sizeof(cl_uint), &c->first_group},
        {sizeof(cl_uint), &c->first_strip},
        {sizeof(cl_uint), &p->strip_rows},
        {sizeof(cl_uint), &c->first_list},
        {sizeof(cl_uint), &p->lists},
        {sizeof(cl_uint), &p->k},
        {sizeof(cl_uint), &p->capacity},
        {sizeof(cl_mem), &rows->lists.buffer},
        {sizeof(cl_mem), &rows->bounds.buffer},
        {KI_CL_SORT * sizeof(cl_ulong), NULL},
        {KI_CL_STATE_BYTES * KI_CL_MAX_PASS, NULL},
    };
    const ki_cl_launch launch = {
        .name = "kith_scan",
        .kernel = kernel,
        .width = c->groups,
        .height = c->strips,
        .group = rows->device->shape.group,
        .seconds = p->cell_macs * c->groups * c->strips / rows->device->macs_per_second,
    };
    return ki_cl_run(rows->device, &launch, arguments, sizeof arguments / sizeof arguments[0]);
}

/* All cells of a chunk, in launches of whole passes, or of some strips of one pass. */
static kith_status scan_chunk(ki_device_rows *rows, const ki_cl_chunk *chunk, const ki_cl_plan *p,
                              cl_kernel kernel, uint32_t first_list)
{
    const uint32_t strips = ki_cl_strips(chunk->count, p->strip_rows);
    const double allowed = p->launch_macs / p->cell_macs;
    const uint32_t most = allowed < 1 ? 1 : allowed > 1e9 ? 1000000000 : (uint32_t)allowed;
    const uint32_t step_strips = most < strips ? most : strips;
    const uint32_t step_groups = most / strips > 0 ? most / strips : 1;
    for (uint32_t group = 0; group < p->groups; group += step_groups) {
        for (uint32_t strip = 0; strip < strips; strip += step_strips) {
            const cells c = {
                .first_strip = strip,
                .strips = strips - strip < step_strips ? strips - strip : step_strips,
                .first_group = group,
                .groups = p->groups - group < step_groups ? p->groups - group : step_groups,
                .first_list = first_list,
            };
            const kith_status status = launch_scan(rows, chunk, p, kernel, &c);
            if (status)
                return status;
        }
    }
    return KITH_OK;
}

static kith_status scan_chunks(ki_device_rows *rows, const ki_cl_plan *p, cl_kernel kernel)
{
    uint32_t first_list = 0;
    for (size_t i = 0; i < rows->chunk_count; i++) {
        const ki_cl_chunk *chunk = &rows->chunks[i];
        const kith_status status = scan_chunk(rows, chunk, p, kernel, first_list);
        if (status)
            return status;
        first_list += ki_cl_strips(chunk->count, p->strip_rows);
    }
    return KITH_OK;
}

static kith_status merge_lists(ki_device_rows *rows, const ki_cl_plan *p, cl_kernel kernel)
{
    const cl_uint queries = (cl_uint)p->queries;
    for (cl_uint first = 0; first < queries; first += MERGE_QUERIES) {
        const cl_uint some = queries - first < MERGE_QUERIES ? queries - first : MERGE_QUERIES;
        const ki_cl_argument arguments[] = {
            {sizeof(cl_mem), &rows->lists.buffer}, {sizeof(cl_uint), &first},
            {sizeof(cl_uint), &p->lists},          {sizeof(cl_uint), &p->k},
            {sizeof(cl_uint), &p->capacity},       {sizeof(cl_mem), &rows->answers.buffer},
            {KI_CL_SORT * sizeof(cl_ulong), NULL}, {KI_CL_STATE_BYTES, NULL},
        };
        const ki_cl_launch launch = {.name = "kith_merge",
                                     .kernel = kernel,
                                     .width = some,
                                     .height = 1,
                                     .group = rows->device->shape.group};
        const kith_status status =
            ki_cl_run(rows->device, &launch, arguments, sizeof arguments / sizeof arguments[0]);
        if (status)
            return status;
    }
    return KITH_OK;
}

static kith_status reserve_scratch(ki_device_rows *rows, const ki_cl_plan *p)
{
    ki_cl_device *device = rows->device;
    const size_t places = (size_t)p->groups * p->pass;
    kith_status status = ki_cl_reserve(device, "lists", ki_cl_lists_bytes(p), &rows->lists);
    if (!status)
        status = ki_cl_reserve(device, "bounds", places * sizeof(cl_uint), &rows->bounds);
    if (!status)
        status =
            ki_cl_reserve(device, "answers", p->queries * p->k * sizeof(uint64_t), &rows->answers);
    return status;
}

/* The first bounds: nothing is known of a real query, and no key above 0 is wanted for one that
 * only fills the last pass. */
static kith_status write_bounds(ki_device_rows *rows, const ki_cl_plan *p)
{
    const size_t bytes = (size_t)p->groups * p->pass * sizeof(uint32_t);
    uint32_t *bounds = ki_zalloc(bytes);
    if (!bounds)
        return ki_no_memory("bounds of a search", bytes);
    memset(bounds, 0xff, p->queries * sizeof *bounds);
    const kith_status status =
        ki_cl_write(rows->device, "bounds", rows->bounds.buffer, 0, bounds, bytes);
    ki_free(bounds);
    return status;
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The speed of a batch, from its first launch to its last answer, moves the estimate half-way.
 * Batches below ten million products say more about the latency of a call than about speed. */
static void learn_speed(ki_cl_device *device, double macs, double seconds)
{
    if (macs >= 1e7 && seconds > 0)
        device->macs_per_second = (device->macs_per_second + macs / seconds) / 2;
}

static kith_status scan_batch(ki_device_rows *rows, const ki_cl_plan *p,
                              const ki_device_queries *queries, uint64_t *answers)
{
    cl_kernel scan = NULL, merge = NULL;
    kith_status status = ki_cl_scan_kernel(rows->device, ki_cl_pairing(rows, queries), rows->metric,
                                           p->pass_log2, &scan);
    if (!status)
        status = ki_cl_plain_kernel(rows->device, KI_CL_MERGE, &merge);
    if (!status)
        status = reserve_scratch(rows, p);
    if (!status)
        status = ki_cl_queries_send(rows, queries, p->pass);
    if (!status)
        status = write_bounds(rows, p);
    const double begin = seconds_now();
    if (!status)
        status = scan_chunks(rows, p, scan);
    if (!status)
        status = merge_lists(rows, p, merge);
    if (!status)
        status = ki_cl_read(rows->device, "answers", rows->answers.buffer, answers,
                            p->queries * p->k * sizeof *answers);
    if (!status)
        learn_speed(rows->device,
                    (double)p->groups * p->pass * rows->count * (double)ki_cl_query_floats(rows),
                    seconds_now() - begin);
    return status;
}

kith_status ki_cl_scan_lists(ki_device_rows *rows, const ki_device_queries *queries, uint32_t k,
                             uint64_t *answers)
{
    for (size_t done = 0; done < queries->count;) {
        ki_cl_plan p;
        ki_cl_plan_batch(rows, queries->count - done, k, &p);
        const ki_device_queries batch = ki_cl_some_queries(queries, done, p.queries);
        const kith_status status = scan_batch(rows, &p, &batch, answers + done * k);
        if (status)
            return status;
        done += p.queries;
    }
    return KITH_OK;
}

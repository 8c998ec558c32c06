/* scan_cl.c - exact search on a device: lays out queries, runs scan.cl by plan, merges, reads.
 *
 * May touch plan_cl.h, queries_cl.h and device_cl.h. The one idea: nothing is decided here. The
 * plan says which cells a launch holds, the kernels find the answers, and this file only keeps
 * the order: queries and bounds up, scans of every chunk, one merge, answers down.
 *
 * Answers are read into memory of our own first: the caller's stay untouched if a later batch
 * fails.
 */
#include "opencl/plan_cl.h"
#include "opencl/queries_cl.h"

#include <string.h>
#include <time.h>

enum { MERGE_QUERIES = 128 }; /* of one launch: a merge is short, a thousand may not be */

/* One argument of a kernel. */
typedef struct argument {
    size_t bytes;
    const void *value;
} argument;

static kith_status set_arguments(ki_cl_device *device, cl_kernel kernel, const argument *arguments,
                                 cl_uint count)
{
    for (cl_uint i = 0; i < count; i++) {
        const cl_int code = KI_CL(
            device->found.cl->SetKernelArg(kernel, i, arguments[i].bytes, arguments[i].value));
        if (code)
            return ki_cl_fail(code, "clSetKernelArg", device->found.info.id,
                              "argument %u of %zu bytes", (unsigned)i, arguments[i].bytes);
    }
    return KITH_OK;
}

static kith_status launch(ki_cl_device *device, cl_kernel kernel, const char *name, size_t width,
                          size_t height)
{
    const size_t local[2] = {device->shape.group, 1};
    const size_t global[2] = {width * local[0], height};
    const cl_int code = KI_CL(device->found.cl->EnqueueNDRangeKernel(device->queue, kernel, 2, NULL,
                                                                     global, local, 0, NULL, NULL));
    if (code)
        return ki_cl_fail(code, "clEnqueueNDRangeKernel", device->found.info.id,
                          "%s, %zu x %zu groups of %zu", name, width, height, local[0]);
    return KITH_OK;
}

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
    const argument arguments[] = {
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
    const kith_status status =
        set_arguments(rows->device, kernel, arguments, sizeof arguments / sizeof arguments[0]);
    if (status)
        return status;
    return launch(rows->device, kernel, "kith_scan", c->groups, c->strips);
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
        const argument arguments[] = {
            {sizeof(cl_mem), &rows->lists.buffer}, {sizeof(cl_uint), &first},
            {sizeof(cl_uint), &p->lists},          {sizeof(cl_uint), &p->k},
            {sizeof(cl_uint), &p->capacity},       {sizeof(cl_mem), &rows->answers.buffer},
            {KI_CL_SORT * sizeof(cl_ulong), NULL}, {KI_CL_STATE_BYTES, NULL},
        };
        kith_status status =
            set_arguments(rows->device, kernel, arguments, sizeof arguments / sizeof arguments[0]);
        if (!status)
            status = launch(rows->device, kernel, "kith_merge", some, 1);
        if (status)
            return status;
    }
    return KITH_OK;
}

static kith_status reserve_scratch(ki_device_rows *rows, const ki_cl_plan *p)
{
    ki_cl_device *device = rows->device;
    const size_t places = (size_t)p->groups * p->pass;
    const size_t floats = places * ki_cl_query_floats(rows);
    kith_status status = ki_cl_reserve(device, "lists", ki_cl_lists_bytes(p), &rows->lists);
    if (!status)
        status = ki_cl_reserve(device, "queries", floats * sizeof(cl_float), &rows->queries);
    if (!status)
        status = ki_cl_reserve(device, "query data", places * sizeof(cl_uint), &rows->query_sides);
    if (!status)
        status = ki_cl_reserve(device, "bounds", places * sizeof(cl_uint), &rows->bounds);
    if (!status)
        status =
            ki_cl_reserve(device, "answers", p->queries * p->k * sizeof(uint64_t), &rows->answers);
    return status;
}

/* Queries, their side data and the first bounds: nothing is known of a real query, and no key
 * above 0 is wanted for one that only fills the last pass. */
static kith_status write_queries(ki_device_rows *rows, const ki_cl_plan *p,
                                 const ki_device_queries *queries)
{
    ki_cl_device *device = rows->device;
    const size_t places = (size_t)p->groups * p->pass;
    const size_t float_bytes = places * ki_cl_query_floats(rows) * sizeof(float);
    float *floats = ki_zalloc(float_bytes);
    uint32_t *sides = ki_zalloc(places * sizeof *sides);
    uint32_t *bounds = ki_zalloc(places * sizeof *bounds);
    kith_status status = KITH_OK;
    if (floats && sides && bounds) {
        ki_cl_queries_fill(rows, queries, p->pass, floats, sides);
        memset(bounds, 0xff, p->queries * sizeof *bounds);
        status = ki_cl_write(device, "queries", rows->queries.buffer, 0, floats, float_bytes);
        if (!status)
            status = ki_cl_write(device, "query data", rows->query_sides.buffer, 0, sides,
                                 places * sizeof *sides);
        if (!status)
            status = ki_cl_write(device, "bounds", rows->bounds.buffer, 0, bounds,
                                 places * sizeof *bounds);
    } else {
        status = ki_no_memory("queries on their way to a device", float_bytes);
    }
    ki_free(floats);
    ki_free(sides);
    ki_free(bounds);
    return status;
}

static kith_status read_answers(ki_device_rows *rows, const ki_cl_plan *p, uint64_t *answers)
{
    const size_t bytes = p->queries * p->k * sizeof *answers;
    const cl_int code = KI_CL(rows->device->found.cl->EnqueueReadBuffer(
        rows->device->queue, rows->answers.buffer, CL_TRUE, 0, bytes, answers, 0, NULL, NULL));
    if (code)
        return ki_cl_fail(code, "clEnqueueReadBuffer", rows->device->found.info.id,
                          "%zu bytes of answers", bytes);
    return KITH_OK;
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
        status = ki_cl_merge_kernel(rows->device, &merge);
    if (!status)
        status = reserve_scratch(rows, p);
    if (!status)
        status = write_queries(rows, p, queries);
    const double begin = seconds_now();
    if (!status)
        status = scan_chunks(rows, p, scan);
    if (!status)
        status = merge_lists(rows, p, merge);
    if (!status)
        status = read_answers(rows, p, answers);
    if (!status)
        learn_speed(rows->device,
                    (double)p->groups * p->pass * rows->count * (double)ki_cl_query_floats(rows),
                    seconds_now() - begin);
    return status;
}

static kith_status scan_batches(ki_device_rows *rows, const ki_device_queries *queries, uint32_t k,
                                uint64_t *answers)
{
    for (size_t done = 0; done < queries->count;) {
        ki_cl_plan p;
        ki_device_queries batch = *queries;
        ki_cl_plan_batch(rows, queries->count - done, k, &p);
        batch.base = (const unsigned char *)queries->base + done * queries->stride;
        batch.count = p.queries;
        const kith_status status = scan_batch(rows, &p, &batch, answers + done * k);
        if (status)
            return status;
        done += p.queries;
    }
    return KITH_OK;
}

kith_status ki_cl_scan(ki_device_rows *rows, const ki_device_queries *queries, uint32_t k,
                       uint64_t *answers)
{
    const size_t nq = queries->count;
    size_t bytes = 0;
    if (k < 1 || k > KI_CL_MAX_K)
        return ki_fail(KITH_EINVAL, "k is %u, %s takes 1..%d", (unsigned)k,
                       rows->device->found.info.id, KI_CL_MAX_K);
    if (!ki_mul(nq, k * sizeof *answers, &bytes))
        return ki_fail(KITH_EINVAL, "%zu queries of %u answers do not fit in memory", nq,
                       (unsigned)k);
    if (rows->count == 0 || nq == 0) {
        memset(answers, 0xff, bytes);
        return KITH_OK;
    }
    uint64_t *own = ki_alloc(bytes);
    if (!own)
        return ki_no_memory("answers of a device", bytes);
    pthread_mutex_lock(&rows->device->mutex);
    const kith_status status = scan_batches(rows, queries, k, own);
    pthread_mutex_unlock(&rows->device->mutex);
    if (!status)
        memcpy(answers, own, bytes);
    ki_free(own);
    return status;
}

/* plan_cl.c - cuts the work of a batch by speed, by memory, and by nothing else.
 *
 * May touch queries_cl.h. The one idea: the work is a grid of (strip of rows) x (pass of up to 8
 * queries), and any way of cutting the grid gives the same answers. So there are enough cells to
 * fill the device, no launch is longer than about a tenth of a second at the speed measured so
 * far (no watchdog fires, a failure is seen early), and a strip is long enough to find a bound.
 */
#include "opencl/plan_cl.h"
#include "opencl/queries_cl.h"

enum {
    MAX_BATCH = 1024,        /* queries that are on the device at a time */
    LISTS_BYTES = 256 << 20, /* at most, for the lists of one batch */
    CACHED_BYTES = 1 << 20,  /* of rows in a strip: what a core's own cache holds */
    MIN_CAPACITY = 128,      /* of a list: a cut costs a sort, and should pay for itself */
    GROUPS_PER_UNIT_CPU = 4, /* of a launch, so that uneven ends do not idle a core */
    GROUPS_PER_UNIT_GPU = 16 /* and so that memory latency is hidden */
};

static const double launch_seconds = 0.1;

double ki_cl_launch_macs(double macs_per_second)
{
    return macs_per_second * launch_seconds;
}

/* What the rows hold from earlier batches is theirs to use again. */
size_t ki_cl_batch_bytes(const ki_device_rows *rows)
{
    const size_t room = ki_cl_room(rows->device) + rows->lists.bytes + rows->keys.bytes;
    const size_t most =
        rows->device->max_alloc < LISTS_BYTES ? rows->device->max_alloc : LISTS_BYTES;
    return room / 2 < most ? room / 2 : most;
}

uint32_t ki_cl_strips(uint32_t count, uint32_t strip_rows)
{
    return (count - 1) / strip_rows + 1;
}

/* Room for k keys and twice a tile, so that a cut pays for itself; at most what is sorted. */
static uint32_t choose_capacity(const ki_cl_shape *shape, uint32_t k)
{
    const uint32_t tile = shape->lanes * shape->group;
    uint32_t capacity = MIN_CAPACITY;
    while (capacity < KI_CL_SORT && (capacity < 2 * k || capacity < k + 2 * tile))
        capacity *= 2;
    return capacity;
}

/* Short strips fill the device and bound a launch; long ones find a good bound, which they then
 * share. On a CPU a strip also stays in the cache of a core while one pass after the other reads
 * it: f32 rows of 784 elements went from 14 to 20 billion products a second and core. A GPU runs
 * neighbouring passes at the same time, and its lists are longer, so there it would not pay. */
static uint32_t choose_strip(const ki_device_rows *rows, const ki_cl_plan *p, uint32_t cells)
{
    const ki_cl_shape *shape = &rows->device->shape;
    const uint32_t unit = ki_cl_unit_rows(shape);
    const uint32_t wanted = (cells - 1) / p->groups + 1;
    const double row_bytes = 4.0 * rows->words;
    const double row_macs = (double)ki_cl_query_floats(rows) * p->pass;
    double most = p->launch_macs / cells / row_macs;
    if (most > (double)rows->count / wanted)
        most = (double)rows->count / wanted;
    if (p->groups > 1 && shape->group == 1 && most > (double)CACHED_BYTES / row_bytes)
        most = (double)CACHED_BYTES / row_bytes;
    if (most < p->capacity)
        most = p->capacity;
    return ((uint32_t)most / unit + 1) * unit;
}

static void make_plan(const ki_device_rows *rows, size_t nq, uint32_t k, ki_cl_plan *p)
{
    const ki_cl_device *device = rows->device;
    const uint32_t units = device->found.info.compute_units ? device->found.info.compute_units : 1;
    const uint32_t cells =
        units * (device->shape.group == 1 ? GROUPS_PER_UNIT_CPU : GROUPS_PER_UNIT_GPU);
    *p = (ki_cl_plan){.queries = nq, .k = k};
    while (p->pass_log2 < KI_CL_PASSES - 1 && (1u << p->pass_log2) < nq)
        p->pass_log2++;
    p->pass = 1u << p->pass_log2;
    p->groups = (uint32_t)((nq - 1) / p->pass + 1);
    p->capacity = choose_capacity(&device->shape, k);
    p->launch_macs = ki_cl_launch_macs(device->macs_per_second);
    p->strip_rows = choose_strip(rows, p, cells);
    p->cell_macs = (double)p->strip_rows * (double)ki_cl_query_floats(rows) * p->pass;
    for (size_t i = 0; i < rows->chunk_count; i++)
        p->lists += ki_cl_strips(rows->chunks[i].count, p->strip_rows);
}

size_t ki_cl_lists_bytes(const ki_cl_plan *p)
{
    return (size_t)p->groups * p->pass * p->lists * p->capacity * sizeof(uint64_t);
}

/* The largest batch whose lists and queries fit. One query always goes ahead: the device says no
 * if it must. */
void ki_cl_plan_batch(const ki_device_rows *rows, size_t nq, uint32_t k, ki_cl_plan *p)
{
    const size_t most = ki_cl_batch_bytes(rows);
    size_t batch = nq < MAX_BATCH ? nq : MAX_BATCH;
    for (;; batch /= 2) {
        make_plan(rows, batch, k, p);
        const size_t query_bytes =
            (size_t)p->groups * p->pass * ki_cl_query_floats(rows) * sizeof(float);
        if (batch == 1 || (ki_cl_lists_bytes(p) <= most && query_bytes <= most))
            return;
    }
}

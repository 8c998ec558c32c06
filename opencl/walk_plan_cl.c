/* walk_plan_cl.c - how large a walk's group, pool and table are, and how many walks a launch has.
 *
 * May touch walk_cl.h and queries_cl.h. Makes no OpenCL call. The one idea: what a group needs is
 * local memory, and how much of it there is bounds ef. What the pool and the links of a hop leave
 * goes to the table of rows that were seen, which may be of any size: it costs no answer, only rows
 * that are measured twice.
 */
#include "opencl/walk_cl.h"
#include "opencl/queries_cl.h"

#include <stdlib.h>

enum {
    LOCAL_BYTES = 32 << 10, /* at most, so that a GPU has several groups in a compute unit */
    MIN_SLOTS = 512,
    MAX_SLOTS = 4096,
    SLOTS_OF_EF = 16,       /* where a walk sees 20 rows for each that it keeps, it measures a
                               twentieth of them twice */
    ROOM_FOR_DEAD = 64,     /* entries, at least, where rows may be dead */
    TEAM = 8,               /* items that measure a row together: sums a link */
    SMALL_GROUP = 64,       /* of a GPU */
    LARGE_GROUP = 256,      /* of a GPU that has fewer queries than it runs groups */
    GROUPS_A_UNIT = 4,      /* below this it is such */
    MAX_BATCH = 16384,      /* queries of a launch */
    QUERY_BYTES = 64 << 20, /* and all of them together */
    ROWS_A_HOP = 20         /* that are new, roughly */
};

static const double launch_seconds = 0.05;
static const double slower_than_scan = 8; /* per product, until it is measured */

void ki_cl_walks_open(ki_cl_device *device)
{
    const char *text = getenv("KITH_OPENCL_GROUP");
    const uint32_t wanted = text ? (uint32_t)strtoul(text, NULL, 0) : 0;
    const bool known = wanted == 32 || wanted == 64 || wanted == 128 || wanted == 256;
    device->walks.group = known && wanted <= device->found.max_group ? wanted : 0;
    device->walks.macs_per_second = device->macs_per_second / slower_than_scan;
}

uint32_t ki_cl_group_slot(uint32_t group)
{
    uint32_t slot = 0;
    for (uint32_t size = 16; size < group; size *= 2)
        slot++;
    return slot; /* 1: 0, 32: 1, ..., 256: 4 */
}

static size_t budget(const ki_cl_device *device)
{
    const size_t there = device->found.local_bytes;
    return there < LOCAL_BYTES ? there : LOCAL_BYTES;
}

/* Places of one list of the pool: entries, or the sums of a hop. */
static uint32_t list_step(uint32_t room, uint32_t degree)
{
    const uint32_t sums = degree * TEAM / 2; /* two of them in the place of an entry */
    return room > sums ? room : sums;
}

size_t ki_cl_walk_bytes(const ki_cl_walk_plan *plan)
{
    const size_t entries = 2 * (size_t)plan->list_step + 2 * (size_t)plan->widest;
    const size_t words = 2 * (size_t)plan->widest + plan->slots + KI_CL_WALK_STATE;
    return entries * sizeof(cl_ulong) + words * sizeof(cl_uint);
}

/* Bytes with the smallest table. */
static size_t least_bytes(uint32_t room, uint32_t degree)
{
    const ki_cl_walk_plan plan = {
        .list_step = list_step(room, degree), .slots = MIN_SLOTS, .widest = degree};
    return ki_cl_walk_bytes(&plan);
}

uint32_t ki_cl_max_ef(const ki_device *device)
{
    const size_t most = budget((const ki_cl_device *)(const void *)device);
    uint32_t ef = KI_CL_MAX_EF;
    while (ef > 1 && 2 * sizeof(cl_ulong) * (ef + ROOM_FOR_DEAD) +
                             least_bytes(0, KI_CL_MAX_DEGREE) -
                             2 * sizeof(cl_ulong) * list_step(0, KI_CL_MAX_DEGREE) >
                         most)
        ef--;
    return ef;
}

kith_status ki_cl_check_degree(const ki_cl_device *device, uint32_t degree)
{
    if (degree > KI_CL_MAX_DEGREE)
        return ki_fail(KITH_EUNSUPPORTED, "a graph of %u links a node, %s walks %d at most",
                       (unsigned)degree, device->found.info.id, KI_CL_MAX_DEGREE);
    if (least_bytes(0, degree) > budget(device))
        return ki_fail(KITH_EUNSUPPORTED,
                       "a walk over %u links a node needs %zu bytes of local memory, %s has %zu",
                       (unsigned)degree, least_bytes(0, degree), device->found.info.id,
                       budget(device));
    return KITH_OK;
}

/* One query keeps one group: with fewer queries than the device has places for groups, larger ones
 * shorten each walk. */
static uint32_t choose_group(const ki_cl_device *device, size_t queries)
{
    const size_t units = device->found.info.compute_units ? device->found.info.compute_units : 1;
    if (device->shape.group == 1)
        return 1;
    if (device->walks.group)
        return device->walks.group;
    return queries < GROUPS_A_UNIT * units && device->found.max_group >= LARGE_GROUP ? LARGE_GROUP
                                                                                     : SMALL_GROUP;
}

void ki_cl_plan_walk(const ki_device_rows *rows, size_t queries, uint32_t ef, ki_cl_walk_plan *out)
{
    const uint32_t degree = rows->graph.widest;
    const size_t most = budget(rows->device);
    uint32_t room = rows->all_live ? ef : 2 * ef + ROOM_FOR_DEAD;
    while (room > ef && least_bytes(room, degree) > most)
        room--;
    *out = (ki_cl_walk_plan){.group = choose_group(rows->device, queries),
                             .room = room,
                             .list_step = list_step(room, degree),
                             .slots = MIN_SLOTS,
                             .widest = degree};
    while (out->slots < MAX_SLOTS && out->slots < SLOTS_OF_EF * ef) {
        out->slots *= 2;
        if (ki_cl_walk_bytes(out) <= most)
            continue;
        out->slots /= 2;
        break;
    }
}

double ki_cl_walk_macs(const ki_device_rows *rows, uint32_t ef)
{
    return (double)ROWS_A_HOP * (ef + ROWS_A_HOP) * (double)ki_cl_query_floats(rows);
}

size_t ki_cl_walk_batch(const ki_device_rows *rows, size_t left, uint32_t ef, uint32_t want)
{
    const size_t query_bytes =
        (size_t)ki_cl_stride(rows) * sizeof(cl_float) * (ki_cl_query_floats(rows) / rows->words) +
        want * sizeof(uint64_t);
    const size_t most =
        rows->device->max_alloc < QUERY_BYTES ? rows->device->max_alloc : QUERY_BYTES;
    const double fast =
        rows->device->walks.macs_per_second * launch_seconds / ki_cl_walk_macs(rows, ef);
    size_t batch = left < MAX_BATCH ? left : MAX_BATCH;
    if (batch > most / query_bytes)
        batch = most / query_bytes;
    if ((double)batch > fast)
        batch = (size_t)fast;
    return batch > 0 ? batch : 1;
}

/* variants.c - which program serves which pairing, metric and number of queries.
 *
 * May touch program.h and device_cl.h. The one idea: what is known before a launch is a constant of
 * the program and not an argument, so that its compiler unrolls loops and keeps sums in registers.
 * A kernel is made when it is needed first: all of them would take a minute.
 */
#include "opencl/program.h"
#include "opencl/walk_cl.h"

#include <stdio.h>

enum {
    OPTIONS_BYTES = 256,
    PART_SCAN = 1,
    PART_MERGE = 2,
    PART_WALK = 3,
    PART_TURN = 4,
    PART_CUT = 5,
    PART_KEYS = 6,
    PART_TILE = 7,
    PART_COUNT = 8,
    PART_CHOOSE = 9,
    PART_GATHER = 10
};

/* A kernel that computes distances: these options name all that it depends on. */
static void element_options(const ki_cl_device *device, int part, ki_pairing pairing,
                            kith_metric metric, uint32_t pass_log2, char *out)
{
    const ki_cl_shape *shape = &device->shape;
    snprintf(out, OPTIONS_BYTES,
             "-cl-std=CL1.2 -DPART=%d -DTYPE=%d -DMETRIC=%d -DQ=%u -DLANES=%u -DGROUP=%u -DBLOCK=%u"
             " -DFMA=%d",
             part, (int)pairing, (int)metric, 1u << pass_log2, (unsigned)shape->lanes,
             (unsigned)shape->group, (unsigned)shape->block, device->found.fma);
}

kith_status ki_cl_scan_kernel(ki_cl_device *device, ki_pairing pairing, kith_metric metric,
                              uint32_t pass_log2, cl_kernel *out)
{
    ki_cl_variant *slot = &device->scans[pairing][metric][pass_log2];
    char options[OPTIONS_BYTES];
    element_options(device, PART_SCAN, pairing, metric, pass_log2, options);
    const ki_kernel_source from = {ki_scan_cl, ki_scan_cl_bytes, options, "kith_scan"};
    const kith_status status = ki_kernel_open(device, &from, slot);
    if (!status)
        *out = slot->kernel;
    return status;
}

kith_status ki_cl_keys_kernel(ki_cl_device *device, ki_pairing pairing, kith_metric metric,
                              uint32_t pass_log2, cl_kernel *out)
{
    ki_cl_variant *slot = &device->keys[pairing][metric][pass_log2];
    char options[OPTIONS_BYTES];
    element_options(device, PART_KEYS, pairing, metric, pass_log2, options);
    const ki_kernel_source from = {ki_select_cl, ki_select_cl_bytes, options, "kith_keys"};
    const kith_status status = ki_kernel_open(device, &from, slot);
    if (!status)
        *out = slot->kernel;
    return status;
}

kith_status ki_cl_tile_kernel(ki_cl_device *device, ki_pairing pairing, kith_metric metric,
                              cl_kernel *out)
{
    ki_cl_variant *slot = &device->tiles[pairing][metric];
    char options[OPTIONS_BYTES];
    snprintf(options, sizeof options,
             "-cl-std=CL1.2 -DPART=%d -DTYPE=%d -DMETRIC=%d -DLANES=4 -DBLOCK=%u -DFMA=%d",
             (int)PART_TILE, (int)pairing, (int)metric, (unsigned)device->shape.block,
             device->found.fma);
    const ki_kernel_source from = {ki_tile_cl, ki_tile_cl_bytes, options, "kith_tile"};
    const kith_status status = ki_kernel_open(device, &from, slot);
    if (!status)
        *out = slot->kernel;
    return status;
}

kith_status ki_cl_plain_kernel(ki_cl_device *device, ki_cl_plain which, cl_kernel *out)
{
    static const struct {
        const char *name;
        int part;
        bool selects;
    } plain[KI_CL_PLAINS] = {
        [KI_CL_MERGE] = {"kith_merge", PART_MERGE, false},
        [KI_CL_CUT] = {"kith_cut", PART_CUT, false},
        [KI_CL_COUNT] = {"kith_count", PART_COUNT, true},
        [KI_CL_CHOOSE] = {"kith_choose", PART_CHOOSE, true},
        [KI_CL_GATHER] = {"kith_gather", PART_GATHER, true},
    };
    ki_cl_variant *slot = &device->plains[which];
    char options[OPTIONS_BYTES];
    snprintf(options, sizeof options, "-cl-std=CL1.2 -DPART=%d -DGROUP=%u", plain[which].part,
             (unsigned)device->shape.group);
    const ki_kernel_source from = {plain[which].selects ? ki_select_cl : ki_scan_cl,
                                   plain[which].selects ? ki_select_cl_bytes : ki_scan_cl_bytes,
                                   options, plain[which].name};
    const kith_status status = ki_kernel_open(device, &from, slot);
    if (!status)
        *out = slot->kernel;
    return status;
}

kith_status ki_cl_walk_kernel(ki_cl_device *device, ki_pairing pairing, kith_metric metric,
                              uint32_t group, cl_kernel *out)
{
    ki_cl_variant *slot = &device->walks.walk[pairing][metric][ki_cl_group_slot(group)];
    char options[OPTIONS_BYTES];
    snprintf(options, sizeof options,
             "-cl-std=CL1.2 -DPART=%d -DTYPE=%d -DMETRIC=%d -DLANES=%u -DGROUP=%u -DFMA=%d",
             (int)PART_WALK, (int)pairing, (int)metric, (unsigned)device->shape.lanes,
             (unsigned)group, device->found.fma);
    const ki_kernel_source from = {ki_walk_cl, ki_walk_cl_bytes, options, "kith_walk"};
    const kith_status status = ki_kernel_open(device, &from, slot);
    if (!status)
        *out = slot->kernel;
    return status;
}

kith_status ki_cl_turn_kernel(ki_cl_device *device, cl_kernel *out)
{
    char options[OPTIONS_BYTES];
    snprintf(options, sizeof options, "-cl-std=CL1.2 -DPART=%d -DGROUP=%u -DBLOCK=%u",
             (int)PART_TURN, (unsigned)device->shape.group, (unsigned)device->shape.block);
    const ki_kernel_source from = {ki_turn_cl, ki_turn_cl_bytes, options, "kith_turn"};
    const kith_status status = ki_kernel_open(device, &from, &device->walks.turn);
    if (!status)
        *out = device->walks.turn.kernel;
    return status;
}

void ki_cl_variants_close(ki_cl_device *device)
{
    const ki_cl *cl = device->found.cl;
    for (size_t pairing = 0; pairing < KI_CL_PAIRINGS; pairing++) {
        for (size_t metric = 0; metric < KI_METRIC_COUNT; metric++) {
            for (size_t pass = 0; pass < KI_CL_PASSES; pass++) {
                ki_cl_variant_close(cl, &device->scans[pairing][metric][pass]);
                ki_cl_variant_close(cl, &device->keys[pairing][metric][pass]);
            }
            ki_cl_variant_close(cl, &device->tiles[pairing][metric]);
        }
    }
    for (size_t i = 0; i < KI_CL_PLAINS; i++)
        ki_cl_variant_close(cl, &device->plains[i]);
}

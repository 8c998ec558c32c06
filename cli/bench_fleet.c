/* bench_fleet.c - the graph on devices: each OpenCL device by itself, and the layout of --replicas.
 *
 * A device that walks by itself must find what the host finds at the same width; that is how one
 * learns that a driver computes wrongly before anybody relies on it. A layout shows what several
 * devices do together: its curve, what each copy holds and how much of the work it took, and how
 * queries a second grow with the devices. Each step of the scaling is placed anew, as a user with
 * fewer devices would have it, rather than by taking devices away from the largest layout.
 */
#include "cli/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/copies.h"
#include "cli/fleet.h"
#include "cli/heap.h"
#include "cli/result.h"

/* The narrowest width that reaches it is where layouts are compared. */
#define SCALING_RECALL 0.95

#define WIDTHS_MOST 6u    /* of a device; the host's curve has more, and time for them */
#define SCALING_SHARE 0.4 /* of the time of a layout, when there is more than one device */
#define DOUBLINGS 4       /* from k, where the host has not been measured */

static int by_width(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The host's widths, or those wished for, narrow ones first: thinned evenly, both ends kept. */
static struct u32_list choose_widths(const struct bench *b)
{
    struct u32_list from = b->widths.count ? b->widths : b->wishes.ef, to = {0};
    qsort(from.item, from.count, sizeof *from.item, by_width);
    for (uint32_t i = 0; !from.count && i < DOUBLINGS; i++)
        to.item[to.count++] = b->wishes.k << i < EF_MOST ? b->wishes.k << i : EF_MOST;
    const size_t n = from.count < WIDTHS_MOST ? from.count : WIDTHS_MOST;
    for (size_t i = 0; i < n; i++)
        to.item[to.count++] = from.item[n > 1 ? i * (from.count - 1) / (n - 1) : 0];
    return to;
}

/* What cannot be had of this graph is worth a line; whatever else goes wrong is a failure. */
static bool open_or_say(struct fleet *fleet)
{
    const kith_status status = fleet_open(fleet);
    if (status == KITH_EUNSUPPORTED)
        terminal_note("%s: %s", fleet->device, kith_last_error());
    else if (status && status != KITH_ECANCELLED)
        bench_failed(fleet->bench, fleet->device, fleet->isa, kith_last_error());
    return !status;
}

static struct fleet fleet_of(struct bench *b, kith_index *graph, const struct device_list *devices,
                             struct progress *progress, double budget)
{
    return (struct fleet){.bench = b,
                          .graph = graph,
                          .devices = devices,
                          .count = devices->count,
                          .layout = {1, 1},
                          .isa = "opencl",
                          .progress = progress,
                          .budget = budget};
}

size_t bench_walkers(const struct bench *b)
{
    return b->chosen.count - device_list_has(&b->chosen, "cpu");
}

void bench_device_walks(struct bench *b, kith_index *graph, double seconds)
{
    const struct u32_list widths = choose_widths(b);
    size_t left = bench_walkers(b);
    const double deadline = seconds_now() + seconds;
    struct progress progress;
    progress_begin(&progress, "walks on devices");
    for (size_t i = 0; i < b->chosen.count && !interrupt_pending(); i++) {
        struct device_list one = {.count = 1};
        memcpy(one.id[0], b->chosen.id[i], sizeof one.id[0]);
        if (!strcmp(one.id[0], "cpu"))
            continue;
        struct fleet fleet = fleet_of(b, graph, &one, &progress, seconds);
        snprintf(fleet.device, sizeof fleet.device, "%s", one.id[0]);
        if (open_or_say(&fleet)) {
            const double share = (deadline - seconds_now()) / (double)left;
            fleet_measure(&fleet, &widths, share > 0 ? share : 0);
            fleet_record_agreement(&fleet);
        }
        fleet_close(&fleet);
        left--;
    }
    progress_end(&progress);
}

/* ---- --replicas ---------------------------------------------------------------------------- */

static void name_fleet(struct fleet *fleet)
{
    const struct u32_list *layout = &fleet->bench->wishes.replicas;
    fleet->layout[0] = layout->item[0];
    fleet->layout[1] = layout->item[1] < fleet->count ? layout->item[1] : (uint32_t)fleet->count;
    snprintf(fleet->device, sizeof fleet->device, "replicas %u,%u", fleet->layout[0],
             fleet->layout[1]);
    device_list_name(fleet->devices, fleet->count, fleet->isa, sizeof fleet->isa);
}

/* The point at which layouts are compared: the first that reaches the recall, else the last. */
static size_t comparing_point(const struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->points; i++)
        if (fleet->point[i].recall >= SCALING_RECALL)
            return i;
    return fleet->points - 1;
}

static void record_step(json_t *steps, const struct fleet *fleet, size_t at)
{
    const double qps = fleet->point[at].qps;
    const double first = result_number(json_array_get(steps, 0), "qps");
    json_array_append_new(
        steps, json_pack("{s:s, s:I, s:I, s:I, s:f, s:f, s:f}", "devices", fleet->isa, "partitions",
                         (json_int_t)fleet->layout[0], "copies", (json_int_t)fleet->layout[1], "ef",
                         (json_int_t)fleet->point[at].ef, "recall", fleet->point[at].recall, "qps",
                         qps, "ratio", first > 0 ? qps / first : 1.0));
}

/* One device, two devices, ...; the whole is the curve's own point. */
static void measure_scaling(const struct fleet *whole, json_t *steps, double seconds)
{
    const size_t at = comparing_point(whole);
    const struct u32_list one = {1, {whole->point[at].ef}};
    for (size_t n = 1; n < whole->count && !interrupt_pending(); n++) {
        struct fleet part =
            fleet_of(whole->bench, whole->graph, whole->devices, whole->progress, whole->budget);
        part.count = n;
        name_fleet(&part);
        if (open_or_say(&part))
            fleet_measure(&part, &one, seconds / (double)(whole->count - 1));
        if (part.points)
            record_step(steps, &part, 0);
        fleet_record_agreement(&part);
        fleet_close(&part);
    }
    record_step(steps, whole, at);
}

static void record_layout(struct fleet *fleet, json_t *steps, json_t *held)
{
    json_object_set_new(
        fleet->bench->result, "replicas",
        json_pack("{s:I, s:I, s:s, s:f, s:I, s:I, s:o, s:o}", "partitions",
                  (json_int_t)fleet->layout[0], "copies", (json_int_t)fleet->layout[1], "devices",
                  fleet->isa, "seconds", fleet->open_seconds, "retries", (json_int_t)fleet->retries,
                  "on_host", (json_int_t)fleet->on_host, "held", held, "scaling", steps));
}

void bench_replicas(struct bench *b, kith_index *graph, double seconds)
{
    const struct u32_list widths = choose_widths(b);
    const double scaling = b->chosen.count > 1 ? seconds * SCALING_SHARE : 0;
    struct progress progress;
    progress_begin(&progress, "replicas");
    struct fleet fleet = fleet_of(b, graph, &b->chosen, &progress, seconds);
    name_fleet(&fleet);
    if (open_or_say(&fleet)) {
        json_t *const steps = json_array();
        fleet_measure(&fleet, &widths, seconds - scaling);
        fleet_record_agreement(&fleet);
        json_t *const held = copies_json(fleet.replicas);
        kith_replicas_close(fleet.replicas); /* its memory is wanted by the steps */
        fleet.replicas = NULL;
        if (fleet.points)
            measure_scaling(&fleet, steps, scaling);
        record_layout(&fleet, steps, held);
    }
    fleet_close(&fleet);
    progress_end(&progress);
}

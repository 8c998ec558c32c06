/* curves.c - groups runs by contender.
 *
 * Results hold dozens of runs, so finding a run's curve by walking the list is enough.
 */
#include "cli/curves.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/heap.h"
#include "cli/result.h"

/* A file from elsewhere may say anything; beyond these it is no measurement. */
#define QPS_LEAST 1e-6
#define QPS_MOST 1e15

static struct curve describe(const json_t *run)
{
    struct curve c = {.device = result_text(run, "device"),
                      .isa = result_text(run, "isa"),
                      .index = result_text(run, "index"),
                      .codes = result_text(run, "codes"),
                      .library = result_text(run, "library"),
                      .threads = (uint32_t)result_count(run, "threads"),
                      .batch = (uint32_t)result_count(run, "batch")};
    c.exact = !strcmp(c.index, "flat");
    return c;
}

static void name_curve(struct curve *c)
{
    char how[32] = "";
    /* The threads of a device are its own business; those of the host are a choice. A walk is asked
     * one query a call, unless said. */
    if (c->threads > 1 && !strcmp(c->device, "cpu"))
        snprintf(how, sizeof how, ", %u threads", c->threads);
    else if (c->batch > 1 && !c->exact)
        snprintf(how, sizeof how, ", %u in a call", c->batch);
    bool named = strcmp(c->isa, "opencl") != 0; /* the device's id says as much */
    /* Rows that are walked as they are need no word, and some name their codes already. */
    bool coded = !strncmp(c->codes, "sq", 2) && strcmp(c->codes, c->isa) != 0;
    char who[96];
    snprintf(who, sizeof who, "%.30s%s%.16s%s%.20s%s%.8s", c->library, *c->library ? " " : "",
             c->device, named ? " " : "", named ? c->isa : "", coded ? " " : "",
             coded ? c->codes : "");
    snprintf(c->name, sizeof c->name, "%.71s%.24s", who, how);
    snprintf(c->label, sizeof c->label, "%.64s%s%.24s", who, c->exact ? " exact" : "", how);
}

static bool same_contender(const struct curve *a, const struct curve *b)
{
    return !strcmp(a->device, b->device) && !strcmp(a->isa, b->isa) &&
           !strcmp(a->index, b->index) && !strcmp(a->codes, b->codes) &&
           !strcmp(a->library, b->library) && a->threads == b->threads && a->batch == b->batch;
}

static struct curve *find_or_add(struct curves *curves, const struct curve *wanted, size_t runs)
{
    for (size_t i = 0; i < curves->count; i++)
        if (same_contender(&curves->items[i], wanted))
            return &curves->items[i];
    struct curve *added = &curves->items[curves->count++];
    *added = *wanted;
    name_curve(added);
    added->points = heap_alloc(runs, sizeof *added->points);
    return added;
}

static int by_recall(const void *a, const void *b)
{
    const struct point *x = a, *y = b;
    if (x->recall < y->recall || x->recall > y->recall)
        return x->recall < y->recall ? -1 : 1;
    double ef_x = result_number(x->run, "params.ef"), ef_y = result_number(y->run, "params.ef");
    return (ef_x > ef_y) - (ef_x < ef_y);
}

static bool beats(const struct point *a, const struct point *b)
{
    return a->recall >= b->recall && a->qps >= b->qps && (a->recall > b->recall || a->qps > b->qps);
}

static void mark_beaten(struct curve *c)
{
    for (size_t i = 0; i < c->count; i++)
        for (size_t j = 0; j < c->count && !c->points[i].beaten; j++)
            c->points[i].beaten = beats(&c->points[j], &c->points[i]);
}

struct curves curves_collect(const json_t *result)
{
    const json_t *runs = json_object_get(result, "runs");
    size_t count = json_array_size(runs);
    struct curves curves = {.items = heap_alloc(count, sizeof *curves.items)};
    for (size_t i = 0; i < count; i++) {
        const json_t *run = json_array_get(runs, i);
        struct point point = {
            .recall = result_number(run, "recall"), .qps = result_number(run, "qps"), .run = run};
        if (!(point.qps > QPS_LEAST && point.qps < QPS_MOST))
            continue; /* nothing that could be drawn or ranked */
        struct curve wanted = describe(run);
        struct curve *curve = find_or_add(&curves, &wanted, count);
        curve->points[curve->count++] = point;
    }
    for (size_t i = 0; i < curves.count; i++) {
        qsort(curves.items[i].points, curves.items[i].count, sizeof(struct point), by_recall);
        mark_beaten(&curves.items[i]);
    }
    return curves;
}

void curves_free(struct curves *curves)
{
    for (size_t i = 0; i < curves->count; i++)
        free(curves->items[i].points);
    free(curves->items);
    *curves = (struct curves){0};
}

static double between(const struct point *a, const struct point *b, double recall)
{
    double share = (recall - a->recall) / (b->recall - a->recall);
    return exp(log(a->qps) + share * (log(b->qps) - log(a->qps)));
}

double curve_qps(const struct curve *curve, double recall)
{
    const struct point *before = NULL;
    for (size_t i = 0; i < curve->count; i++) {
        const struct point *p = &curve->points[i];
        if (p->beaten)
            continue;
        if (p->recall >= recall)
            return before ? between(before, p, recall) : p->qps;
        before = p;
    }
    return 0;
}

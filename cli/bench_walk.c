/* bench_walk.c - recall against speed: the graph searched at every ef by every contender.
 *
 * A contender is one instruction set with one thread, or the best one with all threads. Passes
 * go in rounds, ef by ef and contender by contender, so that a slow minute of the machine falls on
 * all of them; a figure is the median over the rounds. Every pass of every contender asks the same
 * queries, so that curves differ by speed alone. Giving quick contenders more queries was tried:
 * their recall then differed in the third digit for no reason but the sample.
 */
#include "cli/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/heap.h"
#include "cli/pass.h"
#include "cli/pictures.h"
#include "cli/result.h"
#include "cli/terminal.h"

#define CONTENDERS_MOST 16
#define PILOT_QUERIES 64u
#define QUERIES_LEAST 100u
#define COST_POWER 0.8      /* a walk of twice the ef costs about 1.7 times as much */
#define PICTURE_RECALL 0.99 /* of the wider of the two walks that are shown as pictures */

struct spot {
    uint32_t ef;
    size_t passes;
    double seconds[PASSES_MOST];
    double *latency_us; /* passes * queries of the contender */
    uint64_t distances; /* of the first pass; walks are the same every time */
    struct recall recall;
};

struct contender {
    const char *isa;
    uint32_t threads;
    double query_seconds; /* the pilot's: one query at the middle ef */
    size_t enough;        /* spots in a row that found nearly everything */
    size_t spots;
    struct spot spot[U32_LIST_MOST];
};

struct walk {
    struct bench *bench;
    kith_index *graph;
    double deadline, started, budget;
    struct u32_list ef;
    size_t queries; /* of a pass */
    uint32_t *which;
    size_t count;
    struct contender contender[CONTENDERS_MOST];
    kith_hit *hits;
    struct progress progress;
};

static struct pass pass_of(const struct walk *walk, const struct contender *c, uint32_t ef)
{
    const struct bench *b = walk->bench;
    struct pass pass = {.index = walk->graph,
                        .cpu = c->isa,
                        .options = kith_search_defaults(b->wishes.k),
                        .threads = c->threads,
                        .queries = b->data.queries.data,
                        .query_bytes = b->data.queries.dim * kith_type_bytes(b->data.type),
                        .which = walk->which,
                        .count = walk->queries,
                        .hits = walk->hits};
    pass.options.ef = ef;
    return pass;
}

/* The default widths grow by the square root of 2, which puts about five of them between recall
 * 0.9 and 0.99. They start at k, below which a walk cannot answer. */
static void choose_ef(struct walk *walk)
{
    static const uint32_t widths[] = {10, 14, 20, 28, 40, 57, 80, 113, 160, 226, 320};
    const struct bench *b = walk->bench;
    walk->ef = b->wishes.ef;
    if (walk->ef.count)
        return;
    for (size_t i = 0; i < COUNT_OF(widths); i++) {
        double scaled = widths[i] * fmax(1, b->wishes.k / 10.0);
        walk->ef.item[walk->ef.count++] = (uint32_t)fmin(scaled, 1e6);
    }
}

static void add_contender(struct walk *walk, const char *isa, uint32_t threads)
{
    if (walk->count < CONTENDERS_MOST)
        walk->contender[walk->count++] = (struct contender){.isa = isa, .threads = threads};
}

static void choose_contenders(struct walk *walk)
{
    const char *isa, *best = "scalar";
    for (size_t i = 0; (isa = kith_cpu_level(i)); i++) {
        add_contender(walk, isa, 1);
        best = isa;
    }
    if (walk->bench->threads > 1)
        add_contender(walk, best, walk->bench->threads);
}

/* Leaves the contender out when it cannot search at all. The quicker of two tries counts: the
 * first may meet a cold cache or another process. */
static bool pilot(struct walk *walk, struct contender *c)
{
    struct sentence why;
    size_t all = walk->bench->data.queries.rows;
    struct pass pass = pass_of(walk, c, walk->ef.item[walk->ef.count / 2]);
    pass.count = all < PILOT_QUERIES ? all : PILOT_QUERIES;
    pass.latency_us = heap_alloc(pass.count, sizeof *pass.latency_us);
    bool done = true;
    for (int i = 0; i < 2 && done; i++) {
        done = pass_run(&pass, &why);
        double each = pass.seconds / (double)pass.count;
        c->query_seconds = i ? fmin(each, c->query_seconds) : each;
    }
    free(pass.latency_us);
    if (!done)
        bench_failed(walk->bench, "cpu", c->isa, why.text);
    return done;
}

/* Seconds that one query of the contender takes in a whole round, all widths together. */
static double round_cost(const struct walk *walk, const struct contender *c)
{
    double middle = walk->ef.item[walk->ef.count / 2], cost = 0;
    for (size_t i = 0; i < walk->ef.count; i++)
        cost += c->query_seconds * pow(walk->ef.item[i] / middle, COST_POWER);
    return cost;
}

/* As many queries as let every contender finish its rounds in time, the same for all. */
static void choose_queries(struct walk *walk)
{
    size_t all = walk->bench->data.queries.rows;
    double cost = 0;
    for (size_t i = 0; i < walk->count; i++)
        cost += round_cost(walk, &walk->contender[i]);
    double fits = fmax(walk->budget / PASSES_WANTED / cost, QUERIES_LEAST);
    walk->queries = fits < (double)all ? (size_t)fits : all;
    walk->which = bench_sample(walk->bench, walk->queries);
}

static bool prepare(struct walk *walk)
{
    size_t kept = 0;
    for (size_t i = 0; i < walk->count; i++)
        if (pilot(walk, &walk->contender[i]))
            walk->contender[kept++] = walk->contender[i];
    walk->count = kept;
    if (kept)
        choose_queries(walk);
    return kept > 0;
}

static bool out_of_time(const struct walk *walk)
{
    return interrupt_pending() || seconds_now() > walk->deadline;
}

static void show_progress(struct walk *walk)
{
    double done = seconds_now() - walk->started;
    progress_step(&walk->progress, (uint64_t)(1000 * fmin(done, walk->budget)),
                  (uint64_t)(1000 * walk->budget));
}

/* One pass of one contender at one spot. */
static bool measure(struct walk *walk, struct contender *c, struct spot *spot)
{
    struct sentence why;
    size_t old = spot->passes * walk->queries;
    double *latency = realloc(spot->latency_us, (old + walk->queries) * sizeof *latency);
    if (!latency)
        return false;
    spot->latency_us = latency;
    struct pass pass = pass_of(walk, c, spot->ef);
    pass.latency_us = latency + old;
    if (!pass_run(&pass, &why)) {
        bench_failed(walk->bench, "cpu", c->isa, why.text);
        return false;
    }
    if (spot->passes == 0) {
        spot->recall = judge_all(&walk->bench->judge, walk->which, walk->queries, walk->hits);
        spot->distances = pass.distances;
    }
    spot->seconds[spot->passes++] = pass.seconds;
    show_progress(walk);
    return true;
}

/* The first round also decides how far each curve goes. */
static void first_round(struct walk *walk)
{
    for (size_t e = 0; e < walk->ef.count; e++) {
        for (size_t i = 0; i < walk->count; i++) {
            struct contender *c = &walk->contender[i];
            if (c->enough >= 2 || (e > 0 && out_of_time(walk)) || interrupt_pending())
                continue;
            struct spot *spot = &c->spot[c->spots];
            spot->ef = walk->ef.item[e];
            if (!measure(walk, c, spot))
                continue;
            c->spots++;
            c->enough = spot->recall.strict >= RECALL_ENOUGH ? c->enough + 1 : 0;
        }
    }
}

static void later_round(struct walk *walk)
{
    for (size_t e = 0; e < walk->ef.count; e++) {
        for (size_t i = 0; i < walk->count; i++) {
            struct contender *c = &walk->contender[i];
            if (e < c->spots && !out_of_time(walk))
                measure(walk, c, &c->spot[e]);
        }
    }
}

/* Rounds that would not end in time are not begun, but three are tried as long as any is left. */
static void run_rounds(struct walk *walk)
{
    double begin = seconds_now(), longest = 0;
    first_round(walk);
    for (size_t round = 1; round < PASSES_MOST && !out_of_time(walk); round++) {
        longest = fmax(longest, seconds_now() - begin);
        begin = seconds_now();
        if (round >= PASSES_WANTED && begin + longest > walk->deadline)
            break;
        later_round(walk);
    }
}

static void record(const struct walk *walk, const struct contender *c, struct spot *spot)
{
    struct bench *b = walk->bench;
    kith_index_stats index = {.size = sizeof index};
    kith_index_stat(walk->graph, &index);
    struct measured run = {
        .device = "cpu",
        .isa = c->isa,
        .index = "hnsw",
        .codes = kith_type_name(b->data.type),
        .params = json_pack("{s:I, s:I, s:I}", "ef", (json_int_t)spot->ef, "queries",
                            (json_int_t)walk->queries, "passes", (json_int_t)spot->passes),
        .threads = c->threads,
        .batch = 1,
        .k = b->wishes.k,
        .recall = spot->recall.strict,
        .recall_annb = spot->recall.annb,
        .seconds = spot->seconds,
        .passes = spot->passes,
        .queries = walk->queries,
        .latency_us = spot->latency_us,
        .calls = spot->passes * walk->queries,
        .distances_per_query = (double)spot->distances / (double)walk->queries,
        .bytes_per_vector = (double)(b->store_bytes + index.bytes) / (double)b->data.base.rows};
    result_run(b->result, &run);
    b->best_recall = fmax(b->best_recall, run.recall);
}

/* Asks once more at the narrowest width and at the first that finds nearly everything. */
static void take_pictures(struct walk *walk)
{
    struct bench *b = walk->bench;
    struct contender *c = &walk->contender[walk->count - 1];
    struct sentence why;
    size_t high = 0;
    while (high + 1 < c->spots && c->spot[high].recall.strict < PICTURE_RECALL)
        high++;
    if (!b->data.picture_width || high == 0 || interrupt_pending())
        return;
    struct pass low_pass = pass_of(walk, c, c->spot[0].ef);
    struct pass high_pass = pass_of(walk, c, c->spot[high].ef);
    low_pass.hits = heap_alloc(walk->queries * b->wishes.k, sizeof *low_pass.hits);
    low_pass.latency_us = high_pass.latency_us = heap_alloc(walk->queries, sizeof(double));
    if (pass_run(&low_pass, &why) && pass_run(&high_pass, &why))
        pictures_choose(b->result, &b->data, b->truth, b->wishes.k, walk->which, walk->queries,
                        (struct picture_hits){c->spot[0].ef, low_pass.hits},
                        (struct picture_hits){c->spot[high].ef, high_pass.hits});
    free(low_pass.latency_us);
    free(low_pass.hits);
}

static void finish(struct walk *walk)
{
    if (walk->count)
        take_pictures(walk);
    for (size_t i = 0; i < walk->count; i++) {
        struct contender *c = &walk->contender[i];
        for (size_t s = 0; s < c->spots; s++)
            record(walk, c, &c->spot[s]);
        for (size_t s = 0; s < U32_LIST_MOST; s++)
            free(c->spot[s].latency_us);
    }
    free(walk->which);
}

void bench_walk(struct bench *bench, kith_index *graph, double seconds)
{
    struct walk *walk = heap_alloc(1, sizeof *walk);
    walk->bench = bench;
    walk->graph = graph;
    walk->budget = seconds;
    walk->hits = heap_alloc(bench->data.queries.rows * bench->wishes.k, sizeof *walk->hits);
    choose_ef(walk);
    choose_contenders(walk);
    progress_begin(&walk->progress, "searching the graph");
    walk->started = seconds_now();
    walk->deadline = walk->started + seconds;
    if (prepare(walk))
        run_rounds(walk);
    progress_end(&walk->progress);
    finish(walk);
    free(walk->hits);
    free(walk);
}

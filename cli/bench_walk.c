/* bench_walk.c - recall against speed: the graph searched at every ef by every contender.
 *
 * A contender is one instruction set with one thread, or the best one with all threads. Passes
 * go in rounds, ef by ef and contender by contender, so that a slow minute of the machine falls on
 * all of them; a figure is the median over the rounds. Every pass of every contender asks the same
 * queries, an even sample of all that is as large as the time allows.
 *
 * Recall is of all queries and comes from survey.c. Where distances are integers, every instruction
 * set must find the same bits: the best one's recall is then everybody's, and each answer of a
 * timed first pass is compared with the survey's; a difference makes the bench fail. Where
 * distances are rounded, each instruction set is surveyed by itself.
 */
#include "cli/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/heap.h"
#include "cli/pass.h"
#include "cli/pictures.h"
#include "cli/result.h"
#include "cli/survey.h"

#define CONTENDERS_MOST 16
#define PILOT_QUERIES 256u
#define PASSES_AIMED 5 /* the sample's size: a pilot is quicker than what it promises */
#define QUERIES_LEAST 100u
#define SURVEY_SHARE 0.25   /* of the time, until widths are no longer added */
#define JUDGING_SHARE 0.5   /* of the time, until recall is of all queries on every level */
#define PICTURE_RECALL 0.99 /* of the wider of the two walks that are shown as pictures */

struct spot {
    const struct width *width;
    size_t passes;
    double seconds[PASSES_MOST];
    double *latency_us; /* passes * queries of the walk */
    struct recall recall;
    size_t judged;    /* queries that the recall is of */
    double distances; /* per query, of those that were judged */
};

struct contender {
    const char *isa;
    uint32_t threads;
    double query_seconds; /* the pilot's: one query at the narrowest ef */
    size_t compared;      /* answers held against the survey's */
    size_t differences;
    size_t first_query; /* of the first difference, with its ef */
    uint32_t first_ef;
    struct spot spot[U32_LIST_MOST]; /* one for each width, in its order */
};

struct walk {
    struct bench *bench;
    struct survey survey;
    double started, budget, deadline;
    size_t queries; /* of a pass */
    uint32_t *which;
    size_t count;
    struct contender contender[CONTENDERS_MOST];
    kith_hit *hits;
    struct progress progress;
};

static struct pass pass_of(const struct walk *walk, const struct contender *c, uint32_t ef)
{
    struct pass pass = survey_pass(&walk->survey, c->isa, c->threads, ef);
    pass.which = walk->which;
    pass.count = walk->queries;
    pass.hits = walk->hits;
    return pass;
}

static const char *best_isa(const struct walk *walk)
{
    const char *isa, *best = "scalar";
    for (size_t i = 0; (isa = kith_cpu_level(i)); i++)
        best = bench_level_adds(walk->bench, isa, false) ? isa : best;
    return best;
}

static void add_contender(struct walk *walk, const char *isa, uint32_t threads)
{
    if (walk->count < CONTENDERS_MOST)
        walk->contender[walk->count++] = (struct contender){.isa = isa, .threads = threads};
}

static void choose_contenders(struct walk *walk)
{
    const char *isa;
    for (size_t i = 0; (isa = kith_cpu_level(i)); i++)
        if (bench_level_adds(walk->bench, isa, false))
            add_contender(walk, isa, 1);
    if (walk->bench->threads > 1)
        add_contender(walk, best_isa(walk), walk->bench->threads);
}

/* Leaves the contender out when it cannot search at all. The queries are those of an even sample:
 * the same few again and again would find their rows in the cache. */
static bool pilot(struct walk *walk, struct contender *c)
{
    struct sentence why;
    size_t all = walk->bench->data.queries.rows;
    struct pass pass = pass_of(walk, c, walk->survey.width[0].ef);
    pass.count = all < PILOT_QUERIES ? all : PILOT_QUERIES;
    uint32_t *which = bench_sample(walk->bench, pass.count);
    pass.which = which;
    pass.latency_us = heap_alloc(pass.count, sizeof *pass.latency_us);
    bool done = pass_run(&pass, &why);
    c->query_seconds = pass.seconds / (double)pass.count;
    free(pass.latency_us);
    free(which);
    if (!done)
        bench_failed(walk->bench, "cpu", c->isa, why.text);
    return done;
}

/* Seconds that a query of the contender takes at this width: time goes with the distances. */
static double query_cost(const struct walk *walk, const struct contender *c, size_t width)
{
    const struct width *w = walk->survey.width;
    return c->query_seconds * w[width].distances / fmax(w[0].distances, 1);
}

/* As many queries as let every contender finish its rounds in time, the same for all. */
static void choose_queries(struct walk *walk)
{
    size_t all = walk->bench->data.queries.rows;
    double cost = 0, left = fmax(walk->deadline - seconds_now(), 0);
    for (size_t i = 0; i < walk->count; i++)
        for (size_t w = 0; w < walk->survey.count; w++)
            cost += query_cost(walk, &walk->contender[i], w);
    double fits = fmax(left / PASSES_AIMED / cost, QUERIES_LEAST);
    walk->queries = fits < (double)all ? (size_t)fits : all;
    walk->which = bench_sample(walk->bench, walk->queries);
}

/* Recall is the survey's until a contender has one of its own. */
static void place_spots(struct walk *walk, struct contender *c)
{
    for (size_t w = 0; w < walk->survey.count; w++) {
        const struct width *width = &walk->survey.width[w];
        c->spot[w] = (struct spot){.width = width,
                                   .recall = width->recall,
                                   .judged = walk->bench->data.queries.rows,
                                   .distances = width->distances};
    }
}

static void prepare(struct walk *walk)
{
    size_t kept = 0;
    for (size_t i = 0; i < walk->count && !interrupt_pending(); i++)
        if (pilot(walk, &walk->contender[i]))
            walk->contender[kept++] = walk->contender[i];
    walk->count = kept;
    for (size_t i = 0; i < kept; i++)
        place_spots(walk, &walk->contender[i]);
    if (kept)
        choose_queries(walk);
}

/* ---- what a first pass found --------------------------------------------------------------- */

static void compare(const struct walk *walk, struct contender *c, const struct spot *spot)
{
    uint32_t k = walk->bench->wishes.k;
    for (size_t i = 0; i < walk->queries; i++) {
        uint64_t found = survey_fingerprint(walk->hits + i * k, k);
        if (found != spot->width->answers[walk->which[i]] && c->differences++ == 0) {
            c->first_query = walk->which[i];
            c->first_ef = spot->width->ef;
        }
    }
    c->compared += walk->queries;
}

/* The contender's own recall: of all queries while there is time, else of those just asked. */
static void judge(const struct walk *walk, const struct contender *c, struct spot *spot,
                  const struct pass *pass)
{
    const struct survey *survey = &walk->survey;
    struct sentence why;
    struct width own;
    if (!strcmp(c->isa, survey->isa))
        return;
    double late = walk->started + JUDGING_SHARE * walk->budget;
    if (seconds_now() < late && survey_width(survey, c->isa, spot->width->ef, &own, &why)) {
        spot->recall = own.recall;
        spot->distances = own.distances;
        free(own.latency_us);
        free(own.answers);
        return;
    }
    spot->recall = judge_all(&walk->bench->judge, pass->which, pass->count, pass->hits);
    spot->distances = (double)pass->distances / (double)pass->count;
    spot->judged = pass->count;
}

/* One pass of one contender at one spot. */
static void measure(struct walk *walk, struct contender *c, struct spot *spot)
{
    struct sentence why;
    size_t old = spot->passes * walk->queries;
    double *latency = realloc(spot->latency_us, (old + walk->queries) * sizeof *latency);
    if (!latency)
        return;
    spot->latency_us = latency;
    struct pass pass = pass_of(walk, c, spot->width->ef);
    pass.latency_us = latency + old;
    if (!pass_run(&pass, &why)) {
        bench_failed(walk->bench, "cpu", c->isa, why.text);
        return;
    }
    if (spot->passes == 0 && bench_in_integers(walk->bench))
        compare(walk, c, spot);
    else if (spot->passes == 0)
        judge(walk, c, spot, &pass);
    spot->seconds[spot->passes++] = pass.seconds;
    bench_progress(&walk->progress, walk->budget);
}

static void run_round(struct walk *walk)
{
    for (size_t w = 0; w < walk->survey.count; w++)
        for (size_t i = 0; i < walk->count; i++)
            if (!interrupt_pending())
                measure(walk, &walk->contender[i], &walk->contender[i].spot[w]);
}

/* Three rounds in any case, since a median of less says little; more as long as they fit. */
static void run_rounds(struct walk *walk)
{
    double longest = 0;
    for (size_t round = 0; round < PASSES_MOST && !interrupt_pending(); round++) {
        double begin = seconds_now();
        if (round >= PASSES_WANTED && begin + longest > walk->deadline)
            break;
        run_round(walk);
        longest = fmax(longest, seconds_now() - begin);
    }
}

/* ---- the result ---------------------------------------------------------------------------- */

static void record(const struct walk *walk, const struct contender *c, const struct spot *spot,
                   size_t queries)
{
    struct bench *b = walk->bench;
    kith_index_stats index = {.size = sizeof index};
    kith_index_stat(walk->survey.graph, &index);
    struct measured run = {
        .device = "cpu",
        .isa = c->isa,
        .index = "hnsw",
        .codes = b->walked,
        .params = json_pack("{s:I, s:f, s:f, s:I, s:I, s:I}", "ef", (json_int_t)spot->width->ef,
                            "rerank", b->wishes.rerank, "slack", b->wishes.slack, "queries",
                            (json_int_t)queries, "passes", (json_int_t)spot->passes,
                            "recall_queries", (json_int_t)spot->judged),
        .threads = c->threads,
        .batch = 1,
        .k = b->wishes.k,
        .recall = spot->recall.strict,
        .recall_annb = spot->recall.annb,
        .seconds = spot->seconds,
        .passes = spot->passes,
        .queries = queries,
        .latency_us = spot->latency_us,
        .calls = spot->passes * queries,
        .distances_per_query = spot->distances,
        .bytes_per_vector = (double)(b->store_bytes + index.bytes) / (double)b->data.base.rows};
    result_run(b->result, &run);
    b->best_recall = fmax(b->best_recall, run.recall);
}

static json_t *first_difference(const struct contender *c)
{
    return c->differences ? json_pack("{s:I, s:I}", "query", (json_int_t)c->first_query, "ef",
                                      (json_int_t)c->first_ef)
                          : json_null();
}

static void record_agreement(const struct walk *walk, const struct contender *c)
{
    struct bench *b = walk->bench;
    b->differences += c->differences > 0;
    result_append(b->result, "agreement",
                  json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:b, s:I, s:o}", "device", "cpu",
                            "isa", c->isa, "index", "hnsw", "threads", (json_int_t)c->threads,
                            "queries", (json_int_t)c->compared, "k", (json_int_t)b->wishes.k,
                            "compared_with", walk->survey.isa, "equal", c->differences == 0,
                            "differences", (json_int_t)c->differences, "first",
                            first_difference(c)));
}

/* Asks all queries once more at the narrowest width and at the first that finds nearly all. */
static void take_pictures(const struct walk *walk)
{
    struct bench *b = walk->bench;
    const struct width *w = walk->survey.width;
    struct sentence why;
    size_t high = 0, all = b->data.queries.rows;
    while (high + 1 < walk->survey.count && w[high].recall.strict < PICTURE_RECALL)
        high++;
    if (!pictures_wanted(&b->data, b->wishes.k) || high == 0 || interrupt_pending())
        return;
    struct pass pass[2];
    for (int i = 0; i < 2; i++) {
        pass[i] = survey_pass(&walk->survey, walk->survey.isa, b->threads, w[i ? high : 0].ef);
        pass[i].hits = heap_alloc(all * b->wishes.k, sizeof *pass[i].hits);
        pass[i].latency_us = heap_alloc(all, sizeof *pass[i].latency_us);
    }
    if (pass_run(&pass[0], &why) && pass_run(&pass[1], &why))
        pictures_choose(b->result, &b->data, b->truth, b->wishes.k, all,
                        (struct picture_hits){w[0].ef, pass[0].hits},
                        (struct picture_hits){w[high].ef, pass[1].hits});
    for (int i = 0; i < 2; i++) {
        free(pass[i].hits);
        free(pass[i].latency_us);
    }
}

/* ^C came before anything was timed: the survey's own passes were timed as well, once each. */
static void record_survey(const struct walk *walk)
{
    const struct contender c = {.isa = walk->survey.isa, .threads = walk->bench->threads};
    size_t all = walk->bench->data.queries.rows;
    for (size_t w = 0; w < walk->survey.count; w++) {
        const struct width *width = &walk->survey.width[w];
        struct spot spot = {.width = width,
                            .passes = 1,
                            .seconds = {width->seconds},
                            .latency_us = width->latency_us,
                            .recall = width->recall,
                            .judged = all,
                            .distances = width->distances};
        record(walk, &c, &spot, all);
    }
}

static void finish(struct walk *walk)
{
    bool timed = false;
    for (size_t i = 0; i < walk->count; i++) {
        struct contender *c = &walk->contender[i];
        for (size_t s = 0; s < walk->survey.count; s++) {
            if (c->spot[s].passes)
                record(walk, c, &c->spot[s], walk->queries);
            timed = timed || c->spot[s].passes;
            free(c->spot[s].latency_us);
        }
        if (c->compared)
            record_agreement(walk, c);
    }
    if (!timed && interrupt_pending())
        record_survey(walk);
}

void bench_walk(struct bench *bench, kith_index *graph, double seconds)
{
    struct walk *walk = heap_alloc(1, sizeof *walk);
    struct sentence why;
    walk->bench = bench;
    walk->budget = seconds;
    walk->hits = heap_alloc(bench->data.queries.rows * bench->wishes.k, sizeof *walk->hits);
    progress_begin(&walk->progress, "searching the graph");
    walk->started = seconds_now();
    walk->deadline = walk->started + seconds;
    walk->survey = (struct survey){.bench = bench,
                                   .graph = graph,
                                   .isa = best_isa(walk),
                                   .deadline = walk->started + SURVEY_SHARE * seconds,
                                   .progress = &walk->progress,
                                   .budget = seconds};
    choose_contenders(walk);
    if (survey_run(&walk->survey, &why)) {
        prepare(walk);
        run_rounds(walk);
        take_pictures(walk);
    } else {
        bench_failed(bench, "cpu", walk->survey.isa, why.text);
        walk->count = 0;
    }
    progress_end(&walk->progress);
    finish(walk);
    survey_free(&walk->survey);
    free(walk->hits);
    free(walk->which);
    free(walk);
}

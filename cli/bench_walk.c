/* bench_walk.c - recall against speed: the graph searched at every ef by every contender.
 *
 * A contender is one instruction set with one thread, or the best one with all threads, or with one
 * thread and all queries in one call, whose walks then take turns while they wait for memory.
 * Passes go in rounds, ef by ef and contender by contender, so that a slow minute of the machine
 * falls on all of them; a figure is the median over the rounds. Every pass of every contender asks
 * the same queries, an even sample of all that is as large as the time allows.
 *
 * Recall is of all queries and comes from survey.c. Where distances are integers, every instruction
 * set must find the same bits: the best one's recall is then everybody's, and each answer of a
 * timed first pass is compared with the survey's; a difference makes the bench fail. Where
 * distances are rounded, each instruction set is surveyed by itself.
 */
#include "cli/bench_walk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/heap.h"
#include "cli/pass.h"

#define PILOT_QUERIES 256u
#define PASSES_AIMED 5 /* the sample's size: a pilot is quicker than what it promises */
#define QUERIES_LEAST 100u
#define SURVEY_SHARE 0.25 /* of the time, until widths are no longer added */
#define JUDGING_SHARE 0.5 /* of the time, until recall is of all queries on every level */

static struct pass pass_of(const struct walk *walk, const struct contender *c, uint32_t ef)
{
    struct pass pass = survey_pass(&walk->survey, c->isa, c->threads, ef);
    pass.which = walk->which;
    pass.count = walk->queries;
    pass.hits = walk->hits;
    pass.together = c->together;
    return pass;
}

static const char *best_isa(const struct walk *walk)
{
    const char *isa, *best = "scalar";
    for (size_t i = 0; (isa = kith_cpu_level(i)); i++)
        best = bench_level_adds(walk->bench, isa, false) ? isa : best;
    return best;
}

static void add_contender(struct walk *walk, const char *isa, uint32_t threads, bool together)
{
    if (walk->count < CONTENDERS_MOST)
        walk->contender[walk->count++] =
            (struct contender){.isa = isa, .threads = threads, .together = together};
}

static void choose_contenders(struct walk *walk)
{
    const char *isa;
    for (size_t i = 0; (isa = kith_cpu_level(i)); i++)
        if (bench_level_adds(walk->bench, isa, false))
            add_contender(walk, isa, 1, false);
    add_contender(walk, best_isa(walk), 1, true);
    if (walk->bench->threads > 1)
        add_contender(walk, best_isa(walk), walk->bench->threads, false);
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
    const size_t calls = walk_calls(walk, c), old = spot->passes * calls;
    double *latency = realloc(spot->latency_us, (old + calls) * sizeof *latency);
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
        bench->widths = survey_widths(&walk->survey);
        prepare(walk);
        run_rounds(walk);
        walk_take_pictures(walk);
    } else {
        bench_failed(bench, "cpu", walk->survey.isa, why.text);
        walk->count = 0;
    }
    progress_end(&walk->progress);
    walk_record(walk);
    survey_free(&walk->survey);
    free(walk->hits);
    free(walk->which);
    free(walk);
}

/* tune_choose.c - the settings that reach a recall, and the quickest of them.
 *
 * How much is ranked again and whether the walk ends early by distance are a handful of kinds; in
 * each, recall grows with one number (ef, or slack), whose least sufficient value bisection finds.
 * The kinds are then timed against each other in rounds, and what is no default has to be quicker
 * by more than the machine's unsteadiness.
 *
 * A choice that only just reaches the recall on one half of the queries would miss it on the other
 * half of the time; so it has to be reached by two standard errors more, which leaves
 * one miss in a dozen.
 */
#include "cli/tune.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/heap.h"
#include "cli/pass.h"
#include "cli/result.h"
#include "cli/survey.h"

#define SURE 2       /* standard errors */
#define QUICKER 0.98 /* of the time: what departs from a default has to save more than that */
#define WIDER 4u     /* ef of a walk that ends by distance, in those of one that does not */
#define SLACK_STEPS 1000u
#define WIDEST_IN_K 64u /* ef beyond that many k costs more than a graph of more links */
#define WIDEST_AT_LEAST 1024u

/* ---- one pass ------------------------------------------------------------------------------ */

static void half_open(struct half *half, const struct bench *b, size_t first)
{
    half->count = (b->data.queries.rows + 1 - first) / 2;
    half->which = heap_alloc(half->count, sizeof *half->which);
    half->hits = heap_alloc(half->count * b->wishes.k, sizeof *half->hits);
    half->latency_us = heap_alloc(half->count * TUNE_ROUNDS, sizeof *half->latency_us);
    for (size_t i = 0; i < half->count; i++)
        half->which[i] = (uint32_t)(2 * i + first);
}

static void half_close(struct half *half)
{
    free(half->which);
    free(half->hits);
    free(half->latency_us);
}

void tune_open_halves(struct tune *tune)
{
    half_open(&tune->chooses, &tune->bench, 0);
    half_open(&tune->reports, &tune->bench, 1);
}

void tune_close_halves(struct tune *tune)
{
    half_close(&tune->chooses);
    half_close(&tune->reports);
}

/* Asks the queries of a half; their latencies go behind those of earlier rounds. */
static bool ask(const struct tune *t, const struct half *half, const kith_search_options *options,
                uint32_t threads, int round, struct pass *pass)
{
    struct sentence why;
    const struct survey survey = {.bench = &t->bench, .graph = t->graph};
    *pass = survey_pass(&survey, NULL, threads, options->ef);
    pass->options = *options;
    pass->which = half->which;
    pass->count = half->count;
    pass->hits = half->hits;
    pass->latency_us = half->latency_us + (size_t)round * half->count;
    pass->options.f32_queries = t->bench.f32_queries;
    if (pass_run(pass, &why)) {
        for (size_t i = 0; i < half->count * options->k && t->by_row; i++)
            half->hits[i].key = half->hits[i].row;
        return true;
    }
    terminal_fail(TOOL_FAILED, "%s", why.text);
    return false;
}

/* Mean recall of the first half, less its standard error twice. */
static double sure_recall(const struct tune *t)
{
    const struct half *half = &t->chooses;
    const double n = (double)half->count;
    const uint32_t k = t->bench.wishes.k;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < half->count; i++) {
        uint32_t strict, annb;
        judge_query(&t->bench.judge, half->which[i], half->hits + i * k, &strict, &annb);
        const double recall = (double)strict / k;
        sum += recall;
        squares += recall * recall;
    }
    const double mean = sum / n;
    return mean - SURE * sqrt(fmax(squares / n - mean * mean, 0) / n);
}

/* ---- the least that reaches the recall ----------------------------------------------------- */

static void set_ef(kith_search_options *options, uint32_t value)
{
    options->ef = value;
}

static void set_slack(kith_search_options *options, uint32_t value)
{
    options->slack = (float)value / SLACK_STEPS;
}

/* Says in *reached whether this setting has recall enough. False when it cannot be searched. */
static bool try_one(struct tune *t, struct kind *kind, bool *reached)
{
    struct pass pass;
    if (interrupt_pending() || !ask(t, &t->chooses, &kind->options, t->bench.threads, 0, &pass))
        return false;
    kind->recall = sure_recall(t);
    t->best = fmax(t->best, kind->recall);
    *reached = kind->recall >= t->wanted;
    return true;
}

/* The least value of first..last that reaches the recall: doubled from `first` until one does, and
 * between that and the one before it halved. *reached is false when `last` does not either. */
static bool bisect(struct tune *t, struct kind *kind, void (*set)(kith_search_options *, uint32_t),
                   uint32_t first, uint32_t last, bool *reached)
{
    uint32_t low = first, high = first; /* below `low` none is known to reach it */
    for (;; high = high < last / 2 ? high * 2 : last) {
        set(&kind->options, high);
        if (!try_one(t, kind, reached))
            return false;
        if (*reached || high == last)
            break;
        low = high + 1;
    }
    if (!*reached)
        return true;
    while (low < high) {
        bool enough;
        const uint32_t middle = low + (high - low) / 2;
        set(&kind->options, middle);
        if (!try_one(t, kind, &enough))
            return false;
        if (enough)
            high = middle;
        else
            low = middle + 1;
    }
    set(&kind->options, high);
    return true;
}

static uint32_t smaller(uint64_t a, uint64_t b)
{
    return (uint32_t)(a < b ? a : b);
}

static uint32_t widest(const struct bench *b)
{
    const uint32_t k = b->wishes.k, wide = smaller((uint64_t)k * WIDEST_IN_K, EF_MOST);
    const uint32_t most =
        smaller(wide > WIDEST_AT_LEAST ? wide : WIDEST_AT_LEAST, b->data.base.rows);
    return most > k ? most : k;
}

/* The walk of this rerank that only ef ends, and the one that distance ends too. */
static bool find_kinds(struct tune *t, float rerank)
{
    const struct bench *b = &t->bench;
    struct kind kind = {.options = kith_search_defaults(b->wishes.k)};
    bool reached;
    kind.options.rerank = rerank;
    if (!bisect(t, &kind, set_ef, b->wishes.k, widest(b), &reached))
        return false;
    if (!reached)
        return true;
    t->kinds[t->count++] = kind;
    if (b->data.metric == KITH_IP) /* where slack has no effect */
        return true;
    kind.options.ef = smaller((uint64_t)kind.options.ef * WIDER, EF_MOST);
    if (!bisect(t, &kind, set_slack, 1, SLACK_STEPS, &reached))
        return false;
    if (reached)
        t->kinds[t->count++] = kind;
    return true;
}

bool tune_find(struct tune *t)
{
    static const float reranks[] = {0, 1.5f, 2, 4, 8};
    const bool coded = strcmp(t->bench.walked, kith_type_name(t->bench.data.type)) != 0;
    const size_t count = coded ? COUNT_OF(reranks) : 1;
    struct progress progress;
    bool done = true;
    progress_begin(&progress, "searching for settings");
    for (size_t i = 0; i < count && done; i++) {
        done = find_kinds(t, reranks[i]);
        progress_step(&progress, i + 1, count);
    }
    progress_end(&progress);
    return done;
}

/* ---- the quickest -------------------------------------------------------------------------- */

/* Times every kind in turn, round by round, and puts the quickest first. */
static bool race(struct tune *t)
{
    struct pass pass;
    size_t best = 0;
    for (int round = 0; round < TUNE_ROUNDS; round++)
        for (size_t i = 0; i < t->count; i++) {
            if (interrupt_pending() || !ask(t, &t->chooses, &t->kinds[i].options, 1, 0, &pass))
                return false;
            t->kinds[i].seconds[round] = pass.seconds;
        }
    for (size_t i = 1; i < t->count; i++) {
        const double least = result_median(t->kinds[best].seconds, TUNE_ROUNDS);
        if (result_median(t->kinds[i].seconds, TUNE_ROUNDS) < QUICKER * least)
            best = i;
    }
    t->kinds[0] = t->kinds[best];
    return true;
}

/* Which kind, and then how many lines of a row are fetched ahead: that changes no answer. */
bool tune_choose(struct tune *t)
{
    static const uint32_t lines[] = {0, 2, 4, 16, 64};
    terminal_note("timing %zu settings that reach %g", t->count, t->wanted);
    if (!race(t))
        return false;
    for (t->count = 1; t->count <= COUNT_OF(lines); t->count++) {
        t->kinds[t->count] = t->kinds[0];
        t->kinds[t->count].options.prefetch_lines = lines[t->count - 1];
    }
    return race(t);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

bool tune_measure(const struct tune *t, struct promise *out)
{
    const struct half *half = &t->reports;
    const size_t all = half->count * TUNE_ROUNDS;
    struct pass pass;
    double seconds[TUNE_ROUNDS];
    for (int round = 0; round < TUNE_ROUNDS; round++) {
        if (interrupt_pending() || !ask(t, half, &t->kinds[0].options, 1, round, &pass))
            return false;
        seconds[round] = pass.seconds;
    }
    qsort(half->latency_us, all, sizeof *half->latency_us, ascending);
    *out =
        (struct promise){.recall = judge_all(&t->bench.judge, half->which, half->count, half->hits),
                         .seconds = result_median(seconds, TUNE_ROUNDS) / (double)half->count,
                         .p50_us = half->latency_us[all / 2],
                         .p99_us = half->latency_us[all - 1 - all / 100],
                         .distances = (double)pass.distances / (double)half->count};
    return true;
}

/* survey.c - finds the widths that draw the curve, with as few passes as that takes.
 *
 * A fixed list of widths was tried: on easy data most of its points lay beyond recall 0.999, on
 * hard data below 0.9. Now ef doubles from k until nearly everything is found; then the gap in
 * recall that looks widest on the chart is halved, at the geometric mean of its two widths, until
 * there are enough points between recall 0.9 and 0.999.
 */
#include "cli/survey.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/heap.h"
#include "cli/pass.h"

#define WIDTHS_WANTED 11u
#define DOUBLINGS_MOST 6    /* from k; data that is harder than that has --ef */
#define RECALL_LEAST 0.9    /* one point below it is kept, so that 0.9 lies on the curve */
#define RECALL_ENOUGH 0.999 /* one point beyond it likewise */
#define GAP_LEAST 0.01      /* of stretched recall; narrower gaps are a pixel or two */
#define HASH_PRIME 0x9e3779b97f4a7c15u

struct pass survey_pass(const struct survey *survey, const char *isa, uint32_t threads, uint32_t ef)
{
    const struct bench *b = survey->bench;
    struct pass pass = {.index = survey->graph,
                        .cpu = isa,
                        .options = kith_search_defaults(b->wishes.k),
                        .threads = threads,
                        .queries = b->data.queries.data,
                        .query_bytes = element_bytes(b->data.queries.element) * b->data.queries.dim,
                        .count = b->data.queries.rows};
    pass.options.ef = ef;
    pass.options.rerank = (float)b->wishes.rerank;
    pass.options.slack = (float)b->wishes.slack;
    return pass;
}

uint64_t survey_fingerprint(const kith_hit *hits, uint32_t k)
{
    uint64_t hash = k;
    for (uint32_t i = 0; i < k; i++) {
        uint32_t bits;
        memcpy(&bits, &hits[i].distance, sizeof bits);
        hash = (hash ^ ((uint64_t)hits[i].row << 32 | bits)) * HASH_PRIME;
        hash ^= hash >> 29;
    }
    return hash;
}

bool survey_width(const struct survey *survey, const char *isa, uint32_t ef, struct width *out,
                  struct sentence *why)
{
    const struct bench *b = survey->bench;
    uint32_t k = b->wishes.k;
    struct pass pass = survey_pass(survey, isa, b->threads, ef);
    struct width width = {.ef = ef};
    pass.hits = heap_alloc(pass.count * k, sizeof *pass.hits);
    pass.latency_us = width.latency_us = heap_alloc(pass.count, sizeof *width.latency_us);
    width.answers = heap_alloc(pass.count, sizeof *width.answers);
    bool done = pass_run(&pass, why);
    if (done) {
        for (size_t i = 0; i < pass.count; i++)
            width.answers[i] = survey_fingerprint(pass.hits + i * k, k);
        width.recall = judge_all(&b->judge, NULL, pass.count, pass.hits);
        width.distances = (double)pass.distances / (double)pass.count;
        width.seconds = pass.seconds;
        *out = width;
    } else {
        free(width.latency_us);
        free(width.answers);
    }
    free(pass.hits);
    return done;
}

/* Puts the width at `ef` into its place. */
static bool add(struct survey *s, uint32_t ef, struct sentence *why)
{
    struct width width;
    size_t at = s->count;
    if (!survey_width(s, s->isa, ef, &width, why))
        return false;
    for (; at > 0 && s->width[at - 1].ef > ef; at--)
        s->width[at] = s->width[at - 1];
    s->width[at] = width;
    s->count++;
    bench_progress(s->progress, s->budget);
    return true;
}

static bool is_over(const struct survey *s)
{
    return s->count > 0 && (interrupt_pending() || seconds_now() > s->deadline);
}

static void drop(struct survey *s, size_t at)
{
    free(s->width[at].latency_us);
    free(s->width[at].answers);
    s->count--;
    memmove(&s->width[at], &s->width[at + 1], (s->count - at) * sizeof *s->width);
}

static bool as_wished(struct survey *s, struct sentence *why)
{
    const struct u32_list *list = &s->bench->wishes.ef;
    for (size_t i = 0; i < list->count && !is_over(s); i++) {
        bool known = false;
        for (size_t j = 0; j < s->count; j++)
            known = known || s->width[j].ef == list->item[i];
        if (!known && !add(s, list->item[i], why))
            return false;
    }
    return true;
}

static bool doubling(struct survey *s, struct sentence *why)
{
    uint32_t k = s->bench->wishes.k, last = 0;
    for (int i = 0; i <= DOUBLINGS_MOST && !is_over(s); i++) {
        uint32_t ef = k << i < EF_MOST ? k << i : EF_MOST;
        if (ef == last)
            break;
        if (!add(s, ef, why))
            return false;
        last = ef;
        if (s->width[s->count - 1].recall.strict >= RECALL_ENOUGH)
            break;
    }
    return true;
}

/* 0.9 at 1, 0.99 at 2, 0.999 at 3, and nothing of interest beyond either end. */
static double stretched(double recall)
{
    return -log10(1 - fmin(fmax(recall, RECALL_LEAST), RECALL_ENOUGH));
}

/* The ef that halves the widest gap; 0 when no gap is worth it. */
static uint32_t halving(const struct survey *s)
{
    uint32_t best = 0;
    double widest = GAP_LEAST;
    for (size_t i = 0; i + 1 < s->count; i++) {
        const struct width *a = &s->width[i], *b = &s->width[i + 1];
        double gap = stretched(b->recall.strict) - stretched(a->recall.strict);
        uint32_t middle = (uint32_t)lround(sqrt((double)a->ef * b->ef));
        if (gap > widest && middle > a->ef && middle < b->ef) {
            widest = gap;
            best = middle;
        }
    }
    return best;
}

/* Beyond 0.999 and below 0.9 one point each is enough, the nearest. */
static void drop_needless(struct survey *s)
{
    while (s->count > 1 && s->width[1].recall.strict <= RECALL_LEAST)
        drop(s, 0);
    while (s->count > 1 && s->width[s->count - 2].recall.strict >= RECALL_ENOUGH)
        drop(s, s->count - 1);
}

bool survey_run(struct survey *survey, struct sentence *why)
{
    if (survey->bench->wishes.ef.count)
        return as_wished(survey, why);
    if (!doubling(survey, why))
        return false;
    drop_needless(survey);
    uint32_t ef;
    while (survey->count < WIDTHS_WANTED && !is_over(survey) && (ef = halving(survey)))
        if (!add(survey, ef, why))
            return false;
    drop_needless(survey);
    return true;
}

struct u32_list survey_widths(const struct survey *survey)
{
    struct u32_list list = {.count = survey->count};
    for (size_t i = 0; i < survey->count; i++)
        list.item[i] = survey->width[i].ef;
    return list;
}

void survey_free(struct survey *survey)
{
    while (survey->count)
        drop(survey, survey->count - 1);
}

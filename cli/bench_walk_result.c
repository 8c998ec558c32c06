/* bench_walk_result.c - what the walk's bench found, as JSON; and two walks of it as pictures.
 *
 * May touch bench_walk.h. A contender that asks all queries in one call has a latency of that call
 * alone.
 */
#include "cli/bench_walk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/heap.h"
#include "cli/pass.h"
#include "cli/pictures.h"
#include "cli/result.h"

#define PICTURE_RECALL 0.99 /* of the wider of the two walks that are shown as pictures */

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
        .codes = b->own,
        .params = json_pack("{s:I, s:f, s:f, s:I, s:I, s:I}", "ef", (json_int_t)spot->width->ef,
                            "rerank", b->wishes.rerank, "slack", b->wishes.slack, "queries",
                            (json_int_t)queries, "passes", (json_int_t)spot->passes,
                            "recall_queries", (json_int_t)spot->judged),
        .threads = c->threads,
        .batch = c->together ? (uint32_t)queries : 1,
        .k = b->wishes.k,
        .recall = spot->recall.strict,
        .recall_annb = spot->recall.annb,
        .seconds = spot->seconds,
        .passes = spot->passes,
        .queries = queries,
        .latency_us = spot->latency_us,
        .calls = c->together ? spot->passes : spot->passes * queries,
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

void walk_take_pictures(const struct walk *walk)
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

void walk_record(struct walk *walk)
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

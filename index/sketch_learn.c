/* sketch_learn.c - see sketch.h: directions, steps and the share, from rows and links of a graph.
 *
 * May include sketch.h, reduce.h, widen.h. The directions are those of ki_reduce_learn, mixed:
 * 4 bits of one step suit elements of one size, and theirs fall off. Hadamard's transform over
 * every FOLDS-th of them spreads what a row has along few directions over all, and keeps distances.
 *
 * The share comes last: sketches are made without one, links are estimated, and each row then gets
 * its part. The links of a node are near it as what a query meets late in a walk is near the query.
 */
#include "index/sketch.h"
#include "index/reduce.h"
#include "index/widen.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLE = 2048, GRAIN = 64, LINE = 64, MIXED = 32, PAIRS_MOST = 1 << 15 };

#define MISSED 0.05 /* of links, estimated to be longer than they are */
#define STEP 0.36   /* of a code, in standard deviations: 16 steps then reach 2.9 of them */

typedef struct learning {
    ki_sketch *sketch;
    const ki_graph *graph;
    const ki_kernels *kernels;
    ki_workers *workers;
    ki_sketcher *sketchers; /* one a worker */
    uint32_t *sample;       /* rows that are looked at */
    uint32_t n;
} learning;

static const void *row_at(const learning *l, uint32_t row)
{
    return ki_slab_row(ki_graph_slab(l->graph), row);
}

/* Rows at even steps through those that are in the graph. */
static void choose_sample(learning *l)
{
    const uint32_t nodes = l->graph->layer[0].nodes, step = (nodes + SAMPLE - 1) / SAMPLE;
    uint32_t met = 0;
    for (uint32_t row = 0; row < l->graph->seen && l->n < SAMPLE; row++)
        if (l->graph->level[row] != KI_ABSENT && met++ % step == 0)
            l->sample[l->n++] = row;
}

/* ---- Directions ---- */

static void mix(float *line, uint32_t places)
{
    const uint32_t folds = places / MIXED;
    const float scale = 0.1767766953f; /* 1 / sqrt(MIXED) */
    for (uint32_t half = 1; half < MIXED; half *= 2)
        for (uint32_t i = 0; i < MIXED; i++)
            for (uint32_t fold = 0; fold < folds && !(i & half); fold++) {
                float *a = &line[i * folds + fold], *b = &line[(i + half) * folds + fold];
                const float sum = *a + *b, difference = *a - *b;
                *a = sum;
                *b = difference;
            }
    for (uint32_t j = 0; j < places; j++)
        line[j] *= scale;
}

/* Directions as rows of integers; u8 ones 128 higher, as the line of zeros is. */
static void write_lines(ki_sketch *sketch, const float *projection)
{
    const size_t floats = (size_t)sketch->dim * sketch->places;
    const int zero = sketch->type == KITH_U8 ? 128 : 0;
    double most = 0;
    for (size_t i = 0; i < floats; i++)
        most = fabs((double)projection[i]) > most ? fabs((double)projection[i]) : most;
    const double scale = most / 127.0;
    for (uint32_t j = 0; j <= sketch->places; j++)
        for (uint32_t i = 0; i < sketch->dim; i++) {
            const double x =
                j < sketch->places ? (double)projection[(size_t)i * sketch->places + j] : 0;
            const int c = (int)(x / scale + 128.5) - 128;
            sketch->lines[j * sketch->directions.stride + i] = (unsigned char)(c + zero);
        }
    sketch->length2 = scale * scale;
}

/* The centre in whole steps, as the last line, and what the directions make of it. */
static kith_status write_centre(learning *l, const float *rows)
{
    ki_sketch *sketch = l->sketch;
    unsigned char *line = sketch->lines + (sketch->places + 1) * sketch->directions.stride;
    const size_t bytes = (size_t)sketch->places * sizeof *sketch->origin;
    for (uint32_t i = 0; i < sketch->dim; i++) {
        double sum = 0;
        for (uint32_t k = 0; k < l->n; k++)
            sum += (double)rows[(size_t)k * sketch->dim + i];
        line[i] = (unsigned char)((int)(sum / l->n + 256.5) - 256);
    }
    for (uint32_t j = 0; j < sketch->places + 2; j++)
        ki_aux_fill(sketch->type, sketch->lines + j * sketch->directions.stride, sketch->dim,
                    &sketch->sides[j]);
    sketch->centre2 = sketch->sides[sketch->places + 1].inorm2;
    memset(sketch->origin, 0, bytes);
    ki_sketcher sketcher;
    kith_status status = ki_sketcher_open(sketch, l->kernels, &sketcher);
    if (status)
        return status;
    ki_sketcher_aim(&sketcher, line);
    for (uint32_t j = 0; j < sketch->places; j++)
        sketch->origin[j] = (int32_t)sketcher.projected[j];
    ki_sketcher_close(&sketcher);
    return KITH_OK;
}

static kith_status learn_directions(learning *l)
{
    ki_sketch *sketch = l->sketch;
    const size_t row_floats = (size_t)l->n * sketch->dim;
    const size_t floats = row_floats + (size_t)sketch->dim * sketch->places;
    float *rows = ki_alloc(floats * sizeof *rows), *projection = rows + row_floats;
    if (!rows)
        return ki_no_memory("directions", floats * sizeof *rows);
    for (uint32_t k = 0; k < l->n; k++)
        ki_widen(sketch->type, row_at(l, l->sample[k]), sketch->dim,
                 rows + (size_t)k * sketch->dim);
    kith_status status =
        ki_reduce_learn(rows, l->n, sketch->dim, sketch->places, true, l->workers, projection);
    for (uint32_t i = 0; i < sketch->dim && !status; i++)
        mix(projection + (size_t)i * sketch->places, sketch->places);
    if (!status) {
        write_lines(sketch, projection);
        status = write_centre(l, rows);
    }
    ki_free(rows);
    return status;
}

/* ---- Steps ---- */

/* One step for all directions, of the size that rows have along them. */
static void learn_step(learning *l)
{
    ki_sketch *sketch = l->sketch;
    ki_sketcher *sketcher = &l->sketchers[0];
    double sum = 0;
    for (uint32_t k = 0; k < l->n; k++) {
        ki_sketcher_aim(sketcher, row_at(l, l->sample[k]));
        for (uint32_t j = 0; j < sketch->places; j++)
            sum += sketcher->projected[j] * sketcher->projected[j];
    }
    const double mean = sum / ((double)l->n * sketch->places);
    sketch->step = mean > 0 ? STEP * sqrt(mean) : 1;
    sketch->unit2 = sketch->step * sketch->step / 256.0 * sketch->length2;
}

static kith_status code_job(void *context, uint32_t worker, size_t first, size_t last)
{
    const learning *l = context;
    for (size_t row = first; row < last; row++)
        ki_sketcher_code(&l->sketchers[worker], row_at(l, (uint32_t)row), (uint32_t)row);
    return KITH_OK;
}

/* ---- The share, and the factor ---- */

/* A link: how long it is, and by what it is longer than an estimate without a share; in units. */
typedef struct pair {
    double length, missing, unseen;
    double rank;
} pair;

static int by_rank(const void *a, const void *b)
{
    const double x = ((const pair *)a)->rank, y = ((const pair *)b)->rank;
    return (x > y) - (x < y);
}

static uint32_t weigh_links(learning *l, uint32_t row, void *scratch, pair *pairs)
{
    const ki_layer *layer = &l->graph->layer[0];
    const ki_kernel *kernel = &l->kernels->at[KITH_L2SQ][l->sketch->type];
    ki_sketcher *sketcher = &l->sketchers[0];
    const uint32_t *links = ki_links(layer, row), count = ki_link_count(layer, row);
    const double zero = ki_sketch_limit(l->sketch, 0);
    uint32_t keys[2 * KI_M_MAX + 16], estimates[2 * KI_M_MAX + 16], n = 0;
    ki_query query;
    kernel->prepare(row_at(l, row), l->sketch->dim, scratch, &query);
    kernel->gather(&query, &layer->rows, links, count, keys);
    ki_sketcher_aim(sketcher, row_at(l, row));
    ki_sketcher_estimate(sketcher, links, count, estimates);
    for (uint32_t i = 0; i < count; i++) {
        const double limit = ki_sketch_limit(l->sketch, keys[i]);
        if (limit > zero)
            pairs[n++] = (pair){.length = limit - zero,
                                .missing = limit - estimates[i],
                                .unseen = sketcher->unseen + ki_sketch_unseen(l->sketch, links[i])};
    }
    return n;
}

/* Where directions miss much, a small share keeps estimates below; where they miss nothing, the
 * steps of the codes are what is wrong, by a part of the length, and a factor has to. */
static void weigh(ki_sketch *sketch, pair *pairs, uint32_t n)
{
    const uint32_t low = (uint32_t)(n * MISSED), high = (uint32_t)(n * (1 - MISSED));
    for (uint32_t i = 0; i < n; i++)
        pairs[i].rank = pairs[i].unseen > 0 ? pairs[i].missing / pairs[i].unseen : 0;
    qsort(pairs, n, sizeof *pairs, by_rank);
    const double share = n ? pairs[low].rank : 0;
    sketch->share = share > 0 ? (share < 1 ? share : 1) : 0;
    for (uint32_t i = 0; i < n; i++)
        pairs[i].rank = 1 + (sketch->share * pairs[i].unseen - pairs[i].missing) / pairs[i].length;
    qsort(pairs, n, sizeof *pairs, by_rank);
    sketch->factor = n && pairs[high].rank > 1 ? pairs[high].rank : 1;
}

static kith_status learn_share(learning *l)
{
    ki_sketch *sketch = l->sketch;
    const uint32_t degree = l->graph->layer[0].degree;
    const size_t query_bytes = ki_query_bytes((ki_pairing)sketch->type, sketch->dim);
    const size_t bytes = ((size_t)PAIRS_MOST + degree) * sizeof(pair);
    pair *pairs = ki_alloc(bytes);
    void *scratch = ki_alloc_aligned(LINE, query_bytes);
    const bool ready = pairs && scratch;
    uint32_t n = 0;
    for (uint32_t k = 0; k < l->n && n < PAIRS_MOST && ready; k++)
        n += weigh_links(l, l->sample[k], scratch, pairs + n);
    if (ready)
        weigh(sketch, pairs, n);
    ki_free(pairs);
    ki_free(scratch);
    return ready ? KITH_OK : ki_no_memory("the estimates of links", bytes + query_bytes);
}

/* ---- All of it ---- */

static kith_status open_sketch(const ki_graph *graph, kith_type type, ki_sketch **out)
{
    ki_sketch *s = ki_zalloc(sizeof *s);
    if (!s)
        return ki_no_memory("sketches", sizeof *s);
    s->type = type;
    s->dim = graph->dim;
    s->places = KI_SKETCH_PLACES;
    s->step = s->unit2 = s->factor = 1;
    const size_t stride = ((size_t)s->dim + LINE - 1) / LINE * LINE, lines = s->places + 2;
    const size_t code = s->places / 2, sketch = code + sizeof(ki_aux);
    s->lines = ki_alloc_aligned(LINE, lines * stride);
    s->sides = ki_alloc_aligned(LINE, lines * sizeof *s->sides);
    s->origin = ki_zalloc(s->places * sizeof *s->origin);
    kith_status status = ki_arena_open(graph->seen * sketch, &s->arena);
    if (!status)
        status = ki_arena_grow(&s->arena, graph->seen * sketch);
    if (!status && (!s->lines || !s->sides || !s->origin))
        status = ki_no_memory("directions", lines * stride);
    if (status) {
        ki_sketch_close(s);
        return status;
    }
    memset(s->lines, 0, lines * stride);
    s->directions = (ki_rows){.base = s->lines,
                              .stride = stride,
                              .aux = (const unsigned char *)s->sides,
                              .aux_stride = sizeof *s->sides,
                              .dim = s->dim};
    s->rows = (ki_rows){.base = s->arena.base,
                        .stride = sketch,
                        .aux = s->arena.base + code,
                        .aux_stride = sketch,
                        .dim = s->places,
                        .prefetch_lines = (uint32_t)(sketch / LINE)};
    *out = s;
    return KITH_OK;
}

static kith_status learn(learning *l)
{
    const uint32_t workers = ki_workers_count(l->workers);
    kith_status status = learn_directions(l);
    for (uint32_t i = 0; i < workers && !status; i++)
        status = ki_sketcher_open(l->sketch, l->kernels, &l->sketchers[i]);
    if (!status) {
        learn_step(l);
        status = ki_workers_run(l->workers, l->graph->seen, GRAIN, code_job, l);
    }
    if (!status)
        status = learn_share(l);
    for (uint32_t row = 0; row < l->graph->seen && !status; row++)
        ki_sketch_add_share(l->sketch, row);
    for (uint32_t i = 0; i < workers; i++)
        ki_sketcher_close(&l->sketchers[i]);
    return status;
}

kith_status ki_sketch_learn(const ki_graph *graph, const ki_kernels *kernels, kith_type type,
                            ki_workers *workers, ki_sketch **out)
{
    const uint32_t crew = ki_workers_count(workers);
    const size_t bytes = SAMPLE * sizeof(uint32_t) + crew * sizeof(ki_sketcher);
    learning l = {.graph = graph, .kernels = kernels, .workers = workers};
    l.sample = ki_alloc(SAMPLE * sizeof *l.sample);
    l.sketchers = ki_zalloc(crew * sizeof *l.sketchers);
    kith_status status = l.sample && l.sketchers ? open_sketch(graph, type, &l.sketch)
                                                 : ki_no_memory("learning sketches", bytes);
    if (!status) {
        choose_sample(&l);
        status = learn(&l);
    }
    ki_free(l.sample);
    ki_free(l.sketchers);
    if (status)
        ki_sketch_close(l.sketch);
    else
        *out = l.sketch;
    return status;
}

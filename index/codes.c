/* codes.c - see codes.h. The sample that a codec learns from is a copy, spread out, of rows at even
 * steps through the store: some thousand rows show the range of a step as well as all of them, and
 * the same rows show it on every machine. Codes of codes, which are learnt for a trial, are learnt
 * from fewer; a third of these found directions that needed 1.8 times the width for recall 0.99.
 *
 * When half of all rows have come since, a codec is learnt anew: they may lie where it cuts. (Rows
 * replaced by others four times as long were found 64 times in 100 at any width.) The links chosen
 * by the codes of before stay, since links and codes need only agree roughly.
 */
#include "index/codes.h"
#include "index/reduce.h"
#include "index/widen.h"
#include <string.h>

enum { SAMPLE = 8192, SAMPLE_BRIEF = 2048, GRAIN = 64, LINE = 64 };

kith_status ki_codes_open(const ki_codes_shape *shape, ki_codes **out)
{
    static const ki_pairing pairings[] = {
        [KITH_SQ8] = KI_I8, [KITH_SQ8_DIM] = KI_Q8, [KITH_SQ4] = KI_Q4, [KITH_SQ1] = KI_Q1};
    ki_codes *codes = ki_zalloc(sizeof *codes);
    if (!codes)
        return ki_no_memory("codes", sizeof *codes);
    codes->shape = *shape;
    codes->dim = shape->reduced ? shape->reduced : shape->dim;
    codes->pairing = pairings[shape->code];
    codes->metric = shape->metric == KITH_IP ? KITH_IP : KITH_L2SQ;
    kith_status status =
        ki_slab_open(ki_row_bytes(codes->pairing, codes->dim), KI_MAX_ROWS, &codes->slab);
    if (status)
        ki_codes_close(codes);
    else
        *out = codes;
    return status;
}

kith_status ki_codes_open_brief(const ki_codes *source, kith_code code, uint32_t reduced,
                                const ki_kernel *project, ki_codes **out)
{
    const ki_codes_shape shape = {.type = KITH_I8,
                                  .metric = source->metric,
                                  .dim = source->dim,
                                  .code = code,
                                  .reduced = reduced};
    kith_status status = ki_codes_open(&shape, out);
    if (status)
        return status;
    (*out)->source = source;
    (*out)->project = project;
    return KITH_OK;
}

static void forget(ki_codes *codes)
{
    kith_codec_close(codes->codec);
    ki_free(codes->projection);
    ki_lines_close(&codes->lines);
}

void ki_codes_close(ki_codes *codes)
{
    if (!codes)
        return;
    forget(codes);
    ki_slab_close(&codes->slab);
    ki_free(codes);
}

size_t ki_codes_bytes(const ki_codes *codes)
{
    if (!codes)
        return 0;
    const size_t floats = codes->projection ? (size_t)codes->shape.reduced * codes->shape.dim : 0;
    return ki_slab_bytes(&codes->slab) + ki_lines_bytes(&codes->lines) + sizeof *codes +
           floats * sizeof *codes->projection;
}

/* ---- Rows as floats ---- */

static void scale_to_unit(float *wide, uint32_t dim)
{
    const double factor = ki_codec_factor(wide, dim);
    for (uint32_t i = 0; i < dim; i++)
        wide[i] = (float)((double)wide[i] * factor);
}

/* Every output sums its products in the order of the inputs, in f32 and unfused, so the sums are
 * the same everywhere; and since the outputs lie side by side, they are computed side by side. Four
 * inputs at a time, since an output that is fetched and put back for each costs more than its sum.
 */
static void project(const ki_codes *codes, const float *wide, float *restrict out)
{
    const uint32_t reduced = codes->shape.reduced, dim = codes->shape.dim;
    const float *line = codes->projection;
    uint32_t i = 0;
    memset(out, 0, reduced * sizeof *out);
    for (; i + 4 <= dim; i += 4, line += 4 * (size_t)reduced) {
        const float a = wide[i], b = wide[i + 1], c = wide[i + 2], d = wide[i + 3];
        const float *l1 = line + reduced, *l2 = l1 + reduced, *l3 = l2 + reduced;
        for (uint32_t j = 0; j < reduced; j++)
            out[j] = (((out[j] + a * line[j]) + b * l1[j]) + c * l2[j]) + d * l3[j];
    }
    for (; i < dim; i++, line += reduced)
        for (uint32_t j = 0; j < reduced; j++)
            out[j] += wide[i] * line[j];
}

/* Of a row, or of the code that stands for it. */
static const ki_slab *slab_of(const ki_codes *codes, const ki_store *engine)
{
    return codes->source ? &codes->source->slab : ki_store_slab(engine);
}

/* `wide` has wide_bytes, aligned to a line: for the row and, behind it, for its projection. Returns
 * what is to be coded. */
static const float *spread_out(const ki_codes *codes, const ki_kernel *project_ints, kith_type type,
                               const void *vector, void *wide)
{
    const ki_codes_shape *shape = &codes->shape;
    float *floats = wide;
    if (codes->lines.base)
        return ki_lines_project(&codes->lines, project_ints, vector, wide);
    ki_widen(type, vector, shape->dim, floats);
    if (shape->metric == KITH_COSINE)
        scale_to_unit(floats, shape->dim);
    if (!codes->projection)
        return floats;
    project(codes, floats, floats + shape->dim);
    return floats + shape->dim;
}

static size_t wide_bytes(const ki_codes *codes)
{
    const ki_codes_shape *shape = &codes->shape;
    const size_t floats = ((size_t)shape->dim + shape->reduced) * sizeof(float);
    const size_t ints = codes->source ? ki_lines_scratch(shape->dim, shape->reduced) : 0;
    return ((floats > ints ? floats : ints) + LINE - 1) / LINE * LINE;
}

/* ---- Learning ---- */

/* A writer may put more at any time, of which a source has no codes yet. */
static uint32_t rows_to_code(const ki_codes *codes, const ki_store *engine)
{
    return codes->source ? codes->source->count : ki_store_rows(engine);
}

/* Rows at even steps through the live ones; under ip with SQ8 each with its opposite, so that
 * their mean, the codec's centre, is zero. */
static uint32_t copy_sample(const ki_codes *codes, const ki_store *engine, void *wide,
                            uint64_t live, uint32_t most, bool opposites, float *sample)
{
    const ki_slab *slab = slab_of(codes, engine);
    const uint32_t rows = rows_to_code(codes, engine), dim = codes->dim;
    const uint64_t step = (live + most - 1) / most;
    uint32_t n = 0;
    uint64_t met = 0;
    for (uint32_t row = 0; row < rows && n < most; row++) {
        const void *key;
        size_t key_len;
        if (!ki_store_key(engine, row, &key, &key_len) || met++ % step)
            continue;
        float *to = sample + (size_t)n++ * dim * (opposites ? 2 : 1);
        const void *vector = ki_slab_row(slab, row);
        memcpy(to, spread_out(codes, codes->project, codes->shape.type, vector, wide),
               dim * sizeof *to);
        for (uint32_t i = 0; opposites && i < dim; i++)
            to[dim + i] = -to[i];
    }
    return opposites ? 2 * n : n;
}

/* Into a copy of the codes, which has none. */
static kith_status learn_projection(ki_codes *next, const ki_store *engine, ki_workers *workers,
                                    void *wide, float *sample, uint64_t live, uint32_t most)
{
    const ki_codes_shape *shape = &next->shape;
    const size_t bytes = (size_t)shape->dim * shape->reduced * sizeof(float);
    next->projection = NULL;
    next->lines = (ki_lines){0};
    next->dim = shape->dim;
    const uint32_t n = copy_sample(next, engine, wide, live, most, false, sample);
    next->dim = shape->reduced;
    if (!n)
        return KITH_OK;
    next->projection = ki_alloc(bytes);
    if (!next->projection)
        return ki_no_memory("a projection", bytes);
    kith_status status = (next->source ? ki_reduce_roughly : ki_reduce_learn)(
        sample, n, shape->dim, shape->reduced, shape->metric != KITH_IP, workers, next->projection);
    if (!status && next->source)
        status = ki_lines_open(next->projection, shape->dim, shape->reduced, &next->lines);
    return status;
}

/* Learns what `next`, a copy of codes that go on being used, is to have in place of theirs: no
 * codec where a writer has deleted the last of `live` rows meanwhile. */
static kith_status learn(ki_codes *next, const ki_store *engine, uint64_t live, ki_workers *workers)
{
    const ki_codes_shape *shape = &next->shape;
    const bool opposites = shape->metric == KITH_IP && shape->code == KITH_SQ8;
    const uint32_t wanted = next->source ? SAMPLE_BRIEF : SAMPLE;
    const uint32_t most = live < wanted ? (uint32_t)live : wanted;
    const size_t sample_bytes = (size_t)most * (opposites ? 2 : 1) * shape->dim * sizeof(float);
    float *sample = ki_alloc(sample_bytes);
    void *wide = ki_alloc_aligned(LINE, wide_bytes(next));
    kith_status status = KITH_OK;
    next->codec = NULL;
    next->projection = NULL;
    next->lines = (ki_lines){0};
    if (!sample || !wide)
        status = ki_no_memory("the sample of a codec", sample_bytes);
    else if (shape->reduced)
        status = learn_projection(next, engine, workers, wide, sample, live, most);
    if (!status && (next->projection || !shape->reduced)) {
        kith_codec_options options = kith_codec_defaults(
            next->dim, shape->code, shape->metric == KITH_IP ? KITH_IP : KITH_L2SQ);
        const uint32_t n = copy_sample(next, engine, wide, live, most, opposites, sample);
        options.threads = ki_workers_count(workers);
        if (n)
            status = kith_codec_train(&options, sample, 0, n, &next->codec);
    }
    ki_free(sample);
    ki_free(wide);
    if (!next->codec)
        forget(next);
    return status;
}

/* `newer` rows have no code yet. */
static bool must_learn(const ki_codes *codes, uint32_t newer, uint64_t live)
{
    const bool other = codes->source && codes->of_lesson != codes->source->lessons;
    return !codes->codec || other || 2 * ((uint64_t)codes->came + newer) >= live;
}

/* ---- Coding ---- */

typedef struct coding {
    ki_codes *codes;
    const ki_store *engine;
    uint32_t first;
    unsigned char *scratch; /* of each worker: floats, then a code */
    size_t scratch_bytes;
} coding;

/* Dead rows too: a graph may hold them as signposts, and what they were is still there, or what
 * came in their place. Zeros would lie side by side in the middle of everything. */
static kith_status code_job(void *context, uint32_t worker, size_t first, size_t last)
{
    const coding *c = context;
    ki_codes *codes = c->codes;
    unsigned char *wide = c->scratch + worker * c->scratch_bytes, *code = wide + wide_bytes(codes);
    for (size_t i = first; i < last; i++) {
        const uint32_t row = c->first + (uint32_t)i;
        ki_aux aux;
        const void *vector = ki_slab_row(slab_of(codes, c->engine), row);
        ki_codec_encode(&codes->codec->codec,
                        spread_out(codes, codes->project, codes->shape.type, vector, wide), code,
                        &aux);
        ki_slab_write(&codes->slab, row, code, &aux);
    }
    return KITH_OK;
}

static kith_status code_rows(ki_codes *codes, const ki_store *engine, uint32_t first, uint32_t last,
                             ki_workers *workers)
{
    coding c = {.codes = codes, .engine = engine, .first = first};
    size_t bytes = wide_bytes(codes) + codes->slab.row_bytes;
    c.scratch_bytes = (bytes + LINE - 1) / LINE * LINE;
    bytes = c.scratch_bytes * ki_workers_count(workers);
    c.scratch = ki_alloc_aligned(LINE, bytes);
    if (!c.scratch)
        return ki_no_memory("coding rows", bytes);
    kith_status status = ki_workers_run(workers, last - first, GRAIN, code_job, &c);
    ki_free(c.scratch);
    return status;
}

kith_status ki_codes_follow(ki_codes *codes, const ki_store *engine, ki_workers *workers,
                            bool *renewed)
{
    const uint32_t rows = rows_to_code(codes, engine);
    *renewed = false;
    const uint64_t live = ki_store_live_count(engine); /* once: writers go on */
    kith_status status = ki_slab_grow(&codes->slab, rows);
    if (status || !live)
        return status;
    const uint32_t newer = codes->count ? rows - codes->count : 0; /* a load begins with all */
    const bool anew = must_learn(codes, newer, live);
    ki_codes before = *codes, next = *codes;
    if (anew)
        status = learn(&next, engine, live, workers);
    if (status || (anew && !next.codec))
        return status;
    if (anew) {
        ki_turnstile_shut(codes->turnstile);
        next.count = next.came = 0;
        next.learnt = (uint32_t)live;
        next.lessons++;
        next.of_lesson = next.source ? next.source->lessons : 0;
        *codes = next;
    }
    codes->came += anew ? 0 : newer;
    status = code_rows(codes, engine, codes->count, rows, workers);
    if (status) { /* no row was coded: the scratch was not to be had */
        if (anew)
            forget(codes);
        *codes = before;
        if (anew)
            ki_turnstile_open(codes->turnstile);
        return status;
    }
    if (anew) {
        forget(&before);
        ki_turnstile_open(codes->turnstile);
    }
    codes->count = rows;
    *renewed = anew;
    return KITH_OK;
}

/* ---- Queries ---- */

/* The source's query, the floats, then the codec's query, then its elements, each on a line of its
 * own. */
typedef struct places {
    size_t wide, query, elements, bytes;
} places;

static places places_of(const ki_codes *codes)
{
    const size_t elements = codes->dim * sizeof(float); /* the most that a codec's query takes */
    places p = {.wide = codes->source ? ki_codes_scratch(codes->source) : 0};
    p.query = p.wide + wide_bytes(codes);
    p.elements = p.query + (sizeof(ki_codec_query) + LINE - 1) / LINE * LINE;
    p.bytes = (p.elements + elements + LINE - 1) / LINE * LINE;
    return p;
}

size_t ki_codes_scratch(const ki_codes *codes)
{
    return places_of(codes).bytes;
}

const void *ki_codes_query(const ki_codes *codes, const ki_kernel *project, const void *vector,
                           bool f32, void *scratch)
{
    const places p = places_of(codes);
    unsigned char *at = scratch;
    ki_codec_query *query = (void *)(at + p.query);
    const kith_type type = f32 && !codes->source ? KITH_F32 : codes->shape.type;
    if (codes->source)
        vector = ki_codes_query(codes->source, project, vector, f32, scratch);
    const float *wide = spread_out(codes, project, type, vector, at + p.wide);
    ki_codec_make_query(&codes->codec->codec, wide, at + p.elements, query);
    return ki_codec_vector(&codes->codec->codec, query);
}

const void *ki_codes_source_query(const ki_codes *codes, const void *scratch)
{
    const size_t at = places_of(codes->source).query;
    const ki_codec_query *query = (const void *)((const unsigned char *)scratch + at);
    return ki_codec_vector(&codes->source->codec->codec, query);
}

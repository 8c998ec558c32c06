/* codes.c - see codes.h. The sample that a codec learns from is a copy, spread out, of rows at even
 * steps through the store: some thousand rows show the range of a step as well as all of them, and
 * the same rows show it on every machine.
 *
 * When half of all rows have come since, a codec is learnt anew: they may lie where it cuts. (Rows
 * replaced by others four times as long were found 64 times in 100 at any width.) The links chosen
 * by the codes of before stay, since links and codes need only agree roughly.
 */
#include "index/codes.h"
#include "index/reduce.h"
#include "index/widen.h"
#include <string.h>

enum { SAMPLE = 8192, GRAIN = 64, LINE = 64 };

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

void ki_codes_close(ki_codes *codes)
{
    if (!codes)
        return;
    kith_codec_close(codes->codec);
    ki_free(codes->projection);
    ki_slab_close(&codes->slab);
    ki_free(codes);
}

size_t ki_codes_bytes(const ki_codes *codes)
{
    return codes ? ki_slab_bytes(&codes->slab) + sizeof *codes : 0;
}

/* ---- Rows as floats ---- */

static void scale_to_unit(float *wide, uint32_t dim)
{
    const double factor = ki_codec_factor(wide, dim);
    for (uint32_t i = 0; i < dim; i++)
        wide[i] = (float)((double)wide[i] * factor);
}

/* Every output sums its products in the order of the inputs, in f32 and unfused, so the sums are
 * the same everywhere; and since the outputs lie side by side, they are computed side by side. */
static void project(const ki_codes *codes, const float *wide, float *out)
{
    const uint32_t reduced = codes->shape.reduced;
    memset(out, 0, reduced * sizeof *out);
    for (uint32_t i = 0; i < codes->shape.dim; i++) {
        const float *line = codes->projection + (size_t)i * reduced;
        for (uint32_t j = 0; j < reduced; j++)
            out[j] += wide[i] * line[j];
    }
}

/* `wide` has room for the row and, behind it, for its projection. Returns what is to be coded. */
static const float *spread_out(const ki_codes *codes, kith_type type, const void *vector,
                               float *wide)
{
    const ki_codes_shape *shape = &codes->shape;
    ki_widen(type, vector, shape->dim, wide);
    if (shape->metric == KITH_COSINE)
        scale_to_unit(wide, shape->dim);
    if (!codes->projection)
        return wide;
    project(codes, wide, wide + shape->dim);
    return wide + shape->dim;
}

static size_t wide_floats(const ki_codes *codes)
{
    return (size_t)codes->shape.dim + codes->shape.reduced;
}

/* ---- Learning ---- */

/* Rows at even steps through the live ones; under ip with SQ8 each with its opposite, so that
 * their mean, the codec's centre, is zero. */
static uint32_t copy_sample(const ki_codes *codes, const ki_store *engine, float *wide,
                            uint32_t most, bool opposites, float *sample)
{
    const ki_slab *slab = ki_store_slab(engine);
    const uint32_t rows = ki_store_rows(engine), dim = codes->dim;
    const uint64_t live = ki_store_live_count(engine), step = (live + most - 1) / most;
    uint32_t n = 0;
    uint64_t met = 0;
    for (uint32_t row = 0; row < rows && n < most; row++) {
        const void *key;
        size_t key_len;
        if (!ki_store_key(engine, row, &key, &key_len) || met++ % step)
            continue;
        float *to = sample + (size_t)n++ * dim * (opposites ? 2 : 1);
        memcpy(to, spread_out(codes, codes->shape.type, ki_slab_row(slab, row), wide),
               dim * sizeof *to);
        for (uint32_t i = 0; opposites && i < dim; i++)
            to[dim + i] = -to[i];
    }
    return opposites ? 2 * n : n;
}

static kith_status learn_projection(ki_codes *codes, const ki_store *engine, ki_workers *workers,
                                    float *wide, float *sample, uint32_t most, float **out)
{
    ki_codes whole = *codes; /* the same rows before any projection */
    whole.projection = NULL;
    whole.dim = codes->shape.dim;
    const size_t bytes = (size_t)codes->shape.dim * codes->shape.reduced * sizeof **out;
    float *projection = ki_alloc(bytes);
    if (!projection)
        return ki_no_memory("a projection", bytes);
    const uint32_t n = copy_sample(&whole, engine, wide, most, false, sample);
    kith_status status = ki_reduce_learn(sample, n, codes->shape.dim, codes->shape.reduced,
                                         codes->shape.metric != KITH_IP, workers, projection);
    if (status)
        ki_free(projection);
    else
        *out = projection;
    return status;
}

/* Learns into *codec and *projection, which the codes do not use yet. */
static kith_status learn(const ki_codes *codes, const ki_store *engine, ki_workers *workers,
                         kith_codec **codec, float **projection)
{
    const ki_codes_shape *shape = &codes->shape;
    const bool opposites = shape->metric == KITH_IP && shape->code == KITH_SQ8;
    const uint64_t live = ki_store_live_count(engine);
    const uint32_t most = live < SAMPLE ? (uint32_t)live : SAMPLE;
    const size_t sample_bytes = (size_t)most * (opposites ? 2 : 1) * shape->dim * sizeof(float);
    float *sample = ki_alloc(sample_bytes), *wide = ki_alloc(wide_floats(codes) * sizeof *wide);
    ki_codes next = *codes;
    kith_status status = KITH_OK;
    if (!sample || !wide)
        status = ki_no_memory("the sample of a codec", sample_bytes);
    else if (shape->reduced)
        status = learn_projection(&next, engine, workers, wide, sample, most, projection);
    next.projection = *projection;
    if (!status) {
        kith_codec_options options = kith_codec_defaults(
            codes->dim, shape->code, shape->metric == KITH_IP ? KITH_IP : KITH_L2SQ);
        const uint32_t n = copy_sample(&next, engine, wide, most, opposites, sample);
        options.threads = ki_workers_count(workers);
        status = kith_codec_train(&options, sample, 0, n, codec);
    }
    ki_free(sample);
    ki_free(wide);
    return status;
}

/* Rows that have no code yet but after a load, which begins with the codes of all. */
static uint32_t newcomers(const ki_codes *codes, const ki_store *engine)
{
    return codes->count ? ki_store_rows(engine) - codes->count : 0;
}

static bool must_learn(const ki_codes *codes, const ki_store *engine)
{
    const uint64_t came = (uint64_t)codes->came + newcomers(codes, engine);
    return !codes->codec || 2 * came >= ki_store_live_count(engine);
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
    float *wide = (void *)(c->scratch + worker * c->scratch_bytes);
    unsigned char *code = (unsigned char *)(wide + wide_floats(codes));
    for (size_t i = first; i < last; i++) {
        const uint32_t row = c->first + (uint32_t)i;
        ki_aux aux;
        const void *vector = ki_slab_row(ki_store_slab(c->engine), row);
        ki_codec_encode(&codes->codec->codec, spread_out(codes, codes->shape.type, vector, wide),
                        code, &aux);
        ki_slab_write(&codes->slab, row, code, &aux);
    }
    return KITH_OK;
}

static kith_status code_rows(ki_codes *codes, const ki_store *engine, uint32_t first, uint32_t last,
                             ki_workers *workers)
{
    coding c = {.codes = codes, .engine = engine, .first = first};
    size_t bytes = wide_floats(codes) * sizeof(float) + codes->slab.row_bytes;
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
    const uint32_t rows = ki_store_rows(engine);
    kith_codec *codec = NULL;
    float *projection = NULL;
    *renewed = false;
    kith_status status = ki_slab_grow(&codes->slab, rows);
    if (status || !ki_store_live_count(engine))
        return status;
    const bool anew = must_learn(codes, engine);
    if (anew)
        status = learn(codes, engine, workers, &codec, &projection);
    if (status) {
        ki_free(projection);
        return status;
    }
    const ki_codes before = *codes;
    if (anew) {
        codes->codec = codec;
        codes->projection = projection;
        codes->count = codes->came = 0;
        codes->learnt = (uint32_t)ki_store_live_count(engine);
        codes->lessons++;
    }
    codes->came += newcomers(codes, engine);
    status = code_rows(codes, engine, codes->count, rows, workers);
    if (status) { /* no row was coded: the scratch was not to be had */
        kith_codec_close(codec);
        ki_free(projection);
        *codes = before;
        return status;
    }
    if (anew) {
        kith_codec_close(before.codec);
        ki_free(before.projection);
    }
    codes->count = rows;
    *renewed = anew;
    return KITH_OK;
}

/* ---- Queries ---- */

/* The floats, then the codec's query, then its elements, each on a line of its own. */
typedef struct places {
    size_t query, elements, bytes;
} places;

static places places_of(const ki_codes *codes)
{
    const size_t elements = codes->dim * sizeof(float); /* the most that a codec's query takes */
    places p = {.query = (wide_floats(codes) * sizeof(float) + LINE - 1) / LINE * LINE};
    p.elements = p.query + (sizeof(ki_codec_query) + LINE - 1) / LINE * LINE;
    p.bytes = p.elements + elements;
    return p;
}

size_t ki_codes_scratch(const ki_codes *codes)
{
    return places_of(codes).bytes;
}

const void *ki_codes_query(const ki_codes *codes, const void *vector, bool f32, void *scratch)
{
    const places p = places_of(codes);
    ki_codec_query *query = (void *)((unsigned char *)scratch + p.query);
    const kith_type type = f32 ? KITH_F32 : codes->shape.type;
    const float *wide = spread_out(codes, type, vector, scratch);
    ki_codec_make_query(&codes->codec->codec, wide, (unsigned char *)scratch + p.elements, query);
    return ki_codec_vector(&codes->codec->codec, query);
}

/* ---- As bytes: rows learnt from and rows that came since, the codec, the projection ---- */

static size_t projection_bytes(const ki_codes *codes)
{
    return codes->projection
               ? (size_t)codes->shape.dim * codes->shape.reduced * sizeof *codes->projection
               : 0;
}

static size_t codec_bytes(const kith_codec *codec)
{
    kith_codec_info info = {.size = sizeof info};
    kith_codec_stat(codec, &info);
    return info.saved_bytes;
}

size_t ki_codes_saved_bytes(const ki_codes *codes)
{
    return sizeof(uint64_t) + codec_bytes(codes->codec) + projection_bytes(codes);
}

void ki_codes_save(const ki_codes *codes, void *bytes)
{
    unsigned char *to = bytes;
    const uint64_t learnt = (uint64_t)codes->came << 32 | codes->learnt;
    memcpy(to, &learnt, sizeof learnt);
    kith_codec_save(codes->codec, to + sizeof learnt);
    if (codes->projection)
        memcpy(to + sizeof learnt + codec_bytes(codes->codec), codes->projection,
               projection_bytes(codes));
}

static kith_status no_codes(size_t length)
{
    return ki_fail(KITH_ECORRUPT, "%zu bytes are not what was learnt for these codes", length);
}

kith_status ki_codes_load(ki_codes *codes, const void *bytes, size_t length)
{
    const ki_codes_shape *shape = &codes->shape;
    const unsigned char *from = bytes;
    const size_t matrix = (size_t)shape->dim * shape->reduced * sizeof(float);
    kith_codec *codec = NULL;
    kith_codec_info info = {.size = sizeof info};
    uint64_t learnt;
    if (length < sizeof learnt + matrix)
        return no_codes(length);
    memcpy(&learnt, from, sizeof learnt);
    kith_status status =
        kith_codec_load(from + sizeof learnt, length - sizeof learnt - matrix, &codec);
    float *projection = NULL;
    if (!status)
        status = kith_codec_stat(codec, &info);
    if (!status &&
        (info.code != shape->code || info.dim != codes->dim || (uint32_t)learnt > KI_MAX_ROWS ||
         (info.metric == KITH_IP) != (shape->metric == KITH_IP)))
        status = no_codes(length);
    if (!status && matrix && !(projection = ki_alloc(matrix)))
        status = ki_no_memory("a projection", matrix);
    if (status) {
        kith_codec_close(codec);
        return status;
    }
    if (matrix)
        memcpy(projection, from + length - matrix, matrix);
    kith_codec_close(codes->codec);
    ki_free(codes->projection);
    codes->codec = codec;
    codes->projection = projection;
    codes->learnt = (uint32_t)learnt;
    codes->lessons++;
    codes->came = (uint32_t)(learnt >> 32);
    codes->count = 0;
    return KITH_OK;
}

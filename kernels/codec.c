/* codec.c - rows to codes and back, and queries for codes. See codec.h.
 *
 * May include codec.h, keys.h and the C library. Everything is computed in f64 and rounded once:
 * the sum of an f32 and a centre, its product with 1/scale and the nearest integer are the same
 * on every machine that has IEEE doubles. Rounding to the nearest is an addition and a
 * subtraction of 1.5 * 2^52, which needs no call and no rounding instruction.
 */
#include "kernels/codec.h"
#include "kernels/keys.h"
#include <float.h>
#include <math.h>
#include <string.h>

static double element(const void *row, uint32_t i)
{
    float x;
    memcpy(&x, (const unsigned char *)row + (size_t)i * sizeof x, sizeof x);
    return (double)x;
}

/* To nearest, ties to even, within low..high; NaN gives low. */
static int nearest(double x, double low, double high)
{
    const double magic = 0x1.8p52;
    x = x > low ? x : low;
    x = x < high ? x : high;
    return (int)((x + magic) - magic);
}

static float to_float(double x)
{
    x = x > -(double)FLT_MAX ? x : -(double)FLT_MAX;
    return (float)(x < (double)FLT_MAX ? x : (double)FLT_MAX);
}

static double inverse_of(float scale)
{
    return scale > 0.0f ? 1.0 / (double)scale : 0.0;
}

double ki_codec_factor(const void *row, uint32_t dim)
{
    double norm2 = 0.0;
    for (uint32_t i = 0; i < dim; i++)
        norm2 += element(row, i) * element(row, i);
    return norm2 > 0.0 ? 1.0 / sqrt(norm2) : 0.0;
}

static double factor_of(const ki_codec *codec, const void *row)
{
    return codec->metric == KITH_COSINE ? ki_codec_factor(row, codec->dim) : 1.0;
}

ki_pairing ki_codec_pairing(const ki_codec *codec)
{
    static const ki_pairing pairings[] = {
        [KITH_SQ8] = KI_I8, [KITH_SQ8_DIM] = KI_Q8, [KITH_SQ4] = KI_Q4, [KITH_SQ1] = KI_Q1};
    return pairings[codec->code];
}

kith_metric ki_codec_metric(const ki_codec *codec)
{
    return codec->metric == KITH_COSINE ? KITH_IP : codec->metric;
}

/* ---- Encoding ------------------------------------------------------------------------------ */

static void encode_8(const ki_codec *codec, const void *row, double factor, unsigned char *code)
{
    const double inverse = inverse_of(codec->scale);
    for (uint32_t i = 0; i < codec->dim; i++) {
        const double x = element(row, i) * factor - (double)codec->centre[i];
        code[i] = (unsigned char)nearest(x * inverse, -127.0, 127.0);
    }
}

static void encode_8_dim(const ki_codec *codec, const void *row, double factor, unsigned char *code,
                         ki_aux *aux)
{
    double norm2 = 0.0;
    for (uint32_t i = 0; i < codec->dim; i++) {
        const double x = element(row, i) * factor - (double)codec->centre[i];
        const int c = nearest(x * inverse_of(codec->scales[i]), -127.0, 127.0);
        const double y = (double)codec->scales[i] * c;
        code[i] = (unsigned char)c;
        norm2 += y * y;
    }
    *aux = (ki_aux){.norm2 = to_float(norm2)};
}

/* Code c is the cell from c - 8 to c - 7 scales, whose middle it stands for. Sides are exact sums
 * of 16 c - 120. */
static void encode_4(const ki_codec *codec, const void *row, double factor, unsigned char *code,
                     ki_aux *aux)
{
    const double inverse = inverse_of(codec->scale);
    memset(code, 0, ki_row_bytes(KI_Q4, codec->dim));
    *aux = (ki_aux){0};
    for (uint32_t i = 0; i < codec->dim; i++) {
        double x = (element(row, i) * factor - (double)codec->centre[i]) * inverse + 8.0;
        x = x > 0.0 ? x : 0.0;
        const int c = (int)(x < 15.0 ? x : 15.0), value = 16 * c - 120;
        code[i / 2] |= (unsigned char)(i % 2 ? c << 4 : c);
        aux->inorm2 += (uint32_t)(value * value);
        aux->sum += value;
    }
}

static void encode_1(const ki_codec *codec, const void *row, double factor, unsigned char *code,
                     ki_aux *aux)
{
    double norm2 = 0.0, sizes = 0.0;
    memset(code, 0, ki_row_bytes(KI_Q1, codec->dim));
    *aux = (ki_aux){0};
    for (uint32_t i = 0; i < codec->dim; i++) {
        const double x = element(row, i) * factor - (double)codec->centre[i];
        norm2 += x * x;
        sizes += fabs(x);
        code[i / 8] |= (unsigned char)((x > 0.0) << i % 8);
        aux->sum += x > 0.0;
    }
    aux->inorm2 = (uint32_t)aux->sum;
    aux->norm2 = to_float(norm2);
    aux->inv_norm = sizes > 0.0 ? to_float(norm2 / sizes) : 0.0f;
}

void ki_codec_encode(const ki_codec *codec, const void *row, unsigned char *code, ki_aux *aux)
{
    const double factor = factor_of(codec, row);
    switch (codec->code) {
    case KITH_SQ8:
        encode_8(codec, row, factor, code);
        ki_aux_fill(KITH_I8, code, codec->dim, aux);
        break;
    case KITH_SQ8_DIM:
        encode_8_dim(codec, row, factor, code, aux);
        break;
    case KITH_SQ4:
        encode_4(codec, row, factor, code, aux);
        break;
    case KITH_SQ1:
        encode_1(codec, row, factor, code, aux);
        break;
    }
}

/* ---- Decoding ------------------------------------------------------------------------------ */

/* x' of one element. All elements of a row of signs have one size, the mean of |x'|, which is the
 * nearest that signs can come: norm2 over (norm2 / sum|x'|) over dim. */
static double decoded(const ki_codec *codec, const unsigned char *code, double size, uint32_t i)
{
    switch (codec->code) {
    case KITH_SQ8:
        return (double)codec->scale * ((const signed char *)code)[i];
    case KITH_SQ8_DIM:
        return (double)codec->scales[i] * ((const signed char *)code)[i];
    case KITH_SQ4:
        return (double)codec->scale * ((code[i / 2] >> (i % 2 * 4) & 15) - 7.5);
    default:
        return code[i / 8] >> i % 8 & 1 ? size : -size;
    }
}

void ki_codec_decode(const ki_codec *codec, const unsigned char *code, const ki_aux *aux,
                     float *row)
{
    double size = 0.0;
    if (codec->code == KITH_SQ1 && aux->inv_norm > 0.0f)
        size = (double)aux->norm2 / (double)aux->inv_norm / codec->dim;
    for (uint32_t i = 0; i < codec->dim; i++)
        row[i] = to_float((double)codec->centre[i] + decoded(codec, code, size, i));
}

/* ---- Queries ------------------------------------------------------------------------------- */

size_t ki_codec_query_bytes(const ki_codec *codec)
{
    return codec->dim * (codec->code == KITH_SQ8_DIM ? sizeof(float) : 1);
}

const void *ki_codec_vector(const ki_codec *codec, const ki_codec_query *query)
{
    return codec->code == KITH_SQ8 ? query->code.elements : (const void *)&query->code;
}

/* A query as codes meet it: moved like the rows for differences, as it is for products. Loops over
 * it take its numbers into variables of their own: bytes that are written could otherwise be the
 * codec's, and the compiler would look again for every element. */
typedef struct moved {
    const unsigned char *query;
    const float *centre;
    double factor, move; /* element i is query[i] * factor - centre[i] * move */
    uint32_t dim;
} moved;

static moved moved_query(const ki_codec *codec, const void *query, double factor)
{
    return (moved){.query = query,
                   .centre = codec->centre,
                   .factor = factor,
                   .move = codec->metric == KITH_L2SQ ? 1.0 : 0.0,
                   .dim = codec->dim};
}

static inline double moved_element(moved m, uint32_t i)
{
    return element(m.query, i) * m.factor - (double)m.centre[i] * m.move;
}

enum { LANES = 8 }; /* sums and maxima side by side: none waits for another */

/* |q'|^2 under l2sq; else what the centre adds to every distance. */
static double constant_of(const ki_codec *codec, moved m)
{
    const double square = codec->metric == KITH_L2SQ ? 1.0 : 0.0;
    double sums[LANES] = {0}, sum = codec->metric == KITH_COSINE ? 1.0 : 0.0;
    uint32_t i = 0;
    for (; i + LANES <= m.dim; i += LANES)
        for (uint32_t j = 0; j < LANES; j++) {
            const double x = moved_element(m, i + j), c = (double)m.centre[i + j];
            sums[j] += x * (square * x - (1.0 - square) * c);
        }
    for (uint32_t j = 0; i + j < m.dim; j++) {
        const double x = moved_element(m, i + j), c = (double)m.centre[i + j];
        sums[j] += x * (square * x - (1.0 - square) * c);
    }
    for (uint32_t j = 0; j < LANES; j++)
        sum += sums[j];
    return sum;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* One step of an integer query: the largest element is 127 of them. */
static double step_of(moved m)
{
    double most[LANES] = {0};
    uint32_t i = 0;
    for (; i + LANES <= m.dim; i += LANES)
        for (uint32_t j = 0; j < LANES; j++)
            most[j] = larger(fabs(moved_element(m, i + j)), most[j]);
    for (; i < m.dim; i++)
        most[0] = larger(fabs(moved_element(m, i)), most[0]);
    for (uint32_t j = 1; j < LANES; j++)
        most[0] = larger(most[0], most[j]);
    return most[0] / 127.0;
}

static void fill_integers(moved m, double step, signed char *restrict elements)
{
    const double inverse = step > 0.0 ? 1.0 / step : 0.0;
    for (uint32_t i = 0; i < m.dim; i++)
        elements[i] = (signed char)nearest(moved_element(m, i) * inverse, -127.0, 127.0);
}

static void fill_floats(const float *scales, moved m, float *restrict elements)
{
    for (uint32_t i = 0; i < m.dim; i++)
        elements[i] = to_float(moved_element(m, i) * (double)scales[i]);
}

/* KITH_SQ8 and KITH_SQ4: the kernel counts in steps of the row times steps of the query. */
static void make_integers(const ki_codec *codec, moved m, void *elements, ki_codec_query *out)
{
    const double row_step = (double)codec->scale / (codec->code == KITH_SQ4 ? 16.0 : 1.0);
    const int l2sq = codec->metric == KITH_L2SQ;
    const double step = l2sq ? row_step : step_of(m);
    fill_integers(m, step, elements);
    out->unit = row_step * step;
    out->offset = l2sq ? 0.0 : constant_of(codec, m);
}

void ki_codec_make_query(const ki_codec *codec, const void *query, void *elements,
                         ki_codec_query *out)
{
    const moved m = moved_query(codec, query, factor_of(codec, query));
    *out = (ki_codec_query){.code = {.elements = elements}, .unit = 1.0};
    if (codec->code == KITH_SQ8 || codec->code == KITH_SQ4) {
        make_integers(codec, m, elements, out);
        return;
    }
    out->code.bias = to_float(constant_of(codec, m));
    if (codec->code == KITH_SQ8_DIM) {
        fill_floats(codec->scales, m, elements);
        return;
    }
    const double step = step_of(m);
    out->code.scale = to_float(step);
    fill_integers(m, step, elements);
}

float ki_codec_distance(const ki_codec_query *query, ki_key_form form, uint32_t key)
{
    return (float)(query->unit * (double)ki_key_distance(form, key) + query->offset);
}

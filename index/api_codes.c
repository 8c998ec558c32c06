/* api_codes.c - rows to codes and back with a codec, and codecs to bytes and back.
 *
 * May include kernels/codec.h, kv/base.h, workers.h and XXH3. A saved codec is a head, the centres,
 * the scales if there are any, and the XXH3 of all that. Bytes are believed only when their hash
 * is right, and then judged like anybody's numbers.
 */
#include "index/codec_object.h"
#include "index/checks.h"
#include "index/objects.h"
#include "index/workers.h"
#include <math.h>
#include <string.h>
#include <xxhash.h>

static const uint32_t bits_of_code[] = {
    [KITH_SQ8] = 8, [KITH_SQ8_DIM] = 8, [KITH_SQ4] = 4, [KITH_SQ1] = 1};

/* Of a saved codec. A machine of the other byte order reads another number. */
typedef struct saved_head {
    uint64_t magic;
    uint32_t code, metric, dim;
    float scale;
} saved_head;

static const uint64_t codec_magic = UINT64_C(0x31636564436b6974); /* "tikCdec1" in memory */

static size_t code_bytes_of(const kith_codec *codec)
{
    return ki_row_bytes(ki_codec_pairing(&codec->codec), codec->codec.dim);
}

static size_t number_bytes(kith_code code, uint32_t dim)
{
    return dim * (code == KITH_SQ8_DIM ? 2 : 1) * sizeof(float);
}

static size_t saved_bytes(kith_code code, uint32_t dim)
{
    return sizeof(saved_head) + number_bytes(code, dim) + sizeof(uint64_t);
}

kith_status kith_codec_stat(const kith_codec *codec, kith_codec_info *out)
{
    const ki_codec *c = &codec->codec;
    const kith_codec_info info = {.code = c->code,
                                  .metric = c->metric,
                                  .dim = c->dim,
                                  .bits = bits_of_code[c->code],
                                  .code_bytes = code_bytes_of(codec),
                                  .saved_bytes = saved_bytes(c->code, c->dim),
                                  .scale = c->scale};
    return ki_write_result(&info, sizeof info, out);
}

/* ---- Codes -------------------------------------------------------------------------------- */

typedef struct encoding {
    const ki_codec *codec;
    const unsigned char *rows;
    unsigned char *codes;
    kith_side *sides;
    size_t stride, code_stride;
} encoding;

static kith_status check_job(void *context, uint32_t worker, size_t first, size_t last)
{
    const encoding *e = context;
    kith_status status = KITH_OK;
    (void)worker;
    for (size_t r = first; r < last && !status; r++)
        status = ki_check_vector(e->codec->metric, KITH_F32, e->codec->dim, e->rows + r * e->stride,
                                 "row", r);
    return status;
}

static kith_status encode_job(void *context, uint32_t worker, size_t first, size_t last)
{
    const encoding *e = context;
    (void)worker;
    for (size_t r = first; r < last; r++) {
        ki_aux aux;
        ki_codec_encode(e->codec, e->rows + r * e->stride, e->codes + r * e->code_stride, &aux);
        memcpy(&e->sides[r], &aux, sizeof aux);
    }
    return KITH_OK;
}

static kith_status check_code_stride(const kith_codec *codec, size_t *stride)
{
    const size_t bytes = code_bytes_of(codec);
    if (*stride && *stride < bytes)
        return ki_fail(KITH_EINVAL, "a stride of %zu bytes is less than a code, %zu bytes", *stride,
                       bytes);
    *stride = *stride ? *stride : bytes;
    return KITH_OK;
}

kith_status kith_codec_encode(const kith_codec *codec, const float *rows, size_t stride, size_t n,
                              uint32_t threads, void *codes, size_t code_stride, kith_side *sides)
{
    enum { ROWS_AT_ONCE = 64 };
    ki_workers *workers = NULL;
    kith_status status = ki_check_f32_rows(rows, codec->codec.dim, n, &stride);
    if (!status)
        status = check_code_stride(codec, &code_stride);
    if (!status)
        status = ki_check_threads(threads);
    if (!status && n && (!codes || !sides))
        status = ki_fail(KITH_EINVAL, "%s is NULL", codes ? "sides" : "codes");
    if (status || !n)
        return status;
    encoding e = {.codec = &codec->codec,
                  .rows = (const unsigned char *)rows,
                  .codes = codes,
                  .sides = sides,
                  .stride = stride,
                  .code_stride = code_stride};
    status = ki_workers_open(threads, &workers);
    if (!status)
        status = ki_workers_run(workers, n, ROWS_AT_ONCE, check_job, &e);
    if (!status)
        status = ki_workers_run(workers, n, ROWS_AT_ONCE, encode_job, &e);
    ki_workers_close(workers);
    return status;
}

kith_status kith_codec_decode(const kith_codec *codec, const void *codes, size_t code_stride,
                              const kith_side *sides, size_t n, float *rows)
{
    kith_status status = check_code_stride(codec, &code_stride);
    if (!status && n && (!codes || !rows))
        status = ki_fail(KITH_EINVAL, "%s is NULL", codes ? "rows" : "codes");
    if (!status && n && !sides && codec->codec.code == KITH_SQ1)
        status = ki_fail(KITH_EINVAL, "sides is NULL, and codes of 1 bit mean nothing without");
    if (status)
        return status;
    for (size_t r = 0; r < n; r++) {
        ki_aux aux = {0};
        if (sides)
            memcpy(&aux, &sides[r], sizeof aux);
        ki_codec_decode(&codec->codec, (const unsigned char *)codes + r * code_stride, &aux,
                        rows + r * codec->codec.dim);
    }
    return KITH_OK;
}

/* ---- Codecs as bytes ---------------------------------------------------------------------- */

kith_status kith_codec_save(const kith_codec *codec, void *bytes)
{
    const ki_codec *c = &codec->codec;
    const size_t numbers = number_bytes(c->code, c->dim);
    const saved_head head = {.magic = codec_magic,
                             .code = (uint32_t)c->code,
                             .metric = (uint32_t)c->metric,
                             .dim = c->dim,
                             .scale = c->scale};
    unsigned char *to = bytes;
    if (!bytes)
        return ki_fail(KITH_EINVAL, "bytes is NULL");
    memcpy(to, &head, sizeof head);
    memcpy(to + sizeof head, codec->numbers, numbers);
    const uint64_t hash = XXH3_64bits(to, sizeof head + numbers);
    memcpy(to + sizeof head + numbers, &hash, sizeof hash);
    return KITH_OK;
}

static kith_status read_head(const unsigned char *bytes, size_t length, saved_head *out)
{
    uint64_t hash;
    if (length < sizeof *out + sizeof hash)
        return ki_fail(KITH_ECORRUPT, "%zu bytes are too few for a saved codec", length);
    memcpy(out, bytes, sizeof *out);
    if (out->magic != codec_magic)
        return ki_fail(KITH_ECORRUPT,
                       "the bytes do not begin like a codec saved on a machine of this byte order");
    memcpy(&hash, bytes + length - sizeof hash, sizeof hash);
    if (XXH3_64bits(bytes, length - sizeof hash) != hash)
        return ki_fail(KITH_ECORRUPT, "the %zu bytes of a codec are not as they were written",
                       length);
    if (ki_check_codec(out->dim, (kith_code)out->code, (kith_metric)out->metric))
        return ki_fail(KITH_ECORRUPT, "a codec of %u dimensions, codes %u and metric %u cannot be",
                       out->dim, out->code, out->metric);
    const size_t right = saved_bytes((kith_code)out->code, out->dim);
    if (length != right)
        return ki_fail(KITH_ECORRUPT, "a saved codec of %zu bytes should have %zu", length, right);
    return KITH_OK;
}

static bool is_scale(float scale)
{
    return isfinite(scale) && scale >= 0.0f;
}

static kith_status check_numbers(const ki_codec *codec)
{
    if (!is_scale(codec->scale))
        return ki_fail(KITH_ECORRUPT, "a codec has the scale %g", (double)codec->scale);
    for (uint32_t i = 0; i < codec->dim; i++)
        if (!isfinite(codec->centre[i]) || (codec->scales && !is_scale(codec->scales[i])))
            return ki_fail(KITH_ECORRUPT, "centre or scale of dimension %u cannot be", i);
    return KITH_OK;
}

kith_status kith_codec_load(const void *bytes, size_t length, kith_codec **out)
{
    saved_head head;
    kith_codec *codec = NULL;
    if (!bytes)
        return ki_fail(KITH_EINVAL, "bytes is NULL");
    kith_status status = read_head(bytes, length, &head);
    if (!status)
        status = ki_codec_alloc(head.dim, (kith_code)head.code, (kith_metric)head.metric, &codec);
    if (status)
        return status;
    codec->codec.scale = head.scale;
    memcpy(codec->numbers, (const unsigned char *)bytes + sizeof head,
           number_bytes(codec->codec.code, head.dim));
    status = check_numbers(&codec->codec);
    if (status)
        kith_codec_close(codec);
    else
        *out = codec;
    return status;
}

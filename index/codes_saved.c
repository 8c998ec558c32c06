/* codes_saved.c - what codes learnt, as bytes, and back; see codes.h.
 *
 * May include codes.h and kv/base.h. First how many rows were learnt from and how many came since,
 * then the codec, then the projection. The codes themselves are not kept: whoever has what was
 * learnt, and the rows, can make them. Whoever wrote the bytes, each number is judged.
 */
#include "index/codes.h"
#include <math.h>
#include <string.h>

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

static kith_status check_projection(const float *projection, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(projection[i]) <= 2)) /* of a line of length 1, but for rounding */
            return ki_fail(KITH_ECORRUPT, "number %zu of a projection is %g", i,
                           (double)projection[i]);
    return KITH_OK;
}

kith_status ki_codes_load(ki_codes *codes, const void *bytes, size_t length)
{
    const ki_codes_shape *shape = &codes->shape;
    const unsigned char *from = bytes;
    const size_t matrix = (size_t)shape->dim * shape->reduced * sizeof(float);
    kith_codec *codec = NULL;
    kith_codec_info info = {.size = sizeof info};
    ki_lines lines = {0};
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
    if (projection)
        memcpy(projection, from + length - matrix, matrix);
    if (!status)
        status = check_projection(projection, matrix / sizeof *projection);
    if (!status && codes->source && matrix)
        status = ki_lines_open(projection, shape->dim, shape->reduced, &lines);
    if (status) {
        kith_codec_close(codec);
        ki_free(projection);
        return status;
    }
    kith_codec_close(codes->codec);
    ki_free(codes->projection);
    ki_lines_close(&codes->lines);
    codes->lines = lines;
    codes->codec = codec;
    codes->projection = projection;
    codes->learnt = (uint32_t)learnt;
    codes->lessons++;
    codes->of_lesson = codes->source ? codes->source->lessons : 0;
    codes->came = (uint32_t)(learnt >> 32);
    codes->count = 0;
    return KITH_OK;
}

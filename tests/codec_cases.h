/* codec_cases.h - rows for the tests of codecs, and the shorthands that they share.
 *
 * May include kith.h and check.h. Rows come in clusters, as vectors of real things do; some
 * dimensions are wider than others, and none has its mean at zero.
 */
#ifndef CODEC_CASES_H
#define CODEC_CASES_H

#include "kith.h"
#include "tests/check.h"
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { CODES = KITH_SQ1 + 1, METRICS = KITH_COSINE + 1 };

static inline void must(kith_status status)
{
    if (status)
        fail_msg("%s: %s", kith_strerror(status), kith_last_error());
}

static inline float *new_floats(size_t n)
{
    float *block = calloc(n ? n : 1, sizeof *block);
    assert_non_null(block);
    return block;
}

/* Nearly normal, unit variance. */
static inline float draw_normal(uint64_t *random)
{
    float sum = 0;
    for (int i = 0; i < 12; i++)
        sum += check_unit(random);
    return sum * 0.5f;
}

/* n rows around `clusters` centres; the dimensions have four widths between 1 and 4, and the
 * means 0, 1 and 2. */
static inline float *draw_clusters(size_t n, uint32_t dim, uint32_t clusters, uint64_t *random)
{
    float *centres = new_floats((size_t)clusters * dim), *rows = new_floats(n * dim);
    for (size_t i = 0; i < (size_t)clusters * dim; i++)
        centres[i] = draw_normal(random);
    for (size_t r = 0; r < n; r++) {
        const float *centre = centres + (size_t)check_below(random, clusters) * dim;
        for (uint32_t i = 0; i < dim; i++)
            rows[r * dim + i] =
                (centre[i] + 0.6f * draw_normal(random)) * (float)(1 + i % 4) + (float)(i % 3);
    }
    free(centres);
    return rows;
}

static inline kith_codec *train_codec(kith_code code, kith_metric metric, const float *rows,
                                      size_t n, uint32_t dim, uint32_t threads)
{
    kith_codec_options options = kith_codec_defaults(dim, code, metric);
    kith_codec *codec = NULL;
    options.threads = threads;
    must(kith_codec_train(&options, rows, 0, n, &codec));
    return codec;
}

static inline kith_codec_info info_of(const kith_codec *codec)
{
    kith_codec_info info = {.size = sizeof info};
    must(kith_codec_stat(codec, &info));
    return info;
}

/* The codes of n rows and their sides, in one block each; the caller frees them. */
static inline unsigned char *encode_rows(const kith_codec *codec, const float *rows, size_t n,
                                         uint32_t threads, kith_side **sides)
{
    unsigned char *codes = calloc(n ? n : 1, info_of(codec).code_bytes);
    *sides = calloc(n ? n : 1, sizeof **sides);
    assert_non_null(codes);
    assert_non_null(*sides);
    must(kith_codec_encode(codec, rows, 0, n, threads, codes, 0, *sides));
    return codes;
}

#endif

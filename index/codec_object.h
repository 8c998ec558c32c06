/* codec_object.h - the inside of a kith_codec, shared by the files of public calls that read it.
 *
 * May include kernels/codec.h and kv/base.h.
 */
#ifndef KI_CODEC_OBJECT_H
#define KI_CODEC_OBJECT_H

#include "kernels/codec.h"
#include "kv/base.h"

struct kith_codec {
    ki_codec codec; /* its arrays are the numbers below */
    float numbers[];
};

/* Can codes be like this? */
kith_status ki_check_codec(uint32_t dim, kith_code code, kith_metric metric);

/* A codec of zeros. */
kith_status ki_codec_alloc(uint32_t dim, kith_code code, kith_metric metric, kith_codec **out);

/* Can n rows of f32 lie like this? A stride of 0 becomes that of rows without padding. */
kith_status ki_check_f32_rows(const float *rows, uint32_t dim, size_t n, size_t *stride);

#endif

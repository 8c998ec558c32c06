/* widen.c - see widen.h. One loop a type, each plain enough for the compiler's own vectors. Every
 * value of every type is an f32, so nothing is lost and nobody need know how it was done.
 */
#include "index/widen.h"
#include "kernels/convert.h"
#include <string.h>

void ki_widen(kith_type type, const void *vector, uint32_t dim, float *out)
{
    const uint16_t *half = vector;
    const uint8_t *u8 = vector;
    const int8_t *i8 = vector;
    switch (type) {
    case KITH_F32:
        memcpy(out, vector, dim * sizeof *out);
        break;
    case KITH_F16:
        for (uint32_t i = 0; i < dim; i++)
            out[i] = ki_f32_from_f16(half[i]);
        break;
    case KITH_BF16:
        for (uint32_t i = 0; i < dim; i++)
            out[i] = ki_f32_from_bf16(half[i]);
        break;
    case KITH_U8:
        for (uint32_t i = 0; i < dim; i++)
            out[i] = u8[i];
        break;
    case KITH_I8:
        for (uint32_t i = 0; i < dim; i++)
            out[i] = i8[i];
        break;
    case KITH_B1:
        for (uint32_t i = 0; i < dim; i++)
            out[i] = (float)(u8[i / 8] >> i % 8 & 1);
        break;
    }
}

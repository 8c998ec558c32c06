/* sketch_data.h - what the tests of sketches share: rows that spread in few directions.
 *
 * May include index_data.h. Included by one file of a program only.
 */
#ifndef SKETCH_DATA_H
#define SKETCH_DATA_H

#include "tests/index_data.h"

/* Mixtures of a dozen directions, which `seed` gives, with a little noise. */
static inline matrix mixtures(kith_type type, uint32_t dim, size_t n, uint64_t seed,
                              uint64_t *random)
{
    enum { FEW = 12 };
    matrix rows = matrix_uniform(type, dim, n, random);
    const float size = type == KITH_U8 ? 12.0f : 0.3f, centre = type == KITH_U8 ? 128.0f : 0.0f;
    float *directions = malloc((size_t)FEW * dim * sizeof *directions);
    for (size_t i = 0; i < (size_t)FEW * dim; i++)
        directions[i] = check_unit(&seed);
    for (size_t i = 0; i < n; i++) {
        float share[FEW];
        for (int k = 0; k < FEW; k++)
            share[k] = check_unit(random) * 3;
        for (uint32_t j = 0; j < dim; j++) {
            float x = check_unit(random) * 0.3f;
            for (int k = 0; k < FEW; k++)
                x += share[k] * directions[(size_t)k * dim + j];
            x = x > 9 ? 9 : x < -9 ? -9 : x;
            set_element(type, row_at(&rows, i), j, centre + size * x);
        }
    }
    free(directions);
    return rows;
}

#endif

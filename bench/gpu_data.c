/* gpu_data.c - vectors that are made rather than fetched.
 *
 * A machine with a large GPU often has no network, and a random cloud in 128 dimensions has no
 * neighbours worth the name: all its distances are nearly equal, and no graph helps. Real
 * descriptors lie near surfaces of some twenty dimensions, in clusters; so do these.
 */
#include "bench/gpu.h"

#include <math.h>
#include <stdlib.h>

enum { LATENT = 24, CENTRES_LEAST = 16 };

#define SPREAD 0.7f /* of a cluster, where centres are one apart in each dimension */
#define NOISE 0.05f
#define U8_STEP 8.0f /* of a byte: most elements then lie in 0..255 */

struct maker {
    uint64_t seed;
    uint32_t centres;
    float *centre; /* LATENT each */
    float turn[LATENT][GPU_DIM];
};

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* The sum of four uniform numbers, of mean 0 and variance 1: a bell, from one random word. */
static float bell(uint64_t *state)
{
    const uint64_t r = next(state);
    const uint32_t sum = (uint32_t)(r & 0xffff) + (uint32_t)(r >> 16 & 0xffff) +
                         (uint32_t)(r >> 32 & 0xffff) + (uint32_t)(r >> 48);
    return ((float)sum - 131070.0f) * (1.7320508f / 65536.0f);
}

static void maker_open(struct maker *maker, uint32_t rows)
{
    const double root = sqrt((double)rows);
    maker->seed = 1;
    maker->centres = root > CENTRES_LEAST ? (uint32_t)root : CENTRES_LEAST;
    maker->centre = gpu_memory((size_t)maker->centres * LATENT, sizeof *maker->centre);
    for (size_t i = 0; i < (size_t)maker->centres * LATENT; i++)
        maker->centre[i] = bell(&maker->seed);
    for (int i = 0; i < LATENT; i++)
        for (int j = 0; j < GPU_DIM; j++)
            maker->turn[i][j] = bell(&maker->seed);
}

static void make_row(struct maker *maker, float out[GPU_DIM])
{
    const float *centre = maker->centre + next(&maker->seed) % maker->centres * LATENT;
    for (int j = 0; j < GPU_DIM; j++)
        out[j] = NOISE * bell(&maker->seed);
    for (int i = 0; i < LATENT; i++) {
        const float z = centre[i] + SPREAD * bell(&maker->seed);
        for (int j = 0; j < GPU_DIM; j++)
            out[j] += z * maker->turn[i][j];
    }
}

static void store_row(kith_type type, const float row[GPU_DIM], void *to, size_t at)
{
    float *const floats = to;
    uint8_t *const bytes = to;
    for (size_t j = 0; j < GPU_DIM; j++) {
        const float x = 128.0f + U8_STEP * row[j];
        if (type == KITH_F32)
            floats[at * GPU_DIM + j] = row[j];
        else
            bytes[at * GPU_DIM + j] = (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x);
    }
}

struct gpu_data gpu_data_make(kith_type type, uint32_t rows)
{
    struct gpu_data data = {.type = type, .rows = rows};
    struct maker *maker = gpu_memory(1, sizeof *maker);
    float row[GPU_DIM];
    const size_t bytes = kith_vector_bytes(type, GPU_DIM);
    data.queries = rows < GPU_QUERIES ? rows : GPU_QUERIES;
    data.judged = data.queries < GPU_JUDGED ? data.queries : GPU_JUDGED;
    data.base = gpu_memory(rows, bytes);
    data.asked = gpu_memory(data.queries, bytes);
    maker_open(maker, rows);
    for (uint32_t i = 0; i < rows + data.queries; i++) {
        make_row(maker, row);
        store_row(type, row, i < rows ? data.base : data.asked, i < rows ? i : i - rows);
    }
    free(maker->centre);
    free(maker);
    return data;
}

void gpu_data_free(struct gpu_data *data)
{
    free(data->base);
    free(data->asked);
    *data = (struct gpu_data){0};
}

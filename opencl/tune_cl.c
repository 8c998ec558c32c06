/* tune_cl.c - the size of a group, and whether tiles pay, measured on the device itself.
 *
 * May touch scan_cl.h, cachefile.h and kernels/. The one idea: nobody knows these numbers for a GPU
 * of next year, and nobody should wait for them at every start. So they are measured when that is
 * asked for (KITH_OPENCL_TUNE=1), each layout only after it has passed the self-test and with
 * answers that must be those of the first one, bit by bit; and the winner is kept beside the
 * programs, under a hash of the device, its driver and this library. What does not read back as
 * one of the layouts tried here is not believed.
 *
 * On a CPU a group is one item, and there is nothing to choose.
 */
#include "opencl/cachefile.h"
#include "opencl/scan_cl.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TUNING_FORMAT "1" /* raised when the layouts change in meaning */

enum { ROWS = 32768, DIM = 64, QUERIES = 64, PASS = 8, K = 10, ROUNDS = 3, NEVER = 1 << 30 };

static const uint32_t groups[] = {32, 64, 128, 256};

typedef struct tuning {
    uint32_t group;
    uint32_t tile_queries;
} tuning;

typedef struct sample {
    float rows[ROWS][DIM];
    float queries[QUERIES][DIM];
    ki_aux aux[ROWS];
    uint64_t first[QUERIES * K], answers[QUERIES * K];
} sample;

static kith_status make_key(const ki_cl_device *device, ki_cache_key *out)
{
    const ki_cl_found *found = &device->found;
    const char *parts[] = {"tuning",
                           found->info.name,
                           found->info.driver,
                           found->info.platform,
                           found->platform_version,
                           kith_version(),
                           TUNING_FORMAT};
    size_t lengths[sizeof parts / sizeof *parts];
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        lengths[i] = strlen(parts[i]);
    return ki_cache_key_make(parts, lengths, sizeof parts / sizeof *parts, out);
}

static bool known_group(const ki_cl_device *device, uint32_t group)
{
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (groups[i] == group)
            return group <= device->found.max_group;
    return false;
}

/* Another layout: what was compiled or proved for the one before is worth nothing. */
static void lay_out(ki_cl_device *device, uint32_t group)
{
    ki_cl_variants_close(device);
    memset(device->proofs, 0, sizeof device->proofs);
    device->shape.group = group;
}

void ki_cl_tuned(ki_cl_device *device)
{
    ki_cache_key key;
    tuning stored;
    void *data = NULL;
    size_t bytes = 0;
    if (device->shape.group == 1 || make_key(device, &key) ||
        ki_cache_read(&key, &data, &bytes) != KI_CACHE_HIT)
        return;
    if (bytes == sizeof stored) {
        memcpy(&stored, data, sizeof stored);
        if (known_group(device, stored.group)) {
            lay_out(device, stored.group);
            device->tile_queries = stored.tile_queries;
        }
    }
    ki_free(data);
}

void ki_cl_untuned(ki_cl_device *device)
{
    ki_cache_key key;
    if (!make_key(device, &key))
        ki_cache_delete(&key);
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The best of some rounds; the first one, which compiles, is none of them. */
static kith_status measure(ki_device_rows *rows, sample *s, size_t nq, ki_cl_path path,
                           double *seconds)
{
    const ki_device_queries queries = {s->queries, sizeof s->queries[0], nq, 0};
    double best = 1e30;
    for (int round = 0; round <= ROUNDS; round++) {
        const double begin = seconds_now();
        const kith_status status = ki_cl_scan_by(rows, &queries, K, path, s->answers);
        const double took = seconds_now() - begin;
        if (status)
            return status;
        best = round > 0 && took < best ? took : best;
    }
    if (s->first[0] == 0) /* no answer is 0: its key is that of a distance above 0 */
        memcpy(s->first, s->answers, sizeof s->first);
    if (memcmp(s->first, s->answers, nq * K * sizeof *s->answers) != 0)
        return ki_fail(KITH_EDEVICE, "tuning %s: groups of %u answer otherwise",
                       rows->device->found.info.id, (unsigned)rows->device->shape.group);
    *seconds = best;
    return KITH_OK;
}

/* One layout, from its self-test to its times; tiles only when they are asked for. */
static kith_status try_layout(ki_cl_device *device, const ki_row_set *set, sample *s, bool tiles,
                              double *lists_seconds, double *tiles_seconds)
{
    const ki_device_queries all = {s->queries, sizeof s->queries[0], QUERIES, 0};
    ki_device_rows *rows = NULL;
    bool wrong = false;
    kith_status status = ki_cl_self_test(device, KI_CL_LISTS, &wrong);
    if (!status)
        status = ki_cl_put_rows(&device->base, set, &rows);
    if (!status)
        status = measure(rows, s, QUERIES, KI_CL_LISTS, lists_seconds);
    if (!status && !tiles)
        status = measure(rows, s, PASS, KI_CL_LISTS, lists_seconds);
    if (!status && tiles && ki_cl_tiles_fit(rows, &all, K)) {
        status = ki_cl_self_test(device, KI_CL_TILES, &wrong);
        if (!status)
            status = measure(rows, s, QUERIES, KI_CL_TILES, tiles_seconds);
    }
    ki_cl_drop_rows(rows);
    return status;
}

static void fill(sample *s)
{
    float *floats = s->rows[0];
    for (uint32_t i = 0; i < ROWS * DIM; i++)
        floats[i] = (float)(i * 2654435761u >> 8) * 0x1p-24f;
    floats = s->queries[0];
    for (uint32_t i = 0; i < QUERIES * DIM; i++)
        floats[i] = (float)((i + 77) * 2246822519u >> 8) * 0x1p-24f;
    for (uint32_t row = 0; row < ROWS; row++)
        ki_aux_fill(KITH_F32, s->rows[row], DIM, &s->aux[row]);
}

/* A layout that fails is not chosen, whatever its reason. */
static void choose(ki_cl_device *device, sample *s, tuning *best)
{
    const ki_row_set set = {.rows = {.base = (const unsigned char *)s->rows,
                                     .stride = sizeof s->rows[0],
                                     .aux = (const unsigned char *)s->aux,
                                     .aux_stride = sizeof s->aux[0],
                                     .dim = DIM},
                            .count = ROWS,
                            .type = KITH_F32,
                            .metric = KITH_L2SQ};
    double shortest = 1e30, lists = 0, tiles = 1e30;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if (!known_group(device, groups[i]))
            continue;
        lay_out(device, groups[i]);
        if (try_layout(device, &set, s, false, &lists, &tiles) || lists >= shortest)
            continue;
        shortest = lists;
        best->group = groups[i];
    }
    lay_out(device, best->group);
    if (!try_layout(device, &set, s, true, &lists, &tiles) && tiles >= lists)
        best->tile_queries = NEVER;
}

kith_status ki_cl_tune(ki_cl_device *device)
{
    tuning best = {.group = device->shape.group, .tile_queries = device->tile_queries};
    ki_cache_key key;
    if (device->shape.group == 1)
        return KITH_OK;
    sample *s = ki_zalloc(sizeof *s);
    if (!s)
        return ki_no_memory("tuning a device", sizeof *s);
    fill(s);
    choose(device, s, &best);
    ki_free(s);
    lay_out(device, best.group);
    device->tile_queries = best.tile_queries;
    const kith_status status = make_key(device, &key);
    if (!status)
        ki_cache_write(&key, &best, sizeof best);
    return status;
}

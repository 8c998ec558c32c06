/* selftest.c - a search whose answers are known, run by each way to search before it is believed.
 *
 * May touch scan_cl.h and kernels/. The one idea: some drivers compile a kernel without a word
 * and then answer wrongly. Squared distances of small u8 vectors are exact integers, so the
 * check is equality. The rows repeat, so that ties are ordered by row number or found out; more
 * rows than one tile, more queries than one pass, and k above the shortest sort.
 */
#include "opencl/scan_cl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 777, DIM = 9, QUERIES = 9, K = 20, DISTINCT = 301 };

typedef struct sample {
    unsigned char rows[ROWS][DIM];
    unsigned char queries[QUERIES][DIM];
    ki_aux aux[ROWS];
    uint64_t answers[QUERIES][K];
} sample;

/* A multiplicative mix; any spread of values will do. */
static unsigned char element(uint32_t row, uint32_t i)
{
    const uint32_t x = (row * 131u + i + 1u) * 2654435761u;
    return (unsigned char)(x >> 24);
}

static void fill(sample *s)
{
    for (uint32_t row = 0; row < ROWS; row++) {
        for (uint32_t i = 0; i < DIM; i++)
            s->rows[row][i] = element(row % DISTINCT, i);
        ki_aux_fill(KITH_U8, s->rows[row], DIM, &s->aux[row]);
    }
    for (uint32_t query = 0; query < QUERIES; query++)
        for (uint32_t i = 0; i < DIM; i++)
            s->queries[query][i] = element(query + 1000, i);
}

static int by_entry(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static kith_status compare(const ki_cl_device *device, const sample *s, bool *wrong)
{
    uint64_t right[ROWS];
    for (uint32_t query = 0; query < QUERIES; query++) {
        for (uint32_t row = 0; row < ROWS; row++) {
            uint32_t sum = 0;
            for (uint32_t i = 0; i < DIM; i++) {
                const int d = s->rows[row][i] - s->queries[query][i];
                sum += (uint32_t)(d * d);
            }
            right[row] = (uint64_t)sum << 32 | row;
        }
        qsort(right, ROWS, sizeof right[0], by_entry);
        for (uint32_t i = 0; i < K; i++)
            if (s->answers[query][i] != right[i]) {
                *wrong = true;
                return ki_fail(
                    KITH_EDEVICE, "self-test of %s: neighbour %u of query %u is row %u, not %u",
                    device->found.info.id, (unsigned)i, (unsigned)query,
                    (unsigned)(uint32_t)s->answers[query][i], (unsigned)(uint32_t)right[i]);
            }
    }
    return KITH_OK;
}

kith_status ki_cl_self_test(ki_cl_device *device, ki_cl_path path, bool *wrong)
{
    sample *s = ki_zalloc(sizeof *s);
    ki_device_rows *rows = NULL;
    if (!s)
        return ki_no_memory("the self-test of a device", sizeof *s);
    fill(s);
    const ki_row_set set = {
        .rows = {.base = s->rows[0],
                 .stride = DIM,
                 .aux = (const unsigned char *)s->aux,
                 .aux_stride = sizeof s->aux[0],
                 .dim = DIM},
        .count = ROWS,
        .type = KITH_U8,
        .metric = KITH_L2SQ,
    };
    const ki_device_queries queries = {.base = s->queries, .stride = DIM, .count = QUERIES};
    kith_status status = ki_cl_put_rows(&device->base, &set, &rows);
    if (!status)
        status = ki_cl_scan_by(rows, &queries, K, path, s->answers[0]);
    if (!status)
        status = compare(device, s, wrong);
    ki_cl_drop_rows(rows);
    ki_free(s);
    return status;
}

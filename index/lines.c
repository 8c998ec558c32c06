/* lines.c - see lines.h. May include kernels/ and kv/base.h. Everything is exact but the rounding
 * of a sum to a float, which is the same everywhere.
 */
#include "index/lines.h"
#include <math.h>
#include <string.h>

enum { LINE = 64, MOST = 127 };

static size_t whole_lines(size_t bytes)
{
    return (bytes + LINE - 1) / LINE * LINE;
}

/* By the largest element, so that a projection that was rounded is rounded to itself. */
static void write_lines(const float *projection, uint32_t dim, ki_lines *lines)
{
    double most = 0;
    for (size_t i = 0; i < (size_t)dim * lines->count; i++)
        most = fabs((double)projection[i]) > most ? fabs((double)projection[i]) : most;
    const double scale = most > 0 ? MOST / most : 0;
    for (uint32_t j = 0; j < lines->count; j++) {
        unsigned char *line = lines->base + j * lines->rows.stride;
        for (uint32_t i = 0; i < dim; i++) {
            const double x = (double)projection[(size_t)i * lines->count + j] * scale;
            line[i] = (unsigned char)((int)(x + 128.5) - 128);
        }
        ki_aux_fill(KITH_I8, line, dim, &lines->sides[j]);
    }
}

kith_status ki_lines_open(const float *projection, uint32_t dim, uint32_t count, ki_lines *out)
{
    const size_t stride = whole_lines(dim);
    ki_lines lines = {.count = count};
    lines.base = ki_alloc_aligned(LINE, count * stride);
    lines.sides = ki_alloc_aligned(LINE, count * sizeof *lines.sides);
    if (!lines.base || !lines.sides) {
        ki_lines_close(&lines);
        return ki_no_memory("a projection", count * stride);
    }
    memset(lines.base, 0, count * stride);
    lines.rows = (ki_rows){.base = lines.base,
                           .stride = stride,
                           .aux = (const unsigned char *)lines.sides,
                           .aux_stride = sizeof *lines.sides,
                           .dim = dim};
    write_lines(projection, dim, &lines);
    *out = lines;
    return KITH_OK;
}

void ki_lines_close(ki_lines *lines)
{
    ki_free(lines->base);
    ki_free(lines->sides);
    *lines = (ki_lines){0};
}

size_t ki_lines_bytes(const ki_lines *lines)
{
    return lines->count * (lines->rows.stride + sizeof *lines->sides);
}

/* The query of the kernel, its keys, and what they mean. */
size_t ki_lines_scratch(uint32_t dim, uint32_t count)
{
    return whole_lines(ki_query_bytes(KI_I8, dim)) + whole_lines(count * sizeof(uint32_t)) +
           count * sizeof(float);
}

const float *ki_lines_project(const ki_lines *lines, const ki_kernel *kernel, const void *vector,
                              void *scratch)
{
    const uint32_t dim = lines->rows.dim;
    unsigned char *at = scratch;
    uint32_t *keys = (void *)(at + whole_lines(ki_query_bytes(KI_I8, dim)));
    float *out = (void *)((unsigned char *)keys + whole_lines(lines->count * sizeof *keys));
    ki_query query;
    kernel->prepare(vector, dim, scratch, &query);
    kernel->range(&query, &lines->rows, 0, lines->count, keys);
    for (uint32_t j = 0; j < lines->count; j++)
        out[j] = (float)(int32_t)(UINT32_C(0x80000000) - keys[j]);
    return out;
}

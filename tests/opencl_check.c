/* opencl_check.c - see opencl_check.h. The distances here are naive loops, written apart from
 * every kernel, so that a test compares two things that share no code. */
#include "tests/opencl_check.h"
#include "kernels/convert.h"
#include "kernels/keys.h"

#include <dirent.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

static char directory[64];

const char *opencl_cache_new(void)
{
    snprintf(directory, sizeof directory, "/tmp/kith-test-cache-XXXXXX");
    assert_non_null(mkdtemp(directory));
    assert_int_equal(setenv("KITH_CACHE", directory, 1), 0);
    return directory;
}

void opencl_cache_drop(void)
{
    DIR *open = opendir(directory);
    for (struct dirent *at = open ? readdir(open) : NULL; at; at = readdir(open)) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", directory, at->d_name);
        unlink(path);
    }
    if (open)
        closedir(open);
    rmdir(directory);
}

ki_device *opencl_open(void)
{
    ki_device *device = NULL;
    if (ki_opencl_open(0, 0, 1, &device))
        fail_msg("ocl0 does not open: %s", kith_last_error());
    return device;
}

static void fill(const cloud *c, unsigned char *to, uint32_t n, uint64_t *state)
{
    const size_t row_bytes = kith_vector_bytes(c->type, c->dim);
    for (uint32_t row = 0; row < n; row++) {
        unsigned char *at = to + row * row_bytes;
        if (row > 0 && check_below(state, 8) == 0) {
            memcpy(at, to + check_below(state, row) * row_bytes, row_bytes);
            continue;
        }
        for (uint32_t i = 0; i < c->dim; i++) {
            const float x = check_unit(state);
            const uint16_t narrow = c->type == KITH_F16 ? ki_f16_from_f32(x) : ki_bf16_from_f32(x);
            if (c->type == KITH_U8 || c->type == KITH_I8)
                at[i] = (unsigned char)check_below(state, 256);
            else if (c->type == KITH_F32)
                memcpy(at + i * sizeof x, &x, sizeof x);
            else if (c->type != KITH_B1)
                memcpy(at + i * sizeof narrow, &narrow, sizeof narrow);
            else
                at[i / 8] = (unsigned char)((i % 8 ? at[i / 8] : 0u) |
                                            (uint32_t)check_below(state, 2) << i % 8);
        }
    }
}

cloud cloud_new(kith_type type, kith_metric metric, uint32_t dim, uint32_t count, uint32_t queries,
                uint64_t seed)
{
    cloud c = {.type = type, .metric = metric, .dim = dim, .count = count, .queries = queries};
    const size_t row_bytes = kith_vector_bytes(type, dim);
    uint64_t state = seed;
    c.rows = malloc((count + 1) * row_bytes);
    c.asked = malloc((queries + 1) * row_bytes);
    c.aux = malloc((count + 1) * sizeof *c.aux);
    assert_true(c.rows && c.asked && c.aux);
    fill(&c, c.rows, count, &state);
    fill(&c, c.asked, queries, &state);
    for (uint32_t row = 0; row < count; row++)
        ki_aux_fill(type, c.rows + row * row_bytes, dim, &c.aux[row]);
    c.set = (ki_row_set){
        .rows = {.base = c.rows,
                 .stride = row_bytes,
                 .aux = (const unsigned char *)c.aux,
                 .aux_stride = sizeof *c.aux,
                 .dim = dim},
        .count = count,
        .type = type,
        .metric = metric,
    };
    return c;
}

void cloud_free(cloud *c)
{
    free(c->rows);
    free(c->asked);
    free(c->aux);
}

static double element(const cloud *c, const unsigned char *vector, uint32_t i)
{
    float x;
    if (c->type == KITH_U8)
        return vector[i];
    memcpy(&x, vector + i * sizeof x, sizeof x);
    return x;
}

double cloud_distance(const cloud *c, uint32_t query, uint32_t row)
{
    const size_t row_bytes = kith_vector_bytes(c->type, c->dim);
    const unsigned char *a = c->asked + query * row_bytes;
    const unsigned char *b = c->rows + row * row_bytes;
    double l2 = 0, dot = 0, aa = 0, bb = 0;
    for (uint32_t i = 0; i < c->dim; i++) {
        const double x = element(c, a, i), y = element(c, b, i);
        l2 += (x - y) * (x - y);
        dot += x * y;
        aa += x * x;
        bb += y * y;
    }
    if (c->metric == KITH_L2SQ)
        return l2;
    if (c->metric == KITH_IP)
        return -dot;
    return aa > 0 && bb > 0 ? 1 - dot / sqrt(aa) / sqrt(bb) : 1;
}

uint32_t cloud_key_u8(const cloud *c, uint32_t query, uint32_t row)
{
    const unsigned char *a = c->asked + (size_t)query * c->dim;
    const unsigned char *b = c->rows + (size_t)row * c->dim;
    uint32_t l2 = 0, dot = 0;
    ki_aux aux;
    for (uint32_t i = 0; i < c->dim; i++) {
        const int d = a[i] - b[i];
        l2 += (uint32_t)(d * d);
        dot += (uint32_t)a[i] * b[i];
    }
    if (c->metric == KITH_L2SQ)
        return l2;
    if (c->metric == KITH_IP)
        return ki_key_from_int(-(int32_t)dot);
    ki_aux_fill(KITH_U8, a, c->dim, &aux);
    const float x = (float)dot * aux.inv_norm;
    const float y = x * c->aux[row].inv_norm;
    return ki_key_from_float(1 - y);
}

static uint64_t *scan_rows(ki_device *device, ki_device_rows *rows, const cloud *c, uint32_t first,
                           uint32_t nq, uint32_t k)
{
    const size_t row_bytes = kith_vector_bytes(c->type, c->dim);
    uint64_t *answers = malloc((size_t)nq * k * sizeof *answers);
    assert_non_null(answers);
    const ki_device_queries queries = {c->asked + first * row_bytes, row_bytes, nq, 0};
    if (device->ops->scan(rows, &queries, k, answers))
        fail_msg("scan: %s", kith_last_error());
    return answers;
}

uint64_t *cloud_scan(ki_device *device, const cloud *c, uint32_t first, uint32_t nq, uint32_t k)
{
    ki_device_rows *rows = NULL;
    if (device->ops->put_rows(device, &c->set, &rows))
        fail_msg("put_rows: %s", kith_last_error());
    uint64_t *answers = scan_rows(device, rows, c, first, nq, k);
    device->ops->drop_rows(rows);
    return answers;
}

uint64_t *cloud_scan_once(const cloud *c, uint32_t k)
{
    ki_device *device = opencl_open();
    uint64_t *answers = cloud_scan(device, c, 0, c->queries, k);
    device->ops->close(device);
    return answers;
}

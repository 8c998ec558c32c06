/* index_data.c - see index_data.h. */
#include "tests/index_data.h"

#include <math.h>
#include <string.h>

const row_kind kinds[KINDS] = {
    {KITH_F32, KITH_L2SQ},   {KITH_F32, KITH_IP},    {KITH_F32, KITH_COSINE},
    {KITH_U8, KITH_L2SQ},    {KITH_U8, KITH_IP},     {KITH_U8, KITH_COSINE},
    {KITH_F16, KITH_L2SQ},   {KITH_F16, KITH_IP},    {KITH_F16, KITH_COSINE},
    {KITH_BF16, KITH_L2SQ},  {KITH_BF16, KITH_IP},   {KITH_BF16, KITH_COSINE},
    {KITH_I8, KITH_L2SQ},    {KITH_I8, KITH_IP},     {KITH_I8, KITH_COSINE},
    {KITH_B1, KITH_HAMMING}, {KITH_B1, KITH_JACCARD}};

size_t row_bytes(const matrix *rows)
{
    if (rows->type == KITH_B1)
        return (rows->dim + 7) / 8;
    if (rows->type == KITH_F16 || rows->type == KITH_BF16)
        return rows->dim * sizeof(uint16_t);
    return rows->dim * (rows->type == KITH_F32 ? sizeof(float) : 1);
}

void *row_at(const matrix *rows, size_t i)
{
    return rows->bytes + i * row_bytes(rows);
}

float *floats_at(const matrix *rows, size_t i)
{
    return (float *)(void *)(rows->bytes + i * row_bytes(rows));
}

/* ---- numbers ---- */

static double from_half(uint16_t half)
{
    const int exponent = half >> 10 & 31, fraction = half & 1023;
    const double size = exponent == 31 ? (fraction ? (double)NAN : (double)INFINITY)
                        : exponent     ? (1024 + fraction) * 0x1p-24 * (double)(1u << exponent) / 2
                                       : fraction * 0x1p-24;
    return half & 0x8000 ? -size : size;
}

/* Of what fits into a half. */
static uint16_t to_half(float x)
{
    int exponent;
    const uint16_t sign = signbit(x) ? 0x8000 : 0;
    const double size = fabs((double)x), part = frexp(size, &exponent);
    if (size < 0x1p-14)
        return (uint16_t)(sign | (uint16_t)rint(size * 0x1p24));
    return (uint16_t)(sign | ((exponent + 13) * 1024 + (int)rint(part * 2048)));
}

static uint16_t half_at(const void *vector, uint32_t j)
{
    uint16_t half;
    memcpy(&half, (const unsigned char *)vector + j * sizeof half, sizeof half);
    return half;
}

double element_at(kith_type type, const void *vector, uint32_t j)
{
    const unsigned char *bytes = vector;
    uint32_t bits;
    float x;
    if (type == KITH_U8)
        return bytes[j];
    if (type == KITH_I8)
        return (signed char)bytes[j];
    if (type == KITH_B1)
        return bytes[j / 8] >> j % 8 & 1;
    if (type == KITH_F16)
        return from_half(half_at(vector, j));
    if (type == KITH_F32)
        memcpy(&bits, bytes + j * sizeof bits, sizeof bits);
    else
        bits = (uint32_t)half_at(vector, j) << 16;
    memcpy(&x, &bits, sizeof x);
    return (double)x;
}

static float cut(float x, float least, float most)
{
    return x < least ? least : x > most ? most : x;
}

void set_element(kith_type type, void *vector, uint32_t j, float x)
{
    unsigned char *bytes = vector;
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (type == KITH_F32) {
        memcpy(bytes + j * sizeof x, &x, sizeof x);
    } else if (type == KITH_F16 || type == KITH_BF16) {
        const uint16_t half = type == KITH_F16 ? to_half(x) : (uint16_t)(bits >> 16);
        memcpy(bytes + j * sizeof half, &half, sizeof half);
    } else if (type == KITH_B1) {
        const unsigned bit = 1u << j % 8;
        bytes[j / 8] = (unsigned char)(x > 0 ? bytes[j / 8] | bit : bytes[j / 8] & ~bit);
    } else {
        bytes[j] = type == KITH_U8 ? (unsigned char)cut(x, 0, 255)
                                   : (unsigned char)(signed char)cut(x, -128, 127);
    }
}

/* ---- matrices ---- */

static matrix new_matrix(kith_type type, uint32_t dim, size_t n)
{
    matrix rows = {.type = type, .dim = dim, .n = n};
    rows.bytes = calloc(n * row_bytes(&rows) + 1, 1);
    assert_non_null(rows.bytes);
    return rows;
}

matrix matrix_widened(const matrix *rows)
{
    matrix wide = new_matrix(KITH_F32, rows->dim, rows->n);
    for (size_t i = 0; i < rows->n; i++)
        for (uint32_t j = 0; j < rows->dim; j++)
            floats_at(&wide, i)[j] = (float)element_at(rows->type, row_at(rows, i), j);
    return wide;
}

void matrix_free(matrix *rows)
{
    free(rows->bytes);
    *rows = (matrix){0};
}

matrix matrix_uniform(kith_type type, uint32_t dim, size_t n, uint64_t *random)
{
    matrix rows = new_matrix(type, dim, n);
    for (size_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < dim; j++)
            if (type == KITH_U8 || type == KITH_I8)
                rows.bytes[i * dim + j] = (unsigned char)check_random(random);
            else
                set_element(type, row_at(&rows, i), j, check_unit(random));
    return rows;
}

/* The sum of four uniform numbers, by and large a bell of this half width. */
static float noise(uint64_t *random, float width)
{
    float sum = 0;
    for (int i = 0; i < 4; i++)
        sum += check_unit(random);
    return sum * 0.5f * width;
}

matrix matrix_clustered(kith_type type, uint32_t dim, size_t n, size_t clusters, uint64_t *random)
{
    matrix centres = matrix_uniform(type, dim, clusters, random), rows = new_matrix(type, dim, n);
    for (size_t i = 0; i < n; i++) {
        size_t centre = check_below(random, (uint32_t)clusters);
        for (uint32_t j = 0; j < dim; j++) {
            float x = (float)element_at(type, row_at(&centres, centre), j);
            if (type == KITH_B1)
                x = check_below(random, 10) ? x : 1 - x;
            else
                x += noise(random, type == KITH_U8 || type == KITH_I8 ? 25 : 0.2f);
            set_element(type, row_at(&rows, i), j, x);
        }
    }
    matrix_free(&centres);
    return rows;
}

matrix matrix_identical(kith_type type, uint32_t dim, size_t n, uint64_t *random)
{
    matrix one = matrix_uniform(type, dim, 1, random), rows = new_matrix(type, dim, n);
    for (size_t i = 0; i < n; i++)
        memcpy(row_at(&rows, i), one.bytes, row_bytes(&one));
    matrix_free(&one);
    return rows;
}

void must_at(kith_status status, const char *call, const char *file, int line)
{
    if (status != KITH_OK) {
        print_error("%s: %s: %s\n", call, kith_strerror(status), kith_last_error());
        _fail(file, line);
    }
}

void must_fail_at(kith_status got, kith_status expected, const char *part, const char *file,
                  int line)
{
    if (got != expected || !strstr(kith_last_error(), part)) {
        print_error("expected %s and '%s', got %s and '%s'\n", kith_strerror(expected), part,
                    kith_strerror(got), kith_last_error());
        _fail(file, line);
    }
}

kith_store *store_of(const matrix *rows, kith_metric metric)
{
    kith_store_options options = kith_store_defaults(rows->dim, rows->type, metric);
    kith_store *store = NULL;
    must(kith_store_open(NULL, &options, &store));
    must(kith_store_load(store, NULL, rows->bytes, rows->n, NULL, NULL));
    return store;
}

kith_index *index_on(kith_store *store, const kith_index_options *options)
{
    kith_index *index = NULL;
    must(kith_index_create(store, options, &index));
    return index;
}

static kith_index_stats stats_of(const kith_index *index)
{
    kith_index_stats stats = {.size = sizeof stats};
    must(kith_index_stat(index, &stats));
    return stats;
}

uint64_t digest_of(const kith_index *index)
{
    return stats_of(index).digest;
}

uint64_t nodes_of(const kith_index *index)
{
    return stats_of(index).nodes;
}

/* ---- the naive search --------------------------------------------------------------------- */

typedef struct sums {
    double l2sq, ip, a2, b2;
} sums;

static sums sums_of(const matrix *rows, const void *a, const void *b)
{
    sums s = {0};
    for (uint32_t i = 0; i < rows->dim; i++) {
        const double x = element_at(rows->type, a, i), y = element_at(rows->type, b, i);
        s.l2sq += (x - y) * (x - y);
        s.ip += x * y;
        s.a2 += x * x;
        s.b2 += y * y;
    }
    return s;
}

double naive_distance(kith_metric metric, const matrix *rows, const void *a, const void *b)
{
    sums s = sums_of(rows, a, b);
    if (metric == KITH_L2SQ || metric == KITH_HAMMING)
        return s.l2sq;
    if (metric == KITH_JACCARD)
        return s.a2 + s.b2 > 0 ? s.l2sq / (s.a2 + s.b2 - s.ip) : 0;
    if (metric == KITH_IP)
        return -s.ip;
    return s.a2 > 0 && s.b2 > 0 ? 1 - s.ip / (sqrt(s.a2) * sqrt(s.b2)) : 1;
}

static int by_distance_and_row(const void *a, const void *b)
{
    const naive_hit *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

size_t naive_ranking(kith_metric metric, const matrix *rows, const bool *live, const void *query,
                     naive_hit *out)
{
    size_t count = 0;
    for (size_t i = 0; i < rows->n; i++)
        if (!live || live[i])
            out[count++] =
                (naive_hit){naive_distance(metric, rows, query, row_at(rows, i)), (uint32_t)i};
    qsort(out, count, sizeof *out, by_distance_and_row);
    return count;
}

/* Distances that are quotients, at most 2. */
static bool is_angle(kith_metric metric)
{
    return metric == KITH_COSINE || metric == KITH_JACCARD;
}

/* Is the distance an integer? */
static bool is_exact(kith_metric metric, kith_type type)
{
    return !is_angle(metric) && (type == KITH_U8 || type == KITH_I8 || type == KITH_B1);
}

/* What sums of doubles may be off by: (dim + 8) * 2^-53 of the largest they can reach. */
static double slack(kith_metric metric, const matrix *rows, const void *a, const void *b)
{
    sums s = sums_of(rows, a, b);
    double reach = is_angle(metric) ? 1 : (sqrt(s.a2) + sqrt(s.b2)) * (sqrt(s.a2) + sqrt(s.b2));
    return is_exact(metric, rows->type) ? 0 : (rows->dim + 8) * 0x1p-53 * reach;
}

/* May `row` stand in the place where the ranking has `expected`? Another vector may, at the same
 * distance but for the last digits; an equal one only when the expected row came before it. */
static bool may_stand_for(kith_metric metric, const matrix *rows, const void *query,
                          const naive_hit *expected, const kith_hit *hits, uint32_t i)
{
    if (hits[i].row == expected->row)
        return true;
    const void *got = row_at(rows, hits[i].row);
    double distance = naive_distance(metric, rows, query, got);
    double may = 2 * slack(metric, rows, query, got);
    if (memcmp(got, row_at(rows, expected->row), row_bytes(rows)))
        return may > 0 && fabs(distance - expected->distance) <= may;
    if (hits[i].row < expected->row)
        return true;
    for (uint32_t j = 0; j < i; j++)
        if (hits[j].row == expected->row)
            return true;
    return false;
}

void check_hits(kith_metric metric, const matrix *rows, const void *query, const naive_hit *ranking,
                size_t count, const kith_hit *hits, uint32_t k)
{
    for (uint32_t i = 0; i < k; i++) {
        if (i >= count) {
            assert_int_equal(hits[i].row, UINT32_MAX);
            assert_true(isinf(hits[i].distance) && hits[i].distance > 0);
            continue;
        }
        uint32_t row = hits[i].row;
        assert_true(row < rows->n);
        double distance = naive_distance(metric, rows, query, row_at(rows, row));
        if (!may_stand_for(metric, rows, query, &ranking[i], hits, i))
            fail_msg("hit %u of %u is row %u at %.17g, expected row %u at %.17g", i, k, row,
                     distance, ranking[i].row, ranking[i].distance);
        if (hits[i].distance != (float)distance) {
            double may = slack(metric, rows, query, row_at(rows, row)) + 0x1p-149;
            double error = fabs((double)hits[i].distance - distance);
            assert_true(error <= 0x1p-23 * fabs(distance) + may);
        }
        if (i && !memcmp(row_at(rows, row), row_at(rows, hits[i - 1].row), row_bytes(rows)))
            assert_true(row > hits[i - 1].row);
    }
}

uint32_t count_right(const naive_hit *ranking, size_t count, kith_metric metric, const matrix *rows,
                     const void *query, const kith_hit *hits, uint32_t k)
{
    uint32_t right = 0;
    double farthest = count ? ranking[(k < count ? k : count) - 1].distance : 0;
    for (uint32_t i = 0; i < k; i++)
        if (hits[i].row < rows->n)
            right += naive_distance(metric, rows, query, row_at(rows, hits[i].row)) <= farthest;
    return right;
}

uint32_t check_plausible(kith_metric metric, const matrix *rows, const bool *live,
                         const void *query, const kith_hit *hits, uint32_t k)
{
    uint32_t real = 0;
    while (real < k && hits[real].row != UINT32_MAX)
        real++;
    for (uint32_t i = 0; i < k; i++) {
        const kith_hit *hit = &hits[i];
        if (i >= real) {
            assert_int_equal(hit->row, UINT32_MAX);
            assert_true(isinf(hit->distance) && hit->distance > 0);
            continue;
        }
        assert_true(hit->row < rows->n && (!live || live[hit->row]));
        double distance = naive_distance(metric, rows, query, row_at(rows, hit->row));
        /* f32 kernels promise an error below this part of the sum of the terms' sizes. */
        double may = is_exact(metric, rows->type)
                         ? 0.5 + 0x1p-23 * fabs(distance)
                         : 0x1p29 * slack(metric, rows, query, row_at(rows, hit->row));
        assert_true(fabs((double)hit->distance - distance) <= may);
        if (i)
            assert_true(hit[-1].distance <= hit->distance);
        if (i && hit[-1].distance == hit->distance && !is_exact(metric, rows->type))
            assert_true(hit[-1].row < hit->row);
    }
    return real;
}

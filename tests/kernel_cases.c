/* kernel_cases.c - sets of queries and rows with their side data, row numbers, and dimensions.
 *
 * May include kernels/ headers and the C library. Side data is the tests' own too, sums of doubles
 * in index order as the contract has them; test_kernels_special_values.c holds ki_aux_fill against
 * it. For codes any numbers would do, since a code kernel computes with what it is given.
 */
#include "tests/kernel_cases.h"
#include <float.h>
#include <math.h>
#include <string.h>

enum { LINE = 64 };

static const kc_kind row_kinds[KI_PAIRING_COUNT] = {
    [KI_F32] = KC_F32,       [KI_U8] = KC_U8, [KI_F16] = KC_F16,  [KI_BF16] = KC_BF16,
    [KI_I8] = KC_I8,         [KI_B1] = KC_B1, [KI_F32U8] = KC_U8, [KI_F32I8] = KC_I8,
    [KI_BF16BF16] = KC_BF16, [KI_Q8] = KC_I8, [KI_Q4] = KC_U4,    [KI_Q1] = KC_B1};

static void *kc_alloc(size_t bytes)
{
    void *p = aligned_alloc(LINE, (bytes + 2 * LINE - 1) / LINE * LINE);
    if (!p) {
        fprintf(stderr, "the test needs %zu more bytes than there are\n", bytes);
        abort();
    }
    return p;
}

bool kc_takes_f32(ki_pairing pairing)
{
    return pairing != KI_U8 && pairing != KI_I8 && pairing < KI_Q8;
}

bool kc_exact(ki_pairing pairing)
{
    return pairing == KI_U8 || pairing == KI_I8 || pairing == KI_B1 || pairing == KI_Q4 ||
           pairing == KI_Q1;
}

static kc_kind query_kind(ki_pairing pairing, bool from_f32)
{
    if (from_f32 || pairing == KI_Q8)
        return KC_F32;
    return pairing == KI_Q4 || pairing == KI_Q1 ? KC_I8 : row_kinds[pairing];
}

int kc_fills(ki_pairing pairing)
{
    return kc_is_float(row_kinds[pairing]) ? KC_FLOAT_FILLS : KC_INTEGER_FILLS;
}

unsigned char *kc_row(const kc_set *set, uint32_t row)
{
    return set->rows + row * set->row_bytes;
}

static float inverse(double norm)
{
    return norm < (double)FLT_MIN ? 0.0f : (float)(1 / norm);
}

/* Side data by the contract. What it does not define for a pairing is rubbish. */
static ki_aux side_data(const kc_set *set, uint32_t row)
{
    ki_aux aux = {NAN, NAN, 0xdeadbeef, -559038737};
    double norm2 = 0, sum = 0;
    for (uint32_t i = 0; i < set->dim; i++) {
        const double x = set->row_values[(size_t)row * set->dim + i];
        norm2 += x * x;
        sum += x;
    }
    if (set->pairing < KI_Q8 && set->pairing != KI_B1)
        aux.inv_norm = inverse(sqrt(norm2));
    if (kc_is_float(set->row_kind))
        aux.norm2 = (float)norm2;
    if (set->pairing == KI_Q8)
        aux.norm2 = (float)(norm2 * 0.37); /* its dimensions have scales */
    if (set->pairing == KI_Q1) {
        aux.inv_norm = 0.125f + 0.1f * (float)(row % 7);
        aux.norm2 = (float)(0.3 * sum + 0.7);
    }
    if (!kc_is_float(set->row_kind) && set->pairing != KI_Q8) {
        aux.inorm2 = (uint32_t)norm2;
        aux.sum = (int32_t)sum;
    }
    return aux;
}

/* A query counts as what the contract makes of it; a 4-bit code for its place on the scale. */
static double query_value(const kc_set *set, double x)
{
    unsigned char word[2];
    if (set->from_f32 && set->pairing == KI_B1)
        return x > 0;
    if (!set->from_f32 || set->pairing != KI_BF16BF16)
        return x;
    kc_put(KC_BF16, word, 0, x);
    return kc_get(KC_BF16, word, 0);
}

void kc_refresh(kc_set *set)
{
    for (uint32_t q = 0; q < set->queries; q++)
        for (uint32_t i = 0; i < set->dim; i++)
            set->query_values[(size_t)q * set->dim + i] =
                query_value(set, kc_get(set->query_kind, set->vectors + q * set->query_bytes, i));
    for (uint32_t r = 0; r < set->count; r++) {
        for (uint32_t i = 0; i < set->dim; i++) {
            const double x = kc_get(set->row_kind, kc_row(set, r), i);
            set->row_values[(size_t)r * set->dim + i] = set->pairing == KI_Q4 ? 16 * x - 120 : x;
        }
        set->aux[r] = side_data(set, r);
    }
}

static void describe_codes(kc_set *set)
{
    for (uint32_t q = 0; q < set->queries; q++) {
        double norm2 = 0;
        for (uint32_t i = 0; i < set->dim; i++) {
            const double x = set->query_values[(size_t)q * set->dim + i];
            norm2 += x * x;
        }
        set->codes[q] = (ki_code_query){set->vectors + q * set->query_bytes,
                                        0.0123f * (float)(q + 1), (float)(0.5 * norm2)};
    }
}

void kc_open_queries(kc_set *set, ki_pairing pairing, bool from_f32, uint32_t dim, uint32_t count,
                     uint32_t queries, int fill, uint64_t seed)
{
    uint64_t random = seed;
    *set = (kc_set){.pairing = pairing, .from_f32 = from_f32, .dim = dim, .count = count};
    set->queries = queries;
    set->fill = fill;
    set->seed = seed;
    set->query_kind = query_kind(pairing, from_f32);
    set->row_kind = row_kinds[pairing];
    set->row_bytes = kc_vector_bytes(set->row_kind, dim);
    set->query_bytes = kc_vector_bytes(set->query_kind, dim);
    set->scratch_bytes = (ki_query_bytes(pairing, dim) + LINE - 1) / LINE * LINE;
    set->vectors = kc_alloc(set->query_bytes * queries);
    set->rows = kc_alloc(set->row_bytes * count);
    set->aux = kc_alloc(sizeof(ki_aux) * count);
    set->query_values = kc_alloc(sizeof(double) * dim * queries);
    set->row_values = kc_alloc(sizeof(double) * dim * count);
    set->codes = kc_alloc(sizeof(ki_code_query) * queries);
    set->scratch = kc_alloc(set->scratch_bytes * queries);
    set->prepared = kc_alloc(sizeof(ki_query) * queries);
    memset(set->scratch, 0xff, set->scratch_bytes * queries); /* NaN, wherever prepare forgets */
    for (uint32_t q = 0; q < queries; q++)
        kc_draw_vector(set, set->query_kind, 0, set->vectors + q * set->query_bytes, &random);
    for (uint32_t r = 0; r < count; r++)
        kc_draw_vector(set, set->row_kind, r + 1, kc_row(set, r), &random);
    kc_refresh(set);
    describe_codes(set);
}

void kc_open(kc_set *set, ki_pairing pairing, bool from_f32, uint32_t dim, uint32_t count, int fill,
             uint64_t seed)
{
    kc_open_queries(set, pairing, from_f32, dim, count, 1, fill, seed);
}

void kc_close(kc_set *set)
{
    free(set->vectors);
    free(set->rows);
    free(set->aux);
    free(set->query_values);
    free(set->row_values);
    free(set->codes);
    free(set->scratch);
    free(set->prepared);
}

ki_rows kc_view(const kc_set *set)
{
    return (ki_rows){.base = set->rows,
                     .stride = set->row_bytes,
                     .aux = (const unsigned char *)set->aux,
                     .aux_stride = sizeof(ki_aux),
                     .dim = set->dim};
}

void kc_draw_ids(uint32_t *ids, size_t n, uint32_t count, uint64_t *random)
{
    uint32_t kind = check_below(random, 4), same = check_below(random, count);
    for (size_t i = 0; i < n; i++) {
        ids[i] = check_below(random, count);
        if (kind == 0)
            ids[i] = (uint32_t)(n - 1 - i) % count;
        else if (kind == 1)
            ids[i] = same;
    }
}

/* The first 130 are of bytes where elements are smaller: tails depend on them. */
uint32_t kc_dimension(ki_pairing pairing, size_t i)
{
    static const uint32_t usual[] = {256, 384, 768, 784, 960, 1024, 1536, 2048};
    const uint32_t number = (uint32_t)i;
    if (i < 130 && pairing == KI_B1)
        return 8 * number + 1 + number * 5 % 8;
    if (i < 130 && pairing == KI_Q4)
        return 2 * number + 1 + number / 3 % 2;
    if (i < 130)
        return number + 1;
    i -= 130;
    return i < 3 * sizeof usual / sizeof *usual ? usual[i / 3] + (uint32_t)(i % 3) - 1 : 0;
}

bool kc_takes_dimension(kith_metric metric, ki_pairing pairing, size_t i)
{
    const kith_metric whole = pairing == KI_B1         ? KITH_HAMMING
                              : pairing == KI_BF16BF16 ? KITH_IP
                                                       : KITH_L2SQ;
    return metric == whole || i % 3 == (size_t)(metric - whole) % 3;
}

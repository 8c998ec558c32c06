/* Property: a codec and its codes are the same bytes whatever the number of threads that trained
 * and encoded, wherever rows and codes lie, and on every machine of this byte order: their hash is
 * written down here.
 */
#include "tests/codec_cases.h"
#include <xxhash.h>

enum { N = 1500, DIM = 133 };

/* The rows come from integers, so that no library's square root or sine has a say in them. */
static float *fixed_rows(void)
{
    uint64_t random = 12345;
    float *rows = new_floats((size_t)N * DIM);
    for (size_t i = 0; i < (size_t)N * DIM; i++) {
        const float wide = check_unit(&random) + check_unit(&random) + check_unit(&random);
        rows[i] = wide * (float)(1 + i % DIM % 9) + (float)(i % DIM % 4);
    }
    rows[77] = 1e9f;
    return rows;
}

/* Codec, codes and sides, hashed. */
static uint64_t hash_of(const kith_codec *codec, const float *rows, uint32_t threads)
{
    const kith_codec_info info = info_of(codec);
    kith_side *sides;
    unsigned char *codes = encode_rows(codec, rows, N, threads, &sides);
    unsigned char *saved = calloc(1, info.saved_bytes);
    must(kith_codec_save(codec, saved));
    uint64_t hash = XXH3_64bits(saved, info.saved_bytes);
    hash = XXH3_64bits_withSeed(codes, N * info.code_bytes, hash);
    hash = XXH3_64bits_withSeed(sides, N * sizeof *sides, hash);
    free(codes);
    free(sides);
    free(saved);
    return hash;
}

static void test_threads(void **state)
{
    const uint32_t threads[] = {1, 2, 3, 7};
    float *rows = fixed_rows();
    (void)state;
    for (int code = 0; code < CODES; code++)
        for (int metric = 0; metric < METRICS; metric++) {
            uint64_t first = 0;
            for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
                kith_codec *codec =
                    train_codec((kith_code)code, (kith_metric)metric, rows, N, DIM, threads[t]);
                const uint64_t hash = hash_of(codec, rows, threads[t]);
                if (t && hash != first)
                    fail_msg("code %d, metric %d: %u threads give other bytes than one", code,
                             metric, threads[t]);
                first = hash;
                kith_codec_close(codec);
            }
        }
    free(rows);
}

/* Of l2sq, ip and cosine, in the order of the kinds. */
static const uint64_t digests[CODES][METRICS] = {
    {UINT64_C(0xe6356c55df8e917a), UINT64_C(0xe16c79ab37b72a77), UINT64_C(0x70c88b6311c1f122)},
    {UINT64_C(0x9b8823dc2cfa6fb5), UINT64_C(0xb893862ce3daa05a), UINT64_C(0xf91b376bcf92f8a4)},
    {UINT64_C(0xf09621816bef099), UINT64_C(0xe44d9fbf4ae8b8f1), UINT64_C(0xb324a8bd1a48584c)},
    {UINT64_C(0x3450a0f631537f30), UINT64_C(0x3efedfbb1af97b60), UINT64_C(0x9632ef441d4f3470)},
};

static void test_digest(void **state)
{
    const uint16_t one = 1;
    float *rows = fixed_rows();
    (void)state;
    if (!*(const unsigned char *)&one)
        skip();
    for (int code = 0; code < CODES; code++)
        for (int metric = 0; metric < METRICS; metric++) {
            kith_codec *codec = train_codec((kith_code)code, (kith_metric)metric, rows, N, DIM, 2);
            const uint64_t hash = hash_of(codec, rows, 1);
            if (hash != digests[code][metric])
                fail_msg("code %d, metric %d: digest is %#llx", code, metric,
                         (unsigned long long)hash);
            kith_codec_close(codec);
        }
    free(rows);
}

/* Rows and codes with gaps; the gaps of the codes are not written. */
static void test_strides(void **state)
{
    enum { ROW_GAP = 12, CODE_GAP = 5 };
    const size_t stride = DIM * sizeof(float) + ROW_GAP;
    float *rows = fixed_rows();
    unsigned char *wide = calloc(N, stride);
    (void)state;
    for (size_t r = 0; r < N; r++) {
        memset(wide + r * stride, 0xff, stride); /* NaN */
        memcpy(wide + r * stride, rows + r * DIM, DIM * sizeof(float));
    }
    for (int code = 0; code < CODES; code++) {
        kith_codec *dense = train_codec((kith_code)code, KITH_L2SQ, rows, N, DIM, 1), *gapped;
        kith_codec_options options = kith_codec_defaults(DIM, (kith_code)code, KITH_L2SQ);
        must(kith_codec_train(&options, (const float *)(const void *)wide, stride, N, &gapped));
        assert_true(hash_of(dense, rows, 1) == hash_of(gapped, rows, 1));
        const size_t bytes = info_of(dense).code_bytes, step = bytes + CODE_GAP;
        kith_side *sides, *more = calloc(N, sizeof *more);
        unsigned char *codes = encode_rows(dense, rows, N, 1, &sides), *apart = malloc(N * step);
        memset(apart, 0xaa, N * step);
        must(kith_codec_encode(dense, (const float *)(const void *)wide, stride, N, 2, apart, step,
                               more));
        assert_memory_equal(sides, more, N * sizeof *sides);
        for (size_t r = 0; r < N; r++) {
            assert_memory_equal(codes + r * bytes, apart + r * step, bytes);
            for (size_t i = bytes; i < step; i++)
                assert_int_equal(apart[r * step + i], 0xaa);
        }
        free(codes);
        free(apart);
        free(sides);
        free(more);
        kith_codec_close(dense);
        kith_codec_close(gapped);
    }
    free(wide);
    free(rows);
}

/* Training looks at every second row of 65537 to 131072: the others cannot matter. */
static void test_sample(void **state)
{
    enum { ROWS = 65600 };
    float *rows = new_floats(ROWS), *copy = new_floats(ROWS);
    uint64_t random = check_seed();
    unsigned char a[256], b[256];
    (void)state;
    for (size_t r = 0; r < ROWS; r++) {
        rows[r] = check_unit(&random);
        copy[r] = r % 2 ? 0.0f : rows[r];
    }
    kith_codec *of_all = train_codec(KITH_SQ8, KITH_L2SQ, rows, ROWS, 1, 2);
    kith_codec *of_half = train_codec(KITH_SQ8, KITH_L2SQ, copy, ROWS, 1, 1);
    must(kith_codec_save(of_all, a));
    must(kith_codec_save(of_half, b));
    assert_memory_equal(a, b, info_of(of_all).saved_bytes);
    kith_codec_close(of_all);
    kith_codec_close(of_half);
    free(rows);
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_digest),
        cmocka_unit_test(test_strides),
        cmocka_unit_test(test_sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Property: a codec refuses what it cannot do, with a sentence that names it, and writes nothing;
 * saved bytes with any one byte changed, cut short or made longer are refused, and so are numbers
 * that cannot be, under a hash that is right.
 */
#include "kv/base.h"
#include "tests/codec_cases.h"
#include <xxhash.h>

enum { N = 40, DIM = 11 };

static float rows[N * DIM];

static int fill(void **state)
{
    uint64_t random = check_seed();
    (void)state;
    for (size_t i = 0; i < (size_t)N * DIM; i++)
        rows[i] = draw_normal(&random);
    return 0;
}

static void refused(kith_status status, kith_status expected, const char *word)
{
    if (status != expected || !strstr(kith_last_error(), word))
        fail_msg("status %d, not %d; '%s' should say '%s'", status, expected, kith_last_error(),
                 word);
}

static void refuse_options(kith_codec_options options, const char *word)
{
    kith_codec *out = (kith_codec *)1;
    refused(kith_codec_train(&options, rows, 0, N, &out), KITH_EINVAL, word);
    assert_ptr_equal(out, (kith_codec *)1);
}

static void test_options(void **state)
{
    const kith_codec_options good = kith_codec_defaults(DIM, KITH_SQ8, KITH_L2SQ);
    kith_codec_options bad = good;
    kith_codec *out = NULL;
    (void)state;
    bad.dim = 0;
    refuse_options(bad, "dimension 0");
    bad.dim = 65536;
    refuse_options(bad, "dimension 65536");
    bad = good;
    bad.code = (kith_code)4;
    refuse_options(bad, "4 is no kind of codes");
    bad = good;
    bad.metric = KITH_HAMMING;
    refuse_options(bad, "hamming");
    bad.metric = (kith_metric)-1;
    refuse_options(bad, "-1 is no metric");
    bad = good;
    bad.threads = 5000;
    refuse_options(bad, "5000 threads");
    bad = good;
    bad.size = 3;
    refuse_options(bad, "size");
    refused(kith_codec_train(&good, rows, 0, 0, &out), KITH_EINVAL, "none");
    refused(kith_codec_train(&good, NULL, 0, N, &out), KITH_EINVAL, "rows is NULL");
    refused(kith_codec_train(&good, rows, 40, N, &out), KITH_EINVAL, "stride of 40");
    refused(kith_codec_train(&good, rows, 46, N, &out), KITH_EINVAL, "aligned");
    assert_null(out);
    kith_codec_close(NULL);
}

/* NaN and infinity, in training and in encoding; nothing is written. */
static void test_values(void **state)
{
    kith_codec *codec = train_codec(KITH_SQ4, KITH_COSINE, rows, N, DIM, 1), *out = NULL;
    const kith_codec_options options = kith_codec_defaults(DIM, KITH_SQ4, KITH_COSINE);
    unsigned char codes[N * DIM], before[N * DIM];
    kith_side sides[N] = {0};
    const float kept = rows[17 * DIM + 5];
    (void)state;
    memset(codes, 0x5a, sizeof codes);
    memcpy(before, codes, sizeof codes);
    const struct {
        float value;
        const char *word;
    } cases[] = {{NAN, "element 5 of row 17 is not a number"},
                 {INFINITY, "element 5 of row 17 is infinite"},
                 {-INFINITY, "element 5 of row 17 is infinite"}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        rows[17 * DIM + 5] = cases[c].value;
        refused(kith_codec_train(&options, rows, 0, N, &out), KITH_EINVAL, cases[c].word);
        refused(kith_codec_encode(codec, rows, 0, N, 2, codes, 0, sides), KITH_EINVAL,
                cases[c].word);
    }
    rows[17 * DIM + 5] = kept;
    assert_null(out);
    assert_memory_equal(codes, before, sizeof codes);
    refused(kith_codec_encode(codec, NULL, 0, N, 1, codes, 0, sides), KITH_EINVAL, "rows");
    refused(kith_codec_encode(codec, rows, 0, N, 1, NULL, 0, sides), KITH_EINVAL, "codes");
    refused(kith_codec_encode(codec, rows, 0, N, 1, codes, 0, NULL), KITH_EINVAL, "sides");
    refused(kith_codec_encode(codec, rows, 0, N, 1, codes, 5, sides), KITH_EINVAL, "stride of 5");
    refused(kith_codec_encode(codec, rows, 0, N, 1025, codes, 0, sides), KITH_EINVAL, "1025");
    must(kith_codec_encode(codec, NULL, 0, 0, 1, NULL, 0, NULL));
    kith_codec_close(codec);
}

static void test_decode(void **state)
{
    kith_codec *codec = train_codec(KITH_SQ1, KITH_L2SQ, rows, N, DIM, 1);
    unsigned char code[2] = {0xff, 0xff};
    kith_side side = {{0}};
    float row[DIM];
    (void)state;
    refused(kith_codec_decode(codec, code, 0, NULL, 1, row), KITH_EINVAL, "sides");
    refused(kith_codec_decode(codec, NULL, 0, &side, 1, row), KITH_EINVAL, "codes");
    refused(kith_codec_decode(codec, code, 0, &side, 1, NULL), KITH_EINVAL, "rows");
    refused(kith_codec_decode(codec, code, 1, &side, 1, row), KITH_EINVAL, "stride of 1");
    must(kith_codec_decode(codec, code, 0, &side, 1, row)); /* a side of zeros: the centre */
    kith_codec_close(codec);
}

static void test_saved(void **state)
{
    (void)state;
    for (int code = 0; code < CODES; code++) {
        kith_codec *codec = train_codec((kith_code)code, KITH_IP, rows, N, DIM, 1), *out = NULL;
        const kith_codec_info info = info_of(codec);
        unsigned char *bytes = calloc(1, info.saved_bytes + 1), *again = malloc(info.saved_bytes);
        must(kith_codec_save(codec, bytes));
        must(kith_codec_load(bytes, info.saved_bytes, &out));
        must(kith_codec_save(out, again));
        assert_memory_equal(bytes, again, info.saved_bytes);
        kith_codec_close(out);
        out = NULL;
        for (size_t i = 0; i < info.saved_bytes; i++)
            for (int bit = 0; bit < 8; bit++) {
                bytes[i] ^= (unsigned char)(1 << bit);
                assert_int_equal(kith_codec_load(bytes, info.saved_bytes, &out), KITH_ECORRUPT);
                bytes[i] ^= (unsigned char)(1 << bit);
            }
        for (size_t length = 0; length <= info.saved_bytes + 1; length++)
            if (length != info.saved_bytes)
                assert_int_equal(kith_codec_load(bytes, length, &out), KITH_ECORRUPT);
        refused(kith_codec_load(NULL, 0, &out), KITH_EINVAL, "bytes");
        refused(kith_codec_save(codec, NULL), KITH_EINVAL, "bytes");
        assert_null(out);
        free(bytes);
        free(again);
        kith_codec_close(codec);
    }
}

/* A word of a saved codec changed, and the hash made right again. */
static void forge(unsigned char *bytes, size_t length, size_t offset, uint32_t word,
                  const char *says)
{
    unsigned char forged[512];
    kith_codec *out = NULL;
    assert_true(length <= sizeof forged);
    memcpy(forged, bytes, length);
    memcpy(forged + offset, &word, sizeof word);
    const uint64_t hash = XXH3_64bits(forged, length - sizeof hash);
    memcpy(forged + length - sizeof hash, &hash, sizeof hash);
    refused(kith_codec_load(forged, length, &out), KITH_ECORRUPT, says);
}

static void test_forged(void **state)
{
    const uint32_t nan = 0x7fc00000, infinite = 0x7f800000, minus_one = 0xbf800000;
    kith_codec *codec = train_codec(KITH_SQ8_DIM, KITH_L2SQ, rows, N, DIM, 1);
    const size_t length = info_of(codec).saved_bytes;
    unsigned char bytes[512];
    (void)state;
    assert_true(length <= sizeof bytes);
    must(kith_codec_save(codec, bytes));
    forge(bytes, length, 8, 9, "cannot be");          /* kind */
    forge(bytes, length, 8, KITH_SQ8, "should have"); /* a kind without scales */
    forge(bytes, length, 12, KITH_JACCARD, "cannot be");
    forge(bytes, length, 16, 0, "cannot be"); /* dimension */
    forge(bytes, length, 16, 65536, "cannot be");
    forge(bytes, length, 16, 65535, "should have");
    forge(bytes, length, 20, nan, "scale");
    forge(bytes, length, 20, minus_one, "scale");
    forge(bytes, length, 24, infinite, "dimension 0"); /* the first centre */
    forge(bytes, length, 24 + 4 * (DIM + 3), minus_one, "dimension 3");
    kith_codec_close(codec);
}

static void test_no_memory(void **state)
{
    const kith_codec_options options = kith_codec_defaults(DIM, KITH_SQ8, KITH_COSINE);
    kith_codec *out = NULL;
    kith_status status = KITH_ENOMEM;
    uint64_t n = 0;
    (void)state;
    while (status == KITH_ENOMEM && n < 50) {
        ki_alloc_fail_at(++n);
        status = kith_codec_train(&options, rows, 0, N, &out);
        ki_alloc_fail_at(0);
        assert_true(status == KITH_OK || (status == KITH_ENOMEM && !out));
    }
    assert_int_equal(status, KITH_OK);
    assert_true(n > 3);
    kith_codec_close(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options), cmocka_unit_test(test_values),
        cmocka_unit_test(test_decode),  cmocka_unit_test(test_saved),
        cmocka_unit_test(test_forged),  cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}

/* test_cli_matrix_damage.c - a damaged file gives one sentence with its name and the numbers, and
 * leaves the result untouched; no bytes at all make a reader crash or believe a header that the
 * file cannot hold.
 */
#include "tests/cli_files.h"

#include <math.h>
#include <zlib.h>

#include "cli/matrix.h"

/* Reads and expects a failure whose sentence names the file and holds `words`. */
static void expect_refused(const char *path, const char *part, const char *words)
{
    struct sentence why = {""};
    struct matrix matrix = {.rows = 77};
    if (matrix_read(path, part, 0, &matrix, &why))
        fail_msg("%s was read; expected: %s", path, words);
    if (!strstr(why.text, words) || !strstr(why.text, path))
        fail_msg("expected \"%s\", got \"%s\"", words, why.text);
    assert_null(strchr(why.text, '\n'));
    assert_int_equal(matrix.rows, 77);
    assert_null(matrix.data);
}

static void what_is_no_file(void **state)
{
    (void)state;
    expect_refused("/nonexistent/a.fbin", NULL, "No such file");
    expect_refused(files_folder, NULL, "not a regular file");
    expect_refused("/dev/zero", NULL, "not a regular file");
    expect_refused(files_put("empty.fbin", "", 0), NULL, "is empty");
    expect_refused(files_put("words.txt", "some words", 10), NULL, "no known format");
    expect_refused(files_put("a.u8bin", "\1\0\0\0\1\0\0\0x", 9), "train", "only HDF5 files");
}

static void bins(void **state)
{
    const uint32_t zero_dim[] = {3, 0}, zero_rows[] = {0, 3}, large[] = {UINT32_MAX, UINT32_MAX, 1};
    const float nan_at[] = {0, 1, 2, 3, NAN, 5}, inf_at[] = {0, 1, 2, -INFINITY, 4, 5};
    struct {
        uint32_t shape[2];
        float value[6];
    } f = {{2, 3}, {0}};
    (void)state;
    expect_refused(files_put("short.fbin", &f, 5), NULL, "ends too early: it has 5 bytes");
    expect_refused(files_put("cut.fbin", &f, sizeof f - 1), NULL, "need 32 bytes, it has 31");
    expect_refused(files_put("long.u8bin", &f, sizeof f), NULL, "need 14 bytes, it has 32");
    expect_refused(files_put("zd.fbin", zero_dim, 8), NULL, "3 rows of dimension 0");
    expect_refused(files_put("zr.fbin", zero_rows, 8), NULL, "0 rows of dimension 3");
    expect_refused(files_put("huge.fbin", large, 12), NULL, "4294967295 rows");
    memcpy(f.value, nan_at, sizeof nan_at);
    expect_refused(files_put("nan.fbin", &f, sizeof f), NULL, "row 1, column 1 is NaN");
    memcpy(f.value, inf_at, sizeof inf_at);
    expect_refused(files_put("inf.fbin", &f, sizeof f), NULL, "row 1, column 0 is infinite");
}

static void vecs(void **state)
{
    const int32_t ragged[] = {2, 7, 7, 2, 7, 7, 3, 7, 7}, negative[] = {-1, 1}, zero[] = {0, 0};
    const int32_t large[] = {INT32_MAX, 1};
    (void)state;
    expect_refused(files_put("r.ivecs", ragged, sizeof ragged), NULL,
                   "row 2 has dimension 3, the rows before it have 2");
    expect_refused(files_put("c.ivecs", ragged, 20), NULL, "ends inside row 1: 8 of its 12 bytes");
    expect_refused(files_put("n.ivecs", negative, 8), NULL, "row 0 has dimension -1");
    expect_refused(files_put("z.fvecs", zero, 8), NULL, "row 0 has dimension 0");
    expect_refused(files_put("l.bvecs", large, 8), NULL, "needs 2147483651 bytes, it has 8");
    expect_refused(files_put("t.bvecs", large, 3), NULL, "ends too early: it has 3 bytes");
}

static void put_npy(const char *name, const char *header, size_t body, unsigned char version)
{
    unsigned char bytes[512] = "\x93NUMPY";
    const size_t length = strlen(header);
    bytes[6] = version;
    bytes[8] = (unsigned char)length;
    memcpy(bytes + 10, header, length);
    files_put(name, bytes, 10 + length + body);
}

static void npy(void **state)
{
    static const struct {
        const char *header, *words;
    } bad[] = {
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }\n", "type '<f8'; read"},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }\n", "type '>f4'; read"},
        {"{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }\n", "not in C order"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (6,), }\n", "two axes"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2, 3), }\n", "two axes"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 4), }\n", "does not match its 6"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (0, 3), }\n", "does not match"},
        {"{'descr': '|u1', 'fortran_order': False, "
         "'shape': (9223372036854775809, 2), }\n",
         "does not match"},
        {"{'descr': '|u1', 'fortran_order': False}\n", "two axes"},
        {"{'fortran_order': False, 'shape': (2, 3), }\n", "element type missing"},
        {"{'descr': '|u1', 'shape': (2, 3), }\n", "not in C order"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        put_npy("bad.npy", bad[i].header, 6, 1);
        expect_refused(files_path("bad.npy"), NULL, bad[i].words);
    }
    put_npy("v9.npy", bad[0].header, 6, 9);
    expect_refused(files_path("v9.npy"), NULL, "npy version 9");
    expect_refused(files_put("h.npy", "\x93NUMPY\1\0\xff\xff__", 12), NULL, "a header of 65535");
}

#define IDX_BYTES (16 + 3000)

static void idx_bytes(unsigned char bytes[IDX_BYTES])
{
    static const unsigned char header[16] = {0, 0, 8, 3, 0, 0, 0, 30, 0, 0, 0, 10, 0, 0, 0, 10};
    uint64_t random = 5;
    memcpy(bytes, header, 16);
    for (size_t i = 16; i < IDX_BYTES; i++)
        bytes[i] = (unsigned char)check_random(&random);
}

static const char *put_gz(const char *name, const void *bytes, size_t size)
{
    const gzFile file = gzopen(files_path(name), "wb");
    assert_int_equal(gzwrite(file, bytes, (unsigned)size), (int)size);
    gzclose(file);
    return files_path(name);
}

static void idx(void **state)
{
    unsigned char bytes[IDX_BYTES];
    size_t size;
    (void)state;
    idx_bytes(bytes);
    expect_refused(files_put("cut-idx", bytes, 100), NULL, "30 rows of 10 x 10 bytes cannot be");
    expect_refused(put_gz("short.gz", bytes, 100), NULL, "ends too early");
    expect_refused(put_gz("long.gz", memcpy(bytes, "\0\0\10\3\0\0\0\1", 8), IDX_BYTES), NULL,
                   "goes on after the 1 rows");
    expect_refused(put_gz("huge.gz", memcpy(bytes, "\0\0\10\3\377\377\377\377", 8), 64), NULL,
                   "4294967295 rows of 10 x 10 bytes cannot be");
    expect_refused(put_gz("floats.gz", memcpy(bytes, "\0\0\15\3", 4), 64), NULL,
                   "starts with 00 00 0d 03");
    expect_refused(put_gz("labels.gz", memcpy(bytes, "\0\0\10\1", 4), 64), NULL, "00 00 08 01");
    idx_bytes(bytes);
    char *const packed = files_take(put_gz("good.gz", bytes, IDX_BYTES), &size);
    expect_refused(files_put("half.gz", packed, size / 2), NULL, "ends too early");
    expect_refused(files_put("tail.gz", packed, size - 3), NULL, "ends too early");
    packed[size - 6] ^= 1; /* in the CRC */
    expect_refused(files_put("crc.gz", packed, size), NULL, "is damaged");
    free(packed);
}

/* Damages up to three bytes of a good file, and its end. */
static size_t damage(char *bytes, size_t size, uint64_t *random)
{
    for (uint32_t i = check_below(random, 3); i < 3; i++)
        bytes[check_below(random, (uint32_t)size)] = (char)check_random(random);
    return size - check_below(random, 2) * check_below(random, 20);
}

/* Random damage to small good files: any answer but a crash or rows that the file cannot hold. */
static void random_damage(void **state)
{
    static const char *const names[] = {"d.fbin", "d.npy", "d.u8bin"};
    uint64_t random = check_seed();
    struct sentence why;
    struct matrix good = {.element = ELEMENT_F32, .rows = 4, .dim = 5, .data = calloc(20, 4)};
    (void)state;
    for (int i = 0; i < 3; i++) {
        size_t size;
        char bytes[512];
        assert_true(matrix_write(files_path(names[i]), &good, &why));
        char *const whole = files_take(files_path(names[i]), &size);
        assert_true(size <= sizeof bytes);
        for (int round = 0; round < 500; round++) {
            struct matrix found = {0};
            memcpy(bytes, whole, size);
            files_put(names[i], bytes, damage(bytes, size, &random));
            if (matrix_read(files_path(names[i]), NULL, 0, &found, &why))
                assert_true(found.rows > 0 && found.dim > 0 && matrix_bytes(&found) <= size);
            matrix_free(&found);
        }
        free(whole);
    }
    matrix_free(&good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_file),
        cmocka_unit_test(bins),
        cmocka_unit_test(vecs),
        cmocka_unit_test(npy),
        cmocka_unit_test(idx),
        cmocka_unit_test(random_damage),
    };
    return cmocka_run_group_tests(tests, files_make, files_remove);
}

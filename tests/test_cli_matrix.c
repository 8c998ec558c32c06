/* test_cli_matrix.c - what is written is read back bit for bit, in every format and element, and
 * an element that does not fit the output is refused with its position, the old file untouched.
 */
#include "tests/cli_files.h"

#include <zlib.h>

#include "cli/matrix.h"

static struct matrix make(enum element element, uint64_t rows, uint32_t dim, uint64_t *random)
{
    struct matrix matrix = {.element = element, .rows = rows, .dim = dim};
    const size_t count = (size_t)rows * dim;
    matrix.data = malloc(count * 4);
    assert_non_null(matrix.data);
    for (size_t i = 0; i < count; i++) {
        if (element == ELEMENT_F32)
            ((float *)matrix.data)[i] = check_unit(random) * 1e3f;
        else if (element == ELEMENT_I32)
            ((int32_t *)matrix.data)[i] = (int32_t)check_random(random);
        else if (element == ELEMENT_F16) /* finite: not all bits of the exponent */
            ((uint16_t *)matrix.data)[i] = (uint16_t)(check_random(random) & 0xbfff);
        else
            ((uint8_t *)matrix.data)[i] = (uint8_t)check_random(random);
    }
    return matrix;
}

static void expect_equal(const struct matrix *a, const struct matrix *b)
{
    assert_int_equal(a->element, b->element);
    assert_int_equal(a->dim, b->dim);
    assert_int_equal(a->rows, b->rows);
    assert_memory_equal(a->data, b->data, matrix_bytes(a));
}

static void expect_read(const char *path, uint64_t limit, const struct matrix *expected)
{
    struct sentence why = {""};
    struct matrix found;
    if (!matrix_read(path, NULL, limit, &found, &why))
        fail_msg("%s", why.text);
    expect_equal(&found, expected);
    matrix_free(&found);
}

static void written_files_come_back(void **state)
{
    static const struct {
        const char *name;
        enum element element;
    } file[] = {{"a.fbin", ELEMENT_F32}, {"a.u8bin", ELEMENT_U8}, {"a.i8bin", ELEMENT_I8},
                {"a.ibin", ELEMENT_I32}, {"f.npy", ELEMENT_F32},  {"u.npy", ELEMENT_U8},
                {"i.npy", ELEMENT_I8},   {"n.NPY", ELEMENT_I32},  {"h.npy", ELEMENT_F16}};
    uint64_t random = check_seed();
    (void)state;
    for (size_t i = 0; i < sizeof file / sizeof file[0]; i++) {
        struct sentence why = {""};
        const char *const path = files_path(file[i].name);
        struct matrix matrix = make(file[i].element, 1 + check_below(&random, 90),
                                    1 + check_below(&random, 130), &random);
        if (!matrix_write(path, &matrix, &why))
            fail_msg("%s", why.text);
        expect_read(path, 0, &matrix);
        matrix.rows = 1;
        expect_read(path, 1, &matrix);
        matrix_free(&matrix);
    }
}

/* The texmex formats are only read; the test writes them by their definition. */
static void vecs_are_read(void **state)
{
    static const struct {
        const char *name;
        enum element element;
    } file[] = {{"a.fvecs", ELEMENT_F32}, {"a.bvecs", ELEMENT_U8}, {"a.ivecs", ELEMENT_I32}};
    uint64_t random = check_seed();
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct matrix matrix = make(file[i].element, 23, 7, &random);
        const size_t row_bytes = 7 * element_bytes(file[i].element);
        FILE *const out = fopen(files_path(file[i].name), "wb");
        assert_non_null(out);
        for (uint32_t row = 0; row < 23; row++) {
            fwrite(&matrix.dim, 4, 1, out);
            fwrite((char *)matrix.data + row * row_bytes, row_bytes, 1, out);
        }
        fclose(out);
        expect_read(files_path(file[i].name), 0, &matrix);
        matrix.rows = 5;
        expect_read(files_path(file[i].name), 5, &matrix);
        matrix_free(&matrix);
    }
}

static void idx_is_read_plain_and_compressed(void **state)
{
    static const unsigned char header[16] = {0, 0, 8, 3, 0, 0, 0, 11, 0, 0, 0, 4, 0, 0, 0, 5};
    uint64_t random = check_seed();
    unsigned char bytes[16 + 11 * 20];
    struct sentence why = {""};
    struct matrix found, matrix = make(ELEMENT_U8, 11, 20, &random);
    (void)state;
    memcpy(bytes, header, 16);
    memcpy(bytes + 16, matrix.data, 220);
    const gzFile file = gzopen(files_path("some.gz"), "wb");
    assert_int_equal(gzwrite(file, bytes, sizeof bytes), sizeof bytes);
    gzclose(file);
    expect_read(files_put("images-idx3-ubyte", bytes, sizeof bytes), 0, &matrix);
    expect_read(files_path("some.gz"), 0, &matrix);
    assert_true(matrix_read(files_path("some.gz"), NULL, 3, &found, &why));
    assert_int_equal(found.rows, 3);
    assert_int_equal(found.picture_height, 4);
    assert_int_equal(found.picture_width, 5);
    matrix_free(&found);
    matrix_free(&matrix);
}

/* Booleans are bytes of 0 and 1. */
static void npy_of_bool_is_read(void **state)
{
    static const char header[] = "{'descr': '|b1', 'fortran_order': False, 'shape': (2, 3), }\n";
    char bytes[10 + sizeof header - 1 + 6] = "\x93NUMPY\x01";
    struct matrix bits = {.element = ELEMENT_U8, .rows = 2, .dim = 3};
    (void)state;
    bits.data = malloc(6);
    assert_non_null(bits.data);
    memcpy(bits.data, "\0\1\1\0\0\1", 6);
    bytes[8] = sizeof header - 1;
    memcpy(bytes + 10, header, sizeof header - 1);
    memcpy(bytes + 10 + sizeof header - 1, bits.data, 6);
    expect_read(files_put("bool.npy", bytes, sizeof bytes), 0, &bits);
    matrix_free(&bits);
}

/* A file of ground truth may carry distances behind the ids. */
static void ids_with_distances_are_read(void **state)
{
    const int32_t words[2 + 6 + 6] = {2, 3, 5, 4, 3, 9, 8, 7};
    struct matrix ids = {.element = ELEMENT_I32, .rows = 2, .dim = 3};
    (void)state;
    ids.data = malloc(24);
    assert_non_null(ids.data);
    memcpy(ids.data, words + 2, 24);
    expect_read(files_put("both.ibin", words, sizeof words), 0, &ids);
    matrix_free(&ids);
}

static void conversion_is_exact_or_refused(void **state)
{
    uint64_t random = check_seed();
    struct sentence why = {""};
    struct matrix found, matrix = make(ELEMENT_U8, 9, 6, &random);
    (void)state;
    assert_true(matrix_write(files_path("wide.fbin"), &matrix, &why));
    assert_true(matrix_read(files_path("wide.fbin"), NULL, 0, &found, &why));
    assert_int_equal(found.element, ELEMENT_F32);
    for (size_t i = 0; i < 54; i++)
        assert_true(((float *)found.data)[i] == ((uint8_t *)matrix.data)[i]);
    assert_true(matrix_write(files_path("narrow.u8bin"), &found, &why));
    expect_read(files_path("narrow.u8bin"), 0, &matrix);
    ((float *)found.data)[4 * 6 + 2] = 0.5f;
    assert_false(matrix_write(files_path("narrow.u8bin"), &found, &why));
    assert_non_null(strstr(why.text, "row 4, column 2 is 0.5"));
    expect_read(files_path("narrow.u8bin"), 0, &matrix);
    matrix_free(&found);
    matrix_free(&matrix);
}

/* Every half but those that are no numbers goes to f32 and back, and stands for what IEEE says. */
static void halves_are_exact(void **state)
{
    struct sentence why = {""};
    struct matrix matrix = {.element = ELEMENT_F16, .rows = 62, .dim = 1024};
    uint16_t *const half = malloc(62 * 1024 * sizeof *half);
    (void)state;
    assert_non_null(half);
    for (uint32_t i = 0; i < 31 * 1024; i++) {
        half[i] = (uint16_t)i;
        half[31 * 1024 + i] = (uint16_t)(i | 0x8000);
    }
    matrix.data = memcpy(malloc(62 * 1024 * sizeof *half), half, 62 * 1024 * sizeof *half);
    assert_true(matrix_convert(&matrix, ELEMENT_F32, "halves", &why));
    const float *const wide = matrix.data;
    assert_true(wide[1] == 0x1p-24f && wide[0x3c00] == 1 && wide[0x7bff] == 65504);
    assert_true(wide[31 * 1024 + 0x3e00] == -1.5f && wide[0x400] == 0x1p-14f);
    for (uint32_t i = 1; i < 31 * 1024; i++)
        assert_true(wide[i] > wide[i - 1]);
    assert_true(matrix_convert(&matrix, ELEMENT_F16, "halves", &why));
    assert_memory_equal(matrix.data, half, 62 * 1024 * sizeof *half);
    assert_true(matrix_convert(&matrix, ELEMENT_F32, "halves", &why));
    ((float *)matrix.data)[1025] = 2049.0f / 2048 + 0x1p-20f;
    assert_false(matrix_convert(&matrix, ELEMENT_F16, "halves", &why));
    assert_non_null(strstr(why.text, "row 1, column 1"));
    matrix_free(&matrix);
    free(half);
}

static void a_failed_write_leaves_the_old_file(void **state)
{
    uint64_t random = check_seed();
    struct sentence why = {""};
    struct matrix matrix = make(ELEMENT_U8, 3, 3, &random);
    (void)state;
    assert_false(matrix_write("/nonexistent/folder/x.u8bin", &matrix, &why));
    assert_non_null(strstr(why.text, "/nonexistent/folder/x.u8bin"));
    assert_false(matrix_write(files_folder, &matrix, &why));
    assert_false(matrix_write(files_path("x.fvecs"), &matrix, &why));
    assert_int_equal(access(files_path("x.fvecs"), F_OK), -1);
    /* A link is followed, and what it leads to is replaced. */
    files_put("real.u8bin", "old", 3);
    assert_int_equal(symlink("real.u8bin", files_path("link.u8bin")), 0);
    assert_true(matrix_write(files_path("link.u8bin"), &matrix, &why));
    expect_read(files_path("real.u8bin"), 0, &matrix);
    char target[32] = "";
    assert_int_equal(readlink(files_path("link.u8bin"), target, sizeof target), 10);
    matrix_free(&matrix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_files_come_back),
        cmocka_unit_test(vecs_are_read),
        cmocka_unit_test(idx_is_read_plain_and_compressed),
        cmocka_unit_test(npy_of_bool_is_read),
        cmocka_unit_test(ids_with_distances_are_read),
        cmocka_unit_test(conversion_is_exact_or_refused),
        cmocka_unit_test(halves_are_exact),
        cmocka_unit_test(a_failed_write_leaves_the_old_file),
    };
    return cmocka_run_group_tests(tests, files_make, files_remove);
}

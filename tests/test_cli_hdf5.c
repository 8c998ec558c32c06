/* test_cli_hdf5.c - the four parts of an ann-benchmarks file come back whatever width and layout
 * they are stored in, and damage of any byte is a sentence, never a crash.
 */
#include "tests/cli_files.h"

#include <hdf5.h>
#include <math.h>

#include "cli/matrix.h"

#define ROWS 40
#define DIM 6

static void put_part(hid_t file, const char *name, hid_t stored, hid_t memory, const void *data,
                     bool compressed)
{
    const hsize_t size[2] = {ROWS, DIM}, chunk[2] = {8, DIM};
    const hid_t space = H5Screate_simple(2, size, NULL);
    const hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    if (compressed) {
        H5Pset_chunk(plist, 2, chunk);
        H5Pset_deflate(plist, 6);
    }
    const hid_t set = H5Dcreate2(file, name, stored, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    assert_true(set >= 0);
    assert_true(H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    H5Dclose(set);
    H5Pclose(plist);
    H5Sclose(space);
}

static void put_text(hid_t file, const char *name, const char *text, bool variable)
{
    const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, variable ? H5T_VARIABLE : strlen(text));
    H5Tset_cset(type, H5T_CSET_UTF8);
    const hid_t attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(attribute, type, variable ? (const void *)&text : text) >= 0);
    H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
}

static float values[ROWS * DIM], distances[ROWS * DIM];
static int32_t ids[ROWS * DIM];

static const char *put_file(const char *name, bool wide, bool compressed)
{
    for (int i = 0; i < ROWS * DIM; i++) {
        values[i] = (float)i * 0.5f;
        ids[i] = i * 7;
        distances[i] = i % DIM == DIM - 1 ? INFINITY : (float)i;
    }
    const hid_t file = H5Fcreate(files_path(name), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t real = wide ? H5T_IEEE_F64LE : H5T_IEEE_F32LE;
    assert_true(file >= 0);
    put_part(file, "train", real, H5T_NATIVE_FLOAT, values, compressed);
    put_part(file, "test", real, H5T_NATIVE_FLOAT, values, compressed);
    put_part(file, "neighbors", wide ? H5T_STD_I64LE : H5T_STD_I32LE, H5T_NATIVE_INT32, ids,
             compressed);
    put_part(file, "distances", real, H5T_NATIVE_FLOAT, distances, compressed);
    put_text(file, "distance", wide ? "angular" : "euclidean", wide);
    H5Fclose(file);
    return files_path(name);
}

static void expect_part(const char *path, const char *part, enum element element, const void *data)
{
    struct sentence why = {""};
    struct matrix matrix;
    if (!matrix_read(path, part, 0, &matrix, &why))
        fail_msg("%s", why.text);
    assert_int_equal(matrix.rows, ROWS);
    assert_int_equal(matrix.dim, DIM);
    assert_int_equal(matrix.element, element);
    assert_memory_equal(matrix.data, data, sizeof values);
    matrix_free(&matrix);
    assert_true(matrix_read(path, part, 3, &matrix, &why));
    assert_int_equal(matrix.rows, 3);
    assert_memory_equal(matrix.data, data, 3 * DIM * 4);
    matrix_free(&matrix);
}

static void parts_come_back(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        char metric[32];
        const char *const path = put_file("data.hdf5", kind & 1, kind & 2);
        expect_part(path, NULL, ELEMENT_F32, values);
        expect_part(path, "test", ELEMENT_F32, values);
        expect_part(path, "neighbors", ELEMENT_I32, ids);
        expect_part(path, "distances", ELEMENT_F32, distances);
        assert_true(matrix_is_hdf5(path, metric));
        assert_string_equal(metric, kind & 1 ? "angular" : "euclidean");
    }
}

/* h5py keeps bool as an enumeration of FALSE and TRUE. */
static void booleans_are_bytes(void **state)
{
    signed char bits[ROWS * DIM];
    const signed char no = 0, yes = 1;
    struct matrix matrix = {0};
    struct sentence why = {""};
    (void)state;
    for (int i = 0; i < ROWS * DIM; i++)
        bits[i] = i % 3 == 0;
    const hid_t file = H5Fcreate(files_path("b.hdf5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t type = H5Tenum_create(H5T_STD_I8LE);
    H5Tenum_insert(type, "FALSE", &no);
    H5Tenum_insert(type, "TRUE", &yes);
    put_part(file, "train", type, type, bits, true);
    H5Tclose(type);
    H5Fclose(file);
    if (!matrix_read(files_path("b.hdf5"), NULL, 0, &matrix, &why))
        fail_msg("%s", why.text);
    assert_int_equal(matrix.element, ELEMENT_U8);
    assert_int_equal(matrix_bytes(&matrix), sizeof bits);
    assert_memory_equal(matrix.data, bits, sizeof bits);
    matrix_free(&matrix);
}

static void missing_parts_are_named(void **state)
{
    struct sentence why = {""};
    struct matrix matrix = {0};
    char metric[32];
    (void)state;
    assert_false(matrix_read(put_file("m.hdf5", false, false), "tests", 0, &matrix, &why));
    assert_non_null(strstr(why.text, "has no part \"tests\""));
    files_put("short.hdf5", "\x89HDF\r\n\x1a\n", 8);
    assert_false(matrix_read(files_path("short.hdf5"), NULL, 0, &matrix, &why));
    assert_non_null(strstr(why.text, "is damaged"));
    assert_true(matrix_is_hdf5(files_path("short.hdf5"), metric));
    assert_false(matrix_is_hdf5(files_put("no.hdf5", "short", 5), metric));
    assert_false(matrix_is_hdf5("/nonexistent", metric));
}

/* libhdf5 finds some damage itself; what it lets through must at least be rows of the file. */
static void damage_is_survived(void **state)
{
    uint64_t random = check_seed();
    size_t size;
    (void)state;
    char *const good = files_take(put_file("g.hdf5", false, true), &size);
    for (int round = 0; round < 300; round++) {
        struct sentence why;
        struct matrix matrix = {0};
        char *const bytes = malloc(size);
        assert_non_null(bytes);
        memcpy(bytes, good, size);
        bytes[8 + check_below(&random, (uint32_t)size - 8)] = (char)check_random(&random);
        const size_t kept = round % 3 ? size : check_below(&random, (uint32_t)size);
        matrix_read(files_put("d.hdf5", bytes, kept), NULL, 0, &matrix, &why);
        matrix_free(&matrix);
        free(bytes);
    }
    free(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_come_back),
        cmocka_unit_test(booleans_are_bytes),
        cmocka_unit_test(missing_parts_are_named),
        cmocka_unit_test(damage_is_survived),
    };
    return cmocka_run_group_tests(tests, files_make, files_remove);
}

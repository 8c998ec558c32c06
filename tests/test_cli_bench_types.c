/* test_cli_bench_types.c - `kith bench` takes rows as their files hold them: signed bytes and half
 * floats are loaded, walked and scanned in that type, on every instruction set, and each finds the
 * true neighbours; two files of different elements meet as f32. A metric of bits, and a device that
 * does not take the type, are one sentence.
 */
#include "tests/cli_bench_data.h"

#include "cli/result.h"

/* The same rows as base.u8bin, moved or narrowed. */
static void rewrite(const char *from, const char *to, enum element element)
{
    struct sentence why;
    struct matrix matrix;
    assert_true(matrix_read(files_path(from), NULL, 0, &matrix, &why));
    for (size_t i = 0; i < matrix_bytes(&matrix) && element == ELEMENT_I8; i++)
        ((uint8_t *)matrix.data)[i] ^= 0x80;
    if (element == ELEMENT_I8)
        matrix.element = ELEMENT_I8;
    else
        assert_true(matrix_convert(&matrix, element, to, &why));
    assert_true(matrix_write(files_path(to), &matrix, &why));
    matrix_free(&matrix);
}

static int make_files(void **state)
{
    if (data_make(state))
        return -1;
    rewrite("base.u8bin", "base.i8bin", ELEMENT_I8);
    rewrite("queries.u8bin", "queries.i8bin", ELEMENT_I8);
    rewrite("base.u8bin", "base.npy", ELEMENT_F16);
    rewrite("queries.u8bin", "queries.npy", ELEMENT_F16);
    return 0;
}

static void check_type(const char *base, const char *queries, const char *type)
{
    struct sentence why;
    struct run run = run_tool("$kith bench $dir/%s --queries $dir/%s --time 1 --ef 20,60 "
                              "--device cpu --result $dir/t.json --report $dir/t.html",
                              base, queries);
    if (run.code)
        fail_msg("exit %d\n%s%s", run.code, run.out, run.err);
    run_free(&run);
    json_t *result = result_read(files_path("t.json"), &why);
    const json_t *runs = result_field(result, "runs");
    const json_t *checks = result_field(result, "agreement");
    assert_string_equal(result_text(result, "dataset.type"), type);
    assert_true(json_array_size(runs) >= 2 && json_array_size(checks) >= 2);
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *entry = json_array_get(runs, i);
        const bool walk = !strcmp(result_text(entry, "index"), "hnsw");
        const bool coded = walk && (!strcmp(type, "f32") || !strcmp(type, "f16"));
        const char *const codes = result_text(entry, "codes");
        assert_true(!strcmp(codes, type) || (coded && !strcmp(codes, "sq8")));
        assert_true(result_number(entry, "recall") >= (walk ? 0.8 : 1));
    }
    for (size_t i = 0; i < json_array_size(checks); i++)
        assert_true(json_is_true(result_field(json_array_get(checks, i), "equal")));
    json_decref(result);
}

static void types_stay_what_they_are(void **state)
{
    (void)state;
    check_type("base.i8bin", "queries.i8bin", "i8");
    check_type("base.npy", "queries.npy", "f16");
    check_type("base.u8bin", "queries.npy", "f32");
}

static void metrics_are_refused(void **state)
{
    (void)state;
    expect_sentence(run_tool("$kith bench $dir/base.i8bin --queries $dir/queries.i8bin --time 1 "
                             "--metric jaccard --result $dir/t.json --report $dir/t.html"),
                    2, "not \"jaccard\"");
}

static void devices_take_every_type(void **state)
{
    (void)state;
    kith_devices *devices = NULL;
    kith_device_info info = {.size = sizeof info};
    assert_int_equal(kith_devices_open(&devices), KITH_OK);
    const bool usable =
        kith_devices_count(devices) > 1 && !kith_devices_get(devices, 1, &info) && info.usable;
    kith_devices_close(devices);
    if (!usable)
        skip();
    struct run run = run_tool("$kith bench $dir/base.i8bin --queries $dir/queries.i8bin --time 1 "
                              "--device cpu,ocl0 --result $dir/t.json --report $dir/t.html");
    assert_int_equal(run.code, 0);
    assert_non_null(strstr(run.out, "ocl0"));
    run_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_stay_what_they_are),
        cmocka_unit_test(metrics_are_refused),
        cmocka_unit_test(devices_take_every_type),
    };
    return cmocka_run_group_tests(tests, make_files, files_remove);
}

/* test_cli_bench_refuses.c - what `kith bench` cannot do is one sentence, an exit code and nothing
 * written: files that were there keep their bytes. ^C keeps what is finished.
 */
#include "tests/cli_bench_data.h"

#include "cli/result.h"

#define KEPT "the bytes that were here before\n"

#define BENCH "$kith bench --time 1 --result $dir/old.json --report $dir/old.html "
#define ROWS "$dir/base.u8bin --queries $dir/queries.u8bin "

static void expect_kept(const char *name)
{
    size_t size;
    char *left = files_take(files_path(name), &size);
    assert_string_equal(left, KEPT);
    free(left);
}

static void refuse(int code, const char *words, const char *command)
{
    files_put("old.json", KEPT, strlen(KEPT));
    files_put("old.html", KEPT, strlen(KEPT));
    expect_sentence(run_tool("%s", command), code, words);
    expect_kept("old.json");
    expect_kept("old.html");
}

static void test_options(void **state)
{
    (void)state;
    refuse(2, "-k", BENCH ROWS "-k 0");
    refuse(2, "5000 is more than the 3000 rows", BENCH ROWS "-k 5000");
    refuse(2, "ef", BENCH ROWS "--ef 10,x");
    refuse(2, "report", BENCH ROWS "--reprot x");
    refuse(2, "metric", BENCH ROWS "--metric manhattan");
    refuse(2, "both name same", BENCH ROWS "--result same --report same");
    refuse(2, "bench", BENCH ROWS "one-too-many");
}

static void test_devices(void **state)
{
    (void)state;
    refuse(5, "no device \"ocl99\"", BENCH ROWS "--device ocl99");
    refuse(5, "no device \"\"", BENCH ROWS "--device cpu,");
}

static void test_data(void **state)
{
    (void)state;
    uint32_t wide[2 + 5] = {2, 10};
    size_t size;
    char *bytes = files_take(files_path("base.u8bin"), &size);
    files_put("short.u8bin", bytes, size - 1);
    free(bytes);
    files_put("wide.u8bin", wide, sizeof wide);
    refuse(1, "missing.u8bin", BENCH "$dir/missing.u8bin");
    refuse(1, "short.u8bin", BENCH "$dir/short.u8bin --queries $dir/queries.u8bin");
    refuse(1, "24", BENCH "$dir/base.u8bin --queries $dir/wide.u8bin");
    refuse(1, "fashion", "KITH_DATA=$dir/nowhere " BENCH "fashion-mnist-784-euclidean");
}

static void test_not_a_number(void **state)
{
    (void)state;
    uint32_t rows[2 + 6] = {2, 3, 0, 0, 0, 0x7fc00000, 0, 0};
    files_put("nan.fbin", rows, sizeof rows);
    refuse(1, "nan.fbin", BENCH "$dir/nan.fbin --queries $dir/nan.fbin");
}

static void test_outputs(void **state)
{
    (void)state;
    refuse(1, "no-such-folder", BENCH ROWS "--result $dir/no-such-folder/r.json");
    refuse(1, "no-such-folder", BENCH ROWS "--report $dir/no-such-folder/r.html");
}

static void test_report_of_no_result(void **state)
{
    (void)state;
    files_put("other.json", "{\"schema\":\"other/1\"}", 20);
    refuse(1, "other/1", "$kith report $dir/other.json -o $dir/old.html");
    refuse(1, "base.u8bin", "$kith report $dir/base.u8bin -o $dir/old.html");
}

static void test_recall_too_low(void **state)
{
    (void)state;
    struct run run = run_tool("$kith bench " ROWS "--time 1 --ef 1 -k 1 -M 4 --ef-construction 4 "
                              "--min-recall 1 --result $dir/low.json --report $dir/low.html");
    assert_int_equal(run.code, 4);
    assert_non_null(strstr(run.err, "--min-recall"));
    run_free(&run);
}

/* With this much time given, only ^C can end the run so soon. */
static void test_interrupt_keeps_what_is_finished(void **state)
{
    struct sentence why;
    (void)state;
    data_write("many.u8bin", 20000, 7);
    struct run run = run_tool(
        "$kith bench $dir/base.u8bin --queries $dir/many.u8bin --time 1000 --result $dir/cut.json "
        "--report $dir/cut.html 2>$dir/notes & tool=$!\n"
        "until grep -q measuring $dir/notes || ! kill -0 $tool; do sleep 0.05; done; sleep 0.5\n"
        "kill -INT $tool; wait $tool; code=$?; cat $dir/notes >&2; exit $code");
    if (run.code != 130)
        fail_msg("exit %d: %s", run.code, run.err);
    assert_non_null(strstr(run.err, "interrupted"));
    run_free(&run);
    json_t *result = result_read(files_path("cut.json"), &why);
    assert_non_null(result);
    assert_true(json_is_true(result_field(result, "interrupted")));
    assert_true(json_array_size(result_field(result, "runs")) > 0);
    json_decref(result);
    assert_int_equal(access(files_path("cut.html"), R_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_data),
        cmocka_unit_test(test_not_a_number),
        cmocka_unit_test(test_outputs),
        cmocka_unit_test(test_report_of_no_result),
        cmocka_unit_test(test_recall_too_low),
        cmocka_unit_test(test_interrupt_keeps_what_is_finished),
    };
    return cmocka_run_group_tests(tests, data_make, files_remove);
}

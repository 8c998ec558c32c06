/* test_cli_bench_codes.c - `kith bench --walk W` walks what it was asked for, and says so: the
 * result names the codes of every walk and what links were chosen by, the leaderboard and the
 * report show them, and recall is that of a walk that ranks again. Codes that the rows cannot
 * have, and shares that mean nothing, are one sentence before any work.
 */
#include "tests/cli_bench_data.h"

#include "cli/result.h"

static int make_files(void **state)
{
    struct sentence why;
    struct matrix matrix;
    if (data_make(state))
        return -1;
    static const char *const names[][2] = {{"base.u8bin", "base.npy"},
                                           {"queries.u8bin", "queries.npy"}};
    for (int i = 0; i < 2; i++) {
        assert_true(matrix_read(files_path(names[i][0]), NULL, 0, &matrix, &why));
        assert_true(matrix_convert(&matrix, ELEMENT_F32, names[i][1], &why));
        assert_true(matrix_write(files_path(names[i][1]), &matrix, &why));
        matrix_free(&matrix);
    }
    return 0;
}

static struct run bench(const char *ending, const char *options)
{
    return run_tool("$kith bench $dir/base.%s --queries $dir/queries.%s --time 0.5 --ef 60 -t 1 "
                    "--device cpu --result $dir/t.json --report $dir/t.html %s",
                    ending, ending, options);
}

static bool page_has(const char *words)
{
    size_t size;
    char *page = files_take(files_path("t.html"), &size);
    const bool has = strstr(page, words) != NULL;
    free(page);
    return has;
}

static void check(const char *ending, const char *options, const char *walked, const char *linked)
{
    struct sentence why;
    struct run run = bench(ending, options);
    if (run.code)
        fail_msg("exit %d\n%s%s", run.code, run.out, run.err);
    json_t *result = result_read(files_path("t.json"), &why);
    const json_t *runs = result_field(result, "runs");
    const json_t *build = json_array_get(result_field(result, "builds"), 0);
    char label[32];
    size_t walks = 0;
    assert_string_equal(result_text(build, "codes"), linked);
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *entry = json_array_get(runs, i);
        if (strcmp(result_text(entry, "index"), "hnsw"))
            continue;
        walks++;
        assert_string_equal(result_text(entry, "codes"), walked);
        assert_true(result_number(entry, "recall") >= 0.9);
    }
    assert_true(walks >= 1);
    snprintf(label, sizeof label, "cpu scalar %s", walked);
    const bool coded = !strncmp(walked, "sq", 2);
    assert_int_equal(strstr(run.out, label) != NULL, coded);
    assert_int_equal(page_has(label), coded);
    json_decref(result);
    run_free(&run);
}

static void walks_are_what_was_asked_for(void **state)
{
    (void)state;
    check("npy", "", "sq8", "sq8");
    check("npy", "--walk rows", "f32", "f32");
    check("npy", "--walk sq8 --metric ip", "sq8", "sq8");
    check("npy", "--walk sq4", "sq4", "sq8");
    check("u8bin", "--walk auto", "u8", "u8");
    check("u8bin", "--walk sq4 --metric cosine", "sq4", "u8");
    check("u8bin", "--walk sq1 --rerank 6", "sq1", "u8");
}

/* Every candidate ranked again, so recall does not fall; or an end so early that fewer are met. */
static void shares_reach_the_walk(void **state)
{
    (void)state;
    struct sentence why;
    double distances[2];
    static const char *const options[] = {"--walk sq4 --rerank 6", "--walk sq4 --slack 0.001"};
    for (int i = 0; i < 2; i++) {
        struct run run = bench("npy", options[i]);
        assert_int_equal(run.code, 0);
        json_t *result = result_read(files_path("t.json"), &why);
        const json_t *walk = json_array_get(result_field(result, "runs"), 0);
        distances[i] = result_number(walk, "distances_per_query");
        assert_true(result_number(walk, "params.rerank") == (i ? 0 : 6));
        assert_true(result_number(walk, "params.slack") == (i ? 0.001 : 0));
        assert_non_null(
            strstr(run.out, i ? "walk   over sq4, slack 0.001\n" : "walk   over sq4, rerank 6\n"));
        assert_true(page_has(i ? "; slack 0.001" : "; rerank 6"));
        json_decref(result);
        run_free(&run);
    }
    assert_true(distances[1] < 0.9 * distances[0]);
}

static void refusals_come_first(void **state)
{
    (void)state;
    remove(files_path("t.json"));
    expect_sentence(bench("u8bin", "--walk sq8"), 2, "u8");
    expect_sentence(bench("u8bin", "--walk sq2"), 2, "sq2");
    expect_sentence(bench("npy", "--rerank 0.5"), 2, "rerank");
    expect_sentence(bench("npy", "--slack -1"), 2, "slack");
    assert_int_not_equal(access(files_path("t.json"), F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_are_what_was_asked_for),
        cmocka_unit_test(shares_reach_the_walk),
        cmocka_unit_test(refusals_come_first),
    };
    return cmocka_run_group_tests(tests, make_files, files_remove);
}

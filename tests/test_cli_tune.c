/* test_cli_tune.c - `kith tune` finds settings that keep what they promise: searched again with
 * them, other queries have the recall that was asked for; a recall that no walk reaches is exit 4
 * with one sentence, and mistakes are sentences before any work.
 */
#include "tests/cli_bench_data.h"

#define TUNE "$kith tune $dir/%s.u8bin --queries $dir/queries.u8bin -q "

static int make_files(void **state)
{
    if (data_make(state))
        return -1;
    data_write("queries.u8bin", 600, check_seed() + 1);
    return 0;
}

static double number(const json_t *value, const char *name)
{
    const json_t *field = json_object_get(value, name);
    assert_true(json_is_number(field));
    return json_number_value(field);
}

static void promises(double wanted, const char *options, bool coded)
{
    json_t *said = expect_json(run_tool(TUNE "--json --recall %g %s", "base", wanted, options));
    const json_t *settings = json_object_get(said, "settings");
    const double recall = number(said, "recall");
    assert_true(number(said, "wanted") == wanted);
    assert_true(number(said, "queries") == 300 && number(said, "queries_to_choose") == 300);
    assert_int_equal(json_is_true(json_object_get(said, "reached")), recall >= wanted);
    assert_true(recall >= wanted - 0.02); /* three standard errors at 0.95 are less */
    assert_true(number(said, "recall_annb") >= recall && recall <= 1);
    assert_true(number(said, "qps") > 0 && number(said, "p50_us") > 0);
    assert_true(number(said, "p99_us") >= number(said, "p50_us"));
    assert_true(number(said, "distances_per_query") < 3000);
    assert_true(number(settings, "ef") >= 10 && number(settings, "k") == 10);
    assert_true(coded || number(settings, "rerank") == 0);
    assert_string_equal(json_string_value(json_object_get(settings, "walk")), coded ? "sq4" : "u8");
    json_decref(said);
}

static void settings_keep_their_promise(void **state)
{
    (void)state;
    promises(0.5, "", false);
    promises(0.95, "--m 4 --ef-construction 10", false);
    promises(0.9, "--walk sq4", true);
    promises(0.95, "--metric ip -t 1", false);
}

/* The bound of a narrow graph: the more is asked, the more distances it costs. */
static void more_recall_costs_more(void **state)
{
    (void)state;
    double distances[2];
    for (int i = 0; i < 2; i++) {
        json_t *said = expect_json(run_tool(TUNE "--json --m 4 --ef-construction 10 --recall %s",
                                            "base", i ? "0.97" : "0.6"));
        distances[i] = number(said, "distances_per_query");
        json_decref(said);
    }
    assert_true(distances[1] > 1.2 * distances[0]);
}

static void settings_are_printed_to_be_copied(void **state)
{
    (void)state;
    struct run run = run_tool(TUNE "--recall 0.9", "base");
    assert_int_equal(run.code, 0);
    assert_non_null(strstr(run.out, "    options.ef = "));
    assert_non_null(strstr(run.out, "300 queries that had no say in it, one thread\n"));
    run_free(&run);
}

/* One bit a dimension, and a handful ranked again: too coarse for the one nearest of every query.
 */
static void what_cannot_be_reached_is_exit_4(void **state)
{
    (void)state;
    expect_sentence(run_tool(TUNE "--recall 1 --walk sq1 -k 1", "base"), 4,
                    "no setting reaches recall 1");
}

static void refusals_come_first(void **state)
{
    (void)state;
    expect_sentence(run_tool(TUNE "--recall 0", "base"), 2, "--recall takes a number");
    expect_sentence(run_tool(TUNE "--recall 1.1", "base"), 2, "--recall takes a number");
    expect_sentence(run_tool(TUNE "--walk sq8", "base"), 2, "u8");
    expect_sentence(run_tool(TUNE "-k 3001", "base"), 2, "3001");
    expect_sentence(run_tool(TUNE "--nq 1", "base"), 2, "one query cannot be split");
    expect_sentence(run_tool(TUNE, "absent"), 1, "absent.u8bin");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_keep_their_promise),
        cmocka_unit_test(more_recall_costs_more),
        cmocka_unit_test(settings_are_printed_to_be_copied),
        cmocka_unit_test(what_cannot_be_reached_is_exit_4),
        cmocka_unit_test(refusals_come_first),
    };
    return cmocka_run_group_tests(tests, make_files, files_remove);
}

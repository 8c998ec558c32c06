/* test_cli_tune.c - `kith tune` finds settings that keep what they promise: searched again with
 * them, other queries have the recall that was asked for; a recall that no walk reaches is exit 4
 * with one sentence, and mistakes are sentences before any work. The same of a store with a graph.
 */
#include "tests/cli_bench_data.h"

#define STORE "$kith tune $dir/s.kith -q "
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

static void done(struct run run)
{
    if (run.code)
        fail_msg("code %d: %s", run.code, run.err);
    run_free(&run);
}

/* A graph of a store, some of whose rows have gone and some of whose row numbers are not their
 * keys, with queries of the rows' type and of another. */
static void stores_are_tuned(void **state)
{
    (void)state;
    static const char *const queries[] = {"queries.u8bin", "queries.fbin"};
    struct sentence why;
    struct matrix floats;
    assert_true(matrix_read(files_path("queries.u8bin"), NULL, 0, &floats, &why));
    assert_true(matrix_convert(&floats, ELEMENT_F32, "queries", &why));
    assert_true(matrix_write(files_path("queries.fbin"), &floats, &why));
    matrix_free(&floats);
    done(run_tool("$kith import $dir/base.u8bin $dir/s.kith -q"));
    expect_sentence(run_tool(STORE "--queries $dir/queries.u8bin"), 1, "no graph to walk beside");
    for (int key = 100; key < 140; key++)
        done(run_tool("$kith del $dir/s.kith %d -q", key));
    done(run_tool("$kith build $dir/s.kith --m 4 --ef-construction 10 -q"));
    for (int i = 0; i < 2; i++) {
        json_t *said =
            expect_json(run_tool(STORE "--queries $dir/%s --json --recall 0.9", queries[i]));
        const json_t *settings = json_object_get(said, "settings");
        assert_non_null(strstr(json_string_value(json_object_get(said, "store")), "s.kith"));
        assert_true(number(said, "queries") == 300 && number(said, "recall") >= 0.87);
        assert_true(number(said, "distances_per_query") < 1500);
        assert_string_equal(json_string_value(json_object_get(settings, "walk")), "u8");
        json_decref(said);
    }
    struct run run = run_tool(STORE "--queries $dir/queries.u8bin --recall 0.9");
    assert_int_equal(run.code, 0);
    assert_non_null(strstr(run.out, "settings of a walk over u8"));
    run_free(&run);
    expect_sentence(run_tool(STORE), 2, "--queries is missing");
    expect_sentence(run_tool(STORE "--queries $dir/queries.u8bin --m 8"), 2, "do not go with it");
    expect_sentence(run_tool(STORE "--queries $dir/queries.u8bin --nq 1"), 2, "cannot be split");
    expect_sentence(run_tool(STORE "--queries $dir/queries.u8bin -k 2961"), 2, "2961");
}

/* Turns a byte over in each of the two heads of s.kith. */
static void damage_heads(void)
{
    FILE *file = fopen(files_path("s.kith"), "r+b");
    assert_non_null(file);
    for (long at = 20; at < 40000; at += 16384) {
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        const int byte = fgetc(file);
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        assert_int_equal(fputc(byte ^ 0xff, file), byte ^ 0xff);
    }
    assert_int_equal(fclose(file), 0);
}

/* A store that cannot be opened says why, and is not taken for data of an unknown format; what is
 * in no format and no store is told so; data are not asked whether they are a store. */
static void damaged_stores_say_so(void **state)
{
    (void)state;
    unlink(files_path("s.kith"));
    done(run_tool("$kith import $dir/base.u8bin $dir/s.kith -q"));
    damage_heads();
    expect_sentence(run_tool(STORE "--queries $dir/queries.u8bin"), 1,
                    "both heads of the store are damaged");
    FILE *file = fopen(files_path("s.kith"), "wb");
    assert_non_null(file);
    assert_true(fputs("1,2,3\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    expect_sentence(run_tool(STORE "--queries $dir/queries.u8bin"), 1, "it has 6 bytes");
    file = fopen(files_path("short.fbin"), "wb");
    assert_non_null(file);
    assert_true(fputs("1,2,3\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    expect_sentence(run_tool("$kith tune $dir/short.fbin -q"), 1, "ends too early");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_keep_their_promise),
        cmocka_unit_test(more_recall_costs_more),
        cmocka_unit_test(settings_are_printed_to_be_copied),
        cmocka_unit_test(what_cannot_be_reached_is_exit_4),
        cmocka_unit_test(stores_are_tuned),
        cmocka_unit_test(damaged_stores_say_so),
        cmocka_unit_test(refusals_come_first),
    };
    return cmocka_run_group_tests(tests, make_files, files_remove);
}

/* test_cli_bench.c - `kith bench` leaves a well-formed result and a page that needs no network.
 *
 * One run over a small data set, looked at from every side: the schema, figures that must hold
 * whatever the machine (recall in 0..1 and growing with ef, percentiles in order), the agreement
 * of the devices, and the report.
 */
#include "tests/cli_bench_data.h"

#include "cli/curves.h"
#include "cli/result.h"

static struct run run;
static json_t *result;

static int bench_setup(void **state)
{
    struct sentence why;
    if (data_make(state))
        return -1;
    run = run_tool("$kith bench $dir/base.u8bin --queries $dir/queries.u8bin --time 2 "
                   "--ef 10,20,60 --result $dir/r.json --report $dir/r.html");
    if (run.code)
        print_message("exit %d\n%s%s", run.code, run.out, run.err);
    result = run.code ? NULL : result_read(files_path("r.json"), &why);
    return result ? 0 : -1;
}

static int bench_teardown(void **state)
{
    json_decref(result);
    run_free(&run);
    return files_remove(state);
}

static void expect_text(const json_t *value, const char *field)
{
    if (!*result_text(value, field))
        fail_msg("\"%s\" is missing or no text", field);
}

static void expect_number(const json_t *value, const char *field)
{
    if (!json_is_number(result_field(value, field)))
        fail_msg("\"%s\" is missing or no number", field);
}

static void test_head(void **state)
{
    (void)state;
    assert_string_equal(result_text(result, "schema"), "kith-result/1");
    assert_true(json_is_false(result_field(result, "interrupted")));
    assert_string_equal(result_text(result, "dataset.name"), "base.u8bin");
    assert_string_equal(result_text(result, "dataset.metric"), "l2sq");
    assert_true(result_number(result, "dataset.rows") == 3000);
    assert_true(result_number(result, "dataset.dim") == DATA_DIM);
    assert_int_equal(strlen(result_text(result, "dataset.sha256")), 64);
    expect_text(result, "hardware.cpu");
    assert_true(json_array_size(result_field(result, "devices")) >= 1);
}

static void test_builds(void **state)
{
    (void)state;
    const json_t *build = json_array_get(result_field(result, "builds"), 0);
    assert_string_equal(result_text(build, "index"), "hnsw");
    assert_int_equal(strlen(result_text(build, "digest")), 16);
    assert_true(result_number(build, "nodes") == 3000);
    assert_true(result_number(build, "seconds") > 0);
    assert_true(result_number(build, "bytes_per_vector") >= DATA_DIM);
    expect_number(build, "params.ef_construction");
}

static void check_run(const json_t *entry)
{
    static const char *const text[] = {"device", "isa", "index", "codes"};
    static const char *const number[] = {
        "threads", "batch", "k", "distances_per_query", "bytes_per_vector", "params.queries"};
    static const char *const ordered[] = {"latency_us.p50", "latency_us.p95", "latency_us.p99",
                                          "latency_us.p999"};
    for (size_t i = 0; i < sizeof text / sizeof *text; i++)
        expect_text(entry, text[i]);
    for (size_t i = 0; i < sizeof number / sizeof *number; i++)
        expect_number(entry, number[i]);
    assert_true(result_number(entry, "qps") > 0);
    assert_true(result_number(entry, "recall") > 0 && result_number(entry, "recall") <= 1);
    assert_true(result_number(entry, "recall_annb") >= result_number(entry, "recall"));
    /* Walks take three rounds whatever the time; a scan on a slow machine may stop at one. */
    bool walk = !strcmp(result_text(entry, "index"), "hnsw");
    assert_true(json_array_size(result_field(entry, "times")) >= (walk ? 3 : 1));
    assert_true(result_number(entry, "params.recall_queries") >= 16);
    assert_true(result_number(entry, ordered[0]) > 0);
    for (size_t i = 1; i < sizeof ordered / sizeof *ordered; i++)
        assert_true(result_number(entry, ordered[i]) >= result_number(entry, ordered[i - 1]));
}

/* Levels that have a gather (or a tile) of their own for the rows of this test; the others would
 * run what a lower one has. */
static size_t levels_that_add(bool exact)
{
    const char *level;
    size_t n = 0;
    for (size_t i = 0; (level = kith_cpu_level(i)); i++) {
        kith_kernel_options options = kith_kernel_defaults(DATA_DIM, KITH_U8, KITH_L2SQ);
        kith_kernel_info info = {.size = sizeof info};
        kith_kernel *kernel = NULL;
        options.cpu = level;
        assert_int_equal(kith_kernel_open(&options, &kernel), KITH_OK);
        kith_kernel_stat(kernel, &info);
        n += strcmp(exact ? info.tile : info.gather, level) == 0;
        kith_kernel_close(kernel);
    }
    return n;
}

/* Each such level has walked and has scanned; walks of one contender follow each other. */
static void test_runs(void **state)
{
    (void)state;
    const json_t *runs = result_field(result, "runs");
    const size_t walking = levels_that_add(false), scanning = levels_that_add(true);
    size_t walks = 0, together = 0, scans = 0;
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *entry = json_array_get(runs, i);
        if (!strcmp(result_text(entry, "index"), "hnsw") &&
            strcmp(result_text(entry, "device"), "cpu") != 0)
            continue; /* see test_cli_replicas.c */
        check_run(entry);
        bool walk = !strcmp(result_text(entry, "index"), "hnsw");
        const bool all = walk && result_number(entry, "batch") > 1;
        walks += walk && !all && result_number(entry, "threads") == 1;
        together += all;
        assert_true(!all ||
                    result_number(entry, "batch") == result_number(entry, "params.queries"));
        scans += !walk;
        if (walk && result_number(entry, "params.ef") >= 60)
            assert_true(result_number(entry, "recall") > 0.9);
        if (walk)
            assert_true(result_number(entry, "params.recall_queries") == 150);
        if (!walk)
            assert_true(result_number(entry, "recall") == 1);
    }
    assert_true(walks >= walking && walks <= 3 * walking);
    assert_true(together >= 1 && together <= 3); /* each width once, by the best */
    assert_true(scans >= scanning);
}

static void test_agreement(void **state)
{
    (void)state;
    const json_t *checks = result_field(result, "agreement");
    assert_true(json_array_size(checks) >= 1);
    for (size_t i = 0; i < json_array_size(checks); i++)
        assert_true(json_is_true(result_field(json_array_get(checks, i), "equal")));
    assert_non_null(strstr(run.out, "check: exact search gives the true ids on cpu scalar"));
    size_t walks = 0;
    for (size_t i = 0; i < json_array_size(checks); i++)
        walks += !strcmp(result_text(json_array_get(checks, i), "index"), "hnsw");
    assert_true(walks >= 1);
}

static void test_leaderboard(void **state)
{
    (void)state;
    assert_non_null(strstr(run.out, "recall@10"));
    assert_non_null(strstr(run.out, "QPS at recall >="));
    const char *last = strrchr(run.out, '\n');
    assert_true(last && last[1] == '\0');
    const char *line = strstr(run.out, " wrote ");
    assert_true(line && strchr(line, '\n') == last);
    assert_non_null(strstr(line, "r.json"));
    assert_non_null(strstr(line, "r.html"));
}

/* Left to itself, the bench measures from k until nearly everything is found, without a width that
 * adds nothing; rounded distances are judged on every instruction set. */
static void test_default_widths(void **state)
{
    struct sentence why;
    (void)state;
    struct run other = run_tool("$kith bench $dir/base.u8bin --queries $dir/queries.u8bin --time 2 "
                                "--metric cosine --result $dir/c.json --report $dir/c.html");
    if (other.code)
        fail_msg("exit %d: %s", other.code, other.err);
    run_free(&other);
    json_t *cosine = result_read(files_path("c.json"), &why);
    assert_non_null(cosine);
    struct curves curves = curves_collect(cosine);
    for (size_t i = 0; i < curves.count; i++) {
        const struct curve *c = &curves.items[i];
        assert_true(c->exact || c->count <= 12);
        for (size_t p = 0; !c->exact && p + 2 < c->count; p++)
            assert_true(c->points[p].recall < 0.9995);
    }
    curves_free(&curves);
    json_decref(cosine);
}

/* Nothing to fetch: no address with a host, and every address in an attribute is data. */
static void test_page(void **state)
{
    (void)state;
    size_t size;
    char *page = files_take(files_path("r.html"), &size);
    assert_non_null(strstr(page, "<svg"));
    assert_non_null(strstr(page, "</html>"));
    assert_non_null(strstr(page, "kith-result/1"));
    assert_null(strstr(page, "http:"));
    assert_null(strstr(page, "https:"));
    assert_null(strstr(page, "url("));
    assert_null(strstr(page, "@import"));
    assert_null(strstr(page, "<link"));
    assert_null(strstr(page, "nan"));
    for (const char *at = strstr(page, "src="); at; at = strstr(at + 1, "src="))
        assert_int_equal(strncmp(at, "src='data:", 10), 0);
    free(page);
}

/* The page can be drawn again from the file alone, with --json as from bench. */
static void test_report_again(void **state)
{
    (void)state;
    json_t *printed =
        expect_json(run_tool("$kith report --quiet $dir/r.json --json -o $dir/again.html"));
    assert_true(json_equal(printed, result));
    json_decref(printed);
    size_t first_size, second_size;
    char *first = files_take(files_path("r.html"), &first_size);
    char *second = files_take(files_path("again.html"), &second_size);
    assert_string_equal(first, second);
    free(first);
    free(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head),           cmocka_unit_test(test_builds),
        cmocka_unit_test(test_runs),           cmocka_unit_test(test_agreement),
        cmocka_unit_test(test_leaderboard),    cmocka_unit_test(test_page),
        cmocka_unit_test(test_default_widths), cmocka_unit_test(test_report_again),
    };
    return cmocka_run_group_tests(tests, bench_setup, bench_teardown);
}

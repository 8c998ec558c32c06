/* test_cli_tool.c - the frame of the tool keeps its contract: results on stdout, all else on
 * stderr, exit codes as promised, one sentence for a mistake with what was probably meant, and no
 * success when the results did not arrive.
 */
#include "tests/cli_run.h"

#include "kith.h"

static void help_and_version_go_to_stdout(void **state)
{
    static const char *const verbs[] = {"bench",    "devices",    "data ls",      "data info",
                                        "data get", "data truth", "data convert", "tune"};
    char version[64];
    (void)state;
    snprintf(version, sizeof version, "kith %s\n", kith_version());
    expect_words(run_tool("$kith --version"), version);
    expect_words(run_tool("$kith --help"), "devices");
    expect_words(run_tool("$kith help"), "devices");
    expect_words(run_tool("$kith data --help"), "convert");
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        struct run run = run_tool("$kith %s --help", verbs[i]);
        assert_int_equal(run.code, 0);
        assert_string_equal(run.err, "");
        assert_int_equal(strncmp(run.out, "Examples\n  kith ", 16), 0);
        assert_non_null(strstr(run.out, "--json"));
        run_free(&run);
    }
    struct run a = run_tool("$kith help devices"), b = run_tool("$kith devices -h");
    assert_string_equal(a.out, b.out);
    run_free(&a);
    run_free(&b);
}

static void mistakes_are_usage_errors(void **state)
{
    static const struct {
        const char *typed, *words;
    } wrong[] = {
        {"", "no verb; see kith --help"},
        {"devcies", "no verb \"devcies\"; did you mean devices?"},
        {"xyzzy", "no verb \"xyzzy\"; see kith --help"},
        {"help devcies", "did you mean devices?"},
        {"data", "kith data needs a verb"},
        {"data inof", "did you mean info?"},
        {"devices --jsn", "no option --jsn; did you mean --json?"},
        {"devices -z", "no option -z; see kith devices --help"},
        {"devices -qx", "no option -qx"},
        {"devices --json=1", "--json takes no value"},
        {"devices cpu", "\"cpu\" is one operand too many"},
        {"data info", "NAME|FILE is missing"},
        {"data convert a.npy", "IN OUT is missing"},
        {"data truth x -k", "--k needs a value (K)"},
        {"data truth x -k 0", "--k takes a whole number from 1 to 65536, not \"0\""},
        {"data truth x -k -1", "not \"-1\""},
        {"data truth x -k 1.5", "not \"1.5\""},
        {"data truth x -k ' 7'", "not \" 7\""},
        {"data truth x -k 65537", "not \"65537\""},
        {"data truth x --k=99999999999999999999999", "whole number from 1 to 65536"},
        {"data truth x --metric l2", "one of l2sq|ip|cosine, not \"l2\""},
        {"data truth x --out=", "a value that is not empty"},
        {"data info ''", "operand 1 of NAME|FILE is empty"},
        {"data info -1 -.5", "\"-.5\" is one operand too many"},
        {"data truth x --quite", "did you mean --quiet?"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        expect_sentence(run_tool("$kith %s", wrong[i].typed), 2, wrong[i].words);
}

static void options_come_in_every_usual_form(void **state)
{
    (void)state;
    expect_sentence(run_tool("$kith data truth -k3 /nonexistent.npy"), 1, "neither a file");
    expect_sentence(run_tool("$kith data truth --k=3 -- -strange-name"), 1, "-strange-name is");
    expect_sentence(run_tool("$kith data truth --k 3 -"), 1, "- is neither");
}

static void lost_results_are_a_failure(void **state)
{
    (void)state;
    expect_sentence(run_tool("$kith --version >/dev/full"), 1, "could not be written to stdout");
    expect_sentence(run_tool("$kith --version >&-"), 1, "could not be written to stdout");
    struct run run = /* once nobody reads the pipe, as another process finds out before */
        run_tool("(while (echo) 2>/dev/null; do :; done; $kith --help; echo $? >$dir/code) | true; "
                 "cat $dir/code");
    assert_string_equal(run.out, "1\n");
    assert_string_equal(run.err, "");
    run_free(&run);
}

static void devices_are_listed(void **state)
{
    (void)state;
    expect_words(run_tool("$kith devices"), "CPU levels, slowest first: scalar");
    json_t *const json = expect_json(run_tool("$kith devices --json"));
    json_t *const devices = json_object_get(json, "devices");
    json_t *const levels = json_object_get(json, "cpu_levels");
    json_t *const hardware = json_object_get(json, "hardware");
    assert_true(json_array_size(devices) >= 1);
    json_t *const host = json_array_get(devices, 0);
    assert_string_equal(json_string_value(json_object_get(host, "id")), "cpu");
    assert_true(json_is_true(json_object_get(host, "usable")));
    assert_string_equal(json_string_value(json_array_get(levels, 0)), "scalar");
    assert_true(json_integer_value(json_object_get(hardware, "threads")) >= 1);
    assert_true(json_integer_value(json_object_get(hardware, "memory_bytes")) > 1 << 20);
    for (size_t i = 0; i < json_array_size(devices); i++) {
        json_t *const device = json_array_get(devices, i);
        const char *const reason = json_string_value(json_object_get(device, "reason"));
        assert_non_null(reason);
        assert_int_equal(json_is_true(json_object_get(device, "usable")), reason[0] == '\0');
    }
    json_decref(json);
    json_t *const capped = expect_json(run_tool("KITH_CPU=scalar $kith devices --json"));
    assert_int_equal(json_array_size(json_object_get(capped, "cpu_levels")), 1);
    json_decref(capped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_and_version_go_to_stdout),
        cmocka_unit_test(mistakes_are_usage_errors),
        cmocka_unit_test(options_come_in_every_usual_form),
        cmocka_unit_test(lost_results_are_a_failure),
        cmocka_unit_test(devices_are_listed),
    };
    return cmocka_run_group_tests(tests, files_make, files_remove);
}

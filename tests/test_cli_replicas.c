/* test_cli_replicas.c - one graph on several devices, as the tool shows it: `kith bench --replicas`
 * measures the layout, names what every copy holds and did, and holds devices against the host;
 * `kith search` finds the same rows wherever it looks; `kith devices --hold` says what lies where.
 * A layout that cannot be is one sentence before any work.
 */
#include "tests/cli_bench_data.h"

#include "cli/result.h"

#define ROWS 3000.0 /* of base.u8bin */
#define LONG 256u   /* dimensions that a trial may shorten, from so many rows on: */
#define LONG_ROWS 16500u

static bool have_opencl(void)
{
    kith_devices *devices = NULL;
    kith_device_info info = {.size = sizeof info};
    assert_int_equal(kith_devices_open(&devices), KITH_OK);
    const bool usable =
        kith_devices_count(devices) > 1 && !kith_devices_get(devices, 1, &info) && info.usable;
    kith_devices_close(devices);
    return usable;
}

static int make_store(void **state)
{
    if (data_make(state))
        return -1;
    struct run run = run_tool("cd $dir && $kith import base.u8bin s.kith --metric l2sq && "
                              "$kith build s.kith --m 8");
    const int code = run.code;
    if (code)
        fprintf(stderr, "%s%s", run.out, run.err);
    run_free(&run);
    return code;
}

static json_t *bench(const char *options)
{
    struct sentence why;
    struct run run = run_tool("$kith bench $dir/base.u8bin --queries $dir/queries.u8bin --time 2 "
                              "--ef 20,60 --result $dir/r.json --report $dir/r.html %s",
                              options);
    if (run.code || !strstr(run.out, "replicas:"))
        fail_msg("exit %d\n%s%s", run.code, run.out, run.err);
    run_free(&run);
    json_t *result = result_read(files_path("r.json"), &why);
    assert_non_null(result);
    return result;
}

static size_t count_runs(const json_t *result, const char *device, const char *index)
{
    const json_t *runs = result_field(result, "runs");
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i);
        if (strcmp(result_text(run, "device"), device) || strcmp(result_text(run, "index"), index))
            continue;
        assert_true(result_number(run, "recall") >= 0.85 && result_number(run, "qps") > 0);
        n++;
    }
    return n;
}

/* Every row lies in one partition, and whoever answers has answered what was asked. */
static void check_held(const json_t *result, size_t partitions, size_t copies)
{
    const json_t *held = result_field(result, "replicas.held");
    double rows = 0, shares = 0;
    assert_int_equal(json_array_size(held), partitions * copies);
    for (size_t i = 0; i < json_array_size(held); i++) {
        const json_t *copy = json_array_get(held, i);
        assert_string_equal(result_text(copy, "state"), "ok");
        /* The host has the rows and the graph anyway. */
        assert_true(!strcmp(result_text(copy, "device"), "cpu") ||
                    result_number(copy, "bytes") > ROWS * DATA_DIM / (double)partitions / 2);
        rows += result_number(copy, "rows");
        shares += result_number(copy, "share");
    }
    assert_true(rows >= ROWS * (double)copies - 0.5 && rows <= ROWS * (double)copies + 0.5);
    assert_true(shares > (double)partitions - 0.01 && shares < (double)partitions + 0.01);
}

static void partitions_are_measured(void **state)
{
    (void)state;
    json_t *result = bench("--device cpu --replicas 2,1");
    size_t size;
    assert_int_equal(count_runs(result, "replicas 2,1", "hnsw"), 2);
    check_held(result, 2, 1);
    json_decref(result);
    char *page = files_take(files_path("r.html"), &size);
    assert_non_null(strstr(page, "<h2>Replicas</h2>"));
    assert_non_null(strstr(page, "replicas 2,1 cpu"));
    free(page);
}

/* The walk of a device over integers is the host's, row by row. */
static void devices_are_measured(void **state)
{
    (void)state;
    if (!have_opencl())
        skip();
    json_t *result = bench("--device cpu,ocl0 --replicas 1,2");
    assert_int_equal(count_runs(result, "replicas 1,2", "hnsw"), 2);
    assert_int_equal(count_runs(result, "ocl0", "hnsw"), 2);
    check_held(result, 1, 2);
    const json_t *steps = result_field(result, "replicas.scaling");
    assert_int_equal(json_array_size(steps), 2);
    assert_string_equal(result_text(json_array_get(steps, 1), "devices"), "cpu+ocl0");
    const json_t *checks = result_field(result, "agreement");
    size_t walks = 0;
    for (size_t i = 0; i < json_array_size(checks); i++) {
        const json_t *check = json_array_get(checks, i);
        assert_true(json_is_true(result_field(check, "equal")));
        walks += !strcmp(result_text(check, "device"), "ocl0") &&
                 !strcmp(result_text(check, "index"), "hnsw");
    }
    assert_int_equal(walks, 1);
    json_decref(result);
}

/* Rows that spread in few of their directions: in direction i of the axes, turned, by 1 / (i + 1).
 */
static void write_decaying(const char *name, uint64_t rows, uint64_t seed)
{
    struct matrix matrix = {.element = ELEMENT_F32, .dim = LONG, .rows = rows};
    struct sentence why;
    float *x = malloc(rows * LONG * sizeof *x);
    assert_non_null(x);
    matrix.data = x;
    for (uint64_t r = 0; r < rows; r++, x += LONG) {
        for (uint32_t i = 0; i < LONG; i++)
            x[i] = ((float)check_below(&seed, 4096) - 2048) / (float)(i + 1);
        for (uint32_t half = 1; half < LONG; half *= 2)
            for (uint32_t i = 0; i < LONG; i++)
                if (!(i & half)) {
                    const float a = x[i], b = x[i | half];
                    x[i] = a + b;
                    x[i | half] = a - b;
                }
    }
    assert_true(matrix_write(files_path(name), &matrix, &why));
    matrix_free(&matrix);
}

/* Where a trial chose fewer dimensions for the index, copies are held against a copy: no device is
 * a liar because it walks over all of them. And the result says who walked over what. */
static void copies_walk_all_dimensions(void **state)
{
    (void)state;
    struct sentence why;
    write_decaying("long.fbin", LONG_ROWS, check_seed());
    write_decaying("asked.fbin", 100, check_seed() + 1);
    struct run run = run_tool("$kith bench $dir/long.fbin --queries $dir/asked.fbin --m 8 --time 2 "
                              "--ef-construction 32 --ef 10,20 --device cpu%s --replicas 1,1 "
                              "--result $dir/r.json --report $dir/r.html",
                              have_opencl() ? ",ocl0" : "");
    if (run.code)
        fail_msg("exit %d\n%s%s", run.code, run.out, run.err);
    run_free(&run);
    json_t *result = result_read(files_path("r.json"), &why);
    const json_t *build = json_array_get(result_field(result, "builds"), 0);
    const json_t *runs = result_field(result, "runs");
    assert_true(result_number(build, "brief") > 63 && result_number(build, "brief") < 65);
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *entry = json_array_get(runs, i);
        if (!strcmp(result_text(entry, "index"), "hnsw"))
            assert_string_equal(result_text(entry, "codes"),
                                strcmp(result_text(entry, "device"), "cpu") ? "sq8" : "sq8/64");
    }
    json_decref(result);
}

/* Searches and compares the file of row numbers with that of the host's walk. */
static void search_as_host(const char *options)
{
    size_t n, m;
    json_decref(expect_json(run_tool("cd $dir && $kith search s.kith -n 100 --queries "
                                     "queries.u8bin --ef 50 --out host.ibin --json")));
    json_t *json = expect_json(run_tool("cd $dir && $kith search s.kith -n 100 --queries "
                                        "queries.u8bin --ef 50 --out found.ibin --json %s",
                                        options));
    assert_string_equal(result_text(json, "index"), "hnsw");
    assert_true(json_array_size(result_field(json, "copies")) >= 1);
    assert_true(result_number(json, "latency_us.p50") > 0);
    json_decref(json);
    char *host = files_take(files_path("host.ibin"), &n);
    char *found = files_take(files_path("found.ibin"), &m);
    assert_int_equal(n, m);
    assert_memory_equal(host, found, n);
    free(host);
    free(found);
}

static void search_finds_the_same(void **state)
{
    (void)state;
    search_as_host("--replicas 1,1 --device cpu");
    search_as_host("--replicas 1,1 --device cpu --batch 32");
    if (!have_opencl())
        return;
    search_as_host("--device ocl0");
    search_as_host("--device ocl0 --batch 100");
    search_as_host("--device cpu,ocl0 --replicas 1,2 --batch 7");
}

/* A wish that cannot be met is not passed over in silence. */
static void slack_is_spoken_of(void **state)
{
    (void)state;
    static const char *const options[] = {"--replicas 1,1 --slack 0.1", "--replicas 1,1",
                                          "--slack 0.1"};
    for (int i = 0; i < 3; i++) {
        struct run run = run_tool("cd $dir && $kith search s.kith -n 10 --queries queries.u8bin "
                                  "--device cpu %s",
                                  options[i]);
        assert_int_equal(run.code, 0);
        assert_true((strstr(run.err, "--slack is not heeded") != NULL) == (i == 0));
        run_free(&run);
    }
}

static void what_is_held(void **state)
{
    (void)state;
    json_t *json = expect_json(
        run_tool("cd $dir && $kith devices --hold s.kith --device cpu --replicas 3,1 --json"));
    const json_t *held = result_field(json, "held");
    double rows = 0;
    assert_int_equal(json_array_size(held), 3);
    for (size_t i = 0; i < 3; i++) {
        rows += result_number(json_array_get(held, i), "rows");
        assert_string_equal(result_text(json_array_get(held, i), "device"), "cpu");
    }
    assert_true(rows >= ROWS - 0.5 && rows <= ROWS + 0.5);
    json_decref(json);
    expect_words(run_tool("cd $dir && $kith devices --hold s.kith --device cpu"), "3,000");
}

static void layouts_are_refused(void **state)
{
#define BENCH "$kith bench $dir/base.u8bin --queries $dir/queries.u8bin --time 1 --device cpu "
#define SEARCH "$kith search $dir/s.kith --queries $dir/queries.u8bin --device cpu "
    (void)state;
    expect_sentence(run_tool(BENCH "--replicas 0,1"), 2, "replicas");
    expect_sentence(run_tool(BENCH "--replicas 2"), 2, "two numbers");
    expect_sentence(run_tool(BENCH "--replicas 1,1,1"), 2, "two numbers");
    expect_sentence(run_tool(BENCH "--replicas 3,9"), 2, "there is 1");
    expect_sentence(run_tool(BENCH "--replicas 65,1"), 2, "at most 64 partitions");
    expect_sentence(run_tool(BENCH "--replicas 1,x"), 2, "replicas");
    expect_sentence(run_tool("%s", "$kith bench $dir/base.u8bin --device ocl77 --replicas 1,1"), 5,
                    "ocl77");
    expect_sentence(run_tool("%s", "$kith bench $dir/base.u8bin --device cpu,cpu"), 2, "twice");
    expect_sentence(run_tool(SEARCH "--replicas 3,9"), 2, "there is 1");
    expect_sentence(run_tool("%s", "$kith search $dir/s.kith --queries $dir/queries.u8bin "
                                   "--device ocl77 --replicas 1,1"),
                    5, "ocl77");
    expect_sentence(run_tool("$kith devices --hold $dir/s.kith --device ocl77"), 5, "ocl77");
    expect_sentence(run_tool("$kith devices --hold $dir/none.kith"), 1, "none.kith");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partitions_are_measured),    cmocka_unit_test(devices_are_measured),
        cmocka_unit_test(copies_walk_all_dimensions), cmocka_unit_test(search_finds_the_same),
        cmocka_unit_test(slack_is_spoken_of),         cmocka_unit_test(what_is_held),
        cmocka_unit_test(layouts_are_refused),
    };
    return cmocka_run_group_tests(tests, make_store, files_remove);
}

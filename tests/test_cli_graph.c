/* test_cli_graph.c - `kith build`, `kith search` and what `kith check` says of the graph, through
 * the tool: the walk finds what a scan of every row finds, and a damaged graph costs nothing but
 * time.
 */
#include "tests/cli_run.h"

#include "cli/matrix.h"
#include "kith.h"

enum { ROWS = 800, DIM = 12, QUERIES = 40, K = 5 };

static void good(const char *command, const char *wanted)
{
    struct run run = run_tool("%s", command);
    if (run.code != 0 || !strstr(run.out, wanted))
        fail_msg("%s: code %d, out '%s', err '%s'", command, run.code, run.out, run.err);
    run_free(&run);
}

static void bad(const char *command, int code, const char *wanted)
{
    struct run run = run_tool("%s", command);
    if (run.code != code || !strstr(run.err, wanted))
        fail_msg("%s: code %d, out '%s', err '%s'", command, run.code, run.out, run.err);
    run_free(&run);
}

static void put_matrix(const char *name, enum element element, uint64_t rows, uint64_t *random)
{
    struct sentence why;
    struct matrix m = {.element = element, .dim = DIM, .rows = rows};
    m.data = malloc(matrix_bytes(&m));
    for (size_t i = 0; i < rows * DIM; i++) {
        if (element == ELEMENT_F32)
            ((float *)m.data)[i] = (float)check_below(random, 256);
        else
            ((unsigned char *)m.data)[i] = (unsigned char)check_below(random, 256);
    }
    if (!matrix_write(files_path(name), &m, &why))
        fail_msg("%s", why.text);
    matrix_free(&m);
}

static int make_files(void **state)
{
    uint64_t random = check_seed();
    if (files_make(state))
        return -1;
    put_matrix("rows.u8bin", ELEMENT_U8, ROWS, &random);
    put_matrix("more.u8bin", ELEMENT_U8, ROWS, &random);
    put_matrix("q.u8bin", ELEMENT_U8, QUERIES, &random);
    put_matrix("q.fbin", ELEMENT_F32, QUERIES, &random);
    return 0;
}

static double agreement(const char *a, const char *b)
{
    struct matrix m[2] = {{0}};
    struct sentence why;
    size_t same = 0;
    if (!matrix_read(files_path(a), NULL, 0, &m[0], &why) ||
        !matrix_read(files_path(b), NULL, 0, &m[1], &why))
        fail_msg("%s", why.text);
    assert_int_equal(m[0].dim, K);
    assert_int_equal(m[0].rows, QUERIES);
    assert_int_equal(m[1].rows, QUERIES);
    const int32_t *const x = m[0].data, *const y = m[1].data;
    for (size_t i = 0; i < (size_t)QUERIES * K; i++)
        for (size_t j = 0; j < K; j++)
            same += x[i] == y[i / K * K + j];
    matrix_free(&m[0]);
    matrix_free(&m[1]);
    return (double)same / (QUERIES * K);
}

static void scan_build_walk(void **state)
{
    (void)state;
    good("cd $dir && $kith import rows.u8bin s.kith", "");
    bad("cd $dir && $kith search s.kith --queries q.u8bin -k 5 --out exact.ibin", 0, "no graph");
    good("cd $dir && $kith build s.kith --threads 1", "800 nodes");
    good("cd $dir && $kith check s.kith", "and so is its graph");
    good("cd $dir && $kith search s.kith --queries q.u8bin -k 5 --ef 100 --out walk.ibin",
         "a second");
    assert_true(agreement("exact.ibin", "walk.ibin") > 0.99);
    json_t *const json = expect_json(run_tool(
        "cd $dir && $kith search s.kith --queries q.fbin -k 5 --ef 100 --json --threads 1"));
    assert_string_equal(json_string_value(json_object_get(json, "index")), "hnsw");
    assert_int_equal(json_integer_value(json_object_get(json, "queries")), QUERIES);
    assert_int_equal(json_integer_value(json_object_get(json, "k")), K);
    assert_true(json_real_value(json_object_get(json, "qps")) > 0);
    assert_true(json_real_value(json_object_get(json, "distances_per_query")) > 5);
    json_t *const latency = json_object_get(json, "latency_us");
    const char *const names[] = {"p50", "p95", "p99", "p999"};
    for (int i = 0; i < 4; i++)
        assert_true(json_real_value(json_object_get(latency, names[i])) > 0);
    json_decref(json);
}

static void what_came_since(void **state)
{
    (void)state;
    good("cd $dir && $kith put s.kith 5000 1,2,3,4,5,6,7,8,9,10,11,12", "");
    good("cd $dir && $kith del s.kith 17", "");
    json_t *const json = expect_json(run_tool("cd $dir && $kith build s.kith --json"));
    assert_true(json_is_true(json_object_get(json, "loaded")));
    assert_int_equal(json_integer_value(json_object_get(json, "nodes")), ROWS + 1);
    json_decref(json);
    good("cd $dir && $kith check s.kith --quick", "and so is its graph");
}

static void damage(void **state)
{
    (void)state;
    good("cd $dir && printf XXXX | dd of=s.kith.graph bs=1 seek=9000 conv=notrunc 2>/dev/null", "");
    bad("cd $dir && $kith check s.kith", 1, "s.kith.graph: the graph file is damaged");
    bad("cd $dir && $kith check s.kith --json >report", 1, "the store is sound");
    good("cd $dir && cat report", "\"sound\": false,\n  \"store_sound\": true");
    bad("cd $dir && $kith search s.kith --queries q.u8bin -k 5 --out again.ibin", 0, "damaged");
    assert_true(agreement("again.ibin", "exact.ibin") > 0.98); /* row 17 went */
    bad("cd $dir && $kith build s.kith", 0, "damaged");
    good("cd $dir && $kith check s.kith", "and so is its graph");
    bad("cd $dir && $kith compact s.kith", 0, "s.kith.graph is of before");
    bad("cd $dir && $kith check s.kith", 0, "another store"); /* stale, not damaged */
    good("cd $dir && rm s.kith.graph && $kith check s.kith", "s.kith is sound\n");
}

/* One query, typed: the answers come by key, as the store writes keys, and nearest first. */
static void one_typed(void **state)
{
    (void)state;
    good("cd $dir && $kith put t.kith near 1,0 --create --keys bytes && "
         "$kith put t.kith 'far\\x00' -3,4 && $kith put t.kith größe 1,0.5",
         "");
    struct run run = run_tool("cd $dir && $kith search t.kith --vector 1,0 -k 2 --quiet");
    assert_string_equal(run.out, "near\t0\ngröße\t0.25\n");
    run_free(&run);
    run = run_tool("cd $dir && $kith search t.kith -v -3,4 --quiet"); /* fewer keys than k */
    assert_string_equal(run.out, "far\\x00\t0\ngröße\t28.25\nnear\t32\n");
    run_free(&run);
    good("cd $dir && $kith build t.kith --quiet && $kith search t.kith --vector 1,0 -k 1",
         "near\t0\n");
    good("cd $dir && $kith search t.kith --vector '1 0' -k 1 --json", "\"distance\": 0.0");
    good("cd $dir && $kith search s.kith -v 1,2,3,4,5,6,7,8,9,10,11,12 -k 1 --quiet", "5000\t0\n");
    bad("cd $dir && $kith search t.kith --vector 1,0,0", 2, "3 numbers; the store's have 2");
    bad("cd $dir && $kith search t.kith --vector 1,z", 2, "\"z\", is no number");
    bad("cd $dir && $kith search t.kith --vector 1,nan", 1, "element 1");
    bad("cd $dir && $kith search t.kith --vector 1,2 --out x.ibin", 2, "--out");
}

static void refusals(void **state)
{
    (void)state;
    bad("cd $dir && $kith build nothing.kith", 1, "nothing.kith");
    bad("cd $dir && $kith build s.kith --m 3", 2, "3");
    bad("cd $dir && $kith search s.kith", 2, "--queries");
    bad("cd $dir && $kith search s.kith --queries s.kith", 1, "s.kith");
    bad("cd $dir && $kith search s.kith --queries q.u8bin --device ocl77", 5, "ocl77");
    bad("cd $dir && $kith search s.kith --queries q.u8bin --out answers.txt", 1, "answers.txt");
    bad("cd $dir && $kith search s.kith --queries walk.ibin", 1, "12");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scan_build_walk), cmocka_unit_test(what_came_since),
        cmocka_unit_test(one_typed),       cmocka_unit_test(damage),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, make_files, files_remove);
}

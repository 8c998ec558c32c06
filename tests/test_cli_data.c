/* test_cli_data.c - `kith data` gives exact neighbours whether or not its cache is there, sane or
 * writable; it refuses data that is missing, wrong or does not fit together with a sentence, and
 * writes nothing then.
 */
#include "tests/cli_run.h"

#include "cli/matrix.h"

#define ROWS 300
#define QUERIES 20
#define DIM 9
#define K 5

static uint8_t base[ROWS][DIM], queries[QUERIES][DIM];

static void put_u8bin(const char *name, const void *data, uint64_t rows, uint32_t dim)
{
    struct sentence why;
    struct matrix matrix = {.element = ELEMENT_U8, .rows = rows, .dim = dim};
    memcpy(&matrix.data, &data, sizeof data); /* borrowed, and only read */
    if (!matrix_write(files_path(name), &matrix, &why))
        fail_msg("%s", why.text);
}

static int set_up(void **state)
{
    uint64_t random = check_seed();
    if (files_make(state) != 0)
        return -1;
    for (int i = 0; i < ROWS * DIM; i++)
        base[i / DIM][i % DIM] = (uint8_t)check_below(&random, 4); /* many ties */
    for (int i = 0; i < QUERIES * DIM; i++)
        queries[i / DIM][i % DIM] = (uint8_t)check_below(&random, 4);
    put_u8bin("base.u8bin", base, ROWS, DIM);
    put_u8bin("query.u8bin", queries, QUERIES, DIM);
    setenv("KITH_CACHE", files_path("cache/below"), 1);
    return 0;
}

static int distance(const uint8_t *a, const uint8_t *b)
{
    int sum = 0;
    for (int i = 0; i < DIM; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

/* The file holds, for each query, the rows by (distance, row number). */
static void expect_truth(const char *path)
{
    struct sentence why;
    struct matrix found;
    if (!matrix_read(path, NULL, 0, &found, &why))
        fail_msg("%s", why.text);
    assert_int_equal(found.rows, QUERIES);
    assert_int_equal(found.dim, K);
    for (int q = 0; q < QUERIES; q++) {
        int last = -1, last_row = -1;
        for (int i = 0; i < K; i++) {
            int best = -1, best_distance = 0;
            for (int row = 0; row < ROWS; row++) {
                const int d = distance(base[row], queries[q]);
                const bool after = d > last || (d == last && row > last_row);
                if (after && (best < 0 || d < best_distance)) {
                    best = row;
                    best_distance = d;
                }
            }
            assert_int_equal(((int32_t *)found.data)[q * K + i], best);
            last = best_distance;
            last_row = best;
        }
    }
    matrix_free(&found);
}

#define TRUTH "$kith data truth $dir/base.u8bin --queries $dir/query.u8bin -k 5 --out $dir/t.ibin"

static void truth_is_exact_and_cached(void **state)
{
    (void)state;
    expect_words(run_tool("rm -f $dir/t.ibin; " TRUTH), "the 5 nearest of 300 rows for 20 queries");
    expect_truth(files_path("t.ibin"));
    expect_words(run_tool("ls $dir/cache/below"), "-l2sq-300x9-20-k5");
    struct run run = run_tool("rm $dir/t.ibin; " TRUTH " --json");
    json_t *const json = expect_json(run);
    assert_int_equal(json_integer_value(json_object_get(json, "k")), 5);
    json_decref(json);
    expect_truth(files_path("t.ibin"));
}

/* Damaged at every place that matters: magic, shape, body, end. */
static void a_damaged_cache_is_computed_again(void **state)
{
    static const int at[] = {0, 20, 90, 100, 120, 124, 130, 400};
    (void)state;
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        expect_words(
            run_tool("rm -f $dir/t.ibin; f=$(echo $dir/cache/below/truth-*)\n"
                     "printf '\\377' | dd of=\"$f\" bs=1 seek=%d conv=notrunc 2>/dev/null\n" TRUTH,
                     at[i]),
            "nearest");
        expect_truth(files_path("t.ibin"));
    }
    expect_words(run_tool("f=$(echo $dir/cache/below/truth-*); head -c 200 \"$f\" >$dir/x; "
                          "mv $dir/x \"$f\"; rm $dir/t.ibin; " TRUTH),
                 "nearest");
    expect_truth(files_path("t.ibin"));
    expect_words(run_tool("rm $dir/t.ibin; KITH_CACHE=/proc/none " TRUTH), "nearest");
    expect_truth(files_path("t.ibin"));
}

/* A good file under the name of another question. */
static void a_cache_of_other_data_is_not_believed(void **state)
{
    (void)state;
    expect_words(run_tool("rm -r $dir/cache; " TRUTH " --metric ip && cp $dir/t.ibin $dir/ip.ibin"),
                 "by ip");
    expect_words(run_tool(TRUTH), "by l2sq");
    expect_words(run_tool("cp $dir/cache/below/truth-*-l2sq-* $dir/cache/below/truth-*-ip-*\n" TRUTH
                          " --metric ip && cmp $dir/t.ibin $dir/ip.ibin"),
                 "by ip");
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    put_u8bin("wide.u8bin", base, 50, DIM + 1);
    put_u8bin("one.u8bin", base, 1, DIM);
    expect_sentence(run_tool("$kith data truth $dir/base.u8bin --queries $dir/wide.u8bin"), 1,
                    "rows have dimension 9, queries have dimension 10");
    expect_sentence(run_tool(TRUTH "x"), 1, "files are written as");
    expect_sentence(run_tool("$kith data truth $dir/base.u8bin --rows 4 -k 5 -q"), 1,
                    "k is 5; it must be from 1 to the number of rows, 4");
    expect_sentence(run_tool("$kith data truth $dir/one.u8bin"), 1, "cannot be both");
    expect_sentence(run_tool("$kith data truth $dir/t.ibin -q"), 1, "i32 are ids");
    expect_sentence(run_tool("$kith data info fashion-mnist-784-euclidian"), 1, "did you mean");
    expect_sentence(run_tool("$kith data truth fashion-mnist-784-angular --metric ip"), 1,
                    "is cosine, not ip");
    expect_sentence(run_tool("$kith data truth $dir/base.u8bin --out /nonexistent/t.ibin"), 1,
                    "/nonexistent/t.ibin cannot be written");
}

static void bad_input_leaves_the_output(void **state)
{
    (void)state;
    expect_sentence(run_tool("echo old >$dir/o.npy; head -c 99 $dir/base.u8bin >$dir/cut.u8bin\n"
                             "$kith data convert $dir/cut.u8bin $dir/o.npy"),
                    1, "need 2708 bytes, it has 99");
    expect_words(run_tool("cat $dir/o.npy; ls $dir | grep -c o.npy"), "old\n1\n");
    expect_words(run_tool("$kith data convert $dir/base.u8bin $dir/o.npy"), "300 rows");
    json_t *const json = expect_json(run_tool("$kith data info $dir/o.npy --json"));
    json_t *const rows = json_object_get(json, "rows");
    assert_int_equal(json_integer_value(json_object_get(rows, "dim")), DIM);
    assert_string_equal(json_string_value(json_object_get(rows, "type")), "u8");
    json_decref(json);
}

/* Rows held out of a file as queries are said on stderr, and not with --quiet. */
static void files_are_fetched(void **state)
{
    struct run run = run_tool("$kith data get $dir/base.u8bin --out $dir/got -k 3");
    (void)state;
    assert_int_equal(run.code, 0);
    assert_non_null(strstr(run.err, "the last 30 rows"));
    assert_non_null(strstr(run.out, "/got/base.u8bin.truth.ibin\n"));
    run_free(&run);
    expect_words(run_tool("$kith data get $dir/base.u8bin --out $dir/got -k 3 -q"), "got");
    json_t *const json = expect_json(
        run_tool("$kith data convert $dir/base.u8bin \"$dir/$(printf '\\377').npy\" --json"));
    assert_non_null(strstr(json_string_value(json_object_get(json, "out")), "/?.npy"));
    json_decref(json);
    expect_words(run_tool("$kith data info $dir/got/base.u8bin.base.u8bin"), "270 x 9 u8");
    expect_words(run_tool("$kith data info $dir/got/base.u8bin.query.u8bin"), "30 x 9 u8");
}

static void named_sets_are_checked(void **state)
{
    static const unsigned char idx[18] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 7, 8};
    (void)state;
    json_t *const list = expect_json(run_tool("KITH_DATA=/nonexistent $kith data ls --json"));
    assert_int_equal(json_array_size(list), 3);
    assert_true(json_is_false(json_object_get(json_array_get(list, 0), "present")));
    json_decref(list);
    expect_sentence(run_tool("KITH_DATA=/nonexistent $kith data info fashion-mnist-784-angular"), 1,
                    "`apt-get install dataset-fashion-mnist` brings it");
    files_put("train-images-idx3-ubyte", idx, sizeof idx);
    files_put("t10k-images-idx3-ubyte", idx, sizeof idx);
    expect_sentence(run_tool("KITH_DATA=$dir $kith data info fashion-mnist-784-euclidean"), 1,
                    "is not the data of fashion-mnist-784-euclidean: its SHA-256");
    expect_sentence(run_tool("KITH_DATA=/nonexistent $kith data info wordnet-256-angular"), 1,
                    "`apt-get install wordnet-base` brings them");
    const char *const names[] = {"data.noun", "data.verb", "data.adj", "data.adv"};
    for (int i = 0; i < 4; i++)
        files_put(names[i], "  licence\n00001740 03 n 01 entity 0 000 | that\n", 47);
    expect_sentence(run_tool("KITH_DATA=$dir $kith data info wordnet-256-angular"), 1,
                    "4 synsets, which is no WordNet");
}

/* Needs the Debian package; without it there is nothing to check. */
static void the_real_set_is_the_pinned_one(void **state)
{
    (void)state;
    if (access("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz", F_OK) != 0)
        skip();
    json_t *const json =
        expect_json(run_tool("$kith data info fashion-mnist-784-euclidean --json"));
    json_t *const rows = json_object_get(json, "base");
    assert_int_equal(json_integer_value(json_object_get(rows, "rows")), 60000);
    assert_int_equal(json_integer_value(json_object_get(rows, "dim")), 784);
    json_decref(json);
}

/* The tool itself compares the sum of the rows with the one that it knows. */
static void the_text_set_is_the_same_everywhere(void **state)
{
    (void)state;
    if (access("/usr/share/wordnet/data.noun", R_OK) != 0)
        skip();
    json_t *const json = expect_json(run_tool("$kith data info wordnet-256-angular --json"));
    json_t *const rows = json_object_get(json, "base");
    assert_int_equal(json_integer_value(json_object_get(rows, "rows")), 116483);
    assert_int_equal(json_integer_value(json_object_get(rows, "dim")), 256);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truth_is_exact_and_cached),
        cmocka_unit_test(a_damaged_cache_is_computed_again),
        cmocka_unit_test(a_cache_of_other_data_is_not_believed),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(bad_input_leaves_the_output),
        cmocka_unit_test(files_are_fetched),
        cmocka_unit_test(named_sets_are_checked),
        cmocka_unit_test(the_real_set_is_the_pinned_one),
        cmocka_unit_test(the_text_set_is_the_same_everywhere),
    };
    return cmocka_run_group_tests(tests, set_up, files_remove);
}

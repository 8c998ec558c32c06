/* test_house_tidy.c - the tree keeps the rules of the house, and each rule can be seen to fire.
 *
 * First an offence against every rule is planted in memory and must be found, and text without
 * offence must pass; then the tree itself is walked. TIDY_ROOT comes from the build.
 */
#include "tests/check.h"
#include "tests/tidy.h"

#include <stdio.h>
#include <string.h>

enum { MAX_FILES = 1000 };

static char root[] = TIDY_ROOT;
static struct tidy_file tree[MAX_FILES];
static size_t tree_count;

/* Counts the offences; the last rule is kept to be compared, and printed when it was not planted.
 */
struct tally {
    unsigned count;
    bool quiet;
    char rule[32];
};

static void count_offence(void *user, const char *path, unsigned line, const char *rule,
                          const char *text)
{
    struct tally *tally = user;
    tally->count++;
    snprintf(tally->rule, sizeof tally->rule, "%s", rule);
    if (!tally->quiet)
        printf("%s:%u: %s: %s\n", path, line, rule, text);
}

static void check_one(const struct tidy_file *file, struct tally *tally)
{
    const struct tidy_report report = {count_offence, tally};
    tidy_check_layout(file, &report);
    if (!file->code)
        return;
    tidy_check_arrows(file, &report);
    tidy_check_calls(file, &report);
}

/* Text of `n` times the same line between a head and a tail; the caller frees. */
static char *repeat(const char *head, const char *line, size_t n, const char *tail)
{
    size_t room = strlen(head) + n * strlen(line) + strlen(tail) + 1;
    char *text = malloc(room);
    assert_non_null(text);
    int used = snprintf(text, room, "%s", head);
    for (size_t i = 0; i < n; i++)
        used += snprintf(text + used, room - (size_t)used, "%s", line);
    snprintf(text + used, room - (size_t)used, "%s", tail);
    return text;
}

static struct tally check_text(const char *path, const char *text)
{
    struct tally tally = {.quiet = true};
    char *code = repeat(text, "", 0, "");
    tidy_blank(code);
    const struct tidy_file file = {path, text, tidy_is_c(path) ? code : NULL};
    check_one(&file, &tally);
    free(code);
    return tally;
}

static void expect(const char *path, const char *text, const char *rule)
{
    struct tally tally = check_text(path, text);
    if (tally.count != (rule != NULL) || (rule && strcmp(tally.rule, rule) != 0))
        fail_msg("planted in %s: %u offences, the last \"%s\", expected \"%s\":\n%s", path,
                 tally.count, tally.rule, rule ? rule : "none", text);
}

static void planted_arrows_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *path, *include, *rule;
    } cases[] = {
        {"kernels/a.c", "\"kv/base.h\"", "arrow"},
        {"kernels/a.c", "<stdio.h>", "arrow"},
        {"cpu/a.c", "\"kv/rows.h\"", "arrow"},
        {"kv/a.c", "\"kernels/kernels.h\"", "arrow"},
        {"opencl/a.c", "\"kv/rows.h\"", "arrow"},
        {"index/a.c", "\"opencl/loader.h\"", "arrow"},
        {"index/a.c", "<immintrin.h>", "arrow"},
        {"index/a.c", "<CL/cl.h>", "arrow"},
        {"cli/a.c", "\"index/hnsw.h\"", "arrow"},
        {"bench/a.c", "\"kernels/kernels.h\"", "arrow"},
        {"kv/a.c", "\"base.h\"", "include-path"},
        {"kernels/a.c", "\"kith.h\"", NULL},
        {"cpu/a.c", "<immintrin.h>", NULL},
        {"opencl/a.c", "\"kv/base.h\"", NULL},
        {"index/a.c", "\"kv/store.h\"", NULL},
        {"bench/bench_kernels.c", "\"kernels/kernels.h\"", NULL},
        {"tests/a.c", "\"index/hnsw.h\"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        snprintf(text, sizeof text, "/* a.c */\n#include %s\n", cases[i].include);
        if (cases[i].rule && strcmp(cases[i].rule, "include-path") == 0)
            assert_int_equal(check_text(cases[i].path, text).count, 2); /* no arrow leads there */
        else
            expect(cases[i].path, text, cases[i].rule);
    }
}

static void planted_calls_are_found(void **state)
{
    (void)state;
    expect("index/a.c", "/* a */\nx = malloc (1);\n", "call");
    expect("kv/base.c", "/* a */\nx = malloc(1);\n", NULL);
    expect("kv/base.c", "/* a */\nexit(1);\n", "call");
    expect("cli/a.c", "/* a */\nx = malloc(1);\n", NULL);
    expect("cli/a.c", "/* a */\nsprintf(x, y);\n", "call");
    expect("tests/a.c", "/* a */\nstrtok(x, y);\n", "call");
    expect("opencl/a.c", "/* a */\nfputs(x, stderr);\n", "call");
    expect("index/a.c", "/* a */\nprintf(x);\n", "call");
    expect("index/a.c", "/* a */\nvsnprintf(x); ops->free(x); ki_free(x);\n", NULL);
    expect("index/a.c", "/* malloc(1) */\nx = \"free(x) \\\" free(x)\"; // exit(1)\n", NULL);
}

static void planted_marks_are_found(void **state)
{
    (void)state;
    expect("kv/a.c",
           "/* a */\n/* FIX"
           "ME */\n",
           "marks");
    expect("tests/a.sh",
           "# a\n# TO"
           "DO: all\n",
           "marks");
    expect("kv/a.c", "/* a */\n#if 0\n#endif\n", "marks");
    expect("kv/a.c", "/* a */\ngoto out;\n", "goto");
    expect("kv/a.c", "/* a */\ngoto fail;\n", NULL);
    expect("kv/a.c", "int a;\n", "opening");
    expect("tests/a.sh", "echo a\n", "opening");
    expect("CMakeLists.txt",
           "# a\nadd(-march="
           "native)\n",
           "flags");
    expect("a.cmake",
           "# a\nadd(-ffast-"
           "math)\n",
           "flags");
    expect("tests/a.sh", "# a\n\techo\n", "blanks");
    expect("kv/a.c", "/* a */\nint a; \n", "blanks");
}

static void expect_length(const char *path, const char *head, const char *line, size_t n,
                          const char *tail, const char *rule)
{
    char *text = repeat(head, line, n, tail);
    expect(path, text, rule);
    free(text);
}

static void planted_lengths_are_found(void **state)
{
    (void)state;
    expect_length("kv/a.c", "/* ", "a", 94, " */\n", NULL);
    expect_length("kv/a.c", "/* ", "a", 95, " */\n", "columns");
    expect_length("kv/a.c", "/* ", "\xc3\xa9", 94, " */\n", NULL);
    expect_length("kv/a.c", "/* a */\n", "int a;\n", 499, "", NULL);
    expect_length("kv/a.c", "/* a */\n", "int a;\n", 500, "", "file-length");
    expect_length("kv/a.c", "/* a */\nint a(void)\n{\n", "    ;\n", 68, "}\n", NULL);
    expect_length("kv/a.c", "/* a */\nint a(void)\n{\n", "    ;\n", 69, "}\n", "function-length");
    expect_length("kv/a.c", "/* a */\n#define A(x) \\\n", "    x; \\\n", 2, "    x\n", NULL);
    expect_length("kv/a.c", "/* a */\n#define A(x) \\\n", "    x; \\\n", 3, "    x\n",
                  "macro-length");
    expect_length("kv/a.c", "/* a */\n#define A 1; \\\n", "    x; \\\n", 2, "    x\n",
                  "macro-length");
}

static void planted_strangers_are_found(void **state)
{
    (void)state;
    static const struct {
        struct tidy_file file;
        const char *rule;
    } cases[] = {
        {{"kv/b.c", "", ""}, "unlisted"},      {{"kv/b.h", "", ""}, "unlisted"},
        {{"opencl/b.cl", "", ""}, "unlisted"}, {{"tests/test_b.sh", "", NULL}, "unlisted"},
        {{"index/a.c", "", ""}, "name"},       {{"kv/a.h", "", ""}, NULL},
        {{"tests/test_a.sh", "", NULL}, NULL}, {{"tests/run.sh", "", NULL}, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tally tally = {.quiet = true};
        const struct tidy_report report = {count_offence, &tally};
        const struct tidy_file files[] = {{"CMakeLists.txt", "kv/a.c index/a.c test_a", NULL},
                                          {"kv/a.c", "#include \"kv/a.h\"", ""},
                                          cases[i].file};
        tidy_check_tree(files, 3, &report);
        assert_int_equal(tally.count, cases[i].rule != NULL);
        assert_string_equal(tally.rule, cases[i].rule ? cases[i].rule : "");
    }
}

static void the_tree_is_tidy(void **state)
{
    (void)state;
    struct tally tally = {0};
    const struct tidy_report report = {count_offence, &tally};
    tree_count = tidy_walk(root, tree, MAX_FILES);
    assert_true(tree_count > 20);
    for (size_t i = 0; i < tree_count; i++)
        check_one(&tree[i], &tally);
    tidy_check_tree(tree, tree_count, &report);
    assert_int_equal(tally.count, 0);
}

static int forget_tree(void **state)
{
    (void)state;
    tidy_forget(tree, tree_count);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planted_arrows_are_found),    cmocka_unit_test(planted_calls_are_found),
        cmocka_unit_test(planted_marks_are_found),     cmocka_unit_test(planted_lengths_are_found),
        cmocka_unit_test(planted_strangers_are_found), cmocka_unit_test(the_tree_is_tidy),
    };
    return cmocka_run_group_tests(tests, NULL, forget_tree);
}

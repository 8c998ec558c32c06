/* test_cli_store_lines.c - many items through a pipe, and metadata of any bytes, come back as they
 * went in; a line that is refused is named, and nothing of its file is kept.
 */
#include "tests/cli_run.h"

#include "kith.h"

static void good(const char *command, const char *wanted)
{
    struct run run = run_tool("%s", command);
    if (run.code != 0 || !strstr(run.out, wanted))
        fail_msg("%s: code %d, out '%s', err '%s'", command, run.code, run.out, run.err);
    run_free(&run);
}

static void bad(const char *command, int code, const char *wanted)
{
    expect_sentence(run_tool("%s", command), code, wanted);
}

static void lines_go_round(void **state)
{
    (void)state;
    good("cd $dir && printf 'b\\t\\t-1,0.1\\nq\\\\x00\\t{\\\\\\\\}\\t3e9,4\\r\\nlast\\t\\t5 6' "
         ">in.tsv && "
         "$kith put l.kith --lines in.tsv --create --metric ip --json",
         "\"put\": 3");
    good("cd $dir && $kith scan l.kith --vectors",
         "b\t\t-1,0.1\nlast\t\t5,6\nq\\x00\t{\\\\}\t3e+09,4\n");
    good("cd $dir && $kith scan l.kith --vectors | $kith put m.kith --lines - --create && "
         "$kith scan l.kith --vectors >l.tsv && $kith scan m.kith --vectors | cmp - l.tsv",
         "");
    good("cd $dir && $kith scan m.kith --prefix l | $kith del m.kith --lines - --json",
         "\"deleted\": 1,\n  \"live\": 2");
    good("cd $dir && printf '7\\t\\t1,2\\n18446744073709551615\\t\\t3,4\\n' | "
         "$kith put n.kith --lines - --create --keys u64 && $kith scan n.kith",
         "7\t\n18446744073709551615\t\n");
}

static void all_lines_or_none(void **state)
{
    (void)state;
    bad("cd $dir && printf 'x\\t\\t1,2\\ny\\t\\t1\\n' | $kith put l.kith --lines -", 1,
        "stdin, line 2: the vector has 1 numbers; the store's have 2");
    bad("cd $dir && printf 'x\\t\\t1,2\\ny 1,2\\n' | $kith put l.kith --lines -", 1, "by tabs");
    bad("cd $dir && printf 'x\\t\\t1,2\\n\\t\\t1,2\\n' | $kith put l.kith --lines -", 1,
        "line 2: the key has 0 bytes");
    bad("cd $dir && printf 'x\\t\\\\q\\t1,2\\n' | $kith put l.kith --lines -", 1,
        "line 1: in a key");
    bad("cd $dir && printf 'x\\t\\t1,2\\ny\\t\\t1,nan\\n' | $kith put l.kith --lines -", 1,
        "element 1");
    bad("cd $dir && printf 'x\\0' | $kith put l.kith --lines -", 1, "byte 1 is a zero");
    bad("cd $dir && printf 'x\\t\\t1,2\\nb\\t\\t1,2\\n' | $kith put l.kith --lines - --new", 1,
        "operation 1 puts a key that is there");
    bad("cd $dir && printf 'b\\nx\\n' | $kith del l.kith --lines -", 1, "operation 1: no such key");
    bad("cd $dir && $kith put l.kith --lines nothing", 1, "nothing cannot be read");
    bad("cd $dir && $kith put l.kith --lines .", 1, "cannot be read");
    bad("cd $dir && : | $kith put none.kith --lines - --create", 1, "no dimension");
    good("cd $dir && $kith stat l.kith --json", "\"live\": 3");
}

/* Every byte there is, and as many as there may be. */
static void metadata_of_any_bytes(void **state)
{
    enum { MOST = 65536 };
    unsigned char *const bytes = malloc(MOST + 1);
    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i <= MOST; i++)
        bytes[i] = (unsigned char)(i * 167 >> (i & 7));
    files_put("most", bytes, MOST);
    files_put("beyond", bytes, MOST + 1);
    free(bytes);
    good("cd $dir && $kith put l.kith blob 1,2 --meta-file most && "
         "$kith get l.kith blob --meta | cmp - most",
         "");
    good("cd $dir && $kith put l.kith blob 1,2 --meta-file - <most && "
         "$kith get l.kith blob --meta | cmp - most",
         "");
    good("cd $dir && $kith scan l.kith --vectors | $kith put o.kith --lines - --create && "
         "$kith get o.kith blob --meta | cmp - most",
         "");
    bad("cd $dir && $kith put l.kith blob 1,2 --meta-file beyond", 1, "more than 65536 bytes");
    bad("cd $dir && $kith put l.kith blob 1,2 --meta-file most --meta x", 2, "exclude");
    bad("cd $dir && $kith get l.kith blob --meta --json", 2, "exclude");
}

/* Characters are shown as they are, whatever else as \xNN: halves of characters, longer forms than
 * needed, surrogates, what is beyond Unicode, and what a terminal obeys. */
static void text_is_readable(void **state)
{
    (void)state;
    good("cd $dir && $kith put l.kith größe 1,2 --meta '\xe6\x84\x9f \xf0\x9f\x98\x80' && "
         "$kith scan l.kith --prefix gr",
         "größe\t\xe6\x84\x9f \xf0\x9f\x98\x80\n");
    good("cd $dir && $kith put l.kith z 1,2 --meta '\xc3 \xe6\x84 \xc0\xaf \xed\xa0\x80 "
         "\xf4\x90\x80\x80 \xc2\x9b \xe0\x80\xaf'; $kith get l.kith z",
         "\\xc3 \\xe6\\x84 \\xc0\\xaf \\xed\\xa0\\x80 \\xf4\\x90\\x80\\x80 \\xc2\\x9b "
         "\\xe0\\x80\\xaf\n");
    good("cd $dir && $kith get l.kith b --json", "-1.0,\n    0.1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_go_round),
        cmocka_unit_test(all_lines_or_none),
        cmocka_unit_test(metadata_of_any_bytes),
        cmocka_unit_test(text_is_readable),
    };
    return cmocka_run_group_tests(tests, files_make, files_remove);
}

/* test_cli_store_lines.c - many items through a pipe, and metadata of any bytes, come back as they
 * went in; a line that is refused is named, and nothing of its file is kept.
 */
#include "tests/cli_run.h"

#include "kith.h"

static void lines_go_round(void **state)
{
    (void)state;
    runs("cd $dir && printf 'b\\t\\t-1,0.1\\nq\\\\x00\\t{\\\\\\\\}\\t3e9,4\\r\\nlast\\t\\t5 6\\n' "
         ">in.tsv && "
         "$kith put l.kith --lines in.tsv --create --metric ip --json",
         "\"put\": 3");
    runs("cd $dir && $kith scan l.kith --vectors",
         "b\t\t-1,0.1\nlast\t\t5,6\nq\\x00\t{\\\\}\t3e+09,4\n");
    runs("cd $dir && $kith scan l.kith --vectors | $kith put m.kith --lines - --create && "
         "$kith scan l.kith --vectors >l.tsv && $kith scan m.kith --vectors | cmp - l.tsv",
         "");
    runs("cd $dir && $kith scan m.kith --prefix l | $kith del m.kith --lines - --json",
         "\"deleted\": 1,\n  \"live\": 2");
    runs("cd $dir && printf '7\\t\\t1,2\\n18446744073709551615\\t\\t3,4\\n' | "
         "$kith put n.kith --lines - --create --keys u64 && $kith scan n.kith",
         "7\t\n18446744073709551615\t\n");
}

static void all_lines_or_none(void **state)
{
    (void)state;
    refuses("cd $dir && printf 'x\\t\\t1,2\\ny\\t\\t1\\n' | $kith put l.kith --lines -", 1,
            "stdin, line 2: the vector has 1 numbers; the store's have 2");
    refuses("cd $dir && printf 'x\\t\\t1,2\\ny 1,2\\n' | $kith put l.kith --lines -", 1, "by tabs");
    refuses("cd $dir && printf 'x\\t\\t1,2\\n\\t\\t1,2\\n' | $kith put l.kith --lines -", 1,
            "line 2: the key has 0 bytes");
    refuses("cd $dir && printf 'x\\t\\\\q\\t1,2\\n' | $kith put l.kith --lines -", 1,
            "line 1: in a key");
    refuses("cd $dir && printf 'x\\t\\t1,2\\ny\\t\\t1,nan\\n' | $kith put l.kith --lines -", 1,
            "element 1");
    refuses("cd $dir && printf 'x\\0' | $kith put l.kith --lines -", 1, "byte 1 is a zero");
    refuses("cd $dir && printf 'x\\t\\t1,2\\nb\\t\\t1,2\\n' | $kith put l.kith --lines - --new", 1,
            "operation 1 puts a key that is there");
    refuses("cd $dir && printf 'b\\nx\\n' | $kith del l.kith --lines -", 1,
            "operation 1: no such key");
    refuses("cd $dir && $kith put l.kith --lines nothing", 1, "nothing cannot be read");
    refuses("cd $dir && $kith put l.kith --lines .", 1, "cannot be read");
    refuses("cd $dir && : | $kith put none.kith --lines - --create", 1, "no dimension");
    runs("cd $dir && $kith stat l.kith --json", "\"live\": 3");
}

/* What ends within a line may have been cut off there, and what is before it is not all. */
static void cut_off(void **state)
{
    (void)state;
    refuses("cd $dir && printf 'x\\t\\t1,2\\ny\\t\\t1,2' | $kith put l.kith --lines -", 1,
            "stdin, line 2: the last line has no end: was it cut off?");
    refuses("cd $dir && printf 'b\\nq' | $kith del l.kith --lines -", 1, "line 2: the last line");
    refuses("cd $dir && printf b >cut && $kith del l.kith --lines cut", 1, "cut, line 1: the last");
    refuses("cd $dir && printf 'x\\t\\t1,2' | $kith put none.kith --lines - --create", 1,
            "cut off?");
    runs("cd $dir && test ! -e none.kith && $kith stat l.kith --json", "\"live\": 3");
}

/* The writer has written more than a pipe holds, so the tool has read some; then it waits, and is
 * interrupted while it does. */
static void interrupted(void **state)
{
    static const char *const verbs[][2] = {
        {"put l.kith --lines -", "l.kith: interrupted; nothing was put"},
        {"del l.kith --lines -", "l.kith: interrupted; nothing was deleted"},
        {"put none.kith --lines - --create", "none.kith: interrupted; nothing was put"},
    };
    (void)state;
    runs("cd $dir && seq 20000 | sed 's/.*/b\t\t1,2/' >many && wc -c many", "140000");
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        expect_sentence(
            run_tool("cd $dir && rm -f pipe written late && mkfifo pipe && { "
                     "{ cat many; : >written; sleep 9; : >late; } >pipe & writer=$!; "
                     "$kith %s <pipe & n=0; "
                     "until [ -e written ] || [ $((n += 1)) -gt 500 ]; do sleep 0.01; "
                     "done; kill -INT $!; wait $!; code=$?; kill $writer; exit $code; }",
                     verbs[i][0]),
            130, verbs[i][1]);
        runs("cd $dir && test -e written && test ! -e late && test ! -e none.kith && "
             "$kith stat l.kith --json",
             "\"live\": 3");
    }
    refuses("cd $dir && rm pipe && mkfifo pipe && { $kith put l.kith b 1,2 --meta-file - <pipe & "
            "exec 3>pipe; " TOOL_HEARS "kill -INT $!; wait $!; }",
            130, "l.kith: interrupted; nothing was put");
    runs("cd $dir && $kith scan l.kith --vectors", "b\t\t-1,0.1\n");
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
    runs("cd $dir && $kith put l.kith blob 1,2 --meta-file most && "
         "$kith get l.kith blob --meta | cmp - most",
         "");
    runs("cd $dir && $kith put l.kith blob 1,2 --meta-file - <most && "
         "$kith get l.kith blob --meta | cmp - most",
         "");
    runs("cd $dir && $kith scan l.kith --vectors | $kith put o.kith --lines - --create && "
         "$kith get o.kith blob --meta | cmp - most",
         "");
    refuses("cd $dir && $kith put l.kith blob 1,2 --meta-file beyond", 1, "more than 65536 bytes");
    refuses("cd $dir && $kith put l.kith blob 1,2 --meta-file most --meta x", 2, "exclude");
    refuses("cd $dir && $kith get l.kith blob --meta --json", 2, "exclude");
}

/* Characters are shown as they are, whatever else as \xNN: halves of characters, longer forms than
 * needed, surrogates, what is beyond Unicode, and what a terminal obeys. */
static void text_is_readable(void **state)
{
    (void)state;
    runs("cd $dir && $kith put l.kith größe 1,2 --meta '\xe6\x84\x9f \xf0\x9f\x98\x80' && "
         "$kith scan l.kith --prefix gr",
         "größe\t\xe6\x84\x9f \xf0\x9f\x98\x80\n");
    runs("cd $dir && $kith put l.kith z 1,2 --meta '\xc3 \xe6\x84 \xc0\xaf \xed\xa0\x80 "
         "\xf4\x90\x80\x80 \xc2\x9b \xe0\x80\xaf'; $kith get l.kith z",
         "\\xc3 \\xe6\\x84 \\xc0\\xaf \\xed\\xa0\\x80 \\xf4\\x90\\x80\\x80 \\xc2\\x9b "
         "\\xe0\\x80\\xaf\n");
    runs("cd $dir && $kith get l.kith b --json", "-1.0,\n    0.1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_go_round),
        cmocka_unit_test(all_lines_or_none),
        cmocka_unit_test(cut_off),
        cmocka_unit_test(interrupted),
        cmocka_unit_test(metadata_of_any_bytes),
        cmocka_unit_test(text_is_readable),
    };
    return cmocka_run_group_tests(tests, files_make, files_remove);
}

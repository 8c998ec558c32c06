/* test_cli_store_whole.c - what a verb makes is there whole or not at all: stores whose first item
 * is refused, imports that are interrupted, killed or out of room, copies onto what is there.
 */
#include "tests/cli_run.h"

#include "cli/matrix.h"
#include "kith.h"

enum { ROWS = 100000, DIM = 64 };

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

static int make_files(void **state)
{
    struct sentence why;
    struct matrix m = {.element = ELEMENT_U8, .dim = DIM, .rows = ROWS};
    if (files_make(state))
        return -1;
    m.data = calloc(ROWS, DIM);
    const bool written = matrix_write(files_path("rows.u8bin"), &m, &why);
    matrix_free(&m);
    return written ? 0 : -1;
}

static void no_first_item_no_store(void **state)
{
    static const struct {
        const char *typed, *words;
        int code;
    } wrong[] = {
        {"x a,b", "element 0 of the vector, \"a\", is no number", 2},
        {"x ' '", "the vector has no numbers", 2},
        {"x nan,1", "element 0", 1},
        {"x 1e39", "infinite", 1},
        {"x 1,2 --metric hamming", "hamming", 1},
        {"x 1,2 --type b1", "column 1 is 2", 2},
        {"x 0.1 --type bf16", "no bf16 holds", 2},
        {"ten 1,2 --keys u64", "64-bit", 2},
        {"a\\\\q 1,2", "\\xNN", 2},
        {"$(printf %0513d 7) 1,2", "the key has 513 bytes", 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        expect_sentence(run_tool("cd $dir && $kith put new.kith %s --create", wrong[i].typed),
                        wrong[i].code, wrong[i].words);
    good("cd $dir && ls", "rows.u8bin\nrun.err\nrun.out\n");
    bad("cd $dir && $kith put new.kith x 1,2 --metric ip", 2, "for --create");
    good("cd $dir && $kith put new.kith x -1,.5 --create && $kith get new.kith x", "-1,0.5\n");
    bad("cd $dir && $kith put new.kith x 1,2 --create", 1, "new.kith cannot be created");
    good("cd $dir && $kith get new.kith x", "-1,0.5\n");
    good("cd $dir && $kith put bits.kith x 1,0,1 --create --type b1 && $kith stat bits.kith",
         "3 dimensions of b1, hamming");
}

/* The key is named as it was typed, not by its length. */
static void keys_are_named(void **state)
{
    (void)state;
    bad("cd $dir && $kith get new.kith nobody", 1, "new.kith has no key \"nobody\"");
    bad("cd $dir && $kith del new.kith nobody", 1, "new.kith has no key \"nobody\"");
    bad("cd $dir && $kith put new.kith nobody 1,2 --replace", 1, "has no key \"nobody\"");
    bad("cd $dir && $kith put new.kith x 1,2 --new", 1, "has the key \"x\" already");
    bad("cd $dir && $kith stat rows.u8bin", 1, "rows.u8bin");
}

/* Whatever moment the signal comes: before the store was begun, in the middle, or after the end. */
static void interrupted_or_killed(void **state)
{
    (void)state;
    for (int ms = 5; ms <= 215; ms += 70) {
        struct run run = run_tool("cd $dir && rm -f i.kith && { $kith import rows.u8bin i.kith & "
                                  "sleep %d.%03d; kill -INT $!; wait $!; }",
                                  ms / 1000, ms % 1000);
        if (run.code == 130)
            good("cd $dir && test ! -e i.kith && ls", "");
        else if (run.code != 0)
            fail_msg("interrupted after %d ms: code %d, '%s'", ms, run.code, run.err);
        else
            good("cd $dir && $kith stat i.kith --json", "\"live\": 100000");
        run_free(&run);
        good("cd $dir && ls | grep -c part- || :", "0\n");
        run = run_tool("cd $dir && rm -f k.kith && { $kith import rows.u8bin k.kith & "
                       "sleep %d.%03d; kill -KILL $!; wait $!; }",
                       ms / 1000, ms % 1000);
        run_free(&run);
        good("cd $dir && rm -f k.kith.*part-* && if test -e k.kith; then $kith stat k.kith --json; "
             "else $kith import rows.u8bin k.kith --json; fi",
             "100000");
    }
}

static void no_room(void **state)
{
    (void)state;
    bad("cd $dir && ulimit -f 4000 && $kith import rows.u8bin big.kith", 1, "File too large");
    good("cd $dir && ls | grep -c big || :", "0\n");
    bad("cd $dir && ulimit -f 4000 && $kith export k.kith big.npy", 1, "File too large");
    bad("cd $dir && ulimit -f 4000 && $kith backup k.kith big.kith", 1, "File too large");
    good("cd $dir && ls | grep -c big || :", "0\n");
    bad("cd $dir && $kith import rows.u8bin no/such/folder.kith", 1, "no/such/folder.kith");
}

static void nothing_is_replaced(void **state)
{
    (void)state;
    good("cd $dir && echo precious >p", "");
    bad("cd $dir && $kith import rows.u8bin p", 1, "p cannot be created: File exists");
    bad("cd $dir && $kith import nothing.fbin p", 1, "p cannot be created");
    bad("cd $dir && $kith backup new.kith p", 1, "p is there already");
    bad("cd $dir && ln -s gone q && $kith backup new.kith q", 1, "q is there already");
    good("cd $dir && cat p", "precious");
    good("cd $dir && $kith backup new.kith copy.kith --json", "\"keys\": 1");
    good("cd $dir && $kith export k.kith rows.npy --json", "\"rows\": 100000");
    good("cd $dir && $kith compact k.kith --json", "\"bytes_before\": ");
}

/* The scan waits for its reader when the file below it goes. */
static void cut_while_read(void **state)
{
    (void)state;
    bad("cd $dir && { $kith scan k.kith --vectors; echo $? >code; } | { head -c 1000 >head; "
        "truncate -s 1000000 k.kith; cat >rest; } && exit $(cat code)",
        1, "cut short");
    bad("cd $dir && $kith check k.kith", 1, "k.kith: extent 1");
}

/* What is written of bits and bf16 can be read again. */
static void types_go_round(void **state)
{
    (void)state;
    good("cd $dir && $kith export bits.kith bits.npy && $kith import bits.npy b.kith --type b1 && "
         "$kith stat b.kith && $kith get b.kith 0",
         "3 dimensions of b1, hamming");
    good("cd $dir && $kith get b.kith 0", "1,0,1\n");
    good("cd $dir && $kith import bits.npy j.kith --metric jaccard && $kith stat j.kith",
         "3 dimensions of b1, jaccard");
    good("cd $dir && $kith put h.kith x 0.5,-3 --create --type bf16 && $kith export h.kith h.fbin "
         "&& "
         "$kith import h.fbin h2.kith --type bf16 && $kith get h2.kith 0",
         "0.5,-3\n");
    bad("cd $dir && $kith import h.fbin h3.kith --type b1", 1, "row 0, column 0 is 0.5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_first_item_no_store), cmocka_unit_test(keys_are_named),
        cmocka_unit_test(interrupted_or_killed),  cmocka_unit_test(no_room),
        cmocka_unit_test(nothing_is_replaced),    cmocka_unit_test(types_go_round),
        cmocka_unit_test(cut_while_read),
    };
    return cmocka_run_group_tests(tests, make_files, files_remove);
}

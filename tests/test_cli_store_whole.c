/* test_cli_store_whole.c - what a verb makes is there whole or not at all: stores whose first item
 * is refused, imports that are interrupted, killed or out of room, copies onto what is there.
 */
#include "tests/cli_run.h"

#include "cli/matrix.h"
#include "cli/output.h"
#include "kith.h"

#include <sys/inotify.h>
#include <sys/stat.h>

enum { ROWS = 100000, DIM = 64 };

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
    runs("cd $dir && ls", "rows.u8bin\nrun.err\nrun.out\n");
    refuses("cd $dir && $kith put new.kith x 1,2 --metric ip", 2, "for --create");
    runs("cd $dir && $kith put new.kith x -1,.5 --create && $kith get new.kith x", "-1,0.5\n");
    refuses("cd $dir && $kith put new.kith x 1,2 --create", 1, "new.kith cannot be created");
    runs("cd $dir && $kith get new.kith x", "-1,0.5\n");
    runs("cd $dir && $kith put bits.kith x 1,0,1 --create --type b1 && $kith stat bits.kith",
         "3 dimensions of b1, hamming");
}

/* The key is named as it was typed, not by its length. */
static void keys_are_named(void **state)
{
    (void)state;
    refuses("cd $dir && $kith get new.kith nobody", 1, "new.kith has no key \"nobody\"");
    refuses("cd $dir && $kith del new.kith nobody", 1, "new.kith has no key \"nobody\"");
    refuses("cd $dir && $kith put new.kith nobody 1,2 --replace", 1, "has no key \"nobody\"");
    refuses("cd $dir && $kith put new.kith x 1,2 --new", 1, "has the key \"x\" already");
    refuses("cd $dir && $kith stat rows.u8bin", 1, "rows.u8bin");
}

/* Whatever moment the signal comes: before the store was begun, in the middle, or after the end. */
static void killed(void **state)
{
    (void)state;
    for (int ms = 5; ms <= 215; ms += 70) {
        struct run run = run_tool("cd $dir && rm -f k.kith && { $kith import rows.u8bin k.kith & "
                                  "sleep %d.%03d; kill -KILL $!; wait $!; }",
                                  ms / 1000, ms % 1000);
        run_free(&run);
        runs("cd $dir && rm -f k.kith.*part-* && if test -e k.kith; then $kith stat k.kith --json; "
             "else $kith import rows.u8bin k.kith --json; fi",
             "100000");
    }
}

/* A signal while the store has its first name still, or just after, when the import was through:
 * it comes as soon as there is such a name, and has to come in time once at the least. */
static void interrupted(void **state)
{
    int in_the_middle = 0;
    (void)state;
    for (int i = 0; i < 30 && in_the_middle < 3; i++) {
        struct run run =
            run_tool("cd $dir && rm -f i.kith && { $kith import rows.u8bin i.kith & n=0; "
                     "until set -- i.kith.part-* && [ -e \"$1\" ] || [ $((n += 1)) -gt 300000 ]; "
                     "do :; done; "
                     "kill -INT $!; wait $!; code=$?; echo \"$1\"; exit $code; }");
        const bool begun = strstr(run.out, "i.kith.part-") && !strchr(run.out, '*');
        if (run.code != 0 && (run.code != 130 || !strstr(run.err, "; no store was made")))
            fail_msg("interrupted: code %d, '%s'", run.code, run.err);
        if (run.code == 0)
            runs("cd $dir && $kith stat i.kith --json", "\"live\": 100000");
        else
            runs("cd $dir && test ! -e i.kith && ls", "");
        in_the_middle += begun && run.code == 130;
        run_free(&run);
        runs("cd $dir && ls | grep -c part- || :", "0\n");
    }
    assert_true(in_the_middle > 0);
}

/* What was not looked at is neither sound nor damaged. */
static void check_interrupted(void **state)
{
    int stopped = 0;
    (void)state;
    for (int i = 0; i < 30 && !stopped; i++) {
        struct run run = run_tool("cd $dir && { $kith check k.kith --json & " TOOL_HEARS
                                  "kill -INT $!; wait $!; }");
        if (run.code == 130) {
            stopped++;
            assert_non_null(strstr(run.out, "\"sound\": null,\n  \"store_sound\": null,"));
            assert_non_null(strstr(run.err, "k.kith: interrupted\n"));
        } else if (run.code != 0 || !strstr(run.out, "\"store_sound\": true"))
            fail_msg("code %d, '%s', '%s'", run.code, run.out, run.err);
        run_free(&run);
    }
    assert_int_equal(stopped, 1);
}

/* A store that is taken away again goes while it is still locked: once it is closed, another
 * process could put into it. */
static void gone_before_it_is_closed(void **state)
{
    _Alignas(struct inotify_event) char events[8192];
    const char *const name = "refused.kith";
    uint32_t first = 0, closed = 0;
    const int watch = inotify_init1(IN_NONBLOCK);
    (void)state;
    assert_true(inotify_add_watch(watch, files_folder, IN_DELETE | IN_CLOSE_WRITE) >= 0);
    refuses("cd $dir && $kith put refused.kith x nan,1 --create", 1, "element 0");
    const ssize_t got = read(watch, events, sizeof events);
    for (ssize_t at = 0; at < got;) {
        const struct inotify_event *const event = (const void *)(events + at);
        const bool ours = event->len && strcmp(event->name, name) == 0;
        first = ours && !first ? event->mask : first;
        closed |= ours ? event->mask & IN_CLOSE_WRITE : 0;
        at += (ssize_t)(sizeof *event + event->len);
    }
    close(watch);
    assert_int_equal(first, IN_DELETE);
    assert_int_equal(closed, IN_CLOSE_WRITE);
}

/* A folder that may be written but not read can take a name, and cannot be synced. */
static void folder_without_sync(void **state)
{
    const char *const folder = files_path("blind"), *const path = files_path("blind/file");
    const char *const named = files_path("blind/named");
    const uid_t before = geteuid();
    struct sentence why = {""};
    struct output output;
    (void)state;
    assert_int_equal(mkdir(folder, 0777), 0);
    assert_int_equal(chmod(folder, 0333) | chmod(files_folder, 0711), 0);
    if (before == 0 && seteuid(65534) != 0)
        skip(); /* nobody to be: root may read every folder */
    const bool opened = output_open(path, &output, &why);
    const bool committed = opened && output_commit(&output, &why);
    const bool moved = !committed && strstr(why.text, "blind/file is there, but its folder") &&
                       output_name(path, named, &why);
    assert_int_equal(seteuid(before), 0);
    assert_true(opened && !committed && !moved);
    assert_non_null(strstr(why.text, "blind/named is there, but its folder cannot be synced: "));
    assert_int_equal(access(named, F_OK), 0);
    assert_int_equal(chmod(folder, 0777), 0);
}

static void no_room(void **state)
{
    (void)state;
    refuses("cd $dir && ulimit -f 4000 && $kith import rows.u8bin big.kith", 1, "File too large");
    runs("cd $dir && ls | grep -c big || :", "0\n");
    refuses("cd $dir && ulimit -f 4000 && $kith export k.kith big.npy", 1, "File too large");
    refuses("cd $dir && ulimit -f 4000 && $kith backup k.kith big.kith", 1, "File too large");
    runs("cd $dir && ls | grep -c big || :", "0\n");
    refuses("cd $dir && $kith import rows.u8bin no/such/folder.kith", 1, "no/such/folder.kith");
}

static void nothing_is_replaced(void **state)
{
    (void)state;
    runs("cd $dir && echo precious >p", "");
    refuses("cd $dir && $kith import rows.u8bin p", 1, "p cannot be created: File exists");
    refuses("cd $dir && $kith import nothing.fbin p", 1, "p cannot be created");
    refuses("cd $dir && $kith backup new.kith p", 1, "p is there already");
    refuses("cd $dir && ln -s gone q && $kith backup new.kith q", 1, "q is there already");
    runs("cd $dir && cat p", "precious");
    runs("cd $dir && $kith backup new.kith copy.kith --json", "\"keys\": 1");
    runs("cd $dir && $kith export k.kith rows.npy --json", "\"rows\": 100000");
    runs("cd $dir && $kith compact k.kith --json", "\"bytes_before\": ");
}

/* The scan waits for its reader when the file below it goes. */
static void cut_while_read(void **state)
{
    (void)state;
    refuses("cd $dir && { $kith scan k.kith --vectors; echo $? >code; } | { head -c 1000 >head; "
            "truncate -s 1000000 k.kith; cat >rest; } && exit $(cat code)",
            1, "cut short");
    refuses("cd $dir && $kith check k.kith", 1, "k.kith: extent 1");
}

/* What is written of bits and bf16 can be read again. */
static void types_go_round(void **state)
{
    (void)state;
    runs("cd $dir && $kith export bits.kith bits.npy && $kith import bits.npy b.kith --type b1 && "
         "$kith stat b.kith && $kith get b.kith 0",
         "3 dimensions of b1, hamming");
    runs("cd $dir && $kith get b.kith 0", "1,0,1\n");
    runs("cd $dir && $kith import bits.npy j.kith --metric jaccard && $kith stat j.kith",
         "3 dimensions of b1, jaccard");
    runs("cd $dir && $kith put h.kith x 0.5,-3 --create --type bf16 && $kith export h.kith h.fbin "
         "&& "
         "$kith import h.fbin h2.kith --type bf16 && $kith get h2.kith 0",
         "0.5,-3\n");
    refuses("cd $dir && $kith import h.fbin h3.kith --type b1", 1, "row 0, column 0 is 0.5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_first_item_no_store),
        cmocka_unit_test(keys_are_named),
        cmocka_unit_test(killed),
        cmocka_unit_test(interrupted),
        cmocka_unit_test(check_interrupted),
        cmocka_unit_test(gone_before_it_is_closed),
        cmocka_unit_test(folder_without_sync),
        cmocka_unit_test(no_room),
        cmocka_unit_test(nothing_is_replaced),
        cmocka_unit_test(types_go_round),
        cmocka_unit_test(cut_while_read),
    };
    return cmocka_run_group_tests(tests, make_files, files_remove);
}

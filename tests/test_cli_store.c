/* test_cli_store.c - the verbs on stores, through the tool: what goes in comes out, order and
 * prefixes hold, a copy is a copy, and damage is an exit code of 1 and one sentence.
 */
#include "tests/cli_run.h"

#include "cli/matrix.h"
#include "kith.h"

/* Runs a command that must succeed and print what is wanted somewhere. */
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

static void items(void **state)
{
    (void)state;
    good("cd $dir && $kith put a.kith user/1 0.1,0.2,0.9 --create --metric cosine", "");
    bad("cd $dir && $kith put a.kith user/1 1,2,3 --create", 1, "a.kith");
    good("cd $dir && $kith put a.kith user/2 '0.5 0.25 1' --meta '{\"lang\": \"en\"}'", "");
    good("cd $dir && $kith put a.kith 'odd\\x00\\\\' 1,2,3", "");
    good("cd $dir && $kith get a.kith user/2", "0.5,0.25,1\n{\"lang\": \"en\"}\n");
    good("cd $dir && $kith get a.kith 'odd\\x00\\\\' --json", "\"odd\\\\x00\\\\\\\\\"");
    bad("cd $dir && $kith put a.kith user/1 1,2,3 --new", 1, "");
    bad("cd $dir && $kith put a.kith nobody 1,2,3 --replace", 1, "");
    bad("cd $dir && $kith put a.kith user/3 1,2", 2, "2 numbers");
    bad("cd $dir && $kith put a.kith user/3 1,x,2", 2, "no number");
    bad("cd $dir && $kith put a.kith user/3 1,nan,2", 1, "element 1");
    bad("cd $dir && $kith get a.kith nobody", 1, "no");
    bad("cd $dir && $kith get nothing.kith key", 1, "nothing.kith");
    good("cd $dir && $kith del a.kith user/1", "");
    bad("cd $dir && $kith del a.kith user/1", 1, "");
}

static void order(void **state)
{
    (void)state;
    good("cd $dir && $kith put o.kith 9 1,2 --create --keys u64 --type u8", "");
    good("cd $dir && for k in 300 10 2; do $kith put o.kith $k 3,4 || exit 1; done", "");
    good("cd $dir && $kith scan o.kith", "2\t\n9\t\n10\t\n300\t\n");
    good("cd $dir && $kith scan o.kith --backwards --limit 2", "300\t\n10\t\n");
    good("cd $dir && $kith scan o.kith --from 9 --vectors", "9\t\t1,2\n10\t\t3,4\n300");
    good("cd $dir && $kith scan o.kith --from 11 --backwards --limit 1", "10\t\n");
    bad("cd $dir && $kith scan o.kith --prefix 1", 1, "numbers");
    bad("cd $dir && $kith put o.kith ten 1,2", 2, "64-bit");
    bad("cd $dir && $kith put o.kith 11 1,256", 2, "256");
    good("cd $dir && $kith scan a.kith --prefix user/ --json", "\"user/2\"");
}

static void copies(void **state)
{
    (void)state;
    good("cd $dir && $kith backup o.kith copy.kith && $kith scan copy.kith", "9\t\n10\t\n");
    bad("cd $dir && $kith backup o.kith copy.kith", 1, "copy.kith");
    good("cd $dir && $kith compact o.kith && $kith scan o.kith", "9\t\n10\t\n");
    good("cd $dir && $kith export o.kith o.npy && $kith import o.npy again.kith --metric ip", "");
    good("cd $dir && $kith scan again.kith --vectors", "0\t\t3,4\n1\t\t1,2\n2\t\t3,4\n");
    good("cd $dir && $kith stat again.kith", "2 dimensions of u8, ip");
    bad("cd $dir && $kith import o.npy again.kith", 1, "again.kith");
    bad("cd $dir && $kith import nothing.npy new.kith", 1, "nothing.npy");
    bad("cd $dir && $kith export o.kith o.txt", 1, "o.txt");
    good("cd $dir && $kith stat o.kith --json", "\"live\": 4");
}

/* A byte of a vector changed behind the store's back, a file cut short, files that are no stores:
 * test_kv_file_damage flips every byte there is, here it is what a person sees. */
static void damage(void **state)
{
    enum { ROWS = 3000, DIM = 64 };
    struct matrix matrix = {.element = ELEMENT_U8, .dim = DIM, .rows = ROWS};
    struct sentence why;
    (void)state;
    matrix.data = malloc(ROWS * DIM);
    assert_non_null(matrix.data);
    memset(matrix.data, 'v', ROWS * DIM);
    assert_true(matrix_write(files_path("m.u8bin"), &matrix, &why));
    matrix_free(&matrix);
    good("cd $dir && $kith import m.u8bin m.kith", "");
    good("cd $dir && $kith check m.kith", "m.kith is sound");
    good("cd $dir && $kith check m.kith --quick --json", "\"sound\": true");
    good("cd $dir && at=$(grep -abo vvvvvvvv m.kith | head -n 500 | tail -n 1 | cut -d: -f1) && "
         "printf w | dd of=m.kith bs=1 seek=$at conv=notrunc 2>/dev/null; echo done",
         "done");
    bad("cd $dir && $kith check m.kith", 1, "m.kith: row ");
    good("cd $dir && head -c 20000 o.kith > cut.kith; echo 'no store' > plain; echo done", "done");
    bad("cd $dir && $kith check cut.kith", 1, "20000 bytes");
    bad("cd $dir && $kith check plain", 1, "no store");
    bad("cd $dir && $kith check nowhere", 1, "nowhere");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items),
        cmocka_unit_test(order),
        cmocka_unit_test(copies),
        cmocka_unit_test(damage),
    };
    return cmocka_run_group_tests(tests, files_make, files_remove);
}

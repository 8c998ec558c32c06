/* test_cli_store.c - the verbs on stores, through the tool: what goes in comes out, order and
 * prefixes hold, a copy is a copy, and damage is an exit code of 1 and one sentence.
 */
#include "tests/cli_run.h"

#include "cli/matrix.h"
#include "kith.h"

static void items(void **state)
{
    (void)state;
    runs("cd $dir && $kith put a.kith user/1 0.1,0.2,0.9 --create --metric cosine", "");
    refuses("cd $dir && $kith put a.kith user/1 1,2,3 --create", 1, "a.kith");
    runs("cd $dir && $kith put a.kith user/2 '0.5 0.25 1' --meta '{\"lang\": \"en\"}'", "");
    runs("cd $dir && $kith put a.kith 'odd\\x00\\\\' 1,2,3", "");
    runs("cd $dir && $kith get a.kith user/2", "0.5,0.25,1\n{\"lang\": \"en\"}\n");
    runs("cd $dir && $kith get a.kith 'odd\\x00\\\\' --json", "\"odd\\\\x00\\\\\\\\\"");
    refuses("cd $dir && $kith put a.kith user/1 1,2,3 --new", 1, "");
    refuses("cd $dir && $kith put a.kith nobody 1,2,3 --replace", 1, "");
    refuses("cd $dir && $kith put a.kith user/3 1,2", 2, "2 numbers");
    refuses("cd $dir && $kith put a.kith user/3 1,x,2", 2, "no number");
    refuses("cd $dir && $kith put a.kith user/3 1,nan,2", 1, "element 1");
    refuses("cd $dir && $kith get a.kith nobody", 1, "no");
    refuses("cd $dir && $kith get nothing.kith key", 1, "nothing.kith");
    runs("cd $dir && $kith del a.kith user/1", "");
    refuses("cd $dir && $kith del a.kith user/1", 1, "");
}

static void order(void **state)
{
    (void)state;
    runs("cd $dir && $kith put o.kith 9 1,2 --create --keys u64 --type u8", "");
    runs("cd $dir && for k in 300 10 2; do $kith put o.kith $k 3,4 || exit 1; done", "");
    runs("cd $dir && $kith scan o.kith", "2\t\n9\t\n10\t\n300\t\n");
    runs("cd $dir && $kith scan o.kith --backwards --limit 2", "300\t\n10\t\n");
    runs("cd $dir && $kith scan o.kith --from 9 --vectors", "9\t\t1,2\n10\t\t3,4\n300");
    runs("cd $dir && $kith scan o.kith --from 11 --backwards --limit 1", "10\t\n");
    refuses("cd $dir && $kith scan o.kith --prefix 1", 1, "numbers");
    refuses("cd $dir && $kith put o.kith ten 1,2", 2, "64-bit");
    refuses("cd $dir && $kith put o.kith 11 1,256", 2, "256");
    runs("cd $dir && $kith scan a.kith --prefix user/ --json", "\"user/2\"");
}

static void copies(void **state)
{
    (void)state;
    runs("cd $dir && $kith backup o.kith copy.kith && $kith scan copy.kith", "9\t\n10\t\n");
    refuses("cd $dir && $kith backup o.kith copy.kith", 1, "copy.kith");
    runs("cd $dir && $kith compact o.kith && $kith scan o.kith", "9\t\n10\t\n");
    runs("cd $dir && $kith export o.kith o.npy && $kith import o.npy again.kith --metric ip", "");
    runs("cd $dir && $kith scan again.kith --vectors", "0\t\t3,4\n1\t\t1,2\n2\t\t3,4\n");
    runs("cd $dir && $kith stat again.kith", "2 dimensions of u8, ip");
    refuses("cd $dir && $kith import o.npy again.kith", 1, "again.kith");
    refuses("cd $dir && $kith import nothing.npy new.kith", 1, "nothing.npy");
    refuses("cd $dir && $kith export o.kith o.txt", 1, "o.txt");
    runs("cd $dir && $kith stat o.kith --json", "\"live\": 4");
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
    runs("cd $dir && $kith import m.u8bin m.kith", "");
    runs("cd $dir && $kith check m.kith", "m.kith is sound");
    runs("cd $dir && $kith check m.kith --quick --json", "\"sound\": true");
    runs("cd $dir && at=$(grep -abo vvvvvvvv m.kith | head -n 500 | tail -n 1 | cut -d: -f1) && "
         "printf w | dd of=m.kith bs=1 seek=$at conv=notrunc 2>/dev/null; echo done",
         "done");
    refuses("cd $dir && $kith check m.kith", 1, "m.kith: row ");
    runs("cd $dir && $kith check m.kith --json 2>said || grep 'm.kith: row ' said",
         "\"store_sound\": false");
    refuses("cd $dir && ln m.kith 6 && $kith check 6", 1, "kith: 6: row 62 ");
    refuses("cd $dir && ln m.kith r && $kith check r", 1, "kith: r: row ");
    refuses("cd $dir && $kith export m.kith out.npy", 1, "m.kith: row ");
    runs("cd $dir && ls | grep -c out.npy || :", "0\n");
    runs("$kith check --help", "everything a store holds");
    runs("cd $dir && head -c 20000 o.kith > cut.kith; echo 'no store' > plain; echo done", "done");
    refuses("cd $dir && $kith check cut.kith", 1, "20000 bytes");
    refuses("cd $dir && $kith check plain", 1, "no store");
    refuses("cd $dir && $kith check nowhere", 1, "nowhere");
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

/* Property: what is damaged on disk is not copied with a new checksum. A backup or a compaction of
 * a store of which one byte of a row, a long key or metadata has changed is refused, names the row,
 * leaves the store's file as it was, and no file beside it.
 */
#include "tests/check.h"
#include "kv/store.h"

#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROW_BYTES = 320, KEY_BYTES = 40, META_BYTES = 100, ROWS = 300, FILE_MOST = 8 << 20 };

static char path[64], backup[80];
static unsigned char bytes[FILE_MOST], after[FILE_MOST];

static void fill(uint64_t number, unsigned char *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (unsigned char)check_random(&number);
}

static ki_store *open_it(void)
{
    const ki_shape shape = {.row_bytes = ROW_BYTES, .keys = KITH_KEYS_BYTES};
    ki_store_config config = ki_store_defaults(&shape);
    ki_store *store = NULL;
    config.unit_bytes = 4096;
    config.grow_units = 1;
    if (ki_store_open(path, &config, &store))
        fail_msg("%s", kith_last_error());
    return store;
}

static void make_store(void)
{
    unsigned char key[KEY_BYTES], row[ROW_BYTES], aux[KI_AUX_BYTES] = {0}, meta[META_BYTES];
    ki_store *store = open_it();
    for (uint64_t i = 0; i < ROWS; i++) {
        fill(i * 3, key, sizeof key);
        fill(i * 3 + 1, row, sizeof row);
        fill(i * 3 + 2, meta, sizeof meta);
        const ki_op op = {.kind = KI_PUT,
                          .key = key,
                          .key_len = KEY_BYTES,
                          .elements = row,
                          .aux = aux,
                          .meta = meta,
                          .meta_len = META_BYTES};
        assert_int_equal(ki_store_commit(store, &op, 1, NULL, NULL), KITH_OK);
    }
    ki_store_close(store);
}

static size_t load(unsigned char *to)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = pread(file, to, FILE_MOST, 0);
    close(file);
    assert_true(got > 0 && got < FILE_MOST);
    return (size_t)got;
}

/* Turns one bit of the first place where these bytes lie. Returns its offset. */
static size_t damage(const unsigned char *what, size_t n)
{
    size_t length = load(bytes);
    unsigned char *at = memmem(bytes, length, what, n);
    assert_non_null(at);
    at[n / 2] ^= 4;
    int file = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(file, at + n / 2, 1, at + n / 2 - bytes), 1);
    close(file);
    return (size_t)(at - bytes);
}

static size_t files_beside(void)
{
    char pattern[80];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s*", path);
    assert_int_equal(glob(pattern, GLOB_NOSORT, NULL, &found), 0);
    size_t count = found.gl_pathc;
    globfree(&found);
    return count;
}

static void is_refused(kith_status status)
{
    assert_int_equal(status, KITH_ECORRUPT);
    assert_non_null(strstr(kith_last_error(), "row 123"));
    assert_int_equal(files_beside(), 1);
    load(after);
    assert_memory_equal(bytes, after, 32768); /* no checkpoint, no other file */
}

static void damaged(unsigned part, size_t n)
{
    unsigned char what[ROW_BYTES];
    make_store();
    fill(123 * 3 + part, what, n);
    damage(what, n);
    ki_store *store = open_it();
    is_refused(ki_store_backup(store, backup, NULL, NULL));
    is_refused(ki_store_compact(store, NULL, NULL));
    assert_int_equal(ki_store_live_count(store), ROWS);
    ki_store_close(store);
    unlink(path);
}

static void a_row(void **state)
{
    (void)state;
    damaged(1, ROW_BYTES);
}

static void metadata(void **state)
{
    (void)state;
    damaged(2, META_BYTES);
}

static void a_long_key(void **state)
{
    (void)state;
    damaged(0, KEY_BYTES);
}

static int name_files(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "kith-damage-%d.store", (int)getpid());
    snprintf(backup, sizeof backup, "%s.backup", path);
    unlink(path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row),
        cmocka_unit_test(metadata),
        cmocka_unit_test(a_long_key),
    };
    return cmocka_run_group_tests(tests, name_files, NULL);
}

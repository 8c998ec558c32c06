/* Property: a new store is its owner's alone, and a compaction lets in whom the old file let in:
 * mode, owner and group stay. Where the system refuses that, the old file stays in its place. And
 * who is told that a store could not be created finds nothing under its name.
 */
#include "tests/check.h"
#include "kv/store.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROW_BYTES = 64 };

static char path[64];
static ki_vfs failing;

static kith_status open_it(ki_store **out)
{
    const ki_shape shape = {.row_bytes = ROW_BYTES, .keys = KITH_KEYS_U64};
    ki_store_config config = ki_store_defaults(&shape);
    config.vfs = &failing;
    return ki_store_open(path, &config, out);
}

static kith_status put(ki_store *store, uint64_t key)
{
    unsigned char row[ROW_BYTES] = {1}, aux[KI_AUX_BYTES] = {0};
    return ki_store_put(store, &key, 8, row, aux, NULL);
}

static struct stat facts(void)
{
    struct stat found;
    assert_int_equal(stat(path, &found), 0);
    return found;
}

static int refuse(void *user, int file, int model)
{
    (void)user, (void)file, (void)model;
    errno = EPERM;
    return -1;
}

static int refuse_folder(void *user, const char *at)
{
    (void)user, (void)at;
    errno = EIO;
    return -1;
}

/* A group that may be given: another of the process's own, if it has one. */
static gid_t some_group(void)
{
    gid_t groups[64];
    int n = getgroups(64, groups);
    for (int i = 0; i < n; i++)
        if (groups[i] != getegid())
            return groups[i];
    return geteuid() == 0 ? 12345 : getegid();
}

static void a_compaction_lets_the_same_in(void **state)
{
    static const mode_t modes[] = {0600, 0640, 0664, 0644, 0666, 0620};
    ki_store *store = NULL;
    (void)state;
    assert_int_equal(open_it(&store), KITH_OK);
    assert_int_equal(facts().st_mode & 07777, 0600);
    assert_int_equal(chown(path, geteuid() == 0 ? 54321 : (uid_t)-1, some_group()), 0);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        assert_int_equal(put(store, i), KITH_OK);
        assert_int_equal(chmod(path, modes[i]), 0);
        const struct stat before = facts();
        assert_int_equal(ki_store_compact(store, NULL, NULL), KITH_OK);
        const struct stat after = facts();
        assert_int_not_equal(after.st_ino, before.st_ino);
        assert_int_equal(after.st_mode, before.st_mode);
        assert_int_equal(after.st_uid, before.st_uid);
        assert_int_equal(after.st_gid, before.st_gid);
    }
    ki_store_close(store);
}

static void or_the_old_file_stays(void **state)
{
    ki_store *store = NULL;
    char passing[96];
    (void)state;
    assert_int_equal(open_it(&store), KITH_OK);
    assert_int_equal(put(store, 1), KITH_OK);
    assert_int_equal(chmod(path, 0640), 0);
    const struct stat before = facts();
    failing.same_access = refuse;
    assert_int_equal(ki_store_compact(store, NULL, NULL), KITH_EIO);
    assert_non_null(strstr(kith_last_error(), path));
    assert_int_equal(facts().st_ino, before.st_ino);
    assert_int_equal(facts().st_mode, before.st_mode);
    snprintf(passing, sizeof passing, "%s.kith-compacting", path);
    assert_int_equal(access(passing, F_OK), -1);
    assert_int_equal(put(store, 2), KITH_OK);
    ki_store_close(store);
}

static void no_store_under_a_name_that_may_go(void **state)
{
    ki_store *store = NULL;
    (void)state;
    failing.sync_dir = refuse_folder;
    assert_int_equal(open_it(&store), KITH_EIO);
    assert_null(store);
    assert_int_equal(access(path, F_OK), -1);
    failing.sync_dir = ki_vfs_system.sync_dir;
    assert_int_equal(open_it(&store), KITH_OK);
    ki_store_close(store);
}

static int begin(void **state)
{
    (void)state;
    failing = ki_vfs_system;
    snprintf(path, sizeof path, "kith-access-%d.store", (int)getpid());
    unlink(path);
    return 0;
}

static int end(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_compaction_lets_the_same_in, begin, end),
        cmocka_unit_test_setup_teardown(or_the_old_file_stays, begin, end),
        cmocka_unit_test_setup_teardown(no_store_under_a_name_that_may_go, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Property: what is no store, what belongs to another process, and a disk that is full are each
 * refused with a status and a sentence; nothing that was there is changed, and what was in the
 * store stays readable. On the real file system: links, folders, pipes, short files, a second
 * process, a full tmpfs (as root; else that part is skipped).
 */
#include "tests/check.h"
#include "kv/store.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROW_BYTES = 256, ROWS = 400, SHORT_BYTES = 5000 };

static char folder[64], path[80], other[80];

static ki_store_config config_of(void)
{
    const ki_shape shape = {.row_bytes = ROW_BYTES, .dim = 64, .keys = KITH_KEYS_U64};
    ki_store_config config = ki_store_defaults(&shape);
    config.durability = KI_DURABLE_NONE;
    return config;
}

static kith_status put(ki_store *store, uint64_t key)
{
    unsigned char row[ROW_BYTES], aux[KI_AUX_BYTES] = {0};
    memset(row, (int)key, sizeof row);
    return ki_store_put(store, &key, 8, row, aux, NULL);
}

static bool holds(const ki_store *store, uint64_t key)
{
    unsigned char row[ROW_BYTES], want[ROW_BYTES];
    memset(want, (int)key, sizeof want);
    return !ki_store_get(store, NULL, &key, 8, row, NULL, 0, NULL) && !memcmp(row, want, ROW_BYTES);
}

static ki_store *open_it(const char *at)
{
    const ki_store_config config = config_of();
    ki_store *store = NULL;
    if (ki_store_open(at, &config, &store))
        fail_msg("%s", kith_last_error());
    return store;
}

/* Neither writers nor readers get in, and there is something to read about it. `want` KITH_OK
 * stands for any refusal. */
static void is_refused(const char *at, kith_status want)
{
    for (int reading = 0; reading < 2; reading++) {
        ki_store_config config = config_of();
        ki_store *store = NULL;
        config.read_only = reading;
        kith_status status = ki_store_open(at, &config, &store);
        if (status != want && (want || !status))
            fail_msg("%s: status %d, %s", at, (int)status, kith_last_error());
        assert_null(store);
        assert_true(strlen(kith_last_error()) > 10);
    }
}

static void make_store(void)
{
    ki_store *store = open_it(path);
    for (uint64_t key = 0; key < ROWS; key++)
        assert_int_equal(put(store, key), KITH_OK);
    ki_store_close(store);
}

static void what_is_no_store(void **state)
{
    static const unsigned char noise[SHORT_BYTES] = "not a store";
    struct stat facts;
    (void)state;
    make_store();
    assert_int_equal(symlink("store", other), 0);
    is_refused(other, KITH_OK);
    unlink(other);
    assert_int_equal(symlink("nowhere", other), 0);
    is_refused(other, KITH_OK);
    unlink(other);
    is_refused(folder, KITH_OK);
    assert_int_equal(mkfifo(other, 0600), 0);
    is_refused(other, KITH_OK);
    unlink(other);
    int fd = open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, noise, sizeof noise), sizeof noise);
    close(fd);
    is_refused(other, KITH_OK);
    assert_int_equal(stat(other, &facts), 0);
    assert_int_equal(facts.st_size, sizeof noise); /* untouched */
    unlink(other);
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
}

/* Cut at every 4 KiB: never a crash, and no length but the whole holds all the rows. */
static void a_file_cut_short(void **state)
{
    struct stat facts;
    (void)state;
    assert_int_equal(stat(path, &facts), 0);
    for (off_t bytes = facts.st_size - 1; bytes > 0; bytes -= 4096 + bytes / 16) {
        ki_store_config config = config_of();
        ki_store *store = NULL;
        assert_int_equal(truncate(path, bytes), 0);
        config.read_only = true;
        assert_int_not_equal(ki_store_open(path, &config, &store), KITH_OK);
    }
    unlink(path);
    make_store();
}

/* The answer of another process that opens to write, then to read. */
static int ask_another(void)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        ki_store_config config = config_of();
        ki_store *store = NULL;
        bool busy = ki_store_open(path, &config, &store) == KITH_EBUSY;
        config.read_only = true;
        bool reads = ki_store_open(path, &config, &store) == KITH_OK && holds(store, 7);
        _exit(busy + 2 * reads);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WEXITSTATUS(status);
}

static void a_second_process(void **state)
{
    (void)state;
    ki_store *store = open_it(path);
    const ki_store_config config = config_of();
    ki_store *second = NULL;
    assert_int_equal(ki_store_open(path, &config, &second), KITH_EBUSY);
    assert_int_equal(ask_another(), 3);
    assert_int_equal(put(store, ROWS), KITH_OK);
    ki_store_close(store);
    assert_int_equal(ask_another(), 2); /* free again */
}

/* Puts until the disk is full; what was acknowledged is there, then and afterwards. */
static void a_full_disk(void **state)
{
    (void)state;
    if (geteuid() != 0 || mount("tmpfs", folder, "tmpfs", 0, "size=2m") != 0)
        skip();
    ki_store *store = open_it(path);
    uint64_t key = 0;
    kith_status status;
    while (!(status = put(store, key)))
        key++;
    assert_int_equal(status, KITH_EIO);
    assert_true(key > 100);
    for (uint64_t i = 0; i < key; i++)
        assert_true(holds(store, i));
    assert_false(holds(store, key));
    ki_store_close(store);
    store = open_it(path);
    for (uint64_t i = 0; i < key; i++)
        assert_true(holds(store, i));
    assert_int_equal(ki_store_live_count(store), key);
    assert_int_equal(ki_store_check(store, true, NULL, NULL), KITH_OK);
    ki_store_close(store);
    assert_int_equal(umount(folder), 0);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "kith-refuses-%d", (int)getpid());
    snprintf(path, sizeof path, "%s/store", folder);
    snprintf(other, sizeof other, "%s/other", folder);
    return mkdir(folder, 0700);
}

static int remove_folder(void **state)
{
    (void)state;
    umount(folder);
    unlink(path);
    unlink(other);
    return rmdir(folder);
}

/* By name where they have one. */
static void another_shape(void **state)
{
    const ki_shape shapes[] = {
        {.row_bytes = ROW_BYTES, .dim = 256, .type = KITH_U8, .keys = KITH_KEYS_U64},
        {.row_bytes = ROW_BYTES, .dim = 64, .metric = KITH_COSINE, .keys = KITH_KEYS_BYTES},
        {.row_bytes = ROW_BYTES, .dim = 64, .metric = 99, .keys = KITH_KEYS_U64},
        {.row_bytes = 8, .dim = 64, .keys = KITH_KEYS_U64}};
    static const char *const said[] = {"dimension 256, type u8, metric l2sq, 64-bit keys",
                                       "dimension 64, type f32, metric cosine, byte keys",
                                       "metric 99", "rows of 8 bytes"};
    (void)state;
    ki_store_close(open_it(other));
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        ki_store_config config = config_of();
        ki_store *store = NULL;
        config.shape = shapes[i];
        assert_int_equal(ki_store_open(other, &config, &store), KITH_EINVAL);
        assert_non_null(strstr(kith_last_error(), "has dimension 64, type f32, metric l2sq, "));
        assert_non_null(strstr(kith_last_error(), said[i]));
    }
    unlink(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_store), cmocka_unit_test(a_file_cut_short),
        cmocka_unit_test(a_second_process), cmocka_unit_test(another_shape),
        cmocka_unit_test(a_full_disk),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

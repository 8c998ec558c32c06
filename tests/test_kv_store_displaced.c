/* Property: whoever moves the file of an open store, puts another in its place or copies one over
 * it, changes the folder that its path counts from, cuts it short, or forks the process, is refused
 * what would lose something: no other file is written over or taken away, and nothing that was
 * acknowledged is lost but what he took away himself.
 */
#include "tests/check.h"
#include "kv/store.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROW_BYTES = 64, PATIENCE_S = 20, MANY = 3000 };

static char folder[64];

static ki_store_config config_of(ki_durability durability)
{
    const ki_shape shape = {.row_bytes = ROW_BYTES, .keys = KITH_KEYS_U64};
    ki_store_config config = ki_store_defaults(&shape);
    config.durability = durability;
    return config;
}

static ki_store *open_as(const char *path, const ki_store_config *config)
{
    ki_store *store = NULL;
    if (ki_store_open(path, config, &store))
        fail_msg("%s: %s", path, kith_last_error());
    return store;
}

static ki_store *open_it(const char *path, ki_durability durability)
{
    const ki_store_config config = config_of(durability);
    return open_as(path, &config);
}

/* When it is new, in small extents, so that it must grow often. */
static ki_store *open_small(const char *path, ki_durability durability)
{
    ki_store_config config = config_of(durability);
    config.unit_bytes = 4096;
    config.grow_units = 1;
    return open_as(path, &config);
}

static kith_status put(ki_store *store, uint64_t key)
{
    unsigned char row[ROW_BYTES] = {1}, aux[KI_AUX_BYTES] = {0};
    return ki_store_put(store, &key, 8, row, aux, NULL);
}

/* One commit, for which a small store must grow. */
static kith_status put_many(ki_store *store)
{
    static uint64_t key[MANY];
    static ki_op op[MANY];
    unsigned char row[ROW_BYTES] = {2}, aux[KI_AUX_BYTES] = {0};
    for (uint64_t i = 0; i < MANY; i++) {
        key[i] = 1000 + i;
        op[i] = (ki_op){.kind = KI_PUT, .key = &key[i], .key_len = 8, .elements = row, .aux = aux};
    }
    return ki_store_commit(store, op, MANY, NULL, NULL);
}

static bool holds(const ki_store *store, uint64_t key)
{
    return ki_store_find(store, &key, 8) != KI_NO_ROW;
}

/* A store at `path` that holds `key`. */
static void make(const char *path, uint64_t key)
{
    ki_store *store = open_it(path, KI_DURABLE_COMMIT);
    assert_int_equal(put(store, key), KITH_OK);
    ki_store_close(store);
}

static void has(const char *path, uint64_t key, bool there)
{
    ki_store *store = open_it(path, KI_DURABLE_COMMIT);
    assert_int_equal(holds(store, key), there);
    assert_int_equal(ki_store_check(store, true, NULL, NULL), KITH_OK);
    ki_store_close(store);
}

static void is_refused(kith_status status)
{
    assert_int_not_equal(status, KITH_OK);
    assert_true(strlen(kith_last_error()) > 20);
}

static void another_file_in_its_place(void **state)
{
    (void)state;
    make("other", 77);
    ki_store *store = open_it("store", KI_DURABLE_COMMIT);
    assert_int_equal(put(store, 1), KITH_OK);
    assert_int_equal(rename("store", "moved"), 0);
    assert_int_equal(rename("other", "store"), 0);
    is_refused(ki_store_compact(store, NULL, NULL));
    assert_int_equal(put(store, 2), KITH_OK); /* into the file that was moved */
    ki_store_close(store);
    has("store", 77, true);
    has("moved", 1, true);
    has("moved", 2, true);
    unlink("store");
    unlink("moved");
}

static void copy_over(const char *from, const char *to)
{
    static unsigned char bytes[1 << 16];
    int source = open(from, O_RDONLY | O_CLOEXEC), file = open(to, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(source >= 0 && file >= 0);
    for (ssize_t got; (got = read(source, bytes, sizeof bytes)) > 0;)
        assert_int_equal(write(file, bytes, (size_t)got), got);
    close(source);
    close(file);
}

static void is_the_same(const char *a, const char *b)
{
    static unsigned char left[1 << 16], right[1 << 16];
    int one = open(a, O_RDONLY | O_CLOEXEC), two = open(b, O_RDONLY | O_CLOEXEC);
    ssize_t got;
    assert_true(one >= 0 && two >= 0);
    do {
        got = read(one, left, sizeof left);
        assert_int_equal(read(two, right, sizeof right), got);
        assert_memory_equal(left, right, (size_t)got);
    } while (got > 0);
    close(one);
    close(two);
}

enum { PUT, PUT_MANY, RESERVE, CHECKPOINT, COMPACT, CLOSE, WAYS };

/* Each of the calls that change the file is the first one after the copy. */
static void another_file_copied_over_it(void **state)
{
    (void)state;
    make("other", 77);
    make("large", 77);
    ki_store *large = open_it("large", KI_DURABLE_NONE);
    assert_int_equal(put_many(large), KITH_OK);
    ki_store_close(large);
    for (int i = 0; i < 2 * 2 * WAYS; i++) {
        const char *copied = i / WAYS % 2 ? "large" : "other";
        const int way = i % WAYS;
        ki_store *store = open_small("store", i / WAYS / 2 ? KI_DURABLE_NONE : KI_DURABLE_COMMIT);
        assert_int_equal(put(store, 1), KITH_OK);
        if (way == COMPACT) /* no row is left whose checksum would tell */
            assert_int_equal(ki_store_del(store, &(uint64_t){1}, 8), KITH_OK);
        copy_over(copied, "store");
        kith_status status = way == PUT          ? put(store, 2)
                             : way == PUT_MANY   ? put_many(store)
                             : way == RESERVE    ? ki_store_reserve(store, MANY, 1)
                             : way == CHECKPOINT ? ki_store_checkpoint(store)
                             : way == COMPACT    ? ki_store_compact(store, NULL, NULL)
                                                 : KITH_OK;
        if (way != CLOSE) {
            is_refused(status);
            is_the_same(copied, "store");
            is_refused(put(store, 2));
            is_refused(put_many(store));
        }
        ki_store_close(store);
        is_the_same(copied, "store");
        has("store", 77, true);
        has("store", 1, false);
        unlink("store");
    }
    unlink("other");
    unlink("large");
}

/* A newer head is no excuse when it is another store's. */
static void a_reader_is_told(void **state)
{
    ki_store_config config = config_of(KI_DURABLE_NONE);
    ki_store *reader = NULL;
    (void)state;
    make("store", 1);
    make("other", 77);
    for (uint64_t key = 0; key < 5; key++)
        make("other", key);
    config.read_only = true;
    assert_int_equal(ki_store_open("store", &config, &reader), KITH_OK);
    assert_int_equal(ki_store_check(reader, false, NULL, NULL), KITH_OK);
    copy_over("other", "store");
    assert_int_equal(ki_store_check(reader, false, NULL, NULL), KITH_ECORRUPT);
    ki_store_close(reader);
    is_the_same("other", "store");
    unlink("store");
    unlink("other");
}

static void another_folder(void **state)
{
    (void)state;
    ki_store *store = open_it("store", KI_DURABLE_COMMIT);
    assert_int_equal(put(store, 1), KITH_OK);
    assert_int_equal(chdir(".."), 0);
    is_refused(ki_store_compact(store, NULL, NULL));
    assert_int_equal(access("store", F_OK), -1);
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(ki_store_compact(store, NULL, NULL), KITH_OK);
    assert_int_equal(put(store, 2), KITH_OK);
    ki_store_close(store);
    has("store", 2, true);
    unlink("store");
}

/* Files that look as if they belonged to a store are not taken away. */
static void a_backup_of_that_name(void **state)
{
    (void)state;
    make("store", 1);
    make("store.compact", 2);
    make("store.part", 3);
    ki_store *store = open_it("store", KI_DURABLE_COMMIT);
    assert_int_equal(ki_store_compact(store, NULL, NULL), KITH_OK);
    ki_store_close(store);
    has("store.compact", 2, true);
    has("store.part", 3, true);
    unlink("store");
    unlink("store.compact");
    unlink("store.part");
}

/* The next sync finds out. What is acknowledged after the cut would go where rows are missing. */
static void a_file_cut_short(void **state)
{
    (void)state;
    for (int by = 0; by < 3; by++) {
        ki_store *store = open_it("store", KI_DURABLE_COMMIT);
        assert_int_equal(put(store, 1), KITH_OK);
        assert_int_equal(truncate("store", by * 40960), 0);
        kith_status status = by == 2 ? ki_store_checkpoint(store) : KITH_OK;
        is_refused(status ? status : put(store, 2));
        is_refused(put(store, 3));
        ki_store_close(store);
        unlink("store");
    }
}

/* Growing takes nothing away from a file that is longer than the store made it. */
static void a_file_that_is_longer(void **state)
{
    const off_t end = 16 << 20;
    char mark = 0;
    (void)state;
    ki_store *store = open_small("store", KI_DURABLE_NONE);
    int file = open("store", O_RDWR | O_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(pwrite(file, "!", 1, end), 1);
    assert_int_equal(put_many(store), KITH_OK);
    assert_int_equal(pread(file, &mark, 1, end), 1);
    assert_int_equal(mark, '!');
    close(file);
    ki_store_close(store);
    has("store", 1000, true);
    unlink("store");
}

/* What a child does with a store that it did not open. */
static int act(ki_store *store)
{
    alarm(PATIENCE_S); /* whoever waits for a thread that is not there waits for ever */
    int refused = put(store, 2) != 0;
    refused += ki_store_sync(store) != 0;
    refused += ki_store_checkpoint(store) != 0;
    refused += ki_store_compact(store, NULL, NULL) != 0;
    ki_store_close(store);
    return refused;
}

static void a_child_of_fork(void **state)
{
    (void)state;
    for (int durability = KI_DURABLE_COMMIT; durability <= KI_DURABLE_NONE; durability++) {
        ki_store *store = open_it("store", (ki_durability)durability);
        int result;
        assert_int_equal(put(store, 1), KITH_OK);
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            _exit(act(store));
        assert_int_equal(waitpid(child, &result, 0), child);
        assert_true(WIFEXITED(result));
        assert_int_equal(WEXITSTATUS(result), 4);
        for (uint64_t key = 3; key < 9; key++)
            assert_int_equal(put(store, key), KITH_OK);
        assert_int_equal(ki_store_checkpoint(store), KITH_OK);
        ki_store_close(store);
        has("store", 1, true);
        has("store", 2, false);
        has("store", 8, true);
        unlink("store");
    }
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "kith-displaced-%d", (int)getpid());
    return mkdir(folder, 0700) || chdir(folder);
}

static int remove_folder(void **state)
{
    (void)state;
    return chdir("..") || rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_file_in_its_place), cmocka_unit_test(another_file_copied_over_it),
        cmocka_unit_test(a_reader_is_told),          cmocka_unit_test(another_folder),
        cmocka_unit_test(a_backup_of_that_name),     cmocka_unit_test(a_file_cut_short),
        cmocka_unit_test(a_file_that_is_longer),     cmocka_unit_test(a_child_of_fork),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

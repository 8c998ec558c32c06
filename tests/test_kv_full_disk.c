/* Property: where no room is left a commit is refused or it is done, for as long as that lasts. All
 * addresses that the system gave are used. On a full disk the store never turns read-only, what was
 * acknowledged stays, deletes go through for as long as the log has room or can begin anew, and
 * puts do again when there is space.
 *
 * The disk here gives no space that was not taken while it had some: a write elsewhere finds none.
 */
#include "tests/check.h"
#include "kv/store.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
    ROW_BYTES = 44,
    BLOCK = 4096,
    BLOCKS = 1 << 14,
    ROUNDS = 8,
    LOG_BYTES = 1 << 18,
    ADDRESSES = 1 << 20
};

static bool full, taken[BLOCKS];
static ki_vfs disk;
static char path[64];

static int find_none(uint64_t offset, uint64_t bytes)
{
    for (uint64_t at = offset / BLOCK; at <= (offset + bytes - 1) / BLOCK; at++) {
        assert_true(at < BLOCKS);
        if (full && !taken[at])
            return errno = ENOSPC, -1;
        taken[at] = true;
    }
    return 0;
}

static ssize_t write_file(void *user, int file, const void *from, size_t bytes, uint64_t offset)
{
    if (find_none(offset, bytes))
        return -1;
    return ki_vfs_system.pwrite(user, file, from, bytes, offset);
}

static int allocate(void *user, int file, uint64_t offset, uint64_t bytes)
{
    return find_none(offset, bytes) ? -1 : ki_vfs_system.allocate(user, file, offset, bytes);
}

static ki_store *open_it(void)
{
    const ki_shape shape = {.row_bytes = ROW_BYTES, .keys = KITH_KEYS_U64};
    ki_store_config config = ki_store_defaults(&shape);
    ki_store *store = NULL;
    config.durability = KI_DURABLE_NONE;
    config.log_bytes = LOG_BYTES;
    config.unit_bytes = 4096;
    config.vfs = &disk;
    if (ki_store_open(path, &config, &store))
        fail_msg("%s", kith_last_error());
    return store;
}

/* A commit of n puts from `key` on. */
static kith_status put(ki_store *store, uint64_t key, size_t n)
{
    static uint64_t keys[4096];
    static ki_op op[4096];
    unsigned char row[ROW_BYTES] = {1}, aux[KI_AUX_BYTES] = {0};
    for (size_t i = 0; i < n; i++) {
        keys[i] = key + i;
        op[i] = (ki_op){.kind = KI_PUT, .key = &keys[i], .key_len = 8, .elements = row, .aux = aux};
    }
    return ki_store_commit(store, op, n, NULL, NULL);
}

static void until_refused(ki_store *store, uint64_t *key)
{
    kith_status status;
    while (!(status = put(store, *key, 10)))
        *key += 10;
    assert_int_equal(status, KITH_EIO);
    assert_non_null(strstr(kith_last_error(), "no disk space"));
}

static void refused_and_never_the_end(void **state)
{
    uint64_t key = 0, random = check_seed();
    (void)state;
    ki_store *store = open_it();
    for (int round = 0; round < ROUNDS; round++) {
        for (uint64_t i = check_below(&random, 400); i > 0; i--, key++)
            assert_int_equal(put(store, key, 1), KITH_OK);
        full = true;
        until_refused(store, &key);
        assert_int_equal(put(store, key, 4000), KITH_EIO); /* beyond the log */
        for (uint64_t i = 0; i < 300; i++) {
            uint64_t dead = key - 1 - i;
            if (ki_store_del(store, &dead, 8))
                fail_msg("a delete on a full disk: %s", kith_last_error());
        }
        key -= 300;
        full = false;
        if (put(store, key, 1))
            fail_msg("space again: %s", kith_last_error());
        key++;
    }
    assert_int_equal(ki_store_live_count(store), key);
    ki_store_close(store);
    store = open_it();
    assert_int_equal(ki_store_live_count(store), key);
    assert_int_equal(ki_store_check(store, true, NULL, NULL), KITH_OK);
    ki_store_close(store);
}

static void *reserve_little(void *user, size_t bytes)
{
    return bytes > ADDRESSES ? NULL : ki_vfs_system.reserve(user, bytes);
}

static void all_addresses_are_used(void **state)
{
    uint64_t key = 0;
    (void)state;
    disk.reserve = reserve_little;
    ki_store *store = open_it();
    while (!put(store, key, 1))
        key++;
    assert_non_null(strstr(kith_last_error(), "addresses"));
    if (key < ADDRESSES / 64 - 2)
        fail_msg("only %llu rows of 64 bytes in %d", (unsigned long long)key, ADDRESSES);
    assert_int_equal(ki_store_live_count(store), key);
    assert_int_equal(ki_store_check(store, true, NULL, NULL), KITH_OK);
    ki_store_close(store);
    disk.reserve = ki_vfs_system.reserve;
    unlink(path);
}

static int begin(void **state)
{
    (void)state;
    disk = ki_vfs_system;
    disk.pwrite = write_file;
    disk.allocate = allocate;
    snprintf(path, sizeof path, "kith-full-%d.store", (int)getpid());
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_addresses_are_used),
        cmocka_unit_test(refused_and_never_the_end),
    };
    return cmocka_run_group_tests(tests, begin, end);
}

/* Property: who opens a store to read while another writes it and saves it all the time sees the
 * state after one commit, or is told that the store is busy; and long after the writer has gone on,
 * a check of what the reader stands on finds no damage.
 *
 * Commit n puts n into the metadata of every key, so that a mixture of two shows. The writer acts
 * whenever the reader's file is read, and in the middle of long reads of all but the heads.
 */
#include "tests/check.h"
#include "kv/store.h"

#include <string.h>
#include <unistd.h>

enum { ROW_BYTES = 64, KEYS = 300, META_BYTES = 8, LONG_READ = 4096, HEADS_BYTES = 32768 };

static char path[64];
static ki_store *writer;
static uint64_t number;
static bool restless;
static ki_vfs watched;

static ki_store_config config_of(bool read_only)
{
    const ki_shape shape = {.row_bytes = ROW_BYTES, .keys = KITH_KEYS_U64};
    ki_store_config config = ki_store_defaults(&shape);
    config.durability = KI_DURABLE_NONE;
    config.read_only = read_only;
    if (read_only)
        config.vfs = &watched;
    return config;
}

static void commit(ki_op_kind kind)
{
    static uint64_t key[KEYS];
    static ki_op op[KEYS];
    unsigned char row[ROW_BYTES] = {0}, aux[KI_AUX_BYTES] = {0};
    number++;
    for (uint64_t i = 0; i < KEYS; i++) {
        key[i] = i;
        op[i] = (ki_op){.kind = kind,
                        .key = &key[i],
                        .key_len = 8,
                        .elements = row,
                        .aux = aux,
                        .meta = &number,
                        .meta_len = META_BYTES};
    }
    if (ki_store_commit(writer, op, KEYS, NULL, NULL) || ki_store_checkpoint(writer))
        fail_msg("%s", kith_last_error());
}

static ssize_t watched_read(void *user, int file, void *to, size_t bytes, uint64_t offset)
{
    bool cut = bytes > LONG_READ && offset >= HEADS_BYTES && restless;
    ssize_t done = ki_vfs_system.pread(user, file, to, cut ? bytes / 2 : bytes, offset);
    if (restless && writer)
        commit(KI_SET_META);
    return done;
}

static void look(const ki_store *store, uint64_t want)
{
    uint64_t first = 0, meta = 0;
    for (uint64_t key = 0; key < KEYS; key++) {
        assert_int_equal(ki_store_get(store, NULL, &key, 8, NULL, &meta, META_BYTES, NULL),
                         KITH_OK);
        first = key == 0 ? meta : first;
        if (meta != first)
            fail_msg("key %llu is of commit %llu, key 0 of commit %llu", (unsigned long long)key,
                     (unsigned long long)meta, (unsigned long long)first);
    }
    if (want)
        assert_int_equal(first, want);
}

static void a_whole_commit_or_none(void **state)
{
    const ki_store_config config = config_of(true);
    ki_store *reader = NULL;
    (void)state;
    restless = true;
    kith_status status = ki_store_open(path, &config, &reader);
    restless = false;
    if (status)
        assert_int_equal(status, KITH_EBUSY);
    else
        look(reader, 0);
    ki_store_close(reader);
    reader = NULL;
    assert_int_equal(ki_store_open(path, &config, &reader), KITH_OK);
    look(reader, number);
    ki_store_close(reader);
}

static void no_damage_where_the_writer_went_on(void **state)
{
    const ki_store_config config = config_of(true);
    ki_store *reader = NULL;
    (void)state;
    assert_int_equal(ki_store_open(path, &config, &reader), KITH_OK);
    uint64_t opened = number;
    for (int i = 0; i < 5; i++) {
        commit(i % 2 ? KI_SET_META : KI_PUT);
        if (ki_store_check(reader, true, NULL, NULL))
            fail_msg("after %d commits: %s", i + 1, kith_last_error());
        look(reader, opened);
    }
    ki_store_close(reader);
}

static int begin(void **state)
{
    const ki_store_config config = config_of(false);
    (void)state;
    watched = ki_vfs_system;
    watched.pread = watched_read;
    snprintf(path, sizeof path, "kith-beside-%d.store", (int)getpid());
    unlink(path);
    if (ki_store_open(path, &config, &writer))
        return -1;
    commit(KI_PUT);
    return 0;
}

static int end(void **state)
{
    (void)state;
    ki_store_close(writer);
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_commit_or_none),
        cmocka_unit_test(no_damage_where_the_writer_went_on),
    };
    return cmocka_run_group_tests(tests, begin, end);
}

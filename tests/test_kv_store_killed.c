/* Property: a process that writes may be killed at any moment, and the file then holds the state
 * after one of its commits, at least the last one it was told of, in every durability; whatever it
 * was at (a commit, a checkpoint, a compaction, the recovery from the kill before).
 *
 *     test_kv_store_killed [kills]     200 unless said otherwise
 *
 * What commit number n does follows from n, so the parent knows every state without being told:
 * it reads from the file which commit was the last, and from a pipe which one was acknowledged.
 */
#include "tests/check.h"
#include "kv/store.h"

#include <glob.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { KEYS = 48, ROW_BYTES = 320, OPS_MOST = 9, KEY_MOST = 40, META_MOST = 200 };
enum { CHECKPOINT_EVERY = 41, COMPACT_EVERY = 211 };

/* Which commit put a key's row, and which its metadata; 0: the key is absent. Key 0 is written by
 * every commit and so tells its number. */
typedef struct state {
    uint64_t row[KEYS];
} state;

typedef struct change {
    uint32_t key;
    bool put;
} change;

static char path[64];
static uint64_t kills = 200;

static ki_store_config config_of(uint64_t round)
{
    const ki_shape shape = {.row_bytes = ROW_BYTES, .dim = 80, .keys = KITH_KEYS_BYTES};
    ki_store_config config = ki_store_defaults(&shape);
    config.durability = (ki_durability)(round % 3);
    config.interval_ms = 3;
    config.log_bytes = 32768;
    return config;
}

static size_t key_of(uint32_t key, char *out)
{
    return (size_t)snprintf(out, KEY_MOST, key % 2 ? "%u" : "a key of many more bytes %u", key);
}

static void row_of(uint32_t key, uint64_t number, unsigned char *row, unsigned char *aux)
{
    uint64_t random = number * KEYS + key;
    for (size_t i = 0; i < ROW_BYTES; i += 8) {
        uint64_t word = check_random(&random);
        memcpy(row + i, &word, 8);
    }
    memcpy(aux, row, KI_AUX_BYTES);
}

static uint32_t meta_of(uint32_t key, uint64_t number, unsigned char *meta)
{
    uint32_t bytes = key == 0 ? 8 : (uint32_t)((number * 7 + key * 31) % META_MOST);
    for (uint32_t i = 0; i < bytes; i++)
        meta[i] = (unsigned char)(number + key + i);
    if (key == 0)
        memcpy(meta, &number, 8);
    return bytes;
}

/* What commit `number` does to `s`, which it changes. Returns how many operations. */
static size_t changes_of(uint64_t number, state *s, change *out)
{
    uint64_t random = number ^ check_seed() << 32;
    size_t n = 1 + check_below(&random, OPS_MOST - 1);
    out[0] = (change){0, true};
    for (size_t i = 1; i < n; i++) {
        out[i].key = 1 + check_below(&random, KEYS - 1);
        out[i].put = s->row[out[i].key] == 0 || check_below(&random, 3) > 0;
        s->row[out[i].key] = out[i].put ? number : 0;
    }
    s->row[0] = number;
    return n;
}

static kith_status commit(ki_store *store, uint64_t number, state *s)
{
    static unsigned char row[OPS_MOST][ROW_BYTES], aux[OPS_MOST][KI_AUX_BYTES];
    static unsigned char meta[OPS_MOST][META_MOST];
    static char key[OPS_MOST][KEY_MOST];
    change todo[OPS_MOST];
    ki_op op[OPS_MOST];
    size_t n = changes_of(number, s, todo);
    for (size_t i = 0; i < n; i++) {
        op[i] = (ki_op){.kind = todo[i].put ? KI_PUT : KI_DEL, .key = key[i]};
        op[i].key_len = (uint16_t)key_of(todo[i].key, key[i]);
        op[i].elements = row[i];
        op[i].aux = aux[i];
        op[i].meta = meta[i];
        op[i].meta_len = todo[i].put ? meta_of(todo[i].key, number, meta[i]) : 0;
        row_of(todo[i].key, number, row[i], aux[i]);
    }
    return ki_store_commit(store, op, n, NULL, NULL);
}

/* The child: goes on from `s` for ever. */
static void write_on(uint64_t round, state s, int acknowledged)
{
    const ki_store_config config = config_of(round);
    ki_store *store = NULL;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    kith_status status = ki_store_open(path, &config, &store);
    for (uint64_t number = s.row[0] + 1; !status; number++) {
        status = commit(store, number, &s);
        if (!status && write(acknowledged, &number, sizeof number) != sizeof number)
            status = KITH_EIO;
        if (!status && number % CHECKPOINT_EVERY == 0)
            status = ki_store_checkpoint(store);
        if (!status && number % COMPACT_EVERY == 0)
            status = ki_store_compact(store, NULL, NULL);
    }
    fprintf(stderr, "the child failed: %s\n", kith_last_error());
    _exit(1);
}

/* Starts a child and kills it. Returns the last commit it acknowledged, or that of `s`. */
static uint64_t start_and_kill(uint64_t round, const state *s, uint64_t *random)
{
    uint64_t last = s->row[0], number;
    struct timespec nap = {.tv_nsec = (long)check_below(random, 15000000)};
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        write_on(round, *s, ends[1]);
    }
    close(ends[1]);
    bool wait_for_first = check_below(random, 4) > 0; /* else it may be killed while it opens */
    if (wait_for_first && read(ends[0], &number, sizeof number) == sizeof number)
        last = number;
    nanosleep(&nap, NULL);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    while (read(ends[0], &number, sizeof number) == sizeof number)
        last = number;
    close(ends[0]);
    return last;
}

static void look(const ki_store *store, uint32_t key, uint64_t number)
{
    unsigned char row[ROW_BYTES], aux[KI_AUX_BYTES], want[ROW_BYTES], meta[META_MOST];
    unsigned char want_meta[META_MOST];
    char name[KEY_MOST];
    size_t meta_len = 0, name_len = key_of(key, name);
    kith_status status = ki_store_get(store, NULL, name, name_len, row, meta, META_MOST, &meta_len);
    if (number == 0) {
        assert_int_equal(status, KITH_ENOTFOUND);
        return;
    }
    if (status)
        fail_msg("key %u, of commit %llu: %s", key, (unsigned long long)number, kith_last_error());
    row_of(key, number, want, aux);
    assert_memory_equal(row, want, ROW_BYTES);
    assert_int_equal(meta_len, meta_of(key, number, want_meta));
    assert_memory_equal(meta, want_meta, meta_len);
}

/* The state the file holds, checked whole. `s` is the one it held before, and becomes it. */
static void look_at_all(uint64_t round, uint64_t acknowledged, state *s)
{
    const ki_store_config config = config_of(round + 1);
    ki_store *store = NULL;
    change todo[OPS_MOST];
    uint64_t number = 0, live = 0;
    char name[KEY_MOST];
    if (ki_store_open(path, &config, &store))
        fail_msg("after kill %llu: %s", (unsigned long long)round, kith_last_error());
    (void)ki_store_get(store, NULL, name, key_of(0, name), NULL, &number, 8, NULL);
    if (number < acknowledged || number > acknowledged + 1)
        fail_msg("after kill %llu: commit %llu was acknowledged, and the file holds %llu",
                 (unsigned long long)round, (unsigned long long)acknowledged,
                 (unsigned long long)number);
    while (s->row[0] < number)
        changes_of(s->row[0] + 1, s, todo);
    for (uint32_t key = 0; key < KEYS; key++) {
        look(store, key, s->row[key]);
        live += s->row[key] != 0;
    }
    assert_int_equal(ki_store_live_count(store), live);
    if (ki_store_check(store, true, NULL, NULL))
        fail_msg("after kill %llu: %s", (unsigned long long)round, kith_last_error());
    ki_store_close(store);
}

/* The file, and what a killed compaction left beside it. */
static void remove_all(void)
{
    char pattern[80];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s*", path);
    if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            unlink(found.gl_pathv[i]);
        globfree(&found);
    }
}

static void killed_again_and_again(void **unused)
{
    uint64_t random = check_seed();
    state s = {{0}};
    (void)unused;
    snprintf(path, sizeof path, "kith-killed-%d.store", (int)getpid());
    remove_all();
    for (uint64_t round = 0; round < kills; round++) {
        uint64_t acknowledged = start_and_kill(round, &s, &random);
        look_at_all(round, acknowledged, &s);
    }
    printf("%llu kills, %llu commits\n", (unsigned long long)kills, (unsigned long long)s.row[0]);
    assert_true(s.row[0] > kills);
    remove_all();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(killed_again_and_again)};
    if (argc > 1)
        kills = strtoull(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

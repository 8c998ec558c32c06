/* bench_store.c - Kith's store beside LMDB and SQLite: puts, gets, space, opening, recovery.
 *
 * May include shim.h and stores.h. Names are WHAT/VECTOR_BYTES/STORE; sh bench/store.sh runs them,
 * interleaved at random, and sets the medians against each other.
 *
 *     put1000, put1   durable commits of 1000 items and of one, into a new file; items_per_s
 *     get             a random key, and one byte read of every line of its vector; the file is
 *                     in the page cache
 *     space           of a file with all items, closed: what it takes beyond the bytes of keys
 *                     and vectors, in percent (overhead), and what making it took in commits of
 *                     1000 (items_per_s). Kith's log is not counted, as it does not grow with
 *                     the items; log_mb says how long it is.
 *     open            Kith alone: opening that file, which was closed properly
 *     recover         Kith alone: opening one whose writer was gone after a million puts, none of
 *                     them in a checkpoint
 *
 * Keys are hashes of a counter, so they arrive in no order. The environment: KITH_BENCH_DIR is
 * where the files are made (a real disk: on tmpfs a sync costs nothing), KITH_BENCH_ITEMS how many
 * of 512 bytes are in the large files (1,000,000; of 3072 bytes a fifth of that).
 */
#include "bench/shim.h"
#include "bench/stores.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 1000, LINE_BYTES = 64, LONGEST = 3072, COPY_BYTES = 1 << 20 };

typedef struct one_case {
    const contender *who;
    uint32_t vector_bytes, batch;
} one_case;

/* The large file of a store: made when the first benchmark asks for it. */
typedef struct large {
    const contender *who;
    uint32_t vector_bytes;
    void *open; /* while gets run */
    double seconds;
    int there;
} large;

static const contender *const all[] = {&contender_kith, &contender_lmdb, &contender_sqlite};
static const uint32_t lengths[] = {512, LONGEST};

static char directory[PATH_ROOM / 2];
static uint64_t large_items;
static float vectors[BATCH * LONGEST / sizeof(float)];
static unsigned char keys[BATCH * KEY_BYTES];
static one_case put_cases[12];
static large files[6];
static volatile unsigned touched; /* so that reading is not optimised away */

static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static void make_key(uint64_t number, unsigned char *key)
{
    const uint64_t half[2] = {mix(number), mix(~number)};
    memcpy(key, half, KEY_BYTES);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void name_file(const contender *who, const char *what, uint32_t vector_bytes, char *out)
{
    snprintf(out, PATH_ROOM, "%s/%s-%s-%u.db", directory, what, who->name, vector_bytes);
}

static int put_batch(const contender *who, void *store, uint64_t first, size_t n)
{
    for (size_t i = 0; i < n; i++)
        make_key(first + i, keys + i * KEY_BYTES);
    return who->put(store, keys, vectors, n);
}

/* The first commit, which finds an empty file, is not timed. */
static void put_all(bench_state *state, void *user)
{
    const one_case *c = user;
    void *store = NULL;
    uint64_t done = c->batch;
    char path[PATH_ROOM];
    int bad;
    name_file(c->who, "put", c->vector_bytes, path);
    c->who->remove(path);
    bad = c->who->open(path, c->vector_bytes, &store) || put_batch(c->who, store, 0, c->batch);
    while (!bad && bench_next(state)) {
        bad = put_batch(c->who, store, done, c->batch);
        done += c->batch;
    }
    if (bad)
        bench_skip(state, c->who->trouble());
    else
        bench_rate(state, "items_per_s", (double)(done - c->batch));
    c->who->close(store);
    c->who->remove(path);
}

static uint64_t items_of(uint32_t vector_bytes)
{
    return vector_bytes == lengths[0] ? large_items : large_items / 5;
}

static int fill_file(const contender *who, const char *path, uint32_t vector_bytes, uint64_t items,
                     void **out)
{
    who->remove(path);
    if (who->open(path, vector_bytes, out))
        return -1;
    for (uint64_t i = 0; i < items; i += BATCH)
        if (put_batch(who, *out, i, BATCH))
            return -1;
    return 0;
}

/* Makes the large file if it is not there yet, and leaves it closed. */
static int need_file(large *f, char *path)
{
    name_file(f->who, "large", f->vector_bytes, path);
    if (f->there)
        return 0;
    void *store = NULL;
    double start = now();
    int bad = fill_file(f->who, path, f->vector_bytes, items_of(f->vector_bytes), &store);
    f->seconds = now() - start;
    f->who->close(store);
    f->there = !bad;
    return bad;
}

static void close_reader(large *f)
{
    if (f->open) {
        f->who->get_end(f->open);
        f->who->close(f->open);
    }
    f->open = NULL;
}

static unsigned touch(const unsigned char *vector, uint32_t bytes)
{
    unsigned sum = 0;
    for (uint32_t i = 0; i < bytes; i += LINE_BYTES)
        sum += vector[i];
    return sum;
}

/* Opens for gets, and maps every page before a clock runs. */
static int open_reader(large *f)
{
    char path[PATH_ROOM];
    unsigned char key[KEY_BYTES];
    if (f->open)
        return 0;
    if (need_file(f, path) || f->who->open(path, f->vector_bytes, &f->open) ||
        f->who->get_begin(f->open))
        return -1;
    for (uint64_t i = 0; i < items_of(f->vector_bytes); i++) {
        make_key(i, key);
        const void *vector = f->who->get(f->open, key);
        if (!vector)
            return -1;
        touched += touch(vector, f->vector_bytes);
    }
    return 0;
}

static void get_all(bench_state *state, void *user)
{
    static uint64_t random;
    large *f = user;
    unsigned char key[KEY_BYTES];
    if (open_reader(f)) {
        bench_skip(state, f->who->trouble());
        return;
    }
    while (bench_next(state)) {
        make_key(mix(random++) % items_of(f->vector_bytes), key);
        const void *vector = f->who->get(f->open, key);
        if (!vector) {
            bench_skip(state, "a key that was put is not there");
            return;
        }
        touched += touch(vector, f->vector_bytes);
    }
}

static void measure_space(bench_state *state, void *user)
{
    large *f = user;
    struct stat facts;
    char path[PATH_ROOM];
    while (bench_next(state)) {
    }
    if (need_file(f, path) || stat(path, &facts)) {
        bench_skip(state, f->who->trouble());
        return;
    }
    close_reader(f);
    double log_bytes = (double)f->who->log_bytes(path);
    double items = (double)items_of(f->vector_bytes);
    double payload = items * (f->vector_bytes + KEY_BYTES);
    double taken = (double)facts.st_blocks * 512 - log_bytes;
    bench_number(state, "overhead", 100 * (taken - payload) / payload);
    bench_number(state, "log_mb", log_bytes / 1e6);
    bench_number(state, "made_per_s", items / f->seconds);
}

static void open_clean(bench_state *state, void *user)
{
    large *f = user;
    char path[PATH_ROOM];
    if (need_file(f, path)) {
        bench_skip(state, f->who->trouble());
        return;
    }
    close_reader(f);
    while (bench_next(state)) {
        void *store = NULL;
        int bad = f->who->open(path, f->vector_bytes, &store);
        bench_pause(state);
        f->who->close(store);
        bench_resume(state);
        if (bad) {
            bench_skip(state, f->who->trouble());
            return;
        }
    }
}

static int copy_file(const char *from, const char *to)
{
    static char buffer[COPY_BYTES];
    int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
    ssize_t n = -1;
    if (in >= 0)
        out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    while (out >= 0 && (n = read(in, buffer, sizeof buffer)) > 0)
        if (write(out, buffer, (size_t)n) != n) {
            n = -1;
            break;
        }
    if (out >= 0)
        n = fsync(out) || n ? -1 : 0; /* no recovery waits for another's writes */
    close(in);
    close(out);
    return (int)n;
}

/* A child puts a million items and is gone without a goodbye. */
static int leave_log(const contender *who, const char *path, uint32_t vector_bytes)
{
    int status = 1;
    pid_t child = fork();
    if (child == 0) {
        void *store = NULL;
        _exit(fill_file(who, path, vector_bytes, large_items, &store) ? 1 : 0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    return status ? -1 : 0;
}

static void recover(bench_state *state, void *user)
{
    static int left;
    large *f = user;
    char path[PATH_ROOM], copy[PATH_ROOM];
    void *store = NULL;
    name_file(f->who, "crashed", f->vector_bytes, path);
    name_file(f->who, "recovered", f->vector_bytes, copy);
    if (!left && leave_log(f->who, path, f->vector_bytes)) {
        bench_skip(state, "the child could not put its items");
        return;
    }
    left = 1;
    int bad = copy_file(path, copy);
    while (bench_next(state)) /* one iteration: a file is recovered once */
        bad = bad || f->who->open(copy, f->vector_bytes, &store);
    unsigned char key[KEY_BYTES];
    make_key(large_items - 1, key);
    bad = bad || f->who->get_begin(store) || !f->who->get(store, key);
    if (bad)
        bench_skip(state, f->who->trouble());
    f->who->close(store);
    f->who->remove(copy);
}

static void add(const char *what, const contender *who, uint32_t vector_bytes, bench_fn work,
                void *user, long iterations)
{
    char name[64];
    snprintf(name, sizeof name, "%s/%u/%s", what, vector_bytes, who->name);
    bench_add_timed(name, work, user, iterations);
}

static void add_all(void)
{
    size_t p = 0, l = 0;
    for (size_t w = 0; w < sizeof all / sizeof *all; w++)
        for (size_t b = 0; b < sizeof lengths / sizeof *lengths; b++) {
            one_case *batch = &put_cases[p++], *single = &put_cases[p++];
            *batch = (one_case){all[w], lengths[b], BATCH};
            *single = (one_case){all[w], lengths[b], 1};
            large *f = &files[l++];
            *f = (large){.who = all[w], .vector_bytes = lengths[b]};
            add("put1000", all[w], lengths[b], put_all, batch, b ? 20 : 40);
            add("put1", all[w], lengths[b], put_all, single, 200);
            add("get", all[w], lengths[b], get_all, f, 200000);
            add("space", all[w], lengths[b], measure_space, f, 1);
        }
    add("open", all[0], lengths[0], open_clean, &files[0], 3);
    add("recover", all[0], lengths[0], recover, &files[0], 1);
}

static void remove_all(void)
{
    char path[PATH_ROOM];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        close_reader(&files[i]);
        name_file(files[i].who, "large", files[i].vector_bytes, path);
        files[i].who->remove(path);
        name_file(files[i].who, "crashed", files[i].vector_bytes, path);
        files[i].who->remove(path);
    }
}

int main(int argc, char **argv)
{
    const char *where = getenv("KITH_BENCH_DIR"), *items = getenv("KITH_BENCH_ITEMS");
    snprintf(directory, sizeof directory, "%s", where ? where : ".");
    large_items = items ? strtoull(items, NULL, 10) / (5 * BATCH) * (5 * BATCH) : 1000000;
    if (!bench_start(&argc, argv))
        return 2;
    if (!large_items) {
        fprintf(stderr, "KITH_BENCH_ITEMS is below %d\n", 5 * BATCH);
        return 2;
    }
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        vectors[i] = (float)(int32_t)(mix(i) >> 40) * 0x1p-23f;
    bench_context("items", items ? items : "1000000");
    add_all();
    size_t ran = bench_run();
    remove_all();
    return ran ? 0 : 1;
}

/* bench_kv_order.c - nanoseconds an operation of the ordered directory and of the hash directory.
 *
 * May include kv/ headers and shim.h. Names are directory/operation/keys, so that
 * --benchmark_filter can pick:
 *
 *     avl/insert, avl/delete     one row of a directory that has all the others
 *     avl/seek                   a cursor to a key that is there
 *     avl/next                   one step of a cursor through all keys
 *     avl/build                  all keys at once, a key
 *     hash/insert, find, delete  the same of the directory that answers point gets
 *
 * Keys are 16 random bytes and lie one after the other, as cells would; rows are visited in random
 * order. An insert is measured on keys that were taken out just before, outside the time (so the
 * paths to them are warm), and a delete on keys that are put back. avl/insert and avl/delete show
 * as counters the height, and rotations an operation by kind. These are fewer than fresh keys
 * need, since what is put back finds the place that it left.
 *
 * Compare within one run, with --benchmark_enable_random_interleaving=true.
 */
#include "bench/shim.h"
#include "kv/ordered.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES = 16, BATCH = 1000, SIZES = 3, MOST = 1000000 };

static const uint32_t sizes[SIZES] = {10000, 100000, MOST};

static unsigned char keys[MOST][KEY_BYTES];
static uint32_t shuffled[SIZES][MOST];

/* Directories of one size, made when first used. */
static struct set {
    uint32_t n, at; /* at: where in `shuffled` the next batch begins */
    const uint32_t *rows;
    ki_ordered *ordered;
    ki_directory *directory;
} sets[SIZES];

static uint64_t random_bits(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static void key_of(const void *user, uint32_t row, const void **key, size_t *key_len)
{
    (void)user;
    *key = keys[row];
    *key_len = KEY_BYTES;
}

static uint64_t birth_of(const void *user, uint32_t row)
{
    (void)user;
    return row;
}

static bool visible(const void *user, uint32_t row, uint64_t lsn)
{
    (void)user;
    return row <= lsn;
}

static bool present(const void *user, uint32_t row)
{
    (void)user;
    return row < MOST;
}

static bool same(const void *user, uint32_t row, const void *key, size_t key_len)
{
    (void)user;
    return key_len == KEY_BYTES && memcmp(keys[row], key, KEY_BYTES) == 0;
}

static void must(kith_status status)
{
    if (status == KITH_OK)
        return;
    fprintf(stderr, "bench_kv_order: %s\n", kith_last_error());
    exit(1);
}

static void draw(void)
{
    uint64_t random = 88172645463325252u;
    for (uint32_t i = 0; i < MOST; i++)
        for (size_t at = 0; at < KEY_BYTES; at += sizeof random) {
            uint64_t bits = random_bits(&random);
            memcpy(keys[i] + at, &bits, sizeof bits);
        }
    for (int i = 0; i < SIZES; i++) {
        sets[i] = (struct set){.n = sizes[i], .rows = shuffled[i]};
        for (uint32_t row = 0; row < sizes[i]; row++) {
            uint32_t other = (uint32_t)(random_bits(&random) % (row + 1));
            shuffled[i][row] = shuffled[i][other];
            shuffled[i][other] = row;
        }
    }
}

static void make_ordered(struct set *set)
{
    ki_order_source source = {
        .key_of = key_of, .birth_of = birth_of, .visible = visible, .present = present};
    if (set->ordered)
        return;
    must(ki_ordered_open(KITH_KEYS_BYTES, &source, &set->ordered));
    must(ki_ordered_reserve(set->ordered, set->n));
    for (uint32_t i = 0; i < set->n; i++)
        ki_ordered_insert(set->ordered, set->rows[i]);
}

static void make_directory(struct set *set)
{
    if (set->directory)
        return;
    must(ki_directory_open(same, NULL, &set->directory));
    must(ki_directory_reserve(set->directory, set->n));
    for (uint32_t i = 0; i < set->n; i++)
        ki_directory_set(set->directory, keys[set->rows[i]], KEY_BYTES, set->rows[i]);
}

/* The rows of the next batch. */
static const uint32_t *next_rows(struct set *set)
{
    const uint32_t *rows = set->rows + set->at;
    set->at = (set->at + BATCH) % set->n;
    return rows;
}

/* ---- What is measured: each call is one batch --------------------------------------------- */

static void insert_all(const struct set *set, const uint32_t *rows)
{
    for (uint32_t i = 0; i < BATCH; i++)
        ki_ordered_insert(set->ordered, rows[i]);
}

static void delete_all(const struct set *set, const uint32_t *rows)
{
    for (uint32_t i = 0; i < BATCH; i++)
        ki_ordered_remove(set->ordered, rows[i]);
}

static void set_all(const struct set *set, const uint32_t *rows)
{
    for (uint32_t i = 0; i < BATCH; i++)
        ki_directory_set(set->directory, keys[rows[i]], KEY_BYTES, rows[i]);
}

static void unset_all(const struct set *set, const uint32_t *rows)
{
    for (uint32_t i = 0; i < BATCH; i++)
        ki_directory_remove(set->directory, keys[rows[i]], KEY_BYTES);
}

typedef void (*batch_fn)(const struct set *set, const uint32_t *rows);

/* One of a pair of opposites is measured, in the order in which they come. */
static void work_pair(bench_state *state, struct set *set, batch_fn first, batch_fn second,
                      bool second_is_measured)
{
    const ki_avl *tree = set->ordered ? ki_ordered_tree(set->ordered) : NULL;
    uint64_t singles = 0, doubles = 0, operations = 0;
    while (bench_next(state)) {
        const uint32_t *rows = next_rows(set);
        if (second_is_measured) {
            bench_pause(state);
            first(set, rows);
            bench_resume(state);
        }
        uint64_t singles_before = tree ? tree->singles : 0,
                 doubles_before = tree ? tree->doubles : 0;
        second_is_measured ? second(set, rows) : first(set, rows);
        singles += tree ? tree->singles - singles_before : 0;
        doubles += tree ? tree->doubles - doubles_before : 0;
        operations += BATCH;
        if (!second_is_measured) {
            bench_pause(state);
            second(set, rows);
            bench_resume(state);
        }
    }
    bench_operations(state, BATCH);
    if (first != delete_all)
        return;
    bench_number(state, "height", ki_avl_height(tree));
    bench_number(state, "single_per_op", (double)singles / (double)operations);
    bench_number(state, "double_per_op", (double)doubles / (double)operations);
}

static void avl_insert(bench_state *state, void *user)
{
    make_ordered(user);
    work_pair(state, user, delete_all, insert_all, true);
}

static void avl_delete(bench_state *state, void *user)
{
    make_ordered(user);
    work_pair(state, user, delete_all, insert_all, false);
}

static void hash_insert(bench_state *state, void *user)
{
    make_directory(user);
    work_pair(state, user, unset_all, set_all, true);
}

static void hash_delete(bench_state *state, void *user)
{
    make_directory(user);
    work_pair(state, user, unset_all, set_all, false);
}

static void avl_seek(bench_state *state, void *user)
{
    struct set *set = user;
    uint32_t sum = 0;
    ki_cursor cursor;
    make_ordered(set);
    ki_cursor_init(&cursor, set->ordered, UINT64_MAX, NULL, 0);
    while (bench_next(state)) {
        const uint32_t *rows = next_rows(set);
        for (uint32_t i = 0; i < BATCH; i++)
            sum += ki_cursor_seek(&cursor, keys[rows[i]], KEY_BYTES);
    }
    __asm__ volatile("" : : "r"(sum));
    bench_operations(state, BATCH);
}

static void avl_next(bench_state *state, void *user)
{
    struct set *set = user;
    uint32_t sum = 0;
    ki_cursor cursor;
    make_ordered(set);
    ki_cursor_init(&cursor, set->ordered, UINT64_MAX, NULL, 0);
    while (bench_next(state))
        for (uint32_t i = 0; i < BATCH; i++) {
            uint32_t row = ki_cursor_next(&cursor);
            sum += row == KI_NO_ROW ? ki_cursor_first(&cursor) : row;
        }
    __asm__ volatile("" : : "r"(sum));
    bench_operations(state, BATCH);
}

static void avl_build(bench_state *state, void *user)
{
    struct set *set = user;
    make_ordered(set);
    while (bench_next(state))
        must(ki_ordered_build(set->ordered, set->n));
    bench_operations(state, set->n);
    ki_ordered_close(set->ordered); /* the others measure a tree that grew */
    set->ordered = NULL;
}

static void hash_find(bench_state *state, void *user)
{
    struct set *set = user;
    uint32_t sum = 0;
    make_directory(set);
    while (bench_next(state)) {
        const uint32_t *rows = next_rows(set);
        for (uint32_t i = 0; i < BATCH; i++)
            sum += ki_directory_find(set->directory, keys[rows[i]], KEY_BYTES);
    }
    __asm__ volatile("" : : "r"(sum));
    bench_operations(state, BATCH);
}

static const struct operation {
    const char *name;
    bench_fn work;
} operations[] = {
    {"avl/insert", avl_insert},   {"avl/delete", avl_delete}, {"avl/seek", avl_seek},
    {"avl/next", avl_next},       {"avl/build", avl_build},   {"hash/insert", hash_insert},
    {"hash/delete", hash_delete}, {"hash/find", hash_find},
};

int main(int argc, char **argv)
{
    if (!bench_start(&argc, argv))
        return 2;
    bench_context("kith", kith_version());
    draw();
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        for (int size = 0; size < SIZES; size++) {
            char name[64];
            snprintf(name, sizeof name, "%s/%u", operations[i].name, sizes[size]);
            bench_add(name, operations[i].work, &sets[size]);
        }
    return bench_run() ? 0 : 1;
}

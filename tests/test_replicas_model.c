/* Property: whatever happens in whatever order - puts, deletions, builds, refreshes, devices that
 * come, go, fail and recover - replicas of a flat index answer as a flat index does, and copies of
 * a partition that were refreshed at one LSN have one digest.
 */
#include "tests/shaky_device.h"

#include <string.h>

enum { N = 200, KEYS = 500, QUERIES = 30, K = 7, STEPS = 150, DEVICES = 4 };

typedef struct model {
    shaky_bench b;
    matrix rows;
    kith_replicas *replicas;
    uint64_t random;
    bool has[DEVICES];
    uint32_t count;
} model;

static const char *const names[] = {"ocl0", "ocl1", "ocl2", "ocl3"};

static void search(model *m)
{
    const kith_search_options options = kith_search_defaults(K);
    kith_replicas_report report = {.size = sizeof report};
    kith_hit hits[QUERIES * K], *right = exact_hits(&m->b, QUERIES, K);
    must(kith_replicas_search(m->replicas, m->b.queries.bytes, QUERIES, &options, hits, &report));
    same_hits(right, hits, QUERIES * K, "in the model");
    assert_int_equal(report.rows, report.rows_searched);
    assert_int_equal(report.mode, KITH_MODE_EXACT);
    free(right);
}

static void write_some(model *m)
{
    for (uint32_t i = check_below(&m->random, 30); i > 0; i--) {
        const uint64_t key = check_below(&m->random, KEYS);
        if (check_below(&m->random, 3))
            must(kith_store_put_u64(m->b.store, key,
                                    row_at(&m->rows, check_below(&m->random, KEYS))));
        else
            kith_store_del_u64(m->b.store, key); /* or it is not there */
    }
}

static void change_device(model *m, uint32_t d)
{
    if (!m->has[d]) {
        atomic_store(&shaky[d].failing, false);
        must(kith_replicas_add(m->replicas, names[d]));
    } else {
        must(kith_replicas_drop(m->replicas, names[d]));
    }
    m->has[d] = !m->has[d];
}

static void compare_digests(model *m)
{
    kith_copy_info info = {.size = sizeof info}, first[64] = {{0}};
    must(kith_replicas_refresh(m->replicas, NULL, NULL));
    for (size_t i = 0; kith_replicas_copy(m->replicas, i, &info) == KITH_OK; i++) {
        kith_copy_info *other = &first[info.partition];
        if (info.state != KITH_COPY_OK)
            continue;
        if (!other->digest)
            *other = info;
        assert_true(info.digest && info.lsn == other->lsn && info.digest == other->digest);
        assert_true(info.rows == other->rows);
    }
}

static void step(model *m)
{
    const uint32_t what = check_below(&m->random, 12), d = check_below(&m->random, DEVICES);
    if (what < 4)
        write_some(m);
    else if (what == 4)
        change_device(m, d);
    else if (what == 5)
        atomic_store(&shaky[d].failing, check_below(&m->random, 2) != 0);
    else if (what == 6)
        must(kith_index_build(m->b.index, NULL, NULL));
    else if (what == 7)
        compare_digests(m);
    else if (what == 8)
        atomic_store(&shaky[d].ns_per_query, check_below(&m->random, 3) * 5000);
    else
        search(m);
}

static void run(kith_type type, uint32_t partitions, uint32_t copies, uint64_t *random)
{
    model *m = calloc(1, sizeof *m);
    bench_open(&m->b, KITH_FLAT, type, N, QUERIES, random);
    m->rows = matrix_clustered(type, 16, KEYS, 20, random);
    m->random = check_random(random);
    kith_replicas_options options = shaky_options(partitions, copies, 3);
    must(kith_replicas_create(m->b.index, &options, NULL, NULL, &m->replicas));
    size_t held = 0;
    while (held < (size_t)partitions * copies) {
        const kith_copy_info info = copy_info(m->replicas, held++);
        m->has[info.device[3] - '0'] = true;
    }
    for (uint32_t i = 0; i < STEPS; i++)
        step(m);
    search(m);
    kith_replicas_close(m->replicas);
    matrix_free(&m->rows);
    bench_close(&m->b);
    free(m);
}

static void replicas_are_as_flat(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    run(KITH_U8, 1, 2, &random);
    run(KITH_U8, 3, 2, &random);
    run(KITH_F32, 2, 1, &random);
    run(KITH_F32, 4, 3, &random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(replicas_are_as_flat)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

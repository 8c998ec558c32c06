/* Property: dead rows lead the way and are no answer, as in the host's walk, to the last hop. Where
 * there are more of them around a query than a pool has room for, the answer is the exact one.
 */
#include "tests/opencl_walk.h"

#include <string.h>

enum { ROWS = 1200, QUERIES = 30 };

static int by_entry(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The nearest live rows of all. */
static void exact(const cloud *c, const uint32_t *keys, const uint64_t *live, uint32_t want,
                  uint64_t *out)
{
    uint64_t *all = malloc((ROWS + want) * sizeof *all);
    assert_non_null(all);
    memset(all, 0xff, (ROWS + want) * sizeof *all);
    for (uint32_t row = 0; row < c->count; row++)
        if (live[row / 64] >> row % 64 & 1)
            all[row] = (uint64_t)keys[row] << 32 | row;
    qsort(all, ROWS, sizeof *all, by_entry);
    memcpy(out, all, want * sizeof *out);
    free(all);
}

typedef struct tally {
    uint32_t walked, scanned;
} tally;

/* Each query alone, so that its hops are known: either the walk of the twin, or the exact answer.
 */
static void compare(ki_device_rows *rows, const cloud *c, const web *w, const uint64_t *live,
                    uint32_t ef, uint32_t want, tally *t)
{
    ki_device_queries queries = cloud_queries(c);
    uint32_t *keys = host_keys(c, &queries);
    uint64_t *right = malloc(want * sizeof *right);
    assert_non_null(right);
    queries.count = 1;
    for (uint32_t q = 0; q < QUERIES; q++) {
        ki_walk_counts counts = {0};
        queries.base = c->asked + q * queries.stride;
        uint64_t *got = device_walk(rows, &queries, ef, want, &counts);
        const uint64_t hops =
            twin_walk(w, c->count, keys + (size_t)q * c->count, live, ef, want, right);
        const bool same = memcmp(right, got, want * sizeof *right) == 0;
        if (!same || counts.hops != hops) {
            exact(c, keys + (size_t)q * c->count, live, want, right);
            expect_answers(right, got, want, "neither the walk nor the exact answer");
            assert_true(counts.hops < hops); /* given up on the way */
            t->scanned++;
        } else {
            t->walked++;
        }
        free(got);
    }
    free(right);
    free(keys);
}

static tally among_dead(const char *shape, uint32_t percent, uint32_t ef, uint64_t seed)
{
    uint64_t state = seed;
    tally t = {0};
    setenv("KITH_OPENCL_SHAPE", shape, 1);
    ki_device *device = opencl_open();
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, 10, ROWS, QUERIES, check_random(&state));
    web w = web_new(&c, 32, check_random(&state));
    uint64_t *live = random_live(ROWS, percent, &state);
    c.set.live = live;
    ki_device_rows *rows = put_web(device, &c, &w);
    compare(rows, &c, &w, live, ef, ef / 3 + 1, &t);
    print_message("%s, %u%% live, ef %u: %u walked, %u scanned\n", shape, percent, ef, t.walked,
                  t.scanned);
    device->ops->drop_rows(rows);
    device->ops->close(device);
    unsetenv("KITH_OPENCL_SHAPE");
    free(live);
    web_free(&w);
    cloud_free(&c);
    return t;
}

static void each_share(const char *shape)
{
    static const uint32_t percents[] = {99, 90, 70, 50};
    static const uint32_t efs[] = {1, 5, 20, 60};
    uint64_t state = check_seed();
    for (size_t i = 0; i < 4; i++)
        for (size_t e = 0; e < 4; e++) {
            const tally t = among_dead(shape, percents[i], efs[e], check_random(&state));
            assert_true(t.walked >= QUERIES - QUERIES / 10);
        }
    const tally few = among_dead(shape, 10, 60, check_random(&state));
    assert_true(few.scanned > 0);
    assert_int_equal(few.walked + few.scanned, QUERIES);
    among_dead(shape, 1, 20, check_random(&state));
    among_dead(shape, 0, 20, check_random(&state));
}

static void laid_out_for_a_cpu(void **unused)
{
    (void)unused;
    each_share("cpu");
}

static void laid_out_for_a_gpu(void **unused)
{
    (void)unused;
    each_share("gpu");
}

/* Deletions reach the device, and so does their end; by either way. */
static void told_anew(void **unused)
{
    (void)unused;
    uint64_t state = check_seed();
    ki_device *device = opencl_open();
    cloud c = cloud_new(KITH_U8, KITH_L2SQ, 10, ROWS, QUERIES, check_random(&state));
    web w = web_new(&c, 32, check_random(&state));
    ki_device_rows *rows = put_web(device, &c, &w);
    const ki_device_queries queries = cloud_queries(&c);
    for (uint32_t round = 0; round < 4; round++) {
        uint64_t hops, *live = random_live(ROWS, 80, &state);
        c.set.live = round % 2 ? NULL : live;
        assert_int_equal(device->ops->set_live(rows, c.set.live), KITH_OK);
        uint64_t *right = host_walk(&c, &w, &queries, 50, 10, &hops);
        uint64_t *got = device_walk(rows, &queries, 50, 10, NULL);
        expect_answers(right, got, (size_t)QUERIES * 10, "told anew");
        free(right);
        free(got);
        uint64_t *scanned = malloc(QUERIES * 10 * sizeof *scanned);
        uint32_t *keys = host_keys(&c, &queries);
        uint64_t one[10];
        assert_non_null(scanned);
        assert_int_equal(device->ops->scan(rows, &queries, 10, scanned), KITH_OK);
        if (!c.set.live)
            memset(live, 0xff, (ROWS / 64 + 1) * sizeof *live);
        for (uint32_t q = 0; q < QUERIES; q++) {
            exact(&c, keys + (size_t)q * ROWS, live, 10, one);
            expect_answers(one, scanned + (size_t)q * 10, 10, "a scan");
        }
        free(keys);
        free(scanned);
        free(live);
    }
    device->ops->drop_rows(rows);
    device->ops->close(device);
    web_free(&w);
    cloud_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(laid_out_for_a_cpu),
        cmocka_unit_test(laid_out_for_a_gpu),
        cmocka_unit_test(told_anew),
    };
    setenv("KITH_CACHE", "disabled", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

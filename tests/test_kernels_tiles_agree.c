/* A tile of queries and rows holds the keys that pair gives, one by one.
 *
 * Every kernel that some set of this machine's levels makes; few dimensions with small and large
 * tiles, every dimension with one tile; empty tiles; rows at odd addresses and strides, keys at
 * any distance from line to line, queries packed once for several blocks of rows. The check is
 * kc_check_tile (kernel_tiles.c).
 */
#include "tests/check.h"
#include "tests/kernel_cases.h"

enum { ROWS = 41, QUERIES = 34 };

static bool is_filled(ki_pairing pairing)
{
    const kc_slot *any;
    size_t count = 0;
    for (int m = 0; m < KI_METRIC_COUNT; m++)
        count += kc_variants((kith_metric)m, pairing, &any);
    return count > 0;
}

/* Every variant of the metrics that take dimension number i. */
static void check_set(kc_set *set, size_t i, uint32_t m, uint32_t n, uint64_t *random)
{
    for (int metric = 0; metric < KI_METRIC_COUNT; metric++) {
        const kc_slot *variants;
        const size_t count = kc_variants((kith_metric)metric, set->pairing, &variants);
        if (!count || !kc_takes_dimension((kith_metric)metric, set->pairing, i))
            continue;
        for (size_t v = 0; v < count; v++) {
            const char *why =
                kc_check_tile(&variants[v], set, m, n, check_below(random, 64), random);
            if (why)
                fail_msg("%s", why);
        }
    }
}

static void check_size(ki_pairing pairing, uint32_t dim, size_t i, uint32_t m, uint32_t n,
                       uint64_t *random)
{
    const bool from_f32 = kc_takes_f32(pairing) && check_below(random, 2);
    const uint32_t queries = m < QUERIES ? m + 1 : QUERIES, rows = n < ROWS ? n + 1 : ROWS;
    kc_set set;
    if (!is_filled(pairing))
        return;
    kc_open_queries(&set, pairing, from_f32, dim, rows, queries, (int)(i % 5),
                    check_random(random));
    check_set(&set, i, m, n, random);
    kc_close(&set);
}

/* All small sizes, and those on both sides of every block that a tile may be cut into. */
static void every_size(void **state)
{
    static const uint32_t sizes[] = {0,  1,  2,  3,  4,  5,  6,  7,  8, 9,
                                     11, 12, 13, 15, 16, 17, 31, 32, 33};
    static const uint32_t dims[] = {1, 19, 64, 100, 133};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    uint64_t random = check_seed();
    (void)state;
    for (int p = 0; p < KI_PAIRING_COUNT; p++)
        for (size_t a = 0; a < SIZES; a++)
            for (size_t b = 0; b < SIZES; b++)
                check_size((ki_pairing)p, dims[(a + b) % 5], a * 7 + b, sizes[a], sizes[b],
                           &random);
}

static void every_dimension(void **state)
{
    static const uint32_t sizes[] = {7, 1, 16, 4, 17, 33, 6};
    uint64_t random = check_seed();
    uint32_t dim;
    (void)state;
    for (int p = 0; p < KI_PAIRING_COUNT; p++)
        for (size_t i = 0; (dim = kc_dimension((ki_pairing)p, i)) != 0; i++)
            check_size((ki_pairing)p, dim, i, sizes[i % 7], dim < 600 ? sizes[i % 5] : 9, &random);
}

/* More rows than any block inside, so that every loop around the blocks turns. */
static void long_tiles(void **state)
{
    uint64_t random = check_seed();
    (void)state;
    for (int p = 0; p < KI_PAIRING_COUNT; p++)
        for (uint32_t m = 1; m < QUERIES && is_filled((ki_pairing)p); m += 16) {
            kc_set set;
            kc_open_queries(&set, (ki_pairing)p, false, 70, KC_MOST_ROWS, m, 0,
                            check_random(&random));
            check_set(&set, 0, m, KC_MOST_ROWS, &random);
            kc_close(&set);
        }
}

/* The largest dimensions: sums of tiles are as near to overflow as those of pairs. */
static void large_dimensions(void **state)
{
    uint64_t random = check_seed();
    (void)state;
    for (int p = 0; p < KI_PAIRING_COUNT; p++)
        for (int fill = 0; fill < kc_fills((ki_pairing)p) && kc_exact((ki_pairing)p); fill++) {
            kc_set set;
            if (!is_filled((ki_pairing)p))
                continue;
            kc_open_queries(&set, (ki_pairing)p, false, p == KI_U8 ? 33025 : 65535, 5, 3, fill,
                            check_random(&random));
            check_set(&set, (size_t)fill, 3, 5, &random);
            kc_close(&set);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size),
        cmocka_unit_test(every_dimension),
        cmocka_unit_test(long_tiles),
        cmocka_unit_test(large_dimensions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

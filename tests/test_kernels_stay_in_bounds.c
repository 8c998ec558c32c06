/* No kernel reads or writes a byte that the contract does not give it.
 *
 * Query, scratch, rows, side data, row numbers and keys each lie against a page that cannot be
 * touched, first at their end, then at their beginning. A fault becomes a sentence with slot,
 * level, dimension, count and seed. The check is kc_check_fence (kernel_fence.c); a kernel that
 * reads one element too far must be caught by it.
 */
#include "tests/check.h"
#include "tests/kernel_cases.h"
#include <string.h>

/* Every variant of the metrics that take dimension number i. */
static void check_dim(ki_pairing pairing, uint32_t dim, size_t i, size_t n, uint64_t *random)
{
    const bool from_f32 = kc_takes_f32(pairing) && check_below(random, 2);
    const kc_slot *variants;
    bool open = false;
    kc_set set;
    for (int metric = 0; metric < KI_METRIC_COUNT; metric++) {
        const size_t count = kc_variants((kith_metric)metric, pairing, &variants);
        if (!count || !kc_takes_dimension((kith_metric)metric, pairing, i))
            continue;
        if (!open)
            kc_open(&set, pairing, from_f32, dim, 1 + check_below(random, 17), 0,
                    check_random(random));
        open = true;
        const char *why = kc_check_fence(variants, count, &set, n, random);
        if (why)
            fail_msg("%s", why);
    }
    if (open)
        kc_close(&set);
}

static void every_dimension(void **state)
{
    uint64_t random = check_seed();
    uint32_t dim;
    (void)state;
    for (int p = 0; p < KI_PAIRING_COUNT; p++)
        for (size_t i = 0; (dim = kc_dimension((ki_pairing)p, i)) != 0; i++)
            check_dim((ki_pairing)p, dim, i, i * 7 % 41, &random);
}

static void every_count_of_rows(void **state)
{
    uint64_t random = check_seed();
    (void)state;
    for (int p = 0; p < KI_PAIRING_COUNT; p++)
        for (size_t n = 0; n <= 40; n++)
            check_dim((ki_pairing)p, 1 + check_below(&random, 130), n, n, &random);
}

static const kc_slot *scalar; /* what the mutants below wrap */

/* The scalar kernel of one element more than there is: the last row crosses the fence. */
static void one_too_far(const ki_query *query, const ki_rows *rows, const uint32_t *ids, size_t n,
                        uint32_t *keys)
{
    ki_query longer = *query;
    ki_rows wider = *rows;
    longer.dim++;
    wider.dim++;
    scalar->kernel->gather(&longer, &wider, ids, n, keys);
}

/* A tile that takes one row more than it was asked for. */
static void one_row_more(const ki_query *queries, size_t m, const void *packed, const ki_rows *rows,
                         uint32_t first, size_t n, uint32_t *keys, size_t stride)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j <= n; j++)
            keys[i * stride + (j < n ? j : 0)] =
                scalar->kernel->pair(&queries[i], rows, first + (uint32_t)j);
    (void)packed;
}

/* A pack that writes as if there were a whole group of queries more. */
static void one_group_more(const ki_query *queries, size_t m, void *packed)
{
    memset(packed, 0, ki_pack_bytes(KI_F32, queries->dim, m + 32));
}

static void reaching_too_far_is_caught(void **state)
{
    uint64_t random = check_seed();
    (void)state;
    assert_true(kc_variants(KITH_L2SQ, KI_F32, &scalar) > 0);
    for (int mutant = 0; mutant < 3; mutant++) {
        ki_kernel broken = *scalar->kernel;
        kc_slot slot = *scalar;
        kc_set set;
        slot.kernel = &broken;
        if (mutant == 0)
            broken.gather = one_too_far;
        else if (mutant == 1)
            broken.tile = one_row_more;
        else
            broken.pack = one_group_more;
        kc_open(&set, KI_F32, false, 19, 5, 0, check_random(&random));
        assert_non_null(kc_check_fence(&slot, 1, &set, 5, &random));
        kc_close(&set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dimension),
        cmocka_unit_test(every_count_of_rows),
        cmocka_unit_test(reaching_too_far_is_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

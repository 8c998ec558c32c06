/* Pair, gather and range give the same bits for a row, whatever stands around it.
 *
 * Any grouping, position and repetition; rows at every offset from a line, at odd strides, with
 * side data at odd strides; prefetching 0, 2, 8 or 64 lines; calls longer than any block inside;
 * row numbers beyond 2^31. Words around the keys survive. The check is kc_check_shapes
 * (kernel_shapes.c).
 */
#include "tests/check.h"
#include "tests/kernel_cases.h"
#include <string.h>
#include <sys/mman.h>

enum { ROWS = 41 };

/* Every variant of the metrics that take dimension number i, at `rounds` successive offsets. */
static void check_dim(ki_pairing pairing, uint32_t dim, size_t i, uint32_t count, unsigned offset,
                      unsigned rounds, uint64_t *random)
{
    const bool from_f32 = kc_takes_f32(pairing) && check_below(random, 2);
    const kc_slot *variants;
    bool open = false;
    kc_set set;
    for (int metric = 0; metric < KI_METRIC_COUNT; metric++) {
        const size_t found = kc_variants((kith_metric)metric, pairing, &variants);
        if (!found || !kc_takes_dimension((kith_metric)metric, pairing, i))
            continue;
        if (!open)
            kc_open(&set, pairing, from_f32, dim, count, 0, check_random(random));
        open = true;
        for (size_t v = 0; v < found; v++)
            for (unsigned round = 0; round < rounds; round++) {
                const char *why =
                    kc_check_shapes(&variants[v], &set, (offset + round) % 64, random);
                if (why)
                    fail_msg("%s", why);
            }
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
            check_dim((ki_pairing)p, dim, i, ROWS, (unsigned)(i * 11), 2, &random);
}

static void every_offset(void **state)
{
    static const uint32_t dims[] = {7, 16, 31, 64, 100, 127, 1};
    uint64_t random = check_seed();
    (void)state;
    for (int p = 0; p < KI_PAIRING_COUNT; p++)
        for (size_t i = 0; i < sizeof dims / sizeof *dims; i++)
            check_dim((ki_pairing)p, dims[i], i, ROWS, 0, 64, &random);
}

static void long_calls(void **state)
{
    static const uint32_t dims[] = {3, 17, 64, 100};
    uint64_t random = check_seed();
    (void)state;
    for (int p = 0; p < KI_PAIRING_COUNT; p++)
        for (size_t i = 0; i < sizeof dims / sizeof *dims; i++)
            check_dim((ki_pairing)p, dims[i], 0, KC_MOST_ROWS, 0, 8, &random);
}

enum { FAR = 6, STRIDE = 48, ROW = 32 };

static const uint32_t far[FAR] = {0, 89478486, 2147483647, 2147483648, 2863311531, 3000000000};

static void check_far_rows(const kc_slot *slot, unsigned char *map, uint64_t *random)
{
    const uint32_t dim = (uint32_t)(ROW / ki_row_bytes(slot->pairing, 8) * 8);
    uint32_t near_keys[FAR], far_keys[FAR];
    kc_set set;
    kc_open(&set, slot->pairing, false, dim, FAR, 0, check_random(random));
    assert_int_equal(set.row_bytes, ROW);
    for (uint32_t i = 0; i < FAR; i++) {
        memcpy(map + (size_t)far[i] * STRIDE, kc_row(&set, i), ROW);
        memcpy(map + (size_t)far[i] * STRIDE + ROW, &set.aux[i], sizeof(ki_aux));
    }
    const ki_rows packed = kc_view(&set), rows = {map, STRIDE, map + ROW, STRIDE, set.dim, 2};
    const ki_query *query = kc_prepare(slot, &set, 0);
    slot->kernel->range(query, &packed, 0, FAR, near_keys);
    slot->kernel->gather(query, &rows, far, FAR, far_keys);
    assert_memory_equal(near_keys, far_keys, sizeof near_keys);
    for (uint32_t i = 0; i < FAR; i++)
        assert_int_equal(slot->kernel->pair(query, &rows, far[i]), near_keys[i]);
    slot->kernel->range(query, &rows, far[2], 2, far_keys);
    assert_memory_equal(near_keys + 2, far_keys, 2 * sizeof *far_keys);
    if (slot->kernel->tile && !slot->kernel->pack) {
        slot->kernel->tile(query, 1, NULL, &rows, far[2], 2, far_keys, 2);
        assert_memory_equal(near_keys + 2, far_keys, 2 * sizeof *far_keys);
    }
    kc_close(&set);
}

/* Rows whose address needs 64 bits of arithmetic and whose number has its top bit set, in a
 * mapping of which only the pages of these rows exist. */
static void row_numbers_beyond_31_bits(void **state)
{
    const size_t bytes = (size_t)STRIDE * (far[FAR - 1] + (size_t)1);
    uint64_t random = check_seed();
    unsigned char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    (void)state;
    if (map == MAP_FAILED)
        skip(); /* a limit on address space */
    for (int slots = 0; slots < KI_METRIC_COUNT * KI_PAIRING_COUNT; slots++) {
        const kc_slot *variants;
        const size_t count = kc_variants((kith_metric)(slots / KI_PAIRING_COUNT),
                                         (ki_pairing)(slots % KI_PAIRING_COUNT), &variants);
        for (size_t v = 0; v < count; v++)
            check_far_rows(&variants[v], map, &random);
    }
    munmap(map, bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dimension),
        cmocka_unit_test(every_offset),
        cmocka_unit_test(long_calls),
        cmocka_unit_test(row_numbers_beyond_31_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

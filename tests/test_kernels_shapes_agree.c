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

static kc_level levels[KI_ISA_COUNT];
static size_t level_count;

static int set_up(void **state)
{
    (void)state;
    level_count = kc_levels(levels);
    return level_count ? 0 : -1;
}

/* Every slot of every level, at `rounds` successive offsets from `offset` on. */
static void check_dim(uint32_t dim, uint32_t count, unsigned offset, unsigned rounds,
                      uint64_t *random)
{
    for (int type = 0; type < KI_TYPE_COUNT; type++) {
        kc_set set;
        kc_open(&set, (kith_type)type, dim, count, 0, check_random(random));
        for (int metric = 0; metric < KI_METRIC_COUNT; metric++)
            for (size_t l = 0; l < level_count; l++)
                for (unsigned i = 0; i < rounds; i++) {
                    kc_slot slot = kc_slot_of(&levels[l], (kith_metric)metric, (kith_type)type);
                    const char *why = kc_check_shapes(&slot, &set, (offset + i) % 64, random);
                    if (why)
                        fail_msg("%s", why);
                }
        kc_close(&set);
    }
}

static void every_dimension(void **state)
{
    uint64_t random = check_seed();
    uint32_t dim;
    (void)state;
    for (size_t i = 0; (dim = kc_dimension(i)) != 0; i++)
        check_dim(dim, ROWS, (unsigned)(i * 11), 3, &random);
}

static void every_offset(void **state)
{
    static const uint32_t dims[] = {1, 7, 16, 31, 64, 100, 127};
    uint64_t random = check_seed();
    (void)state;
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++)
        check_dim(dims[i], ROWS, 0, 64, &random);
}

static void long_calls(void **state)
{
    static const uint32_t dims[] = {3, 17, 64, 100};
    uint64_t random = check_seed();
    (void)state;
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++)
        check_dim(dims[i], KC_MOST_ROWS, 0, 8, &random);
}

/* Rows whose address needs 64 bits of arithmetic and whose number has its top bit set, in a
 * mapping of which only the pages of these rows exist. */
static void row_numbers_beyond_31_bits(void **state)
{
    enum { N = 6, STRIDE = 48, ROW = 32 };
    static const uint32_t far[N] = {0, 89478486, 2147483647, 2147483648, 2863311531, 3000000000};
    size_t bytes = (size_t)STRIDE * (far[N - 1] + (size_t)1);
    uint64_t random = check_seed();
    unsigned char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    (void)state;
    if (map == MAP_FAILED)
        skip(); /* a limit on address space */
    for (int slots = 0; slots < KI_METRIC_COUNT * KI_TYPE_COUNT; slots++)
        for (size_t l = 0; l < level_count; l++) {
            kc_slot slot = kc_slot_of(&levels[l], (kith_metric)(slots / KI_TYPE_COUNT),
                                      (kith_type)(slots % KI_TYPE_COUNT));
            uint32_t near_keys[N], far_keys[N];
            kc_set set;
            ki_query query;
            kc_open(&set, slot.type, slot.type == KITH_F32 ? 8 : ROW, N, 0, check_random(&random));
            for (uint32_t i = 0; i < N; i++) {
                memcpy(map + (size_t)far[i] * STRIDE, set.rows + i * ROW, ROW);
                memcpy(map + (size_t)far[i] * STRIDE + ROW, &set.aux[i], sizeof(ki_aux));
            }
            ki_rows packed = kc_view(&set), rows = {map, STRIDE, map + ROW, STRIDE, set.dim, 2};
            slot.kernel->prepare(set.query, set.dim, set.scratch, &query);
            slot.kernel->range(&query, &packed, 0, N, near_keys);
            slot.kernel->gather(&query, &rows, far, N, far_keys);
            assert_memory_equal(near_keys, far_keys, sizeof near_keys);
            for (uint32_t i = 0; i < N; i++)
                assert_int_equal(slot.kernel->pair(&query, &rows, far[i]), near_keys[i]);
            slot.kernel->range(&query, &rows, far[2], 2, far_keys);
            assert_memory_equal(near_keys + 2, far_keys, 2 * sizeof *far_keys);
            kc_close(&set);
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
    return cmocka_run_group_tests(tests, set_up, NULL);
}

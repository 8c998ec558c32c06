/* Property: for every row size, rows start on 64-byte lines that never move, side data lies in
 * the padding exactly when 16 bytes are free there, and all other padding is zero at all times.
 */
#include "tests/check.h"
#include "kv/rows.h"

#include <string.h>

static void fill(unsigned char *bytes, size_t n, uint64_t *random)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)(check_random(random) | 1); /* never zero */
}

static void layout_is_as_promised(const ki_slab *slab, size_t row_bytes)
{
    size_t stride = (row_bytes + 63) / 64 * 64;
    assert_int_equal(slab->row_bytes, row_bytes);
    assert_int_equal(slab->stride, stride);
    assert_int_equal((uintptr_t)slab->base % 64, 0);
    if (stride - row_bytes >= 16) {
        assert_ptr_equal(slab->aux, slab->base + stride - 16);
        assert_int_equal(slab->aux_stride, stride);
        assert_null(slab->aux_arena.base);
    } else {
        assert_int_equal((uintptr_t)slab->aux % 64, 0);
        assert_int_equal(slab->aux_stride, 16);
        assert_ptr_equal(slab->aux, slab->aux_arena.base);
    }
}

static void padding_is_zero(const ki_slab *slab, uint32_t row)
{
    const unsigned char *bytes = ki_slab_row(slab, row);
    size_t end = slab->aux_arena.base ? slab->stride : slab->stride - 16;
    for (size_t i = slab->row_bytes; i < end; i++)
        assert_int_equal(bytes[i], 0);
}

/* Writes rows twice over, in random order, and compares all of them with a copy. */
static void one_row_size(size_t row_bytes, uint32_t rows, uint64_t *random)
{
    ki_slab slab;
    unsigned char *copy = calloc(rows, row_bytes + 16);
    assert_non_null(copy);
    assert_int_equal(ki_slab_open(row_bytes, UINT32_C(1) << 31, &slab), KITH_OK);
    assert_int_equal(ki_slab_bytes(&slab), 0);
    const unsigned char *base = slab.base, *aux = slab.aux;
    for (uint32_t i = 0; i < 3 * rows; i++) {
        uint32_t row = i < rows ? i : check_below(random, rows);
        unsigned char *want = copy + row * (row_bytes + 16);
        fill(want, row_bytes + 16, random);
        assert_int_equal(ki_slab_grow(&slab, row + 1), KITH_OK);
        if (i < rows) { /* new rows are zero */
            assert_int_equal(ki_slab_row(&slab, row)[0], 0);
            assert_int_equal(ki_slab_aux(&slab, row)[15], 0);
        }
        ki_slab_write(&slab, row, want, want + row_bytes);
    }
    assert_ptr_equal(slab.base, base);
    assert_ptr_equal(slab.aux, aux);
    assert_int_equal(slab.count, rows);
    layout_is_as_promised(&slab, row_bytes);
    for (uint32_t row = 0; row < rows; row++) {
        const unsigned char *want = copy + row * (row_bytes + 16);
        assert_memory_equal(ki_slab_row(&slab, row), want, row_bytes);
        assert_memory_equal(ki_slab_aux(&slab, row), want + row_bytes, 16);
        padding_is_zero(&slab, row);
    }
    static volatile unsigned char sink;
    for (size_t i = 0; i < 64; i++) /* readable behind the last row */
        sink = ki_slab_row(&slab, rows)[i];
    (void)sink;
    assert_true(ki_slab_bytes(&slab) >= rows * slab.stride);
    ki_slab_close(&slab);
    free(copy);
}

static void rows_of_many_sizes(void **state)
{
    uint64_t random = check_seed();
    const size_t large[] = {784, 3072, 3136, 65535, 262140};
    (void)state;
    for (size_t row_bytes = 1; row_bytes <= 200; row_bytes++)
        one_row_size(row_bytes, 50, &random);
    for (size_t i = 0; i < sizeof large / sizeof *large; i++)
        one_row_size(large[i], 20, &random);
    one_row_size(64, 40000, &random); /* past a huge page, rows and side data both */
}

static void too_much_is_refused(void **state)
{
    ki_slab slab = {.count = 77};
    (void)state;
    assert_int_equal(ki_slab_open(SIZE_MAX - 3, 10, &slab), KITH_ENOMEM);
    assert_int_equal(ki_slab_open(SIZE_MAX / 8, 1000, &slab), KITH_ENOMEM);
    assert_int_equal(slab.count, 77);
    assert_int_equal(ki_slab_open(100, 10, &slab), KITH_OK);
    assert_int_equal(ki_slab_grow(&slab, 10), KITH_OK);
    size_t bytes = ki_slab_bytes(&slab);
    assert_int_equal(ki_slab_grow(&slab, UINT32_MAX), KITH_ENOMEM);
    assert_int_equal(slab.count, 10);
    assert_int_equal(ki_slab_bytes(&slab), bytes);
    ki_slab_close(&slab);
    ki_slab_close(&slab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_many_sizes),
        cmocka_unit_test(too_much_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

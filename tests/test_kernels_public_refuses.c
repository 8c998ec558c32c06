/* Property: every wrong argument of the kernels of kith.h comes back with its status and a sentence
 * that holds the numbers, and leaves the results as they were; the list of kernels names each cell
 * of the table once, and what an open kernel says of itself stands in that list.
 */
#include "tests/index_data.h"

#include <string.h>

enum { DIM = 6, N = 5 };

typedef struct bench {
    uint8_t rows[N][DIM];
    kith_side sides[N];
    kith_kernel *kernel;
    kith_query *query;
    kith_rows view;
} bench;

static void open_bench(bench *b)
{
    *b = (bench){0};
    for (uint32_t i = 0; i < N * DIM; i++)
        b->rows[i / DIM][i % DIM] = (uint8_t)(i * 37);
    kith_kernel_options options = kith_kernel_defaults(DIM, KITH_U8, KITH_COSINE);
    must(kith_kernel_open(&options, &b->kernel));
    must(kith_query_open(b->kernel, b->rows[0], &b->query));
    must(kith_kernel_fill_sides(b->kernel, b->rows, 0, N, b->sides));
    b->view = (kith_rows){.base = b->rows, .count = N, .sides = b->sides};
}

static void close_bench(bench *b)
{
    kith_query_close(b->query);
    kith_kernel_close(b->kernel);
}

static void kernels(void **state)
{
    (void)state;
    const struct {
        const char *part;
        kith_kernel_options options;
    } cases[] = {
        {"dimension 0", {.dim = 0}},
        {"dimension 65536", {.dim = 65536}},
        {"1..33025", {.dim = 33026, .query_type = KITH_U8, .row_type = KITH_U8}},
        {"77 is no row type", {.dim = 3, .row_type = (kith_type)77}},
        {"78 is no type of queries", {.dim = 3, .query_type = (kith_type)78}},
        {"79 is no metric", {.dim = 3, .metric = (kith_metric)79}},
        {"hamming is no metric of f32", {.dim = 3, .metric = KITH_HAMMING}},
        {"l2sq is no metric of b1", {.dim = 3, .row_type = KITH_B1}},
        {"u8 queries do not meet f32 rows", {.dim = 3, .query_type = KITH_U8}},
        {"i8 queries do not meet u8 rows", {.dim = 3, .query_type = KITH_I8, .row_type = KITH_U8}},
        {"sse9", {.dim = 3, .cpu = "sse9"}},
    };
    kith_kernel *const before = (kith_kernel *)(uintptr_t)0x1234;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kith_kernel_options options = cases[i].options;
        kith_kernel *kernel = before;
        options.size = sizeof options;
        must_fail(kith_kernel_open(&options, &kernel), KITH_EINVAL, cases[i].part);
        assert_ptr_equal(kernel, before);
    }
    kith_kernel_close(NULL);
    kith_query_close(NULL);
}

static void views_refuse(const bench *b, const kith_rows *view, const char *part)
{
    float distances[N] = {7, 7, 7, 7, 7};
    uint32_t ids[N] = {0, 1, 2, 3, 4};
    must_fail(kith_query_gather(b->query, view, ids, N, distances), KITH_EINVAL, part);
    must_fail(kith_query_range(b->query, view, 0, N, distances), KITH_EINVAL, part);
    must_fail(kith_kernel_top(b->kernel, view, b->rows, 1, 1, 1, ids, distances), KITH_EINVAL,
              part);
    assert_true(distances[0] == 7 && distances[N - 1] == 7 && ids[0] == 0);
}

static void rows(void **state)
{
    (void)state;
    bench b;
    open_bench(&b);
    kith_rows view = b.view;
    view.base = NULL;
    views_refuse(&b, &view, "rows->base is NULL");
    views_refuse(&b, NULL, "rows is NULL");
    view = b.view;
    view.stride = DIM - 1;
    views_refuse(&b, &view, "a stride of 5 bytes");
    view = b.view;
    view.sides = NULL;
    views_refuse(&b, &view, "rows->sides is NULL, and cosine of u8 rows");
    view.sides = (const kith_side *)(const void *)((const char *)b.sides + 1);
    views_refuse(&b, &view, "rows->sides is not aligned");
    view = b.view;
    view.count = ((size_t)1 << 31) + 1;
    views_refuse(&b, &view, "2147483649 rows");
    view = b.view;
    view.prefetch_lines = 65;
    views_refuse(&b, &view, "prefetch_lines = 65");
    kith_side side;
    must_fail(kith_kernel_fill_sides(b.kernel, b.rows, 5, 1, &side), KITH_EINVAL, "stride of 5");
    must_fail(kith_kernel_fill_sides(b.kernel, NULL, 0, 1, &side), KITH_EINVAL, "rows is NULL");
    must_fail(kith_kernel_fill_sides(b.kernel, b.rows, 0, 1, NULL), KITH_EINVAL, "sides is NULL");
    close_bench(&b);
}

static void distances(void **state)
{
    (void)state;
    bench b;
    open_bench(&b);
    float out[N + 1] = {7, 7, 7, 7, 7, 7};
    float *const misaligned = (float *)(void *)((char *)out + 2);
    uint32_t ids[N] = {0, 1, 5, 3, 4}, good[N] = {0};
    kith_query *query = b.query;
    must_fail(kith_query_gather(b.query, &b.view, ids, N, out), KITH_EINVAL,
              "ids[2] = 5, and there are 5 rows");
    must_fail(kith_query_gather(b.query, &b.view, NULL, N, out), KITH_EINVAL, "ids is NULL");
    must_fail(kith_query_gather(b.query, &b.view, good, N, misaligned), KITH_EINVAL,
              "distances is not aligned");
    must_fail(kith_query_range(b.query, &b.view, 3, 3, out), KITH_EINVAL, "3 rows from row 3");
    must_fail(kith_query_range(b.query, &b.view, SIZE_MAX, 2, out), KITH_EINVAL, "there are 5");
    must_fail(kith_query_range(b.query, &b.view, 0, 1, NULL), KITH_EINVAL, "distances is NULL");
    must_fail(kith_kernel_distance(b.kernel, NULL, b.rows, out), KITH_EINVAL, "query is NULL");
    must_fail(kith_kernel_distance(b.kernel, b.rows, NULL, out), KITH_EINVAL, "row is NULL");
    must_fail(kith_kernel_distance(b.kernel, b.rows, b.rows, NULL), KITH_EINVAL,
              "distance is NULL");
    must_fail(kith_query_set(b.query, NULL), KITH_EINVAL, "NULL");
    must_fail(kith_query_open(b.kernel, NULL, &query), KITH_EINVAL, "NULL");
    assert_ptr_equal(query, b.query);
    must(kith_query_gather(b.query, &b.view, NULL, 0, NULL));
    must(kith_query_range(b.query, &b.view, N, 0, NULL));
    assert_true(out[0] == 7 && out[N] == 7);
    close_bench(&b);
}

static void nearest(void **state)
{
    (void)state;
    bench b;
    open_bench(&b);
    uint32_t ids[N] = {9};
    const kith_rows *view = &b.view;
    kith_kernel *k = b.kernel;
    must_fail(kith_kernel_top(k, view, b.rows, 1, 0, 1, ids, NULL), KITH_EINVAL, "k = 0");
    must_fail(kith_kernel_top(k, view, b.rows, 1, 6, 1, ids, NULL), KITH_EINVAL, "k = 6 with 5");
    must_fail(kith_kernel_top(k, view, NULL, 1, 1, 1, ids, NULL), KITH_EINVAL, "queries is NULL");
    must_fail(kith_kernel_top(k, view, b.rows, 1, 1, 1, NULL, NULL), KITH_EINVAL, "ids is NULL");
    must_fail(kith_kernel_top(k, view, b.rows, 1, 1, 99999, ids, NULL), KITH_EINVAL, "99999");
    must_fail(kith_kernel_top(k, view, b.rows, SIZE_MAX, 5, 1, ids, NULL), KITH_EINVAL, "memory");
    assert_int_equal(ids[0], 9);
    must(kith_kernel_top(k, view, NULL, 0, 1, 1, NULL, NULL));
    close_bench(&b);
}

static void the_list_is_whole(void **state)
{
    (void)state;
    kith_kernel_info info = {.size = sizeof info}, mine = {.size = sizeof mine};
    kith_kernel_options options = kith_kernel_defaults(64, KITH_I8, KITH_IP);
    kith_kernel *kernel = NULL;
    size_t count = 0, same = 0;
    options.query_type = KITH_F32;
    options.cpu = "scalar";
    must(kith_kernel_open(&options, &kernel));
    must(kith_kernel_stat(kernel, &mine));
    assert_string_equal(mine.pairing, "f32i8");
    while (kith_kernel_list("scalar", count, &info) == KITH_OK) {
        assert_string_equal(info.gather, "scalar");
        assert_true(info.metric && info.pairing && info.prepare && info.pair && info.range);
        same += !strcmp(info.metric, mine.metric) && !strcmp(info.pairing, mine.pairing);
        count++;
    }
    assert_true(count >= KINDS && same == 1);
    must_fail(kith_kernel_list("scalar", count, &info), KITH_ENOTFOUND, "of");
    must_fail(kith_kernel_list("sse9", 0, &info), KITH_EINVAL, "sse9");
    info.size = 3;
    must_fail(kith_kernel_list(NULL, 0, &info), KITH_EINVAL, "size");
    kith_kernel_close(kernel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels),           cmocka_unit_test(rows),
        cmocka_unit_test(distances),         cmocka_unit_test(nearest),
        cmocka_unit_test(the_list_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

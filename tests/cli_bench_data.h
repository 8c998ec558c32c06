/* cli_bench_data.h - a small data set for the tests of `kith bench`: clustered rows in files.
 *
 * Uniform random rows have no neighbours worth the name; these lie around 40 centres.
 */
#ifndef CLI_BENCH_DATA_H
#define CLI_BENCH_DATA_H

#include "tests/cli_run.h"

#include "cli/matrix.h"

#define DATA_DIM 24u
#define DATA_CENTRES 40u

static inline uint8_t data_value(uint64_t *seed, uint32_t centre, uint32_t i)
{
    uint64_t state = centre * 1000 + i;
    int value = 40 + (int)check_below(&state, 176) + (int)check_below(seed, 61) - 30;
    return (uint8_t)value;
}

static inline void data_write(const char *name, uint64_t rows, uint64_t seed)
{
    struct matrix matrix = {.element = ELEMENT_U8, .dim = DATA_DIM, .rows = rows};
    struct sentence why;
    uint8_t *bytes = malloc(rows * DATA_DIM);
    assert_non_null(bytes);
    for (uint64_t r = 0; r < rows; r++) {
        uint32_t centre = check_below(&seed, DATA_CENTRES);
        for (uint32_t i = 0; i < DATA_DIM; i++)
            bytes[r * DATA_DIM + i] = data_value(&seed, centre, i);
    }
    matrix.data = bytes;
    assert_true(matrix_write(files_path(name), &matrix, &why));
    free(bytes);
}

/* Group set-up: the folder, a cache in it, rows and queries. */
static inline int data_make(void **state)
{
    uint64_t seed = check_seed();
    if (files_make(state))
        return -1;
    setenv("KITH_CACHE", files_path("cache"), 1);
    setenv("TERM", "dumb", 1);
    data_write("base.u8bin", 3000, seed);
    data_write("queries.u8bin", 150, seed + 1);
    return 0;
}

#endif

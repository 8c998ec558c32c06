/* random.h - the seed and the random numbers of every test, without the test framework.
 *
 * May include the C library only, so that checks which run where cmocka is not (the emulated
 * machines of test_kernels_neon_qemu.sh) draw the same numbers from the same seed.
 */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* The seed: KITH_TEST_SEED, or 1. Printed by the first call, so that a failure can be replayed. */
static inline uint64_t check_seed(void)
{
    const char *text = getenv("KITH_TEST_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : 1;
    static int printed;
    if (!printed++)
        printf("seed %llu (set KITH_TEST_SEED to change it)\n", (unsigned long long)seed);
    return seed;
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
static inline uint64_t check_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint32_t check_below(uint64_t *state, uint32_t bound)
{
    return (uint32_t)(check_random(state) % bound);
}

/* Uniform in [-1, 1). */
static inline float check_unit(uint64_t *state)
{
    return (float)(int32_t)(check_random(state) >> 32) * 0x1p-31f;
}

#endif

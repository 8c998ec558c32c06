/* Property: an arena's bytes keep their address and their contents while it grows, new ones are
 * zero, 64 bytes behind the last can be read, and what does not fit is refused with a sentence.
 */
#include "tests/check.h"
#include "kv/arena.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile unsigned char sink;

static void read_behind(const ki_arena *arena)
{
    for (size_t i = 0; i < 64; i++)
        sink = arena->base[arena->committed + i];
}

static void assert_zero(const unsigned char *bytes, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (bytes[i] != 0)
            fail_msg("byte %zu is %u", i, bytes[i]);
}

/* Growth in uneven steps, through the first huge page and over many. Every page granted is
 * marked; at the end every mark must still be there. */
static void bytes_stay_while_growing(void **state)
{
    uint64_t random = check_seed();
    ki_arena arena;
    size_t bytes = 1;
    (void)state;
    assert_int_equal(ki_arena_open((size_t)1 << 34, &arena), KITH_OK);
    assert_int_equal(arena.committed, 0);
    assert_int_equal((uintptr_t)arena.base % 64, 0);
    const unsigned char *base = arena.base;
    while (bytes < (size_t)40 << 20) {
        size_t had = arena.committed;
        assert_int_equal(ki_arena_grow(&arena, bytes), KITH_OK);
        assert_ptr_equal(arena.base, base);
        assert_true(arena.committed >= bytes && arena.committed >= had);
        read_behind(&arena);
        assert_zero(arena.base, had, arena.committed);
        memset(arena.base + had, 0xa5, arena.committed - had);
        bytes += bytes / 3 + check_below(&random, 100000);
    }
    for (size_t i = 0; i < arena.committed; i++)
        if (arena.base[i] != 0xa5)
            fail_msg("byte %zu is %u", i, arena.base[i]);
    size_t most = arena.committed;
    assert_int_equal(ki_arena_grow(&arena, 5), KITH_OK);
    assert_int_equal(arena.committed, most);
    ki_arena_close(&arena);
    assert_null(arena.base);
    ki_arena_close(&arena);
}

static void small_arena_stays_small(void **state)
{
    ki_arena arena;
    (void)state;
    assert_int_equal(ki_arena_open((size_t)1 << 30, &arena), KITH_OK);
    assert_int_equal(ki_arena_grow(&arena, 1000), KITH_OK);
    assert_in_range(arena.committed, 1000, 65536);
    ki_arena_close(&arena);
}

/* The edges of the reserved range: its last byte can be had and read behind, the next cannot. */
static void last_byte_can_be_had(void **state)
{
    const size_t sizes[] = {0, 1, 64, 4096, (2 << 20) - 64, (2 << 20) - 63, 5 << 20};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ki_arena arena;
        assert_int_equal(ki_arena_open(sizes[i], &arena), KITH_OK);
        assert_true(arena.reserved >= sizes[i]);
        assert_int_equal(ki_arena_grow(&arena, arena.reserved), KITH_OK);
        assert_int_equal(arena.committed, arena.reserved);
        arena.base[arena.reserved - 1] = 1;
        read_behind(&arena);
        ki_arena before = arena;
        assert_int_equal(ki_arena_grow(&arena, arena.reserved + 1), KITH_ENOMEM);
        assert_non_null(strstr(kith_last_error(), "reserved"));
        assert_int_equal(ki_arena_grow(&arena, SIZE_MAX), KITH_ENOMEM);
        assert_memory_equal(&arena, &before, sizeof arena);
        ki_arena_close(&arena);
    }
}

static void impossible_range_becomes_a_smaller_one(void **state)
{
    ki_arena arena;
    (void)state;
    assert_int_equal(ki_arena_open(SIZE_MAX, &arena), KITH_OK);
    assert_true(arena.reserved > (size_t)1 << 30);
    assert_int_equal(ki_arena_grow(&arena, 100), KITH_OK);
    ki_arena_close(&arena);
}

/* In a child with a limit on its address space: a smaller range is had, and filling it ends in
 * ENOMEM, not in a signal. Where a sanitizer has taken more than the limit already, nothing can
 * be had and nothing is to be seen. */
enum { NOTHING_TO_SEE = 77 };

static int fill_under_limit(void)
{
    struct rlimit limit = {(rlim_t)1 << 28, (rlim_t)1 << 28};
    ki_arena arena;
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return 1;
    void *probe = mmap(NULL, (size_t)1 << 26, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (probe == MAP_FAILED)
        return NOTHING_TO_SEE;
    munmap(probe, (size_t)1 << 26);
    if (ki_arena_open((size_t)1 << 40, &arena) != KITH_OK)
        return 2;
    if (arena.reserved >= (size_t)1 << 28 || arena.reserved < (size_t)1 << 24)
        return 3;
    if (ki_arena_grow(&arena, arena.reserved) != KITH_OK)
        return 4;
    arena.base[arena.reserved - 1] = 1;
    if (ki_arena_grow(&arena, (size_t)1 << 28) != KITH_ENOMEM)
        return 5;
    return strstr(kith_last_error(), "ulimit") ? 0 : 6;
}

static void limit_on_addresses_is_met(void **state)
{
    int status;
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(fill_under_limit());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == NOTHING_TO_SEE)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_stay_while_growing),
        cmocka_unit_test(small_arena_stays_small),
        cmocka_unit_test(last_byte_can_be_had),
        cmocka_unit_test(impossible_range_becomes_a_smaller_one),
        cmocka_unit_test(limit_on_addresses_is_met),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Property: like a bitmap, whatever is given and taken: what is handed out was free and is not
 * handed out twice, it comes from the shortest run that is long enough, and free neighbours are
 * always one run; after a reserve, giving cannot fail, and whichever allocation fails, nothing is
 * lost.
 */
#include "tests/check.h"
#include "kv/extent.h"

#include <string.h>

enum { PLACES = 700, STEPS = 60000, BASE = 5000 };

typedef struct model {
    bool is_free[PLACES];
    uint64_t used_start[PLACES], used_length[PLACES]; /* what was handed out */
    uint32_t used;
    uint64_t free;
} model;

/* The shortest run of at least `length`, the first of several; `runs` counts all of them. */
static ki_free_extent best_fit(const model *m, uint64_t length, uint32_t *runs, uint64_t *longest)
{
    ki_free_extent best = {0, 0};
    *runs = 0;
    *longest = 0;
    for (uint32_t at = 0; at < PLACES; at++) {
        uint32_t start = at;
        while (at < PLACES && m->is_free[at])
            at++;
        uint64_t found = at - start;
        *runs += found > 0;
        if (found > *longest)
            *longest = found;
        if (found >= length && (best.length == 0 || found < best.length))
            best = (ki_free_extent){BASE + start, found};
    }
    return best;
}

static void compare(const ki_extents *extents, const model *m)
{
    uint32_t runs, at = 0;
    uint64_t longest;
    ki_free_extent run = {0, 0};
    best_fit(m, 1, &runs, &longest);
    assert_int_equal(ki_extents_count(extents), runs);
    assert_int_equal(ki_extents_longest(extents), longest);
    assert_int_equal(ki_extents_free(extents), m->free);
    for (uint64_t from = 0; ki_extents_next(extents, from, &run); from = run.start + 1) {
        for (; BASE + at < run.start; at++)
            assert_false(m->is_free[at]);
        for (; BASE + at < run.start + run.length; at++)
            assert_true(m->is_free[at]);
    }
    for (; at < PLACES; at++)
        assert_false(m->is_free[at]);
}

static void mark(model *m, uint64_t start, uint64_t length, bool is_free)
{
    for (uint64_t at = start - BASE; at < start - BASE + length; at++) {
        assert_int_equal(m->is_free[at], !is_free);
        m->is_free[at] = is_free;
    }
    m->free = is_free ? m->free + length : m->free - length;
}

static void take(ki_extents *extents, model *m, uint64_t length)
{
    uint64_t start = 1, longest;
    uint32_t runs;
    ki_free_extent best = best_fit(m, length, &runs, &longest);
    assert_int_equal(ki_extents_take(extents, length, &start), best.length > 0);
    assert_int_equal(start, best.length > 0 ? best.start : 1);
    if (best.length == 0)
        return;
    mark(m, start, length, false);
    m->used_start[m->used] = start;
    m->used_length[m->used++] = length;
}

/* A whole piece, or its front or end. */
static void give(ki_extents *extents, model *m, uint64_t *random)
{
    uint32_t i = check_below(random, m->used);
    uint64_t start = m->used_start[i], length = m->used_length[i];
    uint64_t part = check_below(random, 2) ? length : 1 + check_below(random, (uint32_t)length);
    if (check_below(random, 2)) {
        m->used_start[i] += part;
    } else {
        start += length - part;
    }
    m->used_length[i] -= part;
    if (m->used_length[i] == 0) {
        m->used--;
        m->used_start[i] = m->used_start[m->used];
        m->used_length[i] = m->used_length[m->used];
    }
    assert_true(ki_extents_give(extents, start, part));
    mark(m, start, part, true);
}

/* What is free in part, or nothing, or beyond all numbers, is refused. */
static void refuse(ki_extents *extents, const model *m, uint64_t *random)
{
    uint32_t start = check_below(random, PLACES), length = 1 + check_below(random, 9);
    bool some_free = false;
    for (uint32_t at = start; at < PLACES && at < start + length; at++)
        some_free |= m->is_free[at];
    if (some_free)
        assert_false(ki_extents_give(extents, BASE + start, length));
    assert_false(ki_extents_give(extents, start, 0));
    assert_false(ki_extents_give(extents, UINT64_MAX - 1, 2));
}

static void like_a_bitmap(void **state)
{
    static model m;
    uint64_t random = check_seed();
    ki_extents *extents;
    (void)state;
    assert_int_equal(ki_extents_open(&extents), KITH_OK);
    compare(extents, &m);
    assert_int_equal(ki_extents_reserve(extents, PLACES), KITH_OK);
    ki_alloc_fail_at(1); /* from here on nothing is allocated */
    assert_true(ki_extents_give(extents, BASE, PLACES));
    mark(&m, BASE, PLACES, true);
    for (uint32_t step = 0; step < STEPS; step++) {
        bool filling = step / 4000 % 2 == 0; /* waves: nearly full, nearly empty */
        if (m.used > 0 && check_below(&random, 10) < (filling ? 4u : 6u))
            give(extents, &m, &random);
        else
            take(extents, &m, 1 + check_below(&random, check_below(&random, 4) ? 6 : 40));
        refuse(extents, &m, &random);
        if (step % 8 == 0)
            compare(extents, &m);
        if (step % 8 == 0 && ki_extents_check(extents) != KITH_OK)
            fail_msg("step %u: %s", step, kith_last_error());
    }
    while (m.used > 0)
        give(extents, &m, &random);
    compare(extents, &m);
    assert_int_equal(ki_extents_count(extents), 1);
    ki_alloc_fail_at(0);
    ki_extents_close(extents);
}

/* Every other place is given back: as many runs as there can be, growing the list as it goes. */
static uint32_t run_with_failure(uint64_t n)
{
    enum { MANY = 1000 };
    ki_extents *extents = NULL;
    uint32_t failures = 0;
    ki_alloc_fail_at(n);
    while (ki_extents_open(&extents) != KITH_OK)
        failures++;
    for (uint64_t i = 0; i < MANY; i++) {
        while (ki_extents_reserve(extents, 1) != KITH_OK) {
            assert_int_equal(ki_extents_check(extents), KITH_OK);
            failures++;
        }
        assert_true(ki_extents_give(extents, 2 * i, 1));
    }
    ki_alloc_fail_at(0);
    assert_int_equal(ki_extents_check(extents), KITH_OK);
    assert_int_equal(ki_extents_count(extents), MANY);
    assert_in_range(ki_extents_bytes(extents), MANY * 34, MANY * 34 * 2 + 512);
    assert_int_equal(ki_extents_reserve(extents, SIZE_MAX), KITH_ENOMEM);
    assert_int_equal(ki_extents_reserve(extents, KI_AVL_NODES), KITH_ENOMEM);
    ki_extents_close(extents);
    return failures;
}

static void every_allocation_may_fail(void **state)
{
    uint64_t n = 1;
    (void)state;
    while (run_with_failure(n) > 0)
        n++;
    assert_true(n > 5);
    ki_extents_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(like_a_bitmap),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Property: a failure leaves exactly one sentence, of its own thread, whole and at most 255 bytes;
 * checked sizes refuse to wrap; the n-th allocation can be made to fail, once and alone.
 */
#include "tests/check.h"
#include "kv/base.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static void sentence_is_kept_until_the_next(void **state)
{
    (void)state;
    assert_int_equal(ki_fail(KITH_EINVAL, "k is %u, at most %zu", 7U, (size_t)5), KITH_EINVAL);
    assert_string_equal(kith_last_error(), "k is 7, at most 5");
    assert_int_equal(ki_no_memory("a graph", 123), KITH_ENOMEM);
    assert_string_equal(kith_last_error(), "no memory for a graph (123 bytes)");
    ki_fail(KITH_EIO, "again: %s", kith_last_error());
    assert_string_equal(kith_last_error(), "again: no memory for a graph (123 bytes)");
    errno = ENOSPC;
    ki_fail(KITH_EIO, "short");
    assert_int_equal(errno, ENOSPC);
}

static void long_sentence_is_cut_at_a_character(void **state)
{
    char text[400];
    (void)state;
    memset(text, 'a', sizeof text);
    text[399] = '\0';
    ki_fail(KITH_EINVAL, "%s", text);
    assert_int_equal(strlen(kith_last_error()), 255);
    for (size_t at = 240; at < 260; at++) {
        memset(text, 'a', sizeof text - 1);
        memcpy(text + at, "\xe2\x82\xac", 3); /* three bytes: the euro sign */
        ki_fail(KITH_EINVAL, "%s", text);
        const char *said = kith_last_error();
        assert_in_range(strlen(said), 252, 255);
        assert_memory_equal(said, text, strlen(said));
        bool has_start = strchr(said, 0xe2) != NULL, has_end = strchr(said, 0xac) != NULL;
        assert_true(has_start == has_end);
    }
}

static void *fail_elsewhere(void *unused)
{
    (void)unused;
    static bool was_empty;
    was_empty = kith_last_error()[0] == '\0';
    ki_fail(KITH_EIO, "elsewhere");
    ki_alloc_fail_at(1);
    return &was_empty;
}

static void threads_do_not_share(void **state)
{
    pthread_t thread;
    void *was_empty;
    (void)state;
    ki_fail(KITH_EINVAL, "here");
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
    assert_int_equal(pthread_join(thread, &was_empty), 0);
    assert_true(*(bool *)was_empty);
    assert_string_equal(kith_last_error(), "here");
    void *block = ki_alloc(1);
    assert_non_null(block);
    ki_free(block);
}

static void every_status_has_a_name(void **state)
{
    (void)state;
    for (int a = KITH_EBUSY; a <= KITH_OK; a++) {
        assert_string_not_equal(kith_strerror((kith_status)a), "unknown status");
        for (int b = KITH_EBUSY; b < a; b++)
            assert_string_not_equal(kith_strerror((kith_status)a), kith_strerror((kith_status)b));
    }
    assert_string_equal(kith_strerror((kith_status)(KITH_EBUSY - 1)), "unknown status");
    assert_string_equal(kith_strerror((kith_status)1), "unknown status");
}

static void sizes_do_not_wrap(void **state)
{
    size_t out = 42;
    (void)state;
    assert_false(ki_mul(SIZE_MAX / 2, 3, &out));
    assert_false(ki_add(SIZE_MAX, 1, &out));
    assert_false(ki_round_up(SIZE_MAX - 5, 64, &out));
    assert_int_equal(out, 42);
    assert_true(ki_mul(SIZE_MAX / 3, 3, &out) && out == SIZE_MAX / 3 * 3);
    assert_true(ki_add(SIZE_MAX - 1, 1, &out) && out == SIZE_MAX);
    assert_true(ki_round_up(0, 64, &out) && out == 0);
    assert_true(ki_round_up(64, 64, &out) && out == 64);
    assert_true(ki_round_up(65, 64, &out) && out == 128);
}

static void *allocate(int way, void *old)
{
    switch (way) {
    case 0:
        return ki_alloc(0);
    case 1:
        return ki_zalloc(100);
    case 2:
        return ki_alloc_aligned(4096, 0);
    default:
        return ki_realloc(old, 200);
    }
}

static void nth_allocation_fails_once(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++)
        for (uint64_t n = 1; n <= 5; n++) {
            ki_alloc_fail_at(n);
            for (uint64_t i = 1; i <= 7; i++) {
                unsigned char *old = malloc(10), *block;
                assert_non_null(old);
                old[9] = 77;
                block = allocate(way, old);
                assert_true((block == NULL) == (i == n));
                bool taken = way == 3 && block != NULL;
                assert_int_equal(taken ? block[9] : old[9], 77);
                if (way == 1 && block != NULL)
                    assert_int_equal(block[99], 0);
                if (way == 2)
                    assert_int_equal((uintptr_t)block % 4096, 0);
                ki_free(block);
                if (!taken)
                    free(old);
            }
        }
    ki_alloc_fail_at(1);
    ki_alloc_fail_at(0);
    assert_false(ki_alloc_should_fail());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentence_is_kept_until_the_next),
        cmocka_unit_test(long_sentence_is_cut_at_a_character),
        cmocka_unit_test(threads_do_not_share),
        cmocka_unit_test(every_status_has_a_name),
        cmocka_unit_test(sizes_do_not_wrap),
        cmocka_unit_test(nth_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

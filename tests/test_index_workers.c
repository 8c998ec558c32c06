/* Property: a crew shares out every number exactly once, for any count, grain and size of crew;
 * what the members wrote can be read when the call returns; a failure ends the job, and its status
 * and sentence reach the caller, whichever member it befell; the crew works on after it.
 */
#include "index/workers.h"
#include "tests/check.h"

#include <string.h>

enum { MOST = 5000 };

typedef struct sheet {
    uint32_t done[MOST]; /* plain integers: a thread checker sees it when two members meet */
    uint32_t threads, runs[8];
    size_t count, grain, fail_at;
} sheet;

static kith_status mark(void *context, uint32_t worker, size_t first, size_t last)
{
    sheet *s = context;
    if (worker >= s->threads || first >= last || last > s->count || last - first > s->grain ||
        first % s->grain)
        return ki_fail(KITH_ECORRUPT, "run %zu..%zu of worker %u", first, last, worker);
    s->runs[worker]++;
    for (size_t i = first; i < last; i++) {
        if (i == s->fail_at)
            return ki_fail(KITH_EDEVICE, "number %zu broke", i);
        s->done[i]++;
    }
    return KITH_OK;
}

static ki_workers *crew_of(uint32_t threads)
{
    ki_workers *crew = NULL;
    assert_int_equal(ki_workers_open(threads, &crew), KITH_OK);
    assert_int_equal(ki_workers_count(crew), threads);
    return crew;
}

static void check_run(ki_workers *crew, sheet *s, size_t count, size_t grain)
{
    memset(s, 0, sizeof *s);
    s->threads = ki_workers_count(crew);
    s->count = count;
    s->grain = grain;
    s->fail_at = SIZE_MAX;
    assert_int_equal(ki_workers_run(crew, count, grain, mark, s), KITH_OK);
    for (size_t i = 0; i < MOST; i++)
        assert_int_equal(s->done[i], i < count);
    size_t runs = 0;
    for (uint32_t i = 0; i < 8; i++)
        runs += s->runs[i];
    assert_int_equal(runs, (count + grain - 1) / grain);
}

static void every_number_once(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 2, 7, 64, 1000, MOST}, grains[] = {1, 3, 64, MOST, 9999};
    sheet *s = malloc(sizeof *s);
    for (uint32_t threads = 1; threads <= 8; threads += threads < 4 ? 1 : 4) {
        ki_workers *crew = crew_of(threads);
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
            for (size_t g = 0; g < sizeof grains / sizeof *grains; g++)
                check_run(crew, s, counts[c], grains[g]);
        ki_workers_close(crew);
    }
    free(s);
}

/* Jobs so small that members still wake when the next one is given out. */
static void many_small_jobs(void **state)
{
    (void)state;
    sheet *s = calloc(1, sizeof *s);
    ki_workers *crew = crew_of(4);
    s->threads = 4;
    s->grain = 1;
    s->fail_at = SIZE_MAX;
    uint32_t expected[8] = {0};
    for (uint32_t job = 0; job < 3000; job++) {
        s->count = 1 + job % 8;
        assert_int_equal(ki_workers_run(crew, s->count, 1, mark, s), KITH_OK);
        for (uint32_t i = 0; i < s->count; i++)
            expected[i]++;
        assert_memory_equal(s->done, expected, sizeof expected);
    }
    ki_workers_close(crew);
    free(s);
}

static void failure_reaches_the_caller(void **state)
{
    (void)state;
    static const size_t broken[] = {0, 1, 999, MOST - 1};
    sheet *s = malloc(sizeof *s);
    for (uint32_t threads = 1; threads <= 4; threads += 3) {
        ki_workers *crew = crew_of(threads);
        for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
            char sentence[64];
            memset(s, 0, sizeof *s);
            *s = (sheet){.threads = threads, .count = MOST, .grain = 1, .fail_at = broken[i]};
            ki_fail(KITH_EIO, "an older sentence");
            assert_int_equal(ki_workers_run(crew, MOST, 1, mark, s), KITH_EDEVICE);
            snprintf(sentence, sizeof sentence, "number %zu broke", broken[i]);
            assert_string_equal(kith_last_error(), sentence);
            for (size_t n = 0; n < MOST; n++)
                assert_true(s->done[n] <= (n != broken[i]));
            if (threads == 1 && broken[i] < MOST - 1)
                assert_int_equal(s->done[broken[i] + 1], 0);
            check_run(crew, s, 100, 7);
        }
        ki_workers_close(crew);
    }
    free(s);
}

static void size_of_the_crew(void **state)
{
    (void)state;
    ki_workers *crew = NULL;
    assert_true(ki_processor_count() >= 1);
    assert_int_equal(ki_workers_open(0, &crew), KITH_OK);
    assert_int_equal(ki_workers_count(crew), ki_processor_count());
    ki_workers_close(crew);
    ki_workers_close(NULL);
    crew = NULL;
    ki_alloc_fail_at(1);
    assert_int_equal(ki_workers_open(2, &crew), KITH_ENOMEM);
    assert_null(crew);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_once),
        cmocka_unit_test(many_small_jobs),
        cmocka_unit_test(failure_reaches_the_caller),
        cmocka_unit_test(size_of_the_crew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Property: requests that are submitted are answered whatever order they are waited for in, and as
 * they would be alone; small ones of many threads reach a device together; a request for which
 * there is no memory fails whole, and nothing of it is left.
 */
#include "tests/shaky_device.h"

#include <pthread.h>
#include <string.h>

enum { N = 300, QUERIES = 400, K = 5, TICKETS = 40, THREADS = 8 };

static void tickets_in_any_order(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    shaky_bench b;
    bench_open(&b, KITH_HNSW, KITH_U8, N, QUERIES, &random);
    const kith_replicas_options options = shaky_options(2, 2, 3);
    kith_replicas *r = NULL;
    kith_ticket *tickets[TICKETS];
    static kith_hit alone[QUERIES * K], hits[QUERIES * K];
    const size_t each = QUERIES / TICKETS;
    must(kith_replicas_create(b.index, &options, NULL, NULL, &r));
    kith_search_options search = kith_search_defaults(K);
    must(kith_replicas_search(r, b.queries.bytes, QUERIES, &search, alone, NULL));
    for (size_t i = 0; i < TICKETS; i++)
        must(kith_replicas_submit(r, row_at(&b.queries, i * each), each, &search,
                                  hits + i * each * K, &tickets[i]));
    for (size_t i = TICKETS; i-- > 0;) {
        uint32_t done = 0;
        while (i % 2 && !done)
            must(kith_replicas_poll(tickets[i], &done));
        must(kith_replicas_wait(tickets[i], NULL));
    }
    same_hits(alone, hits, QUERIES * K, "by tickets");
    must(kith_replicas_search(r, b.queries.bytes, 0, &search, hits, NULL));
    kith_replicas_close(r);
    bench_close(&b);
}

/* Different k side by side must not end up in one call. */
static void unlike_requests_stay_apart(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    shaky_bench b;
    bench_open(&b, KITH_FLAT, KITH_U8, N, QUERIES, &random);
    const kith_replicas_options options = shaky_options(1, 1, 1);
    kith_replicas *r = NULL;
    kith_ticket *tickets[TICKETS];
    kith_hit *hits[TICKETS];
    must(kith_replicas_create(b.index, &options, NULL, NULL, &r));
    atomic_store(&shaky[0].ns_per_query, 20000);
    for (uint32_t i = 0; i < TICKETS; i++) {
        const kith_search_options search = kith_search_defaults(1 + i % 3);
        hits[i] = malloc((1 + i % 3) * sizeof *hits[i]);
        must(kith_replicas_submit(r, row_at(&b.queries, i), 1, &search, hits[i], &tickets[i]));
    }
    for (uint32_t k = 1; k <= 3; k++) {
        kith_hit *right = exact_hits(&b, TICKETS, k);
        for (uint32_t i = k - 1; i < TICKETS; i += 3) {
            must(kith_replicas_wait(tickets[i], NULL));
            same_hits(right + i * k, hits[i], k, "beside others");
            free(hits[i]);
        }
        free(right);
    }
    kith_replicas_close(r);
    bench_close(&b);
}

typedef struct caller {
    const shaky_bench *b;
    kith_replicas *r;
    uint32_t number, failures;
} caller;

static void *call(void *argument)
{
    caller *c = argument;
    const kith_search_options search = kith_search_defaults(1);
    kith_hit hit;
    for (uint32_t i = c->number; i < QUERIES; i += THREADS)
        c->failures +=
            kith_replicas_search(c->r, row_at(&c->b->queries, i), 1, &search, &hit, NULL) != 0;
    return NULL;
}

/* The first one that comes keeps the device, until all others wait behind it. */
static void await_callers(kith_replicas *r)
{
    size_t pending = 0;
    for (int ms = 0; ms < 10000 && pending < THREADS; ms++) {
        sleep_ms(1);
        pthread_mutex_lock(&r->mutex);
        pending = r->pending;
        pthread_mutex_unlock(&r->mutex);
    }
    assert_int_equal(pending, THREADS);
}

static void small_requests_go_together(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    shaky_bench b;
    bench_open(&b, KITH_FLAT, KITH_U8, N, QUERIES, &random);
    const kith_replicas_options options = shaky_options(1, 1, 1);
    kith_replicas *r = NULL;
    pthread_t threads[THREADS];
    caller callers[THREADS];
    must(kith_replicas_create(b.index, &options, NULL, NULL, &r));
    atomic_store(&shaky[0].largest, 0);
    atomic_store(&shaky[0].hanging, true);
    for (uint32_t i = 0; i < THREADS; i++) {
        callers[i] = (caller){&b, r, i, 0};
        pthread_create(&threads[i], NULL, call, &callers[i]);
    }
    await_callers(r);
    atomic_store(&shaky[0].hanging, false);
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(callers[i].failures, 0);
    }
    printf("the largest batch of single queries had %u\n", atomic_load(&shaky[0].largest));
    assert_true(atomic_load(&shaky[0].largest) >= THREADS / 2); /* in two batches at most */
    kith_replicas_close(r);
    bench_close(&b);
}

static void no_memory_for_the_nth(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    shaky_bench b;
    bench_open(&b, KITH_FLAT, KITH_F32, N, QUERIES, &random);
    const kith_replicas_options options = shaky_options(2, 1, 2);
    const kith_search_options search = kith_search_defaults(K);
    kith_replicas *r = NULL;
    kith_hit hits[10 * K], before[10 * K];
    uint64_t n = 1;
    must(kith_replicas_create(b.index, &options, NULL, NULL, &r));
    must(kith_store_put_u64(b.store, 5000, row_at(&b.rows, 1))); /* newer rows take memory too */
    kith_hit *right = exact_hits(&b, 10, K);
    memset(before, 0x5a, sizeof before);
    for (;; n++) {
        memcpy(hits, before, sizeof hits);
        ki_alloc_fail_at(n);
        kith_status status = kith_replicas_search(r, b.queries.bytes, 10, &search, hits, NULL);
        ki_alloc_fail_at(0);
        if (!status)
            break;
        assert_int_equal(status, KITH_ENOMEM);
        assert_memory_equal(hits, before, sizeof hits);
    }
    printf("%llu allocations\n", (unsigned long long)n - 1);
    assert_true(n > 4);
    same_hits(right, hits, 10 * K, "with all memory");
    free(right);
    kith_replicas_close(r);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tickets_in_any_order), cmocka_unit_test(unlike_requests_stay_apart),
        cmocka_unit_test(small_requests_go_together), cmocka_unit_test(no_memory_for_the_nth)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Property: a host copy that is behind the index is refreshed by the search that finds it so, and
 * however long that takes, the search is not taken to be late.
 *
 * The linker puts a function of the test's own before ki_pack_digest, which every refresh ends
 * with: so a refresh takes three times the deadline, whatever the machine.
 */
#include "index/copy_inside.h"
#include "tests/shaky_device.h"

enum { N = 300, K = 5, DEADLINE_MS = 200, SLOW_MS = 600 };

static atomic_uint slow, refreshes;

uint64_t __real_ki_pack_digest(const ki_copy *copy, const ki_packed *packed);
uint64_t __wrap_ki_pack_digest(const ki_copy *copy, const ki_packed *packed);

uint64_t __wrap_ki_pack_digest(const ki_copy *copy, const ki_packed *packed)
{
    sleep_ms(atomic_load(&slow));
    atomic_fetch_add(&refreshes, 1);
    return __real_ki_pack_digest(copy, packed);
}

static void behind(kith_index_kind kind, uint32_t partitions, uint64_t *random)
{
    static const char *const host[] = {"cpu"};
    const kith_search_options search = kith_search_defaults(K);
    kith_replicas_options options = kith_replicas_defaults(partitions, 1);
    kith_replicas_report report = {.size = sizeof report};
    kith_replicas *r = NULL;
    kith_hit hits[K];
    shaky_bench b;
    bench_open(&b, kind, KITH_U8, N, 1, random);
    options.devices = host;
    options.device_count = 1;
    options.threads = 1;
    options.deadline_ms = DEADLINE_MS;
    must(kith_replicas_create(b.index, &options, NULL, NULL, &r));
    must(kith_store_put_u64(b.store, N, row_at(&b.queries, 0)));
    must(kith_index_build(b.index, NULL, NULL));
    const unsigned before = atomic_load(&refreshes);
    atomic_store(&slow, SLOW_MS);
    must(kith_replicas_search(r, b.queries.bytes, 1, &search, hits, &report));
    atomic_store(&slow, 0);
    assert_int_equal(atomic_load(&refreshes) - before, partitions);
    assert_int_equal(hits[0].key, N);
    assert_int_equal(report.retries, 0);
    assert_int_equal(report.on_host, 0);
    uint64_t rows = 0;
    for (uint32_t p = 0; p < partitions; p++) {
        assert_int_equal(copy_info(r, p).state, KITH_COPY_OK);
        assert_string_equal(copy_info(r, p).reason, "");
        rows += copy_info(r, p).rows;
    }
    assert_int_equal(rows, N + 1);
    kith_replicas_close(r);
    bench_close(&b);
}

static void a_refresh_is_not_the_search(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    behind(KITH_FLAT, 1, &random);
    behind(KITH_HNSW, 1, &random);
    behind(KITH_HNSW, 2, &random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_refresh_is_not_the_search)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

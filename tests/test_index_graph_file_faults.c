/* Property: wherever power goes while a graph is saved, and whichever call fails, the file beside
 * the store is the old graph or the new one, the store is sound, and a later save succeeds.
 * Whatever allocation fails while one is loaded or saved, the call says so and nothing is lost.
 */
#include "index/build.h"
#include "index/graph_file.h"
#include "tests/check.h"
#include "tests/sim_vfs.h"

#include <string.h>

enum { DIM = 16, FIRST = 90, MORE = 40 };

static sim disk;
static ki_kernels kernels;

static ki_store *open_store(void)
{
    const ki_shape shape = {DIM, DIM, KITH_U8, KITH_L2SQ, KITH_KEYS_U64};
    ki_store_config config = ki_store_defaults(&shape);
    ki_store *store = NULL;
    config.vfs = &disk.vfs;
    config.grow_units = 1;
    return ki_store_open("s", &config, &store) ? NULL : store;
}

static void put_rows(ki_store *store, uint64_t first, uint64_t count, uint64_t *random)
{
    for (uint64_t key = first; key < first + count; key++) {
        unsigned char row[DIM];
        ki_aux aux;
        for (int i = 0; i < DIM; i++)
            row[i] = (unsigned char)check_below(random, 256);
        ki_aux_fill(KITH_U8, row, DIM, &aux);
        assert_int_equal(ki_store_put(store, &key, sizeof key, row, &aux, NULL), KITH_OK);
    }
}

static ki_graph *new_graph(const ki_store *store)
{
    const ki_graph_options options = {DIM, 4, 20, 1.1f, 1};
    ki_graph *graph = NULL;
    assert_int_equal(ki_graph_open(store, &options, &graph), KITH_OK);
    return graph;
}

static void build(ki_graph *graph)
{
    const ki_build_options options = {.kernel = &kernels.at[KITH_L2SQ][KI_U8],
                                      .sift = kernels.sift,
                                      .type = KITH_U8,
                                      .metric = KITH_L2SQ,
                                      .threads = 1};
    assert_int_equal(ki_graph_build(graph, &options), KITH_OK);
    assert_int_equal(ki_graph_check(graph), KITH_OK);
}

static kith_status load(const ki_store *store, ki_graph **out)
{
    ki_graph_reader reader;
    ki_workers *workers = NULL;
    ki_graph *graph = NULL;
    const ki_graph_options options = {DIM, 4, 20, 1.1f, 1};
    kith_status status = ki_graph_reader_open(store, &reader);
    if (status)
        return status;
    status = ki_workers_open(1, &workers);
    if (!status)
        status = ki_graph_open(store, &options, &graph);
    if (!status)
        status = ki_graph_fill(&reader, graph, workers, NULL, NULL);
    ki_graph_reader_close(&reader);
    ki_workers_close(workers);
    if (status)
        ki_graph_close(graph);
    else
        *out = graph;
    return status;
}

static kith_status save(const ki_graph *graph, const ki_store *store)
{
    return ki_graph_save(graph, ki_store_shape(store), NULL, NULL);
}

/* A store with a graph beside it, and rows put since; the graph in memory knows all of them. */
static ki_graph *prepare(ki_store **store, uint64_t *random, uint64_t *old_digest)
{
    *store = open_store();
    assert_non_null(*store);
    put_rows(*store, 0, FIRST, random);
    ki_graph *graph = new_graph(*store);
    build(graph);
    assert_int_equal(save(graph, *store), KITH_OK);
    *old_digest = ki_graph_digest(graph);
    put_rows(*store, FIRST, MORE, random);
    build(graph);
    return graph;
}

static void expect_old_or_new(uint64_t old_digest, uint64_t new_digest, bool surely_new)
{
    ki_store *store = open_store();
    ki_graph *graph = NULL;
    assert_non_null(store);
    if (load(store, &graph))
        fail_msg("no graph after all: %s", kith_last_error());
    assert_int_equal(ki_graph_check(graph), KITH_OK);
    const uint64_t digest = ki_graph_digest(graph);
    assert_true(digest == new_digest || (!surely_new && digest == old_digest));
    build(graph);
    assert_int_equal(ki_graph_digest(graph), new_digest);
    assert_int_equal(save(graph, store), KITH_OK);
    ki_graph_close(graph);
    ki_store_close(store);
}

/* Saves with a cut or a fault at call `at`, counted from the save on; false when it came no more.
 */
static bool run(uint64_t seed, bool cut, sim_fault fault, bool sticky, uint64_t at)
{
    uint64_t random = seed, old_digest;
    ki_store *store;
    sim_open(&disk, seed);
    ki_graph *graph = prepare(&store, &random, &old_digest);
    const uint64_t new_digest = ki_graph_digest(graph), before = disk.calls;
    if (cut)
        disk.cut_at = before + at;
    disk.fault = fault;
    disk.sticky = sticky;
    disk.fault_at = cut ? 0 : before + at;
    const kith_status status = save(graph, store);
    const bool came = disk.calls >= before + at;
    disk.fault_at = 0;
    if (fault == SIM_SHORT || fault == SIM_EINTR)
        assert_int_equal(status, KITH_OK);
    ki_graph_close(graph);
    ki_store_close(store);
    if (cut) {
        disk.cut_at = 0;
        sim_cut(&disk);
    }
    if (status && !cut)
        assert_true(strlen(kith_last_error()) > 10);
    expect_old_or_new(old_digest, new_digest, !status && !cut);
    sim_close(&disk);
    return came;
}

static void power_goes_anywhere(void **state)
{
    (void)state;
    const uint64_t seed = check_seed();
    for (uint64_t at = 1; run(seed * 101, true, SIM_NONE, false, at); at++)
        for (uint64_t again = 1; again <= 5; again++)
            run(seed * 101 + again, true, SIM_NONE, false, at);
}

static void any_call_may_fail(void **state)
{
    (void)state;
    for (int fault = SIM_EIO; fault <= SIM_EIO_SYNC; fault++)
        for (int sticky = 0; sticky < 2; sticky++)
            for (uint64_t at = 1; run(check_seed(), false, (sim_fault)fault, sticky, at); at++)
                ;
}

/* A load says so and leaves nothing; the next, with a well disk, has the graph. */
static void any_call_of_a_load_may_fail(void **state)
{
    uint64_t random = check_seed(), digest, runs = 0;
    ki_store *store;
    (void)state;
    sim_open(&disk, random);
    ki_graph_close(prepare(&store, &random, &digest));
    for (int fault = SIM_EIO; fault <= SIM_EINTR; fault++)
        for (int sticky = 0; sticky < 2; sticky++)
            for (uint64_t at = 1;; at++, runs++) {
                ki_graph *graph = NULL;
                disk.fault = (sim_fault)fault;
                disk.sticky = sticky;
                disk.fault_at = disk.calls + at;
                const kith_status status = load(store, &graph);
                const bool came = disk.calls >= disk.fault_at;
                disk.fault_at = 0;
                if (status)
                    assert_true(status == KITH_EIO && came && !graph && fault < SIM_SHORT);
                ki_graph_close(graph);
                graph = NULL;
                assert_int_equal(load(store, &graph), KITH_OK);
                assert_int_equal(ki_graph_digest(graph), digest);
                ki_graph_close(graph);
                if (!came)
                    break;
            }
    assert_true(runs > 8 * 5);
    ki_store_close(store);
    sim_close(&disk);
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    uint64_t random = check_seed(), old_digest;
    ki_store *store;
    kith_status status = KITH_ENOMEM;
    sim_open(&disk, random);
    ki_graph *graph = prepare(&store, &random, &old_digest), *loaded = NULL;
    for (uint64_t n = 1; status; n++) {
        ki_alloc_fail_at(n);
        status = save(graph, store);
        ki_alloc_fail_at(0);
        assert_true(!status || status == KITH_ENOMEM);
    }
    status = KITH_ENOMEM;
    for (uint64_t n = 1; status; n++) {
        ki_alloc_fail_at(n);
        status = load(store, &loaded);
        ki_alloc_fail_at(0);
        assert_true(!status || status == KITH_ENOMEM);
    }
    assert_int_equal(ki_graph_digest(loaded), ki_graph_digest(graph));
    ki_graph_close(loaded);
    ki_graph_close(graph);
    ki_store_close(store);
    sim_close(&disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_goes_anywhere),
        cmocka_unit_test(any_call_may_fail),
        cmocka_unit_test(any_call_of_a_load_may_fail),
        cmocka_unit_test(any_allocation_may_fail),
    };
    ki_kernels_fill(0, &kernels);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Property: wherever a build is stopped or runs out of memory that has dead rows to take out, of a
 * graph that was built or of one that was loaded, the graph stays valid and finds what an exact
 * search finds; what is reported never falls back before the dead are out; and the next build
 * leaves a graph of the live rows and no others.
 */
#include "index/objects.h"
#include "kv/base.h"
#include "tests/graph_file_data.h"

enum { N = 300, QUERIES = 40, MANY = 900, REUSED = 60, MOST = 2000 };

static uint64_t live_of(const kith_store *store)
{
    kith_store_stats stats = {.size = sizeof stats};
    must(kith_store_stat(store, &stats));
    return stats.live;
}

static void finish(kith_store *store, kith_index *index, const matrix *queries)
{
    must(kith_index_build(index, NULL, NULL));
    must(kith_index_check(index));
    assert_int_equal(nodes_of(index), live_of(store));
    assert_null(index->graph->usable);
    assert_true(agreement(store, index, queries) > 0.97);
}

typedef struct watch {
    uint64_t calls, stop_at, last, total; /* stops at this call, counted from 1 */
    bool fell_back;                       /* within one total */
} watch;

static int report(void *user, uint64_t done, uint64_t total)
{
    watch *w = user;
    w->fell_back |= done > total || (total == w->total && done < w->last);
    w->last = done;
    w->total = total;
    return ++w->calls == w->stop_at;
}

/* ---- a graph that was built ---- */

/* So many are dead that the graph is built anew, which is stopped: the old one is gone, what is
 * linked of the new one is valid, the rest is compared exactly. */
static void more_gone_than_stay(void **state)
{
    (void)state;
    uint64_t random = check_seed(), stops = 0;
    matrix rows = matrix_clustered(KITH_U8, DIM, MANY, 20, &random);
    matrix queries = matrix_clustered(KITH_U8, DIM, QUERIES, 20, &random);
    kith_status status = KITH_ECANCELLED;
    for (uint64_t stop_at = 1; status; stop_at += 4) {
        kith_store *store = store_of(&rows, KITH_L2SQ);
        kith_index *index = small_index(store), *anew = small_index(store);
        must(kith_index_build(index, NULL, NULL));
        for (uint64_t key = 0; key < MANY; key++)
            if (key % 5 < 3)
                must(kith_store_del_u64(store, key));
        watch w = {.stop_at = stop_at};
        status = kith_index_build(index, report, &w);
        assert_false(w.fell_back);
        must(kith_index_check(index));
        assert_true(status == (w.calls == stop_at ? KITH_ECANCELLED : KITH_OK));
        assert_true(index->graph->seen >= w.last && (w.last == MANY || index->graph->seen < MANY));
        assert_true(agreement(store, index, &queries) > 0.97);
        stops += status == KITH_ECANCELLED;
        finish(store, index, &queries);
        must(kith_index_build(anew, NULL, NULL));
        assert_true(digest_of(index) == digest_of(anew));
        kith_index_close(anew);
        kith_index_close(index);
        kith_store_close(store);
    }
    assert_in_range(stops, 4, MANY);
    matrix_free(&rows), matrix_free(&queries);
}

/* The dead are counted, and the nodes of all layers together. */
static void one_total_for_all_layers(void **state)
{
    (void)state;
    uint64_t random = check_seed(), all = 0;
    char numbers[96];
    matrix rows = matrix_clustered(KITH_U8, DIM, MANY, 20, &random);
    kith_store *store = store_of(&rows, KITH_L2SQ);
    kith_index *index = small_index(store);
    must(kith_index_build(index, NULL, NULL));
    const ki_graph *graph = index->graph;
    const uint32_t layers = graph->layers;
    assert_true(layers >= 3);
    for (uint32_t l = 0; l < layers; l++)
        all += graph->layer[l].count;
    for (uint64_t key = 0; key < MANY; key += 9)
        must(kith_store_del_u64(store, key));
    snprintf(numbers, sizeof numbers, "its %d dead rows were taken out, after %llu of %llu", 100,
             (unsigned long long)all, (unsigned long long)all);
    watch w = {.stop_at = layers};
    must_fail(kith_index_build(index, report, &w), KITH_ECANCELLED, numbers);
    assert_false(w.fell_back);
    assert_true(w.calls == layers && w.total == all && w.last == all);
    must(kith_index_check(index));
    assert_int_equal(nodes_of(index), MANY);
    w = (watch){.stop_at = 1};
    must_fail(kith_index_build(index, report, &w), KITH_ECANCELLED, "after 900 of");
    assert_true(w.total == all && w.last == MANY);
    kith_index_close(index);
    kith_store_close(store);
    matrix_free(&rows);
}

/* ---- a graph that was loaded ---- */

typedef struct scene {
    place p;
    kith_type type;
    matrix rows, fresh, queries;
    unsigned char *file; /* the store as it is found, each time */
    size_t file_bytes;
} scene;

/* Of N rows a graph was saved; since then, `dead` of its rows have gone and their numbers and those
 * of REUSED rows that it never had were given to others. */
static scene make_file(const char *name, kith_type type, uint64_t dead)
{
    uint64_t random = check_seed();
    scene s = {.p = place_of(name), .type = type};
    s.rows = matrix_clustered(type, DIM, N, 12, &random);
    s.fresh = matrix_clustered(type, DIM, N, 12, &random);
    s.queries = matrix_clustered(type, DIM, QUERIES, 12, &random);
    clear_place(&s.p);
    kith_store *store = open_at(s.p.store, type, KITH_L2SQ);
    must(kith_store_load(store, NULL, s.rows.bytes, N, NULL, NULL));
    for (uint64_t key = 0; key < REUSED; key++)
        must(kith_store_del_u64(store, key));
    kith_index *index = small_index(store);
    must(kith_index_build(index, NULL, NULL));
    must(kith_index_save(index, NULL, NULL));
    kith_index_close(index);
    kith_store_close(store);
    store = open_at(s.p.store, type, KITH_L2SQ);
    for (uint64_t i = 0; i < dead; i++)
        must(kith_store_del_u64(store, REUSED + i));
    kith_store_close(store); /* a checkpoint: their numbers are free */
    store = open_at(s.p.store, type, KITH_L2SQ);
    for (uint64_t i = 0; i < REUSED + dead / 2; i++)
        must(kith_store_put_u64(store, 2 * N + i, row_at(&s.fresh, i)));
    kith_store_close(store);
    s.file = read_file(s.p.store, &s.file_bytes);
    return s;
}

static void clear_scene(scene *s)
{
    clear_place(&s->p);
    free(s->file);
    matrix_free(&s->rows), matrix_free(&s->fresh), matrix_free(&s->queries);
}

/* The graph as it is found beside the store, and two loose rows deleted since. */
static kith_index *loaded(const scene *s, kith_store **store)
{
    write_file(s->p.store, s->file, s->file_bytes);
    *store = open_at(s->p.store, s->type, KITH_L2SQ);
    kith_index *index = small_index(*store);
    must(kith_index_load(index, NULL, NULL));
    assert_true(index->graph->loose_count >= REUSED && index->graph->usable);
    for (uint64_t key = 2 * N; key < 2 * N + 2; key++)
        must(kith_store_del_u64(*store, key));
    must(kith_index_check(index));
    return index;
}

/* From the first allocation on until none fails any more. */
static void memory_runs_out(kith_type type)
{
    scene s = make_file("unlink-oom", type, 50);
    kith_status status = KITH_ENOMEM;
    uint64_t n = 1;
    for (; status && n < MOST; n++) {
        kith_store *store;
        kith_index *index = loaded(&s, &store);
        ki_alloc_fail_at(n);
        status = kith_index_build(index, NULL, NULL);
        ki_alloc_fail_at(0);
        assert_true(!status || status == KITH_ENOMEM);
        must(kith_index_check(index));
        if (n % 8 == 0)
            assert_true(agreement(store, index, &s.queries) > 0.97);
        finish(store, index, &s.queries);
        kith_index_close(index);
        kith_store_close(store);
    }
    printf("%u allocations\n", (unsigned)n);
    assert_in_range(n, 20, MOST - 1);
    clear_scene(&s);
}

static void loaded_and_no_memory(void **state)
{
    (void)state;
    memory_runs_out(KITH_U8);
    memory_runs_out(KITH_F32);
}

/* With none of its nodes gone too: then only the loose are linked, and some of them died. */
static void stop_anywhere(uint64_t dead)
{
    scene s = make_file("unlink-stop", KITH_U8, dead);
    kith_status status = KITH_ECANCELLED;
    uint64_t stop_at = 1;
    for (; status; stop_at++) {
        kith_store *store;
        kith_index *index = loaded(&s, &store);
        watch w = {.stop_at = stop_at};
        status = kith_index_build(index, report, &w);
        assert_false(w.fell_back);
        assert_true(status == (w.calls == stop_at ? KITH_ECANCELLED : KITH_OK));
        must(kith_index_check(index));
        assert_true(agreement(store, index, &s.queries) > 0.97);
        finish(store, index, &s.queries);
        kith_index_close(index);
        kith_store_close(store);
    }
    assert_true(stop_at > 2);
    clear_scene(&s);
}

static void loaded_and_stopped(void **state)
{
    (void)state;
    stop_anywhere(0);
    stop_anywhere(50);
    stop_anywhere(180);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_gone_than_stay),
        cmocka_unit_test(one_total_for_all_layers),
        cmocka_unit_test(loaded_and_no_memory),
        cmocka_unit_test(loaded_and_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Property: an index that is opened answers at once and exactly, whatever its graph file is like:
 * missing, damaged, of another store, older than the rows. What the graph lacks is linked behind
 * the searches and saved, unless the store may not be written to; closing stops that, and leaves a
 * whole file or none.
 */
#include "index/graph_file.h"
#include "tests/graph_file_data.h"

#include <string.h>

enum { ROWS = 1200, MORE = 150, QUERIES = 20 };

typedef struct scene {
    place p;
    matrix rows, queries;
    kith_store *store;
} scene;

static scene open_scene(const char *name, uint64_t *random)
{
    scene s = {.p = place_of(name),
               .rows = matrix_clustered(KITH_U8, DIM, ROWS + MORE, 20, random),
               .queries = matrix_clustered(KITH_U8, DIM, QUERIES, 20, random)};
    clear_place(&s.p);
    s.store = open_at(s.p.store, KITH_U8, KITH_L2SQ);
    must(kith_store_load(s.store, NULL, s.rows.bytes, ROWS, NULL, NULL));
    return s;
}

static void close_scene(scene *s)
{
    kith_store_close(s->store);
    clear_place(&s->p);
    matrix_free(&s->rows);
    matrix_free(&s->queries);
}

static kith_index *open_index(kith_store *store)
{
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    kith_index *index = NULL;
    options.threads = 1;
    must(kith_index_open(store, &options, &index));
    return index;
}

/* Opens, searches beside the mending and after it, and closes. */
static void open_and_wait(const scene *s, kith_status expected, const char *part, uint64_t nodes)
{
    kith_index *index = open_index(s->store);
    kith_status loaded = KITH_EBUSY;
    assert_true(agreement(s->store, index, &s->queries) >= 0.99);
    must(kith_index_wait(index, &loaded));
    assert_int_equal(loaded, expected);
    if (expected)
        assert_non_null(strstr(kith_last_error(), part));
    assert_int_equal(nodes_of(index), nodes);
    must(kith_index_check(index));
    assert_true(agreement(s->store, index, &s->queries) >= 0.99);
    kith_index_close(index);
}

static void missing_damaged_and_behind(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    scene s = open_scene("open", &random);
    size_t bytes;
    open_and_wait(&s, KITH_ENOTFOUND, ".graph", ROWS);
    must(kith_index_check_file(s.store, NULL, NULL));
    open_and_wait(&s, KITH_OK, NULL, ROWS);

    unsigned char *file = read_file(s.p.graph, &bytes);
    file[bytes / 2] ^= 4;
    write_file(s.p.graph, file, bytes);
    open_and_wait(&s, KITH_ECORRUPT, "graph", ROWS);
    must(kith_index_check_file(s.store, NULL, NULL));
    free(file);

    for (uint64_t key = ROWS; key < ROWS + MORE; key++)
        must(kith_store_put_u64(s.store, key, row_at(&s.rows, key)));
    open_and_wait(&s, KITH_OK, NULL, ROWS + MORE);
    kith_index *index = open_index(s.store); /* nothing to do */
    kith_index_stats stats = {.size = sizeof stats};
    must(kith_index_stat(index, &stats));
    assert_int_equal(stats.nodes, ROWS + MORE);
    assert_true(stats.build_seconds == 0);
    kith_index_close(index);
    close_scene(&s);
}

static void another_stores_graph(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    scene s = open_scene("open-a", &random), t = open_scene("open-b", &random);
    size_t bytes;
    open_and_wait(&s, KITH_ENOTFOUND, ".graph", ROWS);
    unsigned char *file = read_file(s.p.graph, &bytes);
    write_file(t.p.graph, file, bytes);
    open_and_wait(&t, KITH_EINVAL, "another store", ROWS);
    must(kith_index_check_file(t.store, NULL, NULL));
    free(file);
    close_scene(&s);
    close_scene(&t);
}

static void nothing_is_saved_where_nothing_may_be(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    scene s = open_scene("open-ro", &random);
    kith_store_options options = {.size = sizeof options};
    must(kith_store_describe(s.store, &options));
    kith_store_close(s.store);
    options.open = KITH_OPEN_READ_ONLY;
    must(kith_store_open(s.p.store, &options, &s.store));
    open_and_wait(&s, KITH_ENOTFOUND, ".graph", ROWS);
    must_fail(kith_index_check_file(s.store, NULL, NULL), KITH_ENOTFOUND, ".graph");
    close_scene(&s);

    matrix rows = matrix_uniform(KITH_F32, DIM, 300, &random);
    kith_store *memory = store_of(&rows, KITH_IP);
    kith_index *index = open_index(memory);
    kith_status loaded = KITH_EBUSY;
    must(kith_index_wait(index, &loaded));
    assert_int_equal(loaded, KITH_OK);
    assert_int_equal(nodes_of(index), 300);
    kith_index_close(index);
    kith_store_close(memory);
    matrix_free(&rows);
}

/* The rows take far longer to link than an index to close. */
static void closing_stops(void **state)
{
    (void)state;
    enum { MANY = 30000 };
    uint64_t random = check_seed();
    scene s = open_scene("open-stop", &random);
    matrix many = matrix_uniform(KITH_U8, DIM, MANY, &random);
    must(kith_store_load(s.store, NULL, many.bytes, MANY, NULL, NULL));
    for (int i = 0; i < 5; i++)
        kith_index_close(open_index(s.store));
    must_fail(kith_index_check_file(s.store, NULL, NULL), KITH_ENOTFOUND, ".graph");
    matrix_free(&many);
    close_scene(&s);
}

/* A file that another machine may read is nothing to build over. */
static void a_foreign_file_stays(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    scene s = open_scene("open-foreign", &random);
    size_t bytes, after;
    open_and_wait(&s, KITH_ENOTFOUND, ".graph", ROWS);
    unsigned char *file = read_file(s.p.graph, &bytes);
    file[offsetof(ki_graph_head, byte_order)] ^= 0x40;
    write_file(s.p.graph, file, bytes);
    open_and_wait(&s, KITH_EUNSUPPORTED, "byte order", ROWS);
    unsigned char *left = read_file(s.p.graph, &after);
    assert_int_equal(after, bytes);
    assert_memory_equal(left, file, bytes);
    free(left);
    free(file);
    close_scene(&s);
}

static void refusals(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    matrix rows = matrix_uniform(KITH_U8, DIM, 30, &random);
    kith_store *store = store_of(&rows, KITH_L2SQ);
    const kith_index_options flat = kith_index_defaults(KITH_FLAT);
    kith_index *index = NULL;
    must_fail(kith_index_open(store, &flat, &index), KITH_EINVAL, "flat");
    assert_null(index);
    index = small_index(store);
    must_fail(kith_index_wait(index, NULL), KITH_EINVAL, "kith_index_create");
    kith_index_close(index);
    kith_store_close(store);
    matrix_free(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(missing_damaged_and_behind),
                                       cmocka_unit_test(another_stores_graph),
                                       cmocka_unit_test(nothing_is_saved_where_nothing_may_be),
                                       cmocka_unit_test(closing_stops),
                                       cmocka_unit_test(a_foreign_file_stays),
                                       cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Property: whatever the bytes of a graph file are, loading it gives a graph that passes every
 * check or a status and a sentence; never a crash, never a wrong answer; and a build and a save
 * heal it.
 */
#include "index/graph_file.h"
#include "kv/checksum.h"
#include "tests/graph_file_data.h"

enum { ROWS = 700, QUERIES = 10 };

typedef struct patient {
    place p;
    kith_store *store;
    matrix rows, queries;
    unsigned char *file;
    size_t bytes;
} patient;

static patient open_patient(void)
{
    uint64_t random = check_seed();
    patient a = {.p = place_of("damage")};
    a.rows = matrix_clustered(KITH_F32, DIM, ROWS, 10, &random);
    a.queries = matrix_clustered(KITH_F32, DIM, QUERIES, 10, &random);
    clear_place(&a.p);
    a.store = open_at(a.p.store, KITH_F32, KITH_L2SQ);
    must(kith_store_load(a.store, NULL, a.rows.bytes, ROWS, NULL, NULL));
    kith_index *index = small_index(a.store);
    must(kith_index_build(index, NULL, NULL));
    must(kith_index_save(index, NULL, NULL));
    kith_index_close(index);
    a.file = read_file(a.p.graph, &a.bytes);
    return a;
}

static void close_patient(patient *a)
{
    kith_store_close(a->store);
    clear_place(&a->p);
    matrix_free(&a->rows);
    matrix_free(&a->queries);
    free(a->file);
}

/* Loads what lies there. A graph that was taken must be whole; one that was refused leaves an index
 * that answers exactly. */
static kith_status load(patient *a)
{
    kith_index *index = small_index(a->store);
    const kith_status status = kith_index_load(index, NULL, NULL);
    if (status) {
        assert_true(status == KITH_ECORRUPT || status == KITH_EUNSUPPORTED ||
                    status == KITH_EINVAL || status == KITH_EIO);
        assert_true(strlen(kith_last_error()) > 10);
        assert_int_equal(nodes_of(index), 0);
    } else {
        must(kith_index_check(index));
        assert_true(agreement(a->store, index, &a->queries) > 0.9);
    }
    kith_index_close(index);
    return status;
}

static void every_byte_of_the_head(void **state)
{
    (void)state;
    patient a = open_patient();
    for (size_t i = 0; i < KI_GRAPH_HEAD; i++) {
        a.file[i] ^= (unsigned char)(1 + i % 255);
        write_file(a.p.graph, a.file, a.bytes);
        assert_int_not_equal(load(&a), KITH_OK);
        a.file[i] ^= (unsigned char)(1 + i % 255);
    }
    close_patient(&a);
}

static void bytes_and_ends_elsewhere(void **state)
{
    (void)state;
    uint64_t random = check_seed();
    patient a = open_patient();
    for (int i = 0; i < 300; i++) {
        const size_t at = check_below(&random, (uint32_t)a.bytes);
        const unsigned char flip = (unsigned char)(1 + check_below(&random, 255));
        a.file[at] ^= flip;
        write_file(a.p.graph, a.file, a.bytes);
        const kith_status status = load(&a);
        kith_status checked = kith_index_check_file(a.store, NULL, NULL);
        assert_int_equal(status, checked); /* OK only where nothing lies, between two sections */
        a.file[at] ^= flip;
        write_file(a.p.graph, a.file, check_below(&random, (uint32_t)a.bytes));
        assert_int_not_equal(load(&a), KITH_OK);
    }
    close_patient(&a);
}

static void sign(unsigned char *file)
{
    ki_graph_head *head = (void *)file;
    for (uint32_t i = 0; i < head->sections && i < KI_GRAPH_SECTIONS; i++) {
        ki_graph_section *s = &head->section[i];
        if (s->offset <= head->file_bytes && s->bytes <= head->file_bytes - s->offset)
            s->sum = ki_sum64(file + s->offset, s->bytes, s->part);
    }
    head->sum = ki_sum64(head, offsetof(ki_graph_head, sum), 0);
}

/* Numbers that somebody wrote, with sums to match: in the head, and in the sections. */
static void hostile_numbers(void **state)
{
    (void)state;
    static const uint32_t numbers[] = {0,   1,   7,     8,          255,       699,
                                       700, 701, 65536, 0x7fffffff, 0xffffffff};
    uint64_t random = check_seed();
    patient a = open_patient();
    unsigned char *file = malloc(a.bytes);
    uint32_t taken = 0;
    for (int i = 0; i < 1500; i++) {
        const bool in_head = i % 2;
        const size_t first = in_head ? 48 : KI_GRAPH_HEAD;
        const size_t end = in_head ? 2168 : a.bytes;
        memcpy(file, a.file, a.bytes);
        for (uint32_t n = 1 + check_below(&random, 2); n > 0; n--) {
            const size_t at = first + check_below(&random, (uint32_t)(end - first - 4)) / 4 * 4;
            const uint32_t number = check_below(&random, 2) ? numbers[check_below(&random, 11)]
                                                            : (uint32_t)check_random(&random);
            memcpy(file + at, &number, sizeof number);
        }
        sign(file);
        write_file(a.p.graph, file, a.bytes);
        kith_index *index = small_index(a.store);
        if (!kith_index_load(index, NULL, NULL)) {
            must(kith_index_check(index));
            must(kith_index_build(index, NULL, NULL));
            must(kith_index_check(index));
            taken++;
        }
        kith_index_close(index);
    }
    printf("%u of 1500 were taken for a graph\n", taken);
    free(file);
    close_patient(&a);
}

static void heals(void **state)
{
    (void)state;
    patient a = open_patient();
    a.file[KI_GRAPH_HEAD + 100] ^= 1;
    write_file(a.p.graph, a.file, a.bytes);
    kith_index *index = small_index(a.store);
    must_fail(kith_index_load(index, NULL, NULL), KITH_ECORRUPT, "checksum");
    must(kith_index_build(index, NULL, NULL));
    must(kith_index_save(index, NULL, NULL));
    kith_index_close(index);
    assert_int_equal(load(&a), KITH_OK);
    ki_graph_head *head = (void *)a.file;
    a.file[KI_GRAPH_HEAD + 100] ^= 1;
    head->version = 2;
    sign(a.file);
    write_file(a.p.graph, a.file, a.bytes);
    assert_int_equal(load(&a), KITH_EUNSUPPORTED);
    head->version = 1;
    head->features = 4;
    sign(a.file);
    write_file(a.p.graph, a.file, a.bytes);
    assert_int_equal(load(&a), KITH_EUNSUPPORTED);
    head->features = 0;
    head->byte_order = 0x04030201;
    write_file(a.p.graph, a.file, a.bytes);
    assert_int_equal(load(&a), KITH_EUNSUPPORTED);
    close_patient(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_of_the_head),
        cmocka_unit_test(bytes_and_ends_elsewhere),
        cmocka_unit_test(hostile_numbers),
        cmocka_unit_test(heals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

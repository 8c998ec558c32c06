/* Property: searches go on beside writes, builds and the making of sketches, and each sees the
 * store as it was after one commit. Pairs of keys exchange their vectors over and over, both in one
 * commit, so at any moment each of these vectors is there once; vectors that nobody touches are
 * there once too. Widths are beyond the number of rows: a walk that misses one has no excuse.
 *
 * KITH_TEST_LIVE_COMMITS sets how many commits of each kind the writer makes at least. A thread
 * checker finds what a wrong answer does not show.
 */
#include "tests/index_data.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

enum {
    STILL = 300, /* vectors that stay under their keys */
    PAIRS = 8,
    DIM = 200, /* long enough for sketches of bytes */
    K = 4,
    COMMITS = 1600,
    BUILDS = 4,
    PACE = 4,   /* turns of the writer for a search: rows must not come faster than they are seen */
    COMERS = 40 /* further keys that come and go */
};

typedef struct scene {
    matrix rows; /* of STILL keys, then of the pairs, then of the comers */
    kith_store *store;
    kith_index *index;
    atomic_bool over;
    char complaint[200]; /* the first of any thread */
    pthread_mutex_t mutex;
    bool sketched;
    uint64_t commits; /* at least so many of each kind */
    atomic_uint_fast64_t searched, built;
} scene;

static void complain(scene *s, const char *what)
{
    pthread_mutex_lock(&s->mutex);
    if (!s->complaint[0])
        snprintf(s->complaint, sizeof s->complaint, "%s", what);
    pthread_mutex_unlock(&s->mutex);
    atomic_store(&s->over, true);
}

/* ---- the writer ---- */

static kith_op put(const scene *s, const uint64_t *key, size_t row)
{
    return (kith_op){.kind = KITH_PUT, .key = key, .key_len = 8, .vector = row_at(&s->rows, row)};
}

static kith_status exchange_pair(scene *s, uint64_t turn)
{
    const uint64_t pair = turn % PAIRS, first = STILL + 2 * pair, key[2] = {first, first + 1};
    const size_t crossed = turn / PAIRS % 2;
    const kith_op ops[2] = {put(s, &key[0], first + !crossed), put(s, &key[1], first + crossed)};
    return kith_store_commit(s->store, ops, 2, NULL);
}

static kith_status come_or_go(scene *s, uint64_t turn)
{
    const uint64_t key = STILL + 2 * PAIRS + turn % COMERS;
    const kith_op come = put(s, &key, key), go = {.kind = KITH_DELETE, .key = &key, .key_len = 8};
    return kith_store_commit(s->store, turn / COMERS % 2 ? &go : &come, 1, NULL);
}

/* What the last commit put or deleted is seen by a search that begins now. */
static void look_for_it(scene *s, uint64_t turn)
{
    const uint64_t key = STILL + 2 * PAIRS + turn % COMERS;
    const bool there = turn / COMERS % 2 == 0;
    kith_search_options options = kith_search_defaults(K);
    kith_index_stats stats = {.size = sizeof stats};
    kith_hit hits[K];
    options.ef = 2 * (STILL + 2 * PAIRS + COMERS);
    options.threads = 1;
    if (kith_index_search(s->index, row_at(&s->rows, key), 1, &options, hits, NULL) ||
        kith_index_stat(s->index, &stats))
        complain(s, kith_last_error());
    else if (there != (hits[0].distance == 0 && hits[0].key == key))
        complain(s, there ? "a put that returned is not seen" : "a delete that returned is not");
}

static void *write_all(void *context)
{
    scene *s = context;
    for (uint64_t i = 0; !atomic_load(&s->over); i++) {
        if (i >= s->commits && atomic_load(&s->built) >= BUILDS)
            break;
        if (exchange_pair(s, i) || come_or_go(s, i))
            complain(s, kith_last_error());
        if (i % COMERS == COMERS / 2 && !atomic_load(&s->over))
            look_for_it(s, i);
        while (atomic_load(&s->searched) < i / PACE && !atomic_load(&s->over))
            sched_yield();
    }
    atomic_store(&s->over, true);
    return NULL;
}

/* ---- the builder ---- */

static void *build_all(void *context)
{
    scene *s = context;
    kith_index_stats stats = {.size = sizeof stats};
    do {
        if (kith_index_build(s->index, NULL, NULL) || kith_index_check(s->index) ||
            kith_index_stat(s->index, &stats))
            complain(s, kith_last_error());
        if (s->sketched && atomic_load(&s->built) % 4 == 2 && kith_index_sketch(s->index, NULL))
            complain(s, kith_last_error());
        atomic_fetch_add(&s->built, 1);
    } while (!atomic_load(&s->over));
    return NULL;
}

/* ---- the searchers ---- */

/* The vector of `row` is there once, at distance 0, under a key that it may have. */
static void judge(scene *s, size_t row, const kith_hit *hits)
{
    const uint64_t low = row < STILL ? row : row - (row - STILL) % 2;
    const char *wrong = NULL;
    char sentence[160];
    if (hits[0].row == UINT32_MAX || hits[0].distance != 0)
        wrong = "is always there and was not found";
    else if (hits[1].row != UINT32_MAX && hits[1].distance == 0)
        wrong = "is there once and was found twice";
    else if (hits[0].key != row && (row < STILL || (hits[0].key != low && hits[0].key != low + 1)))
        wrong = "was found under a key that it never had";
    if (!wrong)
        return;
    snprintf(sentence, sizeof sentence, "vector %zu %s: rows %u and %u, keys %llu and %llu", row,
             wrong, hits[0].row, hits[1].row, (unsigned long long)hits[0].key,
             (unsigned long long)hits[1].key);
    complain(s, sentence);
}

/* The pairs mostly: their vectors move. */
static size_t choose_row(uint64_t *random)
{
    const uint64_t one = check_random(random) >> 16;
    return one % 4 ? STILL + one % (2 * PAIRS) : one % STILL;
}

static kith_search_options wide(void)
{
    kith_search_options options = kith_search_defaults(K);
    options.ef = 2 * (STILL + 2 * PAIRS + COMERS);
    options.threads = 1;
    return options;
}

static void *search_alone(void *context)
{
    scene *s = context;
    const kith_search_options options = wide();
    uint64_t random = 1;
    kith_searcher *searcher = NULL;
    kith_hit hits[K];
    if (kith_searcher_create(s->index, &options, NULL, &searcher))
        complain(s, kith_last_error());
    while (searcher && !atomic_load(&s->over)) {
        const size_t row = choose_row(&random);
        if (kith_searcher_search(searcher, row_at(&s->rows, row), hits, NULL, NULL))
            complain(s, kith_last_error());
        else
            judge(s, row, hits);
        atomic_fetch_add(&s->searched, 1);
    }
    kith_searcher_close(searcher);
    return NULL;
}

/* Several queries in a call; of a flat index that is the only way. */
static void *search_together(void *context)
{
    enum { CALL = 6 };
    scene *s = context;
    const kith_search_options options = wide();
    const size_t bytes = row_bytes(&s->rows);
    uint64_t random = 2;
    kith_hit hits[CALL * K];
    size_t row[CALL];
    unsigned char *queries = malloc(CALL * bytes);
    while (!atomic_load(&s->over)) {
        for (size_t i = 0; i < CALL; i++) {
            row[i] = choose_row(&random);
            memcpy(queries + i * bytes, row_at(&s->rows, row[i]), bytes);
        }
        if (kith_index_search(s->index, queries, CALL, &options, hits, NULL))
            complain(s, kith_last_error());
        for (size_t i = 0; i < CALL && !atomic_load(&s->over); i++)
            judge(s, row[i], hits + i * K);
        atomic_fetch_add(&s->searched, CALL);
    }
    free(queries);
    return NULL;
}

/* ---- */

static uint64_t commits_wanted(void)
{
    const char *said = getenv("KITH_TEST_LIVE_COMMITS");
    return said ? strtoull(said, NULL, 10) : COMMITS;
}

static void all_at_once(const row_kind *kind, const kith_index_options *options)
{
    uint64_t random = check_seed();
    const bool flat = options->kind == KITH_FLAT;
    const size_t n = STILL + 2 * PAIRS;
    static scene s;
    s = (scene){.rows = matrix_uniform(kind->type, DIM, n + COMERS, &random),
                .sketched = !flat && !(kind->type == KITH_F32 && options->walk == KITH_WALK_ROWS),
                .commits = commits_wanted(),
                .mutex = PTHREAD_MUTEX_INITIALIZER};
    matrix first = s.rows;
    first.n = n;
    s.store = store_of(&first, kind->metric);
    s.index = index_on(s.store, options);
    void *(*const work[])(void *) = {write_all, build_all, flat ? search_together : search_alone,
                                     search_together};
    pthread_t thread[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, work[i], &s), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    if (s.complaint[0])
        fail_msg("%s (after %llu searches and %llu builds)", s.complaint,
                 (unsigned long long)s.searched, (unsigned long long)s.built);
    assert_true(s.built >= BUILDS && s.searched > 0);
    must(kith_index_build(s.index, NULL, NULL));
    must(kith_index_check(s.index));
    kith_index_close(s.index);
    kith_store_close(s.store);
    matrix_free(&s.rows);
}

static void a_graph_of_bytes(void **state)
{
    (void)state;
    const row_kind kind = {KITH_U8, KITH_L2SQ};
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    options.threads = 2;
    all_at_once(&kind, &options);
    options.passes = 2;
    all_at_once(&kind, &options);
}

static void a_graph_of_codes(void **state)
{
    (void)state;
    const row_kind kind = {KITH_F32, KITH_L2SQ};
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    options.threads = 2;
    all_at_once(&kind, &options);
    options.walk = KITH_WALK_ROWS;
    all_at_once(&kind, &options);
}

static void every_row(void **state)
{
    (void)state;
    const row_kind kinds_of_rows[] = {{KITH_U8, KITH_L2SQ}, {KITH_F32, KITH_L2SQ}};
    const kith_index_options options = kith_index_defaults(KITH_FLAT);
    for (size_t i = 0; i < 2; i++)
        all_at_once(&kinds_of_rows[i], &options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_graph_of_bytes),
                                       cmocka_unit_test(a_graph_of_codes),
                                       cmocka_unit_test(every_row)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

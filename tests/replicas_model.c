/* replicas_model.c - see replicas_model.h. */
#include "tests/replicas_model.h"

#include <math.h>
#include <string.h>

enum { QUERIES = 30, K = 7, EF = 12, DEADLINE_MS = 40 };

typedef struct model {
    const model_case *c;
    shaky_bench b;
    matrix rows;
    kith_replicas *replicas;
    uint64_t random;
    bool has[SHAKY_DEVICES];
    uint32_t searches, retries, on_host; /* what happened, to be printed */
    uint64_t found, found_by_index;      /* right answers of narrow walks */
} model;

static const char *const names[] = {"ocl0", "ocl1", "ocl2", "ocl3"};

/* ---- searches ---- */

/* Rows of f32 behind codes are ranked by kernels that round, a flat index by exact sums. */
static void same_answers(const model *m, const kith_hit *right, const kith_hit *got)
{
    if (m->c->kind == KITH_FLAT || m->c->type != KITH_F32) {
        same_hits(right, got, QUERIES * K, "in the model");
        return;
    }
    for (size_t i = 0; i < QUERIES * K; i++)
        if (right[i].row != got[i].row || right[i].key != got[i].key ||
            !(right[i].distance == got[i].distance ||
              fabsf(right[i].distance - got[i].distance) <= 1e-5f * (1 + right[i].distance)))
            fail_msg("hit %zu is row %u at %g, not row %u at %g", i, got[i].row,
                     (double)got[i].distance, right[i].row, (double)right[i].distance);
}

static void search(model *m)
{
    kith_search_options options = kith_search_defaults(K);
    kith_replicas_report report = {.size = sizeof report};
    kith_hit hits[QUERIES * K], *right = exact_hits(&m->b, QUERIES, K);
    options.ef = m->c->keys * m->c->partitions;
    options.rerank = (float)m->c->keys / K + 1;
    must(kith_replicas_search(m->replicas, m->b.queries.bytes, QUERIES, &options, hits, &report));
    same_answers(m, right, hits);
    assert_int_equal(report.rows, report.rows_searched);
    assert_int_equal(report.rows, ki_store_live_count(m->b.store->engine));
    m->searches++;
    m->retries += report.retries;
    m->on_host += report.on_host;
    free(right);
}

static uint32_t right_ones(const kith_hit *right, const kith_hit *got)
{
    uint32_t found = 0;
    for (size_t i = 0; i < (size_t)QUERIES * K; i++)
        for (size_t j = i / K * K; j < i / K * K + K; j++)
            found += right[i].row == got[j].row && right[i].row != UINT32_MAX;
    return found;
}

/* With a small ef a graph's answers are its own. Copies that were just refreshed walk the graph of
 * the index, if there is one partition; graphs of partitions find as much, taken all together. */
static void search_narrowly(model *m)
{
    kith_search_options options = kith_search_defaults(K);
    kith_hit hits[QUERIES * K], mine[QUERIES * K], *right = exact_hits(&m->b, QUERIES, K);
    options.ef = EF;
    must(kith_replicas_search(m->replicas, m->b.queries.bytes, QUERIES, &options, hits, NULL));
    must(kith_index_search(m->b.index, m->b.queries.bytes, QUERIES, &options, mine, NULL));
    if (m->c->partitions == 1)
        same_hits(mine, hits, QUERIES * K, "as the index finds");
    m->found += right_ones(right, hits);
    m->found_by_index += right_ones(right, mine);
    free(right);
}

/* ---- what happens ---- */

static void write_some(model *m)
{
    const uint32_t keys = m->c->keys;
    for (uint32_t i = check_below(&m->random, 30); i > 0; i--) {
        const uint64_t key = check_below(&m->random, keys);
        if (check_below(&m->random, 3))
            must(kith_store_put_u64(m->b.store, key,
                                    row_at(&m->rows, check_below(&m->random, keys))));
        else
            kith_store_del_u64(m->b.store, key); /* or it is not there */
    }
}

static void mend(uint32_t d)
{
    atomic_store(&shaky[d].fail_after, 0);
    atomic_store(&shaky[d].failing, false);
    atomic_store(&shaky[d].absent, false);
    atomic_store(&shaky[d].hanging, false);
}

static void change_device(model *m, uint32_t d)
{
    if (!m->has[d]) {
        mend(d);
        must(kith_replicas_add(m->replicas, names[d]));
    } else {
        must(kith_replicas_drop(m->replicas, names[d]));
    }
    m->has[d] = !m->has[d];
}

static void trouble_device(model *m, uint32_t d)
{
    const uint32_t how = check_below(&m->random, 8);
    mend(d);
    if (how < 3)
        atomic_store(&shaky[d].failing, true);
    else if (how < 5)
        atomic_store(&shaky[d].fail_after, 1 + (int)check_below(&m->random, 3));
    else if (how == 5)
        atomic_store(&shaky[d].hanging, true);
    else if (how == 6) {
        atomic_store(&shaky[d].absent, true); /* and it fails, so that it is opened anew */
        atomic_store(&shaky[d].failing, true);
    }
}

static void refresh(model *m)
{
    kith_copy_info info = {.size = sizeof info}, first[8] = {{0}};
    for (uint32_t d = 0; d < m->c->devices; d++)
        atomic_store(&shaky[d].hanging, false);
    must(kith_replicas_refresh(m->replicas, NULL, NULL));
    for (size_t i = 0; kith_replicas_copy(m->replicas, i, &info) == KITH_OK; i++) {
        kith_copy_info *other = &first[info.partition];
        if (info.state != KITH_COPY_OK)
            continue;
        if (!other->digest)
            *other = info;
        assert_true(info.digest && info.lsn == other->lsn && info.digest == other->digest);
        assert_true(info.rows == other->rows);
    }
    if (m->c->kind == KITH_HNSW)
        search_narrowly(m);
}

static void step(model *m)
{
    const uint32_t what = check_below(&m->random, 12), d = check_below(&m->random, m->c->devices);
    if (what < 4)
        write_some(m);
    else if (what == 4)
        change_device(m, d);
    else if (what == 5)
        trouble_device(m, d);
    else if (what == 6)
        must(kith_index_build(m->b.index, NULL, NULL));
    else if (what == 7)
        refresh(m);
    else if (what == 8)
        atomic_store(&shaky[d].ns_per_query, check_below(&m->random, 3) * 5000);
    else
        search(m);
}

/* ---- a life ---- */

static void begin(model *m)
{
    const model_case *c = m->c;
    bench_open_walk(&m->b, c->kind, c->walk, c->type, c->keys / 2, QUERIES, &m->random);
    if (c->on_opencl)
        shaky_use_opencl();
    m->rows = matrix_clustered(c->type, 16, c->keys, 20, &m->random);
    kith_replicas_options options = shaky_options(c->partitions, c->copies, c->devices - 1);
    options.deadline_ms = DEADLINE_MS;
    must(kith_replicas_create(m->b.index, &options, NULL, NULL, &m->replicas));
    for (size_t i = 0; i < (size_t)c->partitions * c->copies; i++)
        m->has[copy_info(m->replicas, i).device[3] - '0'] = true;
}

void model_run(const model_case *c, uint64_t *random)
{
    model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    assert_true(c->devices <= sizeof names / sizeof *names && c->partitions <= 8);
    m->c = c;
    m->random = check_random(random);
    begin(m);
    for (uint32_t i = 0; i < c->steps; i++)
        step(m);
    for (uint32_t d = 0; d < c->devices; d++)
        mend(d);
    search(m);
    refresh(m);
    print_message("%u partitions, %u copies: %u searches, %u pieces asked again, %u on the host\n",
                  c->partitions, c->copies, m->searches, m->retries, m->on_host);
    if (m->found + m->found / 50 < m->found_by_index)
        fail_msg("narrow walks find %llu, the index finds %llu", (unsigned long long)m->found,
                 (unsigned long long)m->found_by_index);
    kith_replicas_close(m->replicas);
    matrix_free(&m->rows);
    bench_close(&m->b);
    free(m);
}

/* tune_store.c - `kith tune STORE`: a store and the graph beside it in place of a data file.
 *
 * Nothing is built and nothing is written. The rows are copied under their row numbers, since the
 * judge measures for itself; where queries are of another type than rows, or rows of one that the
 * judge does not know, both are judged as f32, which holds every value of every type. Hits are
 * told by row numbers, as keys may be text. What is right is found by an exact scan of the store.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/heap.h"
#include "cli/store_graph.h"
#include "cli/store_part.h"
#include "cli/tune.h"

/* A damaged store must not be taken for data in an unknown format, nor data for a damaged store. */
int tune_find_store(const char *path, kith_store **out)
{
    kith_store_options any = kith_store_defaults(0, KITH_F32, KITH_L2SQ);
    any.open = KITH_OPEN_READ_ONLY;
    const kith_status status = path ? kith_store_open(path, &any, out) : KITH_ENOTFOUND;
    if (!status || status == KITH_ENOTFOUND || matrix_known(path))
        return TOOL_OK;
    return terminal_fail(TOOL_FAILED, "%s is in no known format of data, and as a store: %s", path,
                         kith_last_error());
}

/* ---- rows and queries ---------------------------------------------------------------------- */

static float as_float(kith_type type, const void *vector, uint32_t i)
{
    uint32_t wide;
    float x;
    switch (type) {
    case KITH_U8:
        return ((const uint8_t *)vector)[i];
    case KITH_I8:
        return ((const int8_t *)vector)[i];
    case KITH_F16:
        return element_half(((const uint16_t *)vector)[i]);
    case KITH_BF16:
        wide = (uint32_t)((const uint16_t *)vector)[i] << 16;
        memcpy(&x, &wide, sizeof x);
        return x;
    default:
        return ((const float *)vector)[i];
    }
}

/* Queries of the rows' type, or else f32; the judge's type goes with them. */
static int read_queries(struct bench *b)
{
    const struct wishes *w = &b->wishes;
    struct matrix *queries = &b->data.queries;
    struct sentence why;
    kith_type type;
    if (!matrix_read(w->data.queries, NULL, w->data.query_rows, queries, &why))
        return terminal_fail(TOOL_FAILED, "%s", why.text);
    if (queries->dim != b->data.base.dim)
        return terminal_fail(TOOL_FAILED, "%s has %u dimensions and the store has %u",
                             w->data.queries, queries->dim, b->data.base.dim);
    const bool same = element_type(queries->element, &type) && type == b->data.type;
    if (!same && !matrix_convert(queries, ELEMENT_F32, w->data.queries, &why))
        return terminal_fail(TOOL_FAILED, "%s", why.text);
    b->judge.type = same ? b->data.type : KITH_F32;
    b->f32_queries = b->judge.type != b->data.type;
    return TOOL_OK;
}

static void copy_row(const struct bench *b, const kith_item *item)
{
    const uint32_t dim = b->data.base.dim;
    const size_t bytes = kith_vector_bytes(b->judge.type, dim);
    char *to = (char *)b->data.base.data + (size_t)item->row * bytes;
    if (b->judge.type == b->data.type) {
        memcpy(to, item->vector, bytes);
        return;
    }
    for (uint32_t i = 0; i < dim; i++) {
        const float x = as_float(b->data.type, item->vector, i);
        memcpy(to + i * sizeof x, &x, sizeof x);
    }
}

/* The base: a row of it for each row number of the store, dead ones zero. */
static kith_status copy_rows(struct bench *b)
{
    kith_item item = {.size = sizeof item};
    kith_snapshot *snapshot = NULL;
    kith_cursor *cursor = NULL;
    const size_t bytes = kith_vector_bytes(b->judge.type, b->data.base.dim);
    b->data.base.data = heap_alloc((size_t)b->data.base.rows, bytes);
    kith_status status = kith_snapshot_open(b->store, &snapshot);
    if (!status)
        status = kith_cursor_open(snapshot, NULL, 0, &cursor);
    for (status = status ? status : kith_cursor_first(cursor, &item); !status;
         status = kith_cursor_next(cursor, &item))
        copy_row(b, &item);
    kith_cursor_close(cursor);
    kith_snapshot_close(snapshot);
    return status == KITH_ENOTFOUND ? KITH_OK : status;
}

/* The exact neighbours of all queries, by row numbers. */
static kith_status find_truth(struct bench *b)
{
    const size_t count = (size_t)b->data.queries.rows * b->wishes.k;
    kith_hit *hits = heap_alloc(count, sizeof *hits);
    kith_index_options options = kith_index_defaults(KITH_FLAT);
    kith_search_options search = kith_search_defaults(b->wishes.k);
    kith_index *flat = NULL;
    options.threads = b->threads;
    search.f32_queries = b->f32_queries;
    kith_status status = kith_index_create(b->store, &options, &flat);
    if (!status)
        status = kith_index_build(flat, NULL, NULL);
    if (!status)
        status = kith_index_search(flat, b->data.queries.data, (size_t)b->data.queries.rows,
                                   &search, hits, NULL);
    b->truth = heap_alloc(count, sizeof *b->truth);
    for (size_t i = 0; i < count && !status; i++)
        b->truth[i] = hits[i].row;
    kith_index_close(flat);
    free(hits);
    return status;
}

/* ---- the graph ----------------------------------------------------------------------------- */

static int load_graph(struct tune *t, const char *path)
{
    struct bench *b = &t->bench;
    kith_index_options options = bench_graph_options(b);
    if (kith_index_create(b->store, &options, &t->graph))
        return terminal_fail(TOOL_USAGE, "%s", kith_last_error());
    if (!store_graph_load(t->graph))
        return terminal_fail(TOOL_FAILED, "no graph to walk beside %s; `kith build` makes one",
                             path);
    return bench_learn_codes(b, t->graph) ? TOOL_OK : store_failed();
}

static int check_wishes(const struct wishes *w)
{
    if (!w->data.queries)
        return terminal_fail(TOOL_USAGE, "a store has no queries: --queries is missing");
    if (w->m || w->ef_construction || w->data.rows || w->data.metric)
        return terminal_fail(TOOL_USAGE,
                             "a store has its rows, its metric and its graph: --m, "
                             "--ef-construction, --rows and --metric do not go with it");
    return TOOL_OK;
}

static int check_shape(const struct bench *b, const kith_store_options *shape,
                       const kith_store_stats *stats)
{
    if (shape->type == KITH_B1)
        return terminal_fail(TOOL_USAGE, "walks over b1 rows cannot be judged by `kith tune`");
    if (b->wishes.k > stats->live)
        return terminal_fail(TOOL_USAGE, "-k %u is more than the %llu rows of the store",
                             b->wishes.k, (unsigned long long)stats->live);
    return TOOL_OK;
}

int tune_open_store(struct tune *t, const char *path)
{
    struct bench *b = &t->bench;
    kith_store_options shape = {.size = sizeof shape};
    kith_store_stats stats = {.size = sizeof stats};
    int code = check_wishes(&b->wishes);
    if (code)
        return code;
    if (kith_store_describe(b->store, &shape) || kith_store_stat(b->store, &stats))
        return store_failed();
    snprintf(b->data.name, sizeof b->data.name, "%s", path);
    b->data.type = shape.type;
    b->data.metric = shape.metric;
    b->data.base.dim = shape.dim;
    b->data.base.rows = stats.rows;
    if ((code = check_shape(b, &shape, &stats)) || (code = read_queries(b)) ||
        (code = tune_check_queries(b)) || (code = load_graph(t, path)))
        return code;
    if (copy_rows(b) || find_truth(b))
        return store_failed();
    b->judge = (struct judge){.metric = shape.metric,
                              .type = b->judge.type,
                              .dim = shape.dim,
                              .k = b->wishes.k,
                              .rows = stats.rows,
                              .base = b->data.base.data,
                              .queries = b->data.queries.data,
                              .truth = b->truth};
    judge_open(&b->judge, (size_t)b->data.queries.rows);
    t->by_row = true;
    return TOOL_OK;
}

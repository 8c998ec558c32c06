/* walk_device.c - see walk_device.h. Memory comes from malloc: it is the test's, and the device's
 * failures are not what is tested here.
 */
#include "tests/walk_device.h"
#include "index/scan.h"

#include <stdbool.h>
#include <string.h>

typedef struct device {
    ki_device base;
    const ki_kernels *kernels;
    uint32_t max_ef;
    walk_device_counts *counts;
} device;

struct ki_device_rows {
    device *device;
    ki_row_set set;
    unsigned char *bytes, *aux;
    uint64_t *live; /* NULL: all */
    ki_device_layer layer[32];
    uint32_t layers, entry;
};

static void *copied(const void *from, size_t bytes)
{
    void *to = malloc(bytes + 1);
    assert_non_null(to);
    memcpy(to, from, bytes);
    return to;
}

static size_t row_size(const ki_row_set *set)
{
    return ki_row_bytes((ki_pairing)set->type, set->rows.dim);
}

static void device_info(const ki_device *base, kith_device_info *out)
{
    (void)base;
    *out = (kith_device_info){.size = sizeof *out, .id = "walker", .usable = 1};
}

static void drop_graph(ki_device_rows *rows)
{
    union {
        const uint32_t *given;
        void *ours;
    } block;
    for (uint32_t l = 0; l < rows->layers; l++) {
        block.given = rows->layer[l].links;
        free(block.ours);
        block.given = rows->layer[l].down;
        free(block.ours);
        block.given = rows->layer[l].row;
        free(block.ours);
    }
    rows->layers = 0;
}

static void drop_rows(ki_device_rows *rows)
{
    drop_graph(rows);
    rows->device->counts->held--;
    free(rows->bytes);
    free(rows->aux);
    free(rows->live);
    free(rows);
}

static kith_status set_live(ki_device_rows *rows, const uint64_t *live)
{
    free(rows->live);
    rows->live = live ? copied(live, (rows->set.count / 64 + 1) * sizeof *live) : NULL;
    rows->set.live = rows->live;
    return KITH_OK;
}

/* The first rows must be those that it was given before. */
static kith_status put_rows(ki_device *base, const ki_row_set *set, ki_device_rows **out)
{
    const size_t bytes = row_size(set);
    ki_device_rows *rows = calloc(1, sizeof *rows), *before = *out;
    assert_non_null(rows);
    rows->device = (device *)(void *)base;
    rows->set = *set;
    rows->bytes = malloc(set->count * bytes + 1);
    rows->aux = malloc(set->count * sizeof(ki_aux) + 1);
    assert_true(rows->bytes && rows->aux);
    for (uint32_t i = 0; i < set->count; i++) {
        memcpy(rows->bytes + i * bytes, set->rows.base + i * set->rows.stride, bytes);
        memcpy(rows->aux + i * sizeof(ki_aux), set->rows.aux + i * set->rows.aux_stride,
               sizeof(ki_aux));
    }
    if (before) {
        assert_true(before->set.count <= set->count);
        assert_memory_equal(before->bytes, rows->bytes, before->set.count * bytes);
    }
    rows->device->counts->rows_sent += set->count - (before ? before->set.count : 0);
    rows->device->counts->held++;
    rows->set.rows.base = rows->bytes;
    rows->set.rows.stride = bytes;
    rows->set.rows.aux = rows->aux;
    rows->set.rows.aux_stride = sizeof(ki_aux);
    set_live(rows, set->live);
    if (before)
        drop_rows(before);
    *out = rows;
    return KITH_OK;
}

static const ki_kernel *kernel_of(const ki_device_rows *rows, const ki_device_queries *queries)
{
    const ki_pairing pairing = ki_pairing_of(rows->set.type, queries->f32);
    return &rows->device->kernels->at[rows->set.metric][pairing];
}

static kith_status scan(ki_device_rows *rows, const ki_device_queries *queries, uint32_t k,
                        uint64_t *answers)
{
    const ki_queries list = {queries->base, queries->stride, queries->count,
                             ki_pairing_of(rows->set.type, queries->f32), queries->f32};
    ki_workers *alone;
    kith_status status = ki_workers_open(1, &alone);
    if (status)
        return status;
    status =
        ki_scan(kernel_of(rows, queries), &rows->set, 0, rows->set.count, &list, k, alone, answers);
    ki_workers_close(alone);
    return status;
}

static uint32_t max_k(const ki_device *base)
{
    (void)base;
    return 1000;
}

static kith_status put_graph(ki_device_rows *rows, const ki_device_graph *graph)
{
    drop_graph(rows);
    assert_true(graph->layers >= 1 && graph->layer[0].count == rows->set.count);
    assert_true(graph->entry < graph->layer[graph->layers - 1].count);
    for (uint32_t l = 0; l < graph->layers; l++) {
        const ki_device_layer *from = &graph->layer[l];
        ki_device_layer *to = &rows->layer[l];
        const size_t ids = from->count * sizeof(uint32_t);
        *to = *from;
        to->links = copied(from->links, ids * from->degree);
        to->down = l ? copied(from->down, ids) : NULL;
        to->row = l ? copied(from->row, ids) : NULL;
        for (size_t i = 0; i < (size_t)from->count * from->degree; i++)
            assert_true(to->links[i] < from->count || to->links[i] == UINT32_MAX);
        for (uint32_t i = 0; l && i < from->count; i++)
            assert_true(to->row[i] < rows->set.count && to->down[i] < graph->layer[l - 1].count);
    }
    rows->layers = graph->layers;
    rows->entry = graph->entry;
    return KITH_OK;
}

/* ---- the walk ---- */

typedef struct found {
    uint64_t order; /* key << 32 | id */
    bool expanded;
} found;

typedef struct walk {
    const ki_device_rows *rows;
    const ki_kernel *kernel;
    ki_query query;
    bool *seen;
    found *pool; /* as many places as there are rows, and one */
    uint32_t size, capacity;
    uint64_t distances, hops;
} walk;

static uint64_t measure(walk *w, uint32_t l, uint32_t id)
{
    const uint32_t row = l ? w->rows->layer[l].row[id] : id;
    w->distances++;
    w->seen[id] = true;
    return (uint64_t)w->kernel->pair(&w->query, &w->rows->set.rows, row) << 32 | id;
}

static uint64_t greedy(walk *w, uint32_t l, uint64_t best)
{
    const ki_device_layer *layer = &w->rows->layer[l];
    bool moved = true;
    memset(w->seen, 0, layer->count);
    w->seen[(uint32_t)best] = true;
    while (moved) {
        const uint32_t *links = layer->links + (size_t)(uint32_t)best * layer->degree;
        moved = false;
        w->hops++;
        for (uint32_t i = 0; i < layer->degree && links[i] != UINT32_MAX; i++) {
            const uint64_t order = w->seen[links[i]] ? UINT64_MAX : measure(w, l, links[i]);
            moved = moved || order < best;
            best = order < best ? order : best;
        }
    }
    return best;
}

/* Dead rows do not count: the list has room for ef live ones and those. One that is live and enters
 * a full list sends the dead behind the last live one away first. */
static void offer(walk *w, uint64_t order)
{
    const uint64_t *live = w->rows->live;
    uint32_t at;
    if (w->size == w->capacity && order >= w->pool[w->size - 1].order)
        return;
    if (!ki_is_live(live, (uint32_t)order))
        w->capacity++;
    else
        while (w->size == w->capacity && !ki_is_live(live, (uint32_t)w->pool[w->size - 1].order)) {
            w->size--;
            w->capacity--;
        }
    if (w->size == w->capacity && order >= w->pool[w->size - 1].order)
        return;
    if (w->size == w->capacity)
        w->size--;
    for (at = w->size++; at && w->pool[at - 1].order > order; at--)
        w->pool[at] = w->pool[at - 1];
    w->pool[at] = (found){order, false};
}

/* Opens the nearest that was not; false when there is none. */
static bool hop(walk *w)
{
    const ki_device_layer *layer = &w->rows->layer[0];
    uint32_t at = 0;
    while (at < w->size && w->pool[at].expanded)
        at++;
    if (at == w->size)
        return false;
    w->pool[at].expanded = true;
    w->hops++;
    const uint32_t *links = layer->links + (size_t)(uint32_t)w->pool[at].order * layer->degree;
    for (uint32_t i = 0; i < layer->degree && links[i] != UINT32_MAX; i++)
        if (!w->seen[links[i]])
            offer(w, measure(w, 0, links[i]));
    return true;
}

static void walk_one(walk *w, uint32_t ef, uint32_t want, uint64_t *answers)
{
    const ki_device_rows *rows = w->rows;
    uint32_t l = rows->layers - 1, n = 0;
    uint64_t best = measure(w, l, rows->entry);
    for (; l > 0; l--) {
        best = greedy(w, l, best);
        best = best >> 32 << 32 | rows->layer[l].down[(uint32_t)best];
    }
    memset(w->seen, 0, rows->set.count);
    w->seen[(uint32_t)best] = true;
    w->size = 0;
    w->capacity = ef;
    offer(w, best);
    while (hop(w))
        ;
    for (uint32_t i = 0; i < w->size && n < want; i++)
        if (ki_is_live(rows->live, (uint32_t)w->pool[i].order))
            answers[n++] = w->pool[i].order;
    while (n < want)
        answers[n++] = UINT64_MAX;
}

static kith_status walk_all(ki_device_rows *rows, const ki_device_queries *queries, uint32_t ef,
                            uint32_t want, uint64_t *answers, ki_walk_counts *counts)
{
    const ki_pairing pairing = ki_pairing_of(rows->set.type, queries->f32);
    walk w = {.rows = rows, .kernel = kernel_of(rows, queries)};
    void *scratch =
        aligned_alloc(64, (ki_query_bytes(pairing, rows->set.rows.dim) + 127) / 64 * 64);
    assert_true(rows->layers && want >= 1 && want <= ef && ef <= rows->device->max_ef);
    w.seen = malloc(rows->set.count * sizeof *w.seen);
    w.pool = malloc((rows->set.count + 2) * sizeof *w.pool);
    assert_true(w.seen && w.pool && scratch);
    for (size_t i = 0; i < queries->count; i++) {
        const void *query = (const unsigned char *)queries->base + i * queries->stride;
        ki_prepare_of(w.kernel, queries->f32)(query, rows->set.rows.dim, scratch, &w.query);
        walk_one(&w, ef, want, answers + i * want);
    }
    counts->distances += w.distances;
    counts->hops += w.hops;
    free(w.seen);
    free(w.pool);
    free(scratch);
    return KITH_OK;
}

static uint32_t max_ef(const ki_device *base)
{
    return ((const device *)(const void *)base)->max_ef;
}

static void close_device(ki_device *base)
{
    free(base);
}

ki_device *walk_device_open(const ki_kernels *kernels, uint32_t most, walk_device_counts *counts)
{
    static const ki_device_ops ops = {.info = device_info,
                                      .put_rows = put_rows,
                                      .drop_rows = drop_rows,
                                      .scan = scan,
                                      .max_k = max_k,
                                      .set_live = set_live,
                                      .put_graph = put_graph,
                                      .walk = walk_all,
                                      .max_ef = max_ef,
                                      .close = close_device};
    device *d = calloc(1, sizeof *d);
    assert_non_null(d);
    *d = (device){.base = {&ops}, .kernels = kernels, .max_ef = most, .counts = counts};
    return &d->base;
}

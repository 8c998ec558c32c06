/* opencl_walk.c - see opencl_walk.h. */
#include "tests/opencl_walk.h"

#include <string.h>

static ki_kernels table;

static const ki_kernel *kernel_of(const cloud *c, int f32)
{
    ki_pairing pairing = (ki_pairing)c->type;
    if (!table.sift)
        ki_kernels_fill(ki_cpu_features(), &table);
    if (f32 && c->type == KITH_U8)
        pairing = KI_F32U8;
    else if (f32 && c->type == KITH_I8)
        pairing = KI_F32I8;
    return &table.at[c->metric][pairing];
}

static void *take(size_t bytes)
{
    void *memory = malloc(bytes);
    assert_non_null(memory);
    return memory;
}

ki_device_queries cloud_queries(const cloud *c)
{
    return (ki_device_queries){c->asked, kith_vector_bytes(c->type, c->dim), c->queries, 0};
}

uint32_t *host_keys(const cloud *c, const ki_device_queries *queries)
{
    const ki_kernel *kernel = kernel_of(c, queries->f32);
    uint32_t *keys = take(((size_t)queries->count * c->count + 1) * sizeof *keys);
    void *scratch = NULL;
    assert_int_equal(posix_memalign(&scratch, 64, ki_query_bytes(KI_F32, c->dim)), 0);
    for (size_t q = 0; q < queries->count; q++) {
        const void *vector = (const unsigned char *)queries->base + q * queries->stride;
        ki_query query;
        (queries->f32 ? kernel->prepare_f32 : kernel->prepare)(vector, c->dim, scratch, &query);
        kernel->range(&query, &c->set.rows, 0, c->count, keys + q * c->count);
    }
    free(scratch);
    return keys;
}

/* ---- graphs ---- */

static uint32_t *web_take(web *w, size_t words)
{
    uint32_t *memory = take((words + 1) * sizeof *memory);
    w->memory[w->held++] = memory;
    return memory;
}

static int by_entry(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool holds(const uint32_t *links, uint32_t n, uint32_t id)
{
    for (uint32_t i = 0; i < n; i++)
        if (links[i] == id)
            return true;
    return false;
}

/* Half of the slots to near nodes, a quarter to any, in some order; the rest stays empty. */
static void link_node(const cloud *c, ki_device_layer *layer, uint32_t *links, uint32_t node,
                      uint64_t *state)
{
    const size_t row_bytes = kith_vector_bytes(c->type, c->dim);
    const uint32_t row = layer->row ? layer->row[node] : node;
    const ki_device_queries self = {c->rows + row * row_bytes, row_bytes, 1, 0};
    uint32_t *keys = host_keys(c, &self);
    uint64_t *order = take(layer->count * sizeof *order);
    uint32_t held = 0;
    for (uint32_t i = 0; i < layer->count; i++)
        order[i] = (uint64_t)keys[layer->row ? layer->row[i] : i] << 32 | i;
    qsort(order, layer->count, sizeof *order, by_entry);
    memset(links, 0xff, layer->degree * sizeof *links);
    for (uint32_t i = 0; i < layer->count && held < layer->degree / 2; i++)
        if ((uint32_t)order[i] != node)
            links[held++] = (uint32_t)order[i];
    for (uint32_t i = 0; i < layer->degree / 4; i++) {
        const uint32_t any = (uint32_t)check_below(state, layer->count);
        if (any != node && held < layer->degree && !holds(links, held, any))
            links[held++] = any;
    }
    for (uint32_t i = held; i > 1; i--) {
        const uint32_t other = (uint32_t)check_below(state, i), kept = links[other];
        links[other] = links[i - 1];
        links[i - 1] = kept;
    }
    free(keys);
    free(order);
}

static void link_layer(const cloud *c, web *w, uint32_t l, uint64_t *state)
{
    ki_device_layer *layer = &w->layer[l];
    uint32_t *links = web_take(w, (size_t)layer->count * layer->degree);
    for (uint32_t node = 0; node < layer->count; node++)
        link_node(c, layer, links + (size_t)node * layer->degree, node, state);
    layer->links = links;
}

web web_new(const cloud *c, uint32_t degree, uint64_t seed)
{
    web w = {.held = 0};
    uint64_t state = seed;
    w.layer[0] = (ki_device_layer){.degree = degree, .count = c->count};
    link_layer(c, &w, 0, &state);
    w.graph.layers = 1;
    for (uint32_t l = 1; l < WEB_LAYERS && w.layer[l - 1].count >= 8; l++) {
        const ki_device_layer *below = &w.layer[l - 1];
        const uint32_t count = below->count / 8;
        uint32_t *down = web_take(&w, count), *row = web_take(&w, count);
        for (uint32_t id = 0; id < count; id++) {
            down[id] = id * 8 + (uint32_t)check_below(&state, 8);
            row[id] = below->row ? below->row[down[id]] : down[id];
        }
        w.layer[l] =
            (ki_device_layer){.down = down, .row = row, .degree = degree / 2 + 1, .count = count};
        link_layer(c, &w, l, &state);
        w.graph.layers++;
    }
    w.graph.entry = (uint32_t)check_below(&state, w.layer[w.graph.layers - 1].count);
    return w;
}

void web_free(web *w)
{
    for (uint32_t i = 0; i < w->held; i++)
        free(w->memory[i]);
}

uint64_t *random_live(uint32_t count, uint32_t percent, uint64_t *state)
{
    uint64_t *live = take((count / 64 + 1) * sizeof *live);
    memset(live, 0, (count / 64 + 1) * sizeof *live);
    for (uint32_t row = 0; row < count; row++)
        if (check_below(state, 100) < percent)
            live[row / 64] |= UINT64_C(1) << row % 64;
    return live;
}

/* ---- the twin ---- */

typedef struct member {
    uint64_t entry; /* key and id */
    bool dead, expanded;
} member;

typedef struct crowd {
    member *at; /* sorted */
    uint32_t size, capacity;
} crowd;

static void insert(crowd *p, member m)
{
    uint32_t place = p->size;
    while (place > 0 && p->at[place - 1].entry > m.entry)
        place--;
    if (place >= p->capacity)
        return;
    if (p->size == p->capacity)
        p->size--;
    memmove(&p->at[place + 1], &p->at[place], (p->size - place) * sizeof *p->at);
    p->at[place] = m;
    p->size++;
}

/* offer_among_dead of index/walk.c, in other words. */
static void offer(crowd *p, member m)
{
    if (p->size == p->capacity && m.entry >= p->at[p->size - 1].entry)
        return;
    if (m.dead)
        p->capacity++;
    else
        while (p->size == p->capacity && p->at[p->size - 1].dead) {
            p->size--;
            p->capacity--;
        }
    insert(p, m);
}

static uint64_t descend(const web *w, const uint32_t *keys, uint64_t *hops)
{
    uint32_t l = w->graph.layers - 1, id = w->graph.entry;
    for (;; l--) {
        const ki_device_layer *layer = &w->layer[l];
        uint64_t best = (uint64_t)keys[layer->row ? layer->row[id] : id] << 32 | id;
        if (l == 0)
            return best;
        for (bool moved = true; moved;) {
            const uint32_t *links = layer->links + (size_t)(uint32_t)best * layer->degree;
            const uint64_t before = best;
            for (uint32_t d = 0; d < layer->degree && links[d] != UINT32_MAX; d++) {
                const uint64_t entry = (uint64_t)keys[layer->row[links[d]]] << 32 | links[d];
                best = entry < best ? entry : best;
            }
            ++*hops;
            moved = best < before;
        }
        id = layer->down[(uint32_t)best];
    }
}

static bool is_dead(const uint64_t *live, uint32_t row)
{
    return live && !(live[row / 64] >> row % 64 & 1);
}

uint64_t twin_walk(const web *w, uint32_t rows, const uint32_t *keys, const uint64_t *live,
                   uint32_t ef, uint32_t want, uint64_t *answers)
{
    const ki_device_layer *layer = &w->layer[0];
    uint64_t hops = 0;
    bool *seen = take(rows + 1);
    crowd p = {.at = take((rows + 1) * sizeof *p.at), .capacity = ef};
    const uint64_t start = descend(w, keys, &hops);
    memset(seen, 0, rows);
    seen[(uint32_t)start] = true;
    offer(&p, (member){.entry = start, .dead = is_dead(live, (uint32_t)start)});
    for (;;) {
        uint32_t next = 0;
        while (next < p.size && p.at[next].expanded)
            next++;
        if (next == p.size)
            break;
        const uint32_t *links = layer->links + (size_t)(uint32_t)p.at[next].entry * layer->degree;
        p.at[next].expanded = true;
        for (uint32_t d = 0; d < layer->degree && links[d] != UINT32_MAX; d++) {
            const uint32_t row = links[d];
            if (!seen[row])
                offer(&p, (member){.entry = (uint64_t)keys[row] << 32 | row,
                                   .dead = is_dead(live, row)});
            seen[row] = true;
        }
        hops++;
    }
    uint32_t found = 0;
    for (uint32_t i = 0; i < p.size && found < want; i++)
        if (!p.at[i].dead)
            answers[found++] = p.at[i].entry;
    while (found < want)
        answers[found++] = UINT64_MAX;
    free(seen);
    free(p.at);
    return hops;
}

/* ---- both ---- */

ki_device_rows *put_web(ki_device *device, const cloud *c, const web *w)
{
    ki_device_rows *rows = NULL;
    ki_device_graph graph = w->graph;
    graph.layer = w->layer;
    if (device->ops->put_rows(device, &c->set, &rows) || device->ops->put_graph(rows, &graph))
        fail_msg("a graph of %u rows: %s", c->count, kith_last_error());
    return rows;
}

uint64_t *device_walk(ki_device_rows *rows, const ki_device_queries *queries, uint32_t ef,
                      uint32_t want, ki_walk_counts *counts)
{
    uint64_t *answers = take((queries->count * want + 1) * sizeof *answers);
    const ki_device *device = &rows->device->base;
    if (device->ops->walk(rows, queries, ef, want, answers, counts))
        fail_msg("walk: %s", kith_last_error());
    return answers;
}

uint64_t *host_walk(const cloud *c, const web *w, const ki_device_queries *queries, uint32_t ef,
                    uint32_t want, uint64_t *hops)
{
    uint64_t *answers = take((queries->count * want + 1) * sizeof *answers);
    uint32_t *keys = host_keys(c, queries);
    *hops = 0;
    for (size_t q = 0; q < queries->count; q++)
        *hops +=
            twin_walk(w, c->count, keys + q * c->count, c->set.live, ef, want, answers + q * want);
    free(keys);
    return answers;
}

void expect_answers(const uint64_t *right, const uint64_t *got, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (right[i] != got[i])
            fail_msg("%s: answer %zu is %llx, not %llx", what, i, (unsigned long long)got[i],
                     (unsigned long long)right[i]);
}

void expect_host_walk(ki_device *device, const cloud *c, const web *w, uint32_t ef, uint32_t want,
                      const char *what)
{
    const ki_device_queries queries = cloud_queries(c);
    uint64_t hops = 0;
    ki_walk_counts counts = {0};
    uint64_t *right = host_walk(c, w, &queries, ef, want, &hops);
    ki_device_rows *rows = put_web(device, c, w);
    uint64_t *got = device_walk(rows, &queries, ef, want, &counts);
    expect_answers(right, got, (size_t)c->queries * want, what);
    if (counts.hops != hops)
        fail_msg("%s: %llu hops, not %llu", what, (unsigned long long)counts.hops,
                 (unsigned long long)hops);
    device->ops->drop_rows(rows);
    free(right);
    free(got);
}

void expect_walk_and_scan(ki_device *device, ki_device_rows *rows, const cloud *c, const web *w)
{
    enum { EF = 40, WANT = 10 };
    const ki_device_queries queries = cloud_queries(c);
    uint64_t hops;
    uint64_t *right = host_walk(c, w, &queries, EF, WANT, &hops);
    uint64_t *got = device_walk(rows, &queries, EF, WANT, NULL);
    expect_answers(right, got, (size_t)c->queries * WANT, "a walk");
    uint64_t *scanned = take((size_t)c->queries * WANT * sizeof *scanned);
    assert_int_equal(device->ops->scan(rows, &queries, WANT, scanned), KITH_OK);
    uint64_t *fresh = cloud_scan(device, c, 0, c->queries, WANT);
    expect_answers(fresh, scanned, (size_t)c->queries * WANT, "a scan");
    free(fresh);
    free(scanned);
    free(right);
    free(got);
}

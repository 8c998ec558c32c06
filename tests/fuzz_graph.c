/* fuzz_graph.c - any bytes at all as the graph file beside a small right store: checked, loaded,
 * searched through, built on, saved and loaded again.
 *
 * Property: nothing crashes, hangs or reads beyond what is there. A graph that is taken passes the
 * index's check, and a search through it finds rows of the store alone, each once, by its distance,
 * and those that its file cannot know among them; so also after rows changed. A graph that is
 * refused leaves an index that answers exactly. A build makes either whole, and what is then saved
 * comes back as it was.
 *
 * The input is the graph file as fuzz_input.h packs it; the store is one of fuzz_graph.h's.
 * tests/fuzz.sh runs it under libFuzzer, and test_index_fuzz_corpus reads the kept inputs.
 */
#include "tests/fuzz_graph.h"
#include "index/graph_file.h"
#include "kv/checksum.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { K = 6, ROWS_MOST = 256, ASKED_EVERY = 7, ASKED_MOST = 10 };

static sim disk;
static unsigned char file[FUZZ_GRAPH_MOST];

/* ---- Repairs ------------------------------------------------------------------------------ */

/* A saved codec ends with a hash of its own; behind it lies the projection, if there is one. */
static void repair_codec(const ki_graph_head *head, const ki_graph_section *section)
{
    const uint32_t brief = head->brief_code == KITH_SQ4 ? 0 : head->brief;
    const uint32_t lines = section->part == KI_PART_BRIEF ? brief : head->reduced;
    const uint64_t behind = (uint64_t)head->dim * lines * sizeof(float), before = sizeof(uint64_t);
    if (section->bytes < before + sizeof(uint64_t) + behind)
        return;
    const size_t bytes = (size_t)(section->bytes - before - behind - sizeof(uint64_t));
    unsigned char *codec = file + section->offset + before;
    const uint64_t hash = XXH3_64bits(codec, bytes);
    memcpy(codec + bytes, &hash, sizeof hash);
}

static void repair_parts(ki_graph_head *head, size_t file_bytes)
{
    for (uint32_t i = 0; i < head->sections && i < KI_GRAPH_SECTIONS; i++) {
        ki_graph_section *s = &head->section[i];
        if (s->offset > file_bytes || s->bytes > file_bytes - s->offset)
            continue;
        if (s->part == KI_PART_CODES || s->part == KI_PART_BRIEF)
            repair_codec(head, s);
        s->sum = ki_sum64(file + s->offset, (size_t)s->bytes, s->part);
    }
}

static void repair(unsigned how, const kith_store *store, size_t file_bytes)
{
    static ki_graph_head head;
    if (file_bytes < sizeof head)
        return;
    memcpy(&head, file, sizeof head);
    if (how & FUZZ_REPAIR_PARTS)
        repair_parts(&head, file_bytes);
    if (how & FUZZ_REPAIR_HEAD) {
        memcpy(head.uuid, ki_store_uuid(store->engine), sizeof head.uuid);
        head.file_bytes = file_bytes;
        head.sum = ki_sum64(&head, offsetof(ki_graph_head, sum), 0);
    }
    memcpy(file, &head, sizeof head);
}

static void plant_graph(size_t file_bytes)
{
    const ki_vfs *vfs = &disk.vfs;
    int fd = vfs->open(vfs->user, world_graph_path, KI_VFS_CREATE);
    fuzz_demand(fd >= 0 && vfs->pwrite(vfs->user, fd, file, file_bytes, 0) == (ssize_t)file_bytes,
                "the disk in memory would not take the file");
    vfs->close(vfs->user, fd);
}

/* ---- What is found ------------------------------------------------------------------------ */

static const void *row_of(const kith_store *store, uint32_t row)
{
    return ki_slab_row(ki_store_slab(store->engine), row);
}

static bool is_live(const kith_store *store, uint32_t row)
{
    return row < ki_store_rows(store->engine) &&
           ki_store_live(store->engine)[row / 64] >> (row % 64) & 1;
}

/* Ours and the library's, which sums floats in another order. */
static bool agree(double a, double b)
{
    return fabs(a - b) <= 1e-4 * (1 + fabs(a));
}

static double distance_of(const kith_store *store, const void *query, uint32_t row)
{
    return ki_exact_distance(store->options.metric, store->options.type, query, row_of(store, row),
                             WORLD_DIM);
}

static int nearer(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The hits are live rows, each once, nearest first, by their own distances, and then none. `full`:
 * no fewer than there are; `exact`: and the nearest of all. */
static void judge(const kith_store *store, const void *query, const kith_hit *hits, bool full,
                  bool exact)
{
    static double all[ROWS_MOST];
    uint32_t live = 0;
    for (uint32_t row = 0; row < ki_store_rows(store->engine) && live < ROWS_MOST; row++)
        if (is_live(store, row))
            all[live++] = distance_of(store, query, row);
    qsort(all, live, sizeof *all, nearer);
    for (uint32_t i = 0; i < K; i++) {
        const kith_hit *hit = &hits[i];
        if (hit->row == UINT32_MAX) {
            fuzz_demand(!full || i >= live, "too few hits");
            fuzz_demand(i + 1 == K || hits[i + 1].row == UINT32_MAX, "a hit after the last");
            continue;
        }
        fuzz_demand(is_live(store, hit->row), "a hit is no live row");
        fuzz_demand(agree(distance_of(store, query, hit->row), hit->distance),
                    "a hit has another distance than its row");
        fuzz_demand(!exact || agree(all[i], hit->distance), "a nearer row was not found");
        fuzz_demand(i == 0 || hits[i - 1].distance <= hit->distance, "hits are out of order");
        for (uint32_t j = 0; j < i; j++)
            fuzz_demand(hits[j].row != hit->row, "a row was found twice");
    }
}

/* Is the row compared exactly, since no node stands for it as it is now? */
static bool is_apart(const ki_graph *graph, uint32_t row)
{
    for (uint32_t i = 0; i < graph->loose_count; i++)
        if (graph->loose[i] == row)
            return true;
    return row >= graph->seen;
}

/* Rows that are not what the file says it saw have no node that is taken for them. */
static void judge_load(const kith_index *index)
{
    const ki_store *engine = index->store->engine;
    ki_graph_head head;
    uint64_t stamp;
    memcpy(&head, file, sizeof head);
    const ki_graph_section *stamps = ki_graph_find(&head, KI_PART_STAMPS, 0);
    for (uint32_t row = 0; row < index->graph->seen && stamps; row++) {
        memcpy(&stamp, file + stamps->offset + row * sizeof stamp, sizeof stamp);
        fuzz_demand(!is_live(index->store, row) || stamp == ki_store_stamp(engine, row) ||
                        is_apart(index->graph, row),
                    "a row that changed is taken for what it was");
    }
}

/* Some of the live rows, which are asked for themselves. */
static uint32_t choose_rows(const kith_store *store, uint32_t *rows)
{
    uint32_t n = 0, next = 0;
    for (uint32_t row = 0; row < ki_store_rows(store->engine) && n < ASKED_MOST; row++)
        if (row >= next && is_live(store, row)) {
            rows[n++] = row;
            next = row + ASKED_EVERY;
        }
    return n;
}

/* With as many candidates as there are nodes, a walk over rows passes all of them: links lead
 * everywhere, whatever else they are. */
static void search(kith_index *index, bool narrow)
{
    static unsigned char queries[ASKED_MOST * WORLD_DIM * sizeof(float)];
    const kith_store *store = index->store;
    const ki_graph *graph = index->graph;
    const size_t bytes = ki_store_shape(store->engine)->row_bytes;
    kith_search_options options = kith_search_defaults(K);
    kith_hit hits[ASKED_MOST * K];
    uint32_t rows[ASKED_MOST], n = choose_rows(store, rows);
    options.ef = narrow ? K : ROWS_MOST;
    options.threads = 1;
    const bool exact = !graph->layers || (!narrow && !graph->codes && !graph->brief);
    for (uint32_t i = 0; i < n; i++)
        memcpy(queries + i * bytes, row_of(store, rows[i]), bytes);
    fuzz_demand(!kith_index_search(index, queries, n, &options, hits, NULL), "a search failed");
    for (uint32_t i = 0; i < n; i++) {
        const void *query = row_of(store, rows[i]);
        judge(store, query, hits + i * K, exact || !narrow, exact);
        const bool itself = store->options.metric != KITH_IP && is_apart(graph, rows[i]);
        fuzz_demand(!itself || agree(hits[i * K].distance, distance_of(store, query, rows[i])),
                    "a row that was compared exactly was not found");
    }
}

/* ---- What is done with it ----------------------------------------------------------------- */

static void change_rows(kith_store *store)
{
    for (uint32_t key = 3; key < WORLD_ROWS; key += 7)
        world_del(store, key);
    for (uint32_t i = 0; i < 5; i++)
        world_put(store, 140 + i, 500 + i);
    world_put(store, 1, 600);
    world_put(store, 100, 601);
}

static void build_on(kith_index *index, unsigned how)
{
    kith_store *store = index->store;
    fuzz_demand(!kith_index_build(index, NULL, NULL), "a build failed");
    fuzz_demand(!kith_index_check(index), "a build left a graph that is not whole");
    fuzz_demand(!index->graph->loose_count && index->graph->seen == ki_store_rows(store->engine),
                "a build left rows out");
    search(index, how & FUZZ_NARROW);
    fuzz_demand(!kith_index_save(index, NULL, NULL), "the graph cannot be saved");
    fuzz_demand(!kith_index_check_file(store, NULL, NULL), "what was saved is damaged");
    kith_index *again = world_index(store, how & FUZZ_WALK);
    fuzz_demand(!kith_index_load(again, NULL, NULL), "what was saved is not loaded");
    fuzz_demand(!kith_index_check(again), "what was saved is not whole");
    fuzz_demand(ki_graph_digest(again->graph) == ki_graph_digest(index->graph),
                "what was saved comes back as another graph");
    search(again, how & FUZZ_NARROW);
    kith_index_close(again);
}

static void use(kith_store *store, unsigned how)
{
    kith_index *index = world_index(store, how & FUZZ_WALK);
    (void)kith_index_check_file(store, NULL, NULL); /* a load need not read every section */
    const kith_status status = kith_index_load(index, NULL, NULL);
    if (status) {
        fuzz_demand(status != KITH_ENOMEM && strlen(kith_last_error()) > 10,
                    "a refusal without a sentence");
        fuzz_demand(!index->graph->layers && !index->graph->seen, "a refused graph is half there");
    }
    fuzz_demand(!kith_index_check(index), "a graph that was taken is not whole");
    if (!status)
        judge_load(index);
    search(index, how & FUZZ_NARROW);
    if (how & FUZZ_CHANGE) {
        change_rows(store);
        search(index, how & FUZZ_NARROW);
    }
    if (how & FUZZ_BUILD)
        build_on(index, how);
    kith_index_close(index);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
    if (bytes < FUZZ_INPUT_HEAD || bytes > FUZZ_INPUT_MOST)
        return 0;
    const size_t file_bytes = fuzz_unpack(input, bytes, file, FUZZ_GRAPH_MOST);
    const unsigned how = input[0], world = how & FUZZ_WORLD;
    world_plant(world, &disk);
    kith_store *store = world_open(world, &disk);
    repair(how, store, file_bytes);
    plant_graph(file_bytes);
    use(store, how);
    kith_store_close(store);
    return 0;
}

/* fuzz_store.c - any bytes at all as a store's file: opened, recovered, checked, read, walked in
 * order, searched through a graph, written to, saved and opened again.
 *
 * Property: nothing crashes, hangs or reads beyond what is there; and a store that opens and whose
 * full check finds no fault is a right one, which finds every row under its key, walks them in
 * order, takes commits, and passes its check again after them.
 *
 * The input is a file as fuzz_input.h packs it. tests/fuzz.sh runs it under libFuzzer, and
 * test_kv_fuzz_corpus reads the kept inputs with no fuzzer at all.
 */
#include "tests/fuzz_store.h"
#include "tests/sim_vfs.h"
#include "index/build.h"
#include "index/walk.h"
#include "kv/format.h"
#include "kv/ordered_store.h"

#include <string.h>

enum { COMMITS = 3, SEARCHES = 8 };

static sim disk;
static unsigned char file[FUZZ_FILE_MOST];
static const char path[] = "fuzzed";

/* ---- Repairs ------------------------------------------------------------------------------ */

/* Where `bytes` bytes of a section lie in the file; NULL when nowhere, or not in one piece. */
static unsigned char *in_section(const ki_head *head, uint32_t kind, uint64_t at, size_t bytes,
                                 size_t file_bytes)
{
    uint32_t count = head->extent_count < KI_EXTENTS_MAX ? head->extent_count : KI_EXTENTS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        const ki_extent *e = &head->extents[i];
        uint64_t length = (uint64_t)e->units * head->unit_bytes;
        uint64_t start = (uint64_t)e->first * head->unit_bytes;
        if (e->kind != kind)
            continue;
        if (at >= length) {
            at -= length;
            continue;
        }
        bool inside = bytes <= length - at && start <= file_bytes && at <= file_bytes - start &&
                      bytes <= file_bytes - start - at;
        return inside ? file + start + at : NULL;
    }
    return NULL;
}

static void repair_live(ki_head *head, size_t file_bytes)
{
    size_t bytes = ((size_t)head->rows + 63) / 64 * 8;
    const unsigned char *words =
        in_section(head, head->live_side ? KI_LIVE_B : KI_LIVE_A, 0, bytes, file_bytes);
    if (words)
        head->live_sum = ki_sum64(words, bytes, 0);
}

static void repair_recs(const ki_head *head, size_t file_bytes)
{
    for (uint32_t row = 0; row < head->rows; row++) {
        unsigned char *at =
            in_section(head, KI_RECS, row * sizeof(ki_rec), sizeof(ki_rec), file_bytes);
        ki_rec rec;
        if (!at)
            return;
        memcpy(&rec, at, sizeof rec);
        rec.sum = ki_rec_sum(&rec, row, head->uuid);
        memcpy(at, &rec, sizeof rec);
    }
}

static void repair_log(const ki_head *head, size_t file_bytes)
{
    uint64_t seed = ki_log_seed(head->salt, head->checkpoint_lsn + 1);
    for (uint64_t i = 0;; i++) {
        unsigned char *at =
            in_section(head, KI_LOG, i * sizeof(ki_record), sizeof(ki_record), file_bytes);
        ki_record record;
        if (!at)
            return;
        memcpy(&record, at, sizeof record);
        if (record.kind == 0)
            return;
        if (record.row != KI_NO_ROW)
            record.rec.sum = ki_rec_sum(&record.rec, record.row, head->uuid);
        record.sum = ki_record_sum(&record, seed);
        memcpy(at, &record, sizeof record);
    }
}

static void repair(unsigned how, size_t file_bytes)
{
    for (size_t side = 0; side < 2; side++) {
        unsigned char *at = file + side * KI_HEAD_BYTES;
        ki_head head;
        if (file_bytes < (side + 1) * KI_HEAD_BYTES)
            return;
        memcpy(&head, at, sizeof head);
        if (how & FUZZ_REPAIR_LIVE)
            repair_live(&head, file_bytes);
        if (how & FUZZ_REPAIR_RECS)
            repair_recs(&head, file_bytes);
        if (how & FUZZ_REPAIR_LOG)
            repair_log(&head, file_bytes);
        if (how & FUZZ_REPAIR_HEADS)
            head.sum = ki_head_sum(&head);
        memcpy(at, &head, sizeof head);
    }
}

/* ---- What is done with it ----------------------------------------------------------------- */

static void plant(size_t file_bytes)
{
    const ki_vfs *vfs = &disk.vfs;
    int fd = vfs->open(vfs->user, path, KI_VFS_CREATE);
    fuzz_demand(fd >= 0 && vfs->extend(vfs->user, fd, file_bytes) == 0 &&
                    vfs->pwrite(vfs->user, fd, file, file_bytes, 0) == (ssize_t)file_bytes &&
                    vfs->sync(vfs->user, fd) == 0,
                "the disk in memory would not take the file");
    vfs->close(vfs->user, fd);
}

/* Reads whatever can be read. With `right` it must also be right. */
static void read_all(ki_store *store, bool right)
{
    static unsigned char elements[FUZZ_FILE_MOST], meta[KI_META_MAX], key[KI_KEY_MAX];
    uint64_t seen = 0;
    if (ki_store_shape(store)->row_bytes > sizeof elements)
        return;
    for (uint32_t row = 0; row < ki_store_rows(store); row++) {
        size_t meta_len, key_len = ki_store_key_copy(store, row, key);
        if (!key_len)
            continue;
        seen++;
        kith_status status =
            ki_store_get(store, NULL, key, key_len, elements, meta, sizeof meta, &meta_len);
        if (right)
            fuzz_demand(!status && ki_store_find(store, key, key_len) == row, "a row is not found");
    }
    fuzz_demand(seen == ki_store_live_count(store), "the count of keys is not that of live rows");
}

static void walk(ki_store *store, bool right)
{
    ki_ordered *order = NULL;
    ki_cursor cursor;
    uint64_t seen = 0;
    if (ki_ordered_attach(store, &order))
        return;
    ki_store_read_lock(store);
    ki_cursor_init(&cursor, order, KI_NEWEST, NULL, 0);
    for (uint32_t row = ki_cursor_first(&cursor); row != KI_NO_ROW; row = ki_cursor_next(&cursor))
        seen++;
    ki_store_read_unlock(store);
    fuzz_demand(!right || (seen == ki_store_live_count(store) && !ki_ordered_check(order)),
                "the ordered directory misses a key");
    ki_ordered_detach(store, order);
}

/* ---- Search ------------------------------------------------------------------------------- */

/* Rows that kernels could take, and few enough to be quick. */
static bool is_searchable(const ki_store *store)
{
    const ki_shape *s = ki_store_shape(store);
    return s->type < KI_TYPE_COUNT && s->metric < KI_METRIC_COUNT && s->dim > 0 && s->dim <= 4096 &&
           ki_kernel_exists((kith_metric)s->metric, (ki_pairing)s->type) &&
           s->row_bytes == ki_row_bytes((ki_pairing)s->type, s->dim) &&
           ki_store_rows(store) <= 2000 && ki_store_live_count(store) > 0;
}

static void walk_graph(const ki_store *store, const ki_graph *graph, const ki_kernels *kernels,
                       const ki_build_options *build)
{
    const ki_walker_options options = {.kernel = build->kernel,
                                       .sift = kernels->sift,
                                       .pairing = (ki_pairing)build->type,
                                       .dim = graph->dim,
                                       .pool_capacity = 20,
                                       .hop_places = graph->layer[0].degree};
    ki_walker walker;
    uint32_t asked = 0, key;
    if (!graph->layers || ki_walker_open(&options, &walker))
        return;
    walker.alive.live = ki_store_live(store);
    for (uint32_t row = 0; row < ki_store_rows(store) && asked < SEARCHES; row++) {
        if (!(walker.alive.live[row / 64] >> (row % 64) & 1))
            continue;
        asked++;
        if (ki_walker_reserve(&walker, graph->layer[0].count))
            break;
        ki_walker_aim(&walker, ki_slab_row(ki_store_slab(store), row));
        const uint32_t start = ki_walk_descend(&walker, graph, 0, &key);
        fuzz_demand(!ki_walk_layer(&walker, &graph->layer[0], start, key, 20) &&
                        walker.pool.size > 0,
                    "a walk found nothing");
    }
    ki_walker_close(&walker);
}

/* Elements may be anything, NaN too: the graph is whole all the same, and a walk ends. */
static void search(const ki_store *store)
{
    static ki_kernels kernels;
    const ki_shape *shape = ki_store_shape(store);
    ki_graph *graph = NULL;
    if (!is_searchable(store))
        return;
    ki_kernels_fill(0, &kernels);
    const ki_graph_options options = {shape->dim, 4, 16, 1.1f, 1};
    const ki_build_options build = {
        .kernel = &kernels.at[shape->metric][shape->type],
        .sift = kernels.sift,
        .type = (kith_type)shape->type,
        .metric = (kith_metric)shape->metric,
        .threads = 1,
    };
    if (ki_graph_open(store, &options, &graph))
        return;
    if (!ki_graph_build(graph, &build)) {
        fuzz_demand(!ki_graph_check(graph), "a graph of these rows is not whole");
        walk_graph(store, graph, &kernels, &build);
    }
    ki_graph_close(graph);
}

static void write_some(ki_store *store)
{
    const ki_shape *shape = ki_store_shape(store);
    static const unsigned char elements[FUZZ_FILE_MOST];
    const unsigned char aux[KI_AUX_BYTES] = {0};
    for (uint64_t i = 0; i < COMMITS; i++) {
        ki_op op[2] = {{.kind = KI_PUT, .key = &i, .key_len = 8, .elements = elements, .aux = aux},
                       {.kind = i ? KI_DEL : KI_SET_META,
                        .key = &i,
                        .key_len = 8,
                        .meta = &i,
                        .meta_len = i ? 0 : 8}};
        if (shape->row_bytes > sizeof elements || ki_store_commit(store, op, 2, NULL, NULL))
            return; /* a full disk, or one that was found damaged */
    }
}

static void use(const ki_store_config *config, bool write)
{
    ki_store *store = NULL;
    if (ki_store_open(path, config, &store))
        return;
    bool right = !ki_store_check(store, true, NULL, NULL);
    read_all(store, right);
    walk(store, right);
    search(store);
    if (write && right) {
        write_some(store);
        fuzz_demand(!ki_store_check(store, true, NULL, NULL) ||
                        disk.file[0].now_bytes > SIM_BYTES / 2,
                    "commits broke a right store");
        read_all(store, true);
    }
    ki_store_close(store);
    store = NULL;
    if (right && !ki_store_open(path, config, &store))
        read_all(store, true);
    ki_store_close(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
    const ki_shape shape = {.row_bytes = 1};
    ki_store_config config = ki_store_defaults(&shape);
    if (bytes < FUZZ_INPUT_HEAD || bytes > FUZZ_INPUT_MOST)
        return 0;
    size_t file_bytes = fuzz_unpack(input, bytes, file, FUZZ_FILE_MOST);
    if (file_bytes == 0)
        return 0;
    repair(input[0], file_bytes);
    sim_again(&disk, 1);
    plant(file_bytes);
    config.vfs = &disk.vfs;
    config.any_shape = config.must_exist = true;
    config.read_only = (input[0] & FUZZ_READ_ONLY) != 0;
    config.checkpoint_ms = 0;
    use(&config, input[0] & FUZZ_WRITE && !config.read_only);
    return 0;
}

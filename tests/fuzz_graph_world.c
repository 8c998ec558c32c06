/* fuzz_graph_world.c - the stores of fuzz_graph.h, and the graphs that fuzzing starts from.
 *
 * May touch everything of index/ and kv/, and the simulated disk. A store on that disk cannot be
 * opened by kith_store_open, which knows the system's files alone; so the handle is made here.
 */
#include "tests/fuzz_graph.h"
#include "tests/random.h"

#include <stdio.h>
#include <string.h>

const char world_path[] = "w", world_graph_path[] = "w.graph";

static const struct {
    kith_type type;
    kith_metric metric;
    kith_key_kind keys;
    uint32_t reduce;
} kind[WORLDS] = {
    {KITH_U8, KITH_L2SQ, KITH_KEYS_U64, 0},    /* links by rows */
    {KITH_F32, KITH_COSINE, KITH_KEYS_U64, 0}, /* by codes, and walked over some of 4 bits */
    {KITH_F32, KITH_L2SQ, KITH_KEYS_BYTES, 0}, /* or of fewer dimensions */
    {KITH_F32, KITH_IP, KITH_KEYS_BYTES, 8},   /* links by such */
};

static sim base[WORLDS]; /* as they are when the fuzzed file is found */
static bool made[WORLDS];

/* ---- Rows --------------------------------------------------------------------------------- */

static size_t key_of(const kith_store *store, uint32_t key, char *out)
{
    const uint64_t number = key;
    if (store->options.keys == KITH_KEYS_U64)
        return memcpy(out, &number, sizeof number), sizeof number;
    return (size_t)snprintf(out, WORLD_KEYS,
                            key % 3 ? "%u" : "a key that has its bytes elsewhere %u", key);
}

/* Around one of three places, so that there are near rows and far ones. */
void world_put(kith_store *store, uint32_t key, uint32_t stamp)
{
    uint64_t random = stamp, place = 1000 + stamp % 3;
    union {
        unsigned char u8[WORLD_DIM];
        float f32[WORLD_DIM];
    } row;
    char name[WORLD_KEYS];
    for (int i = 0; i < WORLD_DIM; i++) {
        const float x = check_unit(&place) + 0.2f * check_unit(&random);
        if (store->options.type == KITH_U8)
            row.u8[i] = (unsigned char)(128 + 100 * x);
        else
            row.f32[i] = x;
    }
    fuzz_demand(!kith_store_put(store, name, key_of(store, key, name), &row),
                "a world would not take a row");
}

void world_del(kith_store *store, uint32_t key)
{
    char name[WORLD_KEYS];
    const kith_status status = kith_store_del(store, name, key_of(store, key, name));
    fuzz_demand(!status || status == KITH_ENOTFOUND, "a world would not delete a row");
}

/* ---- Stores ------------------------------------------------------------------------------- */

kith_store *world_open(unsigned world, sim *disk)
{
    kith_store *store = ki_zalloc(sizeof *store);
    fuzz_demand(store != NULL, "no memory for a store");
    store->options = kith_store_defaults(WORLD_DIM, kind[world].type, kind[world].metric);
    store->options.keys = kind[world].keys;
    pthread_mutex_init(&store->order_mutex, NULL);
    const ki_shape shape = {
        .row_bytes = (uint32_t)kith_vector_bytes(kind[world].type, WORLD_DIM),
        .dim = WORLD_DIM,
        .type = (uint32_t)kind[world].type,
        .metric = (uint32_t)kind[world].metric,
        .keys = kind[world].keys,
    };
    ki_store_config config = ki_store_defaults(&shape);
    config.vfs = &disk->vfs;
    config.unit_bytes = 4096;
    config.grow_units = 1;
    config.log_bytes = 65536;
    config.checkpoint_ms = 0;
    config.durability = KI_DURABLE_NONE;
    fuzz_demand(!ki_store_open(world_path, &config, &store->engine), "a world does not open");
    return store;
}

kith_index *world_index(kith_store *store, bool walk)
{
    kith_index_options options = kith_index_defaults(KITH_HNSW);
    kith_index *index = NULL;
    options.m = 4;
    options.ef_construction = 24;
    options.threads = 1;
    options.walk = walk ? KITH_WALK_SQ4 : KITH_WALK_AUTO;
    fuzz_demand(!kith_index_create(store, &options, &index), "an index cannot be made");
    return index;
}

static void begin(unsigned world, sim *disk)
{
    sim_open(disk, 1);
    kith_store *store = world_open(world, disk);
    for (uint32_t key = 0; key < WORLD_ROWS; key++)
        world_put(store, key, key);
    for (uint32_t key = 5; key < WORLD_ROWS; key += 13) /* dead before the graph */
        world_del(store, key);
    fuzz_demand(!kith_store_checkpoint(store), "a world has no checkpoint");
    kith_store_close(store);
}

/* What happens between the save and the load. */
static void go_on(unsigned world, sim *disk)
{
    kith_store *store = world_open(world, disk);
    for (uint32_t key = 0; key < WORLD_ROWS; key += 4)
        world_del(store, key);
    fuzz_demand(!kith_store_checkpoint(store), "a world has no checkpoint");
    for (uint32_t i = 0; i < 6; i++) /* on rows of the dead */
        world_put(store, 100 + i, 200 + i);
    for (uint32_t key = 1; key < WORLD_ROWS; key += 9)
        world_put(store, key, 300 + key);
    fuzz_demand(!kith_store_checkpoint(store), "a world has no checkpoint");
    for (uint32_t i = 0; i < 12; i++)
        world_put(store, 120 + i, 400 + i);
    world_del(store, 2);
    kith_store_close(store);
}

void world_plant(unsigned world, sim *to)
{
    if (!made[world]) {
        begin(world, &base[world]);
        go_on(world, &base[world]);
        made[world] = true;
    }
    sim_again(to, 1);
    sim_copy(&base[world], to);
}

/* ---- The first inputs --------------------------------------------------------------------- */

/* Shorter codes are chosen by trial, for large stores alone; here by hand. */
static void shorten(kith_index *index, kith_code code)
{
    ki_graph *graph = index->graph;
    ki_workers *workers = NULL;
    ki_codes *brief = NULL;
    fuzz_demand(!ki_workers_open(1, &workers) &&
                    !ki_codes_open_brief(graph->codes, code, code == KITH_SQ4 ? 0 : WORLD_DIM / 2,
                                         &index->kernels.at[KITH_IP][KI_I8], &brief) &&
                    !ki_graph_shorten(graph, brief, workers),
                "no shorter codes");
    ki_graph_walk_brief(graph);
    ki_workers_close(workers);
}

static int make(const char *folder, unsigned world, bool changed)
{
    static sim disk;
    char name[WORLD_KEYS];
    begin(world, &disk);
    if (changed)
        go_on(world, &disk);
    kith_store *store = world_open(world, &disk);
    kith_index *index = world_index(store, false);
    if (kind[world].reduce) {
        index->options.walk = KITH_WALK_SQ8;
        index->options.reduce = kind[world].reduce;
    }
    fuzz_demand(!kith_index_build(index, NULL, NULL), "a world has no graph");
    if (world == 1 || world == 2)
        shorten(index, world == 1 ? KITH_SQ4 : KITH_SQ8);
    fuzz_demand(!kith_index_save(index, NULL, NULL), "a world's graph is not saved");
    kith_index_close(index);
    kith_store_close(store);
    const sim_file *file = &disk.file[sim_find(&disk, world_graph_path)];
    const unsigned repairs = FUZZ_REPAIR_PARTS | FUZZ_REPAIR_HEAD;
    const unsigned how = world | repairs | (changed ? 0 : FUZZ_CHANGE | FUZZ_BUILD);
    snprintf(name, sizeof name, "world%u-%s", world, changed ? "fresh" : "old");
    int bad = fuzz_keep(folder, name, how, file->now, (size_t)file->now_bytes);
    sim_close(&disk);
    return bad;
}

int fuzz_make(const char *folder)
{
    int bad = 0;
    for (unsigned world = 0; world < WORLDS; world++)
        bad |= make(folder, world, false) | make(folder, world, true);
    return bad;
}

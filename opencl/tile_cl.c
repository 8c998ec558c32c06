/* tile_cl.c - exact search for many queries by tile.cl: launches that grow, and a cut after each.
 *
 * May touch scan_cl.h, plan_cl.h and queries_cl.h. The one idea: the limits of a launch are those
 * that all rows before it have set, so of the rows of a launch k * rows / rows before are expected
 * to come through. The first launch takes few enough rows that all of them fit in a list, and each
 * further one as many as fill an eighth of it. For k = 10 that is three launches for a million
 * rows; for k = 1000 a launch doubles what was seen.
 *
 * A query whose list was too short all the same is searched by scan.cl.
 */
#include "opencl/plan_cl.h"
#include "opencl/queries_cl.h"
#include "opencl/scan_cl.h"

#include <string.h>
#include <time.h>

enum {
    TILE_ROWS = 128, /* as tile.cl has them */
    TILE_QUERIES = 64,
    ITEMS = 256,
    ROW_FLOATS = TILE_ROWS * 32,      /* of local memory, at most */
    QUERY_FLOATS = TILE_QUERIES * 32, /* the same */
    LOCAL_BYTES = 25 << 10,
    CAPACITY = 8192,    /* of a list */
    FIRST_TILES = 32,   /* of the first launch: half a list */
    EXPECTED_SHARE = 8, /* a launch expects to fill this part of a list */
    GROWTH_MOST = 64,   /* rows of a launch for each row before it */
    MAX_BATCH = 1024,   /* queries that are on the device at a time */
    CUT_QUERIES = 128   /* of one launch: a cut is short, a thousand may not be */
};

static size_t lists_bytes(size_t queries)
{
    return queries * CAPACITY * sizeof(uint64_t);
}

/* Of the larger of the two buffers that grow with a batch. */
static size_t batch_bytes(const ki_device_rows *rows, size_t queries)
{
    const size_t tiles = (queries - 1) / TILE_QUERIES + 1;
    const size_t floats = tiles * TILE_QUERIES * ki_cl_query_floats(rows) * sizeof(cl_float);
    const size_t lists = lists_bytes(queries);
    return floats > lists ? floats : lists;
}

/* The local memory of a tile, and buffers for the queries of one. */
bool ki_cl_tiles_fit(const ki_device_rows *rows, const ki_device_queries *queries, uint32_t k)
{
    const ki_cl_device *device = rows->device;
    const size_t least = queries->count < TILE_QUERIES ? queries->count : TILE_QUERIES;
    return device->shape.group > 1 && rows->type != KITH_B1 && k <= KI_CL_LIST_K &&
           device->found.max_group >= ITEMS && device->found.local_bytes >= LOCAL_BYTES &&
           batch_bytes(rows, least) <= ki_cl_batch_bytes(rows);
}

/* About the golden section of count, and without a common divisor, so that every tile comes once.
 */
uint32_t ki_cl_tile_stride(uint32_t count)
{
    uint32_t stride = (uint32_t)(count * 0.6180339887);
    for (stride += stride == 0;; stride++) {
        uint32_t a = count, b = stride;
        while (b > 0) {
            const uint32_t rest = a % b;
            a = b;
            b = rest;
        }
        if (a == 1)
            return stride;
    }
}

/* One batch. */
typedef struct tiling {
    ki_device_rows *rows;
    uint32_t k;
    cl_uint queries; /* real ones */
    cl_uint groups;  /* tiles of them */
    cl_kernel tile, cut;
    uint64_t seen; /* rows that the answers so far are of */
    double row_macs;
} tiling;

static kith_status open_kernels(tiling *t, ki_pairing pairing)
{
    ki_cl_device *device = t->rows->device;
    kith_status status = ki_cl_tile_kernel(device, pairing, t->rows->metric, &t->tile);
    if (!status)
        status = ki_cl_plain_kernel(device, KI_CL_CUT, &t->cut);
    return status;
}

/* As many queries as memory allows: in whole tiles, if that is more than one and fewer than all. */
static uint32_t batch_queries(const ki_device_rows *rows, size_t left)
{
    const size_t most = ki_cl_batch_bytes(rows);
    size_t batch = left < MAX_BATCH ? left : MAX_BATCH;
    while (batch > TILE_QUERIES && batch_bytes(rows, batch) > most)
        batch = (batch - 1) / TILE_QUERIES * TILE_QUERIES;
    return (uint32_t)batch;
}

static kith_status reserve(tiling *t)
{
    ki_device_rows *rows = t->rows;
    ki_cl_device *device = rows->device;
    const size_t places = (size_t)t->groups * TILE_QUERIES;
    kith_status status = ki_cl_reserve(device, "lists", lists_bytes(t->queries), &rows->lists);
    if (!status)
        status = ki_cl_reserve(device, "counts", places * 2 * sizeof(cl_uint), &rows->counts);
    if (!status)
        status = ki_cl_reserve(device, "limits", places * sizeof(cl_ulong), &rows->limits);
    if (!status)
        status = ki_cl_reserve(device, "answers", (size_t)t->queries * t->k * sizeof(cl_ulong),
                               &rows->answers);
    return status;
}

/* Empty lists; a limit above every row for a real query, and below all for one that only fills the
 * last tile. */
static kith_status write_limits(tiling *t)
{
    const size_t places = (size_t)t->groups * TILE_QUERIES;
    ki_device_rows *rows = t->rows;
    uint64_t *words = ki_zalloc(places * sizeof *words);
    if (!words)
        return ki_no_memory("limits of a search", places * sizeof *words);
    kith_status status =
        ki_cl_write(rows->device, "counts", rows->counts.buffer, 0, words, places * sizeof *words);
    memset(words, 0xff, t->queries * sizeof *words);
    if (!status)
        status = ki_cl_write(rows->device, "limits", rows->limits.buffer, 0, words,
                             places * sizeof *words);
    ki_free(words);
    return status;
}

static double speed(const ki_cl_device *device)
{
    return device->tile_macs_per_second > 0 ? device->tile_macs_per_second
                                            : device->macs_per_second;
}

static kith_status launch_tiles(tiling *t, const ki_cl_chunk *chunk, cl_uint first, cl_uint count,
                                cl_uint tiles)
{
    ki_device_rows *rows = t->rows;
    const cl_uint all_live = rows->all_live, stride = ki_cl_tile_stride(tiles);
    const cl_uint capacity = CAPACITY;
    const ki_cl_argument arguments[] = {
        {sizeof(cl_mem), &chunk->rows},
        {sizeof(cl_mem), &chunk->sides},
        {sizeof(cl_mem), &chunk->live},
        {sizeof(cl_uint), &all_live},
        {sizeof(cl_uint), &chunk->count},
        {sizeof(cl_uint), &chunk->first},
        {sizeof(cl_uint), &rows->words},
        {sizeof(cl_mem), &rows->queries.buffer},
        {sizeof(cl_mem), &rows->query_sides.buffer},
        {sizeof(cl_uint), &first},
        {sizeof(cl_uint), &tiles},
        {sizeof(cl_uint), &stride},
        {sizeof(cl_mem), &rows->limits.buffer},
        {sizeof(cl_mem), &rows->counts.buffer},
        {sizeof(cl_uint), &capacity},
        {sizeof(cl_mem), &rows->lists.buffer},
        {ROW_FLOATS * sizeof(cl_float), NULL},
        {QUERY_FLOATS * sizeof(cl_float), NULL},
    };
    const ki_cl_launch launch = {.name = "kith_tile",
                                 .kernel = t->tile,
                                 .width = count,
                                 .height = t->groups,
                                 .group = ITEMS,
                                 .seconds = t->row_macs * TILE_ROWS * count / speed(rows->device)};
    return ki_cl_run(rows->device, &launch, arguments, sizeof arguments / sizeof arguments[0]);
}

static kith_status cut_lists(tiling *t)
{
    ki_device_rows *rows = t->rows;
    const cl_uint held = t->seen > 0 ? t->k : 0, capacity = CAPACITY;
    kith_status status = KITH_OK;
    for (cl_uint first = 0; first < t->queries && !status; first += CUT_QUERIES) {
        const cl_uint left = t->queries - first;
        const ki_cl_argument arguments[] = {
            {sizeof(cl_mem), &rows->lists.buffer},
            {sizeof(cl_mem), &rows->counts.buffer},
            {sizeof(cl_mem), &rows->limits.buffer},
            {sizeof(cl_uint), &first},
            {sizeof(cl_uint), &t->k},
            {sizeof(cl_uint), &capacity},
            {sizeof(cl_uint), &held},
            {sizeof(cl_mem), &rows->answers.buffer},
            {KI_CL_SORT * sizeof(cl_ulong), NULL},
            {KI_CL_STATE_BYTES, NULL},
        };
        const ki_cl_launch launch = {.name = "kith_cut",
                                     .kernel = t->cut,
                                     .width = left < CUT_QUERIES ? left : CUT_QUERIES,
                                     .height = 1,
                                     .group = rows->device->shape.group};
        status =
            ki_cl_run(rows->device, &launch, arguments, sizeof arguments / sizeof arguments[0]);
    }
    return status;
}

/* Tiles of the next launch: what is expected to come through fits, and the launch is short. */
static cl_uint tiles_of_a_launch(const tiling *t, cl_uint left)
{
    uint64_t growth = CAPACITY / EXPECTED_SHARE / t->k;
    growth = growth < 1 ? 1 : growth > GROWTH_MOST ? GROWTH_MOST : growth;
    uint64_t tiles = t->seen > 0 ? t->seen * growth / TILE_ROWS : FIRST_TILES;
    const double allowed = ki_cl_launch_macs(speed(t->rows->device)) / (t->row_macs * TILE_ROWS);
    if ((double)tiles > allowed)
        tiles = (uint64_t)allowed;
    return tiles < 1 ? 1 : tiles < left ? (cl_uint)tiles : left;
}

static kith_status search_chunk(tiling *t, const ki_cl_chunk *chunk)
{
    const cl_uint tiles = (chunk->count - 1) / TILE_ROWS + 1;
    cl_uint some = 0;
    for (cl_uint first = 0; first < tiles; first += some) {
        some = tiles_of_a_launch(t, tiles - first);
        kith_status status = launch_tiles(t, chunk, first, some, tiles);
        if (!status)
            status = cut_lists(t);
        if (status)
            return status;
        t->seen += (uint64_t)some * TILE_ROWS;
    }
    return KITH_OK;
}

/* Searches queries whose lists were too short the other way. Their bytes are put side by side. */
static kith_status search_lost(const tiling *t, const ki_device_queries *queries,
                               const cl_uint *counts, uint64_t *answers)
{
    const ki_device_rows *rows = t->rows;
    const size_t bytes = kith_vector_bytes(queries->f32 ? KITH_F32 : rows->type, rows->dim);
    size_t lost = 0;
    for (cl_uint i = 0; i < t->queries; i++)
        lost += counts[2 * i + 1] != 0;
    if (lost == 0)
        return KITH_OK;
    unsigned char *some = ki_alloc(lost * bytes);
    uint64_t *found = ki_alloc(lost * t->k * sizeof *found);
    const ki_device_queries again = {some, bytes, lost, queries->f32};
    kith_status status = KITH_OK;
    if (!some || !found)
        status = ki_no_memory("queries that are searched again", lost * bytes);
    size_t n = 0;
    for (cl_uint i = 0; i < t->queries && !status; i++)
        if (counts[2 * i + 1])
            memcpy(some + n++ * bytes, (const unsigned char *)queries->base + i * queries->stride,
                   bytes);
    if (!status)
        status = ki_cl_scan_lists(t->rows, &again, t->k, found);
    n = 0;
    for (cl_uint i = 0; i < t->queries && !status; i++)
        if (counts[2 * i + 1])
            memcpy(answers + (size_t)i * t->k, found + n++ * t->k, t->k * sizeof *found);
    t->rows->device->tiles_lost += lost;
    ki_free(some);
    ki_free(found);
    return status;
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static kith_status read_answers(tiling *t, const ki_device_queries *queries, double begin,
                                uint64_t *answers)
{
    ki_device_rows *rows = t->rows;
    const size_t count_bytes = (size_t)t->queries * 2 * sizeof(cl_uint);
    const double macs = t->row_macs * (double)t->seen;
    cl_uint *counts = ki_alloc(count_bytes);
    if (!counts)
        return ki_no_memory("counts of a search", count_bytes);
    kith_status status = ki_cl_read(rows->device, "answers", rows->answers.buffer, answers,
                                    (size_t)t->queries * t->k * sizeof *answers);
    if (!status)
        status = ki_cl_read(rows->device, "counts", rows->counts.buffer, counts, count_bytes);
    const double seconds = seconds_now() - begin;
    if (!status && macs >= 1e7 && seconds > 0)
        rows->device->tile_macs_per_second = (speed(rows->device) + macs / seconds) / 2;
    if (!status)
        status = search_lost(t, queries, counts, answers);
    ki_free(counts);
    return status;
}

static kith_status search_batch(ki_device_rows *rows, const ki_device_queries *queries, uint32_t k,
                                uint64_t *answers)
{
    tiling t = {.rows = rows, .k = k, .queries = (cl_uint)queries->count};
    t.groups = (t.queries - 1) / TILE_QUERIES + 1;
    t.row_macs = (double)t.groups * TILE_QUERIES * (double)ki_cl_query_floats(rows);
    kith_status status = open_kernels(&t, ki_cl_pairing(rows, queries));
    if (!status)
        status = reserve(&t);
    if (!status)
        status = ki_cl_queries_send(rows, queries, TILE_QUERIES);
    if (!status)
        status = write_limits(&t);
    const double begin = seconds_now();
    for (size_t i = 0; i < rows->chunk_count && !status; i++)
        status = search_chunk(&t, &rows->chunks[i]);
    return status ? status : read_answers(&t, queries, begin, answers);
}

kith_status ki_cl_scan_tiles(ki_device_rows *rows, const ki_device_queries *queries, uint32_t k,
                             uint64_t *answers)
{
    kith_status status = KITH_OK;
    for (size_t done = 0; done < queries->count && !status;) {
        const uint32_t batch = batch_queries(rows, queries->count - done);
        const ki_device_queries some = ki_cl_some_queries(queries, done, batch);
        status = search_batch(rows, &some, k, answers + done * k);
        done += batch;
    }
    return status;
}

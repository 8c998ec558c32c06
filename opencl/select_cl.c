/* select_cl.c - exact search for a large k: all keys of some rows, and a selection among them.
 *
 * May touch scan_cl.h, plan_cl.h, queries_cl.h and sort_cl.h. The one idea: rows are taken in
 * slices whose keys fit in a buffer, the device selects the k best of a slice, and the host, which
 * gets them anyway, puts them in order and merges slices. So neither the rows nor k are bounded by
 * anything but memory.
 */
#include "opencl/plan_cl.h"
#include "opencl/queries_cl.h"
#include "opencl/scan_cl.h"
#include "opencl/sort_cl.h"

#include <string.h>

enum { BINS = 256, DIGITS = 8, STRIPS_PER_UNIT = 16 };

/* As select.cl has it. */
typedef struct pick {
    uint64_t limit;
    uint32_t want;
    uint32_t shift;
    uint32_t taken;
    uint32_t unused;
} pick;

/* One search. */
typedef struct selection {
    ki_device_rows *rows;
    uint32_t k;
    uint32_t pass_log2; /* queries that share the reading of rows */
    uint32_t slice_rows;
    cl_kernel keys, count, choose, gather;
    uint64_t *found; /* as the device gives them, k a query of a pass */
    uint64_t *spare; /* k */
    pick picks[KI_CL_MAX_PASS];
    uint32_t have[KI_CL_MAX_PASS]; /* answers so far */
} selection;

/* Some rows of a chunk, as arguments of kernels. */
typedef struct slice {
    const ki_cl_chunk *chunk;
    uint32_t first; /* in the chunk, a multiple of the unit */
    cl_uint step;   /* rows, a multiple of the unit */
    cl_uint count;  /* of them real */
    cl_uint strip_rows, strips;
    cl_uint first_row; /* of all rows */
    cl_uint all_live;
} slice;

/* Passes as wide as queries and memory allow, and slices as long. */
static void plan(selection *s, size_t nq)
{
    const ki_device_rows *rows = s->rows;
    const size_t most = ki_cl_batch_bytes(rows) / 2;
    const uint32_t unit = ki_cl_unit_rows(&rows->device->shape);
    const size_t row_bytes = sizeof(uint32_t), entry_bytes = sizeof(uint64_t);
    while (s->pass_log2 < KI_CL_PASSES - 1 && (1u << s->pass_log2) < nq &&
           ((size_t)2 << s->pass_log2) * s->k * entry_bytes <= most)
        s->pass_log2++;
    uint32_t largest = 0;
    for (size_t i = 0; i < rows->chunk_count; i++)
        largest = rows->chunks[i].count > largest ? rows->chunks[i].count : largest;
    const size_t fit = most / (row_bytes << s->pass_log2) / unit;
    const size_t wanted = (largest - 1) / unit + 1;
    s->slice_rows = (uint32_t)(fit < 1 ? 1 : fit < wanted ? fit : wanted) * unit;
}

static kith_status open_kernels(selection *s, ki_pairing pairing)
{
    ki_cl_device *device = s->rows->device;
    kith_status status =
        ki_cl_keys_kernel(device, pairing, s->rows->metric, s->pass_log2, &s->keys);
    if (!status)
        status = ki_cl_plain_kernel(device, KI_CL_COUNT, &s->count);
    if (!status)
        status = ki_cl_plain_kernel(device, KI_CL_CHOOSE, &s->choose);
    if (!status)
        status = ki_cl_plain_kernel(device, KI_CL_GATHER, &s->gather);
    return status;
}

static kith_status reserve(selection *s)
{
    static const uint32_t none[KI_CL_MAX_PASS * BINS];
    ki_device_rows *rows = s->rows;
    const size_t pass = (size_t)1 << s->pass_log2;
    kith_status status =
        ki_cl_reserve(rows->device, "keys", pass * s->slice_rows * sizeof(uint32_t), &rows->keys);
    if (!status)
        status = ki_cl_reserve(rows->device, "selected rows", pass * s->k * sizeof(uint64_t),
                               &rows->lists);
    if (!status)
        status = ki_cl_reserve(rows->device, "counts of digits", sizeof none, &rows->digits);
    if (!status)
        status = ki_cl_reserve(rows->device, "limits", sizeof s->picks, &rows->chosen);
    if (!status) /* a search that failed may have left counts */
        status = ki_cl_write(rows->device, "counts of digits", rows->digits.buffer, 0, none,
                             sizeof none);
    return status;
}

static kith_status run(const selection *s, const char *name, cl_kernel kernel, size_t width,
                       size_t height, double macs, const ki_cl_argument *arguments, cl_uint count)
{
    const ki_cl_launch launch = {.name = name,
                                 .kernel = kernel,
                                 .width = width,
                                 .height = height,
                                 .group = s->rows->device->shape.group,
                                 .seconds = macs / s->rows->device->macs_per_second};
    return ki_cl_run(s->rows->device, &launch, arguments, count);
}

/* In launches of about a tenth of a second. */
static kith_status compute_keys(selection *s, const slice *part)
{
    ki_device_rows *rows = s->rows;
    const double strip_macs =
        (double)part->strip_rows * (double)(ki_cl_query_floats(rows) << s->pass_log2);
    const double allowed = ki_cl_launch_macs(rows->device->macs_per_second) / strip_macs;
    const cl_uint most = allowed < 1 ? 1 : allowed > 1e6 ? 1000000 : (cl_uint)allowed;
    for (cl_uint strip = 0; strip < part->strips; strip += most) {
        const cl_uint strips = part->strips - strip < most ? part->strips - strip : most;
        const ki_cl_argument arguments[] = {
            {sizeof(cl_mem), &part->chunk->rows},    {sizeof(cl_mem), &part->chunk->sides},
            {sizeof(cl_uint), &part->chunk->count},  {sizeof(cl_uint), &rows->words},
            {sizeof(cl_mem), &rows->queries.buffer}, {sizeof(cl_mem), &rows->query_sides.buffer},
            {sizeof(cl_uint), &part->first},         {sizeof(cl_uint), &strip},
            {sizeof(cl_uint), &part->strip_rows},    {sizeof(cl_uint), &part->step},
            {sizeof(cl_mem), &rows->keys.buffer},
        };
        const kith_status status = run(s, "kith_keys", s->keys, strips, 1, strips * strip_macs,
                                       arguments, sizeof arguments / sizeof arguments[0]);
        if (status)
            return status;
    }
    return KITH_OK;
}

/* The limits of all queries of a pass, digit by digit. */
static kith_status find_limits(selection *s, const slice *part, uint32_t queries)
{
    ki_device_rows *rows = s->rows;
    const ki_cl_argument count[] = {
        {sizeof(cl_mem), &rows->keys.buffer},   {sizeof(cl_uint), &part->step},
        {sizeof(cl_uint), &part->count},        {sizeof(cl_uint), &part->strip_rows},
        {sizeof(cl_mem), &part->chunk->live},   {sizeof(cl_uint), &part->first},
        {sizeof(cl_uint), &part->all_live},     {sizeof(cl_uint), &part->first_row},
        {sizeof(cl_mem), &rows->chosen.buffer}, {sizeof(cl_mem), &rows->digits.buffer},
        {BINS * sizeof(cl_uint), NULL},
    };
    const ki_cl_argument choose[] = {
        {sizeof(cl_mem), &rows->chosen.buffer},
        {sizeof(cl_mem), &rows->digits.buffer},
    };
    kith_status status = KITH_OK;
    for (int digit = 0; digit < DIGITS && !status; digit++) {
        status = run(s, "kith_count", s->count, part->strips, queries, 0, count,
                     sizeof count / sizeof count[0]);
        if (!status)
            status = run(s, "kith_choose", s->choose, queries, 1, 0, choose,
                         sizeof choose / sizeof choose[0]);
    }
    return status;
}

static kith_status gather(selection *s, const slice *part, uint32_t queries)
{
    ki_device_rows *rows = s->rows;
    const ki_cl_argument arguments[] = {
        {sizeof(cl_mem), &rows->keys.buffer},   {sizeof(cl_uint), &part->step},
        {sizeof(cl_uint), &part->count},        {sizeof(cl_uint), &part->strip_rows},
        {sizeof(cl_mem), &part->chunk->live},   {sizeof(cl_uint), &part->first},
        {sizeof(cl_uint), &part->all_live},     {sizeof(cl_uint), &part->first_row},
        {sizeof(cl_mem), &rows->chosen.buffer}, {sizeof(cl_uint), &s->k},
        {sizeof(cl_mem), &rows->lists.buffer},
    };
    kith_status status = run(s, "kith_gather", s->gather, part->strips, queries, 0, arguments,
                             sizeof arguments / sizeof arguments[0]);
    if (!status)
        status = ki_cl_read(rows->device, "limits", rows->chosen.buffer, s->picks, sizeof s->picks);
    if (!status)
        status = ki_cl_read(rows->device, "selected rows", rows->lists.buffer, s->found,
                            queries * (size_t)s->k * sizeof *s->found);
    return status;
}

/* The k best of a slice, merged with what each query has. A device that counts wrongly may claim
 * more than k: it is believed only that far. */
static kith_status search_slice(selection *s, const slice *part, uint32_t queries,
                                uint64_t *answers)
{
    for (uint32_t q = 0; q < KI_CL_MAX_PASS; q++)
        s->picks[q] = (pick){.want = s->k, .shift = 64};
    kith_status status = ki_cl_write(s->rows->device, "limits", s->rows->chosen.buffer, 0, s->picks,
                                     sizeof s->picks);
    if (!status)
        status = compute_keys(s, part);
    if (!status)
        status = find_limits(s, part, queries);
    if (!status)
        status = gather(s, part, queries);
    for (uint32_t q = 0; q < queries && !status; q++) {
        uint64_t *found = s->found + (size_t)q * s->k;
        const uint32_t n = s->picks[q].taken < s->k ? s->picks[q].taken : s->k;
        ki_sort_entries(found, s->spare, n);
        s->have[q] =
            ki_merge_entries(answers + (size_t)q * s->k, s->have[q], found, n, s->k, s->spare);
    }
    return status;
}

static slice slice_at(const selection *s, const ki_cl_chunk *chunk, uint32_t first)
{
    const ki_cl_device *device = s->rows->device;
    const uint32_t unit = ki_cl_unit_rows(&device->shape);
    const uint32_t left = chunk->count - first;
    const uint32_t count = left < s->slice_rows ? left : s->slice_rows;
    const uint32_t units = (count - 1) / unit + 1;
    const uint32_t cells =
        STRIPS_PER_UNIT * (device->found.info.compute_units ? device->found.info.compute_units : 1);
    const uint32_t strip_units = (units - 1) / cells + 1;
    return (slice){.chunk = chunk,
                   .first = first,
                   .step = units * unit,
                   .count = count,
                   .strip_rows = strip_units * unit,
                   .strips = (units - 1) / strip_units + 1,
                   .first_row = chunk->first + first,
                   .all_live = s->rows->all_live};
}

/* All rows for the queries of one pass. */
static kith_status search_pass(selection *s, uint32_t queries, uint64_t *answers)
{
    memset(s->have, 0, sizeof s->have);
    for (size_t i = 0; i < s->rows->chunk_count; i++) {
        const ki_cl_chunk *chunk = &s->rows->chunks[i];
        for (uint32_t first = 0; first < chunk->count; first += s->slice_rows) {
            const slice part = slice_at(s, chunk, first);
            const kith_status status = search_slice(s, &part, queries, answers);
            if (status)
                return status;
            if (chunk->count - first <= s->slice_rows)
                break; /* the next first may not fit in 32 bits */
        }
    }
    for (uint32_t q = 0; q < queries; q++)
        for (uint32_t i = s->have[q]; i < s->k; i++)
            answers[(size_t)q * s->k + i] = UINT64_MAX;
    return KITH_OK;
}

static kith_status search_passes(selection *s, const ki_device_queries *queries, uint64_t *answers)
{
    const size_t pass = (size_t)1 << s->pass_log2;
    kith_status status = open_kernels(s, ki_cl_pairing(s->rows, queries));
    if (!status)
        status = reserve(s);
    for (size_t done = 0; done < queries->count && !status; done += pass) {
        const ki_device_queries some = ki_cl_some_queries(queries, done, pass);
        status = ki_cl_queries_send(s->rows, &some, (uint32_t)pass);
        if (!status)
            status = search_pass(s, (uint32_t)some.count, answers + done * s->k);
    }
    return status;
}

kith_status ki_cl_scan_select(ki_device_rows *rows, const ki_device_queries *queries, uint32_t k,
                              uint64_t *answers)
{
    selection s = {.rows = rows, .k = k};
    plan(&s, queries->count);
    const size_t list_bytes = (size_t)k * sizeof *s.found;
    s.found = ki_alloc(list_bytes << s.pass_log2);
    s.spare = ki_alloc(list_bytes);
    kith_status status = KITH_OK;
    if (s.found && s.spare)
        status = search_passes(&s, queries, answers);
    else
        status = ki_no_memory("answers of a device", list_bytes << s.pass_log2);
    ki_free(s.found);
    ki_free(s.spare);
    return status;
}

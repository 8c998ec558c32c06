/* lines_cl.c - the second layout of rows on a device: one after the other, as a walk wants them.
 *
 * May touch walk_cl.h. A walk reads one row here and one there. In blocks of interleaved rows each
 * word of a row would be a memory access of its own, eight times the bytes on a GPU; in lines
 * neighbouring lanes read neighbouring words of one row.
 *
 * The one idea: memory is what users have least of, so both layouts are there only when both are
 * used. Rows come as blocks; the first graph has the device turn them into lines and drops the
 * blocks; the first scan after that has it turn lines into blocks again and keeps both. Nothing is
 * sent twice. While rows are turned both layouts need room.
 */
#include "opencl/walk_cl.h"

enum { WORD_BYTES = 4, TURN_BYTES = 64 << 20 }; /* of one launch: a few milliseconds */

uint32_t ki_cl_stride(const ki_device_rows *rows)
{
    const uint32_t lanes = rows->device->shape.lanes;
    return (rows->words + lanes - 1) / lanes * lanes;
}

/* Copies all rows, from blocks to lines or back, and waits until that is done. */
static kith_status turn(ki_device_rows *rows, cl_mem blocks, cl_mem lines, cl_uint back)
{
    ki_cl_device *device = rows->device;
    const cl_uint stride = ki_cl_stride(rows);
    const size_t line_bytes = (size_t)stride * WORD_BYTES, group = device->shape.group;
    const cl_uint step = line_bytes < TURN_BYTES ? (cl_uint)(TURN_BYTES / line_bytes) : 1;
    cl_kernel kernel = NULL;
    kith_status status = ki_cl_turn_kernel(device, &kernel);
    for (cl_uint first = 0; first < rows->count && !status; first += step) {
        const cl_uint count = rows->count - first < step ? rows->count - first : step;
        const ki_cl_argument arguments[] = {
            {sizeof(cl_mem), &blocks},  {sizeof(cl_mem), &lines},  {sizeof(cl_uint), &rows->words},
            {sizeof(cl_uint), &stride}, {sizeof(cl_uint), &first}, {sizeof(cl_uint), &count},
            {sizeof(cl_uint), &back},
        };
        const ki_cl_launch launch = {.name = "kith_turn",
                                     .kernel = kernel,
                                     .width = (count - 1) / group + 1,
                                     .height = 1,
                                     .group = group};
        status = ki_cl_run(device, &launch, arguments, sizeof arguments / sizeof arguments[0]);
        if (rows->count - first < step)
            break; /* so that `first` cannot run over */
    }
    if (status)
        return status;
    const cl_int code = KI_CL(device->found.cl->Finish(device->queue));
    if (code)
        return ki_cl_fail(code, "clFinish", device->found.info.id, "%u rows of %zu bytes turned",
                          (unsigned)rows->count, line_bytes);
    return KITH_OK;
}

kith_status ki_cl_need_lines(ki_device_rows *rows)
{
    const ki_cl_device *device = rows->device;
    const size_t line_bytes = (size_t)ki_cl_stride(rows) * WORD_BYTES;
    const size_t most = device->max_alloc / line_bytes;
    if (rows->lines)
        return KITH_OK;
    if (rows->chunk_count != 1 || rows->count > most)
        return ki_fail(KITH_ENOMEM,
                       "%u rows of %zu bytes are walked in one buffer, %s takes buffers of %zu "
                       "bytes: more partitions are needed",
                       (unsigned)rows->count, line_bytes, device->found.info.id, device->max_alloc);
    const size_t room = rows->chunks[0].room < most ? rows->chunks[0].room : most;
    kith_status status =
        ki_cl_buffer(rows->device, "rows as lines", room * line_bytes, &rows->lines);
    if (status)
        return status;
    rows->lines_room = (uint32_t)room;
    status = turn(rows, rows->chunks[0].rows, rows->lines, 0);
    ki_cl_release(rows->device, status ? &rows->lines : &rows->chunks[0].rows);
    return status;
}

kith_status ki_cl_need_blocks(ki_device_rows *rows)
{
    ki_cl_chunk *chunk = rows->chunks;
    cl_mem blocks = NULL;
    if (!rows->lines || chunk->rows)
        return KITH_OK;
    kith_status status =
        ki_cl_buffer(rows->device, "rows", (size_t)chunk->room * rows->words * WORD_BYTES, &blocks);
    if (status)
        return status;
    status = turn(rows, blocks, rows->lines, 1);
    if (status)
        ki_cl_release(rows->device, &blocks);
    else
        chunk->rows = blocks;
    return status;
}

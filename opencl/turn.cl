/* turn.cl - rows from one layout to the other, on the device that has them.
 *
 * OpenCL C 1.2 core, behind elements.cl with PART=4. No local memory, no barrier. The one idea:
 * rows are sent once. What a scan reads are blocks of interleaved rows, what a walk reads are
 * lines, and whichever is missing is made of the other. An item has a row, so that on a GPU
 * neighbours read neighbouring words of a block; their writes meet in the cache, as each fills its
 * own line.
 */
#ifndef GROUP
#define GROUP 64 /* work-items of a group */
#endif

/* Rows first .. first + count, from blocks of BLOCK rows to lines of `stride` words, or back. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
kith_turn(__global uint *restrict blocks, __global uint *restrict lines, uint words, uint stride,
          uint first, uint count, uint back)
{
    const uint row = first + (uint)get_global_id(0);
    __global uint *block = blocks + (size_t)(row / BLOCK) * words * BLOCK + row % BLOCK;
    __global uint *line = lines + (size_t)row * stride;
    const uint stop = row - first < count ? words : 0;
    for (uint w = 0; w < stop; w++) {
        if (back)
            block[(size_t)w * BLOCK] = line[w];
        else
            line[w] = block[(size_t)w * BLOCK];
    }
}

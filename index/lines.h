/* lines.h - a projection of codes: its directions as rows of 8-bit integers.
 *
 * May include kernels/ and kv/base.h. What is projected are codes of 8 bits, so both sides of a dot
 * product are integers, and the kernel of those does it: 96 directions of 768 dimensions in about
 * 1 us, where the sums in f32 that are the same on every machine take 12, and 295 KB of floats are
 * read for 74 KB. An eighth of a step more or less in a direction matters less than the step of the
 * codes that come of it.
 */
#ifndef KI_LINES_H
#define KI_LINES_H

#include "kernels/kernels.h"
#include "kv/base.h"

typedef struct ki_lines {
    unsigned char *base; /* NULL: none */
    ki_aux *sides;
    ki_rows rows;   /* of i8, a direction each */
    uint32_t count; /* of directions */
} ki_lines;

/* From dim lines of `count` floats, the line of a dimension holding its share in each direction: as
 * ki_reduce_learn writes them, in any unit. */
kith_status ki_lines_open(const float *projection, uint32_t dim, uint32_t count, ki_lines *out);
void ki_lines_close(ki_lines *lines); /* accepts a zeroed one */
size_t ki_lines_bytes(const ki_lines *lines);

/* `count` floats, in `scratch`: where a vector of i8 lies along each direction. The kernel is that
 * of ip of i8, on any instruction set. */
size_t ki_lines_scratch(uint32_t dim, uint32_t count);
const float *ki_lines_project(const ki_lines *lines, const ki_kernel *kernel, const void *vector,
                              void *scratch);

#endif

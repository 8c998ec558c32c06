/* kernel_object.h - the inside of a kith_kernel, shared by the two files of its public calls.
 *
 * May include kernels/ and scan.h.
 */
#ifndef KI_KERNEL_OBJECT_H
#define KI_KERNEL_OBJECT_H

#include "index/scan.h"
#include "kernels/codec.h"

struct kith_kernel {
    ki_kernel table; /* the one cell of a table that was filled for `features` */
    uint64_t features;
    kith_metric metric;
    ki_pairing pairing;
    kith_type row_type;
    bool f32;              /* queries go through prepare_f32 */
    const ki_codec *codec; /* of rows that are codes, else NULL */
    uint32_t dim;
    size_t row_bytes, vector_bytes; /* of a row, of a query as it comes */
};

/* Every call that takes rows asks this first, and then reads them through the view. */
kith_status ki_view_rows(const kith_kernel *kernel, const kith_rows *rows, ki_rows *out);

/* Do rows of this pairing need side data under the metric? */
bool ki_needs_sides(kith_metric metric, ki_pairing pairing);

#endif

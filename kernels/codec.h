/* codec.h - the scalar quantiser: f32 rows to codes of 8, 4 or 1 bit, and queries that meet them.
 *
 * May include kernels.h only. Memory is the caller's; nothing here fails, locks or keeps state.
 *
 * The one idea: rows are moved so that their mean lies at zero (x' = x - centre) and each element
 * becomes the number of the nearest step. A centre costs nothing at search time: differences do
 * not see it, and an inner product with it is one constant of the query, added afterwards. Under
 * cosine rows and queries are given unit length in f64 first, and are then a case of ip.
 *
 *   KITH_SQ8      x' = scale * c, c in -127..127: the rows of KI_I8
 *   KITH_SQ8_DIM  the same with a scale for each dimension: KI_Q8
 *   KITH_SQ4      x' = scale * (c - 7.5), c in 0..15: KI_Q4
 *   KITH_SQ1      the sign of x': KI_Q1. The estimate of an inner product from signs is that of
 *                 RaBitQ (Gao and Long, SIGMOD 2024), <x', q> = |x'|^2 / sum|x'| * <sign, q>,
 *                 without its random rotation, so without its bound
 *
 * Codes and side data are the same bytes on every machine and for every thread count: plain IEEE
 * f64 in a fixed order, nothing fused, and counts that are added as integers. Training takes
 * dimensions KI_CODEC_BLOCK at a time, one line of a row, and each block by itself.
 */
#ifndef KI_CODEC_H
#define KI_CODEC_H

#include "kernels/kernels.h"
#include <stdbool.h>

enum {
    KI_CODEC_BLOCK = 16,
    KI_CODEC_BINS = 4080,   /* of sizes: the 8 bits of a float's exponent and 4 of its fraction */
    KI_CODEC_SAMPLE = 65536 /* rows that training looks at; more change the last digits only */
};

typedef struct ki_codec {
    kith_code code;
    kith_metric metric;
    uint32_t dim;
    float scale;   /* one step; KITH_SQ8_DIM and KITH_SQ1: 0 */
    float *centre; /* dim */
    float *scales; /* dim, KITH_SQ8_DIM only, else NULL */
} ki_codec;

/* ---- Training: rows counted, centres, rows counted again, sizes, and the end --------------- */

/* Rows to learn from: f32 elements at any address, finite. */
typedef struct ki_codec_rows {
    const unsigned char *base;
    size_t stride; /* bytes */
    size_t count;
    uint32_t dim;
    const double *factors; /* of each row, what gives it unit length; NULL: rows as they are */
} ki_codec_rows;

/* How many values there are of each size. Counts of several threads are added up. */
typedef struct ki_codec_counts {
    float most; /* the largest size */
    uint64_t at[KI_CODEC_BINS];
} ki_codec_counts;

void ki_codec_add_counts(ki_codec_counts *to, const ki_codec_counts *from);

/* 1/norm, 0 for a zero row. */
double ki_codec_factor(const void *row, uint32_t dim);

/* Adds the size of the largest element of a row, or of its x', to the counts. */
void ki_codec_count_row(const ki_codec *codec, const ki_codec_rows *rows, bool centred, size_t row,
                        ki_codec_counts *counts);

/* From the counts of all rows: the size beyond which an element is an outlier. */
double ki_codec_ceiling(const ki_codec_counts *counts);

/* The centres of dimensions first..last-1: means, in which outliers count as the ceiling. */
void ki_codec_centre(ki_codec *codec, const ki_codec_rows *rows, double ceiling, uint32_t first,
                     uint32_t last);

/* The scales of dimensions first..last-1 under KITH_SQ8_DIM; adds the sizes of their x' to
 * `counts`. `own` is scratch. */
void ki_codec_measure(ki_codec *codec, const ki_codec_rows *rows, double ceiling, uint32_t first,
                      uint32_t last, ki_codec_counts *counts, ki_codec_counts *own);

/* The one scale of KITH_SQ8 and KITH_SQ4, from the counts of all x'. */
void ki_codec_finish(ki_codec *codec, const ki_codec_counts *counts);

/* ---- Codes --------------------------------------------------------------------------------- */

/* What the codes are to a kernel: the pairing and metric of its cell. */
ki_pairing ki_codec_pairing(const ki_codec *codec);
kith_metric ki_codec_metric(const ki_codec *codec);

/* One row of f32, at any address, to ki_row_bytes(pairing, dim) bytes and their side data. */
void ki_codec_encode(const ki_codec *codec, const void *row, unsigned char *code, ki_aux *aux);

/* What the code stands for; unit vectors under cosine. Side data only for KITH_SQ1. */
void ki_codec_decode(const ki_codec *codec, const unsigned char *code, const ki_aux *aux,
                     float *row);

/* ---- Queries ------------------------------------------------------------------------------- */

/* A query of codes. `vector` is what the kernel's prepare takes: it points to `elements`, or to
 * `code` in this struct, which must stay where it is until then. */
typedef struct ki_codec_query {
    ki_code_query code;
    double unit, offset; /* distance = unit * the kernel's distance + offset */
} ki_codec_query;

/* Bytes of `elements`. */
size_t ki_codec_query_bytes(const ki_codec *codec);

/* Makes a query from f32 elements at any address. `elements` is aligned to 4 bytes. Under
 * KITH_SQ8 and KITH_SQ4 with l2sq a query is cut at the range of the codes. */
void ki_codec_make_query(const ki_codec *codec, const void *query, void *elements,
                         ki_codec_query *out);
const void *ki_codec_vector(const ki_codec *codec, const ki_codec_query *query);

/* The distance that people read, from a key of the kernel. */
float ki_codec_distance(const ki_codec_query *query, ki_key_form form, uint32_t key);

#endif

/* kernels.h - the contract of every distance kernel, and the table they are called through.
 *
 * May include kith.h only. Kernels never allocate, fail, log, lock or keep state.
 *
 * The one idea: a kernel answers with an *order key*, a uint32_t for which smaller is closer and
 * unsigned comparison is the whole order. For integer sums the key is the sum itself, exact where
 * a float would round (squared L2 of 784 u8 reaches 50,979,600, above 2^24); for floats it is the
 * order-preserving image of the bits, with NaN last. Searches sort (key << 32 | row) and never
 * see a float; keys.h turns a key back into the distance that people read.
 *
 * Shapes: pair (one row), gather (n row numbers: the call that drives the graph), range (n
 * consecutive rows). All three give the same bits for the same query and row, wherever the row
 * stands in the call: two accumulators a row (even and odd chunks) and one fixed reduction.
 *
 * Promises: u8 exact. f32: |error| <= (ceil(dim/16) + 8) * 2^-24 * sum of |terms| + dim * 2^-149
 * (the 1 of 1 - cosine is a term) as long as no sum leaves the range of f32. NaN in, NaN key out.
 * u8 cosine is one exact integer dot product and three float operations in fixed order, so it too
 * is the same on every instruction set.
 *
 * Rows: right at any address and any stride of at least the row's bytes: kernels read no byte
 * outside a row or its aux. Fast when base and stride are multiples of 64.
 */
#ifndef KI_KERNELS_H
#define KI_KERNELS_H

#include "kith.h"

/* Side data of a row, filled once when the row is stored (ki_aux_fill), never in a search. */
typedef struct ki_aux {
    float inv_norm;  /* 1/|row|; 0 for a zero row, and for one whose norm is below 2^-126 */
    float norm2;     /* f32: squared norm, rounded from f64 */
    uint32_t inorm2; /* u8: squared norm, exact */
    int32_t sum;     /* u8: sum of the elements */
} ki_aux;

/* A view of rows; whoever made it owns the memory. */
typedef struct ki_rows {
    const unsigned char *base;
    size_t stride;            /* bytes from row to row */
    const unsigned char *aux; /* aux of row i at aux + i * aux_stride; always there */
    size_t aux_stride;
    uint32_t dim;
    uint32_t prefetch_lines; /* of each row of a gather, fetched before the first */
} ki_rows;

/* A query as one kernel wants it; made by that kernel's prepare, used with no other. */
typedef struct ki_query {
    const void *data; /* 64-byte aligned scratch of the caller, ki_query_bytes long */
    float inv_norm;
    uint32_t inorm2;
    int32_t sum;
    uint32_t dim;
} ki_query;

typedef void (*ki_prepare_fn)(const void *vector, uint32_t dim, void *scratch, ki_query *out);
typedef uint32_t (*ki_pair_fn)(const ki_query *query, const ki_rows *rows, uint32_t id);
typedef void (*ki_gather_fn)(const ki_query *query, const ki_rows *rows, const uint32_t *ids,
                             size_t n, uint32_t *keys);
typedef void (*ki_range_fn)(const ki_query *query, const ki_rows *rows, uint32_t first, size_t n,
                            uint32_t *keys);

/* How a key maps to a distance: see keys.h. */
typedef enum ki_key_form {
    KI_KEY_FLOAT, /* order-preserving image of float bits */
    KI_KEY_UINT,  /* the distance itself */
    KI_KEY_INT    /* the distance plus 2^31 */
} ki_key_form;

/* Which file filled a slot. The order is the ladder's within one architecture. */
typedef enum ki_isa {
    KI_ISA_NONE,
    KI_ISA_SCALAR,
    KI_ISA_AVX2,
    KI_ISA_AVX512,
    KI_ISA_AVX512VNNI,
    KI_ISA_NEON,
    KI_ISA_DOTPROD,
    KI_ISA_COUNT
} ki_isa;

typedef enum ki_slot { KI_PREPARE, KI_PAIR, KI_GATHER, KI_RANGE, KI_SLOT_COUNT } ki_slot;

typedef struct ki_kernel {
    ki_prepare_fn prepare;
    ki_pair_fn pair;
    ki_gather_fn gather;
    ki_range_fn range;
    ki_key_form form;
    ki_isa from[KI_SLOT_COUNT]; /* provenance: a slow kernel that nobody asked for is visible */
} ki_kernel;

enum { KI_METRIC_COUNT = KITH_COSINE + 1, KI_TYPE_COUNT = KITH_U8 + 1 };

typedef struct ki_kernels {
    uint64_t features; /* what the table was filled for */
    ki_kernel at[KI_METRIC_COUNT][KI_TYPE_COUNT];
} ki_kernels;

/* Features: one bit a level of the ladder, set only when every instruction of the level is
 * there and the operating system saves its registers. Scalar needs no bit. */
#define KI_BIT(isa) (UINT64_C(1) << (isa))

/* Detected features of this machine and this build. Pure; cheap enough to be asked again. */
uint64_t ki_cpu_features(void);

/* The bits of `level` and all levels below it, for example "avx2"; 0 and false if unknown. */
int ki_cpu_mask(const char *level, uint64_t *mask);

/* "avx512vnni" and so on; the same words as in KITH_CPU. */
const char *ki_isa_name(ki_isa isa);

/* Fills the whole table for features & mask: the scalar reference first, then each level
 * overwrites what it improves. */
void ki_kernels_fill(uint64_t features, ki_kernels *out);

/* Bytes of scratch that prepare may write, for every kernel of this type. */
size_t ki_query_bytes(kith_type type, uint32_t dim);

/* Fills the side data. The same on every machine: plain C, f64 sums in index order. */
void ki_aux_fill(kith_type type, const void *row, uint32_t dim, ki_aux *out);

/* The exact distance of two vectors as a reference: integer sums for u8 (as double, exact), f64
 * sums in index order for f32. Cosine as in ki_aux: zero norms give 1. */
double ki_exact_distance(kith_metric metric, kith_type type, const void *a, const void *b,
                         uint32_t dim);

#endif

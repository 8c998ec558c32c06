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
 * A kernel belongs to a metric and a *pairing*: which rows meet which queries. Its shapes are
 * pair (one row), gather (n row numbers: the call that drives the graph), range (n consecutive
 * rows) and tile (m queries and n consecutive rows). All give the same bits for the same query
 * and row, wherever they stand in the call: two accumulators a row (even and odd chunks) and one
 * fixed reduction. The tiles of KI_BF16BF16 alone may differ from the other shapes, within the
 * bound, where matrix hardware adds in its own order.
 *
 * Promises. Integers and bits are exact: u8, i8 and b1 under every metric but cosine and jaccard,
 * and those two are one exact integer sum and a few float operations in fixed order, so they too
 * are the same on every instruction set. Float rows with f32 queries: elements are widened to f32
 * exactly, then |error| <= (ceil(dim/16) + 8) * 2^-24 * sum of |terms| + dim * 2^-149 (the 1 of
 * 1 - cosine is a term) as long as no sum leaves the range of f32. KI_BF16BF16 may flush denormal
 * elements, products and sums, which adds 2^-126 * sum of (|q| + |x| + 1). NaN in, NaN key out.
 *
 * Rows: right at any address and any stride of at least the row's bytes: kernels read no byte
 * outside a row or its aux. Fast when base and stride are multiples of 64. Bits of a b1 row
 * behind its last dimension, and the last half byte of a KI_Q4 row of odd dimension, are zero.
 */
#ifndef KI_KERNELS_H
#define KI_KERNELS_H

#include "kith.h"

/* Which queries meet which rows. The first six are rows and vectors of one kith_type, under its
 * number; f16 and bf16 rows also take f32 queries there, since their queries are widened. */
typedef enum ki_pairing {
    KI_F32 = KITH_F32,
    KI_U8 = KITH_U8,
    KI_F16 = KITH_F16,
    KI_BF16 = KITH_BF16,
    KI_I8 = KITH_I8,
    KI_B1 = KITH_B1,
    KI_F32U8,    /* f32 queries, u8 rows: l2sq, ip, cosine in f32 sums */
    KI_F32I8,    /* f32 queries, i8 rows */
    KI_BF16BF16, /* bf16 queries kept as they are, bf16 rows: ip and cosine, where hardware
                    multiplies bf16 */
    KI_Q8,       /* codes of codec.h, made from f32 rows: l2sq and ip. f32 queries, i8 codes with
                    a scale for each dimension */
    KI_Q4,       /* i8 queries, 4-bit codes, two to a byte, the even dimension in the low half */
    KI_Q1,       /* i8 queries, 1-bit codes, dimension i in bit i % 8 of byte i / 8 */
    KI_PAIRING_COUNT
} ki_pairing;

/* Side data of a row, filled once when the row is stored (ki_aux_fill), never in a search. Codes
 * have theirs from the codec. */
typedef struct ki_aux {
    float inv_norm;  /* 1/|row|; 0 for a zero row, and for one whose norm is below 2^-126. KI_Q1:
                        |x|^2 / sum of |x_i|, what a sign is worth */
    float norm2;     /* f32, f16, bf16, KI_Q8, KI_Q1: squared norm, rounded from f64 */
    uint32_t inorm2; /* u8, i8, KI_Q4: squared norm, exact; b1, KI_Q1: bits that are set */
    int32_t sum;     /* u8, i8, KI_Q4: sum of the elements; b1, KI_Q1: bits that are set */
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
    float scale, bias; /* codes only: see ki_code_query */
    uint32_t inorm2;
    int32_t sum;
    uint32_t dim;
} ki_query;

/* What the prepare of a code pairing takes in place of a vector; made by codec.h. Distances are
 * in units that the codec knows:
 *   KI_Q8   bias + norm2 - 2 q.x (l2sq) or bias - q.x (ip); f32 elements
 *   KI_Q4   sum of (q - (16 x - 120))^2, or -sum of q (16 x - 120), x the code 0..15; i8 elements
 *   KI_Q1   with s = scale * (2 * sum of q where the bit is set - sum of q) * inv_norm of the row:
 *           (bias + norm2) - 2 s, or bias - s; i8 elements */
typedef struct ki_code_query {
    const void *elements;
    float scale, bias;
} ki_code_query;

/* `prepare` takes a vector of the rows' own type (of codes: a ki_code_query; of KI_F32U8 and
 * KI_F32I8: the row type, widened), `prepare_f32` one of f32: rounded to nearest even for
 * KI_BF16BF16, the bits of x > 0 for KI_B1, and NULL where there is no such query. */
typedef void (*ki_prepare_fn)(const void *vector, uint32_t dim, void *scratch, ki_query *out);
typedef uint32_t (*ki_pair_fn)(const ki_query *query, const ki_rows *rows, uint32_t id);
typedef void (*ki_gather_fn)(const ki_query *query, const ki_rows *rows, const uint32_t *ids,
                             size_t n, uint32_t *keys);
typedef void (*ki_range_fn)(const ki_query *query, const ki_rows *rows, uint32_t first, size_t n,
                            uint32_t *keys);

/* m prepared queries against rows first..first+n-1: the key of query i and row first + j goes to
 * keys[i * stride + j]. `packed` is what `pack` made of the same queries, in ki_pack_bytes of
 * 64-byte aligned scratch; a kernel whose pack is NULL ignores it. */
typedef void (*ki_pack_fn)(const ki_query *queries, size_t m, void *packed);
typedef void (*ki_tile_fn)(const ki_query *queries, size_t m, const void *packed,
                           const ki_rows *rows, uint32_t first, size_t n, uint32_t *keys,
                           size_t stride);

/* What a walk asks between two hops, the same for every metric: which of `degree` links it has not
 * seen. Links end at the first UINT32_MAX; none comes twice. words[id / 16] holds in its upper half
 * the epoch that last wrote it, in its lower half a bit for each of 16 ids; one of another epoch
 * counts as empty. Marks those that are new, writes them to ids[] in their order, returns how many.
 * ids has room for `degree` rounded up to 16. */
typedef uint32_t (*ki_sift_fn)(uint32_t *words, uint32_t epoch, const uint32_t *links,
                               uint32_t degree, uint32_t *ids);

/* How a key maps to a distance: see keys.h. */
typedef enum ki_key_form {
    KI_KEY_FLOAT, /* order-preserving image of float bits */
    KI_KEY_UINT,  /* the distance itself */
    KI_KEY_INT    /* the distance plus 2^31 */
} ki_key_form;

/* Which file filled a slot. The order is that in which dispatch.c lets them. */
typedef enum ki_isa {
    KI_ISA_NONE,
    KI_ISA_SCALAR,
    KI_ISA_AVX2,
    KI_ISA_AVXVNNI,
    KI_ISA_AVX512,
    KI_ISA_AVX512VNNI,
    KI_ISA_AVX512POPCNT,
    KI_ISA_AVX512BF16,
    KI_ISA_AMX,
    KI_ISA_NEON,
    KI_ISA_DOTPROD,
    KI_ISA_ARMBF16,
    KI_ISA_I8MM,
    KI_ISA_SVE,
    KI_ISA_COUNT
} ki_isa;

typedef enum ki_slot {
    KI_PREPARE,
    KI_PREPARE_F32,
    KI_PAIR,
    KI_GATHER,
    KI_RANGE,
    KI_PACK,
    KI_TILE,
    KI_SLOT_COUNT
} ki_slot;

typedef struct ki_kernel {
    ki_prepare_fn prepare;
    ki_prepare_fn prepare_f32;
    ki_pair_fn pair;
    ki_gather_fn gather;
    ki_range_fn range;
    ki_pack_fn pack;
    ki_tile_fn tile;
    ki_key_form form;
    ki_isa from[KI_SLOT_COUNT]; /* provenance: a slow kernel that nobody asked for is visible;
                                   NONE where there is no function */
} ki_kernel;

enum { KI_METRIC_COUNT = KITH_JACCARD + 1, KI_TYPE_COUNT = KITH_B1 + 1 };

/* A metric and a pairing that do not go together have an empty kernel (pair is NULL). */
typedef struct ki_kernels {
    uint64_t features; /* what the table was filled for */
    ki_sift_fn sift;
    ki_isa sift_from;
    ki_kernel at[KI_METRIC_COUNT][KI_PAIRING_COUNT];
} ki_kernels;

/* Features: one bit a level of the ladder, set only when every instruction of the level is
 * there and the operating system saves its registers. Scalar needs no bit. */
#define KI_BIT(isa) (UINT64_C(1) << (isa))

/* A policy, not a fact: 512-bit registers are there but halves of 256 do the work, so the float
 * kernels of avx512.c give nothing over those of avx2.c (AMD family 19h, Zen 4). Cleared when a
 * 512-bit level is asked for by name. */
#define KI_PREFER_256 (UINT64_C(1) << 63)

/* Detected features of this machine and this build. Cheap: what takes a trial (AMX) is tried once
 * a process. */
uint64_t ki_cpu_features(void);

/* The bits of `level` and of all levels that it contains, for example "avx2"; 0 and false if
 * unknown. */
int ki_cpu_mask(const char *level, uint64_t *mask);

/* "avx512vnni" and so on; the same words as in KITH_CPU. */
const char *ki_isa_name(ki_isa isa);

/* Fills the whole table for features & mask: the scalar reference first, then each level
 * overwrites what it improves. */
void ki_kernels_fill(uint64_t features, ki_kernels *out);

/* Do the metric and the pairing go together? The table then has a whole kernel for them. */
int ki_kernel_exists(kith_metric metric, ki_pairing pairing);

/* "f32", "u8", ..., "f32u8", "bf16bf16", "q8" and so on. */
const char *ki_pairing_name(ki_pairing pairing);

/* Bytes of a row: dim elements, without padding. b1 and KI_Q1 (dim + 7) / 8, KI_Q4 (dim + 1) / 2.
 */
size_t ki_row_bytes(ki_pairing pairing, uint32_t dim);

/* Bytes of scratch that prepare may write, on every instruction set. */
size_t ki_query_bytes(ki_pairing pairing, uint32_t dim);

/* Bytes that pack may write for m queries, on every instruction set. */
size_t ki_pack_bytes(ki_pairing pairing, uint32_t dim, size_t m);

/* Fills the side data. The same on every machine: plain C, f64 sums in a fixed order. */
void ki_aux_fill(kith_type type, const void *row, uint32_t dim, ki_aux *out);

/* The exact distance of two vectors as a reference: integer sums for u8, i8 and b1 (as double,
 * exact), f64 sums in index order for the float types. Cosine as in ki_aux: zero norms give 1.
 * Jaccard of two vectors without a set bit is 0. */
double ki_exact_distance(kith_metric metric, kith_type type, const void *a, const void *b,
                         uint32_t dim);

#endif

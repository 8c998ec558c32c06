/* codes.h - short rows that stand for a store's rows while a graph is built or walked.
 *
 * May include kernels/, codec_object.h, workers.h and kv/. The one idea: whatever a row is made of,
 * it is first spread out as floats (under cosine of unit length, so that l2sq of codes orders as
 * the angle does; with a projection fewer than the row has) and those are quantised by a codec.
 * Codes are integers, so a graph over them is the same on every machine. What is found is ranked
 * again by the rows themselves; see rank.h.
 *
 * KITH_SQ8 codes are rows and queries alike: a build measures code against code. That wants a codec
 * whose steps mean the same on both sides, so under ip it has no centre.
 */
#ifndef KI_CODES_H
#define KI_CODES_H

#include "index/codec_object.h"
#include "index/workers.h"
#include "kv/store.h"

/* What there is to be coded, and how. */
typedef struct ki_codes_shape {
    kith_type type; /* of the store's rows: any but b1 */
    kith_metric metric;
    uint32_t dim; /* of the rows */
    kith_code code;
    uint32_t reduced; /* dimensions that a projection leaves; 0: none, all stay */
} ki_codes_shape;

typedef struct ki_codes {
    ki_codes_shape shape;
    kith_codec *codec;  /* NULL until something was learnt */
    float *projection;  /* dim lines of `reduced` floats; NULL without */
    ki_slab slab;       /* of row r the code, with its side data */
    uint32_t count;     /* rows below this have codes */
    uint32_t learnt;    /* rows there were when the codec was learnt */
    uint32_t lessons;   /* how often something was learnt, or loaded: each is another code */
    uint32_t came;      /* rows that were coded since; a codec may not know their like */
    uint32_t dim;       /* of a code */
    ki_pairing pairing; /* of the kernel that measures codes */
    kith_metric metric; /* and its metric: l2sq or ip */
} ki_codes;

/* Nothing is learnt and no row has a code yet. */
kith_status ki_codes_open(const ki_codes_shape *shape, ki_codes **out);
void ki_codes_close(ki_codes *codes); /* accepts NULL */

/* Gives every row of the store that has no code one. Learns first where nothing was learnt, or
 * where half of the rows there are came since: then *renewed is set and every row has a new code. A
 * failure leaves the codes that were there, and *renewed false. */
kith_status ki_codes_follow(ki_codes *codes, const ki_store *engine, ki_workers *workers,
                            bool *renewed);

size_t ki_codes_bytes(const ki_codes *codes); /* memory; accepts NULL */

/* Makes a query that the kernel's prepare takes from a vector, of the rows' type or of f32.
 * `scratch` has ki_codes_scratch bytes, is aligned to 64 and must live as long as the result. */
size_t ki_codes_scratch(const ki_codes *codes);
const void *ki_codes_query(const ki_codes *codes, const void *vector, bool f32, void *scratch);

/* What was learnt, as bytes, and back. Errors: ECORRUPT (bytes that these codes cannot have
 * written), ENOMEM. */
size_t ki_codes_saved_bytes(const ki_codes *codes);
void ki_codes_save(const ki_codes *codes, void *bytes);
kith_status ki_codes_load(ki_codes *codes, const void *bytes, size_t length);

#endif
